//! The tree of an expression as written, before names are given a meaning
//! (<https://hl7.org/fhirpath/N1/grammar.html>).

use rust_decimal::Decimal;

use crate::temporal::Temporal;

/// A node of the tree and the byte offset at which it is written.
#[derive(Clone, PartialEq, Debug)]
pub struct Syntax {
    /// What is written.
    pub kind: SyntaxKind,
    /// Byte offset in the expression.
    pub offset: usize,
}

impl Syntax {
    /// The name, sign or value that stands at the node's place in the text that it was read from.
    pub fn token<'t>(&self, text: &'t str) -> &'t str {
        crate::lexer::token_at(text, self.offset)
    }
}

/// What a node of the tree is.
#[derive(Clone, PartialEq, Debug)]
pub enum SyntaxKind {
    /// `{}`
    Empty,
    /// A value.
    Literal(Literal),
    /// `%name`
    Variable(String),
    /// `$this`
    This,
    /// `$index`
    Index,
    /// `$total`
    Total,
    /// A name: an element, or at the start of a path a type.
    Member(String),
    /// `name(arguments)`
    Call(String, Vec<Syntax>),
    /// `left.right`, where right is a member, a call or one of the `$` names.
    Path(Box<Syntax>, Box<Syntax>),
    /// `left[right]`
    Indexer(Box<Syntax>, Box<Syntax>),
    /// `-x` when true, else `+x`.
    Sign(bool, Box<Syntax>),
    /// `left operator right`
    Binary(Operator, Box<Syntax>, Box<Syntax>),
    /// `a | b | c`
    Union(Vec<Syntax>),
    /// `left is Type`
    Is(Box<Syntax>, TypeSpecifier),
    /// `left as Type`
    As(Box<Syntax>, TypeSpecifier),
}

/// A value written in an expression.
#[derive(Clone, PartialEq, Debug)]
pub enum Literal {
    /// `true`
    Boolean(bool),
    /// `'text'`
    String(String),
    /// `12`
    Integer(i64),
    /// `1.20`
    Decimal(Decimal),
    /// `@2024-05`
    Date(Temporal),
    /// `@2024-05-06T07:08`
    DateTime(Temporal),
    /// `@T07:08`
    Time(Temporal),
    /// `4 days`, `10 'mg'`; the flag tells a calendar word from a UCUM code.
    Quantity(Decimal, String, bool),
}

/// `Patient`, `FHIR.Patient`, `System.Integer`
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TypeSpecifier {
    /// What stands before the dot.
    pub namespace: Option<String>,
    /// The type.
    pub name: String,
    /// Byte offset in the expression.
    pub offset: usize,
}

/// An operator between two operands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operator {
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `div`
    Div,
    /// `mod`
    Mod,
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `&`
    Concatenate,
    /// `<=`
    LessOrEqual,
    /// `<`
    Less,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `~`
    Equivalent,
    /// `!~`
    NotEquivalent,
    /// `in`
    In,
    /// `contains`
    Contains,
    /// `and`
    And,
    /// `or`
    Or,
    /// `xor`
    Xor,
    /// `implies`
    Implies,
}

impl Operator {
    /// Whether the result is a truth value or nothing.
    #[inline]
    pub fn is_test(self) -> bool {
        use Operator::*;
        !matches!(self, Multiply | Divide | Div | Mod | Add | Subtract | Concatenate)
    }

    /// As it is written.
    pub fn symbol(self) -> &'static str {
        match self {
            Operator::Multiply => "*",
            Operator::Divide => "/",
            Operator::Div => "div",
            Operator::Mod => "mod",
            Operator::Add => "+",
            Operator::Subtract => "-",
            Operator::Concatenate => "&",
            Operator::LessOrEqual => "<=",
            Operator::Less => "<",
            Operator::Greater => ">",
            Operator::GreaterOrEqual => ">=",
            Operator::Equal => "=",
            Operator::NotEqual => "!=",
            Operator::Equivalent => "~",
            Operator::NotEquivalent => "!~",
            Operator::In => "in",
            Operator::Contains => "contains",
            Operator::And => "and",
            Operator::Or => "or",
            Operator::Xor => "xor",
            Operator::Implies => "implies",
        }
    }
}
