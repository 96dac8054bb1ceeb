//! HTTP/1.1 over plain sockets: the least a client can do, so that the server gets the machine.
//!
//! Two of them: [`Connection`] blocks and serves everything that is timed once; [`KeptAlive`] is for
//! many connections on one thread. Both read answers with [`read_head`], which knows what the two
//! servers send: a status line, headers, and a body of `Content-Length` bytes.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// An answer.
pub struct Answer {
    pub status: u16,
    pub body: String,
}

impl Answer {
    /// The body as JSON, if the status is 200.
    pub fn json(&self) -> Result<serde_json::Value> {
        ensure!(self.status == 200, "the server answered {}: {}", self.status, self.body);
        serde_json::from_str(&self.body).with_context(|| format!("not JSON: {}", self.body))
    }
}

/// One blocking connection.
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    pub fn get(&mut self, path: &str) -> Result<Answer> {
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.stream.get_mut().write_all(head.as_bytes())?;
        self.answer()
    }

    /// Posts nothing.
    pub fn post(&mut self, path: &str) -> Result<Answer> {
        let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
        self.stream.get_mut().write_all(head.as_bytes())?;
        self.answer()
    }

    /// Posts a file of NDJSON. The standard library copies a file to a socket within the kernel.
    pub fn post_file(&mut self, path: &str, file: &mut File) -> Result<Answer> {
        self.post_file_as(path, "application/x-ndjson", file)
    }

    /// Posts a file of that `Content-Type`.
    pub fn post_file_as(&mut self, path: &str, media: &str, file: &mut File) -> Result<Answer> {
        let head = post_head_as(path, media, file.metadata()?.len());
        self.stream.get_mut().write_all(head.as_bytes())?;
        match std::io::copy(file, self.stream.get_mut()) {
            Ok(_) => self.answer(),
            // A server that refuses says why before it hangs up.
            Err(error) => match self.answer() {
                Ok(answer) => bail!("the server answered {}: {}", answer.status, answer.body),
                Err(_) => Err(error).context("sending the body"),
            },
        }
    }

    fn answer(&mut self) -> Result<Answer> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let read = self.stream.read_line(&mut head)?;
            ensure!(read > 0, "the server closed the connection");
        }
        let head = read_head(head.as_bytes())?.context("half a head")?;
        let mut body = vec![0; head.body_length];
        self.stream.read_exact(&mut body)?;
        Ok(Answer { status: head.status, body: String::from_utf8(body)? })
    }
}

/// The head of a POST with a body of so many bytes.
pub fn post_head(path: &str, bytes: u64) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {bytes}\r\n\r\n")
}

/// The same of a JSON document.
pub fn post_json_head(path: &str, bytes: u64) -> String {
    post_head_as(path, "application/json", bytes)
}

fn post_head_as(path: &str, media: &str, bytes: u64) -> String {
    let length = format!("Content-Type: {media}\r\nContent-Length: {bytes}");
    format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n{length}\r\n\r\n")
}

/// One of many connections that send small requests one after the other.
pub struct KeptAlive {
    stream: tokio::net::TcpStream,
    received: Vec<u8>,
}

impl KeptAlive {
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = tokio::net::TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: vec![0; 256 * 1024] })
    }

    /// Sends a whole request and waits for its answer, which must be 200; returns its body.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<&[u8]> {
        self.stream.write_all(request).await?;
        let mut end = 0;
        loop {
            let read = self.stream.read(&mut self.received[end..]).await?;
            ensure!(read > 0, "the server closed the connection");
            end += read;
            let received = &self.received[..end];
            let Some(head) = read_head(received)? else { continue };
            if head.status != 200 {
                bail!("the server answered: {}", String::from_utf8_lossy(received));
            }
            let whole = head.length + head.body_length;
            if end >= whole {
                return Ok(&self.received[head.length..whole]);
            }
        }
    }
}

struct Head {
    status: u16,
    length: usize,
    body_length: usize,
}

/// The head of an answer, or nothing while its end hasn't come.
fn read_head(received: &[u8]) -> Result<Option<Head>> {
    let Some(end) = memchr::memmem::find(received, b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&received[..end])?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|s| s.parse().ok());
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    Ok(Some(Head {
        status: status.with_context(|| format!("not an answer: {head}"))?,
        length: end + 4,
        body_length: length.with_context(|| format!("an answer without a length: {head}"))?,
    }))
}
