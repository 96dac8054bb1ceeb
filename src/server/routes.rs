//! Which path leads where.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use http::Method;

use super::app::App;
use super::extract::InPath;
use super::problem::Problem;
use super::{csv_file, events, health, ingest, observe, streams, usage};

/// All routes.
pub(super) fn router(app: &Arc<App>) -> Router {
    let mut router = Router::new()
        .route(events::ONE_PATH, get(events::list).post(events::one))
        .route(events::BATCH_PATH, post(events::batch))
        .route("/events/{id}", get(events::event))
        .route(ingest::USAGE_PATH, post(ingest::usage))
        .route("/v1/streams", get(streams::list))
        .route("/v1/streams/{stream}", post(into_named_stream))
        .route("/v1/streams/{stream}/windows", get(streams::windows))
        .route("/v1/streams/{stream}/windows/close", post(streams::close_window))
        .route("/v1/streams/{stream}/windows/{file}", get(csv_file::download))
        .route("/v1/customers/{id}/total_events", get(usage::one))
        .route("/v1/customers//total_events", get(usage::of_empty_id))
        .route("/v1/usage/totals", get(usage::all))
        .route("/v1/usage", post(usage::batch))
        .route("/v1/events/search", post(usage::search))
        .route("/metrics", get(observe::metrics))
        .route("/health", get(health::overall))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready));
    for stream in &app.streams {
        if let Some(path) = &stream.path {
            router = router.route(path, own_path(&stream.name));
        }
    }
    router.fallback(no_route).method_not_allowed_fallback(wrong_method).with_state(app.clone())
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

async fn no_route(State(app): State<Arc<App>>, request: Request) -> Response {
    let path = request.uri().path();
    let paths = app.streams.iter().filter_map(|stream| stream.path.as_deref());
    let paths: Vec<_> =
        ["/v1/streams/STREAM", ingest::USAGE_PATH, events::ONE_PATH, events::BATCH_PATH]
            .into_iter()
            .chain(paths)
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
