//! The description, as a client reads it.

use serde_json::Value;

use crate::harness::Answer;

/// A description.
pub struct Description(pub Value);

/// An operation of it.
pub struct Operation<'a> {
    /// In capitals.
    pub method: String,
    /// With variable parts in braces.
    pub path: &'a str,
    /// Everything else.
    pub described: &'a Value,
}

impl Description {
    /// That of an answer, which must be a success.
    pub fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let document = answer.json();
        assert_eq!(document["openapi"], "3.1.0");
        Self(document)
    }

    /// All operations.
    pub fn operations(&self) -> impl Iterator<Item = Operation<'_>> {
        self.0["paths"].as_object().unwrap().iter().flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(move |(method, described)| Operation {
                method: method.to_uppercase(),
                path,
                described,
            })
        })
    }
}

impl Operation<'_> {
    /// Its path with something in place of each variable part.
    pub fn somewhere(&self) -> String {
        self.path
            .replace("{stream}", "user-events")
            .replace("{file}", "user-events-19700101-000000.csv")
            // It has no end, but where something is wrong.
            .replace("/tail", "/tail?from=later")
            .replace("{id}", "01906c08-07f7-79fc-9eac-94b3b37eb2d4")
    }
}
