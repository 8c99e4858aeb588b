//! Small things that many loops have: references, dates, amounts, adjustments, services.

use crate::raw::Raw;
use crate::value::{Date, Decimal, Span, decimal, write_decimal};

/// REF: an identifier that somebody gave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reference {
    /// REF01, `G1`.
    pub qualifier: String,
    /// REF02.
    pub value: String,
}

/// DTP or DTM: a date or time for something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dated {
    /// `472`.
    pub qualifier: String,
    /// `D8`, `RD8`, `TM`, `DT`; `D8` for DTM.
    pub format: String,
    /// As written.
    pub value: String,
}

/// AMT: an amount of some kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Amount {
    /// `F5`.
    pub qualifier: String,
    /// The amount.
    pub value: Decimal,
}

/// QTY: a number of some kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Number {
    /// `CA`.
    pub qualifier: String,
    /// The number.
    pub value: Decimal,
}

/// NTE.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    /// `ADD`.
    pub code: String,
    /// The text.
    pub text: String,
}

/// One reason of a CAS segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Adjustment {
    /// `CO`, `PR`, `OA`, `PI`, `CR`.
    pub group: String,
    /// Claim adjustment reason code.
    pub reason: String,
    /// Positive takes away from the payment.
    pub amount: Decimal,
    /// Units taken away.
    pub quantity: Option<Decimal>,
}

/// What was done: a composite of qualifier, code, modifiers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Service {
    /// `HC`, `AD`, `NU`.
    pub qualifier: String,
    /// Procedure code.
    pub code: String,
    /// Up to four.
    pub modifiers: Vec<String>,
    /// Text for codes that need it.
    pub description: Option<String>,
    /// Last code of a range.
    pub last_code: Option<String>,
}

impl Reference {
    pub(crate) fn read(raw: &Raw) -> Option<Reference> {
        let is_plain = raw.len() == 2 && raw.composite(2).len() == 1;
        is_plain.then(|| Reference { qualifier: raw.element(1).into(), value: raw.element(2).into() })
    }

    pub(crate) fn write(&self) -> Raw {
        Raw::new("REF").with(&self.qualifier).with(&self.value)
    }
}

impl Dated {
    /// A day.
    pub fn day(qualifier: &str, date: Date) -> Dated {
        Dated { qualifier: qualifier.into(), format: "D8".into(), value: date.compact() }
    }

    /// A day or a first and last day.
    pub fn span_of(qualifier: &str, span: Span) -> Dated {
        let (format, value) = span.compact();
        Dated { qualifier: qualifier.into(), format: format.into(), value }
    }

    /// The day or days, where the value is that.
    pub fn span(&self) -> Option<Span> {
        matches!(self.format.as_str(), "D8" | "RD8").then(|| Span::parse(self.value.as_bytes())).flatten()
    }

    pub(crate) fn read_dtp(raw: &Raw) -> Option<Dated> {
        let [qualifier, format, value] = [1, 2, 3].map(|n| raw.element(n).to_owned());
        (raw.len() == 3).then_some(Dated { qualifier, format, value })
    }

    pub(crate) fn write_dtp(&self) -> Raw {
        Raw::new("DTP").with(&self.qualifier).with(&self.format).with(&self.value)
    }

    pub(crate) fn read_dtm(raw: &Raw) -> Option<Dated> {
        let (qualifier, value) = (raw.element(1).into(), raw.element(2).into());
        (raw.len() == 2).then(|| Dated { qualifier, format: "D8".into(), value })
    }

    pub(crate) fn write_dtm(&self) -> Raw {
        Raw::new("DTM").with(&self.qualifier).with(&self.value)
    }
}

impl Amount {
    pub(crate) fn read(raw: &Raw) -> Option<Amount> {
        let value = decimal(raw.element(2).as_bytes())?;
        (raw.len() == 2).then(|| Amount { qualifier: raw.element(1).into(), value })
    }

    pub(crate) fn write(&self) -> Raw {
        Raw::new("AMT").with(&self.qualifier).with(write_decimal(self.value))
    }
}

