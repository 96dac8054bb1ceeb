//! TLS: both versions of HTTP, a certificate that is renewed while the daemon runs, clients that must show
//! one, and the commands that talk to such a daemon.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod harness;

use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use harness::secure::{Authority, Files, Secure, path};
use harness::{Connection, Daemon, PATIENCE, run, user_event, user_events, windrow};
use rustix::process::Signal;

const TIME: &str = "2024-07-01T02:03:04Z";

/// A daemon that serves with this certificate, ready.
fn start(data: &Path, files: &Files, more: &[&str]) -> Daemon {
    let arguments: Vec<&str> = files.arguments().into_iter().chain(more.iter().copied()).collect();
    let daemon = Daemon::start_unready(data, &arguments);
    let end = Instant::now() + PATIENCE;
    while !daemon.log().contains("\"message\":\"ready\"") {
        assert!(Instant::now() < end, "{}", daemon.log());
        std::thread::sleep(Duration::from_millis(5));
    }
    daemon
}

/// How a daemon that is started so says why it doesn't.
fn refused(data: &Path, arguments: &[&str]) -> String {
    let Err(ended) = Daemon::try_start(data, arguments) else { panic!("it listens") };
    assert_eq!(ended.status.code(), Some(2), "{}", ended.log);
    ended.log
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Waits until windrow's own log says this.
fn wait_for_log(daemon: &Daemon, says: &str) {
    let end = Instant::now() + PATIENCE;
    while !daemon.log().contains(says) {
        assert!(Instant::now() < end, "no `{says}` in\n{}", daemon.log());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A metric, asked for over TLS.
fn metric(daemon: &Daemon, authority: &Authority, name: &str) -> f64 {
    let mut connection = Secure::connect(daemon.address, &authority.file, &[], None).unwrap();
    let (_, text) = connection.send("GET", "/metrics", "").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
}

#[test]
fn both_versions_of_http_are_spoken_as_agreed() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path(), "authority");
    let files = authority.certify("daemon");
    let daemon = start(&dir.path().join("data"), &files, &[]);
    for (offered, agreed) in
        [(&["h2", "http/1.1"][..], Some("h2")), (&["http/1.1"], Some("http/1.1")), (&[], None)]
    {
        let connection = Secure::connect(daemon.address, &authority.file, offered, None).unwrap();
        assert_eq!(connection.protocol().as_deref(), agreed);
    }
    let mut connection = Secure::connect(daemon.address, &authority.file, &[], None).unwrap();
    for number in 0..3 {
        let event = user_event(TIME, number);
        assert_eq!(connection.send("POST", "/user/event", &event).unwrap().0, 200);
    }
    for version in ["--http1.1", "--http2"] {
        let curl = std::process::Command::new("curl")
            .args([version, "-sS", "--fail-with-body", "--cacert", path(&authority.file)])
            .args(["--data-binary", &user_events(10, 500), "-w", " %{http_version}"])
            .arg(format!("https://localhost:{}/user/event", daemon.address.port()))
            .output()
            .expect("curl is there: ops/test installs it");
        let answer = String::from_utf8_lossy(&curl.stdout);
        let spoken = if version == "--http2" { "2" } else { "1.1" };
        assert!(answer.contains("\"accepted\":500"), "{answer} {}", told(&curl));
        assert!(answer.ends_with(spoken), "{answer}");
    }
    let (_, listing) =
        connection.send("POST", "/v1/streams/user-events/windows/close", "").unwrap();
    assert!(listing.contains("\"applied\":true"), "{listing}");
    let (_, listing) = connection.send("GET", "/v1/streams/user-events/windows", "").unwrap();
    assert!(listing.contains("\"rows\":1003"), "{listing}");
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn who_speaks_plainly_is_told_to_use_tls() {
    let dir = tempfile::tempdir().unwrap();
    let files = Files::self_signed(dir.path(), "daemon");
    let daemon = start(&dir.path().join("data"), &files, &[]);
    for begin in ["GET /health HTTP/1.1\r\nhost: x\r\n\r\n", "PRI * HTTP/2.0\r\n\r\n", "P"] {
        let mut connection = daemon.connect();
        connection.write(begin).unwrap();
        let answer = connection.read_answer("GET").unwrap();
        assert_eq!(answer.status, 400);
        assert!(answer.text().contains("https://"), "{}", answer.text());
        assert!(connection.read_to_end().unwrap().is_empty());
    }
    let url = format!("http://{}", daemon.address);
    let health = run(&["health", "--url", &url]);
    assert_eq!(health.status.code(), Some(1));
    assert!(told(&health).contains("answers 400"), "{}", told(&health));
}

#[test]
fn files_that_make_no_tls_are_told_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let (a, b) = (Files::self_signed(dir.path(), "a"), Files::self_signed(dir.path(), "b"));
    let [cert, key] = [path(&a.cert), path(&a.key)];
    let missing = dir.path().join("missing.pem");
    for (arguments, says) in [
        (&["--tls-cert", cert][..], "`tls.cert` is set but `tls.key` isn't"),
        (&["--tls-key", key], "`tls.key` is set but `tls.cert` isn't"),
        (&["--tls-client-ca", cert], "`tls.client_ca` is set but `tls.cert` isn't"),
        (&["--tls-cert", cert, "--tls-key", path(&b.key)], "isn't the private key of"),
        (&["--tls-cert", key, "--tls-key", key], "holds no certificate"),
        (&["--tls-cert", cert, "--tls-key", cert], "holds no private key"),
        (&["--tls-cert", path(&missing), "--tls-key", key], "can't be read"),
        (
            &["--tls-cert", cert, "--tls-key", key, "--tls-client-ca", key],
            "(`tls.client_ca`) holds no certificate",
        ),
        (&["--tls-cert", cert, "--tls-key", key, "--listen", "unix:/tmp/x"], "Unix socket"),
    ] {
        let told = refused(&data, arguments);
        assert!(told.contains(says), "{arguments:?}: {told}");
    }
}

#[test]
fn an_expired_certificate_is_warned_of_and_served() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path(), "authority");
    let daemon = start(&dir.path().join("data"), &authority.certify_until("old", 2021), &[]);
    assert!(daemon.log().contains("has expired on 2021-01-01T00:00:00Z"), "{}", daemon.log());
    let refused = Secure::connect(daemon.address, &authority.file, &[], None).err().unwrap();
    assert!(refused.to_string().contains("xpired"), "{refused}");
}

