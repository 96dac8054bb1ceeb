//! The file of tokens: one [`Grant`] a line, as JSON. Blank lines, and those that begin with `#`, are for
//! people.
//!
//! ```text
//! # the importer on db1
//! {"id":"5be0c1d2a390","name":"importer","scopes":["ingest","read"],"streams":["usage"],"created":"…","sha256":"…"}
//! ```

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::grant::Grant;
use super::token::TokenId;

/// The longest file that is read: tens of thousands of tokens.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// What is wrong with a file of tokens, in one sentence. None has a line's text in it (A3).
#[derive(thiserror::Error, Debug)]
pub enum TokenFileError {
    /// There is no such file.
    #[error("there is no file of tokens {}: make one with `windrow token new --file {} --scopes ingest,read`", path.display(), path.display())]
    Missing {
        /// Where.
        path: PathBuf,
    },
    /// There is no directory to make it in.
    #[error("the file of tokens {} can't be made: there is no such directory", path.display())]
    NoDirectory {
        /// Where.
        path: PathBuf,
    },
    /// It can't be read or changed.
    #[error("{doing} the file of tokens {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It has more than 16 MiB.
    #[error("the file of tokens {} is longer than {FILE_BYTES_MAX} bytes: is it one?", path.display())]
    TooLong {
        /// Which file.
        path: PathBuf,
    },
    /// A line that is no token's.
    #[error("{}:{line}: this isn't a token as `windrow token new` writes it: {reason}", path.display())]
    BadLine {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// Two tokens have the same id.
    #[error("{}:{line}: the token {id} is there twice: remove one of the lines", path.display())]
    Twice {
        /// Which file.
        path: PathBuf,
        /// The line of the second, from 1.
        line: usize,
        /// Their id.
        id: TokenId,
    },
    /// A token to revoke isn't there.
    #[error("{} has no token `{which}`: `windrow token ls` shows ids and names", path.display())]
    NoSuch {
        /// Which file.
        path: PathBuf,
        /// What was asked for.
        which: String,
    },
    /// Several tokens have the name of the one to revoke.
    #[error("{} has {count} tokens called `{which}`: revoke one by its id", path.display())]
    Ambiguous {
        /// Which file.
        path: PathBuf,
        /// What was asked for.
        which: String,
        /// How many there are.
        count: usize,
    },
    /// The file is somebody else's, who couldn't read what we would put in its place.
    #[error("the file of tokens {} belongs to the user {owner}: run this as that user", path.display())]
    OfAnother {
        /// Which file.
        path: PathBuf,
        /// Whose it is, by number.
        owner: u32,
    },
}

impl TokenFileError {
    /// As [`Self::Io`], for `map_err`.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::NotFound => Self::Missing { path },
            _ => Self::Io { doing, path, source },
        }
    }
}

/// A file of tokens, line by line.
#[derive(Debug, Default)]
pub(super) struct TokenFile(pub(super) Vec<Line>);

/// One line.
#[derive(Debug)]
pub(super) struct Line {
    /// As it stands there, without its end.
    pub(super) text: String,
    /// The token; `None` if it is a remark.
    pub(super) grant: Option<Grant>,
}

/// All tokens of the file at `path`.
pub fn read(path: &Path) -> Result<Vec<Grant>, TokenFileError> {
    let file = File::open(path).map_err(TokenFileError::io("opening", path))?;
    let TokenFile(lines) = TokenFile::read(&file, path)?;
    Ok(lines.into_iter().filter_map(|line| line.grant).collect())
}

