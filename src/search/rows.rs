//! Index rows: what a resource answers to when it is searched
//! (<https://hl7.org/fhir/R4/search.html#ptypes>).
//!
//! Rows name their parameter by its number in the database, systems by text and local targets by
//! type and id; the store turns texts into numbers.

use crate::contained::{CONTAINED, parameter};
use crate::words::WordsRow;
use remit_spec::TypeId;
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};
use std::hash::{Hash, Hasher};

/// A finite floating point number with a total order, so that rows can be sorted and compared.
#[derive(Clone, Copy, Debug, Default)]
pub struct Real(pub f64);

impl PartialEq for Real {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Real {}

impl PartialOrd for Real {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Real {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Hash for Real {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

/// A code, an identifier, a truth value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TokenRow {
    /// Number of the parameter.
    pub param: i32,
    /// The code or value.
    pub code: Box<str>,
    /// Its system; empty when there is none.
    pub system: Box<str>,
}

/// A reference to a resource of this server.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ReferenceRow {
    /// Number of the parameter.
    pub param: i32,
    /// Type of the target.
    pub ty: TypeId,
    /// Logical id of the target.
    pub id: Box<str>,
}

/// A reference inside a container: to a resource that it contains, or from one to the container.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct InnerRow {
    /// Number of the parameter.
    pub param: i32,
    /// Place of the target in the container; `None` is the container itself.
    pub place: Option<u16>,
}

/// That there is a contained resource; it stands among its own rows.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ContainedRow {
    /// The complement of [`CONTAINED`].
    pub param: i32,
    /// Its type.
    pub ty: TypeId,
    /// Its id, which tells it from others in the container.
    pub id: Box<str>,
}

/// A URI, a canonical, or a reference to somewhere else.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct UriRow {
    /// Number of the parameter.
    pub param: i32,
    /// As written.
    pub uri: Box<str>,
}

/// A text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StringRow {
    /// Number of the parameter.
    pub param: i32,
    /// Folded: see [`crate::fold`].
    pub norm: Box<str>,
    /// As written.
    pub exact: Box<str>,
}

/// A text that stands beside a code, an identifier or a reference.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TextRow {
    /// Number of the parameter.
    pub param: i32,
    /// Folded words with one blank between them.
    pub norm: Box<str>,
}

/// An interval of time in microseconds since 1970.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DateRow {
    /// Number of the parameter.
    pub param: i32,
    /// First microsecond; `i64::MIN` when the start is open.
    pub low: i64,
    /// One past the last microsecond; `i64::MAX` when the end is open.
    pub high: i64,
}

/// A number or an interval of numbers, both ends included.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NumberRow {
    /// Number of the parameter.
    pub param: i32,
    /// Least value; `-f64::MAX` when open.
    pub low: Real,
    /// Greatest value; `f64::MAX` when open.
    pub high: Real,
}

/// A quantity or an interval of quantities, both ends included.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct QuantityRow {
    /// Number of the parameter.
    pub param: i32,
    /// Least value in the unit as written.
    pub low: Real,
    /// Greatest value in the unit as written.
    pub high: Real,
    /// System of the unit; empty when there is none.
    pub system: Box<str>,
    /// Code of the unit, or its text where there is no code.
    pub code: Box<str>,
    /// The canonical unit; empty when the unit has none.
    pub canonical: Box<str>,
    /// Least value in the canonical unit.
    pub canonical_low: Real,
    /// Greatest value in the canonical unit.
    pub canonical_high: Real,
}

/// Values that stand in the same element. The first is a token, or a reference written as text. The
/// second is a token (`code2`, `system2`), a folded string (`code2`), or a range (`low`, `high`) that
/// for a quantity has a unit (`code2`, `system2`). A third is the range (`low2`, `high2`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct CompositeRow {
    /// Number of the parameter.
    pub param: i32,
    /// Code of the first value.
    pub code: Box<str>,
    /// System of the first value.
    pub system: Box<str>,
    /// Code, folded text, or unit of the second value.
    pub code2: Box<str>,
    /// System of the second value or of its unit.
    pub system2: Box<str>,
    /// Least second value.
    pub low: Real,
    /// Greatest second value.
    pub high: Real,
    /// Least third value.
    pub low2: Real,
    /// Greatest third value.
    pub high2: Real,
}

