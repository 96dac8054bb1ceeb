//! What the Debian package is made of fits together: `ops/debian-package` builds and tries it, which takes too long
//! for every day.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc, reason = "tests")]

mod harness;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{run, windrow};

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(here(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// `[package.metadata.deb]` of Cargo.toml.
fn metadata() -> toml::Table {
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    manifest["package"]["metadata"]["deb"].as_table().unwrap().clone()
}

#[test]
fn everything_that_is_packed_is_there() {
    for asset in metadata()["assets"].as_array().unwrap() {
        let source = asset[0].as_str().unwrap();
        let source = source.trim_end_matches("*.md");
        let is_built = source.starts_with("target/release/");
        assert!(is_built || here(source).exists(), "there is no {source}");
    }
}

#[test]
fn maintainer_scripts_are_shell_and_leave_room_for_the_units() {
    let directory = metadata()["maintainer-scripts"].as_str().unwrap().to_owned();
    for name in ["postinst", "prerm", "postrm"] {
        let path = format!("{directory}/{name}");
        assert!(read(&path).contains("\n#DEBHELPER#\n"), "{path}");
        let checked = Command::new("sh").arg("-n").arg(here(&path)).output().unwrap();
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    }
}

#[test]
fn the_packaged_configuration_is_one_and_where_the_unit_looks_for_it() {
    let config =
        windrow().arg("config").arg("--config").arg(here("ops/debian/windrow.toml")).output();
    assert!(config.unwrap().status.success());
    let unit = read("ops/systemd/windrow.service");
    let conf_files = metadata()["conf-files"].clone();
    for file in conf_files.as_array().unwrap() {
        assert!(unit.contains(&format!("WINDROW_CONFIG={}", file.as_str().unwrap())));
    }
}

#[test]
fn the_manual_page_knows_every_command() {
    let page = read("ops/debian/windrow.1");
    let help = String::from_utf8(run(&["--help"]).stdout).unwrap();
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let names = commands.lines().take_while(|line| !line.is_empty()).filter_map(|line| {
        // What a long sentence goes on with stands further to the right.
        line.strip_prefix("  ").filter(|line| !line.starts_with(' '))?.split_whitespace().next()
    });
    let names: Vec<_> = names.collect();
    assert!(names.len() > 10, "{help}");
    for name in names {
        assert!(page.contains(&format!(".B {name}\n")), "ops/debian/windrow.1 lacks `{name}`");
    }
}

#[test]
fn packaged_completions_are_what_windrow_prints() {
    let path =
        std::env::join_paths([Path::new(windrow().get_program()).parent().unwrap()]).unwrap();
    let script = format!(
        "PATH=\"$0:$PATH\"; . '{}'; complete -p windrow",
        here("ops/debian/completion.bash").display()
    );
    let output = Command::new("bash").args(["-c", &script]).arg(path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("_windrow"));
}
