//! Clients that send requests of every size, never repeat one, and write down what became of it.

use std::io::Write as _;
use std::time::Duration;

use flate2::write::GzEncoder;
use rand::RngExt as _;
use rand::rngs::StdRng;

use crate::harness::Connection;
use crate::harness::storm::Fate;
use crate::ledger::{Ledger, Request, line};

/// What is done with a body.
#[derive(Clone, Copy)]
enum Sending {
    Plain,
    Chunked,
    Gzip,
    /// Its last line is no event.
    BadLine,
    /// The connection is dropped in the middle.
    BrokenOff,
}

/// Sends one and settles it; whether the connection can be used again.
pub fn one_request(connection: &mut Connection, random: &mut StdRng, ledger: &Ledger) -> bool {
    let (lines_max, sending) = match random.random_range(0..100) {
        0..55 => (1, Sending::Plain),
        55..80 => (300, Sending::Plain),
        80..84 => (16_000, Sending::Plain),
        84..87 => (16_000, Sending::Chunked),
        87..92 => (4_000, Sending::Gzip),
        92..96 => (2_000, Sending::BadLine),
        _ => (4_000, Sending::BrokenOff),
    };
    std::thread::sleep(Duration::from_micros(random.random_range(0..4000)));
    let request = ledger.request(random.random_range(1..=lines_max));
    let fate = send(connection, request, sending, random);
    ledger.settle(request, fate);
    fate == Fate::Acknowledged || (fate == Fate::Refused && matches!(sending, Sending::BadLine))
}

fn send(
    connection: &mut Connection,
    request: Request,
    sending: Sending,
    random: &mut StdRng,
) -> Fate {
    let mut body = String::new();
    for number in request.first..request.first + request.count {
        body += &line(number);
        body.push('\n');
    }
    let mut sent = body.into_bytes();
    match sending {
        Sending::Plain | Sending::BrokenOff => {}
        Sending::Gzip => sent = gzip(&sent),
        Sending::Chunked => sent = chunked(&sent, random),
        Sending::BadLine => sent.extend_from_slice(b"{\"time\":\"no event\"}\n"),
    }
    let length = format!("content-length: {}\r\n", sent.len());
    let headers = match sending {
        Sending::Chunked => "transfer-encoding: chunked\r\n".to_owned(),
        Sending::Gzip => length + "content-encoding: gzip\r\n",
        _ => length,
    };
    if matches!(sending, Sending::BrokenOff) {
        sent.truncate(random.random_range(0..sent.len()));
    }
    let mut bytes = format!("POST /user/event HTTP/1.1\r\nhost: w\r\n{headers}\r\n").into_bytes();
    bytes.extend_from_slice(&sent);
    if connection.write(bytes).is_err() || matches!(sending, Sending::BrokenOff) {
        // The end of the body never left this machine.
        return Fate::Refused;
    }
    match connection.read_answer("POST") {
        Err(_) => Fate::Unknown,
        Ok(answer) => match (answer.status, sending) {
            (200, Sending::BadLine) => panic!("a bad line was taken: {}", answer.text()),
            (200, _) => {
                assert_eq!(answer.json()["accepted"], request.count);
                Fate::Acknowledged
            }
            (400, Sending::BadLine) | (429, _) => Fate::Refused,
            // Whatever went wrong inside, the daemon doesn't say how far the request had got.
            (500.., _) => Fate::Unknown,
            _ => panic!("{}: {}", answer.status, answer.text()),
        },
    }
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn chunked(body: &[u8], random: &mut StdRng) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 4096);
    for chunk in body.chunks(random.random_range(100..100_000)) {
        write!(out, "{:x}\r\n", chunk.len()).unwrap();
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}
