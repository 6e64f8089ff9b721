//! Kubernetes quantities (`500m`, `1Gi`, `2e3`).

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// The value of a quantity in thousandths, rounded up. `None` if it isn't one.
pub fn millis(quantity: &Quantity) -> Option<u64> {
    let text = quantity.0.trim();
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '+' || c == '-'))
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let number: f64 = number.parse().ok()?;
    let scale = match suffix {
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "" => 1.0,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1024.0_f64.powi(2),
        "Gi" => 1024.0_f64.powi(3),
        "Ti" => 1024.0_f64.powi(4),
        "Pi" => 1024.0_f64.powi(5),
        "Ei" => 1024.0_f64.powi(6),
        exponent => 10.0_f64.powi(exponent.strip_prefix(['e', 'E'])?.parse().ok()?),
    };
    let value = number * scale * 1000.0;
    // The cast saturates; negative and not-a-number quantities are refused.
    (value >= 0.0).then(|| value.ceil() as u64)
}

/// The value of a quantity in whole units, rounded up.
pub fn units(quantity: &Quantity) -> Option<u64> {
    millis(quantity).map(|millis| millis.div_ceil(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read() {
        let cases = [
            ("500m", 500),
            ("2", 2000),
            ("1.5", 1500),
            ("1Ki", 1_024_000),
            ("1k", 1_000_000),
            ("2e3", 2_000_000),
            ("1u", 1),
        ];
        for (text, expected) in cases {
            assert_eq!(millis(&Quantity(text.to_owned())), Some(expected), "{text}");
        }
        assert_eq!(units(&Quantity("64Mi".to_owned())), Some(64 << 20));
        assert_eq!(millis(&Quantity("-1".to_owned())), None);
        assert_eq!(millis(&Quantity("many".to_owned())), None);
    }
}
