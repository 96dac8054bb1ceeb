//! The query of `GET /events`.

use crate::config::StreamConfig;
use crate::server::parameters::Parameters;
use crate::server::problem::Problem;
use crate::sinks::table::sql;
use crate::stream::ColumnType;

/// Events in one answer, unless `limit` says otherwise.
pub(in crate::server) const LIMIT_DEFAULT: usize = 100;
/// Events in one answer at most.
pub(in crate::server) const LIMIT_MAX: usize = 1000;
/// Longest `user_id`, in characters: the column's width.
pub(in crate::server) const USER_ID_CHARS_MAX: usize = 50;

impl Parameters {
    /// What `GET /events` takes.
    pub(in crate::server) const OF_LIST: &'static [&'static str] =
        &["type", "source", "user_id", "from", "to", "limit", "cursor", "order", "position"];
    /// What `GET /events/{id}` takes.
    pub(super) const OF_ONE: &'static [&'static str] = &["position"];

    /// What is asked of the table; `stream` says which values its columns take.
    pub(super) fn query(&self, stream: &StreamConfig) -> Result<sql::Query, Problem> {
        let (from, to) = self.interval("from", "to")?;
        Ok(sql::Query {
            kind: self.one_of(stream, "type")?,
            source: self.one_of(stream, "source")?,
            user_id: self.user_id()?,
            from,
            to,
            order: self.order()?,
            limit: self.limit(LIMIT_DEFAULT, LIMIT_MAX)?,
            cursor: self.get("cursor").map(str::to_owned),
        })
    }

    /// A value that the column of that name takes.
    fn one_of(&self, stream: &StreamConfig, name: &str) -> Result<Option<String>, Problem> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let column = stream.schema.columns().iter().find(|column| column.name == name);
        match column.map(|column| &column.kind) {
            Some(ColumnType::OneOf(values)) if !values.iter().any(|known| known == value) => {
                let values = values.join("`, `");
                Err(Problem::parameter(name, format!("`{name}` must be one of `{values}`")))
            }
            _ => Ok(Some(value.to_owned())),
        }
    }

    fn user_id(&self) -> Result<Option<String>, Problem> {
        match self.get("user_id") {
            Some(id) if id.chars().count() > USER_ID_CHARS_MAX => {
                let detail = format!("`user_id` has at most {USER_ID_CHARS_MAX} characters");
                Err(Problem::parameter("user_id", detail))
            }
            id => Ok(id.map(str::to_owned)),
        }
    }

    fn order(&self) -> Result<sql::Order, Problem> {
        match self.get("order") {
            None | Some("asc") => Ok(sql::Order::Ascending),
            Some("desc") => Ok(sql::Order::Descending),
            Some(_) => {
                let detail = "`order` must be `asc`, oldest first, or `desc`, newest first";
                Err(Problem::parameter("order", detail))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Schema;
    use crate::time::Timestamp;

    fn query(text: &str) -> Result<sql::Query, String> {
        let stream = StreamConfig {
            name: "events".to_owned(),
            path: None,
            schema: Schema::builtin("events").unwrap(),
            unknown_fields: crate::stream::UnknownFields::default(),
            on_invalid: crate::config::OnInvalid::default(),
            sinks: Vec::new(),
            windows: crate::sinks::windows::WindowsOptions::default(),
        };
        let parameters = Parameters::of(text);
        parameters
            .check(Parameters::OF_LIST)
            .and_then(|()| parameters.query(&stream))
            .map_err(|problem| problem.detail().to_owned())
    }

    #[test]
    fn every_parameter_is_understood() {
        let query = query(
            "type=user_action&source=iot_device&user_id=a%27b&from=2024-07-01T02:00:00+02:00\
             &to=1719885600&limit=7&cursor=c&order=desc&position=4096",
        )
        .unwrap();
        assert_eq!(query.kind.as_deref(), Some("user_action"));
        assert_eq!(query.source.as_deref(), Some("iot_device"));
        assert_eq!(query.user_id.as_deref(), Some("a'b"));
        assert_eq!(query.from, Timestamp::parse("2024-07-01").ok());
        assert_eq!(query.to, Timestamp::parse("2024-07-02T02:00:00Z").ok());
        assert_eq!((query.limit, query.order), (7, sql::Order::Descending));
        assert_eq!(query.cursor.as_deref(), Some("c"));
    }

    #[test]
    fn without_parameters_the_oldest_hundred_are_asked_for() {
        let query = query("").unwrap();
        assert_eq!((query.limit, query.order), (100, sql::Order::Ascending));
        assert!(query.kind.is_none() && query.user_id.is_none() && query.from.is_none());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, says) in [
            ("type=purchase", "`type` must be one of `user_action`, `sensor_data`, `system_log`"),
            ("type=", "`type` must be one of"),
            ("source=Web", "`source` must be one of `web`"),
            ("from=noon", "`from` must be a timestamp such as"),
            ("to=", "`to` must be a timestamp such as"),
            ("from=2024-07-02&to=2024-07-01", "`to` must not be before `from`"),
            ("limit=0", "`limit` must be a number from 1 to 1000"),
            ("limit=1001", "`limit` must be"),
            ("limit=1%3BDROP", "`limit` must be"),
            ("order=up", "`order` must be `asc`"),
            ("limit=1&limit=2", "`limit` is there twice"),
            ("userid=x", "there is no parameter `userid`; there are `type`, `source`, `user_id`"),
        ] {
            let detail = query(text).unwrap_err();
            assert!(detail.starts_with(says), "{text}: {detail}");
        }
        assert!(query(&format!("user_id={}", "x".repeat(51))).is_err());
        assert!(query(&format!("user_id={}", "%C3%A9".repeat(50))).is_ok());
        assert!(query("from=2024-07-01&to=2024-07-01").is_ok());
    }
}
