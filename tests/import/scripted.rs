//! A daemon that answers what a test wants it to.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What it says about its streams, as windrow does.
const STREAMS: &str = r#"{"streams":[{"name":"usage","time":"timestamp","sinks":["usage"],"columns":[
    {"name":"transaction_id","type":"string"},{"name":"customer_id","type":"string"},
    {"name":"event_type","type":"string"},{"name":"timestamp","type":"timestamp"},
    {"name":"properties","type":"object","optional":true}]}]}"#;

/// What it answers a POST.
#[derive(Clone)]
pub enum Reply {
    /// Nothing.
    HangUp,
    /// A status, further headers, and a body.
    Answer(u16, String, String),
}

impl Reply {
    pub fn status(status: u16) -> Self {
        Self::Answer(status, String::new(), r#"{"detail":"no"}"#.to_owned())
    }

    pub fn retry_after(self, seconds: u64) -> Self {
        match self {
            Self::Answer(status, _, body) => {
                Self::Answer(status, format!("retry-after: {seconds}\r\n"), body)
            }
            Self::HangUp => Self::HangUp,
        }
    }

    pub fn accepted(rows: u64) -> Self {
        Self::Answer(200, String::new(), format!(r#"{{"accepted":{rows},"rejected":0}}"#))
    }

    pub fn bad_line(line: u64) -> Self {
        Self::Answer(400, String::new(), format!(r#"{{"detail":"line {line}: no","line":{line}}}"#))
    }
}

/// What it was sent by POST.
#[derive(Clone)]
pub struct Request {
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The daemon.
pub struct Scripted {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    replies: Vec<Reply>,
    requests: Vec<Request>,
}

impl Scripted {
    /// Starts one that gives these replies to POSTs, one after the other.
    pub fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State { replies, requests: Vec::new() }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || while serve(&stream, &state) {});
            }
        });
        Self { address, state }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.state.lock().unwrap().requests.clone()
    }
}

/// One request; whether the connection stays.
fn serve(mut stream: &TcpStream, state: &Mutex<State>) -> bool {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if !reader.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
            return false;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let headers = lines[1..].iter().filter_map(|line| line.split_once(": "));
    let headers: Vec<_> = headers.map(|(k, v)| (k.to_ascii_lowercase(), v.to_owned())).collect();
    let mut request = Request { headers, body: Vec::new() };
    let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    request.body.resize(length, 0);
    if reader.read_exact(&mut request.body).is_err() {
        return false;
    }
    let reply = if lines[0].starts_with("GET") {
        Reply::Answer(200, String::new(), STREAMS.to_owned())
    } else {
        let mut state = state.lock().unwrap();
        state.requests.push(request);
        state.replies.remove(0)
    };
    let Reply::Answer(status, headers, body) = reply else { return false };
    let length = body.len();
    write!(stream, "HTTP/1.1 {status} x\r\n{headers}content-length: {length}\r\n\r\n{body}").is_ok()
}
