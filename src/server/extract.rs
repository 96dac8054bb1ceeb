//! Parts of a request, with problem documents where they are wrong.

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// The variable parts of the path.
#[derive(Debug)]
pub(super) struct InPath<T>(pub(super) T);

impl<T, S> FromRequestParts<S> for InPath<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(path)) => Ok(Self(path)),
            // What isn't even text names nothing.
            Err(error @ PathRejection::FailedToDeserializePathParams(_)) => {
                Err(Problem::not_found(error.to_string()))
            }
            Err(error) => Err(Problem::internal(error.to_string())),
        }
    }
}
