//! What a client would rather have: the weights of `Accept` and `Accept-Encoding` (RFC 9110, sections 12.4 and 12.5).

use http::{HeaderMap, HeaderName, header};

/// How a body is encoded on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Identity,
    /// With gzip.
    Gzip,
    /// With Zstandard.
    Zstd,
}

impl Encoding {
    /// The value of `Content-Encoding`, where there is one.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }

    /// The best that the client takes; nothing when it takes none of them.
    #[must_use]
    pub fn negotiate(headers: &HeaderMap) -> Option<Self> {
        let wishes = wishes(headers, &header::ACCEPT_ENCODING);
        let any = weight(&wishes, &["*"]);
        // Whoever does not speak of it takes what is not encoded, but would rather have any encoding that is named.
        let identity = weight(&wishes, &["identity"]).or(any.filter(|weight| *weight == 0));
        let candidates = [
            (Self::Zstd, weight(&wishes, &["zstd"]).or(any).unwrap_or(0)),
            (
                Self::Gzip,
                weight(&wishes, &["gzip", "x-gzip"]).or(any).unwrap_or(0),
            ),
        ];
        let mut best = (Self::Identity, identity.unwrap_or(0));
        for (encoding, weight) in candidates {
            let is_better = match best.0 {
                Self::Identity => weight >= best.1,
                _ => weight > best.1,
            };
            if weight > 0 && is_better {
                best = (encoding, weight);
            }
        }
        (best.0 != Self::Identity || identity != Some(0)).then_some(best.0)
    }
}

/// Whether the client would rather have one of the media types `wanted` than `default`.
#[must_use]
pub fn prefers(headers: &HeaderMap, wanted: &[&str], default: &str) -> bool {
    let wishes = wishes(headers, &header::ACCEPT);
    let family = default
        .split_once('/')
        .map_or(default, |(family, _)| family);
    let usual = weight(&wishes, &[default])
        .or_else(|| weight(&wishes, &[&format!("{family}/*")]))
        .or_else(|| weight(&wishes, &["*/*"]));
    weight(&wishes, wanted).is_some_and(|weight| weight > usual.unwrap_or(0))
}

/// The entries of a list with their weights in thousandths. Those that are malformed are left out.
fn wishes(headers: &HeaderMap, name: &HeaderName) -> Vec<(String, u16)> {
    let values = headers.get_all(name).iter();
    let entries = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    entries.filter_map(wish).collect()
}

fn wish(entry: &str) -> Option<(String, u16)> {
    let mut parts = entry.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?;
    let mut weight = 1000;
    for part in parts {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        if key.trim().eq_ignore_ascii_case("q") {
            weight = thousandths(value.trim())?;
        }
    }
    Some((name.to_ascii_lowercase(), weight))
}

/// `0`, `1`, or with up to three digits behind the point.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    if rest.len() > 3 || !rest.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let rest: u16 = format!("{rest:0<3}").parse().ok()?;
    match (whole, rest) {
        ("0", rest) => Some(rest),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

fn weight(wishes: &[(String, u16)], names: &[&str]) -> Option<u16> {
    let named = wishes
        .iter()
        .filter(|(name, _)| names.contains(&name.as_str()));
    named.map(|(_, weight)| *weight).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(name: &HeaderName, values: &[&str]) -> HeaderMap {
        let values = values.iter().map(|value| HeaderValue::from_str(value));
        values.map(|value| (name.clone(), value.unwrap())).collect()
    }

    #[test]
    fn encodings_are_chosen_by_weight() {
        use Encoding::{Gzip, Identity, Zstd};
        let chosen =
            |values: &[&str]| Encoding::negotiate(&headers(&header::ACCEPT_ENCODING, values));
        for (values, expected) in [
            (&[][..], Some(Identity)),
            (&[""], Some(Identity)),
            (&["br, deflate"], Some(Identity)),
            (&["gzip"], Some(Gzip)),
            (&["X-GZIP"], Some(Gzip)),
            (&["gzip, deflate, br, zstd"], Some(Zstd)),
            (&["gzip", "zstd"], Some(Zstd)),
            (&["gzip;q=1.0, zstd;q=0.9"], Some(Gzip)),
            (&["gzip; Q=0.5 , zstd;q=0.501"], Some(Zstd)),
            (&["zstd;q=0, gzip;q=0.001"], Some(Gzip)),
            (&["zstd;q=0, *;q=0.5"], Some(Gzip)),
            (&["*"], Some(Zstd)),
            (&["identity, gzip;q=0.5"], Some(Identity)),
            (&["identity;q=0.5, gzip;q=0.5"], Some(Gzip)),
            (&["identity;q=0, gzip"], Some(Gzip)),
            (&["gzip;q=2, zstd;q=x"], Some(Identity)),
            (&["gzip;q=0.1234"], Some(Identity)),
            (&["identity;q=0"], None),
            (&["*;q=0"], None),
            (&["*;q=0, identity"], Some(Identity)),
            (&["identity;q=0, br"], None),
        ] {
            assert_eq!(chosen(values), expected, "{values:?}");
        }
    }

    #[test]
    fn media_types_are_chosen_by_weight() {
        let prefers = |value| {
            let headers = headers(&header::ACCEPT, &[value]);
            prefers(
                &headers,
                &["application/x-ndjson", "application/jsonl"],
                "text/plain",
            )
        };
        for value in [
            "application/x-ndjson",
            "application/JSONL, text/plain;q=0.9",
            "application/x-ndjson, */*;q=0.1",
            "application/x-ndjson;q=0.3, text/*;q=0.2",
        ] {
            assert!(prefers(value), "{value}");
        }
        for value in [
            "*/*",
            "",
            "application/x-ndjson, text/plain",
            "application/x-ndjson;q=0",
            "text/html, */*;q=0.8, application/x-ndjson;q=0.5",
        ] {
            assert!(!prefers(value), "{value}");
        }
    }
}
