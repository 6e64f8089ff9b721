//! Cursors: where a page ended, as text that means nothing to clients.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};

use crate::tasks::validate::Invalid;

/// Where a page ended: lists are ordered by time, and by id within one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The time of the last entry.
    pub at: DateTime<Utc>,
    /// Its id, whatever that is in the list.
    pub id: u128,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.at.timestamp_micros().to_be_bytes()))?;
        f.write_str(&hex::encode(self.id.to_be_bytes()))
    }
}

impl FromStr for Cursor {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        parse(text).ok_or_else(|| Invalid {
            field: "cursor",
            message: "cursor must be the next_cursor of the page before".to_owned(),
        })
    }
}

fn parse(text: &str) -> Option<Cursor> {
    let bytes: [u8; 24] = hex::decode(text).ok()?.try_into().ok()?;
    let (at, id) = bytes.split_at(8);
    let micros = i64::from_be_bytes(at.try_into().ok()?);
    let at = DateTime::from_timestamp_micros(micros)?;
    // PostgreSQL knows fewer years than this type, and lists begin long after the year 1.
    (micros >= 0).then_some(())?;
    Some(Cursor {
        at,
        id: u128::from_be_bytes(id.try_into().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_come_back_as_they_went() {
        let cursor = Cursor {
            at: DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap(),
            id: 17,
        };
        assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
        let far = format!("{}{}", "ff".repeat(8), "00".repeat(16));
        for bad in ["", "x", "00", &"0".repeat(47), &far, &"7f".repeat(24)] {
            assert!(bad.parse::<Cursor>().is_err(), "{bad}");
        }
    }
}
