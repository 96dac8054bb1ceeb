//! One kept-alive connection to the daemon.
//!
//! An answer may come before the body is sent to its end: a daemon that refuses a line doesn't wait for
//! the rest. `hyper` reads while it writes, so that such an answer isn't lost to a broken pipe.

use std::io;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::outgoing::{Left, Outgoing};
use super::place::Place;
use super::trust;

/// How long connecting may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How long nothing of a request may leave, and then how long its answer may take. The daemon bounds every
/// wait of its own far below.
const STALL_MAX: Duration = Duration::from_mins(5);
/// A body's pieces up to this length are written before the next one is asked for.
const BUFFER_BYTES: usize = 256 << 10;
/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// A client of one daemon. It connects when it must.
pub struct Client {
    place: Place,
    /// What every request carries.
    headers: HeaderMap,
    /// What TLS is spoken with, where it is.
    tls: Option<TlsConnector>,
    open: Option<SendRequest<Outgoing>>,
    /// How long nothing of a request may leave, and then how long its answer may take.
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

/// What the daemon has answered to a question whose answer may have no end.
#[derive(Debug)]
pub enum Streamed {
    /// It does, as it goes on.
    Body(Incoming),
    /// It doesn't.
    Refused(Answer),
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
    /// Somebody takes it, and then there is no agreement on TLS.
    #[error(
        "there is no TLS with {place}: {reason}{}",
        advice.map(|advice| format!("; {advice}")).unwrap_or_default()
    )]
    Untrusted {
        /// With whom.
        place: Place,
        /// Why.
        reason: io::Error,
        /// What to do.
        advice: Option<&'static str>,
    },
    /// The connection broke, or what came is no HTTP.
    #[error("the connection to {place} broke: {reason}")]
    Broken {
        /// To where.
        place: Place,
        /// What is known of the reason.
        reason: String,
    },
    /// What was to be sent can't be read any more. Then the request has not arrived.
    #[error("{0}")]
    Unreadable(String),
}

impl Client {
    /// A client without a connection. `token` goes into every request; `tls` is there where the place is one
    /// for TLS.
    pub fn new(place: Place, token: Option<HeaderValue>, tls: Option<TlsConnector>) -> Self {
        let mut headers = HeaderMap::new();
        // A host that came out of a parsed URL has no byte that a header doesn't take.
        if let Ok(host) = HeaderValue::try_from(place.authority()) {
            headers.insert(header::HOST, host);
        }
        let agent = HeaderValue::from_static(concat!("windrow/", env!("CARGO_PKG_VERSION")));
        headers.insert(header::USER_AGENT, agent);
        headers.extend(token.map(|token| (header::AUTHORIZATION, token)));
        Self { place, headers, tls, open: None, patience: STALL_MAX }
    }

    /// Another client of the same daemon, with a connection of its own.
    pub fn another(&self) -> Self {
        Self {
            place: self.place.clone(),
            headers: self.headers.clone(),
            tls: self.tls.clone(),
            open: None,
            patience: self.patience,
        }
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
        self.send(Method::GET, path, &HeaderMap::new(), Bytes::new().into()).await
    }

    /// Asks for `path`, whose answer may have no end, over a connection of its own.
    pub async fn stream(
        &mut self,
        path: &str,
        headers: &HeaderMap,
    ) -> Result<Streamed, Unanswered> {
        self.open = None;
        let mut connection = self.connection().await?;
        let request = self.request(Method::GET, path, headers, Bytes::new().into())?;
        let asked = tokio::time::timeout(self.patience, connection.send_request(request)).await;
        let response = asked.map_err(|_| self.silent(self.patience))?;
        let response = response.map_err(|error| self.failed(&error))?;
        if response.status() == StatusCode::OK {
            self.open = Some(connection);
            return Ok(Streamed::Body(response.into_body()));
        }
        self.answer(response).await.map(Streamed::Refused)
    }

