//! SQL text with numbered placeholders. Text from outside only ever goes into arguments.
//!
//! Placeholders are numbered in the order in which they first stand in the text, because SQLite
//! counts them so.

use remit_spec::TypeId;
use remit_terminology::Group;
use std::fmt::Write as _;
use std::sync::Arc;

/// The few differences between the databases.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dialect {
    /// SQLite
    Sqlite,
    /// PostgreSQL 15 and later
    Postgres,
}

impl Dialect {
    /// The body of resource `r` as JSON text.
    pub fn body(self) -> &'static str {
        match self {
            Dialect::Sqlite => "json(r.body)",
            Dialect::Postgres => "coalesce(r.text, r.body::text)",
        }
    }

    /// Makes the texts of an expression compare byte by byte.
    pub(crate) fn bytewise(self) -> &'static str {
        match self {
            Dialect::Sqlite => "",
            Dialect::Postgres => " collate \"C\"",
        }
    }

    /// The join that keeps the order of its tables. SQLite honours it; PostgreSQL orders by cost.
    pub(crate) fn join(self) -> &'static str {
        match self {
            Dialect::Sqlite => " cross join ",
            Dialect::Postgres => " join ",
        }
    }
}

/// A value for a placeholder.
#[derive(Clone, PartialEq, Debug)]
pub enum Arg {
    /// An integer.
    Int(i64),
    /// A floating point number.
    Float(f64),
    /// A text.
    Text(String),
    /// The codes of a group, as one list: a JSON array on SQLite, an array of texts on PostgreSQL.
    Codes(Arc<Group>),
    /// A system or unit: bind its number in `symbol`, -1 when it has none, 0 for the empty text.
    System(String),
    /// A resource of the tenant: bind its `rid`, -1 when there is none.
    Target(TypeId, String),
}

/// A statement ready to run.
#[derive(Clone, PartialEq, Debug)]
pub struct Statement {
    /// The text, with placeholders `$1`, `$2`, ….
    pub sql: String,
    /// The values, in order.
    pub args: Vec<Arg>,
}

/// Writes a statement from left to right.
pub(crate) struct Writer {
    pub(crate) dialect: Dialect,
    sql: String,
    args: Vec<Arg>,
    aliases: u32,
}

impl Writer {
    pub(crate) fn new(dialect: Dialect) -> Writer {
        Writer { dialect, sql: String::with_capacity(512), args: Vec::new(), aliases: 0 }
    }

    /// Appends text of ours.
    pub(crate) fn push(&mut self, text: &str) -> &mut Self {
        self.sql.push_str(text);
        self
    }

    /// Appends a number of ours: of a type, a parameter, a limit.
    pub(crate) fn number(&mut self, number: i64) -> &mut Self {
        // Writing to a String cannot fail.
        let _ = write!(self.sql, "{number}");
        self
    }

    /// Appends a placeholder. An equal value keeps its number.
    pub(crate) fn arg(&mut self, arg: Arg) -> &mut Self {
        let place = self.args.iter().position(|a| *a == arg).unwrap_or_else(|| {
            self.args.push(arg);
            self.args.len() - 1
        });
        let _ = write!(self.sql, "${}", place + 1);
        self
    }

    /// A name that no other table of the statement has.
    pub(crate) fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("x{}", self.aliases)
    }

    /// Appends `items` with `separator` between them.
    pub(crate) fn list<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        separator: &str,
        mut each: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        for (n, item) in items.into_iter().enumerate() {
            if n > 0 {
                self.push(separator);
            }
            each(self, item);
        }
        self
    }

    pub(crate) fn finish(self) -> Statement {
        Statement { sql: self.sql, args: self.args }
    }
}
