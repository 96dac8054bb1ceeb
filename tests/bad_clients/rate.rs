//! What a good client keeps of its rate beside bad ones, and what they cost together: `ops/bad-clients`, in an
//! optimised build. Each kind has a daemon of its own.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::assert_small;
use crate::bombs::{bomb, post};
use crate::harness::{Daemon, say, user_event, user_events};

/// The good client is measured for so long at a time, alone and beside bad ones in turn.
const MEASURED: Duration = Duration::from_secs(3);
/// How often. The medians count: a machine isn't as fast at one time as at another.
const TURNS: usize = 3;
/// What it must keep.
const KEPT_MIN: f64 = 0.7;
/// Connections that do nothing, or nothing but to begin.
const MANY: usize = 10_000;
/// Connections whose requests have begun, and whose bodies don't come.
const SLOW: usize = 4_000;
/// Those whose bodies are compressed: more would be told to come again.
const SLOW_COMPRESSED: usize = 1_000;

const TIME: &str = "2024-07-01T02:03:04Z";
const HEAD: &str = "POST /user/event HTTP/1.1\r\nhost: w\r\n";

/// Clients of one bad kind.
struct Bad {
    name: &'static str,
    /// Connects so many, and what each says.
    crowd: (usize, fn(&mut TcpStream)),
    /// What they do again and again, and how long they then wait.
    again: fn(&Daemon, &mut [TcpStream]),
    pause: Duration,
}

const KINDS: [Bad; 9] = [
    Bad { name: "idle", crowd: (MANY, |_| {}), again: |_, _| {}, pause: Duration::from_secs(1) },
    Bad {
        name: "waiting for their next request",
        crowd: (MANY, asked),
        again: |_, _| {},
        pause: Duration::from_secs(1),
    },
    Bad {
        name: "in the middle of a head",
        crowd: (MANY, |socket| say_to(socket, &format!("{HEAD}x: "))),
        again: |_, many| many.iter_mut().step_by(10).for_each(|socket| say_to(socket, "x")),
        pause: Duration::from_secs(1),
    },
    Bad {
        name: "in the middle of a body",
        crowd: (SLOW, |socket| say_to(socket, &format!("{HEAD}content-length: 99999\r\n\r\n "))),
        again: |_, many| many.iter_mut().step_by(4).for_each(|socket| say_to(socket, " ")),
        pause: Duration::from_secs(1),
    },
    Bad {
        name: "in the middle of a compressed body",
        crowd: (SLOW_COMPRESSED, |socket| {
            say_to(
                socket,
                &format!("{HEAD}content-encoding: gzip\r\ncontent-length: 99999\r\n\r\n"),
            );
        }),
        again: |_, _| {},
        pause: Duration::from_secs(1),
    },
    Bad { name: "leaving", crowd: (0, |_| {}), again: leave, pause: Duration::from_millis(20) },
    Bad { name: "bombs", crowd: (0, |_| {}), again: throw, pause: Duration::from_millis(500) },
    Bad { name: "nonsense", crowd: (0, |_| {}), again: babble, pause: Duration::from_millis(20) },
    Bad {
        name: "lengths told twice, in one piece with more",
        crowd: (0, |_| {}),
        again: contradict,
        pause: Duration::from_millis(20),
    },
];

#[test]
#[ignore = "it measures: ops/bad-clients runs it"]
fn a_good_client_keeps_its_rate() {
    let lost: Vec<_> = KINDS.iter().filter(|kind| beside(kind) < KEPT_MIN).collect();
    let names: Vec<_> = lost.iter().map(|kind| kind.name).collect();
    assert!(lost.is_empty(), "beside {}", names.join(", "));
}

/// What a good client keeps beside clients of this kind.
fn beside(kind: &Bad) -> f64 {
    let data = tempfile::tempdir().unwrap();
    let daemon =
        Daemon::start_with(data.path(), &["--limits-head", "10m", "--limits-stall", "10m"]);
    let (count, begin) = kind.crowd;
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        alone.push(rate(&daemon));
        let mut crowd: Vec<_> = (0..count)
            .map(|_| {
                let mut socket = TcpStream::connect(daemon.address).unwrap();
                begin(&mut socket);
                socket
            })
            .collect();
        let stop = AtomicBool::new(false);
        beside.push(std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    (kind.again)(&daemon, &mut crowd);
                    std::thread::sleep(kind.pause);
                }
            });
            let beside = rate(&daemon);
            stop.store(true, Ordering::Relaxed);
            beside
        }));
        drop(crowd);
    }
    let (alone, beside) = (median(alone), median(beside));
    let kept = beside / alone;
    let resident = daemon.resident_bytes_max().unwrap_or_default() >> 20;
    say(&format!(
        "{count:>5} {}: {alone:.0} requests/s alone, {beside:.0} beside them, {kept:.2} of it; {resident} MiB at most",
        kind.name
    ));
    assert_small(&daemon);
    kept
}

/// Requests a second of one client that sends as fast as it is answered.
fn rate(daemon: &Daemon) -> f64 {
    let body = user_event(TIME, 1);
    let mut connection = daemon.connect();
    let (began, mut requests) = (Instant::now(), 0);
    while began.elapsed() < MEASURED {
        let answer = connection.send("POST", "/user/event", &[], body.as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.text());
        requests += 1;
    }
    f64::from(requests) / began.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Says it to whoever still listens.
fn say_to(socket: &mut TcpStream, text: &str) {
    let _ = socket.write_all(text.as_bytes());
}

fn asked(socket: &mut TcpStream) {
    say_to(socket, "GET /health/live HTTP/1.1\r\nhost: w\r\n\r\n");
    let mut answer = [0; 1024];
    assert!(socket.read(&mut answer).unwrap() > 0);
}

fn leave(daemon: &Daemon, _: &mut [TcpStream]) {
    let mut leaving = daemon.connect();
    let _ = leaving.write(format!("{HEAD}content-length: 99999\r\n\r\n{}", user_events(0, 100)));
}

fn throw(daemon: &Daemon, _: &mut [TcpStream]) {
    // Made once: who makes bombs doesn't do it on the daemon's machine.
    static BOMB: LazyLock<Vec<u8>> = LazyLock::new(|| bomb("zstd", "", b'0'));
    let _ = post(daemon, "zstd", "application/x-ndjson", &BOMB);
}

fn babble(daemon: &Daemon, _: &mut [TcpStream]) {
    let mut nonsense = daemon.connect();
    let _ = nonsense.write("nonsense\r\n\r\n");
    let _ = nonsense.read_to_end();
}

fn contradict(daemon: &Daemon, _: &mut [TcpStream]) {
    let mut unclear = daemon.connect();
    let get = "GET /health/live HTTP/1.1\r\nhost: w\r\n\r\n".repeat(20);
    let lengths = "content-length: 4\r\ncontent-length: 5\r\n\r\n";
    let _ = unclear.write(format!("{get}{HEAD}{lengths}{get}"));
    let _ = unclear.read_to_end();
}
