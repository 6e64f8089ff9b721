//! The lines that are sent, and the check that every client gets each of them once.
//!
//! Every line carries a mark, `#<number>@<time>#`, which survives every server's encoding. The rest is filling.

/// Bytes of a mark: two `#`, ten digits, `@`, nineteen digits.
pub(crate) const MARK: usize = 32;
const NUMBER: usize = 10;
const TIME: usize = 19;

/// Appends line number `number` with the time `at` (nanoseconds of the monotonic clock), `len` bytes in all.
pub(crate) fn write_line(out: &mut Vec<u8>, number: u64, at: u64, len: usize) {
    let start = out.len();
    out.push(b'#');
    write_digits(out, number, NUMBER);
    out.push(b'@');
    write_digits(out, at, TIME);
    out.push(b'#');
    out.resize((start + len).max(start + MARK), b'x');
}

fn write_digits(out: &mut Vec<u8>, mut value: u64, width: usize) {
    let start = out.len();
    out.resize(start + width, b'0');
    for digit in out[start..].iter_mut().rev() {
        *digit = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
    }
}

/// Finds the marks in what one client receives, however it was cut, and checks their numbers.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    /// The last number that came in order.
    pub(crate) last: u64,
    /// Lines that came.
    pub(crate) received: u64,
    /// Numbers that were skipped.
    pub(crate) lost: u64,
    /// Lines that came again, or too late.
    pub(crate) repeated: u64,
    /// The beginning of a mark at the end of what came last.
    carry: Vec<u8>,
}

impl Scanner {
    /// Takes the next bytes and hands the time of every line to `seen`.
    pub(crate) fn feed(&mut self, mut data: &[u8], mut seen: impl FnMut(u64)) {
        if !self.carry.is_empty() {
            let (head, rest) = data.split_at((MARK - self.carry.len()).min(data.len()));
            self.carry.extend_from_slice(head);
            if self.carry.len() < MARK {
                return;
            }
            let mark = std::mem::take(&mut self.carry);
            self.mark(&mark, &mut seen);
            data = rest;
        }
        while let Some(at) = memchr::memchr(b'#', data) {
            let Some(mark) = data.get(at..at + MARK) else {
                self.carry.extend_from_slice(&data[at..]);
                return;
            };
            self.mark(mark, &mut seen);
            data = &data[at + MARK..];
        }
    }

    fn mark(&mut self, mark: &[u8], seen: &mut impl FnMut(u64)) {
        self.received += 1;
        let number = digits(&mark[1..=NUMBER]);
        if number == self.last + 1 {
            self.last = number;
        } else if number > self.last {
            self.lost += number - self.last - 1;
            self.last = number;
        } else {
            self.repeated += 1;
        }
        seen(digits(&mark[NUMBER + 2..NUMBER + 2 + TIME]));
    }
}

fn digits(text: &[u8]) -> u64 {
    text.iter().fold(0, |value, digit| {
        value * 10 + u64::from(digit.wrapping_sub(b'0') & 15)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(numbers: impl IntoIterator<Item = u64>) -> Vec<u8> {
        let mut out = Vec::new();
        for number in numbers {
            out.extend_from_slice(b"data: ");
            write_line(&mut out, number, 1_000 + number, 60);
            out.extend_from_slice(b"\n\n");
        }
        out
    }

    #[test]
    fn lines_are_as_long_as_asked() {
        let mut out = Vec::new();
        write_line(&mut out, 7, 12, 200);
        assert_eq!(out.len(), 200);
        assert!(out.starts_with(b"#0000000007@0000000000000000012#x"));
    }

    #[test]
    fn every_cut_finds_every_mark() {
        let text = text(1..=5);
        for size in 1..=text.len() {
            let mut scanner = Scanner::default();
            let mut times = Vec::new();
            for piece in text.chunks(size) {
                scanner.feed(piece, |at| times.push(at));
            }
            assert_eq!(times, [1_001, 1_002, 1_003, 1_004, 1_005], "size {size}");
            assert_eq!((scanner.last, scanner.received), (5, 5));
            assert_eq!((scanner.lost, scanner.repeated), (0, 0));
        }
    }

    #[test]
    fn losses_and_repetitions_are_counted() {
        let mut scanner = Scanner::default();
        scanner.feed(&text([1, 2, 2, 6, 5, 7]), |_| {});
        assert_eq!((scanner.last, scanner.received), (7, 6));
        assert_eq!((scanner.lost, scanner.repeated), (3, 2));
    }
}
