//! Server-sent events, taken apart as they arrive.

/// The largest event that is taken. The gateway joins lines up to 16 MiB; escaping can make them a few times longer.
const MAX_EVENT_BYTES: usize = 128 << 20;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawEvent {
    /// Its name; empty stands for `message`.
    pub name: String,
    /// Its number, as text.
    pub id: Option<String>,
    /// Its payload.
    pub data: String,
}

/// The stream holds an event that is too large to be one.
#[derive(Debug, thiserror::Error)]
#[error("an event is larger than {MAX_EVENT_BYTES} bytes")]
pub struct TooLarge;

/// Takes bytes and gives events. Line ends may be LF, CRLF or CR.
#[derive(Debug, Default)]
pub struct Parser {
    buffer: Vec<u8>,
    /// What of the buffer has been searched for a line end, so that long lines are searched once.
    searched: usize,
    /// The line before ended with CR, and an LF right after it belongs to that line end.
    after_cr: bool,
    event: RawEvent,
    has_data: bool,
}

impl Parser {
    /// Takes the next bytes and adds the events that are now whole.
    ///
    /// # Errors
    /// When an event grows without end.
    pub fn push(&mut self, bytes: &[u8], events: &mut Vec<RawEvent>) -> Result<(), TooLarge> {
        self.buffer.extend_from_slice(bytes);
        let mut start = 0;
        let mut at = self.searched;
        while at < self.buffer.len() {
            let byte = self.buffer[at];
            if self.after_cr && byte == b'\n' && at == start {
                start += 1;
            } else if byte == b'\n' || byte == b'\r' {
                let line = String::from_utf8_lossy(&self.buffer[start..at]).into_owned();
                self.line(&line, events);
                start = at + 1;
                self.after_cr = byte == b'\r';
                at += 1;
                continue;
            }
            self.after_cr = false;
            at += 1;
        }
        self.buffer.drain(..start);
        self.searched = self.buffer.len();
        if self.buffer.len() + self.event.data.len() > MAX_EVENT_BYTES {
            Err(TooLarge)
        } else {
            Ok(())
        }
    }

    fn line(&mut self, line: &str, events: &mut Vec<RawEvent>) {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            if std::mem::take(&mut self.has_data) {
                events.push(event);
            }
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event.name),
            "id" => self.event.id = Some(value.to_owned()),
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            // Comments (with an empty field name) only show that the server lives; `retry` is not followed.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = ": hello\n\nevent: log\nid: 17\ndata: {\"line\":\"a\"}\n\nevent:status\r\ndata: 1\r\ndata:2\r\n\r\n\
                        id: 3\rdata\r\rretry: 5\n\ndata: cut off";

    fn parse(chunks: impl Iterator<Item = Vec<u8>>) -> Vec<RawEvent> {
        let mut parser = Parser::default();
        let mut events = Vec::new();
        for chunk in chunks {
            parser.push(&chunk, &mut events).unwrap();
        }
        events
    }

    #[test]
    fn events_are_the_same_however_they_are_cut() {
        let whole = parse(std::iter::once(TEXT.as_bytes().to_vec()));
        let event = |name: &str, id: Option<&str>, data: &str| RawEvent {
            name: name.to_owned(),
            id: id.map(str::to_owned),
            data: data.to_owned(),
        };
        let expected = [
            event("log", Some("17"), "{\"line\":\"a\"}"),
            event("status", None, "1\n2"),
            event("", Some("3"), ""),
        ];
        assert_eq!(whole, expected);
        for size in 1..20 {
            assert_eq!(
                parse(TEXT.as_bytes().chunks(size).map(<[u8]>::to_vec)),
                expected,
                "in pieces of {size}"
            );
        }
    }
}
