//! Units of measure (<https://ucum.org/ucum>): what a unit code means in base units, so that
//! quantities can be compared, converted and multiplied.
//!
//! The table holds the units that clinical and billing data use. A mole is a base unit here and
//! not a number of particles, so amounts and counts do not compare. Units of a procedure, such as
//! `[IU]`, are each a dimension of their own.

use std::cmp::Ordering;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use smallvec::SmallVec;

use crate::ucum_atoms::{ATOMS, Atom, BASE, Meaning, PREFIXES};

/// The longest unit code that is read.
const MAX_CODE_BYTES: usize = 200;
/// How deep brackets and definitions may nest; the table itself needs 8.
const MAX_NESTING: usize = 24;

/// A unit in base units: factor / divisor × 10^exponent × product of dimensions. The divisor is kept
/// apart because a ninth is no decimal.
#[derive(Clone, PartialEq, Debug)]
struct Unit {
    factor: Decimal,
    divisor: Decimal,
    exponent: i32,
    dimensions: [i32; BASE.len()],
    /// Places in the table and their exponents, sorted.
    arbitrary: SmallVec<[(usize, i32); 2]>,
    /// Added before the factor is applied: degrees are not zero at the zero of Kelvin.
    shift: Decimal,
}

impl Unit {
    fn one() -> Unit {
        Unit {
            factor: Decimal::ONE,
            divisor: Decimal::ONE,
            exponent: 0,
            dimensions: [0; BASE.len()],
            arbitrary: SmallVec::new(),
            shift: Decimal::ZERO,
        }
    }

    fn multiply(&mut self, other: &Unit, power: i32) -> Option<()> {
        // A shifted scale has no products.
        if !other.shift.is_zero() {
            if power != 1 || *self != Unit::one() {
                return None;
            }
            *self = other.clone();
            return Some(());
        }
        if !self.shift.is_zero() {
            return None;
        }
        for _ in 0..power.unsigned_abs() {
            let (factor, divisor) = match power > 0 {
                true => (other.factor, other.divisor),
                false => (other.divisor, other.factor),
            };
            self.factor = self.factor.checked_mul(factor)?;
            self.divisor = self.divisor.checked_mul(divisor)?;
        }
        self.exponent = self.exponent.checked_add(other.exponent.checked_mul(power)?)?;
        for (mine, theirs) in self.dimensions.iter_mut().zip(other.dimensions) {
            *mine = mine.checked_add(theirs.checked_mul(power)?)?;
        }
        for (atom, exponent) in &other.arbitrary {
            let added = exponent.checked_mul(power)?;
            match self.arbitrary.iter_mut().find(|(mine, _)| mine == atom) {
                Some((_, mine)) => *mine = mine.checked_add(added)?,
                None => self.arbitrary.push((*atom, added)),
            }
        }
        self.arbitrary.retain(|(_, exponent)| *exponent != 0);
        self.arbitrary.sort_unstable();
        Some(())
    }

    fn measures_the_same(&self, other: &Unit) -> bool {
        self.dimensions == other.dimensions && self.arbitrary == other.arbitrary
    }

    fn is_number(&self) -> bool {
        self.dimensions == [0; BASE.len()] && self.arbitrary.is_empty()
    }

    /// One of the unit in base units, without the shift.
    fn size(&self) -> Option<(Decimal, i32)> {
        Some((self.factor.checked_div(self.divisor)?, self.exponent))
    }

    /// A value in base units, with the power of ten kept apart.
    fn in_base(&self, value: Decimal) -> Option<(Decimal, i32)> {
        let scaled = value.checked_add(self.shift)?.checked_mul(self.factor)?;
        let is_whole = self.divisor == Decimal::ONE;
        Some((if is_whole { scaled } else { scaled.checked_div(self.divisor)? }, self.exponent))
    }
}

/// Reads a unit code.
fn parse(code: &str) -> Option<Unit> {
    if code.len() > MAX_CODE_BYTES {
        return None;
    }
    let mut parser = Parser { rest: code, nesting: 0 };
    let unit = parser.term()?;
    parser.rest.is_empty().then_some(unit)
}

struct Parser<'t> {
    rest: &'t str,
    nesting: usize,
}

