use super::*;
use proptest::prelude::*;

const PATIENT: &str = r##"<?xml version="1.0" encoding="UTF-8"?>
<Patient xmlns="http://hl7.org/fhir" xmlns:h="http://www.w3.org/1999/xhtml">
  <id value="a"/>
  <text><status value="generated"/><h:div class="x">a &lt; <h:b>b</h:b><!-- c --><![CDATA[d]]></h:div></text>
  <contained><Organization><id value="o"/><name value="O&amp;O"/></Organization></contained>
  <extension url="http://example.org/x" id="e"><valueDecimal value="1.10"/></extension>
  <active value="true"/>
  <name><given value="x"/><given id="g"><extension url="http://y"><valueCode value="z"/></extension></given></name>
  <birthDate value="1970-01-01"><extension url="http://t"><valueDateTime value="1970-01-01T00:00:00Z"/></extension></birthDate>
  <multipleBirthInteger value="2"/>
</Patient>"##;

/// Whatever comes, there is an answer, and JSON that comes can be parsed and written.
fn survives(xml: &[u8]) {
    if let Ok(converted) = convert(xml, Definitions::r4(), &Limits::default()) {
        let document = json::parse(converted.json).expect("what is written is JSON");
        let mut out = Vec::new();
        let _ = from_json(document.root(), Definitions::r4(), Layout::Compact, &mut out);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_end_in_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        survives(&bytes);
    }

    #[test]
    fn markup_like_text_ends_in_an_answer(text in "[<>/!?&;#='\" a-cxmlns:\\[\\]\n\u{e9}-]{0,80}") {
        survives(text.as_bytes());
        survives(format!("<Patient xmlns=\"http://hl7.org/fhir\">{text}</Patient>").as_bytes());
        survives(format!("<Patient xmlns=\"http://hl7.org/fhir\"><text><div xmlns=\"http://www.w3.org/1999/xhtml\">{text}</div></text></Patient>").as_bytes());
    }

    #[test]
    fn changed_xml_ends_in_an_answer(cuts in proptest::collection::vec((0..PATIENT.len(), 0..20usize, "[<>/=\"& a-z]{0,4}"), 1..4)) {
        let mut bytes = PATIENT.as_bytes().to_vec();
        for (at, length, put) in cuts {
            let at = at.min(bytes.len());
            let end = (at + length).min(bytes.len());
            bytes.splice(at..end, put.bytes());
        }
        survives(&bytes);
    }

    #[test]
    fn any_string_value_goes_through_xml(text in any::<String>()) {
        let source = format!("{{\"resourceType\":\"Patient\",\"language\":{}}}", json::quote(&text));
        if let Ok(document) = json::parse(source)
            && let Ok(xml) = write(&document)
        {
            let again = json::parse(read(&xml).unwrap()).unwrap();
            prop_assert_eq!(again.root().get_str("language").unwrap(), text);
        }
    }
}

#[test]
fn depth_needs_no_stack() {
    let deep = |n: usize| {
        let open = "<extension url=\"u\">".repeat(n);
        let close = "</extension>".repeat(n);
        read(&format!("<Patient xmlns=\"http://hl7.org/fhir\">{open}{close}</Patient>"))
    };
    assert!(deep(60).is_ok());
    assert!(deep(100_000).unwrap_err().contains("elements are nested more than 64 deep"));
    let unknown = format!(
        "<Patient xmlns=\"http://hl7.org/fhir\">{}{}</Patient>",
        "<x>".repeat(50_000),
        "</x>".repeat(50_000)
    );
    assert!(read(&unknown).unwrap_err().starts_with("'x' is no element of Patient"));
    let contained = "<contained><Patient>".repeat(50_000);
    assert!(
        read(&format!("<Patient xmlns=\"http://hl7.org/fhir\">{contained}"))
            .unwrap_err()
            .contains("nested more than")
    );
}

#[test]
fn entities_and_document_types_are_refused() {
    let laughs = "<!DOCTYPE x [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]><Patient xmlns=\"http://hl7.org/fhir\"><id value=\"&b;\"/></Patient>";
    assert!(read(laughs).unwrap_err().contains("document type"));
    let undeclared = "<Patient xmlns=\"http://hl7.org/fhir\"><id value=\"&b;\"/></Patient>";
    assert!(read(undeclared).unwrap_err().contains("reference"));
    let inside = "<Patient xmlns=\"http://hl7.org/fhir\"><!DOCTYPE x><id value=\"b\"/></Patient>";
    assert!(read(inside).is_err());
}
