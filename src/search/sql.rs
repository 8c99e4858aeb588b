//! SQL text with numbered placeholders. Text from outside only ever goes into arguments.
//!
//! Placeholders are numbered in the order in which they first stand in the text, because SQLite
//! counts them so.

use remit_spec::TypeId;
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

    /// What ends a subquery that asks something of one row, so that it stays a question asked of each
    /// row that comes, in the order of the statement. PostgreSQL would make a join of it and might start
    /// there; the driver was chosen before, by counts that it does not have.
    pub(crate) fn asked(self) -> &'static str {
        match self {
            Dialect::Sqlite => ")",
            Dialect::Postgres => " offset 0)",
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
    /// Texts as one list: a JSON array on SQLite, an array of texts on PostgreSQL.
    List(Arc<[Box<str>]>),
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

impl Statement {
    /// The same with nothing in the place of each body, for a reader who may know the texts already.
    pub fn without_bodies(mut self, dialect: Dialect) -> Statement {
        // No text from outside is in a statement, so nothing else can look like a body.
        let nothing = if dialect == Dialect::Sqlite { "null" } else { "null::text" };
        self.sql = self.sql.replace(dialect.body(), nothing);
        self
    }

    /// One statement for several that have the same columns: before each row stands the place of the
    /// statement that it is of. Rows come in any order.
    pub fn together(statements: &[Statement]) -> Statement {
        let mut all = Statement { sql: String::new(), args: Vec::new() };
        for (place, statement) in statements.iter().enumerate() {
            if place > 0 {
                all.sql.push_str(" union all ");
            }
            // Writing to a String cannot fail.
            let _ = write!(all.sql, "select {place} as place, s{place}.* from (");
            let mut parts = statement.sql.split('$');
            all.sql.push_str(parts.next().unwrap_or_default());
            for part in parts {
                let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
                let (number, rest) = part.split_at(digits);
                let number = number.parse::<usize>().unwrap_or_default() + all.args.len();
                let _ = write!(all.sql, "${number}{rest}");
            }
            let _ = write!(all.sql, ") s{place}");
            all.args.extend(statement.args.iter().cloned());
        }
        all
    }
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

    /// Appends a list of texts as a table of one column, with the name of that column.
    pub(crate) fn table(&mut self, texts: Arc<[Box<str>]>, alias: &str) -> String {
        match self.dialect {
            Dialect::Sqlite => {
                self.push("json_each(").arg(Arg::List(texts)).push(") ").push(alias);
                format!("{alias}.value")
            }
            Dialect::Postgres => {
                self.push("unnest(").arg(Arg::List(texts)).push(") ").push(alias).push("(value)");
                format!("{alias}.value")
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_statements_are_one_with_arguments_of_their_own() {
        let of = |sql: &str, args: &[i64]| Statement {
            sql: sql.to_owned(),
            args: args.iter().map(|n| Arg::Int(*n)).collect(),
        };
        let all =
            [of("select a where b = $1 and c = $2 or d = $1", &[5, 6]), of("select a where b = $1", &[7])];
        assert_eq!(
            Statement::together(&all),
            of(
                "select 0 as place, s0.* from (select a where b = $1 and c = $2 or d = $1) s0 \
                 union all select 1 as place, s1.* from (select a where b = $3) s1",
                &[5, 6, 7]
            )
        );
    }
}