impl TokenFile {
    /// Reads an open file, whose path is for messages.
    pub(super) fn read(file: &File, path: &Path) -> Result<Self, TokenFileError> {
        let mut text = String::new();
        let mut file = file.take(FILE_BYTES_MAX + 1);
        file.read_to_string(&mut text).map_err(TokenFileError::io("reading", path))?;
        if text.len() as u64 > FILE_BYTES_MAX {
            return Err(TokenFileError::TooLong { path: path.to_owned() });
        }
        Self::parse(&text, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, TokenFileError> {
        let mut lines = Vec::new();
        let mut ids = BTreeSet::new();
        for (line, text) in (1..).zip(text.lines()) {
            let grant = grant(text).map_err(|reason| {
                let path = path.to_owned();
                TokenFileError::BadLine { path, line, reason }
            })?;
            if let Some(Grant { id, .. }) = grant
                && !ids.insert(id)
            {
                return Err(TokenFileError::Twice { path: path.to_owned(), line, id });
            }
            lines.push(Line { text: text.to_owned(), grant });
        }
        Ok(Self(lines))
    }

    /// The whole file's text.
    pub(super) fn text(&self) -> String {
        self.0.iter().fold(String::new(), |text, line| text + &line.text + "\n")
    }
}

/// The token that a line holds.
fn grant(line: &str) -> Result<Option<Grant>, String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    serde_json::from_str(line).map(Some).map_err(|error| {
        // The line that it knows of is always the first.
        let place = format!(" at line {} column {}", error.line(), error.column());
        let told = error.to_string().replace(&place, &format!(", at character {}", error.column()));
        without_secrets(&told)
    })
}

/// What is wrong with a line repeats what stands there: maybe a line end, and maybe a token that somebody
/// has put in the wrong place (A3). No word that it needs is as long as a part of one that is worth anything.
fn without_secrets(told: &str) -> String {
    const WORD_CHARS_MAX: usize = 16;
    let is_between = |c: char| !c.is_ascii_alphanumeric() && c != '_';
    let told = told.replace(char::is_control, " ");
    told.split_inclusive(is_between).fold(String::new(), |kept, part| {
        let word = part.trim_end_matches(is_between);
        if word.len() > WORD_CHARS_MAX { kept + "…" + &part[word.len()..] } else { kept + part }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "0123456789ab";

    proptest! {
        #[test]
        fn whatever_stands_in_a_file_it_is_kept_to_the_letter_or_refused(
            lines in prop::collection::vec(
                prop_oneof![".*", "# .*", Just(line(ID)), "[0-9a-f]{12}".prop_map(|id| line(&id))],
                0..6,
            )
        ) {
            let text: String = lines.iter().map(|line| line.replace(['\r', '\n'], "") + "\n").collect();
            if let Ok(file) = parse(&text) {
                prop_assert_eq!(file.text(), text);
            }
        }
    }

    fn line(id: &str) -> String {
        format!(r#"{{"id":"{id}","scopes":["read"],"sha256":"{}"}}"#, "0f".repeat(32))
    }

    fn parse(text: &str) -> Result<TokenFile, String> {
        TokenFile::parse(text, Path::new("f")).map_err(|error| error.to_string())
    }

    #[test]
    fn remarks_and_blank_lines_stay_where_they_are() {
        let text = format!("# first\n\n{}\n  # second\n{}\n", line(ID), line("ba9876543210"));
        let file = parse(&text).unwrap();
        assert_eq!(file.text(), text);
        assert_eq!(file.0.iter().filter(|line| line.grant.is_some()).count(), 2);
        assert_eq!(parse("").unwrap().text(), "");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place_and_never_with_the_line() {
        let secret = "windrow_0123456789ab_secret";
        for (text, says) in [
            (format!("# x\n{secret}"), "f:2: this isn't a token"),
            (
                line("0123"),
                "f:1: this isn't a token as `windrow token new` writes it: `id` must be",
            ),
            (line(ID).replace("[\"read\"]", "[]"), "`scopes` must name at least one"),
            (line(ID).replace("[\"read\"]", "[\"write\"]"), "unknown variant `write`"),
            (line(ID).replace("\"scopes\"", "\"streams\":[],\"scopes\""), "`streams` must name"),
            (line(ID).replace("0f0f", "0F0F"), "`sha256` must be 64 hexadecimal digits"),
            (line(ID).replace("\"sha256\"", "\"until\":1,\"sha256\""), "unknown field `until`"),
            (line(ID).replace("[\"read\"]", &format!("[\"{secret}\"]")), "unknown variant `…`"),
            (
                line(ID).replace("[\"read\"]", &format!("\"{secret}\"")),
                "invalid type: string \"…\"",
            ),
            (line(ID).replace("scopes", secret), "unknown field `…`"),
            (format!("{}\n{}\n", line(ID), line(ID)), "f:2: the token 0123456789ab is there twice"),
        ] {
            let told = parse(&text).unwrap_err();
            assert!(told.contains(says), "{told}");
            assert!(!told.contains(secret), "{told}");
        }
    }
}
