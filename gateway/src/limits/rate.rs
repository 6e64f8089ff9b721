//! A rate, and how it is written.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
/// More than a million a minute is no limit.
const MAX: u32 = 1_000_000;

/// How often something may happen: `60` a minute, or `60:10`, at most ten of them at once. `0` is without limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    per_minute: u32,
    burst: u32,
}

impl Rate {
    /// Without limit.
    pub const UNLIMITED: Self = Self::per_minute(0);

    /// So many a minute, all of which may come at once.
    #[must_use]
    pub const fn per_minute(count: u32) -> Self {
        Self::with_burst(count, count)
    }

    /// So many a minute, of which `burst` may come at once.
    #[must_use]
    pub const fn with_burst(per_minute: u32, burst: u32) -> Self {
        Self { per_minute, burst }
    }

    /// How many may come at once.
    #[must_use]
    pub const fn burst(self) -> u32 {
        self.burst
    }

    /// The time from one to the next; nothing when there is no limit.
    #[must_use]
    pub fn interval(self) -> Option<Duration> {
        MINUTE.checked_div(self.per_minute)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.burst == self.per_minute {
            write!(f, "{}", self.per_minute)
        } else {
            write!(f, "{}:{}", self.per_minute, self.burst)
        }
    }
}

/// Why a text is no rate.
#[derive(Debug, thiserror::Error)]
#[error(
    "write requests a minute, for example 60, with how many may come at once, 60:10, or 0 for no limit; at most {MAX}"
)]
pub struct ParseRateError;

impl FromStr for Rate {
    type Err = ParseRateError;

    fn from_str(text: &str) -> Result<Self, ParseRateError> {
        let number = |text: &str| {
            let number = text.trim().parse().ok();
            number.filter(|number| *number <= MAX).ok_or(ParseRateError)
        };
        let Some((per_minute, burst)) = text.split_once(':') else {
            return Ok(Self::per_minute(number(text)?));
        };
        let rate = Self::with_burst(number(per_minute)?, number(burst)?);
        // Nothing could ever pass.
        if (rate.per_minute == 0) != (rate.burst == 0) {
            return Err(ParseRateError);
        }
        Ok(rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_and_written() {
        for text in ["60", "60:10", "0", "1:5"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        for bad in ["", "-1", "60:", "60:0", "0:5", "1000001", "60/min", "6e1"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
        assert_eq!(
            Rate::per_minute(60).interval(),
            Some(Duration::from_secs(1))
        );
        assert_eq!(Rate::UNLIMITED.interval(), None);
    }
}
