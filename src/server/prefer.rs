//! `Prefer: handling=strict` (RFC 7240, section 4.4): a request that is refused if one of its lines is
//! bad, also where its stream would keep that line in quarantine. For those who hold the lines
//! themselves, and don't want a second place to look for bad ones.

use http::HeaderMap;

use super::list;

const HEADER: &str = "prefer";
const HANDLING: &str = "handling";

/// Whether the headers ask for it. Preferences that nobody knows are ignored, as the RFC says; of several
/// of one name, the first counts.
pub(super) fn strict_handling(headers: &HeaderMap) -> bool {
    let values = headers.get_all(HEADER).into_iter();
    let mut preferences = values.flat_map(|value| list::parts(value.as_bytes(), b','));
    let handling = preferences.find_map(|preference| {
        let preference = list::parts(preference, b';').next()?;
        let at = preference.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (preference[..at].trim_ascii(), preference[at + 1..].trim_ascii());
        name.eq_ignore_ascii_case(HANDLING.as_bytes()).then(|| list::unquoted(value))
    });
    handling.as_deref() == Some(b"strict")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_handling_is_understood_as_the_rfc_writes_it() {
        for (value, strict) in [
            ("handling=strict", true),
            ("respond-async, Handling = \"strict\" ; foo=1, handling=lenient", true),
            ("handling=lenient, handling=strict", false),
            ("wait=\"a, handling=strict\"", false),
            ("wait=\"a\", handling=strict", true),
            ("handling", false),
            ("strict", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(
                http::HeaderName::from_static(HEADER),
                value.parse().unwrap(),
            )]);
            assert_eq!(strict_handling(&headers), strict, "{value}");
        }
        assert!(!strict_handling(&HeaderMap::new()));
    }
}
