//! Parts of a request, with problem documents where they are wrong.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequestParts, Path, Query};
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// The variable parts of the path.
#[derive(Debug)]
pub(super) struct InPath<T>(pub(super) T);

/// The query's parameters.
#[derive(Debug)]
pub(super) struct InQuery<T>(pub(super) T);

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

impl<T, S> FromRequestParts<S> for InQuery<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::from_request_parts(parts, state).await;
        let Query(query) =
            query.map_err(|error: QueryRejection| Problem::query(error.body_text()))?;
        Ok(Self(query))
    }
}
