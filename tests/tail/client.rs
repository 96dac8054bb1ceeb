//! A client of server-sent events that believes nothing: it reads what the daemon sends byte by byte.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::harness::{Daemon, PATIENCE};

/// An open tail.
pub struct Tail {
    reader: BufReader<TcpStream>,
    /// Headers of the answer, names in lower case.
    pub headers: Vec<(String, String)>,
    /// What has come of the body and isn't read yet.
    text: Vec<u8>,
    /// The id that came last.
    pub id: String,
}

/// What a tail sends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// Empty for an event of the stream.
    pub name: String,
    pub data: String,
    pub id: String,
}

impl Tail {
    /// Asks for `path`, which must be answered with a tail, and waits for its beginning.
    pub fn open(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Self {
        let mut tail = Self::ask(address, path, headers);
        let begin = tail.block().unwrap();
        assert!(begin.starts_with("retry: 1000\nid: "), "{begin}");
        tail
    }

    /// The same, and reads nothing of it.
    pub fn ask(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut head = format!("GET {path} HTTP/1.1\r\nhost: windrow\r\n");
        for (name, value) in headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        write!(stream, "{head}\r\n").unwrap();
        let mut reader = BufReader::new(stream);
        let mut line = || {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            line.trim_end().to_owned()
        };
        let status = line();
        assert!(status.starts_with("HTTP/1.1 200 "), "{path}: {status}");
        let mut headers = Vec::new();
        while let Some((name, value)) = line().split_once(": ") {
            headers.push((name.to_owned(), value.to_owned()));
        }
        Self { reader, headers, text: Vec::new(), id: String::new() }
    }

    /// Follows a stream of `daemon`.
    pub fn of(daemon: &Daemon, stream: &str, query: &str) -> Self {
        Self::open(daemon.address, &format!("/v1/streams/{stream}/tail?{query}"), &[])
    }

    /// The next event; `None` at the end.
    pub fn next(&mut self) -> Option<Event> {
        loop {
            let block = self.block()?;
            let field = |name: &str| {
                let lines = block.lines().filter_map(|line| line.strip_prefix(name));
                lines.map(|line| line.strip_prefix(": ").unwrap().to_owned()).next_back()
            };
            if let Some(data) = field("data") {
                return Some(Event {
                    name: field("event").unwrap_or_default(),
                    data,
                    id: self.id.clone(),
                });
            }
        }
    }

    /// The lines of the next events, of which there must be so many.
    pub fn lines(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.line()).collect()
    }

    /// The line of the next event of the stream.
    pub fn line(&mut self) -> String {
        let event = self.next().expect("the tail has ended");
        assert_eq!(event.name, "", "{}", event.data);
        event.data
    }

    /// Nothing comes for a while.
    pub fn is_quiet(&mut self) -> bool {
        if !self.text.is_empty() || !self.reader.buffer().is_empty() {
            return false;
        }
        let begun = Instant::now();
        self.reader.get_ref().set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let quiet = self.reader.fill_buf().is_err() && begun.elapsed() < Duration::from_secs(5);
        self.reader.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
        quiet
    }

    /// What comes up to the next blank line; `None` at the end.
    fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.text.windows(2).position(|two| two == b"\n\n") {
                let rest = self.text.split_off(end + 2);
                let block = std::mem::replace(&mut self.text, rest);
                let block = String::from_utf8(block).unwrap();
                if let Some(id) = block.lines().find_map(|line| line.strip_prefix("id: ")) {
                    id.clone_into(&mut self.id);
                }
                return Some(block);
            }
            if !self.chunk() {
                assert!(self.text.is_empty(), "half an event: {:?}", self.text);
                return None;
            }
        }
    }

    /// Reads a chunk of the body. `false` at the end, which must be told.
    fn chunk(&mut self) -> bool {
        let mut size = String::new();
        self.reader.read_line(&mut size).unwrap();
        let size = usize::from_str_radix(size.trim_end(), 16)
            .unwrap_or_else(|_| panic!("the body breaks off with {size:?}"));
        let before = self.text.len();
        self.text.resize(before + size, 0);
        self.reader.read_exact(&mut self.text[before..]).unwrap();
        self.reader.read_line(&mut String::new()).unwrap();
        size > 0
    }
}
