//! The nearest known name to a mistyped one.

/// Below this likeness (0 to 1) a suggestion misleads more than it helps.
const LIKENESS_MIN: f64 = 0.6;

/// The known name that is most like `wrong`, if any is like it at all.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::normalized_damerau_levenshtein(wrong, name), name))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, name)| name)
}

/// `; did you mean …?`, or nothing.
pub fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_typing_errors_and_nothing_else() {
        let known = ["wal.segment", "wal.max", "listen"];
        assert_eq!(nearest("wal.segmnet", known), Some("wal.segment"));
        assert_eq!(nearest("Listen", known), Some("listen"));
        assert_eq!(nearest("retention_policy", known), None);
    }
}
