//! Contained resources in a search: how they are numbered, and whom a statement is about
//! (<https://hl7.org/fhir/R4/search.html#contained>).
//!
//! The rows of a contained resource stand in the same index tables as all others, under the complement
//! of each parameter's number, so that a search that does not ask for them never meets one. A contained
//! resource has no row in `resource`; its number is made of that of its container and its place there.

use crate::part::integers;
use crate::sql::Writer;
use std::borrow::Cow;

/// Stands for contained resources where a job names parameters: all their rows, and the references to
/// them. No parameter has it.
pub const CONTAINED: i32 = i32::MIN;

/// Contained resources of one resource that have numbers. Real ones hold some dozens.
pub(crate) const MAX_CONTAINED: usize = 1 << PLACE_BITS;

const PLACE_BITS: u32 = 16;

/// All numbers of contained resources lie below those of resources, which are positive.
const BASE: i64 = -(1 << 62);

/// Which resources are found, `_contained`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Contained {
    /// `false`: those that are not contained.
    #[default]
    No,
    /// `true`: contained ones only.
    Only,
    /// `both`
    Both,
}

/// What is answered for a contained resource, `_containedType`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ContainedType {
    /// The resource that holds it.
    #[default]
    Container,
    /// The contained resource itself.
    Contained,
}

/// The number of the contained resource at a place of a container. It rises with the container's and
/// falls with the place, so that newest first gives those of one container in their order.
pub fn contained_number(container: i64, place: u16) -> i64 {
    BASE + (container << PLACE_BITS) + i64::from(u16::MAX - place)
}

/// The container of a contained resource with this number, and its place there; `None` for the number
/// of a resource.
pub fn container_of(number: i64) -> Option<(i64, u16)> {
    let offset = number.checked_sub(BASE).filter(|_| number < 0)?;
    // The last bits are the place.
    let place = u16::MAX - (offset & i64::from(u16::MAX)) as u16;
    Some((offset >> PLACE_BITS, place))
}

/// The parameter under which the rows of contained resources stand.
pub(crate) fn parameter(number: i32) -> i32 {
    !number
}

/// Whose rows a part of a statement looks at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Scope {
    /// Those of resources.
    #[default]
    Own,
    /// Those of contained resources.
    Contained,
    /// Those of both: what a reference may lead to.
    Both,
}

impl Scope {
    /// The numbers under which rows of these parameters stand.
    pub(crate) fn numbers(self, params: &[i32]) -> Cow<'_, [i32]> {
        let contained = || params.iter().map(|param| parameter(*param));
        match self {
            Scope::Own => Cow::Borrowed(params),
            Scope::Contained => contained().collect(),
            Scope::Both => params.iter().copied().chain(contained()).collect(),
        }
    }

    /// Writes ` = 1` or ` in (1, 2)` for the parameters.
    pub(crate) fn params(self, w: &mut Writer, params: &[i32]) {
        integers(w, &self.numbers(params));
    }

    /// The table or view with one row for each.
    pub(crate) fn table(self) -> &'static str {
        match self {
            Scope::Own | Scope::Both => "resource",
            Scope::Contained => "contained_resource",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_tells_container_and_place() {
        for (container, place) in [(1, 0), (1, 1), (7, u16::MAX), (1 << 45, 3)] {
            assert_eq!(container_of(contained_number(container, place)), Some((container, place)));
        }
        assert_eq!(container_of(1), None);
        let order = [
            contained_number(1, 1),
            contained_number(1, 0),
            contained_number(2, 1),
            contained_number(2, 0),
            contained_number(1 << 45, 0),
            1,
        ];
        assert!(order.is_sorted() && order[4] < 0, "{order:?}");
    }
}
