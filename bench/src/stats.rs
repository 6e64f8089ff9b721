//! Medians, ranges and latencies.

use std::fmt;

/// The middle and the ends of some numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Summary {
    /// Nothing when there are no numbers.
    pub(crate) fn of(numbers: &[f64]) -> Option<Self> {
        let mut sorted = numbers.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (least, most) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        };
        Some(Self {
            median,
            least,
            most,
        })
    }

    /// That of the quotients of numbers from the same round.
    pub(crate) fn of_ratios(above: &[f64], below: &[f64]) -> Option<Self> {
        let ratios: Vec<f64> = above.iter().zip(below).map(|(a, b)| a / b).collect();
        Self::of(&ratios)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", number(self.median))?;
        if self.least < self.most {
            write!(f, " ({} to {})", number(self.least), number(self.most))?;
        }
        Ok(())
    }
}

/// Three digits are as many as such measurements have.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => {
            let text = format!("{value:.0}");
            let (sign, digits) = text
                .strip_prefix('-')
                .map_or(("", text.as_str()), |rest| ("-", rest));
            let mut out = String::from(sign);
            for (index, digit) in digits.chars().enumerate() {
                if index > 0 && (digits.len() - index).is_multiple_of(3) {
                    out.push(',');
                }
                out.push(digit);
            }
            out
        }
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Buckets per doubling: a quantile is at most 3 % too high.
const FINE: u64 = 32;

/// How often which latency was seen, in buckets that grow with the value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    /// Counts one value.
    pub(crate) fn record(&mut self, value: u64) {
        let bucket = bucket(value);
        if bucket >= self.counts.len() {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += 1;
        self.total += 1;
    }

    /// The value that the part `part` of all values does not exceed; 0 when there are none.
    pub(crate) fn quantile(&self, part: f64) -> f64 {
        let wanted = (self.total as f64 * part).ceil().max(1.0);
        let mut seen = 0.0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += *count as f64;
            if seen >= wanted {
                return highest(index) as f64;
            }
        }
        0.0
    }
}

fn bucket(value: u64) -> usize {
    let shift = (64 - (value | 1).leading_zeros()).saturating_sub(6);
    usize::try_from(u64::from(shift) * FINE + (value >> shift)).unwrap_or(usize::MAX)
}

/// The highest value of a bucket.
fn highest(index: usize) -> u64 {
    let index = index as u64;
    let shift = (index / FINE).saturating_sub(1);
    ((index - shift * FINE + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_ranges() {
        assert_eq!(Summary::of(&[]), None);
        let odd = Summary::of(&[3.0, 1.0, 2.0]).unwrap();
        assert_eq!((odd.median, odd.least, odd.most), (2.0, 1.0, 3.0));
        assert_eq!(Summary::of(&[4.0, 1.0, 2.0, 3.0]).unwrap().median, 2.5);
        assert_eq!(Summary::of(&[7.0]).unwrap().to_string(), "7.00");
    }

    #[test]
    fn ratios_are_those_of_one_round() {
        let ratios = Summary::of_ratios(&[10.0, 40.0, 90.0], &[1.0, 2.0, 3.0]).unwrap();
        assert_eq!(
            (ratios.median, ratios.least, ratios.most),
            (20.0, 10.0, 30.0)
        );
    }

    #[test]
    fn numbers_have_three_digits() {
        let texts = [0.1234, 12.345, 123.4, 1_234_567.0, -1234.0].map(number);
        assert_eq!(texts, ["0.12", "12.3", "123", "1,234,567", "-1,234"]);
    }

    #[test]
    fn buckets_hold_their_values() {
        let mut before = 0;
        for value in (0..100_000).chain([1 << 40, (1 << 40) + 1]) {
            let bucket = bucket(value);
            assert!(bucket >= before && highest(bucket) >= value, "{value}");
            assert!(
                highest(bucket) <= value + value / FINE,
                "{value} is in a bucket up to {}",
                highest(bucket)
            );
            before = bucket;
        }
    }

    #[test]
    fn quantiles_are_close() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), 0.0);
        for value in 1..=10_000 {
            histogram.record(value);
        }
        for (part, exact) in [(0.5, 5_000.0), (0.99, 9_900.0), (1.0, 10_000.0)] {
            let found = histogram.quantile(part);
            assert!(found >= exact && found <= exact * 1.04, "{part}: {found}");
        }
    }
}
