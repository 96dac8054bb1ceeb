//! Every link between the pages of the repository leads somewhere: to a file that is there and, where it
//! names one, to a heading in it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The pages: Markdown at the top, in `docs` and in `benches`.
fn pages() -> Vec<PathBuf> {
    let is_page = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "md");
    let within = |directory: &str| fs::read_dir(Path::new(ROOT).join(directory)).unwrap();
    let all = ["", "docs", "benches"].into_iter().flat_map(within);
    all.map(|entry| entry.unwrap().path()).filter(is_page).collect()
}

/// A page without what stands between fences: code has brackets of its own.
fn prose(page: &Path) -> String {
    let text = fs::read_to_string(page).unwrap();
    text.split("```").step_by(2).collect()
}

/// Where its links lead, as they are written.
fn links(prose: &str) -> impl Iterator<Item = &str> {
    prose.split("](").skip(1).filter_map(|behind| behind.split_once(')')).map(|(link, _)| link)
}

/// The names by which a page's headings are linked to, made as GitHub makes them.
fn anchors(page: &Path) -> BTreeSet<String> {
    let is_kept = |c: &char| c.is_alphanumeric() || matches!(c, '-' | '_' | ' ');
    prose(page)
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .map(|heading| heading.trim_start_matches('#').trim().to_lowercase())
        .map(|heading| heading.chars().filter(is_kept).collect::<String>().replace(' ', "-"))
        .collect()
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    let (mut followed, mut dead) = (0, Vec::new());
    for page in pages() {
        let prose = prose(&page);
        for link in links(&prose).filter(|link| !link.contains("://")) {
            followed += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => page.clone(),
                file => page.parent().unwrap().join(file),
            };
            let is_there =
                target.exists() && (anchor.is_empty() || anchors(&target).contains(anchor));
            if !is_there {
                dead.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert_eq!(dead, Vec::<String>::new());
    assert!(followed > 20, "only {followed} links were found");
}