    /// Posts `body` to `path`.
    pub async fn post(
        &mut self,
        path: &str,
        headers: &HeaderMap,
        body: impl Into<Outgoing>,
    ) -> Result<Answer, Unanswered> {
        self.send(Method::POST, path, headers, body.into()).await
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &HeaderMap,
        body: Outgoing,
    ) -> Result<Answer, Unanswered> {
        let mut connection = self.connection().await?;
        let left = body.left();
        let request = self.request(method, path, headers, body)?;
        let exchange = self.exchange(&mut connection, request);
        let answer = while_it_moves(&left, self.patience, exchange).await;
        let answer = answer.unwrap_or_else(|| Err(self.silent(self.patience)))?;
        self.open = Some(connection);
        Ok(answer)
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        headers: &HeaderMap,
        body: Outgoing,
    ) -> Result<Request<Outgoing>, Unanswered> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = format!("{}{path}", self.place.prefix())
            .parse()
            .map_err(|error| self.broken(format!("`{path}` is no path: {error}")))?;
        request.headers_mut().extend(self.headers.clone());
        request.headers_mut().extend(headers.clone());
        Ok(request)
    }

    async fn exchange(
        &self,
        connection: &mut SendRequest<Outgoing>,
        request: Request<Outgoing>,
    ) -> Result<Answer, Unanswered> {
        let response = connection.send_request(request).await.map_err(|e| self.failed(&e))?;
        self.answer(response).await
    }

    async fn answer(&self, response: Response<Incoming>) -> Result<Answer, Unanswered> {
        let (head, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| self.broken(error.to_string()))?.to_bytes();
        let retry_after = retry_after(&head.headers);
        Ok(Answer { status: head.status, retry_after, body })
    }

    /// The open connection, if it still is, or a new one.
    async fn connection(&mut self) -> Result<SendRequest<Outgoing>, Unanswered> {
        if let Some(mut open) = self.open.take()
            && open.ready().await.is_ok()
        {
            return Ok(open);
        }
        match tokio::time::timeout(CONNECT_MAX, self.connect()).await {
            Ok(connected) => connected,
            Err(_) => Err(self.unreachable(io::ErrorKind::TimedOut.into())),
        }
    }

    async fn connect(&self) -> Result<SendRequest<Outgoing>, Unanswered> {
        let connected = match &self.place {
            Place::Tcp { host, port, .. } => {
                let host = host.trim_start_matches('[').trim_end_matches(']');
                let socket = TcpStream::connect((host, *port)).await;
                let socket = socket.map_err(|reason| self.unreachable(reason))?;
                // Waiting for more to send would only delay what there is.
                let _ = socket.set_nodelay(true);
                match &self.tls {
                    Some(tls) => handshake(self.secure(tls, host, socket).await?).await,
                    None => handshake(socket).await,
                }
            }
            Place::Unix(path) => {
                let socket = UnixStream::connect(path).await;
                handshake(socket.map_err(|reason| self.unreachable(reason))?).await
            }
        };
        connected.map_err(|error| self.broken(told(&error)))
    }

    async fn secure(
        &self,
        tls: &TlsConnector,
        host: &str,
        socket: TcpStream,
    ) -> Result<TlsStream<TcpStream>, Unanswered> {
        let untrusted = |reason: io::Error| {
            let advice = trust::advice(&reason);
            Unanswered::Untrusted { place: self.place.clone(), reason, advice }
        };
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|error| untrusted(io::Error::other(error)))?;
        tls.connect(name, socket).await.map_err(untrusted)
    }

    fn unreachable(&self, reason: io::Error) -> Unanswered {
        Unanswered::Unreachable { place: self.place.clone(), reason }
    }

    fn failed(&self, error: &hyper::Error) -> Unanswered {
        match std::error::Error::source(error) {
            Some(unreadable) if error.is_user() => Unanswered::Unreadable(unreadable.to_string()),
            _ => self.broken(told(error)),
        }
    }

    fn broken(&self, reason: String) -> Unanswered {
        Unanswered::Broken { place: self.place.clone(), reason }
    }
}

/// Waits for an exchange as long as its body leaves, and `patience` longer.
async fn while_it_moves<T>(
    left: &Left,
    patience: Duration,
    exchange: impl Future<Output = T>,
) -> Option<T> {
    let mut exchange = pin!(exchange);
    loop {
        let before = left.bytes();
        match tokio::time::timeout(patience, &mut exchange).await {
            Ok(ended) => return Some(ended),
            Err(_) if left.bytes() > before => {}
            Err(_) => return None,
        }
    }
}

async fn handshake<S>(socket: S) -> hyper::Result<SendRequest<Outgoing>>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (requests, connection) =
        http1::Builder::new().max_buf_size(BUFFER_BYTES).handshake(TokioIo::new(socket)).await?;
    // Whoever waits for an answer is told of its errors.
    tokio::spawn(async move { drop(connection.await) });
    Ok(requests)
}

/// An error with its cause, which says more.
fn told(error: &hyper::Error) -> String {
    let mut told = error.to_string();
    if let Some(cause) = std::error::Error::source(error) {
        told = format!("{told}: {cause}");
    }
    // A server that wants to see a certificate may say so only when something is asked.
    match trust::advice(error) {
        Some(advice) => format!("{told}; {advice}"),
        None => told,
    }
}

/// Seconds only: a date is taken for nothing said.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}
