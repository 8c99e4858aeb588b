//! The parameter `_filter` (<https://hl7.org/fhir/R4/search_filter.html>): a filter becomes the same
//! conditions as other parameters, so it runs, and is seen by the access plan, as they are.

mod grammar;

use crate::chain::{self, MAX_CHAIN};
use crate::codes::By;
use crate::parse::{self, Context};
use crate::query::{Condition, Criterion, Present, Test};
use crate::registry::Parameter;
use crate::string::{self, Place};
use crate::token::Piece;
use crate::{codes, composite, date, has, number, position, quantity, reference};
use grammar::{Filter, Operator, Path};
use remit_fhir::{Error, IssueType, Result};
use remit_spec::{SearchKind, TypeId};

/// Reads `_filter` for resources of these types.
pub(crate) fn parse(types: &[TypeId], text: &str, context: &Context<'_>) -> Result<Condition> {
    let filter = grammar::parse(text)
        .map_err(|reason| Error::invalid(format!("The parameter '_filter' is refused: {reason}.")))?;
    compile(types, &filter, context, 0)
}

/// `hops` counts the references followed so far.
fn compile(types: &[TypeId], filter: &Filter<'_>, context: &Context<'_>, hops: usize) -> Result<Condition> {
    let all = |filters: &[Filter<'_>]| -> Result<Vec<Condition>> {
        filters.iter().map(|filter| compile(types, filter, context, hops)).collect()
    };
    Ok(match filter {
        Filter::And(filters) => Condition::All(all(filters)?),
        Filter::Or(filters) => Condition::Any(all(filters)?),
        Filter::Not(inner) => Condition::Not(Box::new(compile(types, inner, context, hops)?)),
        Filter::Test(test) => follow(types, &test.path, test, context, hops)?,
    })
}

fn refuse(test: &grammar::Test<'_>, reason: &str) -> Error {
    let value: String = test.value.text().chars().take(80).collect();
    let operator = test.operator.code();
    Error::invalid(format!("In '_filter', '{operator} {value}' is refused: {reason}."))
}

fn unsupported(test: &grammar::Test<'_>, reason: &str) -> Error {
    refuse(test, reason).coded(IssueType::NotSupported)
}

/// The condition at the end of a path that starts from these types.
fn follow(
    types: &[TypeId],
    path: &Path<'_>,
    test: &grammar::Test<'_>,
    context: &Context<'_>,
    hops: usize,
) -> Result<Condition> {
    if hops > MAX_CHAIN {
        return Err(unsupported(test, &format!("its path follows more than {MAX_CHAIN} references")));
    }
    match path {
        Path::Parameter(name) => compare(types, name, test, context),
        Path::Has { ty, reference, rest } => {
            let name = format!("_has:{ty}:{reference}");
            has::build(types, &name, ty, reference, context, |source| {
                follow(&[source], rest, test, context, hops + 1)
            })
        }
        Path::Reference { name, filter, rest } => {
            let found =
                parse::parameters(types, name, context).map_err(|reason| unsupported(test, &reason))?;
            let links = chain::links(&found, None, name, context, |target| {
                let rest = follow(&[target], rest, test, context, hops + 1)?;
                let Some(filter) = filter else { return Ok(rest) };
                Ok(Condition::All(vec![compile(&[target], filter, context, hops + 1)?, rest]))
            })?;
            let params = found.iter().map(|p| p.number).collect();
            Ok(Condition::Criterion(Criterion { params, test: Test::Chain(links) }))
        }
    }
}

/// A parameter of these types compared with the value.
fn compare(
    types: &[TypeId],
    name: &str,
    test: &grammar::Test<'_>,
    context: &Context<'_>,
) -> Result<Condition> {
    let of = |test| Ok(Condition::Criterion(Criterion { params: Vec::new(), test }));
    match name {
        "_id" | "id" => return id(test),
        "_lastUpdated" => return of(Test::Updated(vec![time(test, context)?])),
        "_list" if test.operator == Operator::Equal => {
            return has::list(types, name, test.value.text(), context);
        }
        _ => {}
    }
    let found = parse::parameters(types, name, context).map_err(|reason| unsupported(test, &reason))?;
    let Some(parameter) = found.first() else { return Err(unsupported(test, "no type is searched")) };
    if test.operator == Operator::Present {
        let present = Test::Present(Present { kind: parameter.definition.kind });
        let present = reference::condition(&found, present);
        return match test.value.text() {
            "true" => Ok(present),
            "false" => Ok(Condition::Not(Box::new(present))),
            _ => Err(refuse(test, "pr takes true or false")),
        };
    }
    let test = of_kind(&found, parameter, test, context)?;
    Ok(reference::condition(&found, test))
}

