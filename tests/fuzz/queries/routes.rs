//! The routes that take parameters, and what each parameter takes.

/// The window that is committed.
pub const FILE: &str = "/v1/streams/user-events/windows/user-events-20240701-020304.csv";

/// What a parameter takes.
#[derive(Clone, Copy)]
pub enum Kind {
    Time,
    Position,
    Number {
        from: u64,
        to: u64,
    },
    /// One of these.
    Word(&'static [&'static str]),
    /// One of these, in either case of letters.
    AnyCase(&'static [&'static str]),
    /// So many characters at most.
    Text(usize),
    /// What an answer had as `next`, and nothing that comes to anybody's mind.
    TableCursor,
    UsageCursor,
}

pub struct Route {
    pub method: &'static str,
    pub path: &'static str,
    pub body: &'static str,
    /// Success, and what else may be said of a request whose query is right.
    pub right: &'static [u16],
    pub parameters: &'static [(&'static str, Kind)],
}

const NUMBER: Kind = Kind::Number { from: 0, to: u64::MAX };
const SIZES: Kind = Kind::AnyCase(&["hour", "day", "none"]);

pub const ROUTES: [Route; 9] = [
    Route {
        method: "GET",
        path: "/events",
        body: "",
        right: &[200],
        parameters: &[
            ("type", Kind::Word(&["user_action", "sensor_data", "system_log"])),
            ("source", Kind::Word(&["web", "mobile", "iot_device", "system"])),
            ("user_id", Kind::Text(50)),
            ("from", Kind::Time),
            ("to", Kind::Time),
            ("limit", Kind::Number { from: 1, to: 1000 }),
            ("cursor", Kind::TableCursor),
            ("order", Kind::Word(&["asc", "desc"])),
            ("position", Kind::Position),
        ],
    },
    Route {
        method: "GET",
        path: "/events/01906c08-07f7-79fc-9eac-94b3b37eb2d4",
        body: "",
        right: &[404],
        parameters: &[("position", Kind::Position)],
    },
    Route {
        method: "GET",
        path: "/v1/customers/c/total_events",
        body: "",
        right: &[200],
        parameters: &[
            ("starting_at", Kind::Time),
            ("ending_before", Kind::Time),
            ("event_type", Kind::Text(usize::MAX)),
            ("window_size", SIZES),
            ("position", Kind::Position),
        ],
    },
    Route {
        method: "GET",
        path: "/v1/usage/totals",
        body: "",
        right: &[200],
        parameters: &[
            ("starting_at", Kind::Time),
            ("ending_before", Kind::Time),
            ("event_type", Kind::Text(usize::MAX)),
            ("window_size", SIZES),
            ("position", Kind::Position),
            ("limit", Kind::Number { from: 1, to: 1000 }),
            ("cursor", NUMBER),
        ],
    },
    Route {
        method: "POST",
        path: "/v1/usage",
        body: r#"{"starting_on":"2024-07-01","ending_before":"2024-07-03","window_size":"DAY"}"#,
        right: &[200],
        parameters: &[("next_page", Kind::UsageCursor), ("position", Kind::Position)],
    },
    Route {
        method: "POST",
        path: "/v1/events/search",
        body: r#"{"transactionIds":["1"]}"#,
        right: &[200],
        parameters: &[("position", Kind::Position)],
    },
    Route {
        method: "GET",
        path: "/v1/streams/user-events/windows",
        body: "",
        right: &[200],
        parameters: &[
            ("position", Kind::Position),
            ("limit", Kind::Number { from: 1, to: 10_000 }),
            ("cursor", NUMBER),
        ],
    },
    Route {
        method: "GET",
        path: FILE,
        body: "",
        right: &[200],
        parameters: &[("position", Kind::Position)],
    },
    Route {
        method: "GET",
        path: "/metrics",
        body: "",
        right: &[200],
        parameters: &[("format", Kind::Word(&["json", "text", "prometheus"]))],
    },
];