/// A point on the earth (WGS84) in degrees.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PositionRow {
    /// Number of the parameter.
    pub param: i32,
    /// North is positive.
    pub latitude: Real,
    /// East is positive.
    pub longitude: Real,
}

macro_rules! tables {
    ($($name:ident: $row:ident),* $(,)?) => {
        /// All index rows of one resource, each table sorted and without repetition.
        #[derive(Clone, PartialEq, Eq, Debug, Default)]
        pub struct IndexRows {
            /// The [`epoch`](crate::Registry::epoch) of the registry that they were made with.
            pub epoch: i64,
            $(#[doc = concat!("Rows of `", stringify!($row), "`.")] pub $name: Vec<$row>,)*
            /// Rows of the resources that it contains, by their places.
            pub inside: Vec<(u16, IndexRows)>,
        }

        impl IndexRows {
            /// Sorts every table and removes repeated rows.
            pub(crate) fn normalise(&mut self) {
                $(self.$name.sort_unstable(); self.$name.dedup();)*
            }

            /// Puts every row under the number that its parameter has for contained resources.
            pub(crate) fn become_contained(&mut self) {
                $(self.$name.iter_mut().for_each(|row| row.param = parameter(row.param));)*
            }

            /// Keeps the rows of its own whose parameter is wanted.
            fn retain(&mut self, wanted: impl Fn(i32) -> bool) {
                $(self.$name.retain(|row| wanted(row.param));)*
            }

            /// Whether there is no row.
            pub fn is_empty(&self) -> bool {
                self.inside.is_empty() $(&& self.$name.is_empty())*
            }

            fn own_len(&self) -> usize {
                0 $(+ self.$name.len())*
            }
        }

        /// What must be written and what must be removed to get from one set of rows to another.
        pub fn difference(old: IndexRows, new: IndexRows) -> (IndexRows, IndexRows) {
            // Of rows of two epochs the older ones may lack some; the store refuses them.
            let epoch = if old.is_empty() { new.epoch } else { old.epoch };
            let mut add = IndexRows { epoch: new.epoch, ..IndexRows::default() };
            let mut remove = IndexRows { epoch, ..IndexRows::default() };
            (add.inside, remove.inside) = difference_inside(old.inside, new.inside);
            $((add.$name, remove.$name) = only_in(old.$name, new.$name);)*
            // The one row of words is replaced.
            if !add.words.is_empty() {
                remove.words.clear();
            }
            (add, remove)
        }
    };
}

tables! {
    tokens: TokenRow, references: ReferenceRow, inner: InnerRow, uris: UriRow, strings: StringRow,
    dates: DateRow, numbers: NumberRow, quantities: QuantityRow, composites: CompositeRow,
    positions: PositionRow, texts: TextRow, words: WordsRow, contained: ContainedRow,
}

impl IndexRows {
    /// Keeps the rows of these parameters only, those of contained resources too. [`CONTAINED`] is
    /// everything of contained resources.
    pub fn keep(&mut self, params: &[i32]) {
        let is_contained = params.contains(&CONTAINED);
        let inner = if is_contained { std::mem::take(&mut self.inner) } else { Vec::new() };
        self.retain(|param| params.contains(&param));
        if is_contained {
            self.inner = inner;
        } else {
            self.retain_inside(|param| params.contains(&param));
        }
    }

    /// Takes the rows of these parameters out, those of contained resources too.
    pub fn leave_out(&mut self, params: &HashSet<i32>) {
        self.retain(|param| !params.contains(&param));
        self.retain_inside(|param| !params.contains(&param));
    }

    fn retain_inside(&mut self, wanted: impl Fn(i32) -> bool) {
        self.inside.iter_mut().for_each(|(_, rows)| rows.retain(|param| wanted(parameter(param))));
        self.inside.retain(|(_, rows)| !rows.is_empty());
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.each().map(IndexRows::own_len).sum()
    }

    /// The type of the contained resource at a place.
    pub(crate) fn type_inside(&self, place: Option<u16>) -> Option<TypeId> {
        let (_, rows) = self.inside.iter().find(|(at, _)| Some(*at) == place)?;
        rows.contained.first().map(|row| row.ty)
    }

    /// The rows of the resource, then those of each that it contains.
    pub fn each(&self) -> impl Iterator<Item = &IndexRows> {
        std::iter::once(self).chain(self.inside.iter().map(|(_, rows)| rows))
    }
}

/// Rows of contained resources, by their places.
type Inside = Vec<(u16, IndexRows)>;

fn difference_inside(old: Inside, new: Inside) -> (Inside, Inside) {
    let (mut add, mut remove) = (Vec::new(), Vec::new());
    let mut old: BTreeMap<u16, IndexRows> = old.into_iter().collect();
    for (place, rows) in new {
        let (more, less) = difference(old.remove(&place).unwrap_or_default(), rows);
        add.extend((!more.is_empty()).then_some((place, more)));
        remove.extend((!less.is_empty()).then_some((place, less)));
    }
    remove.extend(old);
    (add, remove)
}

/// Rows only in `new`, rows only in `old`; both are sorted.
fn only_in<T: Ord>(old: Vec<T>, new: Vec<T>) -> (Vec<T>, Vec<T>) {
    if old == new {
        return (Vec::new(), Vec::new());
    }
    let (mut add, mut remove) = (Vec::new(), Vec::new());
    let mut old = old.into_iter().peekable();
    for row in new {
        while let Some(gone) = old.next_if(|o| *o < row) {
            remove.push(gone);
        }
        if old.next_if(|o| *o == row).is_none() {
            add.push(row);
        }
    }
    remove.extend(old);
    (add, remove)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(codes: &[&str]) -> IndexRows {
        let tokens = codes.iter().map(|c| TokenRow { param: 1, code: (*c).into(), system: "".into() });
        let mut rows = IndexRows { tokens: tokens.collect(), ..IndexRows::default() };
        rows.normalise();
        rows
    }

    #[test]
    fn a_difference_names_only_what_changed() {
        for (old, new, add, remove) in [
            (&["a", "b"][..], &["b", "c"][..], &["c"][..], &["a"][..]),
            (&[], &["a"], &["a"], &[]),
            (&["a"], &[], &[], &["a"]),
            (&["a", "c", "e"], &["b", "c", "d"], &["b", "d"], &["a", "e"]),
            (&["a"], &["a", "a"], &[], &[]),
        ] {
            assert_eq!(difference(rows(old), rows(new)), (rows(add), rows(remove)), "{old:?} {new:?}");
        }
    }

    #[test]
    fn every_real_has_its_place_in_the_order() {
        let mut reals = [Real(2.0), Real(-f64::MAX), Real(0.5), Real(f64::MAX)];
        reals.sort_unstable();
        assert_eq!(reals.map(|r| r.0), [-f64::MAX, 0.5, 2.0, f64::MAX]);
    }

    fn inside(places: &[(u16, &[&str])]) -> IndexRows {
        let inside = places.iter().map(|(place, codes)| {
            let mut rows = rows(codes);
            rows.become_contained();
            (*place, rows)
        });
        IndexRows { inside: inside.collect(), ..IndexRows::default() }
    }

    #[test]
    fn contained_resources_differ_by_their_places() {
        let (add, remove) =
            difference(inside(&[(0, &["a", "b"]), (1, &["c"])]), inside(&[(0, &["b", "d"]), (2, &["c"])]));
        assert_eq!(add, inside(&[(0, &["d"]), (2, &["c"])]));
        assert_eq!(remove, inside(&[(0, &["a"]), (1, &["c"])]));
        let same = difference(inside(&[(0, &["a"])]), inside(&[(0, &["a"])]));
        assert!(same.0.is_empty() && same.1.is_empty());
    }

    #[test]
    fn rows_of_a_parameter_are_kept_and_left_out_inside_too() {
        let all = IndexRows { inside: inside(&[(0, &["a"])]).inside, ..rows(&["b"]) };
        assert_eq!(all.len(), 2);
        let kept = |params: &[i32]| {
            let mut rows = all.clone();
            rows.keep(params);
            rows.len()
        };
        assert_eq!((kept(&[1]), kept(&[2]), kept(&[CONTAINED])), (2, 0, 1));
        let mut rows = all.clone();
        rows.leave_out(&HashSet::from([1]));
        assert!(rows.is_empty());
    }
}