impl Number {
    pub(crate) fn read(raw: &Raw) -> Option<Number> {
        let value = decimal(raw.element(2).as_bytes())?;
        (raw.len() == 2).then(|| Number { qualifier: raw.element(1).into(), value })
    }

    pub(crate) fn write(&self) -> Raw {
        Raw::new("QTY").with(&self.qualifier).with(write_decimal(self.value))
    }
}

impl Note {
    pub(crate) fn read(raw: &Raw) -> Option<Note> {
        (raw.len() == 2).then(|| Note { code: raw.element(1).into(), text: raw.element(2).into() })
    }

    pub(crate) fn write(&self) -> Raw {
        Raw::new("NTE").with(&self.code).with(&self.text)
    }
}

impl Adjustment {
    /// The reasons of a CAS; `None` when an amount cannot be read.
    pub(crate) fn read(raw: &Raw) -> Option<Vec<Adjustment>> {
        let mut list = Vec::new();
        for n in (2..=17).step_by(3).filter(|n| !raw.element(*n).is_empty()) {
            let quantity = raw.element(n + 2);
            let quantity = match quantity {
                "" => None,
                text => Some(decimal(text.as_bytes())?),
            };
            list.push(Adjustment {
                group: raw.element(1).into(),
                reason: raw.element(n).into(),
                amount: decimal(raw.element(n + 1).as_bytes())?,
                quantity,
            });
        }
        (!list.is_empty()).then_some(list)
    }

    /// CAS segments: neighbours of one group share a segment, six at most.
    pub(crate) fn write(list: &[Adjustment]) -> Vec<Raw> {
        let groups = list.chunk_by(|a, b| a.group == b.group).flat_map(|group| group.chunks(6));
        let segment = |group: &[Adjustment]| {
            let start = Raw::new("CAS").with(group.first().map_or("", |first| first.group.as_str()));
            let add = |raw: Raw, one: &Adjustment| {
                let raw = raw.with(&one.reason).with(write_decimal(one.amount));
                raw.with_option(one.quantity.map(write_decimal))
            };
            group.iter().fold(start, add).trimmed()
        };
        groups.map(segment).collect()
    }
}

impl Service {
    pub(crate) fn read(raw: &Raw, element: usize) -> Service {
        let part = |n: usize| raw.component(element, n).to_owned();
        let option = |n: usize| Some(part(n)).filter(|text| !text.is_empty());
        Service {
            qualifier: part(1),
            code: part(2),
            modifiers: (3..=6).filter_map(option).collect(),
            description: option(7),
            last_code: option(8),
        }
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.code.is_empty() && self.qualifier.is_empty()
    }

    pub(crate) fn write(&self) -> Vec<String> {
        let mut parts = vec![self.qualifier.clone(), self.code.clone()];
        parts.extend(self.modifiers.iter().take(4).cloned());
        if self.description.is_some() || self.last_code.is_some() {
            parts.resize(6, String::new());
            parts.push(self.description.clone().unwrap_or_default());
            parts.extend(self.last_code.clone());
        }
        parts
    }
}

/// A decimal, zero where nothing was sent.
pub(crate) fn money(raw: &Raw, n: usize) -> Decimal {
    decimal(raw.element(n).as_bytes()).unwrap_or_default()
}

/// A decimal that may be absent.
pub(crate) fn maybe(raw: &Raw, n: usize) -> Option<Decimal> {
    decimal(raw.element(n).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjustments_of_one_group_share_segments_of_six() {
        let one = |group: &str, reason: usize| Adjustment {
            group: group.into(),
            reason: reason.to_string(),
            amount: Decimal::from(reason),
            quantity: None,
        };
        let mut list: Vec<_> = (1..=7).map(|n| one("CO", n)).collect();
        list.push(Adjustment { quantity: Some(Decimal::ONE), ..one("PR", 3) });
        let raw = Adjustment::write(&list);
        let text: Vec<_> = raw.iter().map(Raw::to_string).collect();
        assert_eq!(text, ["CAS*CO*1*1**2*2**3*3**4*4**5*5**6*6", "CAS*CO*7*7", "CAS*PR*3*3*1"]);
        let read: Vec<_> = raw.iter().filter_map(Adjustment::read).flatten().collect();
        assert_eq!(read, list);
    }
}
