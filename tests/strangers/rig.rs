//! A daemon with tokens, and tokens for it.

use std::path::{Path, PathBuf};

use crate::harness::{Answer, Daemon, run};

/// A stream of its own beside the built-in ones, with a path.
pub const OWN_STREAM: [&str; 3] = [
    "--streams-orders-path=/orders",
    "--streams-orders-time=at",
    "--streams-orders-columns={ at = \"timestamp\" }",
];

/// A directory with a file of tokens, and maybe a daemon's data.
pub struct Rig {
    dir: tempfile::TempDir,
}

impl Rig {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn file(&self) -> PathBuf {
        self.dir.path().join("tokens")
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Makes a token with these scopes for these streams.
    pub fn token(&self, scopes: &str, streams: &str) -> String {
        let file = self.file();
        let made = run(&[
            "token",
            "new",
            "--file",
            file.to_str().unwrap(),
            "--scopes",
            scopes,
            "--streams",
            streams,
        ]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        String::from_utf8(made.stdout).unwrap().trim_end().to_owned()
    }

    /// A daemon that takes these tokens only.
    pub fn daemon(&self, args: &[&str]) -> Daemon {
        let file = self.file();
        let mut all = vec!["--tokens", file.to_str().unwrap()];
        all.extend(OWN_STREAM);
        all.extend(args);
        Daemon::start_with(&self.dir.path().join("data"), &all)
    }
}

/// A request with this token.
pub fn send(daemon: &Daemon, token: &str, method: &str, path: &str, body: &str) -> Answer {
    let authorization = format!("Bearer {token}");
    daemon.send(method, path, &[("authorization", &authorization)], body.as_bytes())
}

/// A GET with this token.
pub fn get(daemon: &Daemon, token: &str, path: &str) -> Answer {
    send(daemon, token, "GET", path, "")
}

/// Checks that it is a problem document of this status, and gives its detail.
pub fn problem(answer: &Answer, status: u16) -> String {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    answer.json()["detail"].as_str().unwrap().to_owned()
}
