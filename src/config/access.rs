//! Who may do what, as configured.

use std::path::PathBuf;

use super::error::ConfigError;
use super::secret::looks_like_token;
use super::settings::{Origin, Settings};

/// Who may do what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccessConfig {
    /// The file of tokens; without one, everybody may do everything.
    pub tokens: Option<PathBuf>,
    /// Whose pages may send and read.
    pub cors: Origins,
}

/// Origins of web pages: `https://example.org`, with a port if it isn't the scheme's own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origins {
    /// None.
    None,
    /// These, in lower case.
    These(Vec<String>),
    /// Whichever there are, written `*`.
    All,
}

impl Origins {
    /// Whether a page of this origin, as a browser names it, is among them.
    pub fn contain(&self, origin: &str) -> bool {
        match self {
            Self::None => false,
            Self::These(origins) => origins.iter().any(|own| own.eq_ignore_ascii_case(origin)),
            Self::All => true,
        }
    }
}

/// Who may do what.
pub(super) fn access(settings: &Settings) -> Result<AccessConfig, ConfigError> {
    let tokens = tokens(settings)?;
    if tokens.is_none() && settings.get("require_tokens")? {
        return Err(ConfigError::Invalid(
            "`require_tokens` is true, and `tokens` names no file: `windrow token new --file tokens \
             --scopes ingest,read` makes one"
                .to_owned(),
        ));
    }
    Ok(AccessConfig { tokens, cors: origins(settings)? })
}

fn tokens(settings: &Settings) -> Result<Option<PathBuf>, ConfigError> {
    const KEY: &str = "tokens";
    let path = settings.optional::<PathBuf>(KEY)?;
    if path.as_deref().is_some_and(looks_like_token) {
        let origin = settings.written(KEY).map_or(Origin::Default, |it| it.origin.clone());
        return Err(ConfigError::Invalid(format!(
            "{origin}: `{KEY}` is a token itself, expected the path of a file that `windrow token new` \
             has written"
        )));
    }
    Ok(path)
}

fn origins(settings: &Settings) -> Result<Origins, ConfigError> {
    const KEY: &str = "cors";
    let is_origin = |origin: &String| {
        let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        host.is_some_and(|host| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
            !host.is_empty() && host.bytes().all(plain)
        })
    };
    let origins: Vec<_> =
        settings.list(KEY)?.iter().map(|origin| origin.to_ascii_lowercase()).collect();
    match origins.as_slice() {
        [] => Ok(Origins::None),
        [all] if all == "*" => Ok(Origins::All),
        these if these.iter().all(is_origin) => Ok(Origins::These(origins)),
        _ => Err(settings.refused(KEY, "origins such as `https://example.org`, or `*` alone")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Written;

    fn with(key: &str, text: &str) -> Result<AccessConfig, String> {
        let mut settings = Settings::default();
        settings.put(key, Written::Scalar(text.to_owned()), Origin::Default);
        access(&settings).map_err(|error| error.to_string())
    }

    #[test]
    fn pages_are_told_by_their_whole_origin() {
        let cors = with("cors", "https://Example.org, http://[::1]:3000").unwrap().cors;
        assert!(cors.contain("https://example.org") && cors.contain("http://[::1]:3000"));
        for other in [
            "http://example.org",
            "https://example.org:8443",
            "https://example.org.evil.example",
            "https://sub.example.org",
            "null",
            "",
        ] {
            assert!(!cors.contain(other), "{other}");
        }
        assert!(with("cors", "*").unwrap().cors.contain("null"));
        assert!(!with("cors", "none").unwrap().cors.contain("https://a"));
        for wrong in
            ["example.org", "https://a/", "https://", "*,https://a", "ftp://a", "https://a b"]
        {
            assert!(with("cors", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_token_in_the_place_of_a_file_is_refused_without_being_shown() {
        let token = format!("windrow_0123456789ab_{}", "c".repeat(64));
        let told = with("tokens", &token).unwrap_err();
        assert!(told.contains("`tokens` is a token itself"), "{told}");
        assert!(!told.contains(&token[20..]), "{told}");
        assert_eq!(with("tokens", "windrow_tokens").unwrap().tokens, Some("windrow_tokens".into()));
    }

    #[test]
    fn tokens_that_are_required_must_be_there() {
        let told = with("require_tokens", "true").unwrap_err();
        assert!(told.starts_with("`require_tokens` is true, and `tokens` names no file"), "{told}");
        assert_eq!(with("require_tokens", "false").unwrap().tokens, None);
    }
}
