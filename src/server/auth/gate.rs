//! Where requests pass: who sends it, before anything else; whether they may, on the route.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use http::request::Parts;
use http::{HeaderValue, Version, header};
use http_body::Body as _;

use super::denial::Denial;
use super::grant::{Grant, Need};
use super::guard::Guard;
use super::scope::Scope;
use crate::server::app::App;
use crate::server::problem::Problem;

/// What a stream is called in the paths of routes.
const STREAM_IN_PATH: &str = "stream";

/// Lets requests with a good token through, with what it grants.
pub(in crate::server) async fn authenticate(
    State(guard): State<Arc<Guard>>,
    mut request: Request,
    next: Next,
) -> Response {
    match guard.admit(request.headers()) {
        Ok(grant) => {
            request.extensions_mut().insert(Granted(grant));
            next.run(request).await
        }
        Err(denial) => refuse(&guard, denial, &request),
    }
}

/// `methods`, for those only who have what they need. [`authenticate`] must be in front of them.
pub(in crate::server) fn authorised(
    methods: MethodRouter<Arc<App>>,
    guard: &Arc<Guard>,
    need: Need,
) -> MethodRouter<Arc<App>> {
    let gate = Arc::new(Gate { guard: Arc::clone(guard), need });
    methods.route_layer(from_fn_with_state(gate, authorise))
}

/// What a route asks, and whom.
struct Gate {
    guard: Arc<Guard>,
    need: Need,
}

async fn authorise(
    State(gate): State<Arc<Gate>>,
    path: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
    next: Next,
) -> Response {
    // As the route itself will understand the path: percent-encoded names can't slip through.
    let path = match path {
        Ok(path) => path,
        // What isn't even text names nothing.
        Err(error) => return Problem::not_found(error.body_text()).into_response(),
    };
    let stream = path.iter().find(|(name, _)| *name == STREAM_IN_PATH).map(|(_, stream)| stream);
    let granted = request.extensions().get::<Granted>().ok_or(Denial::Missing);
    match granted.and_then(|Granted(grant)| gate.need.check(grant, stream)) {
        Ok(()) => next.run(request).await,
        Err(denial) => refuse(&gate.guard, denial, &request),
    }
}

fn refuse(guard: &Guard, denial: Denial, request: &Request) -> Response {
    let from = request.extensions().get::<Peer>().map(|Peer(address)| *address);
    guard.note(&denial, from);
    let mut response = denial.into_response();
    if !request.body().is_end_stream() && request.version() < Version::HTTP_2 {
        // Nobody reads the body (A1), and over one connection it stands in front of the next request.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Where the connection of a request comes from: an extension of requests that need a token. Behind a
/// proxy, that is the proxy's address.
#[derive(Clone, Copy, Debug)]
pub(in crate::server) struct Peer(pub(in crate::server) SocketAddr);

/// What the token of a request grants.
#[derive(Clone)]
struct Granted(Arc<Grant>);

/// What the sender of a request may see, for routes that show each what is theirs.
#[derive(Clone, Debug)]
pub(in crate::server) struct Access(Option<Arc<Grant>>);

impl Access {
    /// Whether that is everything.
    pub(in crate::server) fn is_to_all(&self) -> bool {
        self.0.as_ref().is_none_or(|grant| grant.streams.are_all())
    }

    /// Whether the stream is among it.
    pub(in crate::server) fn is_to(&self, stream: &str) -> bool {
        self.0.as_ref().is_none_or(|grant| grant.streams.contain(stream))
    }
}

/// The token of a request whose answer has no end, to be asked now and then whether it is still good.
pub(in crate::server) struct HeldToken(Option<Held>);

struct Held {
    guard: Arc<Guard>,
    grant: Arc<Grant>,
    need: Need,
}

impl Access {
    /// The token, for as long as it is good for `scope` of `stream`. Whoever needs none has one for ever.
    pub(in crate::server) fn held(self, app: &App, scope: Scope, stream: &str) -> HeldToken {
        let both = app.guard.clone().zip(self.0);
        let need = Need::stream(scope, stream);
        HeldToken(both.map(|(guard, grant)| Held { guard, grant, need }))
    }
}

impl HeldToken {
    /// Whether a request with it would still be let through, but for how many there may be.
    pub(in crate::server) fn is_good(&self) -> bool {
        let Some(Held { guard, grant, need }) = &self.0 else { return true };
        guard.now(grant).is_some_and(|grant| need.check(&grant, None).is_ok())
    }
}

impl FromRequestParts<Arc<App>> for Access {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        match parts.extensions.get::<Granted>() {
            Some(Granted(grant)) => Ok(Self(Some(Arc::clone(grant)))),
            None if app.guard.is_none() => Ok(Self(None)),
            // A route outside of the gate would show everybody everything.
            None => Err(Problem::internal("a route that needs a token was registered without")),
        }
    }
}
