//! From a query and what is loaded to an answer. What is missing is noted, loaded for the whole level
//! at once, and the query is answered again: so one level of references costs one statement.

use super::check::{self, member};
use super::document::{Field, Selection, Slice};
use super::fault::Fault;
use super::load::{Loaded, Needs};
use super::output::{List, Object, Out};
use super::search::{self, Target};
use crate::rest::Context;
use remit_fhir::json::quote;
use remit_fhir::{Node, Reference};
use remit_fhirpath::{Element, Environment, Item};
use remit_spec::{Kind, TypeId};
use remit_store::system_clock;
use serde_json::Value;

/// Values that one answer holds.
const MAX_VALUES: usize = 100_000;

/// A value of a resource, and the resource that it stands in.
#[derive(Clone, Copy)]
struct At<'a> {
    node: Node<'a>,
    ty: TypeId,
    /// The outermost resource, in which contained ones are found.
    root: Node<'a>,
}

/// Where the parts of an object go.
#[derive(Clone, Copy)]
struct Way<'s> {
    /// The object was flattened out of a list, so its values make lists.
    in_list: bool,
    /// What names end in, from slices.
    suffix: &'s str,
}

/// One run over the query.
pub(super) struct Resolver<'a> {
    pub(super) cx: &'a Context<'a>,
    pub(super) loaded: &'a Loaded,
    pub(super) needs: Needs,
    pub(super) values: usize,
}

impl<'a> Resolver<'a> {
    /// The fields of a resource.
    pub(super) fn resource(
        &mut self,
        ty: TypeId,
        node: Node<'a>,
        fields: &'a [Selection],
    ) -> Result<Object, Fault> {
        let mut out = Object::default();
        let way = Way { in_list: false, suffix: "" };
        self.object(At { node, ty, root: node }, fields, way, &mut out)?;
        Ok(out)
    }

    /// The fields of the system.
    pub(super) fn system(&mut self, fields: &'a [Selection]) -> Result<Object, Fault> {
        let mut out = Object::default();
        let mut all = Vec::new();
        check::each(fields, &mut |field| all.push(field));
        for field in all {
            match Target::named(self.cx.defs, &field.name) {
                Some(Target::One(ty)) => self.one(ty, field, &mut out)?,
                Some(target) => {
                    self.search(target, field, None, Way { in_list: false, suffix: "" }, &mut out)?
                }
                None => self.leaf("\"Query\"", List::No, field, "", &mut out)?,
            }
        }
        Ok(out)
    }

    /// `Patient(id: 1)`
    fn one(&mut self, ty: TypeId, field: &'a Field, out: &mut Object) -> Result<(), Fault> {
        let id = match &field.arguments[..] {
            [(name, value)] if matches!(&**name, "id" | "_id") => value.as_str(),
            _ => None,
        };
        let id = id.filter(|id| remit_fhir::is_id(id)).ok_or_else(|| {
            field.fault(format!(
                "{0} takes the id of a resource, {0}(id: \"1\"); to search, use {0}List.",
                field.name
            ))
        })?;
        match self.loaded.resource(ty, id) {
            None => self.needs.resource(ty, id),
            Some(None) => return Err(field.fault(format!("There is no {}/{id}.", field.name))),
            Some(Some(document)) => {
                let node = document.root();
                let way = Way { in_list: false, suffix: "" };
                self.values(vec![At { node, ty, root: node }], false, field, way, out)?;
            }
        }
        Ok(())
    }

