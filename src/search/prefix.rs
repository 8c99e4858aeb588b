//! Prefixes of ordered values (<https://hl7.org/fhir/R4/search.html#prefix>).

/// How a value in a resource shall stand to the value searched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Prefix {
    /// `eq`: the searched range holds the whole of it.
    Equal,
    /// `ne`: the searched range does not hold the whole of it.
    NotEqual,
    /// `gt`: some of it is above.
    Greater,
    /// `lt`: some of it is below.
    Less,
    /// `ge`: `gt` or `eq`.
    GreaterOrEqual,
    /// `le`: `lt` or `eq`.
    LessOrEqual,
    /// `sa`: all of it is above.
    StartsAfter,
    /// `eb`: all of it is below.
    EndsBefore,
    /// `ap`: it overlaps a tenth around.
    Approximate,
}

impl Prefix {
    /// Splits a prefix off; without one it is `eq`.
    pub(crate) fn split(text: &str) -> (Prefix, &str) {
        let Some((head, rest)) = text.split_at_checked(2) else {
            return (Prefix::Equal, text);
        };
        let prefix = match head {
            "eq" => Prefix::Equal,
            "ne" => Prefix::NotEqual,
            "gt" => Prefix::Greater,
            "lt" => Prefix::Less,
            "ge" => Prefix::GreaterOrEqual,
            "le" => Prefix::LessOrEqual,
            "sa" => Prefix::StartsAfter,
            "eb" => Prefix::EndsBefore,
            "ap" => Prefix::Approximate,
            _ => return (Prefix::Equal, text),
        };
        (prefix, rest)
    }
}
