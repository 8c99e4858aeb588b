//! The grammar of `_filter` (<https://hl7.org/fhir/R4/search_filter.html>).
//!
//! `and` and `or` bind alike and group from the left, as the page says; parentheses say otherwise.

use remit_fhir::json;

/// Most parentheses and brackets inside each other.
pub(super) const MAX_DEPTH: usize = 16;

/// Most tests of one filter. Each costs a probe for every resource looked at.
pub(super) const MAX_TESTS: usize = 64;

/// A filter as it is written.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Filter<'t> {
    And(Vec<Filter<'t>>),
    Or(Vec<Filter<'t>>),
    Not(Box<Filter<'t>>),
    Test(Test<'t>),
}

/// A path compared with a value.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Test<'t> {
    pub(super) path: Path<'t>,
    pub(super) operator: Operator,
    pub(super) value: Value<'t>,
}

/// What is compared.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Path<'t> {
    /// A parameter.
    Parameter(&'t str),
    /// `name[filter].rest`: what the reference leads to and, with a filter, meets it.
    Reference { name: &'t str, filter: Option<Box<Filter<'t>>>, rest: Box<Path<'t>> },
    /// `_has:Type:reference:rest`: what points here.
    Has { ty: &'t str, reference: &'t str, rest: Box<Path<'t>> },
}

/// A value: quoted, or up to the next blank or closing bracket.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Value<'t> {
    Quoted(String),
    Bare(&'t str),
}

impl Value<'_> {
    pub(super) fn text(&self) -> &str {
        match self {
            Value::Quoted(text) => text,
            Value::Bare(text) => text,
        }
    }
}

macro_rules! operators {
    ($($name:ident $code:literal $doc:literal),* $(,)?) => {
        /// How a value compares.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(super) enum Operator { $(#[doc = $doc] $name,)* }

        impl Operator {
            /// Every operator in the order of the specification.
            pub(super) const ALL: &'static [Operator] = &[$(Operator::$name),*];

            /// As it is written.
            pub(super) fn code(self) -> &'static str {
                match self { $(Operator::$name => $code,)* }
            }
        }
    };
}

operators! {
    Equal "eq" "One of the values equals.",
    NotEqual "ne" "One of the values does not equal.",
    Contains "co" "One of the values contains it.",
    StartsWith "sw" "One of the values starts with it.",
    EndsWith "ew" "One of the values ends with it.",
    Greater "gt" "One of the values is greater.",
    Less "lt" "One of the values is less.",
    GreaterOrEqual "ge" "One of the values is greater or equal.",
    LessOrEqual "le" "One of the values is less or equal.",
    Approximate "ap" "One of the values is about the same.",
    StartsAfter "sa" "One of the values lies behind it.",
    EndsBefore "eb" "One of the values lies before it.",
    Present "pr" "There is a value, or there is none.",
    Overlaps "po" "One of the values overlaps the time.",
    Subsumes "ss" "The value subsumes one of the codes.",
    SubsumedBy "sb" "One of the codes subsumes the value.",
    In "in" "One of the codes is in the value set.",
    References "re" "One of the references points to it.",
}

/// Reads a whole filter. The error says what is wrong, and where.
pub(super) fn parse(text: &str) -> Result<Filter<'_>, String> {
    let mut parser = Parser { text, at: 0, depth: 0, tests: 0 };
    let filter = parser.filter()?;
    parser.blanks();
    if parser.at < text.len() {
        return Err(parser.wrong("the filter should end"));
    }
    Ok(filter)
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
    tests: usize,
}

impl<'t> Parser<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn wrong(&self, expected: &str) -> String {
        let here: String = self.rest().chars().take(20).collect();
        let here = if here.is_empty() { "its end".to_owned() } else { format!("'{here}'") };
        format!("{expected} at character {}, at {here}", self.text[..self.at].chars().count() + 1)
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn take(&mut self, token: char) -> bool {
        let found = self.rest().starts_with(token);
        self.at += if found { token.len_utf8() } else { 0 };
        found
    }

    fn expect(&mut self, token: char) -> Result<(), String> {
        if self.take(token) { Ok(()) } else { Err(self.wrong(&format!("'{token}' should stand"))) }
    }

    /// Characters that pass; at least one.
    fn some(&mut self, what: &str, passes: impl Fn(char) -> bool) -> Result<&'t str, String> {
        let rest = self.rest();
        let end = rest.find(|c| !passes(c)).unwrap_or(rest.len());
        if end == 0 {
            return Err(self.wrong(&format!("{what} should stand")));
        }
        self.at += end;
        Ok(&rest[..end])
    }

    fn word(&mut self, word: &str) -> bool {
        let found = self
            .rest()
            .strip_prefix(word)
            .is_some_and(|r| !r.starts_with(is_name) && !r.starts_with([':', '.', '[']));
        self.at += if found { word.len() } else { 0 };
        found
    }

    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("it has more than {MAX_DEPTH} brackets inside each other"));
        }
        let result = inner(self)?;
        self.depth -= 1;
        Ok(result)
    }

    fn filter(&mut self) -> Result<Filter<'t>, String> {
        let mut left = self.operand()?;
        loop {
            self.blanks();
            let before = self.at;
            let (is_and, is_or) = (self.word("and"), self.word("or"));
            if !is_and && !is_or {
                self.at = before;
                return Ok(left);
            }
            let right = self.operand()?;
            left = match (is_and, left) {
                (true, Filter::And(mut all)) => {
                    all.push(right);
                    Filter::And(all)
                }
                (false, Filter::Or(mut any)) => {
                    any.push(right);
                    Filter::Or(any)
                }
                (true, left) => Filter::And(vec![left, right]),
                (false, left) => Filter::Or(vec![left, right]),
            };
        }
    }

    fn operand(&mut self) -> Result<Filter<'t>, String> {
        self.blanks();
        if self.take('(') {
            return self.inside();
        }
        let before = self.at;
        if self.word("not") {
            self.blanks();
            if self.take('(') {
                return Ok(Filter::Not(Box::new(self.inside()?)));
            }
            self.at = before;
        }
        self.test().map(Filter::Test)
    }

    /// The filter up to the closing parenthesis.
    fn inside(&mut self) -> Result<Filter<'t>, String> {
        let inner = self.deeper(Parser::filter)?;
        self.blanks();
        self.expect(')')?;
        Ok(inner)
    }

    fn test(&mut self) -> Result<Test<'t>, String> {
        self.tests += 1;
        if self.tests > MAX_TESTS {
            return Err(format!("it has more than {MAX_TESTS} tests"));
        }
        let path = self.path()?;
        self.space()?;
        let place = self.at;
        let code = self.some("an operator", |c| c.is_ascii_alphabetic())?;
        let Some(operator) = Operator::ALL.iter().find(|operator| operator.code() == code) else {
            self.at = place;
            let all: Vec<&str> = Operator::ALL.iter().map(|operator| operator.code()).collect();
            return Err(self.wrong(&format!("one of the operators {} should stand", all.join(" "))));
        };
        self.space()?;
        let value = self.value()?;
        Ok(Test { path, operator: *operator, value })
    }

    fn space(&mut self) -> Result<(), String> {
        let before = self.at;
        self.blanks();
        if self.at == before { Err(self.wrong("a blank should stand")) } else { Ok(()) }
    }

    fn path(&mut self) -> Result<Path<'t>, String> {
        if self.rest().starts_with("_has:") {
            self.at += "_has:".len();
            let ty = self.name()?;
            self.expect(':')?;
            let reference = self.name()?;
            self.expect(':')?;
            let rest = Box::new(self.deeper(Parser::path)?);
            return Ok(Path::Has { ty, reference, rest });
        }
        let name = self.name()?;
        let filter = if self.take('[') {
            let filter = self.deeper(Parser::filter)?;
            self.blanks();
            self.expect(']')?;
            self.rest().starts_with('.').then_some(()).ok_or_else(|| self.wrong("'.' should stand"))?;
            Some(Box::new(filter))
        } else {
            None
        };
        if self.take('.') {
            let rest = Box::new(self.deeper(Parser::path)?);
            return Ok(Path::Reference { name, filter, rest });
        }
        Ok(Path::Parameter(name))
    }

    fn name(&mut self) -> Result<&'t str, String> {
        if !self.rest().starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            return Err(self.wrong("the name of a search parameter should stand"));
        }
        self.some("a name", is_name)
    }

    fn value(&mut self) -> Result<Value<'t>, String> {
        if !self.rest().starts_with('"') {
            let passes = |c: char| !c.is_whitespace() && !matches!(c, ')' | ']');
            return self.some("a value", passes).map(Value::Bare);
        }
        let mut escaped = false;
        let end = self.rest()[1..].find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let Some(end) = end else { return Err(self.wrong("a quoted text that ends with '\"' should stand")) };
        let quoted = &self.rest()[..end + 2];
        let unquoted = unquote(quoted).filter(|text| !text.contains('\0'));
        let unquoted = unquoted.ok_or_else(|| self.wrong("a text with the escapes of JSON should stand"))?;
        self.at += quoted.len();
        Ok(Value::Quoted(unquoted))
    }
}

