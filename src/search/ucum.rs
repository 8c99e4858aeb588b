//! Units of measure as UCUM writes them, brought to base units so that quantities compare
//! (<https://ucum.org/ucum>).
//!
//! Reads the whole term grammar (products, quotients, exponents, annotations, metric prefixes) over
//! the units that health records use. A unit that is not in the table has no canonical form, and its
//! quantities compare as they are written. Units on a logarithmic scale are left out.

/// The code system of UCUM.
pub(crate) const UCUM: &str = "http://unitsofmeasure.org";

/// Longest unit read; the longest in use have some 30 characters.
const MAX_LENGTH: usize = 64;

/// How deep parentheses nest.
const MAX_DEPTH: u32 = 8;

/// Exponent of each base unit.
type Dimension = [i8; BASES.len()];

/// The base units, and units of their own that convert to no other.
const BASES: [&str; 14] = [
    "m",
    "s",
    "g",
    "rad",
    "K",
    "C",
    "cd",
    "[iU]",
    "[arb'U]",
    "[USP'U]",
    "[pfu]",
    "[CFU]",
    "[Amb'a'1'U]",
    "[HPF]",
];

/// Name, whether prefixes go with it, value, and the unit that the value is in.
const UNITS: &[(&str, bool, f64, &str)] = &[
    ("%", false, 0.01, "1"),
    ("[ppth]", false, 1e-3, "1"),
    ("[ppm]", false, 1e-6, "1"),
    ("[ppb]", false, 1e-9, "1"),
    ("[pptr]", false, 1e-12, "1"),
    ("[pi]", false, std::f64::consts::PI, "1"),
    ("10*", false, 10.0, "1"),
    ("10^", false, 10.0, "1"),
    ("mol", true, 6.022_136_7e23, "1"),
    ("eq", true, 6.022_136_7e23, "1"),
    ("osm", true, 6.022_136_7e23, "1"),
    ("kat", true, 6.022_136_7e23, "s-1"),
    ("U", true, 6.022_136_7e17, "min-1"),
    ("[IU]", true, 1.0, "[iU]"),
    ("min", false, 60.0, "s"),
    ("h", false, 3600.0, "s"),
    ("d", false, 86_400.0, "s"),
    ("wk", false, 604_800.0, "s"),
    ("mo", false, 2_629_800.0, "s"),
    ("mo_j", false, 2_629_800.0, "s"),
    ("a", false, 31_557_600.0, "s"),
    ("a_j", false, 31_557_600.0, "s"),
    ("l", true, 1e-3, "m3"),
    ("L", true, 1e-3, "m3"),
    ("ar", true, 100.0, "m2"),
    ("t", true, 1e6, "g"),
    ("u", true, 1.660_540_2e-24, "g"),
    ("N", true, 1000.0, "g.m/s2"),
    ("Pa", true, 1000.0, "g/m/s2"),
    ("bar", true, 1e8, "g/m/s2"),
    ("J", true, 1000.0, "g.m2/s2"),
    ("W", true, 1000.0, "g.m2/s3"),
    ("A", true, 1.0, "C/s"),
    ("V", true, 1000.0, "g.m2/s2/C"),
    ("F", true, 1e-3, "C2.s2/g/m2"),
    ("Ohm", true, 1000.0, "g.m2/s/C2"),
    ("S", true, 1e-3, "C2.s/g/m2"),
    ("Hz", true, 1.0, "s-1"),
    ("Bq", true, 1.0, "s-1"),
    ("Ci", true, 3.7e10, "s-1"),
    ("Gy", true, 1.0, "m2/s2"),
    ("Sv", true, 1.0, "m2/s2"),
    ("RAD", true, 0.01, "m2/s2"),
    ("REM", true, 0.01, "m2/s2"),
    ("R", true, 2.58e-7, "C/g"),
    ("T", true, 1000.0, "g/s/C"),
    ("Wb", true, 1000.0, "g.m2/s/C"),
    ("H", true, 1000.0, "g.m2/C2"),
    ("lm", true, 1.0, "cd.sr"),
    ("lx", true, 1.0, "cd.sr/m2"),
    ("sr", true, 1.0, "rad2"),
    ("deg", false, std::f64::consts::PI / 180.0, "rad"),
    ("'", false, std::f64::consts::PI / 10_800.0, "rad"),
    ("''", false, std::f64::consts::PI / 648_000.0, "rad"),
    ("dyn", true, 1.0, "g.cm/s2"),
    ("erg", true, 1.0, "g.cm2/s2"),
    ("P", true, 1.0, "g/cm/s"),
    ("St", true, 1.0, "cm2/s"),
    ("cal", true, 4184.0, "g.m2/s2"),
    ("[Cal]", false, 4_184_000.0, "g.m2/s2"),
    ("m[H2O]", true, 9_806_650.0, "g/m/s2"),
    ("m[Hg]", true, 133_322_000.0, "g/m/s2"),
    ("[in_i'H2O]", false, 249_088.91, "g/m/s2"),
    ("atm", false, 101_325_000.0, "g/m/s2"),
    ("[psi]", false, 6_894_757.293_168, "g/m/s2"),
    ("[lbf_av]", false, 4_448.221_615_260_5, "g.m/s2"),
    ("[in_i]", false, 0.0254, "m"),
    ("[ft_i]", false, 0.3048, "m"),
    ("[yd_i]", false, 0.9144, "m"),
    ("[mi_i]", false, 1609.344, "m"),
    ("[nmi_i]", false, 1852.0, "m"),
    ("[mi_us]", false, 1_609.347_218_694_437_4, "m"),
    ("[sft_i]", false, 0.092_903_04, "m2"),
    ("[sin_i]", false, 0.000_645_16, "m2"),
    ("[gr]", false, 0.064_798_91, "g"),
    ("[oz_av]", false, 28.349_523_125, "g"),
    ("[oz_tr]", false, 31.103_476_8, "g"),
    ("[lb_av]", false, 453.592_37, "g"),
    ("[ston_av]", false, 907_184.74, "g"),
    ("[stone_av]", false, 6_350.293_18, "g"),
    ("[gal_us]", false, 0.003_785_411_784, "m3"),
    ("[qt_us]", false, 0.000_946_352_946, "m3"),
    ("[pt_us]", false, 0.000_473_176_473, "m3"),
    ("[foz_us]", false, 2.957_352_956_25e-5, "m3"),
    ("[foz_m]", false, 3e-5, "m3"),
    ("[cup_us]", false, 2.365_882_365e-4, "m3"),
    ("[tbs_us]", false, 1.478_676_478_125e-5, "m3"),
    ("[tbs_m]", false, 1.5e-5, "m3"),
    ("[tsp_us]", false, 4.928_921_593_75e-6, "m3"),
    ("[tsp_m]", false, 5e-6, "m3"),
    ("[drp]", false, 5e-8, "m3"),
    ("[knt_i]", false, 1852.0 / 3600.0, "m/s"),
];

