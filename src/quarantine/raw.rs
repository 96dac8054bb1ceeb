//! A line in a record: as text where it is text.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// A raw line, without its end. In JSON it is the string `raw`, or, where it isn't UTF-8, `raw_base64`
/// (RFC 4648, section 4).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(into = "Text", try_from = "Text")]
pub struct Raw(Vec<u8>);

#[derive(Serialize, Deserialize)]
enum Text {
    #[serde(rename = "raw")]
    Plain(String),
    #[serde(rename = "raw_base64")]
    Base64(String),
}

impl Raw {
    /// The line.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for Raw {
    fn from(line: &[u8]) -> Self {
        Self(line.to_vec())
    }
}

impl From<Raw> for Text {
    fn from(raw: Raw) -> Self {
        match String::from_utf8(raw.0) {
            Ok(text) => Self::Plain(text),
            Err(error) => Self::Base64(STANDARD.encode(error.as_bytes())),
        }
    }
}

impl TryFrom<Text> for Raw {
    type Error = base64::DecodeError;

    fn try_from(text: Text) -> Result<Self, Self::Error> {
        match text {
            Text::Plain(text) => Ok(Self(text.into_bytes())),
            Text::Base64(text) => STANDARD.decode(text).map(Self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_survives_whatever_it_holds() {
        for (line, json) in [
            (&b"{\"a\":\"\\u0000\"}"[..], r#"{"raw":"{\"a\":\"\\u0000\"}"}"#),
            (b"\xff\x00", r#"{"raw_base64":"/wA="}"#),
            (b"", r#"{"raw":""}"#),
        ] {
            let raw = Raw::from(line);
            assert_eq!(serde_json::to_string(&raw).unwrap(), json);
            assert_eq!(serde_json::from_str::<Raw>(json).unwrap(), raw);
        }
        assert!(serde_json::from_str::<Raw>(r#"{"raw_base64":"?"}"#).is_err());
    }
}
