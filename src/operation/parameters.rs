//! What an operation is called with: a Parameters resource, a single resource, or the query of a URL
//! (<https://hl7.org/fhir/R4/operations.html#request>).

use remit_fhir::{Document, Error, IssueType, Node, Result};

/// Longest name of a parameter that an answer repeats; those of operations have some 20 characters.
const MAX_NAME: usize = 64;

/// The parameters of one call.
#[derive(Clone, Debug, Default)]
pub struct Parameters {
    body: Option<Document>,
    pairs: Vec<(String, String)>,
    accept: Option<String>,
}

impl Parameters {
    /// Takes the parameters of the URL and the body of a POST: a Parameters resource, or the one
    /// resource that the operation is about.
    pub fn new(pairs: Vec<(String, String)>, body: Option<Document>) -> Parameters {
        Parameters { body, pairs, accept: None }
    }

    /// The same with the header `Accept`, for operations that choose a format themselves.
    pub fn accepting(self, accept: Option<String>) -> Parameters {
        Parameters { accept, ..self }
    }

    /// The header `Accept`, where the operation chooses a format itself.
    pub fn accept(&self) -> Option<&str> {
        self.accept.as_deref()
    }

    /// The parameters of the URL.
    pub fn pairs(&self) -> &[(String, String)] {
        &self.pairs
    }

    /// The body of a POST.
    pub fn body(&self) -> Option<&Document> {
        self.body.as_ref()
    }

    /// The value of a primitive parameter; its first when it stands there several times.
    pub fn get(&self, name: &str) -> Option<String> {
        self.all(name).into_iter().next()
    }

    /// All values of a primitive parameter, those of the URL first.
    pub fn all(&self, name: &str) -> Vec<String> {
        let of_url = self.pairs.iter().filter(|(n, _)| n == name).map(|(_, value)| value.clone());
        let of_body = self.named(name).filter_map(|p| value(p)?.scalar().map(|text| text.into_owned()));
        of_url.chain(of_body).collect()
    }

    /// The value of a primitive parameter that must be there.
    pub fn require(&self, name: &str) -> Result<String> {
        self.get(name).ok_or_else(|| Error::invalid(format!("The parameter {name} is missing.")))
    }

    /// A truth value; false when it is absent.
    ///
    /// # Errors
    /// 400 for any other text.
    pub fn flag(&self, name: &str) -> Result<bool> {
        match self.get(name).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Error::invalid(format!("{name} is true or false.")).at(name)),
        }
    }

    /// That nothing is given but what the operation knows, and `_format`.
    ///
    /// # Errors
    /// 400 that names the parameter, as far as it looks like one, and those that there are.
    pub fn only(&self, known: &[&str]) -> Result<()> {
        let names = self.names();
        let Some(other) = names.iter().find(|name| !known.contains(&name.as_str()) && *name != "_format")
        else {
            return Ok(());
        };
        let text = format!("There is no such parameter here. There are {}.", known.join(", "));
        let error = Error::invalid(text).coded(IssueType::NotSupported);
        // The name is the caller's; it is repeated only when it looks like one.
        let is_name = other.len() <= MAX_NAME
            && other.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
        Err(if is_name { error.at(other.as_str()) } else { error })
    }

    /// A parameter that is a resource. A body that is no Parameters resource stands for the
    /// parameter named `resource`.
    pub fn resource(&self, name: &str) -> Option<Node<'_>> {
        let named = self.named(name).find_map(|p| p.get("resource"));
        named.or_else(|| {
            let root = self.body.as_ref()?.root();
            (name == "resource" && !is_parameters(root)).then_some(root)
        })
    }

    /// The `parameter` elements of this name, for values that are no primitives and for parts.
    pub fn named<'a>(&'a self, name: &str) -> impl Iterator<Item = Node<'a>> {
        let name = name.to_owned();
        let list = self.body.as_ref().map(Document::root).filter(|root| is_parameters(*root));
        let list = list.and_then(|root| root.get("parameter"));
        list.into_iter()
            .flat_map(|list| list.items())
            .filter(move |p| p.get_str("name").is_some_and(|n| *n == name))
    }

    /// The names that were given, in order.
    pub fn names(&self) -> Vec<String> {
        let of_url = self.pairs.iter().map(|(name, _)| name.clone());
        let root = self.body.as_ref().map(Document::root).filter(|root| is_parameters(*root));
        let list = root.and_then(|root| root.get("parameter")).into_iter().flat_map(|list| list.items());
        of_url.chain(list.filter_map(|p| p.get_str("name").map(|n| n.into_owned()))).collect()
    }
}

/// The `value[x]` of a parameter.
fn value(parameter: Node<'_>) -> Option<Node<'_>> {
    parameter.members().find(|(name, _)| name.starts_with("value")).map(|(_, value)| value)
}

fn is_parameters(root: Node<'_>) -> bool {
    root.resource_type().is_some_and(|ty| ty == "Parameters")
}

#[cfg(test)]
mod tests {
    use super::*;
    use remit_fhir::json::parse;

    #[test]
    fn parameters_come_from_the_url_and_from_the_body() {
        let body = r#"{"resourceType":"Parameters","parameter":[
            {"name":"periodStart","valueDate":"2024-01-01"},{"name":"n","valueInteger":3},
            {"name":"who","resource":{"resourceType":"Patient"}}]}"#;
        let pairs = vec![("groupBy".to_owned(), "payer".to_owned()), ("n".to_owned(), "2".to_owned())];
        let all = Parameters::new(pairs, Some(parse(body).unwrap()));
        assert_eq!(all.get("periodStart").as_deref(), Some("2024-01-01"));
        assert_eq!(all.require("groupBy").unwrap(), "payer");
        assert_eq!(all.all("n"), ["2", "3"]);
        assert_eq!(all.require("periodEnd").unwrap_err().status(), 400);
        assert!(all.resource("who").is_some() && all.resource("resource").is_none());
        assert_eq!(all.names(), ["groupBy", "n", "periodStart", "n", "who"]);
    }

    #[test]
    fn what_an_operation_does_not_know_is_refused_by_its_name() {
        let given = |name: &str| Parameters::new(vec![(name.to_owned(), "maybe".to_owned())], None);
        assert!(given("level").only(&["level"]).is_ok() && given("_format").only(&[]).is_ok());
        let issues = |name: &str| given(name).only(&["level", "partner"]).unwrap_err().outcome().to_string();
        let told = issues("levle");
        assert!(told.contains("\"levle\"") && told.contains("level, partner"), "{told}");
        assert!(!issues("<b>").contains("<b>"));
        assert_eq!(given("dryRun").flag("dryRun").unwrap_err().status(), 400);
        assert!(!given("x").flag("dryRun").unwrap());
    }

    #[test]
    fn a_lone_resource_is_the_parameter_resource() {
        let all = Parameters::new(Vec::new(), Some(parse(r#"{"resourceType":"Patient"}"#).unwrap()));
        assert!(all.resource("resource").is_some());
        assert_eq!(all.get("x"), None);
    }
}
