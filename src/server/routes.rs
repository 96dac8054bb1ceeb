//! Which path leads where, and what it needs.
//!
//! A route can't be registered without saying what it needs of a token ([`Routes::at`]); without one only
//! health is told, and where no tokens are configured nobody is asked for any.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use http::Method;

use super::app::App;
use super::auth::{self, Access, Guard, Need, Scope};
use super::extract::InPath;
use super::problem::Problem;
use super::{
    backup, cors, csv_file, events, health, ingest, observe, openapi, page, streams, tail, usage,
};
use crate::config::Origins;
use crate::sinks::usage::STREAM as USAGE;

/// All routes.
pub(super) fn router(app: &Arc<App>) -> Router {
    let all = routes(app).into_router().with_state(app.clone());
    match &app.cors {
        Origins::None => all,
        // Outermost, so that errors can be read, too, and a preflight needs no token.
        origins => all.layer(from_fn_with_state(Arc::new(origins.clone()), cors::allow)),
    }
}

/// The paths that are registered, variable parts in braces.
#[cfg(test)]
pub(super) fn paths(app: &Arc<App>) -> BTreeSet<String> {
    routes(app).paths
}

fn routes(app: &Arc<App>) -> Routes {
    let ingest = |stream: &str| Need::stream(Scope::Ingest, stream);
    let read = |stream: &str| Need::stream(Scope::Read, stream);
    let [ingest_named, read_named, admin_named] =
        [Scope::Ingest, Scope::Read, Scope::Admin].map(Need::stream_in_path);
    let read_any = Need::any(Scope::Read);
    let mut routes = Routes::new(app.guard.clone())
        .at(events::ONE_PATH, read(events::STREAM), get(events::list))
        .at(events::ONE_PATH, ingest(events::STREAM), post(events::one))
        .at(events::BATCH_PATH, ingest(events::STREAM), post(events::batch))
        .at("/events/{id}", read(events::STREAM), get(events::event))
        .at(ingest::USAGE_PATH, ingest(USAGE), post(ingest::usage))
        .at("/v1/streams", read_any.clone(), get(streams::list))
        .at("/v1/streams/{stream}", ingest_named, post(into_named_stream))
        .at("/v1/streams/{stream}/windows", read_named.clone(), get(streams::windows))
        .at("/v1/streams/{stream}/windows/close", admin_named, post(streams::close_window))
        .at("/v1/streams/{stream}/windows/{file}", read_named.clone(), get(csv_file::download))
        .at("/v1/streams/{stream}/rejected", read_named.clone(), get(streams::rejected))
        .at("/v1/streams/{stream}/tail", read_named, get(tail::tail))
        .at("/v1/customers/{id}/total_events", read(USAGE), get(usage::one))
        .at("/v1/customers//total_events", read(USAGE), get(usage::of_empty_id))
        .at("/v1/usage/totals", read(USAGE), get(usage::all))
        .at("/v1/usage", read(USAGE), post(usage::batch))
        .at("/v1/events/search", read(USAGE), post(usage::search))
        .at("/v1/backup", Need::all_streams(Scope::Admin), post(backup::make))
        .at("/metrics", read_any.clone(), get(observe::metrics))
        .at(page::PATH, read_any.clone(), get(page::page))
        .at(openapi::PATH, read_any, get(openapi::describe))
        .open("/health", get(health::overall))
        .open("/health/live", get(health::live))
        .open("/health/ready", get(health::ready));
    for stream in &app.streams {
        if let Some(path) = &stream.path {
            routes = routes.at(path, ingest(&stream.name), own_path(&stream.name));
        }
    }
    routes
}

/// Routes as they are registered.
struct Routes {
    guard: Option<Arc<Guard>>,
    guarded: Router<Arc<App>>,
    open: Router<Arc<App>>,
    /// What the description must have (`openapi`), and nothing else.
    paths: BTreeSet<String>,
}

impl Routes {
    fn new(guard: Option<Arc<Guard>>) -> Self {
        Self { guard, guarded: Router::new(), open: Router::new(), paths: BTreeSet::new() }
    }

    /// Methods of a path, for whoever has what they need.
    fn at(mut self, path: &str, need: Need, methods: MethodRouter<Arc<App>>) -> Self {
        self.paths.insert(path.to_owned());
        let methods = match &self.guard {
            Some(guard) => auth::authorised(methods, guard, need),
            None => methods,
        };
        Self { guarded: self.guarded.route(path, methods), ..self }
    }

    /// Methods of a path, for everybody.
    fn open(mut self, path: &str, methods: MethodRouter<Arc<App>>) -> Self {
        self.paths.insert(path.to_owned());
        Self { open: self.open.route(path, methods), ..self }
    }

    fn into_router(self) -> Router<Arc<App>> {
        let guarded = self.guarded.fallback(no_route).method_not_allowed_fallback(wrong_method);
        let guarded = match self.guard {
            // Around the fallbacks, too: which routes there are is nobody's business.
            Some(guard) => guarded
                .layer(from_fn_with_state(guard, auth::authenticate))
                .layer(from_fn(page::instead_of_denial)),
            None => guarded,
        };
        guarded.merge(self.open.method_not_allowed_fallback(wrong_method))
    }
}

async fn into_named_stream(
    State(app): State<Arc<App>>,
    InPath(stream): InPath<String>,
    request: Request,
) -> Response {
    ingest::into_stream(&app, &stream, request).await
}

/// A stream's own path.
fn own_path(stream: &str) -> MethodRouter<Arc<App>> {
    let stream: Arc<str> = stream.into();
    post(move |State(app): State<Arc<App>>, request: Request| {
        let stream = stream.clone();
        async move { ingest::into_stream(&app, &stream, request).await }
    })
}

async fn no_route(State(app): State<Arc<App>>, access: Access, request: Request) -> Response {
    let path = request.uri().path();
    let own = app.streams.iter().filter(|stream| access.is_to(&stream.name));
    let own = own.filter_map(|stream| stream.path.as_deref());
    let paths: Vec<_> =
        ["/v1/streams/STREAM", ingest::USAGE_PATH, events::ONE_PATH, events::BATCH_PATH]
            .into_iter()
            .chain(own)
            .collect();
    Problem::not_found(format!(
        "there is nothing at `{}`; events go to {}",
        path.chars().take(200).collect::<String>(),
        paths.join(", ")
    ))
    .into_response()
}

async fn wrong_method(method: Method, request: Request) -> Response {
    let path: String = request.uri().path().chars().take(200).collect();
    Problem::method_not_allowed(format!(
        "`{path}` doesn't take {method}; `Allow` says which methods it takes"
    ))
    .into_response()
}