/// The text of a JSON string.
fn unquote(quoted: &str) -> Option<String> {
    let document = json::parse(format!("[{quoted}]")).ok()?;
    let text = document.root().items().next()?.string()?.into_owned();
    Some(text)
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The filter with every group in parentheses.
    fn show(filter: &Filter<'_>) -> String {
        let list = |all: &[Filter<'_>], joint: &str| {
            format!("({})", all.iter().map(show).collect::<Vec<_>>().join(joint))
        };
        match filter {
            Filter::And(all) => list(all, " and "),
            Filter::Or(any) => list(any, " or "),
            Filter::Not(inner) => format!("not({})", show(inner)),
            Filter::Test(test) => {
                let value = match &test.value {
                    Value::Quoted(text) => json::quote(text),
                    Value::Bare(text) => (*text).to_owned(),
                };
                format!("{} {} {value}", path(&test.path), test.operator.code())
            }
        }
    }

    fn path(of: &Path<'_>) -> String {
        match of {
            Path::Parameter(name) => (*name).to_owned(),
            Path::Reference { name, filter, rest } => {
                let filter = filter.as_ref().map(|filter| format!("[{}]", show(filter))).unwrap_or_default();
                format!("{name}{filter}.{}", path(rest))
            }
            Path::Has { ty, reference, rest } => format!("_has:{ty}:{reference}:{}", path(rest)),
        }
    }

    #[test]
    fn a_filter_is_read_from_the_left() {
        for (text, shown) in [
            (r#"name co "pet""#, r#"name co "pet""#),
            (
                r#"given eq "peter" and birthdate ge 2014-10-10"#,
                r#"(given eq "peter" and birthdate ge 2014-10-10)"#,
            ),
            ("code eq http://loinc.org|1234-5", "code eq http://loinc.org|1234-5"),
            (r#"subject.name co "pet""#, r#"subject.name co "pet""#),
            (
                r#"related[type eq "has-component"].target pr true"#,
                r#"related[type eq "has-component"].target pr true"#,
            ),
            ("a[b eq c and d eq e].f.g eq h", "a[(b eq c and d eq e)].f.g eq h"),
            ("a eq b or c eq d and e eq f", "((a eq b or c eq d) and e eq f)"),
            ("a eq b and c eq d or e eq f", "((a eq b and c eq d) or e eq f)"),
            ("a eq b or (c eq d and e eq f)", "(a eq b or (c eq d and e eq f))"),
            ("a eq b and c eq d and e eq f", "(a eq b and c eq d and e eq f)"),
            ("not(a eq b)", "not(a eq b)"),
            (" not ( a eq b )or not(c eq d) ", "(not(a eq b) or not(c eq d))"),
            ("not (not (a eq b))", "not(not(a eq b))"),
            ("not eq b", "not eq b"),
            ("and eq or and or eq and", "(and eq or and or eq and)"),
            (r#"a eq "x \"y\" ) ] \u00e9\\""#, r#"a eq "x \"y\" ) ] é\\""#),
            (r#"a eq "" "#, r#"a eq """#),
            ("_has:Observation:patient:code eq x", "_has:Observation:patient:code eq x"),
            ("a._has:B:c:_has:D:e:f pr false", "a._has:B:c:_has:D:e:f pr false"),
            ("((((a eq b))))", "a eq b"),
            ("a\teq\n2014-01-01T10:00:00+01:00", "a eq 2014-01-01T10:00:00+01:00"),
        ] {
            let filter = parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(show(&filter), shown, "{text}");
            // What is shown reads the same again.
            assert_eq!(parse(shown).map(|filter| show(&filter)), Ok(shown.to_owned()));
        }
    }

    #[test]
    fn a_filter_that_cannot_be_read_says_where() {
        let deep = format!("{}a eq b{}", "(".repeat(17), ")".repeat(17));
        let long = vec!["a eq b"; 65].join(" or ");
        let path = format!("{} eq b", ["a"; 20].join("."));
        for (text, reason) in [
            ("", "search parameter should stand at character 1, at its end"),
            ("a", "a blank should stand at character 2, at its end"),
            ("a eq", "a blank should stand at character 5"),
            ("a eq ", "a value should stand at character 6"),
            ("a is b", "one of the operators eq ne co"),
            ("a EQ b", "one of the operators"),
            ("é eq b", "search parameter should stand at character 1"),
            ("a eq b c", "the filter should end at character 8"),
            ("(a eq b", "')' should stand at character 8"),
            ("a eq b)", "the filter should end at character 7"),
            ("a eq b and", "search parameter should stand at character 11"),
            ("a eq b and and c eq d", "one of the operators"),
            ("a[b eq c] eq d", "'.' should stand"),
            ("a[b eq c.d eq e", "']' should stand"),
            ("a. eq b", "search parameter should stand"),
            ("a eq \"b", "a quoted text that ends"),
            ("a eq \"\\x\"", "escapes of JSON"),
            ("a eq \"\\u0000\"", "escapes of JSON"),
            ("_has:Observation eq b", "':' should stand"),
            (&deep, "more than 16 brackets"),
            (&path, "more than 16 brackets"),
            (&long, "more than 64 tests"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[a-c_:. ()\\[\\]\"\\\\éeqandornot1|-]{0,60}") {
            if let Ok(filter) = parse(&text) {
                let shown = show(&filter);
                let again = parse(&shown).map(|filter| show(&filter));
                proptest::prop_assert_eq!(again, Ok(shown.clone()));
            }
        }

        #[test]
        fn any_characters_are_survived(text in "\\PC*") {
            let _ = parse(&text);
        }
    }
}