fn of_kind(
    found: &[&Parameter],
    parameter: &Parameter,
    test: &grammar::Test<'_>,
    context: &Context<'_>,
) -> Result<Test> {
    use Operator::{Contains, EndsWith, Equal, In, NotEqual, References, StartsWith, SubsumedBy, Subsumes};
    let text = test.value.text();
    let place = match test.operator {
        Contains => Some(Place::Anywhere),
        StartsWith => Some(Place::Start),
        EndsWith => Some(Place::End),
        Equal | NotEqual => Some(Place::Same),
        _ => None,
    };
    let unless_equal = |positive: Test| match test.operator {
        NotEqual => Test::Unlike(Box::new(positive)),
        _ => positive,
    };
    Ok(match (parameter.definition.kind, test.operator) {
        (SearchKind::String, _) if let Some(place) = place => {
            unless_equal(Test::String(vec![string::parse(text, place)?]))
        }
        (SearchKind::Token, Equal | NotEqual) => {
            unless_equal(Test::Token(parse::tokens(found, std::iter::once(text), context)?))
        }
        (SearchKind::Token, _) if let Some(place) = place => Test::CodePiece(vec![Piece::new(place, text)]),
        (SearchKind::Token, Subsumes | SubsumedBy | In) => Test::Codes(sets(found, test, context)?),
        (SearchKind::Uri, Equal | NotEqual) => unless_equal(Test::Uri(vec![text.into()])),
        (SearchKind::Uri, _) if let Some(place) = place => Test::UriPiece(vec![Piece::new(place, text)]),
        (SearchKind::Reference, Equal | NotEqual | References) => {
            let value = reference::parse(text, &parse::targets(found), context)?;
            unless_equal(Test::Reference(parse::of_type(vec![value], parameter.only, context)))
        }
        (SearchKind::Date, _) => Test::Date(vec![time(test, context)?]),
        (SearchKind::Number, _) => Test::Number(vec![number::parse(&prefixed(test)?)?]),
        (SearchKind::Quantity, _) => Test::Quantity(vec![quantity::parse(&prefixed(test)?)?]),
        (SearchKind::Composite, Equal) => {
            Test::Composite(vec![composite::parse(text, &parameter.parts, context)?])
        }
        (SearchKind::Special, Equal) => Test::Near(vec![position::parse(text)?]),
        (kind, _) => {
            return Err(unsupported(
                test,
                &format!("a {} parameter does not take this operator", kind.code()),
            ));
        }
    })
}

/// `ss`, `sb` and `in` ask for sets of codes as `:below`, `:above` and `:in` do.
fn sets(found: &[&Parameter], test: &grammar::Test<'_>, context: &Context<'_>) -> Result<codes::Value> {
    if !codes::has_codes(found, context) {
        return Err(unsupported(test, "its values are no codes"));
    }
    let by = match test.operator {
        Operator::Subsumes => By::Below,
        Operator::SubsumedBy => By::Above,
        _ => By::ValueSet,
    };
    let text = std::iter::once(test.value.text());
    codes::parse("_filter", by, text, found, context).map_err(|reason| refuse(test, &reason))
}

fn id(test: &grammar::Test<'_>) -> Result<Condition> {
    let text = test.value.text();
    // An id that cannot be is the id of nothing.
    let ids = Some(text.into()).filter(|_| remit_fhir::is_id(text)).into_iter().collect();
    let equal = Condition::Criterion(Criterion { params: Vec::new(), test: Test::Id(ids) });
    match test.operator {
        Operator::Equal => Ok(equal),
        Operator::NotEqual => Ok(Condition::Not(Box::new(equal))),
        _ => Err(unsupported(test, "an id takes eq and ne")),
    }
}

fn time(test: &grammar::Test<'_>, context: &Context<'_>) -> Result<date::Value> {
    match test.operator {
        Operator::Overlaps => date::overlapping(test.value.text()),
        _ => date::parse(&prefixed(test)?, context.now),
    }
}

/// The value with the operator as its prefix, as other parameters write it.
fn prefixed(test: &grammar::Test<'_>) -> Result<String> {
    use Operator::{
        Approximate, EndsBefore, Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual, StartsAfter,
    };
    let text = test.value.text();
    match test.operator {
        Equal | NotEqual | Greater | Less | GreaterOrEqual | LessOrEqual | StartsAfter | EndsBefore
        | Approximate => {}
        _ => return Err(unsupported(test, "its parameter does not take this operator")),
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')) {
        return Err(refuse(test, "its parameter takes a number or a date"));
    }
    Ok(format!("{}{text}", test.operator.code()))
}
