//! Operations about the daemon itself.

use serde_json::json;
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::{Content, ContentBuilder, Required};

use super::operation::{self, Operation, Tag};
use super::parameters::query;
use super::refusals;
use super::schema::{always, named, object, one_of, only, text};
use crate::server::auth::Scope;
use crate::server::{observe, page};

/// Those that every daemon has.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        health("/health", "health", "How the daemon is"),
        health("/health/live", "live", "Whether the process is alive"),
        health("/health/ready", "ready", "Whether requests are taken"),
        metrics(),
        backup(),
        status_page(),
        itself(),
    ]
}

fn health(path: &str, id: &str, summary: &str) -> Operation {
    let operation = Operation::get(path, id, Tag::Daemon, summary)
        .means("`status` is `ok` or `degraded`.")
        .gives_json(named("Health"));
    if id == "live" { operation } else { operation.or_fails(named("Health")) }
}

fn metrics() -> Operation {
    let format = one_of("", ["json", "text", "prometheus"]);
    Operation::get("/metrics", "metrics", Tag::Daemon, "Metrics for Prometheus, or figures in JSON")
        .about(
            "JSON is for whom asks for it, with `format` or with `Accept: application/json`. Of the \
             metrics, those of streams that the token isn't for are left out.",
        )
        .needs(Scope::Read)
        .own(query("format", "In which form.", format))
        .means("The metrics.")
        .gives("text/plain", plain("Prometheus' text format, version 0.0.4."))
        .gives_json(named("Statistics"))
        .refuses([
            refusals::no_format(),
            refusals::of_unknown("no-parameter-of-metrics", &observe::PARAMETERS),
            refusals::still_opening(),
        ])
}

fn backup() -> Operation {
    let dir = text("A directory on the daemon's machine that is empty, or not there.");
    let dir = only([always("dir", dir.pattern(Some("^/")))]);
    let example = operation::example(dir, "a directory", json!({ "dir": "/backups/2026-07-01" }));
    let body = RequestBodyBuilder::new()
        .content("application/json", example)
        .required(Some(Required::True))
        .build();
    let summary = "Copy the data directory while windrow goes on";
    Operation::post("/v1/backup", "make-backup", Tag::Daemon, summary)
        .about(
            "The answer comes when the copy is whole. Whoever goes before that calls the backup off. \
             It needs a token for all streams.",
        )
        .needs(Scope::Admin)
        .takes(body)
        .means("The copy is whole.")
        .gives_json(named("Backup"))
        .refuses(refusals::of_backup())
        .refuses(refusals::of_writing())
}

fn status_page() -> Operation {
    Operation::get(page::PATH, "page", Tag::Daemon, "A page for people")
        .needs(Scope::Read)
        .means(
            "The page. Browsers that come without a token get it beside their \
                401, and it asks for one.",
        )
        .gives("text/html", plain("A document without anything from elsewhere."))
}

fn itself() -> Operation {
    Operation::get(super::PATH, "describe", Tag::Daemon, "This description")
        .about("Of the streams that the token is for.")
        .needs(Scope::Read)
        .means("An OpenAPI document, version 3.1.")
        .gives_json(object("", []))
}

fn plain(about: &str) -> Content {
    ContentBuilder::new().schema(Some(text(about))).build()
}
