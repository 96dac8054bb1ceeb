//! One kept-alive connection to the daemon.
//!
//! An answer may come before the body is sent to its end: a daemon that refuses a line doesn't wait for
//! the rest. `hyper` reads while it writes, so that such an answer isn't lost to a broken pipe.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};

use super::place::Place;

/// How long connecting may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How long a request may take, its answer included. The daemon bounds every wait of its own far below.
const ANSWER_MAX: Duration = Duration::from_mins(5);
/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// A client of one daemon. It connects when it must.
pub struct Client {
    place: Place,
    /// What every request carries.
    headers: HeaderMap,
    open: Option<SendRequest<Full<Bytes>>>,
    /// How long a request may take.
    patience: Duration,
}

/// What the daemon has answered.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// When to come back, if it says so.
    pub retry_after: Option<Duration>,
    /// Its body.
    pub body: Bytes,
}

/// Why there is no answer. The request may have arrived all the same.
#[derive(thiserror::Error, Debug)]
pub enum Unanswered {
    /// Nobody takes the connection.
    #[error("no windrow answers at {place}: {reason}")]
    Unreachable {
        /// Where.
        place: Place,
        /// Why.
        reason: io::Error,
    },
    /// The connection broke, or what came is no HTTP.
    #[error("the connection to {place} broke: {reason}")]
    Broken {
        /// To where.
        place: Place,
        /// What is known of the reason.
        reason: String,
    },
}

impl Client {
    /// A client without a connection. `token` goes into every request.
    pub fn new(place: Place, token: Option<HeaderValue>) -> Self {
        let mut headers = HeaderMap::new();
        // A host that came out of a parsed URL has no byte that a header doesn't take.
        if let Ok(host) = HeaderValue::try_from(place.authority()) {
            headers.insert(header::HOST, host);
        }
        let agent = HeaderValue::from_static(concat!("windrow/", env!("CARGO_PKG_VERSION")));
        headers.insert(header::USER_AGENT, agent);
        headers.extend(token.map(|token| (header::AUTHORIZATION, token)));
        Self { place, headers, open: None, patience: ANSWER_MAX }
    }

    /// Another client of the same daemon, with a connection of its own.
    pub fn another(&self) -> Self {
        Self { place: self.place.clone(), headers: self.headers.clone(), open: None, ..*self }
    }

    /// From now on requests may take so long, for what the daemon needs longer for than it waits for
    /// anything else.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Where the daemon is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// What to say when whoever waited for an answer has given up after `waited`.
    pub fn silent(&self, waited: Duration) -> Unanswered {
        self.broken(format!("no answer within {waited:?}"))
    }

    /// Asks for `path`.
    pub async fn get(&mut self, path: &str) -> Result<Answer, Unanswered> {
        self.send(Method::GET, path, &HeaderMap::new(), Bytes::new()).await
    }

    /// Posts `body` to `path`.
    pub async fn post(
        &mut self,
        path: &str,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Answer, Unanswered> {
        self.send(Method::POST, path, headers, body).await
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Answer, Unanswered> {
        let mut connection = self.connection().await?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = format!("{}{path}", self.place.prefix())
            .parse()
            .map_err(|error| self.broken(format!("`{path}` is no path: {error}")))?;
        request.headers_mut().extend(self.headers.clone());
        request.headers_mut().extend(headers.clone());
        let exchange = async {
            let response = connection.send_request(request).await.map_err(|error| told(&error))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
            let body = body.map_err(|error| error.to_string())?.to_bytes();
            let retry_after = retry_after(&head.headers);
            Ok(Answer { status: head.status, retry_after, body })
        };
        let answer = match tokio::time::timeout(self.patience, exchange).await {
            Ok(answer) => answer.map_err(|reason| self.broken(reason))?,
            Err(_) => return Err(self.silent(self.patience)),
        };
        self.open = Some(connection);
        Ok(answer)
    }

    /// The open connection, if it still is, or a new one.
    async fn connection(&mut self) -> Result<SendRequest<Full<Bytes>>, Unanswered> {
        if let Some(mut open) = self.open.take()
            && open.ready().await.is_ok()
        {
            return Ok(open);
        }
        let unreachable = |reason| Unanswered::Unreachable { place: self.place.clone(), reason };
        let connecting = async {
            match &self.place {
                Place::Tcp { host, port, .. } => {
                    let host = host.trim_start_matches('[').trim_end_matches(']');
                    let socket = TcpStream::connect((host, *port)).await?;
                    socket.set_nodelay(true)?;
                    Ok(handshake(socket).await)
                }
                Place::Unix(path) => Ok(handshake(UnixStream::connect(path).await?).await),
            }
        };
        match tokio::time::timeout(CONNECT_MAX, connecting).await {
            Ok(Ok(connected)) => connected.map_err(|error| self.broken(told(&error))),
            Ok(Err(error)) => Err(unreachable(error)),
            Err(_) => Err(unreachable(io::ErrorKind::TimedOut.into())),
        }
    }

    fn broken(&self, reason: String) -> Unanswered {
        Unanswered::Broken { place: self.place.clone(), reason }
    }
}

async fn handshake<S>(socket: S) -> hyper::Result<SendRequest<Full<Bytes>>>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (requests, connection) = http1::handshake(TokioIo::new(socket)).await?;
    // Whoever waits for an answer is told of its errors.
    tokio::spawn(async move { drop(connection.await) });
    Ok(requests)
}

/// An error with its cause, which says more.
fn told(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// Seconds only: a date is taken for nothing said.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}
