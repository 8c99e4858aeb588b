//! The names under which ViewDefinition is known
//! (<https://sql-on-fhir.org/ig/2.0.0/StructureDefinition-ViewDefinition.html>). On an R4 server it is a type
//! beside those of the core; clients write its short name or the canonical URL of its definition as
//! `resourceType`, and the definition has had several. Here it has the short name, everywhere.

use remit_fhir::json::{self, Splice, quote, splice};
use remit_fhir::{Document, Node, Result};

/// The end that all long names share, to be looked for before anything else.
const END: &str = "/StructureDefinition/ViewDefinition\"";

/// The URLs that the definition was published under.
const LONG: [&str; 3] = [
    "http://hl7.org/fhir/uv/sql-on-fhir/StructureDefinition/ViewDefinition",
    "https://sql-on-fhir.org/ig/StructureDefinition/ViewDefinition",
    "http://hl7.org/fhir/StructureDefinition/ViewDefinition",
];

/// The same document with the short name in place of the long ones, wherever a resource stands in it.
pub fn spelled(document: Document) -> Result<Document> {
    if !document.text().contains(END) {
        return Ok(document);
    }
    let mut edits = Vec::new();
    collect(document.root(), &mut edits);
    match edits.is_empty() {
        true => Ok(document),
        false => Ok(json::parse(splice(document.text(), edits))?),
    }
}

/// The reader bounds the depth of a document, and so that of this.
fn collect(node: Node<'_>, edits: &mut Vec<Splice>) {
    for (name, value) in node.members() {
        let is_long = || value.string().is_some_and(|text| LONG.contains(&&*text));
        if name == "resourceType" && is_long() {
            edits.push(Splice::replace(value, quote("ViewDefinition")));
        } else {
            collect(value, edits);
        }
    }
    if node.is_array() {
        node.items().for_each(|item| collect(item, edits));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_of_the_type_become_the_short_one_and_nothing_else_changes() {
        let cases = [
            (r#"{"resourceType":"Patient"}"#, r#"{"resourceType":"Patient"}"#),
            (
                r#"{"resourceType":"https://sql-on-fhir.org/ig/StructureDefinition/ViewDefinition","x":1.00}"#,
                r#"{"resourceType":"ViewDefinition","x":1.00}"#,
            ),
            (
                r#"{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"http://hl7.org/fhir/uv/sql-on-fhir/StructureDefinition/ViewDefinition"}}]}"#,
                r#"{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"ViewDefinition"}}]}"#,
            ),
            (
                r#"{"resourceType":"Basic","x":"http://hl7.org/fhir/StructureDefinition/ViewDefinition"}"#,
                r#"{"resourceType":"Basic","x":"http://hl7.org/fhir/StructureDefinition/ViewDefinition"}"#,
            ),
            (
                r#"{"resourceType":"http://example.org/StructureDefinition/ViewDefinition"}"#,
                r#"{"resourceType":"http://example.org/StructureDefinition/ViewDefinition"}"#,
            ),
        ];
        for (text, expected) in cases {
            let document = json::parse(text).expect("the case is JSON");
            assert_eq!(spelled(document).expect("it is JSON still").text(), expected, "{text}");
        }
    }
}