    fn object(
        &mut self,
        at: At<'a>,
        fields: &'a [Selection],
        way: Way<'_>,
        out: &mut Object,
    ) -> Result<(), Fault> {
        let defs = self.cx.defs;
        for selection in fields {
            match selection {
                Selection::Field(field) => self.field(at, field, way, out)?,
                Selection::Fragment(on, fields) => {
                    let on = on.as_ref().map(|(on, _)| defs.type_named(on));
                    if on.is_none_or(|on| on.is_some_and(|on| defs.is_a(at.ty, on))) {
                        self.object(at, fields, way, out)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn field(&mut self, at: At<'a>, field: &'a Field, way: Way<'_>, out: &mut Object) -> Result<(), Fault> {
        let defs = self.cx.defs;
        let is_resource = defs.ty(at.ty).kind == Kind::Resource;
        match &*field.name {
            name if name == "__typename" || (is_resource && name == "resourceType") => {
                return self.leaf(
                    &quote(defs.name(at.ty)),
                    self.list(field, false, way),
                    field,
                    way.suffix,
                    out,
                );
            }
            "resource" if at.ty == defs.well_known().reference => return self.follow(at, field, way, out),
            _ => {}
        }
        if is_resource
            && let Some(target) = Target::named(defs, &field.name)
            && target.is_many()
        {
            let id = at.node.get_str("id").unwrap_or_default();
            let owner = format!("{}/{id}", defs.name(at.ty));
            return self.search(target, field, Some(&owner), way, out);
        }
        // Where several types can stand, a field may belong to another one.
        let Some((element, ty)) = member(defs, at.ty, &field.name) else { return Ok(()) };
        let Some(value) = at.node.get(&field.name) else { return Ok(()) };
        let of = |node: Node<'a>| {
            let ty = match node.resource_type() {
                Some(name) if defs.ty(ty).kind == Kind::Resource => defs.resource_named(&name).unwrap_or(ty),
                _ => ty,
            };
            At { node, ty, root: at.root }
        };
        let mut values = Vec::new();
        for node in value.each() {
            let value = of(node);
            if self.is_wanted(value, field)? {
                values.push(value);
            }
        }
        let number =
            |name: &str| field.argument(name).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
        let offset = number("_offset").unwrap_or(0).min(values.len());
        values.drain(..offset);
        values.truncate(number("_count").unwrap_or(usize::MAX));
        self.values(values, element.is_list, field, way, out)
    }

    /// Whether a value meets the arguments of its field.
    fn is_wanted(&self, value: At<'a>, field: &'a Field) -> Result<bool, Fault> {
        for (name, wanted) in &field.arguments {
            if matches!(&**name, "_count" | "_offset") {
                continue;
            }
            let mut has = value.node.get(name).into_iter().flat_map(Node::each).filter_map(Node::scalar);
            let is = |text: &str| match wanted {
                Value::Array(all) => all.iter().any(|w| is_text(w, text)),
                wanted => is_text(wanted, text),
            };
            if !has.any(|text| is(&text)) {
                return Ok(false);
            }
        }
        let Some(filter) = &field.filter else { return Ok(true) };
        let focus = Item::Element(Element::of(value.node, value.ty));
        let holds = filter.evaluate_boolean(focus, &self.environment(value));
        let holds = holds.map_err(|error| field.fault(format!("The FHIRPath expression fails: {error}.")))?;
        Ok(holds == Some(true))
    }

    fn environment(&self, value: At<'a>) -> Environment<'a> {
        let resource = Some(Element::resource(value.root, self.cx.defs));
        Environment { resource, root_resource: resource, ..Environment::new(system_clock()) }
    }

    /// `resource` of a reference.
    fn follow(&mut self, at: At<'a>, field: &'a Field, way: Way<'_>, out: &mut Object) -> Result<(), Fault> {
        let defs = self.cx.defs;
        let is_optional = field.argument("optional") == Some(&Value::Bool(true));
        let text = at.node.get_str("reference").unwrap_or_default();
        let found = match Reference::parse_with_base(&text, self.cx.index_base()) {
            Reference::Contained("") => Some(At { node: at.root, ..at }),
            Reference::Contained(id) => {
                let mut contained = at.root.get("contained").into_iter().flat_map(Node::items);
                let node = contained.find(|c| c.get_str("id").is_some_and(|i| i == id));
                node.map(|node| At { node, ..at })
            }
            Reference::Relative { kind, id, .. } => match defs.resource_named(kind) {
                None => None,
                Some(ty) => match self.loaded.resource(ty, id) {
                    None => {
                        self.needs.resource(ty, id);
                        return Ok(());
                    }
                    Some(found) => found.as_ref().map(|d| At { node: d.root(), ty, root: d.root() }),
                },
            },
            _ => None,
        };
        let typed = found.and_then(|at| {
            let ty = defs.resource_named(&at.node.resource_type()?)?;
            Some(At { ty, ..at })
        });
        let Some(found) = typed else {
            return match is_optional {
                true => Ok(()),
                false => Err(field.fault("A reference leads to no resource of this server; with resource(optional: true) that is no error.")),
            };
        };
        let wanted = field.argument("type").and_then(Value::as_str);
        if wanted.is_some_and(|wanted| wanted != defs.name(found.ty)) {
            return Ok(());
        }
        self.values(vec![found], false, field, way, out)
    }

    /// `PatientList` and `PatientConnection`.
    fn search(
        &mut self,
        target: Target,
        field: &'a Field,
        owner: Option<&str>,
        way: Way<'_>,
        out: &mut Object,
    ) -> Result<(), Fault> {
        let mut wants_count = false;
        if target.is_connection() {
            check::each(&field.fields, &mut |field| wants_count |= &*field.name == "count");
        }
        let search = search::search(self.cx, target.ty(), field, owner, wants_count)?;
        let Some(found) = self.loaded.search(&search.key) else {
            self.needs.search(search, field.pos);
            return Ok(());
        };
        let ty = target.ty();
        let all = found.documents.iter().map(|d| At { node: d.root(), ty, root: d.root() });
        if !target.is_connection() {
            return self.values(all.collect(), true, field, way, out);
        }
        let mut connection = Object::default();
        let mut fields = Vec::new();
        check::each(&field.fields, &mut |field| fields.push(field));
        for part in fields {
            let json = match &*part.name {
                "__typename" => Some(quote(&format!("{}Connection", self.cx.defs.name(ty)))),
                "count" => found.total.map(|total| total.to_string()),
                "offset" => search::is_first(field).then(|| "0".to_owned()),
                "pagesize" => Some(search.query.count.to_string()),
                "next" => found.next.as_deref().map(quote),
                "edges" => {
                    let member = connection.member(&part.key, List::Yes, part)?;
                    for at in all.clone() {
                        let edge = self.edge(at, part)?;
                        connection.push(member, Out::Object(edge), part)?;
                    }
                    None
                }
                // Pages follow each other one way: there is no way to the page before, or to the last.
                _ => None,
            };
            if let Some(json) = json {
                self.leaf(&json, List::No, part, "", &mut connection)?;
            }
        }
        let member = out.member(&named(&field.key, way.suffix), self.list(field, false, way), field)?;
        out.push(member, Out::Object(connection), field)
    }

    fn edge(&mut self, at: At<'a>, edges: &'a Field) -> Result<Object, Fault> {
        let mut edge = Object::default();
        let mut fields = Vec::new();
        check::each(&edges.fields, &mut |field| fields.push(field));
        for part in fields {
            match &*part.name {
                "resource" => {
                    self.values(vec![at], false, part, Way { in_list: false, suffix: "" }, &mut edge)?
                }
                "mode" => self.leaf("\"match\"", List::No, part, "", &mut edge)?,
                "__typename" => {
                    let name = quote(&format!("{}Edge", self.cx.defs.name(at.ty)));
                    self.leaf(&name, List::No, part, "", &mut edge)?;
                }
                // Matches have no score: each fits as well as any other.
                _ => {}
            }
        }
        Ok(edge)
    }

    fn list(&self, field: &Field, is_list: bool, way: Way<'_>) -> List {
        match (field.shape.is_singleton, is_list || way.in_list) {
            (true, _) => List::Never,
            (_, true) => List::Yes,
            _ => List::No,
        }
    }

    fn leaf(
        &mut self,
        json: &str,
        list: List,
        field: &'a Field,
        suffix: &str,
        out: &mut Object,
    ) -> Result<(), Fault> {
        self.count(field)?;
        let member = out.member(&named(&field.key, suffix), list, field)?;
        out.push(member, Out::Json(json.into()), field)
    }

    fn count(&mut self, field: &Field) -> Result<(), Fault> {
        self.values += 1;
        match self.values > MAX_VALUES {
            true => Err(field.fault(format!(
                "The answer has more than {MAX_VALUES} values; ask for less, or with _count."
            ))),
            false => Ok(()),
        }
    }

    /// Puts the values of a field into the answer, in the shape that its directives ask for.
    fn values(
        &mut self,
        values: Vec<At<'a>>,
        is_list: bool,
        field: &'a Field,
        way: Way<'_>,
        out: &mut Object,
    ) -> Result<(), Fault> {
        let shape = &field.shape;
        let list = self.list(field, is_list && !shape.is_first, way);
        let take = if shape.is_first { 1 } else { usize::MAX };
        for (n, value) in values.into_iter().take(take).enumerate() {
            self.count(field)?;
            let ending = self.ending(value, n, field)?;
            let suffix = format!("{}{ending}", way.suffix);
            if shape.is_flat {
                let in_list = (is_list && !shape.is_first) || way.in_list;
                self.object(value, &field.fields, Way { in_list, suffix: &suffix }, out)?;
                continue;
            }
            let member = out.member(&named(&field.key, &suffix), list, field)?;
            let value = match field.fields.is_empty() {
                true => Out::Json(value.node.json().into()),
                false => {
                    let mut object = Object::default();
                    let way = Way { in_list: false, suffix: "" };
                    self.object(value, &field.fields, way, &mut object)?;
                    Out::Object(object)
                }
            };
            out.push(member, value, field)?;
        }
        Ok(())
    }

    /// What a slice puts behind the names of a value.
    fn ending(&self, value: At<'a>, place: usize, field: &'a Field) -> Result<String, Fault> {
        let path = match &field.shape.slice {
            None => return Ok(String::new()),
            Some(Slice::Index) => return Ok(format!(".{place}")),
            Some(Slice::Path(path)) => path,
        };
        let focus = Item::Element(Element::of(value.node, value.ty));
        let found = path.evaluate(focus, &self.environment(value));
        let found = found.map_err(|error| field.fault(format!("The FHIRPath expression fails: {error}.")))?;
        let text = found.first().and_then(|item| item.text(self.cx.defs));
        Ok(text.map_or(String::new(), |text| format!(".{text}")))
    }
}

fn named(key: &str, suffix: &str) -> String {
    format!("{key}{suffix}")
}

fn is_text(wanted: &Value, text: &str) -> bool {
    match wanted {
        Value::String(wanted) => wanted == text,
        Value::Number(number) => number.as_str() == text,
        Value::Bool(truth) => text == if *truth { "true" } else { "false" },
        _ => false,
    }
}
