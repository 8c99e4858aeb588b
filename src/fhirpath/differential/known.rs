//! Where the other implementation reads the specification otherwise, each with the reason for our
//! reading.

use remit_fhir::json::Document;

use super::compare::Typed;

type Ours = Result<Vec<Typed>, String>;

/// A difference: why ours is right, and how it is told.
struct Known {
    #[expect(dead_code, reason = "for the reader")]
    reason: &'static str,
    is: fn(&str, &Ours, &Document) -> bool,
}

static KNOWN: &[Known] = &[
    Known {
        reason: "N1: toDate() takes a DateTime; theirs only one without a time",
        is: |expression, _, _| has(expression, &["toDate()", "convertsToDate()"]),
    },
    Known {
        reason: "a logarithm that does not exist is empty; theirs is not a number",
        is: |expression, ours, theirs| {
            has(expression, &["ln()", "log("]) && is_empty(ours) && theirs.text().contains("null")
        },
    },
    Known {
        reason: "N1: a sign stands before any number, and before nothing it is nothing; theirs refuses elements",
        is: |_, _, theirs| error(theirs).starts_with("Unary"),
    },
    Known {
        reason: "an instant is compared as a date and time; theirs takes it for something else",
        is: |expression, _, _| has(expression, &["issued"]) && has(expression, &["@"]),
    },
    Known {
        reason: "N1: values of different types are not equal, and cannot be ordered; theirs gives nothing for dates",
        is: |expression, _, theirs| {
            has(expression, &["combine(", "union(", " | "])
                && has(expression, &["@"])
                && theirs.text().contains("\"items\":[]")
        },
    },
    Known {
        reason: "N1: functions on strings refuse other types; theirs takes dates as their text",
        is: |_, ours, _| ours.as_ref().is_err_and(|error| error.contains("must be a String, and is FHIR.")),
    },
    Known {
        reason: "N1: toInteger() does not take a Decimal; theirs cannot tell 2.0 from 2",
        is: |expression, ours, _| {
            let holds_false = ours.as_ref().is_ok_and(|items| items.iter().any(|item| item.1 == "false"));
            has(expression, &["toInteger()"]) && is_empty(ours)
                || has(expression, &["convertsToInteger()"]) && holds_false
        },
    },
    Known {
        reason: "a Decimal has 28 digits; theirs as many as are asked for",
        is: |expression, ours, _| {
            has(expression, &["exp()", "toDecimal()", "convertsToDecimal()", "toQuantity()"])
                && !has_value(ours)
        },
    },
    Known {
        reason: "N1: a criterion that is false leaves the item out; theirs takes an element for true",
        is: |expression, _, _| {
            has(expression, &["where($this)", "exists($this)", "all($this)", "where($this or false)"])
        },
    },
    Known {
        reason: "N1: subsetOf() asks for each item whether it is in the other; theirs compares the lengths first",
        is: |expression, _, _| has(expression, &["subsetOf("]),
    },
    Known {
        reason: "text is encoded as UTF-8; theirs takes a byte for each character",
        is: |expression, ours, _| has(expression, &["code('base64')", "code('urlbase64')"]) && ours.is_ok(),
    },
    Known {
        reason: "the right side of and, or, implies is not looked at when the left decides; theirs meets its errors",
        is: |expression, ours, theirs| {
            has(expression, &[" and ", " or ", " implies "]) && ours.is_ok() && !error(theirs).is_empty()
        },
    },
];

fn error(theirs: &Document) -> String {
    theirs.root().get_str("error").unwrap_or_default().into_owned()
}

fn has_value(ours: &Ours) -> bool {
    ours.as_ref().is_ok_and(|items| items.iter().any(|item| item.1 != "false"))
}

fn has(expression: &str, any: &[&str]) -> bool {
    any.iter().any(|part| expression.contains(part))
}

fn is_empty(ours: &Ours) -> bool {
    ours.as_ref().is_ok_and(|items| items.is_empty())
}

/// Whether a difference is one of those above.
pub(super) fn is_known(expression: &str, ours: &Ours, theirs: &Document) -> bool {
    KNOWN.iter().any(|known| (known.is)(expression, ours, theirs))
}