impl<'t> Parser<'t> {
    fn eat(&mut self, c: char) -> bool {
        let rest = self.rest.strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn term(&mut self) -> Option<Unit> {
        if self.nesting >= MAX_NESTING {
            return None;
        }
        self.nesting += 1;
        let mut unit = Unit::one();
        let mut power = if self.eat('/') { -1 } else { 1 };
        loop {
            let component = self.component()?;
            unit.multiply(&component, power)?;
            power = match self.rest.as_bytes().first() {
                Some(b'.') => 1,
                Some(b'/') => -1,
                _ => break,
            };
            self.rest = self.rest.get(1..)?;
        }
        self.nesting -= 1;
        Some(unit)
    }

    fn component(&mut self) -> Option<Unit> {
        if self.eat('(') {
            let unit = self.term()?;
            let closed = self.eat(')');
            self.annotation()?;
            return closed.then_some(unit);
        }
        let token = self.take_symbol();
        let annotated = self.annotation()?;
        if token.is_empty() {
            // An annotation alone counts things.
            return annotated.then(Unit::one);
        }
        simple_unit(token, self.nesting)
    }

    fn annotation(&mut self) -> Option<bool> {
        if !self.eat('{') {
            return Some(false);
        }
        let (_, rest) = self.rest.split_once('}')?;
        self.rest = rest;
        Some(true)
    }

    /// Up to the next operator; what is in square brackets belongs to the symbol.
    fn take_symbol(&mut self) -> &'t str {
        let mut in_brackets = false;
        let end = self.rest.find(|c| {
            match c {
                '[' => in_brackets = true,
                ']' => in_brackets = false,
                _ => {}
            }
            !in_brackets && matches!(c, '.' | '/' | '(' | ')' | '{')
        });
        let (token, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        token
    }
}

/// `cm2`, `10*3`, `12`
fn simple_unit(token: &str, nesting: usize) -> Option<Unit> {
    let symbol = token.trim_end_matches(|c: char| c.is_ascii_digit());
    if symbol.is_empty() {
        return Some(Unit { factor: token.parse().ok()?, ..Unit::one() });
    }
    let symbol = if symbol.len() < token.len() { symbol.trim_end_matches(['+', '-']) } else { symbol };
    let digits = token.get(symbol.len()..)?;
    let power: i32 = if digits.is_empty() { 1 } else { digits.parse().ok()? };
    let base = symbol_unit(symbol, nesting)?;
    let mut unit = Unit::one();
    (power.abs() <= 30).then(|| unit.multiply(&base, power))??;
    Some(unit)
}

fn symbol_unit(symbol: &str, nesting: usize) -> Option<Unit> {
    if let Some(place) = ATOMS.iter().position(|atom| atom.code == symbol) {
        return atom_unit(&ATOMS[place], place, nesting);
    }
    if let Some(place) = BASE.iter().position(|code| *code == symbol) {
        return Some(base_unit(place));
    }
    PREFIXES.iter().find_map(|(prefix, exponent)| {
        let rest = symbol.strip_prefix(prefix)?;
        let mut unit = match BASE.iter().position(|code| *code == rest) {
            Some(place) => base_unit(place),
            None => {
                let place = ATOMS.iter().position(|atom| atom.is_metric && atom.code == rest)?;
                atom_unit(&ATOMS[place], place, nesting)?
            }
        };
        // A prefix before a shifted scale is a factor on the value, which nobody writes.
        if !unit.shift.is_zero() {
            return None;
        }
        unit.exponent += exponent;
        Some(unit)
    })
}

fn base_unit(place: usize) -> Unit {
    let mut unit = Unit::one();
    unit.dimensions[place] = 1;
    unit
}

fn atom_unit(atom: &Atom, place: usize, nesting: usize) -> Option<Unit> {
    let number = |text: &str| Decimal::from_str_exact(text).ok();
    match atom.meaning {
        Meaning::Arbitrary => Some(Unit { arbitrary: SmallVec::from_slice(&[(place, 1)]), ..Unit::one() }),
        Meaning::Defined { factor, exponent, unit } => {
            let mut parser = Parser { rest: unit, nesting: nesting + 1 };
            let mut unit = parser.term()?;
            unit.factor = unit.factor.checked_mul(number(factor)?)?;
            unit.exponent += exponent;
            Some(unit)
        }
        Meaning::Shifted { shift, numerator, denominator } => {
            let mut unit = symbol_unit("K", nesting + 1)?;
            (unit.factor, unit.divisor) = (number(numerator)?, number(denominator)?);
            unit.shift = number(shift)?;
            Some(unit)
        }
    }
}

/// Multiplies by a power of ten.
fn scale(value: Decimal, exponent: i32) -> Option<Decimal> {
    let power = exponent.unsigned_abs();
    if power > 28 {
        return None;
    }
    match exponent >= 0 {
        true => value.checked_mul(Decimal::from_i128_with_scale(10i128.pow(power), 0)),
        false => value.checked_mul(Decimal::new(1, power)),
    }
}

fn compare_scaled(left: (Decimal, i32), right: (Decimal, i32)) -> Option<Ordering> {
    let difference = left.1 - right.1;
    let exact = match difference >= 0 {
        true => scale(left.0, difference).map(|value| value.cmp(&right.0)),
        false => scale(right.0, -difference).map(|value| left.0.cmp(&value)),
    };
    // Too far apart for exact digits: the magnitude decides.
    exact.or_else(|| {
        let size = |(value, exponent): (Decimal, i32)| Some(value.to_f64()? * 10f64.powi(exponent));
        size(left)?.partial_cmp(&size(right)?)
    })
}

/// The order of two values with units; `None` when the units do not measure the same.
pub(crate) fn compare(left: Decimal, left_code: &str, right: Decimal, right_code: &str) -> Option<Ordering> {
    let (a, b) = (parse(left_code)?, parse(right_code)?);
    if !a.measures_the_same(&b) {
        return None;
    }
    compare_scaled(a.in_base(left)?, b.in_base(right)?)
}

/// Which of two units is the larger; `None` when they do not measure the same.
pub(crate) fn factor_order(left: &str, right: &str) -> Option<Ordering> {
    let (a, b) = (parse(left)?, parse(right)?);
    let comparable = a.measures_the_same(&b);
    comparable.then(|| compare_scaled(a.size()?, b.size()?))?
}

/// A value in another unit.
pub(crate) fn convert(value: Decimal, from: &str, to: &str) -> Option<Decimal> {
    let (a, b) = (parse(from)?, parse(to)?);
    if !a.measures_the_same(&b) {
        return None;
    }
    let (base, exponent) = a.in_base(value)?;
    let scaled = scale(base, exponent - b.exponent)?.checked_mul(b.divisor)?;
    let converted = if b.factor == Decimal::ONE { scaled } else { scaled.checked_div(b.factor)? };
    converted.checked_sub(b.shift)
}

/// The unit of a product or quotient, and the value in it. Units that cancel leave a plain number.
pub(crate) fn combine(
    value: Decimal,
    left: &str,
    right: &str,
    is_division: bool,
) -> Option<(Decimal, String)> {
    if right == "1" {
        return Some((value, left.to_owned()));
    }
    let grouped = match right.contains(['.', '/']) {
        true => format!("({right})"),
        false => right.to_owned(),
    };
    let code = match (left, is_division) {
        ("1", true) => format!("/{grouped}"),
        ("1", false) => right.to_owned(),
        (_, true) => format!("{left}/{grouped}"),
        (_, false) => format!("{left}.{grouped}"),
    };
    let unit = parse(&code)?;
    if !unit.is_number() {
        return Some((value, code));
    }
    let (number, exponent) = unit.in_base(value)?;
    Some((scale(number, exponent)?, "1".to_owned()))
}

/// How to bring a unit to base units, for quantities that are kept and found as doubles.
#[derive(Clone, PartialEq, Debug)]
pub struct CanonicalUnit {
    /// The product of base units and of units of a procedure, e.g. `m-1.s-2.g`; `1` for a plain number.
    /// Units that measure the same have the same.
    pub symbol: String,
    shift: f64,
    numerator: f64,
    denominator: f64,
}

impl CanonicalUnit {
    /// The canonical form of a unit code; `None` where the code is no unit that is known here.
    pub fn of(code: &str) -> Option<CanonicalUnit> {
        let unit = parse(code)?;
        let based = BASE.iter().copied().zip(unit.dimensions);
        let arbitrary = unit.arbitrary.iter().map(|(place, exponent)| (ATOMS[*place].code, *exponent));
        let mut symbol = String::new();
        for (name, exponent) in based.chain(arbitrary).filter(|(_, exponent)| *exponent != 0) {
            if !symbol.is_empty() {
                symbol.push('.');
            }
            symbol.push_str(name);
            if exponent != 1 {
                symbol.push_str(&exponent.to_string());
            }
        }
        if symbol.is_empty() {
            symbol.push('1');
        }
        let power = |exponent: i32| 10f64.powi(exponent.max(0));
        let numerator = unit.factor.to_f64()? * power(unit.exponent);
        let denominator = unit.divisor.to_f64()? * power(unit.exponent.checked_neg()?);
        let is_sane = numerator.is_normal() && denominator.is_normal();
        is_sane.then_some(CanonicalUnit { symbol, shift: unit.shift.to_f64()?, numerator, denominator })
    }

