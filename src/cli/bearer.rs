//! The token that a command shows to a daemon that has tokens.
//!
//! What is said on the command line beats the environment, as everywhere. The variables aren't clap's, which
//! couldn't tell one from the other.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use http::HeaderValue;

use super::exit::WrongUsage;

/// The variable that holds the token.
const TOKEN: &str = "WINDROW_TOKEN";
/// The variable that names a file that does.
const TOKEN_FILE: &str = "WINDROW_TOKEN_FILE";

/// Where the token comes from.
#[derive(Args, Debug, Default)]
pub struct Bearer {
    /// The token, where the daemon has tokens; the variable or --token-file keep it from those who see
    /// this machine's processes [env: `WINDROW_TOKEN`]
    #[arg(long)]
    token: Option<Secret>,
    /// A file that holds the token [env: `WINDROW_TOKEN_FILE`]
    #[arg(long, value_name = "FILE", conflicts_with = "token")]
    token_file: Option<PathBuf>,
}

/// A token. `Debug` doesn't show it.
#[derive(Clone)]
struct Secret(String);

impl Bearer {
    /// The header that carries the token, if there is one.
    pub fn header(
        &self,
        variables: &[(OsString, OsString)],
    ) -> anyhow::Result<Option<HeaderValue>> {
        if let Some(Secret(token)) = &self.token {
            return header(token).map(Some);
        }
        if let Some(file) = &self.token_file {
            return read(file).map(Some);
        }
        // Set to nothing is how compose files and unit files leave a variable out.
        let variable = |wanted: &str| {
            let set = variables.iter().find(|(name, value)| name == wanted && !value.is_empty());
            set.map(|(_, value)| value.clone())
        };
        if let Some(token) = variable(TOKEN) {
            return header(&token.to_string_lossy()).map(Some);
        }
        variable(TOKEN_FILE).map(|file| read(Path::new(&file))).transpose()
    }
}

fn read(file: &Path) -> anyhow::Result<HeaderValue> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("the token can't be read from {}", file.display()))?;
    header(text.trim()).with_context(|| format!("what {} holds is no token", file.display()))
}

fn header(token: &str) -> anyhow::Result<HeaderValue> {
    let plain = |byte: u8| byte.is_ascii_graphic();
    match HeaderValue::try_from(format!("Bearer {token}")) {
        Ok(mut header) if !token.is_empty() && token.bytes().all(plain) => {
            header.set_sensitive(true);
            Ok(header)
        }
        _ => bail!(WrongUsage("a token is letters, digits and the like, on one line".to_owned())),
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(token: Option<&str>, token_file: Option<PathBuf>) -> Bearer {
        Bearer { token: token.map(|token| Secret(token.to_owned())), token_file }
    }

    #[test]
    fn the_command_line_beats_the_environment_and_nothing_shows_the_token() {
        let dir = tempfile::tempdir().unwrap();
        let [file, other] = ["file", "other"].map(|name| dir.path().join(name));
        std::fs::write(&file, "of-file\n").unwrap();
        std::fs::write(&other, "of-other\n").unwrap();
        let set = |token: &str, file: Option<&PathBuf>| {
            let file = file.map(|file| file.clone().into_os_string()).unwrap_or_default();
            vec![(TOKEN.into(), token.into()), (TOKEN_FILE.into(), file)]
        };
        for (bearer, variables, expected) in [
            (bearer(Some("of-flag"), None), set("of-variable", Some(&other)), "of-flag"),
            (bearer(None, Some(file.clone())), set("of-variable", Some(&other)), "of-file"),
            (bearer(None, None), set("of-variable", Some(&other)), "of-variable"),
            (bearer(None, None), set("", Some(&other)), "of-other"),
        ] {
            let header = bearer.header(&variables).unwrap().unwrap();
            assert_eq!(header, format!("Bearer {expected}"));
            assert!(!format!("{header:?} {bearer:?}").contains(expected));
        }
        assert_eq!(bearer(None, None).header(&set("", None)).unwrap(), None);
    }

    #[test]
    fn what_is_no_token_is_told_without_showing_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "two\nlines").unwrap();
        for wrong in [bearer(Some(""), None), bearer(Some("a b"), None), bearer(None, Some(file))] {
            let told = format!("{:#}", wrong.header(&[]).unwrap_err());
            assert!(told.contains("a token is letters") && !told.contains("two"), "{told}");
        }
    }
}
