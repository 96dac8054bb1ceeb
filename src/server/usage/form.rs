//! In which form counts are told: JSON, or CSV for whom asks for that.

use http::{HeaderMap, HeaderValue, header};

use crate::server::list;

/// The form of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// The default.
    Json,
    /// A row for each bucket.
    Csv,
}

/// How each is called.
const NAMES: [(&[u8], Form); 2] = [(b"application/json", Form::Json), (b"text/csv", Form::Csv)];

impl Form {
    /// What `Accept` asks for: whichever of the two it names first; JSON if neither.
    pub(super) fn asked(headers: &HeaderMap) -> Self {
        headers
            .get_all(header::ACCEPT)
            .iter()
            .flat_map(|value| list::parts(value.as_bytes(), b','))
            .filter_map(|range| list::parts(range, b';').next())
            .find_map(|media| {
                let is_it = |(name, _): &&(&[u8], Self)| media.eq_ignore_ascii_case(name);
                NAMES.iter().find(is_it).map(|(_, form)| *form)
            })
            .unwrap_or(Self::Json)
    }

    /// As `Content-Type` says it.
    pub(super) const fn media(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_is_for_whom_asks_for_it() {
        for (accept, form) in [
            ("*/*", Form::Json),
            ("text/html, */*;q=0.8", Form::Json),
            ("text/csv", Form::Csv),
            ("Text/CSV; header=present, */*", Form::Csv),
            ("application/json, text/csv", Form::Json),
        ] {
            let accept = [(header::ACCEPT, HeaderValue::from_static(accept))];
            assert_eq!(Form::asked(&HeaderMap::from_iter(accept)), form);
        }
        assert_eq!(Form::asked(&HeaderMap::new()), Form::Json);
    }
}
