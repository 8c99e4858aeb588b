use super::*;

const OPEN: &str = "<Patient xmlns=\"http://hl7.org/fhir\">";

fn patient(inner: &str) -> Result<String, String> {
    read(&format!("{OPEN}{inner}</Patient>"))
}

/// XML to JSON, and the JSON back to the same XML.
fn both_ways(inner: &str, members: &str) {
    let expected = format!("{{\"resourceType\":\"Patient\"{members}}}");
    assert_eq!(patient(inner).as_deref(), Ok(expected.as_str()), "{inner}");
    let again = write(&json::parse(expected).unwrap()).unwrap();
    let body = if inner.is_empty() {
        "<Patient xmlns=\"http://hl7.org/fhir\"/>".to_owned()
    } else {
        format!("{OPEN}{inner}</Patient>")
    };
    assert_eq!(again, format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{body}"));
}

#[test]
fn values_become_members_and_members_values() {
    both_ways("", "");
    both_ways("<id value=\"a\"/><active value=\"true\"/>", ",\"id\":\"a\",\"active\":true");
    both_ways(
        "<name><family value=\"F\"/><given value=\"a\"/><given value=\"b\"/></name>",
        ",\"name\":[{\"family\":\"F\",\"given\":[\"a\",\"b\"]}]",
    );
    both_ways("<multipleBirthInteger value=\"2\"/>", ",\"multipleBirthInteger\":2");
    both_ways(
        "<language value=\"a &amp; &lt;b&gt; &quot;c&quot;&#10;&#9;&#13;\"/>",
        ",\"language\":\"a & <b> \\\"c\\\"\\n\\t\\r\"",
    );
}

#[test]
fn decimals_keep_their_text() {
    for text in ["1.00", "1.10e2", "-0.0", "0.10000000000000000000000000000000001", "1E-22"] {
        both_ways(
            &format!("<extension url=\"u\"><valueDecimal value=\"{text}\"/></extension>"),
            &format!(",\"extension\":[{{\"url\":\"u\",\"valueDecimal\":{text}}}]"),
        );
    }
}

#[test]
fn ids_and_extensions_of_primitives_pair_with_values() {
    both_ways(
        "<birthDate id=\"b\" value=\"1970\"/>"
            .replace("id=\"b\" value=\"1970\"", "value=\"1970\" id=\"b\"")
            .as_str(),
        ",\"birthDate\":\"1970\",\"_birthDate\":{\"id\":\"b\"}",
    );
    both_ways(
        "<birthDate><extension url=\"u\"><valueCode value=\"c\"/></extension></birthDate>",
        ",\"_birthDate\":{\"extension\":[{\"url\":\"u\",\"valueCode\":\"c\"}]}",
    );
    both_ways(
        "<name><given value=\"a\"/><given id=\"x\"/><given value=\"c\"/></name>",
        ",\"name\":[{\"given\":[\"a\",null,\"c\"],\"_given\":[null,{\"id\":\"x\"},null]}]",
    );
    both_ways("<name><given id=\"x\"/></name>", ",\"name\":[{\"_given\":[{\"id\":\"x\"}]}]");
    both_ways("<name id=\"n\"><family value=\"F\"/></name>", ",\"name\":[{\"id\":\"n\",\"family\":\"F\"}]");
    both_ways(
        "<extension id=\"e\" url=\"u\"><valueCode value=\"c\"/></extension>",
        ",\"extension\":[{\"id\":\"e\",\"url\":\"u\",\"valueCode\":\"c\"}]",
    );
}

#[test]
fn resources_lie_inside_resources() {
    both_ways(
        "<contained><Organization><id value=\"o\"/></Organization></contained><contained><Patient/></contained>",
        ",\"contained\":[{\"resourceType\":\"Organization\",\"id\":\"o\"},{\"resourceType\":\"Patient\"}]",
    );
    let bundle = "<Bundle xmlns=\"http://hl7.org/fhir\"><type value=\"batch\"/><entry><resource><Patient><id value=\"a\"/></Patient></resource></entry></Bundle>";
    assert_eq!(
        read(bundle).unwrap(),
        "{\"resourceType\":\"Bundle\",\"type\":\"batch\",\"entry\":[{\"resource\":{\"resourceType\":\"Patient\",\"id\":\"a\"}}]}"
    );
    let parameters = "<Parameters xmlns=\"http://hl7.org/fhir\"><parameter><name value=\"a\"/><part><name value=\"b\"/><valueString value=\"1\"/></part></parameter></Parameters>";
    assert_eq!(
        read(parameters).unwrap(),
        "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"a\",\"part\":[{\"name\":\"b\",\"valueString\":\"1\"}]}]}"
    );
    for (inner, fault) in [
        ("<contained/>", "holds no resource"),
        ("<contained><Patient/><Patient/></contained>", "holds more than one resource"),
        ("<contained><HumanName/></contained>", "is no resource type"),
        ("<contained id=\"x\"><Patient/></contained>", "There is no attribute 'id' here"),
        ("<contained><x:Patient xmlns:x=\"urn:x\"/></contained>", "not in the namespace"),
    ] {
        assert!(patient(inner).unwrap_err().contains(fault), "{inner}: {:?}", patient(inner));
    }
}

#[test]
fn narratives_stay_what_they_are() {
    let narrative = |div: &str| format!("<text><status value=\"generated\"/>{div}</text>");
    let member = |div: &str| format!(",\"text\":{{\"status\":\"generated\",\"div\":{}}}", json::quote(div));
    for div in [
        "<div xmlns=\"http://www.w3.org/1999/xhtml\">a &lt; b<br/><p class='x' >c</p>\n&#160;<!-- d --><![CDATA[<e>]]></div>",
        "<div xmlns=\"http://www.w3.org/1999/xhtml\"/>",
        "<div xmlns=\"http://www.w3.org/1999/xhtml\" class=\"a\"><div><div>x</div></div></div>",
    ] {
        both_ways(&narrative(div), &member(div));
    }
    let prefixed = "<text><status value=\"generated\"/><h:div xmlns:h=\"http://www.w3.org/1999/xhtml\" class=\"c\">a<h:b>b</h:b><?pi?><h:br/></h:div></text>";
    let plain = "<div xmlns=\"http://www.w3.org/1999/xhtml\" class=\"c\">a<b>b</b><br/></div>";
    assert_eq!(patient(prefixed).unwrap(), format!("{{\"resourceType\":\"Patient\"{}}}", member(plain)));
    let no_xhtml = narrative("<div>x</div>");
    assert!(patient(&no_xhtml).unwrap_err().contains("not in the namespace http://www.w3.org/1999/xhtml"));
    let mixed = narrative("<div xmlns=\"http://www.w3.org/1999/xhtml\"><b xmlns=\"urn:x\">x</b></div>");
    assert!(patient(&mixed).is_err());
}

#[test]
fn comments_instructions_and_white_space_mean_nothing() {
    let expected = "{\"resourceType\":\"Patient\",\"id\":\"a\"}";
    let xml = "\u{feff}<?xml version=\"1.0\"?>\r\n<!-- x --><?pi?>\n<f:Patient xmlns:f='http://hl7.org/fhir' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xsi:schemaLocation='a b'>\r\n <!-- y --> <f:id value='a' ></f:id> <?pi?></f:Patient>\n<!-- z -->";
    assert_eq!(read(xml).unwrap(), expected);
    assert_eq!(
        patient("<language value=\"a\r\nb\tc\"/>").unwrap(),
        "{\"resourceType\":\"Patient\",\"language\":\"a b c\"}"
    );
}

#[test]
fn faults_say_line_column_and_element() {
    let xml = format!(
        "{OPEN}\n <active value=\"true\"/>\n <id value=\"a\"/>\n <gender value=\"male\"/><gender value=\"male\"/>\n <nmae/><address>x<line/><use value=\"home\"/></address></Patient>"
    );
    let converted = convert(xml.as_bytes(), Definitions::r4(), &Limits::default()).unwrap();
    let found: Vec<_> =
        converted.issues.iter().map(|i| format!("{} {}", i.expression.concat(), i.diagnostics)).collect();
    assert_eq!(
        found,
        [
            "Patient.id 'id' is out of order; in XML the elements stand in the order of the definition (line 3, column 2).",
            "Patient.gender 'gender' may occur only once (line 4, column 24).",
            "Patient 'nmae' is no element of Patient (line 5, column 2).",
            "Patient.address[0] There is text between the elements; values stand in the attribute 'value' (line 5, column 18).",
            "Patient.address[0].line[0] 'line' has neither a value nor an extension (line 5, column 19).",
            "Patient.address[0].use 'use' is out of order; in XML the elements stand in the order of the definition (line 5, column 26).",
        ]
    );
}

#[test]
fn what_is_no_fhir_is_refused() {
    let cases = [
        ("", "there is no element at line 1, column 1"),
        ("x", "there is something outside of the resource"),
        ("<Patient/>", "the root element is not in the namespace http://hl7.org/fhir"),
        ("<Patient xmlns=\"urn:hl7-org:v3\"/>", "the root element is not in the namespace"),
        ("<x:Patient/>", "the root element is not in the namespace"),
        ("<Patien xmlns=\"http://hl7.org/fhir\"/>", "'Patien' is no resource type of FHIR R4"),
        ("<HumanName xmlns=\"http://hl7.org/fhir\"/>", "'HumanName' is no resource type"),
        ("<Patient xmlns=\"http://hl7.org/fhir\"><id value=\"a\"/>", "the text ends inside"),
        ("<Patient xmlns=\"http://hl7.org/fhir\"><id value=\"a\"></Patient>", "cannot be read"),
        ("<Patient xmlns=\"http://hl7.org/fhir\"/><Patient/>", "outside of the resource"),
        ("<Patient xmlns=\"http://hl7.org/fhir\"><id value=\"a\" value=\"b\"/></Patient>", "not well-formed"),
        ("<Patient xmlns=\"http://hl7.org/fhir\"><id value=a/></Patient>", "not well-formed"),
        ("<Patient xmlns=\"http://hl7.org/fhir\"><id value=\"<\"/></Patient>", "cannot be read"),
        ("<?xml version=\"1.0\" encoding=\"latin-1\"?><Patient xmlns=\"http://hl7.org/fhir\"/>", "UTF-8"),
    ];
    for (xml, fault) in cases {
        let found = read(xml).unwrap_err();
        assert!(found.contains(fault), "{xml}: {found}");
    }
    assert!(
        to_json(b"<a\xff/>", Definitions::r4(), &Limits::default())
            .unwrap_err()
            .to_string()
            .contains("it is not UTF-8 at line 1, column 3")
    );
    let cases = [
        ("<id value=\"a\" id=\"b\"/>", None),
        ("<id vaule=\"a\"/>", Some("There is no attribute 'vaule' here")),
        ("<name use=\"official\"/>", Some("There is no attribute 'use' here")),
        ("<name id=\"a\" xml:lang=\"en\"/>", Some("There is no attribute 'xml:lang' here")),
        ("<x:id xmlns:x=\"urn:x\" value=\"a\"/>", Some("'id' is not in the namespace")),
        ("<id value=\"a\">x</id>", Some("There is text between")),
        ("<id value=\"a\"><![CDATA[x]]></id>", Some("There is text between")),
        (
            "<deceasedBoolean value=\"true\"/><deceasedDateTime value=\"2020\"/>",
            Some("second value of a choice"),
        ),
        ("<extension><url value=\"x\"/></extension>", Some("'url' is no element of Extension")),
    ];
    for (inner, fault) in cases {
        match (patient(inner), fault) {
            (Ok(_), None) => {}
            (Err(found), Some(fault)) => assert!(found.contains(fault), "{inner}: {found}"),
            (found, _) => panic!("{inner}: {found:?}"),
        }
    }
}

#[test]
fn the_number_of_faults_that_are_told_is_bounded() {
    let inner = "<x/>".repeat(1000);
    let converted =
        convert(format!("{OPEN}{inner}</Patient>").as_bytes(), Definitions::r4(), &Limits::default())
            .unwrap();
    assert_eq!(converted.issues.len(), 101);
    assert_eq!(converted.issues[100].diagnostics, "900 more faults are left out.");
}

#[test]
fn members_are_written_in_the_order_of_the_definition() {
    let document = json::parse(r#"{"birthDate":"1970","_birthDate":{"id":"b"},"id":"a","name":[{"given":["x"],"family":"y"}],"resourceType":"Patient"}"#).unwrap();
    let xml = write(&document).unwrap();
    assert!(xml.ends_with("<id value=\"a\"/><name><family value=\"y\"/><given value=\"x\"/></name><birthDate value=\"1970\" id=\"b\"/></Patient>"), "{xml}");
}

#[test]
fn json_that_xml_cannot_hold_is_refused() {
    for (text, fault) in [
        (r#"{"resourceType":"X"}"#, "it is no resource"),
        (r#"{}"#, "it is no resource"),
        (r#"[]"#, "it is no resource"),
        (r#"{"resourceType":"Patient","x":1}"#, "Patient.x: the definitions have no such element"),
        (r#"{"resourceType":"Patient","id":{}}"#, "Patient.id: it is no primitive value"),
        (r#"{"resourceType":"Patient","name":[null]}"#, "Patient.name[0]: it is null"),
        (r#"{"resourceType":"Patient","name":["x"]}"#, "Patient.name[0]: it is no object"),
        (r#"{"resourceType":"Patient","id":"\u0001"}"#, "U+0001"),
        (r#"{"resourceType":"Patient","id":"\uffff"}"#, "U+FFFF"),
        (r#"{"resourceType":"Patient","id":"a","id":"b"}"#, "it occurs twice"),
        (r#"{"resourceType":"Patient","text":{"div":"<div>"}}"#, "the narrative"),
    ] {
        let found = write(&json::parse(text).unwrap()).unwrap_err();
        assert!(found.contains(fault), "{text}: {found}");
    }
}
