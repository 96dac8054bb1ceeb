//! What must not be shown.

use std::path::Path;

/// `mysql://user:secret@host` as `mysql://user:***@host`, and the same without a scheme, as Go writes it.
/// A text without a password stays as it is.
pub(super) fn without_password(text: &str) -> String {
    let hidden = || {
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        // A password may hold any character, `@` and `:` included.
        let (login, host) = rest.rsplit_once('@')?;
        let (user, _) = login.split_once(':')?;
        let scheme = if scheme.is_empty() { String::new() } else { format!("{scheme}://") };
        Some(format!("{scheme}{user}:***@{host}"))
    };
    hidden().unwrap_or_else(|| text.to_owned())
}

/// What every token that windrow makes begins with, so that one is known that strays.
pub const TOKEN_PREFIX: &str = "windrow_";

/// Whether somebody has written a token where a path should be.
pub(super) fn looks_like_token(path: &Path) -> bool {
    const SECRET_CHARS_MIN: usize = 64;
    let token = path.to_str().and_then(|text| text.strip_prefix(TOKEN_PREFIX));
    token.is_some_and(|rest| {
        let digits = rest.bytes().filter(u8::is_ascii_hexdigit).count();
        digits >= SECRET_CHARS_MIN && rest.len() <= digits + 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_stay_out_of_sight() {
        assert_eq!(without_password("mysql://u:a@b@h/d"), "mysql://u:***@h/d");
        assert_eq!(without_password("u:a:b@c@tcp(h:3306)/d"), "u:***@tcp(h:3306)/d");
        assert_eq!(without_password("./data"), "./data");
        assert_eq!(without_password("http://h:80/x"), "http://h:80/x");
    }
}
