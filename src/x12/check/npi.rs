//! The check digit of a National Provider Identifier: Luhn over `80840` and the number
//! (<https://www.cms.gov/Regulations-and-Guidance/Administrative-Simplification/NationalProvIdentStand>).

/// The sum that the constant prefix 80840 adds.
const PREFIX: u32 = 24;

/// Whether ten digits with their check digit.
pub fn is_npi(bytes: &[u8]) -> bool {
    if bytes.len() != 10 || !bytes.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let digits = bytes.iter().rev().enumerate();
    let sum: u32 = digits
        .map(|(place, byte)| match (u32::from(byte - b'0'), place % 2) {
            (digit, 0) => digit,
            (digit, _) => digit * 2 / 10 + digit * 2 % 10,
        })
        .sum();
    (sum + PREFIX).is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_digit_counts() {
        for (npi, expected) in [
            ("1234567893", true),
            ("1245319599", true),
            ("1234567890", false),
            ("123456789", false),
            ("NPI Number", false),
        ] {
            assert_eq!(is_npi(npi.as_bytes()), expected, "{npi}");
        }
    }
}
