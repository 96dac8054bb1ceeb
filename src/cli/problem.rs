//! A problem document (RFC 9457), as a client reads it.

use http::StatusCode;
use serde::Deserialize;

/// Characters that are shown of an answer that is no problem document.
const SHOWN_CHARS_MAX: usize = 200;

/// What the daemon says is wrong.
#[derive(Deserialize, Debug)]
pub struct Problem {
    /// In one sentence.
    pub detail: String,
    /// On which line of the body, from 1.
    pub line: Option<u64>,
}

impl Problem {
    /// From an answer's body, if it is one.
    pub fn of(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    /// The status and what is said with it.
    pub fn told(status: StatusCode, body: &[u8]) -> String {
        let said = match Self::of(body) {
            Some(problem) => problem.detail,
            None => String::from_utf8_lossy(body).chars().take(SHOWN_CHARS_MAX).collect(),
        };
        match said.trim() {
            "" => status.to_string(),
            said => format!("{}: {said}", status.as_u16()),
        }
    }

    /// The line and what is wrong with it, where it is one line's fault. The sentence is without the
    /// line's number, which is the body's, and says nothing to somebody who sees a file.
    pub fn of_line(&self) -> Option<(u64, &str)> {
        let line = self.line?;
        let reason = self.detail.strip_prefix(&format!("line {line}")).unwrap_or(&self.detail);
        Some((line, reason.trim_start_matches([',', ':', ' '])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lines_fault_is_told_without_the_number_that_it_has_in_the_body() {
        let body = br#"{"type":"x","status":400,"detail":"line 7, field `id`: expected a, found b","line":7}"#;
        let problem = Problem::of(body).unwrap();
        assert_eq!(problem.of_line(), Some((7, "field `id`: expected a, found b")));
        assert_eq!(
            Problem::told(StatusCode::BAD_REQUEST, body),
            "400: line 7, field `id`: expected a, found b"
        );
    }

    #[test]
    fn what_is_no_problem_document_is_shown_in_part() {
        assert_eq!(Problem::told(StatusCode::BAD_GATEWAY, b""), "502 Bad Gateway");
        let told = Problem::told(StatusCode::BAD_GATEWAY, "<html>".repeat(100).as_bytes());
        assert_eq!(told.chars().count(), 205);
    }
}
