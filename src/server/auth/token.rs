//! A token's text, and what is kept of it.
//!
//! `windrow_` ID `_` SECRET: 12 hexadecimal digits that name the token, and 64 that only its holder has.
//! The id stands in the file of tokens as it is, so that a person can tell tokens apart; of the whole text
//! only the SHA-256 does. The secret is 256 bits from the system's generator, so that a fast hash is as
//! good as a slow one: there is nothing to guess.

use std::fmt;
use std::io;

use rand::TryRng as _;
use rand::rngs::SysRng;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::hexadecimal;
use crate::config::TOKEN_PREFIX as PREFIX;

/// Bytes of an id.
const ID_BYTES: usize = 6;
/// Bytes of a secret: 256 bits.
const SECRET_BYTES: usize = 32;

/// The text of a token. Only somebody who was just given it has one; it has no `Debug` that shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// What a token is called.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenId([u8; ID_BYTES]);

/// The SHA-256 of a token's text.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct TokenDigest([u8; 32]);

impl Token {
    /// A new one, with its id. Fails only if the system has no random bytes to give.
    pub(super) fn make() -> io::Result<(TokenId, Self)> {
        let mut id = [0; ID_BYTES];
        let mut secret = [0; SECRET_BYTES];
        SysRng.try_fill_bytes(&mut id).map_err(io::Error::other)?;
        SysRng.try_fill_bytes(&mut secret).map_err(io::Error::other)?;
        let id = TokenId(id);
        let secret = fmt::from_fn(|f| hexadecimal::write(&secret, f));
        Ok((id, Self(format!("{PREFIX}{id}_{secret}"))))
    }

    /// The text, to be given to its holder.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl TokenId {
    /// The id in a text that has the form of a token.
    pub(super) fn of_token(text: &[u8]) -> Option<Self> {
        let rest = text.strip_prefix(PREFIX.as_bytes())?;
        let (id, rest) = rest.split_at_checked(2 * ID_BYTES)?;
        let secret = rest.strip_prefix(b"_")?;
        hexadecimal::read::<SECRET_BYTES>(secret)?;
        hexadecimal::read(id).map(Self)
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hexadecimal::write(&self.0, f)
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<TokenId> for String {
    fn from(id: TokenId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for TokenId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let id = hexadecimal::read(text.as_bytes());
        id.map(Self).ok_or("`id` must be 12 hexadecimal digits")
    }
}

impl TokenDigest {
    /// That of nothing: what a token is compared with whose id nobody knows.
    pub(super) const OF_NOBODY: Self = Self([0; 32]);

    /// That of a token's text.
    pub(super) fn of(text: &[u8]) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// Whether both are the same, in a time that doesn't depend on where they differ (A3).
    pub(super) fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest(…)")
    }
}

impl From<TokenDigest> for String {
    fn from(digest: TokenDigest) -> Self {
        fmt::from_fn(|f| hexadecimal::write(&digest.0, f)).to_string()
    }
}

impl TryFrom<String> for TokenDigest {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let digest = hexadecimal::read(text.as_bytes());
        digest.map(Self).ok_or("`sha256` must be 64 hexadecimal digits")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_token_has_its_id_in_it_and_is_never_the_same() {
        let (id, token) = Token::make().unwrap();
        assert_eq!(TokenId::of_token(token.text().as_bytes()), Some(id));
        assert_eq!(token.text().len(), PREFIX.len() + 12 + 1 + 64);
        assert_ne!(Token::make().unwrap().1, token);
    }

    #[test]
    fn what_has_not_the_form_of_a_token_has_no_id() {
        let (_, token) = Token::make().unwrap();
        let text = token.text();
        for wrong in [
            "",
            "windrow_",
            &text[..text.len() - 1],
            &format!("{text}0"),
            &format!("{text}\n"),
            &text.to_uppercase(),
            &text.replacen('_', "-", 2),
        ] {
            assert_eq!(TokenId::of_token(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn digests_are_the_same_only_for_the_same_text() {
        let digest = TokenDigest::of(b"a");
        assert!(digest.is(&TokenDigest::of(b"a")));
        assert!(!digest.is(&TokenDigest::of(b"b")));
        assert!(!digest.is(&TokenDigest::OF_NOBODY));
        // By `printf a | sha256sum`.
        let known = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";
        assert_eq!(String::from(digest), known);
    }

    #[test]
    fn nothing_secret_is_shown_by_debug() {
        let (_, token) = Token::make().unwrap();
        let digest = TokenDigest::of(token.text().as_bytes());
        assert_eq!(format!("{token:?} {digest:?}"), "Token(…) TokenDigest(…)");
    }
}
