//! How a command reaches the daemon that it talks to.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use http::HeaderValue;

use super::client::Client;
use super::exit::WrongUsage;
use super::place::Place;
use crate::config::Sources;

/// Where the daemon is, and what it wants to see of its clients.
#[derive(Args, Debug)]
pub struct Reach {
    /// Where the daemon is; the address it is configured to listen on if not given
    #[arg(long, env = "WINDROW_URL")]
    url: Option<String>,
    /// The token, where the daemon has tokens; the variable or --token-file keep it from those who see
    /// this machine's processes
    #[arg(long, env = "WINDROW_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// A file that holds the token
    #[arg(long, env = "WINDROW_TOKEN_FILE", value_name = "FILE", conflicts_with = "token")]
    token_file: Option<PathBuf>,
}

impl Reach {
    /// Whether somebody has said where the daemon is.
    pub fn is_named(&self) -> bool {
        self.url.is_some()
    }

    /// A client of that daemon, not connected yet.
    pub fn client(&self, sources: Sources) -> anyhow::Result<Client> {
        let place = Place::of(self.url.as_deref(), sources)?;
        Ok(Client::new(place, self.authorization()?))
    }

    /// The header that carries the token, if there is one.
    fn authorization(&self) -> anyhow::Result<Option<HeaderValue>> {
        match (&self.token, &self.token_file) {
            (Some(token), _) => bearer(token).map(Some),
            (None, Some(file)) => {
                let text = std::fs::read_to_string(file)
                    .with_context(|| format!("the token can't be read from {}", file.display()))?;
                bearer(text.trim()).map(Some)
            }
            (None, None) => Ok(None),
        }
    }
}

fn bearer(token: &str) -> anyhow::Result<HeaderValue> {
    match HeaderValue::try_from(format!("Bearer {token}")) {
        Ok(mut header) => {
            header.set_sensitive(true);
            Ok(header)
        }
        Err(_) => bail!(WrongUsage("the token has a character that no token has".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_token(token: Option<&str>, file: Option<PathBuf>) -> Reach {
        Reach { url: None, token: token.map(str::to_owned), token_file: file }
    }

    #[test]
    fn a_token_comes_from_where_it_is_said_and_is_never_shown() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        std::fs::write(&file, "secret\n").unwrap();
        for reach in [with_token(Some("secret"), None), with_token(None, Some(file))] {
            let header = reach.authorization().unwrap().unwrap();
            assert_eq!(header, "Bearer secret");
            assert!(!format!("{header:?}").contains("secret"));
        }
        assert_eq!(with_token(None, None).authorization().unwrap(), None);
    }

    #[test]
    fn what_can_be_no_token_is_refused_without_being_shown() {
        let error = with_token(Some("sec\nret"), None).authorization().unwrap_err();
        assert!(error.is::<WrongUsage>() && !error.to_string().contains("ret"), "{error}");
        let error = with_token(None, Some("/no/such/file".into())).authorization().unwrap_err();
        assert!(error.to_string().contains("/no/such/file"), "{error}");
    }
}
