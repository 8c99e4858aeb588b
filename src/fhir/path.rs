//! Where a walk through a resource stands, for the `expression` of an issue
//! (<https://hl7.org/fhir/R4/operationoutcome-definitions.html#OperationOutcome.issue.expression>).

use std::fmt;

/// A step of a walk. Each call of the walk keeps its own on the stack and points to its caller's, so
/// that a walk which finds no fault builds no text.
#[derive(Clone, Copy, Debug)]
pub struct Path<'p> {
    parent: Option<&'p Path<'p>>,
    name: &'p str,
    index: Option<usize>,
}

impl<'p> Path<'p> {
    /// Where the walk begins: a type name, or the expression that leads to it.
    pub fn root(name: &'p str) -> Path<'p> {
        Path { parent: None, name, index: None }
    }

    /// An element inside.
    #[inline]
    pub fn child<'c>(&'c self, name: &'c str) -> Path<'c> {
        Path { parent: Some(self), name, index: None }
    }

    /// One of the values of this repeating element, from 0.
    #[inline]
    pub fn nth(self, index: usize) -> Path<'p> {
        Path { index: Some(index), ..self }
    }

    /// The element's name, or what the walk began with.
    pub fn name(&self) -> &'p str {
        self.name
    }
}

impl fmt::Display for Path<'_> {
    /// FHIRPath, e.g. `Claim.item[2].net`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(f, "{parent}.")?;
        }
        f.write_str(self.name)?;
        match self.index {
            Some(index) => write!(f, "[{index}]"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_as_fhirpath() {
        let claim = Path::root("Bundle.entry[3].resource");
        let item = claim.child("item").nth(2);
        let net = item.child("net");
        assert_eq!(net.to_string(), "Bundle.entry[3].resource.item[2].net");
        assert_eq!(net.name(), "net");
    }
}
