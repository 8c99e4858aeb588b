//! The values that are bound to the parameters of a query: by name, and of the type that the query
//! declares.

use super::library::Declared;
use remit_fhir::date::{Moment, Precision};
use remit_fhir::{Document, Error, IssueType, Node, Result};
use remit_mart::Parameter;
use std::collections::BTreeMap;

/// Microseconds of a day.
const DAY_US: i64 = 86_400_000_000;

/// The values for what a query declares. A fault is told at the name of its parameter.
pub(super) fn bind(declared: &[Declared], values: Option<&Document>) -> Result<BTreeMap<String, Parameter>> {
    let given: Vec<Node<'_>> = match values {
        None => Vec::new(),
        Some(values) => {
            let root = values.root();
            if root.resource_type().is_none_or(|ty| ty != "Parameters") {
                return Err(Error::invalid("The values come in a Parameters resource.").at("parameters"));
            }
            root.get("parameter").into_iter().flat_map(|list| list.items()).collect()
        }
    };
    let mut bound = BTreeMap::new();
    for one in &given {
        let name = one.get_str("name").unwrap_or_default();
        let at = place(&name);
        let Some(declared) = declared.iter().find(|declared| declared.name == name) else {
            return Err(Error::invalid("The query declares no parameter of this name.").at(at));
        };
        let value = value(declared, *one).map_err(|error| error.at(at.clone()))?;
        if bound.insert(declared.name.clone(), value).is_some() {
            return Err(Error::invalid("Give this parameter once.").at(at));
        }
    }
    for declared in declared.iter().filter(|declared| !bound.contains_key(&declared.name)).collect::<Vec<_>>()
    {
        if !declared.is_optional {
            return Err(Error::invalid(format!("The parameter '{}' has no value.", declared.name))
                .coded(IssueType::Required)
                .at(place(&declared.name)));
        }
        bound.insert(declared.name.clone(), Parameter::Null);
    }
    Ok(bound)
}

fn place(name: &str) -> String {
    let shown: String = name.chars().take(80).collect();
    format!("parameters.parameter.where(name='{shown}')")
}

fn value(declared: &Declared, given: Node<'_>) -> Result<Parameter> {
    let mut values = given.members().filter(|(member, _)| member.starts_with("value"));
    let (Some((member, value)), None) = (values.next(), values.next()) else {
        return Err(Error::invalid("A parameter of a query has one value of a simple type."));
    };
    let mut letters = declared.ty.chars();
    let upper: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
    let is_text = !matches!(
        declared.ty.as_str(),
        "boolean" | "integer" | "positiveInt" | "unsignedInt" | "decimal" | "date" | "dateTime" | "instant"
    );
    // One text type stands for another, and so does one type of whole number.
    let fits = member == format!("value{upper}")
        || (is_text && is_text_member(&member))
        || (is_whole(&declared.ty)
            && matches!(&*member, "valueInteger" | "valuePositiveInt" | "valueUnsignedInt"));
    if !fits {
        let text = format!("The query declares this parameter as {}; give value{upper}.", declared.ty);
        return Err(Error::invalid(text).coded(IssueType::Value));
    }
    typed(&declared.ty, value).ok_or_else(|| {
        Error::invalid(format!("This is no value of type {}.", declared.ty)).coded(IssueType::Value)
    })
}

fn is_whole(ty: &str) -> bool {
    matches!(ty, "integer" | "positiveInt" | "unsignedInt")
}

fn is_text_member(member: &str) -> bool {
    const TEXTS: [&str; 9] = [
        "valueString",
        "valueCode",
        "valueId",
        "valueUri",
        "valueUrl",
        "valueCanonical",
        "valueOid",
        "valueUuid",
        "valueMarkdown",
    ];
    TEXTS.contains(&member)
}

fn typed(ty: &str, value: Node<'_>) -> Option<Parameter> {
    let moment = || Moment::parse(&value.string()?);
    Some(match ty {
        "boolean" => Parameter::Boolean(value.boolean()?),
        "decimal" => Parameter::Decimal(value.number()?.to_owned()),
        ty if is_whole(ty) => Parameter::Integer(value.number()?.parse().ok()?),
        "date" => {
            let moment = moment().filter(|m| m.precision == Precision::Day)?;
            Parameter::Date(i32::try_from(moment.low.div_euclid(DAY_US)).ok()?)
        }
        "dateTime" | "instant" => Parameter::Instant(moment()?.low),
        _ => Parameter::Text(value.string()?.into_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(ty: &str, value: &str) -> Result<Parameter, u16> {
        let declared = [Declared { name: "p".into(), ty: ty.into(), is_optional: false }];
        let text = format!(r#"{{"resourceType":"Parameters","parameter":[{{"name":"p",{value}}}]}}"#);
        let document = remit_fhir::json::parse(text).expect("the case is JSON");
        let mut all = bind(&declared, Some(&document)).map_err(|error| error.status())?;
        Ok(all.remove("p").expect("it is bound"))
    }

    #[test]
    fn a_value_has_the_type_that_the_query_declares() {
        let text = |text: &str| Ok(Parameter::Text(text.to_owned()));
        let cases = [
            ("string", r#""valueString":"a' or 1=1""#, text("a' or 1=1")),
            ("code", r#""valueString":"x""#, text("x")),
            ("string", r#""valueDate":"2024-01-01""#, Err(400)),
            ("date", r#""valueDate":"1970-01-02""#, Ok(Parameter::Date(1))),
            ("date", r#""valueDate":"1970-01""#, Err(400)),
            ("date", r#""valueString":"1970-01-02""#, Err(400)),
            ("date", r#""valueDate":"x""#, Err(400)),
            ("dateTime", r#""valueDateTime":"1970-01-01T00:00:01Z""#, Ok(Parameter::Instant(1_000_000))),
            ("integer", r#""valueInteger":7"#, Ok(Parameter::Integer(7))),
            ("positiveInt", r#""valueInteger":7"#, Ok(Parameter::Integer(7))),
            ("integer", r#""valueInteger":7.5"#, Err(400)),
            ("decimal", r#""valueDecimal":1.10"#, Ok(Parameter::Decimal("1.10".into()))),
            ("boolean", r#""valueBoolean":true"#, Ok(Parameter::Boolean(true))),
            ("boolean", r#""valueBoolean":"true""#, Err(400)),
            ("string", r#""valueString":"a","valueCode":"b""#, Err(400)),
            ("string", r#""part":[]"#, Err(400)),
        ];
        for (ty, value, expected) in cases {
            assert_eq!(bound(ty, value), expected, "{ty} {value}");
        }
    }

    #[test]
    fn what_is_missing_or_not_declared_is_told() {
        let declared = [
            Declared { name: "must".into(), ty: "string".into(), is_optional: false },
            Declared { name: "may".into(), ty: "date".into(), is_optional: true },
        ];
        assert_eq!(bind(&declared, None).expect_err("must is missing").status(), 400);
        assert_eq!(bind(&declared[1..], None).expect("may is null")["may"], Parameter::Null);
        let other = r#"{"resourceType":"Parameters","parameter":[{"name":"other","valueString":"x"}]}"#;
        let other = remit_fhir::json::parse(other).expect("the case is JSON");
        assert_eq!(bind(&declared[1..], Some(&other)).expect_err("it is not declared").status(), 400);
    }
}
