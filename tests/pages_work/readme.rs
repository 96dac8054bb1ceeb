//! What README.md says of the repository itself.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::page::{Block, Page};

const COMPOSE_CHECK: &str = include_str!("../../ops/compose-check");

fn blocks() -> Vec<Block> {
    Page::read("README.md").blocks()
}

#[test]
fn compose_check_executes_the_docker_blocks() {
    let mut shown: Vec<_> = blocks()
        .iter()
        .filter(|block| block.info == "sh docker")
        .flat_map(|block| block.text.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let mut executed: Vec<_> = COMPOSE_CHECK
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("readme '")?.strip_suffix('\''))
        .collect();
    // In which order they are executed, only the script knows.
    shown.sort_unstable();
    executed.sort_unstable();
    assert_eq!(shown, executed);
}

#[test]
fn the_command_that_passes_the_tests_is_the_one_that_runs_this() {
    let blocks = blocks();
    let [block] = blocks.iter().filter(|block| block.info == "sh test").collect::<Vec<_>>()[..]
    else {
        panic!("there is one command that passes the tests");
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for script in [block.text.trim(), ".ci/run", "ops/compose-check"] {
        let mode = fs::metadata(root.join(script)).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{script} can be executed");
    }
    let ci = fs::read_to_string(root.join(".ci/run")).unwrap();
    assert!(ci.contains(block.text.trim()), ".ci/run runs {}", block.text);
    let script = fs::read_to_string(root.join(block.text.trim())).unwrap();
    for step in ["cargo fmt --all --check", "-D warnings", "cargo test"] {
        assert!(script.contains(step), "{} runs `{step}`", block.text);
    }
}

#[test]
fn the_pages_that_the_readme_names_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = Page::read("README.md").text;
    let mut names = 0;
    for target in readme.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        if !target.starts_with("http") {
            assert!(root.join(target).exists(), "README.md names {target}");
            names += 1;
        }
    }
    assert!(names >= 5);
}