/// Metric prefixes.
const PREFIXES: [(&str, f64); 20] = [
    ("da", 1e1),
    ("Y", 1e24),
    ("Z", 1e21),
    ("E", 1e18),
    ("P", 1e15),
    ("T", 1e12),
    ("G", 1e9),
    ("M", 1e6),
    ("k", 1e3),
    ("h", 1e2),
    ("d", 1e-1),
    ("c", 1e-2),
    ("m", 1e-3),
    ("u", 1e-6),
    ("n", 1e-9),
    ("p", 1e-12),
    ("f", 1e-15),
    ("a", 1e-18),
    ("z", 1e-21),
    ("y", 1e-24),
];

/// Units that start from another zero: name, factor to kelvin, and the kelvin at zero.
const OFFSETS: [(&str, f64, f64); 2] = [("Cel", 1.0, 273.15), ("[degF]", 5.0 / 9.0, 459.67 * 5.0 / 9.0)];

/// How to bring a unit to base units.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Canonical {
    /// The product of base units, e.g. `g.m-1.s-2`; `1` for a pure number.
    pub(crate) symbol: String,
    factor: f64,
    offset: f64,
}

impl Canonical {
    /// A value in base units, rounded to the 15 digits that a double holds for certain, so that 1000
    /// mg and 1 g are the same number.
    pub(crate) fn convert(&self, value: f64) -> f64 {
        let exact = value * self.factor + self.offset;
        format!("{exact:.14e}").parse().unwrap_or(exact)
    }
}

#[derive(Clone, Copy)]
struct Measure {
    factor: f64,
    dimension: Dimension,
}

impl Measure {
    const ONE: Measure = Measure { factor: 1.0, dimension: [0; BASES.len()] };

    fn power(self, exponent: i8) -> Option<Measure> {
        let mut dimension = self.dimension;
        for d in &mut dimension {
            *d = d.checked_mul(exponent)?;
        }
        Some(Measure { factor: self.factor.powi(i32::from(exponent)), dimension })
    }

    fn times(self, other: Measure) -> Option<Measure> {
        let mut dimension = self.dimension;
        for (d, o) in dimension.iter_mut().zip(other.dimension) {
            *d = d.checked_add(o)?;
        }
        Some(Measure { factor: self.factor * other.factor, dimension })
    }
}

/// The canonical form of a unit, when it has one.
pub(crate) fn canonical(unit: &str) -> Option<Canonical> {
    if unit.len() > MAX_LENGTH || !unit.is_ascii() {
        return None;
    }
    if let Some((_, factor, offset)) = OFFSETS.iter().find(|(name, ..)| *name == unit) {
        return Some(Canonical { symbol: "K".into(), factor: *factor, offset: *offset });
    }
    let mut reader = Reader { rest: unit, depth: 0 };
    let measure = reader.term()?;
    if !reader.rest.is_empty() || !measure.factor.is_normal() {
        return None;
    }
    let mut symbol = String::new();
    for (base, exponent) in BASES.iter().zip(measure.dimension).filter(|(_, e)| *e != 0) {
        if !symbol.is_empty() {
            symbol.push('.');
        }
        symbol.push_str(base);
        if exponent != 1 {
            symbol.push_str(&exponent.to_string());
        }
    }
    if symbol.is_empty() {
        symbol.push('1');
    }
    Some(Canonical { symbol, factor: measure.factor, offset: 0.0 })
}

