//! The same questions asked of one resource's rows in memory: for criteria against resources that are
//! being written, and as a second opinion in tests.

use crate::query::{Condition, Criterion, Present, Query, Test};
use crate::reference;
use crate::rows::IndexRows;
use remit_fhir::date::Micros;
use remit_spec::{SearchKind, TypeId};

/// Whether a resource matches. Type, id and time of the last change are asked as the rows are. A chain
/// or `_has` never matches here: [`is_self_contained`] tells.
pub fn matches(query: &Query, ty: TypeId, id: &str, updated: Micros, rows: &IndexRows) -> bool {
    let resource = Resource { id, updated, rows };
    (query.types.is_empty() || query.types.contains(&ty)) && query.criteria.iter().all(|c| resource.meets(c))
}

/// Whether a resource's own rows can answer the query: it has no chain and no `_has`, and the codes of
/// its sets are known.
pub fn is_self_contained(query: &Query) -> bool {
    fn is_own(condition: &Condition) -> bool {
        match condition {
            Condition::All(all) | Condition::Any(all) => all.iter().all(is_own),
            Condition::Not(inner) => is_own(inner),
            Condition::Criterion(criterion) => match &criterion.test {
                Test::Chain(_) | Test::Has(_) | Test::Owned(_) | Test::Type(_) => false,
                Test::Codes(value) => value.codes.is_some(),
                _ => true,
            },
        }
    }
    query.criteria.iter().all(is_own)
}

struct Resource<'a> {
    id: &'a str,
    updated: Micros,
    rows: &'a IndexRows,
}

