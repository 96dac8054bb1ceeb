//! How values are written: durations `15s` and `5m`, sizes `64MiB`, addresses `127.0.0.1:8080`.
//!
//! Each type of value has one text form, the same in the file, in the environment and in flags.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A value that a setting's text can hold.
pub trait FromText: Sized {
    /// What the text should have been, for the message: "a size such as `64MiB`".
    const EXPECTED: &'static str;

    /// Reads the text. `None` when it is not such a value.
    fn from_text(text: &str) -> Option<Self>;
}

/// A number of bytes, written as `4096`, `512KiB`, `64MiB`, `2GiB`, or in powers of ten as `64MB`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Size(pub u64);

/// Units of sizes, the largest first, so that printing takes the first that fits.
const SIZE_UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1_000),
    ("B", 1),
];

impl FromText for Size {
    const EXPECTED: &'static str = "a size such as `64MiB`";

    fn from_text(text: &str) -> Option<Self> {
        let (digits, unit) = split_number(text.trim())?;
        let bytes: u64 = digits.parse().ok()?;
        let factor = match unit {
            "" => 1,
            unit => SIZE_UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?.1,
        };
        bytes.checked_mul(factor).map(Self)
    }
}

impl fmt::Display for Size {
    /// The largest binary unit that leaves a whole number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |&&(unit, factor): &&(&str, u64)| {
            (unit.len() != 2) && self.0 != 0 && self.0.is_multiple_of(factor)
        };
        let (unit, factor) = SIZE_UNITS.iter().find(whole).unwrap_or(&("B", 1));
        write!(f, "{}{unit}", self.0 / factor)
    }
}

impl Size {
    /// For a person who wants to know about how much: `151.7 KiB`.
    pub fn rounded(self) -> String {
        match [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")]
            .iter()
            .find(|u| self.0 >> u.0 > 0)
        {
            Some((shift, unit)) => format!("{:.1} {unit}", self.0 as f64 / (1_u64 << shift) as f64),
            None => format!("{} B", self.0),
        }
    }
}

/// Units of durations, the largest first, in nanoseconds.
const DURATION_UNITS: [(&str, u64); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

impl FromText for Duration {
    const EXPECTED: &'static str = "a duration such as `15s`, `5m` or `1h30m`";

    /// `0`, or numbers with their units, one behind the other.
    fn from_text(text: &str) -> Option<Self> {
        let mut rest = text.trim();
        if rest == "0" {
            return Some(Self::ZERO);
        }
        let mut nanos: u64 = 0;
        while !rest.is_empty() {
            let (digits, behind) = split_number(rest)?;
            let unit_end = behind.find(|c: char| c.is_ascii_digit()).unwrap_or(behind.len());
            let (unit, next) = behind.split_at(unit_end);
            let factor = DURATION_UNITS.iter().find(|(name, _)| *name == unit.trim())?.1;
            nanos = nanos.checked_add(digits.parse::<u64>().ok()?.checked_mul(factor)?)?;
            rest = next;
        }
        (!text.trim().is_empty()).then_some(Self::from_nanos(nanos))
    }
}

/// A duration as it is written in configuration: `1h30m`, `5m`, `0s`.
#[derive(Clone, Copy, Debug)]
pub struct DurationText(pub Duration);

impl fmt::Display for DurationText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut nanos = self.0.as_nanos();
        if nanos == 0 {
            return f.write_str("0s");
        }
        for (unit, factor) in DURATION_UNITS {
            let count = nanos / u128::from(factor);
            if count > 0 {
                write!(f, "{count}{unit}")?;
                nanos %= u128::from(factor);
            }
        }
        Ok(())
    }
}

/// Digits at the start, and what stands behind them.
fn split_number(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (end > 0).then(|| (&text[..end], text[end..].trim_start()))
}

/// Where the daemon listens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Listen {
    /// A TCP address and port; port 0 takes a free one.
    Tcp(SocketAddr),
    /// A Unix socket, written `unix:/path`.
    Unix(PathBuf),
}

impl Listen {
    /// Whether it is an address that only programs on this machine can reach. Not so a Unix socket: whoever
    /// may open its file reaches that.
    pub fn is_loopback(&self) -> bool {
        matches!(self, Self::Tcp(address) if address.ip().to_canonical().is_loopback())
    }
}

impl FromText for Listen {
    const EXPECTED: &'static str = "an address and port such as `127.0.0.1:8080`, or a socket such as `unix:/run/windrow.sock`";

    fn from_text(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("unix:") {
            return (!path.is_empty()).then(|| Self::Unix(path.into()));
        }
        let spelled = match text.strip_prefix("localhost:") {
            Some(port) => format!("127.0.0.1:{port}"),
            None => text.to_owned(),
        };
        spelled.parse().ok().map(Self::Tcp)
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl FromText for bool {
    const EXPECTED: &'static str = "`true` or `false`";

    fn from_text(text: &str) -> Option<Self> {
        match text {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        }
    }
}

impl FromText for usize {
    const EXPECTED: &'static str = "a whole number such as `1000`";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl FromText for u32 {
    const EXPECTED: &'static str = "a whole number";

    fn from_text(text: &str) -> Option<Self> {
        text.trim().parse().ok()
    }
}

impl FromText for String {
    const EXPECTED: &'static str = "a text that isn't empty";

    fn from_text(text: &str) -> Option<Self> {
        (!text.trim().is_empty()).then(|| text.to_owned())
    }
}

impl FromText for PathBuf {
    const EXPECTED: &'static str = "a path";

    fn from_text(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| text.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_read_in_every_unit() {
        for (text, bytes) in
            [("0", 0), ("4096", 4096), ("64MiB", 64 << 20), ("64 mib", 64 << 20), ("3KB", 3000)]
        {
            assert_eq!(Size::from_text(text), Some(Size(bytes)), "{text}");
        }
        for text in ["", "MiB", "-1", "1.5MiB", "64M", "64MiBs", "99999999TiB"] {
            assert_eq!(Size::from_text(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_are_rounded_for_people() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (155_304, "151.7 KiB"),
            (5 << 30, "5.0 GiB"),
        ] {
            assert_eq!(Size(bytes).rounded(), text);
        }
    }

    #[test]
    fn durations_are_read_in_every_unit() {
        for (text, seconds) in
            [("0", 0), ("0s", 0), ("15s", 15), ("5m", 300), ("1h30m", 5400), ("34d", 34 * 86_400)]
        {
            assert_eq!(Duration::from_text(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(Duration::from_text("250ms"), Some(Duration::from_millis(250)));
        for text in ["", "15", "s", "1.5s", "5 minutes", "-1s", "999999999999d"] {
            assert_eq!(Duration::from_text(text), None, "{text}");
        }
    }

    #[test]
    fn listens_on_tcp_and_unix() {
        assert_eq!(Listen::from_text("localhost:1"), Some(Listen::Tcp(([127, 0, 0, 1], 1).into())));
        assert_eq!(Listen::from_text("unix:/run/w"), Some(Listen::Unix("/run/w".into())));
        for text in ["8080", "127.0.0.1", ":8080", "unix:", "example.org:80"] {
            assert_eq!(Listen::from_text(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(number: u64) {
            prop_assert_eq!(Size::from_text(&Size(number).to_string()), Some(Size(number)));
            let duration = Duration::from_nanos(number);
            prop_assert_eq!(Duration::from_text(&DurationText(duration).to_string()), Some(duration));
        }
    }
}
