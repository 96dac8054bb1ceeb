//! The router, as hyper calls it for each request.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use http::{Request, Response, Version};
use hyper::body::{Body as _, Incoming};
use tower::Service as _;

use super::activity::Activity;
use super::answer::Answer;
use super::auth::Peer;
use super::cors::Pages;
use super::read_out::ReadOut;
use super::request_id::RequestIds;

/// Answers the requests of one connection.
pub(super) struct Serve {
    pub(super) router: Router,
    pub(super) ids: Arc<RequestIds>,
    pub(super) pages: Arc<Pages>,
    /// Where the connection comes from, if that is to be told.
    pub(super) peer: Option<Peer>,
    pub(super) activity: Arc<Activity>,
}

impl hyper::service::Service<Request<Incoming>> for Serve {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Answer>, Infallible>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let (in_service, unfinished) = (self.activity.begin(), self.activity.begin_answer());
        // HTTP/2 throws away what nobody reads of a body, and the connection goes on.
        let may_be_unread = request.version() < Version::HTTP_2 && !request.body().is_end_stream();
        in_service.set_unread(may_be_unread);
        let id = self.ids.of(&request);
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(peer);
        }
        let answer = match self.pages.refusal(&request) {
            Some(refusal) => Err(refusal),
            // A router is always ready.
            None if request.version() < Version::HTTP_2 => Ok(self.router.clone().call(request)),
            None => Ok(self.router.clone().call(request.map(ReadOut::new))),
        };
        Box::pin(async move {
            let mut response = match answer {
                Ok(answer) => answer.await?,
                Err(refusal) => refusal,
            };
            id.put(&mut response);
            if response.status().is_success() {
                in_service.set_unread(false);
            }
            drop(in_service);
            Ok(response.map(|body| Answer::new(body, unfinished)))
        })
    }
}
