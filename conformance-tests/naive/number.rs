//! Numbers and the ranges that they stand for (<https://hl7.org/fhir/R4/search.html#number>), exactly.

use super::Value;
use rust_decimal::Decimal;
use serde_json::Value as Json;

/// A prefix of an ordered value (<https://hl7.org/fhir/R4/search.html#prefix>).
pub(super) fn prefixed(text: &str) -> (&str, &str) {
    const ALL: [&str; 9] = ["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"];
    match text.split_at_checked(2) {
        Some((prefix, rest)) if ALL.contains(&prefix) => (prefix, rest),
        _ => ("eq", text),
    }
}

/// One end of a range; without a value it is open.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) value: Option<Decimal>,
    pub(super) is_within: bool,
}

/// The range that a number of a resource stands for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub(super) low: End,
    pub(super) high: End,
}

impl Range {
    pub(super) fn point(value: Decimal) -> Range {
        let end = End { value: Some(value), is_within: true };
        Range { low: end, high: end }
    }

    pub(super) fn map(self, change: impl Fn(Decimal) -> Decimal) -> Range {
        let end = |end: End| End { value: end.value.map(&change), ..end };
        Range { low: end(self.low), high: end(self.high) }
    }
}

/// The decimal in a JSON number.
pub(super) fn decimal(json: &Json) -> Option<Decimal> {
    json.as_number().and_then(|number| read(&number.to_string()))
}

fn read(text: &str) -> Option<Decimal> {
    let scientific = |text: &str| Decimal::from_scientific(text).ok();
    text.parse().ok().or_else(|| scientific(&text.replace('E', "e").replace("e+", "e")))
}

/// What a number parameter finds in a value.
pub(super) fn of(value: &Value) -> Option<Range> {
    match value.ty {
        "Range" => range(&value.json),
        _ => decimal(&value.json).map(Range::point),
    }
}

/// From the low to the high value of a Range.
pub(super) fn range(json: &Json) -> Option<Range> {
    let end = |name: &str| End { value: decimal(&json[name]["value"]), is_within: true };
    let range = Range { low: end("low"), high: end("high") };
    (range.low.value.is_some() || range.high.value.is_some()).then_some(range)
}

/// A number searched for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search<'t> {
    prefix: &'t str,
    exact: Decimal,
    /// Half a unit of the last digit that is written.
    half: Decimal,
}

impl<'t> Search<'t> {
    pub(super) fn parse(text: &'t str) -> Option<Search<'t>> {
        let (prefix, rest) = prefixed(text);
        let exact = read(rest)?;
        let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
        let fraction = mantissa.split_once('.').map_or(0, |(_, digits)| digits.len() as i32);
        let half = read(&format!("5e{}", exponent.parse::<i32>().ok()? - fraction - 1))?;
        Some(Search { prefix, exact, half })
    }

    /// Whether the range of a resource stands so to this value. `unit` brings numbers of the search to
    /// the unit of the range.
    pub(super) fn holds(&self, range: Range, unit: impl Fn(Decimal) -> Decimal) -> bool {
        let (low, high) = (range.low, range.high);
        let exact = unit(self.exact);
        let (from, to) = (unit(self.exact - self.half), unit(self.exact + self.half));
        let is_contained = low.value.is_some_and(|low| low >= from)
            && high.value.is_some_and(|value| value < to || (value == to && !high.is_within));
        match self.prefix {
            "ne" => !is_contained,
            "gt" => high.value.is_none_or(|high| high > exact),
            "lt" => low.value.is_none_or(|low| low < exact),
            "ge" => high.value.is_none_or(|value| value > exact || (value == exact && high.is_within)),
            "le" => low.value.is_none_or(|value| value < exact || (value == exact && low.is_within)),
            "sa" => low.value.is_some_and(|value| value > exact || (value == exact && !low.is_within)),
            "eb" => high.value.is_some_and(|value| value < exact || (value == exact && !high.is_within)),
            "ap" => {
                let around = self.half.max(self.exact.abs() / Decimal::TEN);
                let (from, to) = (unit(self.exact - around), unit(self.exact + around));
                low.value.is_none_or(|low| low <= to) && high.value.is_none_or(|high| high >= from)
            }
            _ => is_contained,
        }
    }
}