#[test]
fn a_renewed_certificate_is_served_after_sighup_and_a_bad_one_never() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path(), "authority");
    let files = authority.certify("daemon");
    let first = files.der();
    let daemon = start(&dir.path().join("data"), &files, &[]);
    let connect = || Secure::connect(daemon.address, &authority.file, &[], None).unwrap();
    let mut kept = connect();
    assert_eq!(kept.certificate(), first);

    let second = authority.certify("daemon").der();
    assert_eq!(connect().certificate(), first, "nobody has said that it changed");
    daemon.signal(Signal::HUP);
    wait_for_log(&daemon, "the certificate is read again");
    assert_eq!(connect().certificate(), second);
    let event = user_event(TIME, 1);
    assert_eq!(kept.send("POST", "/user/event", &event).unwrap().0, 200, "it goes on");
    assert!(metric(&daemon, &authority, "windrow_tls_certificate_expiry_timestamp_seconds") > 4e9);

    std::fs::write(&files.key, "nonsense").unwrap();
    daemon.signal(Signal::HUP);
    wait_for_log(&daemon, "what was read before stays in force");
    assert!(daemon.log().contains("holds no private key"), "{}", daemon.log());
    assert_eq!(connect().certificate(), second);
    assert!((metric(&daemon, &authority, "windrow_reload_failures_total") - 1.0).abs() < 0.1);
    assert_eq!(kept.send("POST", "/user/event", &event).unwrap().0, 200);
}

#[test]
fn sighup_again_and_again_loses_no_request() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path(), "authority");
    let files = authority.certify("daemon");
    let daemon = start(&dir.path().join("data"), &files, &[]);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|client| {
                let (daemon, authority) = (&daemon, &authority);
                scope.spawn(move || {
                    for round in 0..25 {
                        let mut connection =
                            Secure::connect(daemon.address, &authority.file, &[], None).unwrap();
                        let event = user_event(TIME, client * 100 + round);
                        assert_eq!(connection.send("POST", "/user/event", &event).unwrap().0, 200);
                    }
                })
            })
            .collect();
        while !clients.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            daemon.signal(Signal::HUP);
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn clients_must_show_a_certificate_where_an_authority_for_them_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path(), "authority");
    let others = Authority::new(dir.path(), "others");
    let files = authority.certify("daemon");
    let data = dir.path().join("data");
    let daemon = start(&data, &files, &["--tls-client-ca", path(&authority.file)]);
    let ask = |shown: Option<&Files>| {
        Secure::connect(daemon.address, &authority.file, &[], shown)
            .and_then(|mut connection| connection.send("GET", "/health/live", ""))
    };
    let (client, stranger) = (authority.certify("client"), others.certify("stranger"));
    assert_eq!(ask(Some(&client)).unwrap().0, 200);
    assert!(ask(None).is_err());
    assert!(ask(Some(&stranger)).is_err());
    let mut connection =
        Secure::connect(daemon.address, &authority.file, &[], Some(&client)).unwrap();
    let (_, metrics) = connection.send("GET", "/metrics", "").unwrap();
    assert!(metrics.contains("windrow_tls_handshakes_failed_total 2"), "{metrics}");

    let url = format!("https://localhost:{}", daemon.address.port());
    let health = |more: &[&str]| {
        let arguments = ["health", "--url", &url, "--ca", path(&authority.file)];
        run(&[&arguments[..], more].concat())
    };
    let shown = ["--cert", path(&client.cert), "--key", path(&client.key)];
    assert!(health(&shown).status.success(), "{}", told(&health(&shown)));
    let nothing = health(&[]);
    assert_eq!(nothing.status.code(), Some(1));
    assert!(told(&nothing).contains("--cert and --key"), "{}", told(&nothing));
}

