//! `GET /v1/streams/{s}/windows/{file}`: a committed file.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, header};
use http_body::{Frame, SizeHint};
use tokio::task::JoinHandle;

use super::app::App;
use super::extract::InPath;
use super::parameters::Parameters;
use super::problem::Problem;
use super::read_your_writes;
use crate::disk::DiskFile;
use crate::sinks::windows::Windows;

/// What a file can be asked for with.
pub(super) const PARAMETERS: [&str; 1] = ["position"];
/// The longest name that a file can have.
const NAME_BYTES_MAX: usize = 255;
/// Read from the file at a time.
const PIECE_BYTES: u64 = 256 << 10;

/// Sends a committed file. It is immutable, so that its length is known and clients may keep it.
pub(super) async fn download(
    State(app): State<Arc<App>>,
    InPath((stream, file)): InPath<(String, String)>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let ready = app.ready()?;
    let windows = ready.windows(&app, &stream)?;
    parameters.check(&PARAMETERS)?;
    read_your_writes::wait_for(ready, Windows::NAME, &stream, parameters.position()).await?;
    let missing = || no_file(&stream, &file);
    // A name that could lead elsewhere, or to the open window, is not that of a committed file.
    let inner = file.strip_prefix(&format!("{stream}-")).and_then(|rest| rest.strip_suffix(".csv"));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    if file.len() > NAME_BYTES_MAX || !inner.is_some_and(|inner| inner.bytes().all(plain)) {
        return Err(missing());
    }
    let path = windows.dir().join(&file);
    let disk = ready.disk.clone();
    let opened = tokio::task::spawn_blocking(move || {
        let file = disk.open_read(&path)?;
        let bytes = file.len()?;
        Ok::<_, io::Error>((Arc::from(file), bytes))
    });
    let (opened, bytes) = match opened.await.unwrap_or_else(|ended| Err(io::Error::other(ended))) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing()),
        Err(error) => return Err(Problem::internal(format!("opening {file}: {error}"))),
    };
    let mut response = Response::new(Body::new(FileBody::new(opened, bytes)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
    Ok(response)
}

/// The stream has no committed file of that name.
pub(super) fn no_file(stream: &str, file: &str) -> Problem {
    let file: String = file.chars().take(NAME_BYTES_MAX).collect();
    Problem::not_found(format!(
        "there is no committed file `{file}` of `{stream}`; /v1/streams/{stream}/windows lists them"
    ))
}

/// A file as a body. Each piece is read on a blocking thread when the client wants it, so that a
/// client that reads slowly keeps no thread.
struct FileBody {
    file: Arc<dyn DiskFile>,
    offset: u64,
    end: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl FileBody {
    fn new(file: Arc<dyn DiskFile>, bytes: u64) -> Self {
        Self { file, offset: 0, end: bytes, reading: None }
    }

    fn read(&self) -> JoinHandle<io::Result<Bytes>> {
        let (file, offset) = (self.file.clone(), self.offset);
        let piece = (self.end - offset).min(PIECE_BYTES) as usize;
        tokio::task::spawn_blocking(move || {
            let mut buffer = vec![0; piece];
            file.read_exact_at(&mut buffer, offset)?;
            Ok(buffer.into())
        })
    }
}

impl http_body::Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.offset == self.end {
            return Poll::Ready(None);
        }
        let mut reading = match self.reading.take() {
            Some(reading) => reading,
            None => self.read(),
        };
        let Poll::Ready(read) = Pin::new(&mut reading).poll(cx) else {
            self.reading = Some(reading);
            return Poll::Pending;
        };
        let read = read.unwrap_or_else(|ended| Err(io::Error::other(ended)));
        self.offset = match &read {
            Ok(bytes) => self.offset + bytes.len() as u64,
            Err(_) => self.end,
        };
        Poll::Ready(Some(read.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.offset == self.end
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.end - self.offset)
    }
}
