//! Everything that README.md and the pages for users show works: their blocks are taken from them and executed, in
//! their order.
//!
//! A block says behind its language what is done with it:
//!
//! | mark | |
//! |---|---|
//! | `serve` | started, and kept running for the blocks behind it |
//! | `kill` | what was started is killed |
//! | `run` | executed by `sh -e`, Python or Node; it must succeed |
//! | `output` | what the block before it printed, to the letter |
//! | `docker` | executed by `ops/compose-check`; here the two are compared |
//! | `test` | what runs this test; here it is looked at |
//! | `windrow.toml` | read as configuration |
//! | `theirs` | another program's configuration, which must name the stream of the next `sent` |
//! | `sent` | lines as that program sends them, taken by a daemon with the configuration that was read last |
//!
//! `cargo run --release` runs the binary under test, in a directory of the test's own, and port 8080
//! is replaced by a free one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc, reason = "tests")]

#[path = "../harness/mod.rs"]
mod harness;
mod page;
mod place;
mod readme;

use std::fs;

use page::Page;
use place::Place;

/// Executes the blocks of a page. What is left of it is the place where that was done.
fn play(name: &'static str) -> Place {
    let mut place = Place::new();
    let mut printed = None;
    for block in Page::read(name).blocks() {
        match block.info.as_str() {
            "sh serve" => place.serve(&block.text),
            "sh kill" => place.kill(),
            "sh run" | "python run" | "js run" => printed = Some(place.run(&block)),
            "text output" => {
                let printed = printed.take().expect("an output stands behind what prints it");
                assert_eq!(printed, block.text, "{}", block.at);
            }
            "toml windrow.toml" => place.read_config(&block.text),
            "ini theirs" | "toml theirs" => {
                assert!(block.text.contains("/v1/streams/logs"), "{}", block.at);
            }
            "json sent" => place.send_to_logs(&block.text),
            // The tests of `readme`.
            "sh docker" | "sh test" if name == "README.md" => {}
            other => panic!("{}: nothing executes a block `{other}`", block.at),
        }
    }
    place
}

#[test]
fn what_the_readme_shows_works_in_its_order() {
    let place = play("README.md");
    // What the page says about the data of its samples, rows counted by other means.
    let rows = |file: &str| {
        let path = place.path("data/windows/user-events").join(file);
        fs::read_to_string(path).unwrap().lines().count() - 1
    };
    assert_eq!(rows("user-events-20240701-020304.csv"), 300);
    assert_eq!(rows("user-events-20240701-020804.csv"), 240);
    assert_eq!(rows("user-events-20240701-021304.csv"), 124);
    // One event, then three, then two of them again beside another one without an id.
    let stored = place.shell("curl -s http://127.0.0.1:8080/events").output().unwrap().stdout;
    let stored: serde_json::Value = serde_json::from_slice(&stored).unwrap();
    assert_eq!(stored["events"].as_array().map(Vec::len), Some(5), "{stored}");
}

#[test]
fn what_the_tutorial_of_csv_windows_shows_works() {
    play("docs/tutorials/csv-windows.md");
}

#[test]
fn what_the_tutorial_of_an_event_pipeline_shows_works() {
    play("docs/tutorials/event-pipeline.md");
}

#[test]
fn what_the_tutorial_of_usage_metering_shows_works() {
    play("docs/tutorials/usage-metering.md");
}

#[test]
fn the_readers_of_the_output_work_as_shown() {
    play("docs/READING.md");
}

#[test]
fn the_senders_work_as_shown() {
    play("docs/SENDING.md");
}
