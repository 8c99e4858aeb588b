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
            let converts =
                ["exp()", "toDecimal()", "convertsToDecimal()", "toQuantity()", "convertsToQuantity()"];
            has(expression, &converts) && !has_value(ours)
        },
    },
    Known {
        reason: "the text of a quotient has the 28 digits of a Decimal; theirs those of a binary number",
        is: |expression, ours, theirs| {
            has(expression, &["toString()"]) && has(expression, &[" / "]) && are_close_texts(ours, theirs)
        },
    },
    Known {
        reason: "official suite: ofType() keeps exactly the type of a primitive; theirs keeps a code as a string",
        is: |expression, _, _| has(expression, &["ofType(string)"]),
    },
    Known {
        reason: "N1: a Quantity whose unit is not of UCUM says nothing in a comparison; theirs refuses it",
        is: |_, ours, theirs| {
            is_empty(ours) && error(theirs).starts_with("InequalityExpression: Type of \"[object Object]\"")
        },
    },
    Known {
        reason: "halves are rounded away from zero on both sides of it; theirs rounds those below it up",
        is: |expression, ours, _| {
            let is_below = |item: &Typed| item.1.starts_with('-');
            has(expression, &["round("]) && ours.as_ref().is_ok_and(|items| items.iter().any(is_below))
        },
    },
    Known {
        reason: "N1: convertsToX() of many items is an error; theirs is nothing",
        is: |expression, ours, _| {
            let is_many = |error: &String| error.starts_with("What is converted must be one item");
            has(expression, &["convertsTo"]) && ours.as_ref().is_err_and(is_many)
        },
    },
    Known {
        reason: "N1: toString() of what is no value is nothing; theirs is what JavaScript says of an object",
        is: |_, ours, theirs| is_empty(ours) && theirs.text().contains("[object Object]"),
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

/// Whether both are one text each, and the two mean nearly the same number.
fn are_close_texts(ours: &Ours, theirs: &Document) -> bool {
    let number = |text: &str| text.trim_matches('"').parse::<f64>().ok();
    let ours = ours.as_ref().ok().and_then(|items| match items.as_slice() {
        [(ty, text)] if ty == "System.String" => number(text),
        _ => None,
    });
    let theirs = theirs.root().at(&["items", "0", "1"]).and_then(|text| number(&text.string()?));
    ours.zip(theirs).is_some_and(|(a, b)| (a - b).abs() <= 1e-9 * a.abs().max(b.abs()))
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