    /// A value in base units, rounded to the 15 digits that a double holds for certain, so that 1000
    /// mg and 1 g are the same number.
    pub fn convert(&self, value: f64) -> f64 {
        let exact = (value + self.shift) * self.numerator / self.denominator;
        format!("{exact:.14e}").parse().unwrap_or(exact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_of_the_table_can_be_read() {
        for atom in &ATOMS {
            assert!(parse(atom.code).is_some(), "{}", atom.code);
        }
    }

    #[test]
    fn units_that_measure_the_same_compare() {
        let cases = [
            ("1", "g", "1000", "mg", Some(Ordering::Equal)),
            ("1", "[lb_av]", "453.59237", "g", Some(Ordering::Equal)),
            ("1", "[in_i]", "2.54", "cm", Some(Ordering::Equal)),
            ("120", "mm[Hg]", "15.99", "kPa", Some(Ordering::Greater)),
            ("37", "Cel", "98.6", "[degF]", Some(Ordering::Equal)),
            ("0", "Cel", "273.15", "K", Some(Ordering::Equal)),
            ("5", "mmol/L", "5", "mol/m3", Some(Ordering::Equal)),
            ("1", "kg.m/s2", "1", "N", Some(Ordering::Equal)),
            ("5", "10*3/uL", "5", "10*9/L", Some(Ordering::Equal)),
            ("1", "ug/kg/min", "1", "ug.kg-1.min-1", Some(Ordering::Equal)),
            ("1", "{tablet}", "1", "1", Some(Ordering::Equal)),
            ("50", "%", "0.5", "1", Some(Ordering::Equal)),
            ("1", "[IU]/L", "1000", "m[IU]/L", Some(Ordering::Equal)),
            ("1", "d", "24", "h", Some(Ordering::Equal)),
            ("1", "ym", "1", "Ym", Some(Ordering::Less)),
            ("1", "g", "1", "m", None),
            ("1", "[IU]", "1", "1", None),
            ("1", "[s]", "1", "cm", None),
            ("1", "Cel/s", "1", "K/s", None),
        ];
        for (a, left, b, right, expected) in cases {
            let found = compare(a.parse().unwrap(), left, b.parse().unwrap(), right);
            assert_eq!(found, expected, "{a} {left} and {b} {right}");
        }
    }

    #[test]
    fn the_same_amount_is_the_same_double_in_base_units() {
        for (a, unit_a, b, unit_b) in [
            (1000.0, "mg", 1.0, "g"),
            (1.0, "g/dL", 10_000.0, "mg/L"),
            (120.0, "mm[Hg]", 12.0, "cm[Hg]"),
            (37.0, "Cel", 310.15, "K"),
            (98.6, "[degF]", 37.0, "Cel"),
            (1.0, "/min", 60.0, "/h"),
            (5.0, "10*3/uL", 5000.0, "/uL"),
            (5.0, "10*9/L", 5000.0, "/uL"),
            (1.0, "kg/m2", 0.1, "g/cm2"),
            (1.0, "{score}", 1.0, "1"),
            (2.0, "mmol/L", 2000.0, "umol/L"),
            (1.0, "k[IU]/L", 1.0, "[IU]/mL"),
            (1.0, "mL/min/{1.73_m2}", 60.0, "mL/h"),
            (1.0, "d", 24.0, "h"),
            (1.0, "[knt_i]", 1852.0, "m/h"),
        ] {
            let (unit_a, unit_b) = (CanonicalUnit::of(unit_a).unwrap(), CanonicalUnit::of(unit_b).unwrap());
            assert_eq!(unit_a.symbol, unit_b.symbol);
            assert_eq!(unit_a.convert(a), unit_b.convert(b), "{a} {unit_a:?} and {b} {unit_b:?}");
        }
        assert_eq!(CanonicalUnit::of("mm[Hg]").unwrap().symbol, "m-1.s-2.g");
        assert_eq!(CanonicalUnit::of("foo"), None);
        for atom in &ATOMS {
            assert!(CanonicalUnit::of(atom.code).is_some(), "{}", atom.code);
        }
    }

    #[test]
    fn what_is_no_unit_is_refused() {
        for code in ["", "mg mg", "(g", "g)", "g..g", "{x", "kg{x}y", "m99", "foo", "g/", "[", "é"] {
            assert_eq!(parse(code), None, "{code}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_ends_in_an_answer(code in "[a-z0-9().{}/\\[\\]*+-]{0,40}") {
            let _ = CanonicalUnit::of(&code);
        }
    }
}
