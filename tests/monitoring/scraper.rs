//! A Prometheus of its own, with the configuration of `ops/monitoring` but for the address that it scrapes.

use std::collections::BTreeSet;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::OPS;
use crate::harness::{Connection, PATIENCE, encoded};

/// Killed when dropped.
pub struct Scraper {
    child: Child,
    address: SocketAddr,
}

impl Scraper {
    /// One that scrapes `target` with a token, and keeps what it has in `directory`.
    pub fn start(directory: &Path, target: SocketAddr, token: &str) -> Self {
        let directory = directory.join("prometheus");
        fs::create_dir(&directory).unwrap();
        let of_ops = |name: &str| fs::read_to_string(format!("{OPS}/monitoring/{name}")).unwrap();
        fs::write(directory.join("windrow.token"), token).unwrap();
        fs::write(directory.join("windrow.rules.yml"), of_ops("windrow.rules.yml")).unwrap();
        // As a person would: the lines about tokens in force, the address and the file one's own.
        let commented =
            "    # authorization:\n    #   credentials_file: /etc/prometheus/windrow.token\n";
        let mut config = of_ops("prometheus.yml");
        for (from, to) in [
            (commented, "    authorization:\n      credentials_file: windrow.token\n"),
            ("windrow:8080", &target.to_string()),
            ("interval: 5s", "interval: 1s"),
        ] {
            assert!(config.contains(from), "prometheus.yml has no {from}");
            config = config.replace(from, to);
        }
        fs::write(directory.join("prometheus.yml"), config).unwrap();
        // Whoever takes the port in between makes the test fail, not pass.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new("prometheus")
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
            .args(["--log.level=error", &format!("--web.listen-address={address}")])
            .current_dir(&directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("prometheus, of Debian's package of that name");
        Self { child, address }
    }

    /// Waits until a question has an answer.
    pub fn wait_for(&self, question: &str) {
        let end = Instant::now() + PATIENCE;
        let found = || self.try_query(question).is_some_and(|found| !found.is_empty());
        while !found() {
            assert!(Instant::now() < end, "Prometheus never has {question}");
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// What a question finds, which must be one.
    pub fn query(&self, question: &str) -> Vec<Value> {
        self.try_query(question).unwrap_or_else(|| panic!("Prometheus can't answer {question}"))
    }

    fn try_query(&self, question: &str) -> Option<Vec<Value>> {
        let data = self.get(&format!("/api/v1/query?query={}", encoded(question)))?;
        data["result"].as_array().cloned()
    }

    /// The names of all metrics that it has, those that were recorded among them.
    pub fn metrics(&self) -> BTreeSet<String> {
        let data = self.get("/api/v1/label/__name__/values").unwrap();
        data.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    }

    /// Rules that it couldn't evaluate, with why.
    pub fn rules_that_fail(&self) -> Vec<String> {
        let data = self.get("/api/v1/rules").unwrap();
        let groups = data["groups"].as_array().unwrap();
        let rules: Vec<_> =
            groups.iter().flat_map(|group| group["rules"].as_array().unwrap()).collect();
        assert!(rules.len() > 20, "{} rules are loaded", rules.len());
        let failed = rules.iter().filter(|rule| rule["health"] != "ok");
        failed.map(|rule| format!("{}: {}", rule["name"], rule["lastError"])).collect()
    }

    fn get(&self, path: &str) -> Option<Value> {
        let mut connection = Connection::try_open(self.address).ok()?;
        let answer = connection.try_send("GET", path, &[], b"").ok()?;
        (answer.status == 200).then(|| answer.json()["data"].clone())
    }
}

impl Drop for Scraper {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
