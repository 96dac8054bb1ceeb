//! A headless Chromium, driven by `WebDriver` (W3C), whose JSON travels through the tests' own HTTP client.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::harness::{Connection, PATIENCE};

/// Ended when dropped, and the browser with it.
pub struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
}

impl Browser {
    /// One whose window is so large, in CSS pixels.
    pub fn start(width: u32, height: u32) -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver, of Debian's package chromium-driver");
        let address = SocketAddr::from(([127, 0, 0, 1], port_told_by(&mut driver)));
        let mut browser = Self { driver, address, session: String::new() };
        let size = format!("--window-size={width},{height}");
        let args = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", &size];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": args },
            "goog:loggingPrefs": { "browser": "ALL" },
        }}});
        let session = browser.call("POST", "/session", &wanted);
        session["sessionId"].as_str().unwrap().clone_into(&mut browser.session);
        browser.devtools(
            "Emulation.setDeviceMetricsOverride",
            &json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false }),
        );
        browser
    }

    /// Lets pages believe that somebody likes it dark.
    pub fn prefer_dark(&self) {
        let dark = json!([{ "name": "prefers-color-scheme", "value": "dark" }]);
        self.devtools("Emulation.setEmulatedMedia", &json!({ "features": dark }));
    }

    pub fn open(&self, url: &str) {
        self.ask("POST", "/url", &json!({ "url": url }));
    }

    /// What a function's body returns in the page.
    pub fn evaluate(&self, script: &str) -> Value {
        self.ask("POST", "/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Waits until an expression is true in the page.
    pub fn wait_until(&self, expression: &str) {
        let end = Instant::now() + PATIENCE;
        while self.evaluate(&format!("return Boolean({expression})")) != true {
            let text = self.evaluate("return document.body.innerText");
            assert!(Instant::now() < end, "never: {expression}\n{}", text.as_str().unwrap());
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Presses keys, in what has the focus. `\u{e004}` is Tab and `\u{e007}` Enter (`WebDriver`, 17.4.2).
    pub fn press(&self, keys: &str) {
        let press = |key: char| {
            ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key.to_string() }))
        };
        let actions: Vec<_> = keys.chars().flat_map(press).collect();
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": actions });
        self.ask("POST", "/actions", &json!({ "actions": [keyboard] }));
    }

    /// What the page has written to its console since the last time, but for what the network brought.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.ask("POST", "/se/log", &json!({ "type": "browser" }));
        let entries = log.as_array().unwrap().iter();
        let own = entries.filter(|entry| entry["source"] != "network");
        own.map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
    }

    /// A picture of the window, as PNG.
    pub fn picture(&self) -> Vec<u8> {
        let encoded = self.ask("GET", "/screenshot", &Value::Null);
        BASE64_STANDARD.decode(encoded.as_str().unwrap()).unwrap()
    }

    fn devtools(&self, command: &str, parameters: &Value) {
        let call = json!({ "cmd": command, "params": parameters });
        self.ask("POST", "/goog/cdp/execute", &call);
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        self.call(method, &format!("/session/{}{path}", self.session), body)
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        // The driver wants to be called by its address.
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.address,
            body.len(),
        );
        let mut connection = Connection::open(self.address);
        connection.write(head + &body).unwrap();
        let answer = connection.read_answer(method).unwrap();
        let json = answer.json();
        assert_eq!(answer.status, 200, "{method} {path}: {}", json["value"]["message"]);
        json["value"].clone()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() && !thread::panicking() {
            self.ask("DELETE", "", &Value::Null);
        }
        drop(self.driver.kill());
        drop(self.driver.wait());
    }
}

/// The port that the driver has taken, as it says.
fn port_told_by(driver: &mut Child) -> u16 {
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    let told = lines.by_ref().map(Result::unwrap).find_map(|line| {
        let (_, port) = line.split_once("started successfully on port ")?;
        port.trim_end_matches('.').parse().ok()
    });
    // Whoever stops reading stops the driver.
    thread::spawn(move || lines.for_each(drop));
    told.expect("chromedriver says which port it has")
}