struct Reader<'a> {
    rest: &'a str,
    depth: u32,
}

impl Reader<'_> {
    fn eat(&mut self, c: char) -> bool {
        self.rest.strip_prefix(c).map(|rest| self.rest = rest).is_some()
    }

    /// `a.b/c`, read from left to right; a leading `/` is one over.
    fn term(&mut self) -> Option<Measure> {
        let mut measure = if self.eat('/') { self.component()?.power(-1)? } else { self.component()? };
        loop {
            measure = if self.eat('.') {
                measure.times(self.component()?)?
            } else if self.eat('/') {
                measure.times(self.component()?.power(-1)?)?
            } else {
                return Some(measure);
            };
        }
    }

    fn component(&mut self) -> Option<Measure> {
        if self.eat('(') {
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return None;
            }
            let inner = self.term()?;
            self.depth -= 1;
            return self.eat(')').then_some(inner);
        }
        if self.rest.starts_with('{') {
            return self.annotation().then_some(Measure::ONE);
        }
        let text = self.simple();
        let measure = number(text).or_else(|| unit_with_exponent(text))?;
        if self.rest.starts_with('{') && !self.annotation() {
            return None;
        }
        Some(measure)
    }

    /// Everything up to what separates components; brackets hide separators.
    fn simple(&mut self) -> &str {
        let mut bracket = false;
        let end = self.rest.find(|c: char| match c {
            '[' => {
                bracket = true;
                false
            }
            ']' => {
                bracket = false;
                false
            }
            '.' | '/' | '(' | ')' | '{' | '}' => !bracket,
            _ => false,
        });
        let (text, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        text
    }

    fn annotation(&mut self) -> bool {
        self.rest.split_once('}').map(|(_, rest)| self.rest = rest).is_some()
    }
}

fn number(text: &str) -> Option<Measure> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let factor: f64 = digits.then(|| text.parse().ok()).flatten()?;
    Some(Measure { factor, ..Measure::ONE })
}

fn unit_with_exponent(text: &str) -> Option<Measure> {
    let digits = text.len() - text.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let mut at = text.len() - digits;
    if digits == 0 {
        return unit(text);
    }
    if text[..at].ends_with(['+', '-']) {
        at -= 1;
    }
    let (name, exponent) = text.split_at(at);
    unit(name)?.power(exponent.parse().ok()?)
}

fn unit(name: &str) -> Option<Measure> {
    atom(name, false).or_else(|| {
        PREFIXES.iter().find_map(|(prefix, factor)| {
            let measure = atom(name.strip_prefix(prefix)?, true)?;
            Some(Measure { factor: measure.factor * factor, ..measure })
        })
    })
}

fn atom(name: &str, prefixed: bool) -> Option<Measure> {
    if let Some(base) = BASES.iter().position(|b| *b == name) {
        let mut measure = Measure::ONE;
        measure.dimension[base] = 1;
        return Some(measure);
    }
    let (_, _, value, of) = UNITS.iter().find(|(n, metric, ..)| *n == name && (*metric || !prefixed))?;
    if *of == "1" {
        return Some(Measure { factor: *value, ..Measure::ONE });
    }
    // The table refers only to units that are defined without it or a step above; depth is bounded.
    let measure = Reader { rest: of, depth: 0 }.term()?;
    Some(Measure { factor: measure.factor * value, ..measure })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_of_the_table_has_a_canonical_form() {
        for (name, ..) in UNITS {
            assert!(canonical(name).is_some(), "{name}");
        }
    }

    #[test]
    fn the_same_amount_is_the_same_number() {
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
        ] {
            let (ua, ub) = (canonical(unit_a).unwrap(), canonical(unit_b).unwrap());
            assert_eq!(ua.symbol, ub.symbol, "{unit_a} {unit_b}");
            let (a, b) = (ua.convert(a), ub.convert(b));
            assert!((a - b).abs() <= a.abs() * 1e-13, "{a} {unit_a} is not {b} {unit_b}");
        }
        assert_eq!(canonical("g").unwrap().convert(1.0), canonical("mg").unwrap().convert(1000.0));
        assert_eq!(canonical("mm[Hg]").unwrap().symbol, "m-1.s-2.g");
    }

    #[test]
    fn what_is_no_unit_has_no_canonical_form() {
        for text in ["", "blubb", "mg/", "(mg", "mg)", "m999", "{open", "kmin", "g..g", "g//g", "é"] {
            assert_eq!(canonical(text), None, "{text}");
        }
        assert_eq!(canonical(&"(".repeat(60)), None);
    }

    proptest::proptest! {
        #[test]
        fn any_text_ends_in_an_answer(text in "[a-zA-Z0-9./()\\[\\]{}*'%+-]{0,40}") {
            let _ = canonical(&text);
        }
    }
}
