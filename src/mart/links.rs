//! What ties rows together, declared: the columns of views whose equal values make rows parts of one
//! whole. That a query keeps to them is not declared; `local` reads it from its plan.
//!
//! A view without links is small and about everything, such as locations: its rows belong to all.

use std::collections::BTreeSet;

use arrow::datatypes::{DataType, SchemaRef};
use remit_sof::View;
use serde_json::Value as Json;

use crate::local::{Class, Mark, Origin, Part};
use crate::stored::{Named, Views};
use crate::table::Table;

/// The declaration.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Links {
    /// For each view its links, in the order in which views are read: each is one column, or several
    /// whose values are joined, nothing standing for null. Where the last one is null there is no link.
    pub views: Vec<(String, Vec<Vec<String>>)>,
}

impl Links {
    /// The links of a view; none when it is about everything.
    fn of(&self, view: &str) -> Option<&[Vec<String>]> {
        self.views.iter().find(|(name, _)| name == view).map(|(_, links)| links.as_slice())
    }

    /// Reads `{"views": [{"view": "claim", "links": [["claim_id"], …]}, …]}`.
    ///
    /// # Errors
    /// When it has another form; the text says where.
    pub fn parse(json: &str) -> Result<Links, String> {
        let json: Json = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let names = |list: &Json| -> Option<Vec<String>> {
            list.as_array()?.iter().map(|name| name.as_str().map(str::to_owned)).collect()
        };
        let mut views = Vec::new();
        let declared = json["views"].as_array().ok_or("views is no list")?;
        for view in declared {
            let name = view["view"].as_str().ok_or("a view has no name")?;
            let links: Option<Vec<_>> =
                view["links"].as_array().and_then(|links| links.iter().map(names).collect());
            let links = links.filter(|links| links.iter().all(|link| !link.is_empty()));
            views.push((name.to_owned(), links.ok_or_else(|| format!("the links of {name} are no lists"))?));
        }
        Ok(Links { views })
    }

    /// What of it these views have: links whose columns are there and hold text.
    pub(crate) fn fitting(&self, views: &Views) -> Links {
        let mut fitting = Links::default();
        for (name, links) in &self.views {
            let Some(view) = views.by_name.get(name) else { continue };
            let schema = Table::new(view.clone()).schema;
            let is_text = |column: &String| {
                let found = schema.column_with_name(column);
                found.is_some_and(|(_, field)| *field.data_type() == DataType::Utf8)
            };
            let links: Vec<_> = links.iter().filter(|link| link.iter().all(is_text)).cloned().collect();
            if !links.is_empty() {
                fitting.views.push((name.clone(), links));
            }
        }
        fitting
    }

    /// What is known of the rows of a view.
    pub(crate) fn origin(&self, view: &Named, schema: &SchemaRef) -> Origin {
        let links = self.of(&view.key);
        let class = if links.is_some() { Class::Linked } else { Class::Small };
        let ids = ids(view);
        let mark = |name: &String| Mark {
            is_key: links
                .unwrap_or_default()
                .iter()
                .any(|link| link.as_slice() == std::slice::from_ref(name)),
            is_there: ids.contains(name.as_str()),
            part: links.and_then(|links| part(links, name)),
        };
        Origin { class, marks: schema.fields().iter().map(|field| mark(field.name())).collect() }
    }
}

/// The place of a column in a link of several.
fn part(links: &[Vec<String>], name: &str) -> Option<Part> {
    let several = links.iter().enumerate().filter(|(_, link)| link.len() > 1);
    several.into_iter().find_map(|(number, link)| {
        let place = link.iter().position(|column| column == name)?;
        Some(Part { rows: 0, link: number, place, of: link.len() })
    })
}

/// The columns that hold the id of the resource, which each has.
fn ids(view: &View) -> BTreeSet<String> {
    let Ok(json) = serde_json::from_str::<Json>(view.definition()) else { return BTreeSet::new() };
    let list = |json: &Json| json.as_array().cloned().unwrap_or_default();
    let is_of_resource = |select: &Json| {
        ["forEach", "forEachOrNull", "repeat"].iter().all(|name| select.get(name).is_none_or(Json::is_null))
    };
    let selects = list(&json["select"]).into_iter().filter(is_of_resource);
    let is_id = |column: &Json| matches!(column["path"].as_str(), Some("getResourceKey()" | "id"));
    let columns = selects.flat_map(|select| list(&select["column"])).filter(is_id);
    columns.filter_map(|column| column["name"].as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_one_column_or_several() {
        let json = r#"{"views": [{"view": "claim", "links": [["id"], ["patient", "number"]]}]}"#;
        let links = Links::parse(json).expect("it can be read");
        assert_eq!(
            links.views[0].1,
            [vec!["id".to_owned()], vec!["patient".to_owned(), "number".to_owned()]]
        );
        let part = part(&links.views[0].1, "number");
        assert_eq!(part, Some(Part { rows: 0, link: 1, place: 1, of: 2 }));
    }

    #[test]
    fn what_is_no_declaration_is_refused_with_its_place() {
        let cases = [
            (r#"{}"#, "views is no list"),
            (r#"{"views": [{"links": []}]}"#, "a view has no name"),
            (r#"{"views": [{"view": "claim", "links": [[]]}]}"#, "the links of claim are no lists"),
            (r#"{"views": [{"view": "claim", "links": ["id"]}]}"#, "the links of claim are no lists"),
        ];
        for (json, text) in cases {
            assert_eq!(Links::parse(json).err().as_deref(), Some(text), "{json}");
        }
    }
}
