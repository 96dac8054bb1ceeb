//! The page at `/`, in a real browser: a headless Chromium. Needs Debian's `chromium` and `chromium-driver`.
//!
//! Pictures of it are left in the target directory (`tmp/page-….png`), for whoever wants to look.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod browser;
#[path = "../harness/mod.rs"]
mod harness;

use std::fs;
use std::path::Path;

use browser::Browser;
use harness::{Connection, Daemon, run, user_events};

const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";

/// A daemon with something to show: windows, usage, and lines of which one was refused.
fn daemon_with_events(data: &Path, args: &[&str], headers: &[(&str, &str)]) -> Daemon {
    let daemon = Daemon::start_with(data, args);
    let usage = r#"[{"transaction_id":"t1","customer_id":"<b>acme</b>","event_type":"login","timestamp":"2024-07-01T05:00:00Z"},
        {"transaction_id":"t2","customer_id":"globex","event_type":"login","timestamp":"2024-07-01T07:30:00Z"}]"#;
    for (path, body, status) in [
        ("/user/event", user_events(0, 700).as_str(), 200),
        ("/v1/ingest", usage, 200),
        ("/user/event", r#"{"time":"<i>yesterday</i>"}"#, 400),
    ] {
        let answer = daemon.send("POST", path, headers, body.as_bytes());
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    daemon
}

fn url(daemon: &Daemon) -> String {
    format!("http://{}/", daemon.address)
}

fn shows(text: &str) -> String {
    format!("document.body.innerText.includes({})", serde_json::to_string(text).unwrap())
}

fn keep_picture(browser: &Browser, name: &str) {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("page-{name}.png"));
    fs::write(path, browser.picture()).unwrap();
}

#[test]
fn it_shows_what_goes_on_on_a_desk_and_on_a_phone() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = daemon_with_events(dir.path(), &[], &[]);
    for (name, width, height, dark) in [("desk", 1100, 2000, false), ("phone", 390, 3400, true)] {
        let browser = Browser::start(width, height);
        if dark {
            browser.prefer_dark();
        }
        browser.open(&url(&daemon));
        browser.wait_until(&shows("windows of user-events"));
        browser.wait_until(&shows("700 rows in all"));
        // What somebody sent is text, not markup.
        browser.wait_until(&shows("<b>acme</b>"));
        browser.wait_until(&shows("found the string \"<i>yesterday</i>\""));
        browser.wait_until("document.querySelectorAll('#windows svg rect').length === 3");
        browser.wait_until("document.querySelectorAll('#usage svg rect').length >= 2");
        // Two looks are needed for a rate.
        browser.wait_until("/^[0-9]/.test(document.querySelector('#tiles dd').textContent)");
        keep_picture(&browser, name);

        let wider = "return document.documentElement.scrollWidth - innerWidth";
        assert_eq!(browser.evaluate(wider), 0, "the page is wider than the window");
        let unnamed = "return [...document.querySelectorAll('svg:not([aria-label]), table:not(:has(caption)), input:not([id])')].length";
        assert_eq!(
            browser.evaluate(unnamed),
            0,
            "something has no text for those who don't see it"
        );
        assert_eq!(browser.complaints(), Vec::<String>::new());
    }
    let links =
        "return [...document.querySelectorAll('#windows a')].map((a) => a.getAttribute('href'))";
    let browser = Browser::start(800, 600);
    browser.open(&url(&daemon));
    browser.wait_until("document.querySelector('#windows a')");
    for link in browser.evaluate(links).as_array().unwrap() {
        let file = daemon.get(link.as_str().unwrap());
        assert_eq!(file.status, 200);
        assert!(file.text().starts_with("time,uuid,id,"), "{}", file.text());
    }
}

#[test]
fn it_says_when_it_has_lost_the_daemon_and_finds_it_again() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = daemon_with_events(dir.path(), &[], &[]);
    let address = daemon.address.to_string();
    let browser = Browser::start(800, 600);
    browser.open(&url(&daemon));
    browser.wait_until(&shows("windows of user-events"));
    daemon.kill();
    browser.wait_until(&shows("No answer from windrow at"));
    browser.wait_until(&shows("windows of user-events"));
    let daemon = Daemon::start_with(dir.path(), &["--listen", &address]);
    browser.wait_until("document.getElementById('lost').hidden");
    browser.wait_until("document.getElementById('status').textContent === 'ok'");
    drop(daemon);
}

#[test]
fn it_asks_for_a_token_where_one_is_needed_and_is_used_by_keyboard() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = dir.path().join("tokens").to_str().unwrap().to_owned();
    let token = |scopes: &str| {
        let made = run(&["token", "new", "--file", &tokens, "--scopes", scopes]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        String::from_utf8(made.stdout).unwrap().trim().to_owned()
    };
    let (ingest, read) = (token("ingest"), token("read"));
    let bearer = format!("Bearer {ingest}");
    let headers = [("authorization", bearer.as_str())];
    let daemon = daemon_with_events(&dir.path().join("data"), &["--tokens", &tokens], &headers);

    let html = [("accept", "text/html,*/*;q=0.8")];
    let asked = Connection::open(daemon.address).try_send("GET", "/", &html, b"").unwrap();
    assert_eq!(asked.status, 401);
    assert!(asked.header("www-authenticate").unwrap().starts_with("Bearer"));
    assert!(asked.text().starts_with("<!doctype html>") && !asked.text().contains("user-events"));
    assert_eq!(daemon.get("/").header("content-type"), Some("application/problem+json"));

    let browser = Browser::start(800, 1200);
    browser.open(&url(&daemon));
    browser.wait_until("!document.getElementById('sign-in').hidden");
    // Past the link to the figures, into the form.
    browser.press(&format!("{TAB}{TAB}{ingest}{ENTER}"));
    browser.wait_until(&shows("needs the scope `read`"));
    browser.evaluate(
        "document.getElementById('token').value = ''; document.getElementById('token').focus()",
    );
    browser.press(&format!("{read}{ENTER}"));
    browser.wait_until(&shows("700 rows in all"));
    keep_picture(&browser, "token");
    // A link can't carry the token: a button fetches the file.
    browser.wait_until("document.querySelector('#windows button')");
    let kept = browser.evaluate("return [localStorage.length, document.cookie, location.href]");
    assert_eq!(kept, serde_json::json!([0, "", url(&daemon)]), "the token is somewhere else, too");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
