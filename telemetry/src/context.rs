//! Which trace something belongs to, and its place there.

use std::fmt;

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use sha2::{Digest as _, Sha256};

/// A span, as others name it: the W3C `traceparent` without what this version of it does not know.
///
/// There is no `tracestate`: it is text that a client chooses, nobody here reads it, and it would be kept with every task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    pub(crate) is_sampled: bool,
}

impl TraceContext {
    /// Reads a `traceparent`. What the standard does not allow is none: `None`, and the caller begins a trace of its own.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let is_hex = |part: &str| {
            part.bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        // Later versions may go on after a dash; 255 is no version.
        let is_whole = match bytes.len() {
            55 => true,
            56.. => !text.starts_with("00") && bytes[55] == b'-',
            _ => false,
        };
        if !is_whole || !text.is_ascii() || text.len() > 255 || text.starts_with("ff") {
            return None;
        }
        let (version, trace, span, flags) =
            (&text[..2], &text[3..35], &text[36..52], &text[53..55]);
        if [2, 35, 52].iter().any(|at| bytes[*at] != b'-')
            || ![version, trace, span, flags].into_iter().all(is_hex)
        {
            return None;
        }
        let context = Self {
            trace_id: TraceId::from_hex(trace).ok()?,
            span_id: SpanId::from_hex(span).ok()?,
            is_sampled: u8::from_str_radix(flags, 16).ok()? & 1 == 1,
        };
        let is_valid = context.trace_id != TraceId::INVALID && context.span_id != SpanId::INVALID;
        is_valid.then_some(context)
    }

    /// The trace of something that nobody began a trace for: it follows from `seed`, which has to be unlike any other.
    #[must_use]
    pub(crate) fn trace_of(seed: &str) -> TraceId {
        let hash = digest("trace", seed);
        TraceId::from_bytes(hash[..16].try_into().expect("a SHA-256 has 32 bytes"))
    }

    /// The id of the trace of a task with this annotation and this UID, as it stands in logs.
    #[must_use]
    pub fn id_of_task(traceparent: Option<&str>, uid: &str) -> String {
        let parent = traceparent.and_then(Self::parse);
        parent
            .map_or_else(|| Self::trace_of(uid), |parent| parent.trace_id)
            .to_string()
    }

    /// A span of the same trace whose id follows from `seed` and `name`: who makes the span, and who makes one below it, need not
    /// have met.
    #[must_use]
    pub fn within(self, seed: &str, name: &str) -> Self {
        let hash = digest(name, seed);
        Self {
            span_id: SpanId::from_bytes(hash[..8].try_into().expect("a SHA-256 has 32 bytes")),
            ..self
        }
    }

    /// The id of the trace, as it stands in logs: 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> String {
        self.trace_id.to_string()
    }

    /// Whether the spans of this trace are sent to the collector.
    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        self.is_sampled
    }

    pub(crate) fn span_context(self, is_remote: bool) -> SpanContext {
        let flags = if self.is_sampled {
            TraceFlags::SAMPLED
        } else {
            TraceFlags::default()
        };
        SpanContext::new(
            self.trace_id,
            self.span_id,
            flags,
            is_remote,
            TraceState::NONE,
        )
    }
}

/// The `traceparent`.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = u8::from(self.is_sampled);
        write!(f, "00-{}-{}-{flags:02x}", self.trace_id, self.span_id)
    }
}

fn digest(name: &str, seed: &str) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(name.as_bytes());
    hasher.update([0]);
    hasher.update(seed.as_bytes());
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn what_the_standard_allows_is_read() {
        let context = TraceContext::parse(PARENT).unwrap();
        assert_eq!(context.to_string(), PARENT);
        assert_eq!(context.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        // Flags and versions of the future keep what is known of them.
        let later = PARENT.replace("00-4b", "cc-4b").replace("-01", "-03-what");
        assert_eq!(TraceContext::parse(&later), Some(context));
        let unsampled = TraceContext::parse(&PARENT.replace("-01", "-02")).unwrap();
        assert!(!unsampled.is_sampled() && unsampled.to_string().ends_with("-00"));
    }

    #[test]
    fn nonsense_is_no_parent() {
        let zero_trace = format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32));
        let zero_span = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", "0".repeat(16));
        let endless = format!("cc{}-{}", &PARENT[2..], "x".repeat(300));
        for bad in [
            "",
            "00",
            "garbage",
            &PARENT[..54],
            &format!("{PARENT}-more"),
            &PARENT.to_uppercase(),
            &PARENT.replace('-', "_"),
            &PARENT.replace("00-", "ff-"),
            &PARENT.replace("4bf9", "4bé"),
            &PARENT.replace("4bf9", "+bf9"),
            &zero_trace,
            &zero_span,
            &endless,
            "00-4bf92f3577b34da6a3ce929d0e0e4736\n00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceContext::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn ids_follow_from_the_task() {
        let parent = TraceContext::parse(PARENT).unwrap();
        let run = parent.within("uid", "run");
        assert_eq!(run, parent.within("uid", "run"));
        assert_eq!(run.trace_id, parent.trace_id);
        assert_ne!(run.span_id, parent.within("uid", "queue").span_id);
        assert_ne!(run.span_id, parent.within("other", "run").span_id);
        assert_ne!(TraceContext::trace_of("a"), TraceContext::trace_of("b"));
    }
}
