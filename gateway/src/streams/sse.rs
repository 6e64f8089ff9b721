//! Reads back what `encode` wrote: finds a number in encoded events, and makes messages of another form from them.
//!
//! An event is `event: NAME`, perhaps `id: NUMBER`, and `data: JSON`, each on a line, and an empty line. JSON of the encoder never holds
//! a line break, so the bytes can be cut without parsing any JSON.

/// One event, or one comment, in encoded bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Block<'a> {
    /// The name; empty for a comment.
    pub name: &'a [u8],
    /// The number, as it is written.
    pub id: Option<&'a [u8]>,
    /// The JSON.
    pub data: &'a [u8],
    /// Where the block ends, counted from the beginning of the bytes.
    pub end: usize,
}

impl Block<'_> {
    /// The number, where there is one.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        std::str::from_utf8(self.id?).ok()?.parse().ok()
    }

    /// The same event as one JSON text: `{"event","id"?,"data"}`.
    #[must_use]
    pub fn message(&self) -> String {
        let mut text = Vec::with_capacity(self.data.len() + self.name.len() + 48);
        text.extend_from_slice(b"{\"event\":\"");
        text.extend_from_slice(self.name);
        text.push(b'"');
        if let Some(id) = self.id {
            text.extend_from_slice(b",\"id\":");
            text.extend_from_slice(id);
        }
        text.extend_from_slice(b",\"data\":");
        text.extend_from_slice(self.data);
        text.push(b'}');
        // The encoder writes UTF-8 only, and blocks are cut at ASCII.
        String::from_utf8(text)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }
}

/// All blocks of encoded bytes.
pub fn blocks(bytes: &[u8]) -> impl Iterator<Item = Block<'_>> {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let mut end = 0;
    std::iter::from_fn(move || {
        let mut block = Block::default();
        loop {
            let line = lines.next()?;
            end += line.len() + 1;
            if line.is_empty() {
                // What follows the last line end is an empty line too, but no block.
                if end > bytes.len() {
                    return None;
                }
                block.end = end;
                return Some(block);
            }
            if let Some(name) = line.strip_prefix(b"event: ") {
                block.name = name;
            } else if let Some(id) = line.strip_prefix(b"id: ") {
                block.id = Some(id);
            } else if let Some(data) = line.strip_prefix(b"data: ") {
                block.data = data;
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: &[u8] = b"retry: 5\nevent: status\ndata: {\"a\":1}\n\n:\n\nevent: log\nid: 7\ndata: {\"line\":\"id: 9\"}\n\n";

    #[test]
    fn blocks_are_cut_and_become_messages() {
        let found: Vec<_> = blocks(BYTES).collect();
        assert_eq!(found.len(), 3);
        assert_eq!(
            found[0].message(),
            "{\"event\":\"status\",\"data\":{\"a\":1}}"
        );
        assert!(found[1].name.is_empty() && found[1].number().is_none());
        assert_eq!(
            found[2].message(),
            "{\"event\":\"log\",\"id\":7,\"data\":{\"line\":\"id: 9\"}}"
        );
        assert_eq!((found[2].number(), found[2].end), (Some(7), BYTES.len()));
        assert_eq!(blocks(b"").count(), 0);
        assert_eq!(blocks(b"event: log\nid: 1\n").count(), 0, "half a block");
    }
}
