//! The few expressions that are more than a path, by the FHIRPath engine: `Patient.deceased` is a
//! truth value that stands in no element.

use crate::extract::{Index, Item};
use crate::registry::Extractor;
use crate::rows::{DateRow, NumberRow, Real, StringRow, TokenRow, UriRow};
use crate::string::norm;
use remit_fhir::date::Moment;
use remit_fhir::{Error, Result};
use remit_fhirpath::{self as fhirpath, Element, Environment, Expression, Mode, Options};
use remit_spec::{Definitions, SearchKind, TypeId};

/// Compiles an alternative of a search parameter's expression.
pub(crate) fn compile(text: &str, focus: TypeId, definitions: &'static Definitions) -> Result<Expression> {
    let options = Options { context: Some(focus), mode: Mode::Lenient, ..Options::default() };
    fhirpath::compile_with(text, options, definitions).map_err(|e| {
        Error::invalid(format!("The expression '{text}' of a search parameter is refused: {e}."))
    })
}

/// Writes the rows of what the expression gives.
pub(crate) fn index(
    expression: &Expression,
    extractor: &Extractor,
    root: &Item<'_>,
    index: &mut Index<'_>,
) -> Result<()> {
    let definitions = index.definitions;
    for value in &evaluate(expression, root)? {
        match value {
            fhirpath::Item::Element(Element { node: Some(node), ty: Some(ty), .. }) => {
                extractor.index(&Item { node: *node, ty: *ty, value_set: None }, index);
            }
            fhirpath::Item::Element(_) => {}
            value => {
                if let Some(text) = value.text(definitions) {
                    index_text(&text, extractor, index);
                }
            }
        }
    }
    Ok(())
}

/// How many values the expression gives.
pub(crate) fn count(expression: &Expression, root: &Item<'_>) -> Result<usize> {
    Ok(evaluate(expression, root)?.len())
}

fn evaluate<'a>(expression: &'a Expression, root: &Item<'a>) -> Result<fhirpath::Collection<'a>> {
    // No search parameter may depend on the time, or its rows would grow stale.
    let environment = Environment::new(0);
    let focus = fhirpath::Item::Element(Element::of(root.node, root.ty));
    expression.evaluate(focus, &environment).map_err(|e| {
        Error::unprocessable(format!(
            "The search parameter expression '{}' fails here: {e}.",
            expression.text()
        ))
    })
}

fn index_text(text: &str, extractor: &Extractor, index: &mut Index<'_>) {
    let (param, rows) = (extractor.param, &mut index.rows);
    match extractor.kind {
        SearchKind::Token => rows.tokens.push(TokenRow { param, code: text.into(), system: "".into() }),
        SearchKind::Uri => rows.uris.push(UriRow { param, uri: text.into() }),
        SearchKind::String => {
            rows.strings.push(StringRow { param, norm: norm(text).into(), exact: text.into() })
        }
        SearchKind::Date => {
            rows.dates.extend(Moment::parse(text).map(|m| DateRow { param, low: m.low, high: m.high }));
        }
        SearchKind::Number => {
            let number = text.parse().ok().filter(|v: &f64| v.is_finite());
            rows.numbers.extend(number.map(|v| NumberRow { param, low: Real(v), high: Real(v) }));
        }
        SearchKind::Reference | SearchKind::Quantity | SearchKind::Composite | SearchKind::Special => {}
    }
}
