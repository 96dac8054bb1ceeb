//! The query of the routes that count.

use crate::server::parameters::Parameters;
use crate::server::problem::Problem;
use crate::sinks::usage::{Question, WindowSize};

/// What every one of them takes.
macro_rules! of_question {
    ($($more:literal),*) => {
        &["starting_at", "ending_before", "event_type", "window_size", "position", $($more),*]
    };
}

/// What `GET /v1/customers/{id}/total_events` takes.
pub(super) const OF_ONE: &[&str] = of_question!();
/// What `GET /v1/usage/totals` takes.
pub(super) const OF_ALL: &[&str] = of_question!("limit", "cursor");

/// What is asked.
pub(super) fn question(parameters: &Parameters) -> Result<Question, Problem> {
    let (starting_at, ending_before) = parameters.interval("starting_at", "ending_before")?;
    let window = parameters.get("window_size").map(str::parse::<WindowSize>).transpose();
    Ok(Question {
        starting_at,
        ending_before,
        event_type: parameters.get("event_type").map(str::to_owned),
        window: window
            .map_err(|detail| Problem::parameter("window_size", detail))?
            .unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Result<Question, String> {
        let parameters = Parameters::of(query);
        parameters
            .check(OF_ONE)
            .and_then(|()| question(&parameters))
            .map_err(|problem| problem.detail().to_owned())
    }

    #[test]
    fn every_parameter_is_understood() {
        let question = asked(
            "starting_at=2021-03-01T02:00:00+02:00&ending_before=1614560400&event_type=a%26b\
             &window_size=DAY&position=4096",
        )
        .unwrap();
        assert_eq!(question.starting_at, "2021-03-01".parse().ok());
        assert_eq!(question.ending_before, "2021-03-01T01:00:00Z".parse().ok());
        assert_eq!(question.event_type.as_deref(), Some("a&b"));
        assert_eq!(question.window, WindowSize::Day);
    }

    #[test]
    fn without_parameters_everything_is_asked_for_hour_by_hour() {
        assert_eq!(asked("").unwrap(), Question::default());
        // A type of events may well be nameless.
        assert_eq!(asked("event_type=").unwrap().event_type.as_deref(), Some(""));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, says) in [
            ("starting_at=noon", "`starting_at` must be a timestamp such as"),
            ("starting_at=", "`starting_at` must be a timestamp such as"),
            (
                "starting_at=2024-07-02&ending_before=2024-07-01",
                "`ending_before` must not be before `starting_at`",
            ),
            ("window_size=week", "`window_size` must be `hour`, `day` or `none`"),
            ("event_type=a&event_type=b", "`event_type` is there twice"),
            ("limit=1", "there is no parameter `limit`; there are `starting_at`"),
        ] {
            let detail = asked(text).unwrap_err();
            assert!(detail.starts_with(says), "{text}: {detail}");
        }
        assert!(asked("starting_at=2024-07-01&ending_before=2024-07-01").is_ok());
    }
}
