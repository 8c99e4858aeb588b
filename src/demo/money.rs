//! Cents as FHIR's Money and decimals: two places, always.

use serde_json::{Value, json};

/// `-12.05` as a JSON number.
pub(super) fn decimal(cents: i64) -> Value {
    let sign = if cents < 0 { "-" } else { "" };
    let cents = cents.unsigned_abs();
    let text = format!("{sign}{}.{:02}", cents / 100, cents % 100);
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

/// A Money in US dollars.
pub(super) fn money(cents: i64) -> Value {
    json!({ "value": decimal(cents), "currency": "USD" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_two_places() {
        for (cents, text) in
            [(0, "0.00"), (5, "0.05"), (-5, "-0.05"), (12_345, "123.45"), (-10_000, "-100.00")]
        {
            assert_eq!(decimal(cents).to_string(), text);
        }
    }
}
