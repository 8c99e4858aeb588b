//! Decimals as 128-bit whole numbers with a fixed scale.

/// The greatest number of 38 digits, which is what a decimal column holds.
const MAX: i128 = 10_i128.pow(38) - 1;

/// Reads a JSON number at a scale, half to even where digits are left over, and says whether
/// nothing was lost. `None` when the text is no number or needs more than 38 digits.
pub(crate) fn parse(text: &str, scale: i8) -> Option<(i128, bool)> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (is_negative, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    // How many of the digits count: those before the point, moved by exponent and scale.
    let keep = i64::try_from(whole.len()).ok()? + i64::from(exponent) + i64::from(scale);
    let mut rounding = Rounding { value: 0, keep, first_lost: 0, has_more: false };
    for byte in whole.bytes().chain(fraction.bytes()) {
        rounding.digit(byte)?;
    }
    let (value, is_exact) = rounding.finish()?;
    Some((if is_negative { -value } else { value }, is_exact))
}

struct Rounding {
    value: i128,
    /// Digits still to be kept; below zero, places of zeros before the first digit.
    keep: i64,
    first_lost: u8,
    has_more: bool,
}

impl Rounding {
    fn digit(&mut self, byte: u8) -> Option<()> {
        if !byte.is_ascii_digit() {
            return None;
        }
        let digit = byte - b'0';
        match self.keep {
            1.. => self.value = self.value.checked_mul(10)?.checked_add(i128::from(digit))?,
            0 => self.first_lost = digit,
            _ => self.has_more |= digit != 0,
        }
        self.keep -= 1;
        Some(())
    }

    fn finish(mut self) -> Option<(i128, bool)> {
        while self.keep > 0 && self.value != 0 {
            self.value = self.value.checked_mul(10)?;
            self.keep -= 1;
        }
        let rounds_up = match self.first_lost {
            0..=4 => false,
            5 if !self.has_more => self.value % 2 != 0,
            _ => true,
        };
        self.value += i128::from(rounds_up);
        (self.value <= MAX).then_some((self.value, self.first_lost == 0 && !self.has_more))
    }
}

/// The scale of `DECIMAL(p, s)` or `NUMERIC(p, s)`; `None` for other types.
pub(crate) fn scale_of_type(sql_type: &str) -> Option<i8> {
    let upper = sql_type.trim().to_ascii_uppercase();
    let arguments = upper.strip_prefix("DECIMAL").or_else(|| upper.strip_prefix("NUMERIC"))?;
    let arguments = arguments.trim().strip_prefix('(')?.strip_suffix(')')?;
    let (_, scale) = arguments.split_once(',')?;
    scale.trim().parse().ok().filter(|scale| (0..=30).contains(scale))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_read_exactly_and_rounded_half_to_even_beyond_the_scale() {
        let cases = [
            ("0", 2, Some((0, true))),
            ("1.10", 2, Some((110, true))),
            ("-0.05", 2, Some((-5, true))),
            ("1.005", 2, Some((100, false))),
            ("1.015", 2, Some((102, false))),
            ("1.0050001", 2, Some((101, false))),
            ("0.005", 2, Some((0, false))),
            ("0.0051", 2, Some((1, false))),
            ("0.0009", 2, Some((0, false))),
            ("-2.5", 0, Some((-2, false))),
            ("1.10e2", 2, Some((11_000, true))),
            ("12e-1", 2, Some((120, true))),
            ("5e-9", 6, Some((0, false))),
            ("0e99999", 2, Some((0, true))),
            ("1e36", 2, None),
            ("99999999999999999999999999999999.999999", 6, Some((MAX, true))),
            ("100000000000000000000000000000000", 6, None),
            ("1e99999999999", 2, None),
            ("", 2, None),
            ("x", 2, None),
            ("1.x", 2, None),
        ];
        for (text, scale, expected) in cases {
            assert_eq!(parse(text, scale), expected, "{text} at {scale}");
        }
    }

    #[test]
    fn the_scale_is_taken_from_the_sql_type() {
        let cases = [
            ("DECIMAL(18,2)", Some(2)),
            ("numeric( 10 , 4 )", Some(4)),
            ("DECIMAL(5)", None),
            ("DECIMAL(40,35)", None),
            ("VARCHAR(10)", None),
        ];
        for (text, expected) in cases {
            assert_eq!(scale_of_type(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn cents_come_back(cents in -10_i128.pow(30)..10_i128.pow(30)) {
            let sign = if cents < 0 { "-" } else { "" };
            let text = format!("{sign}{}.{:02}", cents.abs() / 100, cents.abs() % 100);
            prop_assert_eq!(parse(&text, 6), Some((cents * 10_000, true)));
        }

        #[test]
        fn no_text_panics(text in ".{0,60}", scale in 0_i8..30) {
            let _ = parse(&text, scale);
        }
    }
}
