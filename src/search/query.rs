//! A search as a tree of values: what [`crate::parse`] makes of a URL and [`crate::page`] turns into
//! SQL (<https://hl7.org/fhir/R4/search.html>).

use crate::chain::Link;
use crate::contained::{Contained, ContainedType};
use crate::cursor::{Key, Side};
use crate::has::Has;
use crate::include::Include;
use crate::{codes, date, number, position, quantity, reference, string, text, token, uri};
use remit_spec::TypeId;

/// A search.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Query {
    /// The types searched; empty is all of them.
    pub types: Vec<TypeId>,
    /// All must hold.
    pub criteria: Vec<Condition>,
    /// The order asked for; empty is newest first.
    pub sort: Vec<SortKey>,
    /// How many a page holds, `_count`; already bounded by the limits.
    pub count: usize,
    /// What comes along, `_include` and `_revinclude`.
    pub includes: Vec<Include>,
    /// What the total shall be, `_total`.
    pub total: Total,
    /// `_summary`
    pub summary: Summary,
    /// `_elements`
    pub elements: Vec<String>,
    /// `_contained`
    pub contained: Contained,
    /// `_containedType`
    pub contained_type: ContainedType,
    /// The parameters that were understood, for the self link. Without the cursor.
    pub pairs: Vec<(String, String)>,
    /// The resource that this page lies beside.
    pub cursor: Option<Vec<Key>>,
    /// On which side of it.
    pub side: Side,
}

/// What must hold of a resource.
#[derive(Clone, PartialEq, Debug)]
pub enum Condition {
    /// All of them; none is true.
    All(Vec<Condition>),
    /// One of them at least; none is false.
    Any(Vec<Condition>),
    /// Not this.
    Not(Box<Condition>),
    /// One parameter with its values.
    Criterion(Criterion),
}

/// One parameter with its values, of which one must match.
#[derive(Clone, PartialEq, Debug)]
pub struct Criterion {
    /// Numbers of the parameter, one for each type searched.
    pub params: Vec<i32>,
    /// What is asked of its rows.
    pub test: Test,
}

/// What is asked of the rows of a parameter. Several values are alternatives.
#[derive(Clone, PartialEq, Debug)]
pub enum Test {
    /// The logical id, `_id`.
    Id(Vec<Box<str>>),
    /// The time of the last change, `_lastUpdated`.
    Updated(Vec<date::Value>),
    /// Rows of `ix_token`.
    Token(Vec<token::Value>),
    /// Rows of `ix_token` with a code of a set, `:in`, `:not-in`, `:above`, `:below`.
    Codes(codes::Value),
    /// Rows of `ix_reference`, and of `ix_uri` for what lies elsewhere.
    Reference(Vec<reference::Value>),
    /// Rows of `ix_token` by a part of their code, `:code-text`.
    CodePiece(Vec<token::Piece>),
    /// Rows of `ix_text`, `:text`.
    Text(Vec<text::Value>),
    /// Rows of `ix_uri`.
    Uri(Vec<Box<str>>),
    /// Rows of `ix_uri` by a part of them.
    UriPiece(Vec<token::Piece>),
    /// Rows other than those that are asked for.
    Unlike(Box<Test>),
    /// Rows of `ix_uri` below these, `:below`.
    Below(Vec<uri::Below>),
    /// Rows of `ix_string`.
    String(Vec<string::Value>),
    /// Rows of `ix_date`.
    Date(Vec<date::Value>),
    /// Rows of `ix_number`.
    Number(Vec<number::Value>),
    /// Rows of `ix_quantity`.
    Quantity(Vec<quantity::Value>),
    /// Rows of `ix_composite`.
    Composite(Vec<crate::composite::Value>),
    /// Rows of `ix_position`.
    Near(Vec<position::Value>),
    /// Words, `_text` and `_content`.
    Words(crate::words::Value),
    /// What must hold of the target of a reference, for each type of target.
    Chain(Vec<Link>),
    /// Belonging to a compartment: rows of `ix_reference` that point to one of its owners.
    Owned(crate::compartment::Owned),
    /// The type of the resource; only conditions that are made here ask for it.
    Type(Vec<TypeId>),
    /// What must hold of something whose reference leads here, `_has`.
    Has(Box<Has>),
    /// Whether there is any row, `:missing=false`.
    Present(Present),
    /// Rows of `ix_reference` with a target of this type that is none of these.
    OfType(TypeId, Vec<(TypeId, Box<str>)>),
}

/// Where the rows of a parameter stand, to ask whether there are any.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Present {
    /// The kind of the parameter, which says the tables.
    pub kind: remit_spec::SearchKind,
}

/// One key of `_sort`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SortKey {
    /// What is compared.
    pub by: SortBy,
    /// `_sort=-name`
    pub direction: Direction,
}

/// What is compared. Of several values of one resource, the least counts for rising and the greatest
/// for falling order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SortBy {
    /// `_lastUpdated`
    Updated,
    /// `_id`
    Id,
    /// Dates of the parameters with these numbers.
    Date(Vec<i32>),
    /// Strings.
    String(Vec<i32>),
    /// Numbers.
    Number(Vec<i32>),
    /// Quantities, in their canonical units where they have one.
    Quantity(Vec<i32>),
    /// Codes, letter by letter.
    Token(Vec<i32>),
    /// URIs, letter by letter.
    Uri(Vec<i32>),
    /// References as `Type/id`; the URL where no target is here.
    Reference(References),
}

/// The references that a sort key compares.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct References {
    /// The numbers of their rows.
    pub params: Vec<i32>,
    /// Only targets of this type count.
    pub only: Option<TypeId>,
    /// The numbers under which URLs stand.
    pub urls: Vec<i32>,
}

/// Direction of a sort key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Least first.
    Rising,
    /// Greatest first.
    Falling,
}

/// `_total`
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Total {
    /// No wish: the server decides.
    #[default]
    Unsaid,
    /// `none`
    None,
    /// `estimate`
    Estimate,
    /// `accurate`
    Accurate,
}

/// `_summary`
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Summary {
    /// `false`
    #[default]
    False,
    /// `true`
    True,
    /// `text`
    Text,
    /// `data`
    Data,
    /// `count`
    Count,
}
