//! Quantities of Kubernetes, as far as comparing them needs.

/// The value of a quantity in thousandths; `None` for what is none.
fn millis(text: &str) -> Option<i128> {
    let split = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(split);
    let scale: i128 = match suffix {
        "m" => 1,
        "" => 1_000,
        "k" => 1_000_000,
        "M" => 1_000_000_000,
        "G" => 1_000_000_000_000,
        "T" => 1_000_000_000_000_000,
        "Ki" => 1_000 << 10,
        "Mi" => 1_000 << 20,
        "Gi" => 1_000 << 30,
        "Ti" => 1_000 << 40,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}");
    let value: i128 = digits.parse().ok()?;
    let shift = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    Some(value.checked_mul(scale)? / shift)
}

/// The smaller of two quantities; `limit` where they cannot be compared, which is always valid as a request.
pub fn at_most(request: &str, limit: &str) -> String {
    match (millis(request), millis(limit)) {
        (Some(wanted), Some(bound)) if wanted <= bound => request.to_owned(),
        _ => limit.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_compare_across_suffixes() {
        assert_eq!(millis("250m"), Some(250));
        assert_eq!(millis("1.5"), Some(1500));
        assert_eq!(millis("1Gi"), millis("1024Mi"));
        assert_eq!(millis("1e3"), None);
        assert_eq!(at_most("250m", "2"), "250m");
        assert_eq!(at_most("512Mi", "0.25Gi"), "0.25Gi");
        assert_eq!(at_most("512Mi", "1e9"), "1e9");
        assert_eq!(at_most("512Mi", "2G"), "512Mi");
    }
}
