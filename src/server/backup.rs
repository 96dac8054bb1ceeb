//! `POST /v1/backup`: a copy of the data directory, made while the daemon goes on.
//!
//! The answer comes when the copy is whole. A client that goes before that calls the backup off.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Json;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use serde::Deserialize;

use super::app::App;
use super::problem::Problem;
use super::usage;
use crate::backup::BackupError;
use crate::disk::CopyError;

/// The longest body: a path.
const BODY_BYTES_MAX: usize = 64 << 10;
/// What the body is like.
pub(super) const LIKE: &str = r#"{"dir": "/backups/2026-07-01"}"#;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    dir: PathBuf,
}

/// Calls the backup off when whoever waits for it goes.
struct CallOff(Arc<AtomicBool>);

impl Drop for CallOff {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Makes a backup in the directory that the body names, on the daemon's machine.
pub(super) async fn make(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    let backups = Arc::clone(&app.taking()?.backups);
    let Asked { dir } = asked(request).await?;
    let called_off = Arc::new(AtomicBool::new(false));
    let _guard = CallOff(Arc::clone(&called_off));
    match tokio::task::spawn_blocking(move || backups.make(&dir, &called_off)).await {
        Ok(made) => Ok(Json(made?).into_response()),
        Err(error) => Err(Problem::internal(format!("writing the backup: {error}"))),
    }
}

async fn asked(request: Request) -> Result<Asked, Problem> {
    if !is_json(request.headers()) {
        // Which no page from elsewhere can send without having asked.
        return Err(not_json());
    }
    let body = to_bytes(request.into_body(), BODY_BYTES_MAX).await;
    let body = body.map_err(|error| Problem::query(format!("the body can't be read: {error}")))?;
    serde_json::from_slice(&body).map_err(|error| usage::unlike(LIKE, &error))
}

/// The body doesn't say that it is JSON.
pub(super) fn not_json() -> Problem {
    Problem::unsupported(format!(
        "this route takes `Content-Type: application/json` and a body such as `{LIKE}`"
    ))
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let media = value.split(|byte| *byte == b';').next().unwrap_or_default();
    media.trim_ascii().eq_ignore_ascii_case(b"application/json")
}

impl From<BackupError> for Problem {
    fn from(error: BackupError) -> Self {
        let detail = error.to_string();
        match error {
            BackupError::Directory(_) => Self::parameter("dir", detail),
            BackupError::UnderWay
            | BackupError::Sink { .. }
            | BackupError::Copy(CopyError::GaveWay) => Self::unavailable(detail),
            BackupError::Copy(CopyError::NoRoom { .. }) => Self::no_room(detail),
            BackupError::Copy(_) | BackupError::Io { .. } => Self::internal(detail),
        }
    }
}