impl Resource<'_> {
    fn meets(&self, condition: &Condition) -> bool {
        match condition {
            Condition::All(all) => all.iter().all(|c| self.meets(c)),
            Condition::Any(any) => any.iter().any(|c| self.meets(c)),
            Condition::Not(inner) => !self.meets(inner),
            Condition::Criterion(criterion) => self.has(criterion),
        }
    }

    fn has(&self, criterion: &Criterion) -> bool {
        let rows = self.rows;
        let of = |param: i32| criterion.params.contains(&param);
        match &criterion.test {
            Test::Id(ids) => ids.iter().any(|id| **id == *self.id),
            Test::Updated(dates) => dates.iter().any(|d| d.holds(self.updated, self.updated + 1)),
            Test::Token(values) => {
                let mut tokens = rows.tokens.iter().filter(|row| of(row.param));
                tokens.any(|row| values.iter().any(|v| v.holds(&row.system, &row.code)))
            }
            Test::Codes(value) => {
                let mut tokens = rows.tokens.iter().filter(|row| of(row.param));
                tokens.any(|row| value.holds(&row.system, &row.code))
            }
            Test::Reference(values) => values.iter().any(|value| self.refers(criterion, value)),
            Test::CodePiece(starts) => {
                let mut tokens = rows.tokens.iter().filter(|row| of(row.param));
                tokens.any(|row| starts.iter().any(|start| start.holds(&row.code)))
            }
            Test::Text(values) => {
                let mut texts = rows.texts.iter().filter(|row| of(row.param));
                texts.any(|row| values.iter().any(|v| v.holds(&row.norm)))
            }
            Test::UriPiece(pieces) => {
                let mut uris = rows.uris.iter().filter(|row| of(row.param));
                uris.any(|row| pieces.iter().any(|piece| piece.holds(&row.uri)))
            }
            Test::Unlike(test) => self.has_other(criterion, test),
            Test::Below(all) => {
                rows.uris.iter().any(|row| of(row.param) && all.iter().any(|below| below.holds(&row.uri)))
            }
            Test::Uri(uris) => rows.uris.iter().any(|row| of(row.param) && uris.contains(&row.uri)),
            Test::String(values) => {
                let mut strings = rows.strings.iter().filter(|row| of(row.param));
                strings.any(|row| values.iter().any(|v| v.holds(&row.norm, &row.exact)))
            }
            Test::Date(values) => {
                let mut dates = rows.dates.iter().filter(|row| of(row.param));
                dates.any(|row| values.iter().any(|v| v.holds(row.low, row.high)))
            }
            Test::Number(values) => {
                let mut numbers = rows.numbers.iter().filter(|row| of(row.param));
                numbers.any(|row| values.iter().any(|v| v.holds(row.low.0, row.high.0)))
            }
            Test::Quantity(values) => {
                let mut quantities = rows.quantities.iter().filter(|row| of(row.param));
                quantities.any(|row| values.iter().any(|v| v.holds(row)))
            }
            Test::Composite(values) => {
                let mut composites = rows.composites.iter().filter(|row| of(row.param));
                composites.any(|row| values.iter().any(|v| v.holds(row)))
            }
            Test::Near(values) => {
                let mut positions = rows.positions.iter().filter(|row| of(row.param));
                positions.any(|row| values.iter().any(|v| v.holds(row.latitude.0, row.longitude.0)))
            }
            Test::Words(value) => rows.words.iter().any(|row| value.holds(row)),
            // What stands in other resources cannot be told from these rows.
            Test::Chain(_) | Test::Has(_) | Test::Owned(_) | Test::Type(_) => false,
            Test::Present(present) => self.has_any(&criterion.params, *present),
            Test::OfType(ty, except) => {
                let is_other = |ty: TypeId, id: &str| !except.iter().any(|(t, i)| *t == ty && **i == *id);
                let mut references = rows.references.iter().filter(|row| of(row.param) && row.ty == *ty);
                let mut inner = rows.inner.iter().filter(|row| of(row.param));
                references.any(|row| is_other(row.ty, &row.id))
                    || inner.any(|row| rows.type_inside(row.place) == Some(*ty))
            }
        }
    }

    fn refers(&self, criterion: &Criterion, value: &reference::Value) -> bool {
        let of = |param: i32| criterion.params.contains(&param);
        let rows = self.rows;
        match value {
            reference::Value::Local(targets) => {
                let mut references = rows.references.iter().filter(|row| of(row.param));
                references.any(|row| targets.iter().any(|(ty, id)| *ty == row.ty && *id == row.id))
            }
            reference::Value::Url(url) => rows.uris.iter().any(|row| of(row.param) && row.uri == *url),
            reference::Value::Identifier(token) => {
                rows.tokens.iter().any(|row| of(row.param) && token.holds(&row.system, &row.code))
            }
        }
    }

    /// Whether there is a row of the parameter that does not match a test of one value.
    fn has_other(&self, criterion: &Criterion, test: &Test) -> bool {
        let of = |param: i32| criterion.params.contains(&param);
        let rows = self.rows;
        match test {
            Test::Token(values) => {
                let mut tokens = rows.tokens.iter().filter(|row| of(row.param));
                tokens.any(|row| !values.iter().any(|v| v.holds(&row.system, &row.code)))
            }
            Test::String(values) => {
                let mut strings = rows.strings.iter().filter(|row| of(row.param));
                strings.any(|row| !values.iter().any(|v| v.holds(&row.norm, &row.exact)))
            }
            Test::Uri(uris) => rows.uris.iter().any(|row| of(row.param) && !uris.contains(&row.uri)),
            Test::Reference(values) => {
                let is = |ty: TypeId, id: &str| {
                    values.iter().any(|value| match value {
                        reference::Value::Local(all) => all.iter().any(|(t, i)| *t == ty && **i == *id),
                        _ => false,
                    })
                };
                let url =
                    |uri: &str| values.iter().any(|v| matches!(v, reference::Value::Url(u) if **u == *uri));
                rows.references.iter().any(|row| of(row.param) && !is(row.ty, &row.id))
                    || rows.inner.iter().any(|row| of(row.param))
                    || rows.uris.iter().any(|row| of(row.param) && !url(&row.uri))
            }
            _ => false,
        }
    }

    fn has_token_or_text(&self, params: &[i32]) -> bool {
        self.rows.tokens.iter().any(|row| params.contains(&row.param))
            || self.rows.texts.iter().any(|row| params.contains(&row.param))
    }

    fn has_any(&self, params: &[i32], present: Present) -> bool {
        let of = |param: i32| params.contains(&param);
        let rows = self.rows;
        match present.kind {
            SearchKind::Reference => {
                rows.uris.iter().any(|row| of(row.param))
                    || rows.references.iter().any(|row| of(row.param))
                    || rows.inner.iter().any(|row| of(row.param))
                    || self.has_token_or_text(params)
            }
            SearchKind::Token => self.has_token_or_text(params),
            SearchKind::Uri => rows.uris.iter().any(|row| of(row.param)),
            SearchKind::String => rows.strings.iter().any(|row| of(row.param)),
            SearchKind::Date => rows.dates.iter().any(|row| of(row.param)),
            SearchKind::Number => rows.numbers.iter().any(|row| of(row.param)),
            SearchKind::Quantity => rows.quantities.iter().any(|row| of(row.param)),
            SearchKind::Composite => rows.composites.iter().any(|row| of(row.param)),
            SearchKind::Special => rows.positions.iter().any(|row| of(row.param)),
        }
    }
}
