//! From when to when a certificate holds, read from its DER (X.690) as RFC 5280 lays it out:
//!
//! ```text
//!  Certificate ::= SEQUENCE {
//!    TBSCertificate ::= SEQUENCE {
//!      [0] version OPTIONAL, INTEGER serial, SEQUENCE algorithm, SEQUENCE issuer,
//!      SEQUENCE { notBefore, notAfter }, …
//! ```
//!
//! This only reads two dates. Whether to trust a certificate, rustls says.

use crate::time::Timestamp;

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
/// A year of two digits below this is one of the 21st century (RFC 5280, 4.1.2.5.1).
const CENTURY_PIVOT: u8 = 50;

/// From when to when a certificate holds, both included. An end beyond what a [`Timestamp`] can hold,
/// which RFC 5280 uses for "never", is `None`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Validity {
    /// Not before.
    pub from: Option<Timestamp>,
    /// Not after.
    pub to: Option<Timestamp>,
}

impl Validity {
    /// That of a certificate. `None` if it is none.
    pub fn of(certificate: &[u8]) -> Option<Self> {
        let (certificate, _) = expect(SEQUENCE, certificate)?;
        let (mut rest, _) = expect(SEQUENCE, certificate)?;
        if let Some((_, behind)) = expect(VERSION, rest) {
            rest = behind;
        }
        for tag in [INTEGER, SEQUENCE, SEQUENCE] {
            rest = expect(tag, rest)?.1;
        }
        let (validity, _) = expect(SEQUENCE, rest)?;
        let (from, rest) = time(validity)?;
        let (to, _) = time(rest)?;
        Some(Self { from, to })
    }

    /// Whether it holds at this time.
    pub fn holds(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= at) && self.to.is_none_or(|to| at <= to)
    }
}

/// The content of an element with this tag, and what stands behind it.
fn expect(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = element(der)?;
    (found == tag).then_some((content, rest))
}

/// An element's tag and content, and what stands behind it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        ..=0x7f => (usize::from(first), rest),
        // So many bytes of length.
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        // Longer than anything, or BER's unknown length, which DER hasn't.
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// A time, and what stands behind it.
fn time(der: &[u8]) -> Option<(Option<Timestamp>, &[u8])> {
    let (tag, text, rest) = element(der)?;
    let text = std::str::from_utf8(text).ok().filter(|text| text.is_ascii())?;
    let digits = match tag {
        UTC_TIME => {
            let year: u8 = text.get(..2)?.parse().ok()?;
            let century = if year < CENTURY_PIVOT { "20" } else { "19" };
            format!("{century}{text}")
        }
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let part = |from: usize, to: usize| digits.get(from..to);
    let text = format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0, 4)?,
        part(4, 6)?,
        part(6, 8)?,
        part(8, 10)?,
        part(10, 12)?,
        part(12, 14)?,
    );
    Some((text.parse().ok(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate for these years, as rcgen makes it.
    fn certificate(from: i32, to: i32) -> Vec<u8> {
        let mut parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        parameters.not_before = rcgen::date_time_ymd(from, 2, 3);
        parameters.not_after = rcgen::date_time_ymd(to, 4, 5);
        let key = rcgen::KeyPair::generate().unwrap();
        parameters.self_signed(&key).unwrap().der().to_vec()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn both_forms_of_a_date_are_read() {
        for (from, to) in [(1975, 2024), (1999, 2049), (2020, 2050), (2060, 2100)] {
            let validity = Validity::of(&certificate(from, to)).unwrap();
            assert_eq!(validity.from, Some(at(&format!("{from}-02-03T00:00:00Z"))));
            assert_eq!(validity.to, Some(at(&format!("{to}-04-05T00:00:00Z"))));
        }
    }

    #[test]
    fn it_holds_from_its_first_second_to_its_last() {
        let validity = Validity::of(&certificate(2020, 2030)).unwrap();
        for (time, holds) in [
            ("2020-02-02T23:59:59Z", false),
            ("2020-02-03T00:00:00Z", true),
            ("2030-04-05T00:00:00Z", true),
            ("2030-04-05T00:00:01Z", false),
        ] {
            assert_eq!(validity.holds(at(time)), holds, "{time}");
        }
        let for_ever = Validity::of(&certificate(2020, 9999)).unwrap();
        assert_eq!(for_ever.to, None);
        assert!(for_ever.holds(at("2200-01-01T00:00:00Z")));
    }

    #[test]
    fn what_is_cut_off_is_no_certificate() {
        let whole = certificate(2020, 2030);
        for cut in 0..whole.len() {
            assert_eq!(Validity::of(&whole[..cut]), None, "cut behind {cut} bytes");
        }
        assert_eq!(Validity::of(b"nonsense"), None);
    }
}