#[test]
fn a_certificate_that_is_its_own_authority_is_trusted_where_it_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let [server, client, other] =
        ["server", "client", "other"].map(|name| Files::self_signed(dir.path(), name));
    let data = dir.path().join("data");
    let listen = ["--listen", "0.0.0.0:0", "--tls-client-ca", path(&client.cert)];
    let daemon = start(&data, &server, &listen);
    let health = |host: &str, shown: &Files| {
        let url = format!("https://{host}:{}", daemon.address.port());
        let shown = ["--cert", path(&shown.cert), "--key", path(&shown.key)];
        run(&[&["health", "--url", &url, "--ca", path(&server.cert)][..], &shown].concat())
    };
    assert!(
        health("localhost", &client).status.success(),
        "{}",
        told(&health("localhost", &client))
    );
    assert!(!health("localhost", &other).status.success());
    // It isn't for this name.
    let elsewhere = health("127.0.0.2", &client);
    assert!(
        told(&elsewhere).contains("a name that the certificate is for"),
        "{}",
        told(&elsewhere)
    );
}

#[test]
fn commands_trust_the_system_or_what_is_named_or_the_daemons_own_file() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path(), "authority");
    let files = authority.certify("daemon");
    let daemon = start(&dir.path().join("data"), &files, &[]);
    let url = format!("https://localhost:{}", daemon.address.port());
    let unknown = run(&["health", "--url", &url]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(told(&unknown).contains("--ca"), "{}", told(&unknown));
    assert!(run(&["health", "--url", &url, "--ca", path(&authority.file)]).status.success());

    let csv = dir.path().join("events.csv");
    let line = "t1,c1,api,2024-07-01T00:00:00Z\n";
    std::fs::write(&csv, format!("transaction_id,customer_id,event_type,timestamp\n{line}"))
        .unwrap();
    let import = |arguments: &[&str], own: &Files| {
        windrow()
            .args(["import", "--stream", "usage", "--listen", &daemon.address.to_string()])
            .args(arguments)
            .arg(&csv)
            .env("WINDROW_TLS_CERT", &own.cert)
            .output()
            .unwrap()
    };
    let imported = import(&[], &files);
    assert!(imported.status.success(), "{}", told(&imported));
    // Beside the daemon, the certificate is what its own file says: whoever else answers gets nothing.
    let other = authority.certify("other");
    let refused = import(&[], &other);
    assert_eq!(refused.status.code(), Some(1), "{}", told(&refused));
    assert!(import(&["--url", &url, "--ca", path(&authority.file)], &other).status.success());
    // Whether it is ready may be told to anybody, and by anybody.
    let health = windrow()
        .args(["health", "--listen", &daemon.address.to_string()])
        .env("WINDROW_TLS_CERT", &other.cert)
        .output()
        .unwrap();
    assert!(health.status.success(), "{}", told(&health));
}

#[test]
fn a_command_that_speaks_tls_to_a_plain_daemon_says_so() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let files = Files::self_signed(data.path(), "any");
    let url = format!("https://localhost:{}", daemon.address.port());
    let health = run(&["health", "--url", &url, "--ca", path(&files.cert)]);
    assert_eq!(health.status.code(), Some(1));
    assert!(told(&health).contains("try `http://`"), "{}", told(&health));
}

#[test]
fn a_handshake_that_stops_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path(), "authority");
    let files = authority.certify("daemon");
    let daemon = start(&dir.path().join("data"), &files, &["--limits-head", "1s"]);
    let mut stopped = Connection::open(daemon.address);
    // The beginning of a handshake's record.
    stopped.write(b"\x16\x03\x01\x02\x00\x01\x00").unwrap();
    let began = Instant::now();
    assert!(stopped.read_to_end().unwrap_or_default().is_empty());
    let took = began.elapsed();
    assert!(took > Duration::from_millis(800) && took < Duration::from_secs(10), "{took:?}");
    let name = "windrow_limit_hits_total{limit=\"head\"}";
    assert!((metric(&daemon, &authority, name) - 1.0).abs() < 0.1);
    // A daemon that ends waits for no handshake.
    let mut stopped = Connection::open(daemon.address);
    stopped.write(b"\x16\x03\x01\x02\x00\x01\x00").unwrap();
    assert_eq!(daemon.stop().code(), Some(0));
}
