//! What must not be shown.

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
