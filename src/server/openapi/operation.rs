//! One operation: what is sent to a path by a method, and what comes of it.

use serde_json::Value;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::path::{OperationBuilder, Parameter};
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::{Content, ContentBuilder, HttpMethod, Ref, ResponseBuilder};

use super::headers;
use super::refusals::Refusal;
use super::schema::Part;
use crate::server::auth::Scope;

/// What an operation is about, for people who look through them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tag {
    Sending,
    Windows,
    Table,
    Usage,
    Daemon,
}

impl Tag {
    /// Every one, in the order in which they are shown, with what it is about.
    pub(super) const ALL: [(Self, &'static str); 5] = [
        (Self::Sending, "Events go in. A request is durable when it is answered with 200."),
        (Self::Windows, "Streams, and the CSV files that their events are written to."),
        (Self::Table, "Processed events of the stream `events`, from the table."),
        (Self::Usage, "Counts of the stream `usage`, by customer, type and time."),
        (Self::Daemon, "The daemon itself: health, metrics, backups, pages."),
    ];

    /// Its name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Sending => "sending",
            Self::Windows => "windows",
            Self::Table => "table",
            Self::Usage => "usage",
            Self::Daemon => "daemon",
        }
    }
}

/// An operation while it is being described.
pub(super) struct Operation {
    pub(super) path: String,
    pub(super) method: HttpMethod,
    /// Nobody needs a token where there is none.
    pub(super) scope: Option<Scope>,
    pub(super) described: OperationBuilder,
    pub(super) answer: ResponseBuilder,
    pub(super) refusals: Vec<Refusal>,
}

impl Operation {
    /// A question.
    pub(super) fn get(path: &str, id: &str, tag: Tag, summary: &str) -> Self {
        Self::new(HttpMethod::Get, path, id, tag, summary)
    }

    /// What changes something, or asks more than a query has room for.
    pub(super) fn post(path: &str, id: &str, tag: Tag, summary: &str) -> Self {
        Self::new(HttpMethod::Post, path, id, tag, summary)
    }

    fn new(method: HttpMethod, path: &str, id: &str, tag: Tag, summary: &str) -> Self {
        let described = OperationBuilder::new()
            .operation_id(Some(id))
            .tag(tag.name())
            .summary(Some(summary))
            .parameter_ref(Ref::new("#/components/parameters/X-Request-Id"));
        Self {
            path: path.to_owned(),
            method,
            scope: None,
            described,
            answer: headers::on_all(ResponseBuilder::new()),
            refusals: Vec::new(),
        }
    }

    /// More about it, in `CommonMark`.
    pub(super) fn about(self, about: &str) -> Self {
        Self { described: self.described.description(Some(about)), ..self }
    }

    /// The scope that a token needs.
    pub(super) fn needs(self, scope: Scope) -> Self {
        Self { scope: Some(scope), ..self }
    }

    /// A parameter that several operations have, by its name among the components.
    pub(super) fn shared(self, name: &str) -> Self {
        let parameter = Ref::new(format!("#/components/parameters/{name}"));
        Self { described: self.described.parameter_ref(parameter), ..self }
    }

    /// A parameter of its own.
    pub(super) fn own(self, parameter: impl Into<Parameter>) -> Self {
        Self { described: self.described.parameter(parameter), ..self }
    }

    /// Its body.
    pub(super) fn takes(self, body: RequestBody) -> Self {
        Self { described: self.described.request_body(Some(body)), ..self }
    }

    /// What 200 means.
    pub(super) fn means(self, about: &str) -> Self {
        Self { answer: self.answer.description(about), ..self }
    }

    /// A form in which 200 comes.
    pub(super) fn gives(self, media: &str, content: Content) -> Self {
        Self { answer: self.answer.content(media, content), ..self }
    }

    /// The same, in JSON.
    pub(super) fn gives_json(self, schema: impl Into<Part>) -> Self {
        self.gives("application/json", ContentBuilder::new().schema(Some(schema)).build())
    }

    /// A header of 200, by its name among the components.
    pub(super) fn with_header(self, name: &str) -> Self {
        Self { answer: headers::shared(self.answer, name), ..self }
    }

    /// The document that 503 has, too, where that isn't a problem.
    pub(super) fn or_fails(self, schema: impl Into<Part>) -> Self {
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let failing = headers::on_all(ResponseBuilder::new()).content("application/json", content);
        let failing = headers::shared(failing, headers::RETRY_AFTER);
        let failing = failing.description("`status` is `failing`: requests aren't taken.");
        Self { described: self.described.response("503", failing), ..self }
    }

    /// What else may be answered.
    pub(super) fn refuses(mut self, refusals: impl IntoIterator<Item = Refusal>) -> Self {
        self.refusals.extend(refusals);
        self
    }
}

/// A body of this schema, with an example.
pub(super) fn example(schema: impl Into<Part>, summary: &str, value: Value) -> Content {
    let example = ExampleBuilder::new().summary(summary).value(Some(value)).build();
    let schema = Some(schema);
    ContentBuilder::new().schema(schema).examples_from_iter([("example", example)]).build()
}
