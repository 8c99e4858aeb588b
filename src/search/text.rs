//! The texts of codes, identifiers and references, for the modifier `:text`
//! (<https://hl7.org/fhir/R4/search.html#modifiers>), and the pairs for `:of-type`.
//!
//! A text matches where it or one of its words starts with what is searched. Words are not indexed one
//! by one: different texts are few, so a statement hops over them in the index and looks into each once.

use crate::extract::Item;
use crate::rows::{CompositeRow, TextRow};
use crate::sql::{Arg, Writer};
use remit_fhir::{Error, Node, Result};

/// Characters of a text that count. Displays are shorter; a row of an index has little room.
const MAX_TEXT: usize = 250;

/// A text searched for, as [`words`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Value(Box<str>);

/// Folded words with one blank between them; whatever is no letter or digit divides words.
fn words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let folded = crate::fold(text);
    for word in folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    if let Some((end, _)) = out.char_indices().nth(MAX_TEXT) {
        out.truncate(end);
    }
    out
}

/// Writes the texts that stand beside the codes of a value.
pub(crate) fn index(item: &Item<'_>, param: i32, rows: &mut Vec<TextRow>) {
    let node = item.node;
    let mut add = |text: Option<std::borrow::Cow<'_, str>>| {
        let norm = text.map(|text| words(&text)).unwrap_or_default();
        // A text often stands twice: as that of the concept and that of its coding.
        let is_new = !norm.is_empty() && !rows.iter().any(|row| row.param == param && *row.norm == norm);
        if is_new {
            rows.push(TextRow { param, norm: norm.into() });
        }
    };
    match item.type_name() {
        "CodeableConcept" => {
            add(node.get_str("text"));
            node.get("coding").into_iter().flat_map(Node::each).for_each(|c| add(c.get_str("display")));
        }
        "Coding" | "Reference" => add(node.get_str("display")),
        "Identifier" => add(node.get("type").and_then(|kind| kind.get_str("text"))),
        _ => {}
    }
}

/// The types of values that have a text, and the only one that has a type of its own.
pub(crate) const WITH_TEXT: [&str; 3] = ["CodeableConcept", "Coding", "Identifier"];

/// Writes value and type of an identifier.
pub(crate) fn index_of_type(item: &Item<'_>, param: i32, rows: &mut Vec<CompositeRow>) {
    if item.type_name() != "Identifier" {
        return;
    }
    let Some(value) = item.node.get_str("value").filter(|v| !v.is_empty()) else { return };
    let codings = item.node.get("type").and_then(|kind| kind.get("coding"));
    for coding in codings.into_iter().flat_map(Node::each) {
        let system = coding.get_str("system").unwrap_or_default();
        if let Some(code) = coding.get_str("code").filter(|c| !c.is_empty()) {
            let (code2, system2) = ((*code).into(), (*system).into());
            rows.push(CompositeRow {
                param,
                code: (*value).into(),
                code2,
                system2,
                ..CompositeRow::default()
            });
        }
    }
}

/// Reads a value of the URL.
pub(crate) fn parse(text: &str) -> Result<Value> {
    let norm = words(text);
    if norm.is_empty() {
        return Err(Error::invalid("A text to search for must have a letter or digit in it."));
    }
    Ok(Value(norm.into()))
}

impl Value {
    pub(crate) fn holds(&self, norm: &str) -> bool {
        norm.match_indices(&*self.0).any(|(at, _)| at == 0 || norm[..at].ends_with(' '))
    }

    /// The same as [`holds`](Self::holds), of a column. Neither text has a character that `like` knows.
    fn sql(&self, w: &mut Writer, column: &str) {
        w.push(column).push(" like ").arg(Arg::Text(format!("{}%", self.0))).push(" or ");
        w.push(column).push(" like ").arg(Arg::Text(format!("% {}%", self.0)));
    }
}

/// Writes a select of the different texts of these parameters that match, as column `n`.
pub(crate) fn matching(w: &mut Writer, tenant: i32, params: &[i32], values: &[Value]) {
    w.list(params, " union ", |w, param| {
        let (t, from) = (w.alias(), |w: &mut Writer| {
            w.push("(select min(norm) from ix_text where tenant = ").arg(Arg::Int(tenant.into()));
            w.push(" and param = ").number(i64::from(*param));
        });
        w.push("select n from (with recursive ").push(&t).push("(n) as (select ");
        from(w);
        w.push(") union all select ");
        from(w);
        w.push(" and norm > ").push(&t).push(".n) from ").push(&t).push(" where ").push(&t);
        w.push(".n is not null) select n from ").push(&t).push(" where ");
        w.list(values, " or ", |w, value| value.sql(w, "n"));
        let alias = w.alias();
        w.push(") ").push(&alias);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_from_the_start_of_its_words() {
        for (search, text, expected) in [
            ("headache", "Headache", true),
            ("headache", "Migraine headache (disorder)", true),
            ("disorder", "Migraine headache (disorder)", true),
            ("head ache", "Headache", false),
            ("MIGRAINE HEAD", "Migräne, migraine\theadache", true),
            ("ache", "Migraine headache", false),
            ("covid-19", "COVID-19 test", true),
            ("19", "COVID-19 test", true),
            ("o'brien", "Conan O'Brien", true),
            ("100%", "100 percent", true),
            ("raine", "Migraine raines", true),
        ] {
            assert_eq!(parse(search).unwrap().holds(&words(text)), expected, "{search} in {text}");
        }
        assert!(parse("%").is_err());
        assert_eq!(words(&"é ".repeat(400)).chars().count(), MAX_TEXT);
    }
}
