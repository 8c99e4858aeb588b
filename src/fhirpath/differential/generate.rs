//! Makes expressions that mean something: paths are taken from what a resource holds and named by the
//! definitions, and functions and operators are applied to what they are for.

use remit_fhir::Node;
use remit_fhir::json::Document;
use remit_spec::{Definitions, Kind, SystemType};

use crate::Element;

/// Numbers that look random and are the same for the same seed (splitmix64).
pub(super) struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// True in so many of a hundred.
    fn percent(&mut self, share: usize) -> bool {
        self.below(100) < share
    }

    fn pick<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[self.below(all.len())]
    }
}

/// What the items of an expression are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Of {
    Text,
    Integer,
    Decimal,
    Boolean,
    Date,
    DateTime,
    Quantity,
    Other,
}

/// An expression, what it gives, and an example of that in the resource.
#[derive(Clone)]
struct Made<'a> {
    text: String,
    of: Of,
    is_many: bool,
    example: Option<Element<'a>>,
}

impl<'a> Made<'a> {
    fn of(text: impl Into<String>, of: Of) -> Made<'a> {
        Made { text: text.into(), of, is_many: false, example: None }
    }
}

/// How deep criteria and operands may nest.
const MAX_DEPTH: usize = 3;

pub(super) struct Generator {
    random: Random,
    defs: &'static Definitions,
}

impl Generator {
    pub(super) fn new(seed: u64) -> Generator {
        Generator { random: Random(seed), defs: Definitions::r4() }
    }

    /// A resource and an expression for it.
    pub(super) fn case(&mut self, resources: &[Document]) -> (usize, String) {
        let place = self.random.below(resources.len());
        let focus = Element::resource(resources[place].root(), self.defs);
        let text = match self.random.below(10) {
            0..=3 => self.value(focus, 0).text,
            4..=5 => self.boolean(focus, 0),
            6..=7 => self.number(focus, 0).text,
            8 => self.string(focus, 0),
            _ => self.many(focus, 0).text,
        };
        (place, text)
    }

    /// A path from an element to something that is there; a step more while chance wants it.
    fn path<'a>(&mut self, from: Element<'a>) -> Option<Made<'a>> {
        let mut made = Made { text: String::new(), of: Of::Other, is_many: false, example: Some(from) };
        loop {
            let element = made.example?;
            let container = element.node.filter(|node| node.is_object());
            let is_done = container.is_none() || (!made.text.is_empty() && self.random.percent(12));
            if is_done {
                return (!made.text.is_empty()).then_some(made);
            }
            let members: Vec<(String, Node<'a>)> = container?
                .members()
                .filter(|(name, _)| *name != "resourceType" && *name != "text" && !name.starts_with('_'))
                .map(|(name, node)| (name.into_owned(), node))
                .collect();
            if members.is_empty() {
                return (!made.text.is_empty()).then_some(made);
            }
            let (name, node) = self.random.pick(&members).clone();
            made = self.step(made, element, &name, node)?;
        }
    }

    fn step<'a>(
        &mut self,
        before: Made<'a>,
        of: Element<'a>,
        json_name: &str,
        node: Node<'a>,
    ) -> Option<Made<'a>> {
        let (element, ty) = self.defs.member(of.ty?, json_name)?;
        let mut text = before.text;
        if !text.is_empty() {
            text.push('.');
        }
        // A name that is a word of the grammar stands in backticks.
        let is_word = matches!(element.name, "contains" | "as" | "is" | "in" | "div" | "mod");
        text.push_str(&if is_word { format!("`{}`", element.name) } else { element.name.to_owned() });
        let mut is_many = before.is_many || node.is_array();
        let items: Vec<Node<'a>> = node.each().collect();
        let place = self.random.below(items.len());
        if node.is_array() && !before.is_many && self.random.percent(30) {
            text.push_str(&format!("[{place}]"));
            is_many = false;
        }
        let node = *items.get(place)?;
        let ty = match self.defs.ty(ty).kind {
            Kind::Resource => self.defs.resource_named(&node.resource_type()?)?,
            _ => ty,
        };
        if element.types.len() > 1 && self.random.percent(30) {
            text.push_str(&format!(".ofType({})", self.defs.name(ty)));
        }
        let example = Some(Element { node: Some(node), extension: None, ty: Some(ty) });
        Some(Made { text, of: self.kind(ty), is_many, example })
    }

    fn kind(&self, ty: remit_spec::TypeId) -> Of {
        if self.defs.is_a(ty, self.defs.well_known().quantity) {
            return Of::Quantity;
        }
        match self.defs.ty(ty).primitive.map(|primitive| primitive.system) {
            Some(SystemType::Boolean) => Of::Boolean,
            Some(SystemType::String) => Of::Text,
            Some(SystemType::Integer) => Of::Integer,
            Some(SystemType::Decimal) => Of::Decimal,
            Some(SystemType::Date) => Of::Date,
            Some(SystemType::DateTime) => Of::DateTime,
            _ => Of::Other,
        }
    }

    /// Any collection.
    fn many<'a>(&mut self, from: Element<'a>, depth: usize) -> Made<'a> {
        let Some(made) = self.path(from) else { return Made::of("$this", Of::Other) };
        self.shaped(made, from, depth)
    }

    /// Functions that choose from a collection or join two.
    fn shaped<'a>(&mut self, mut made: Made<'a>, from: Element<'a>, depth: usize) -> Made<'a> {
        for _ in 0..self.random.below(3) {
            let text = made.text.clone();
            let count = self.random.below(4);
            let with = |next: String| format!("{text}.{next}");
            made.text = match self.random.below(16) {
                0 => with("first()".into()),
                1 => with("last()".into()),
                2 => with("tail()".into()),
                3 => with(format!("skip({count})")),
                4 => with(format!("take({count})")),
                5 => with("distinct()".into()),
                6 | 7 if depth < MAX_DEPTH => {
                    let criterion = self.criterion(&made, depth);
                    with(format!("where({criterion})"))
                }
                8 if depth < MAX_DEPTH => {
                    let other = self.many(from, depth + 1).text;
                    let function = *self.random.pick(&["union", "combine", "intersect", "exclude"]);
                    made.is_many = true;
                    with(format!("{function}({other})"))
                }
                9 if depth < MAX_DEPTH => {
                    let other = self.many(from, depth + 1);
                    made.is_many = true;
                    made.of = if other.of == made.of { made.of } else { Of::Other };
                    made.example = made.example.filter(|_| made.of != Of::Other);
                    format!("({text} | {})", other.text)
                }
                10 if depth < MAX_DEPTH
                    && made.example.is_some_and(|e| e.node.is_some_and(|n| n.is_object())) =>
                {
                    let Some(example) = made.example else { continue };
                    let inner = self.many(example, depth + 1);
                    made = Made { is_many: true, ..inner };
                    with(format!("select({})", made.text))
                }
                11 => {
                    made.of = Of::Integer;
                    made.is_many = false;
                    made.example = None;
                    with("count()".into())
                }
                12 => with(format!("trace('{count}')")),
                13 if depth < MAX_DEPTH => {
                    let this = Made { text: "$this".into(), is_many: false, ..made.clone() };
                    let criterion = self.test(&this, depth + 1);
                    let single = if made.is_many { with("first()".into()) } else { text };
                    made.is_many = false;
                    format!("{single}.iif({criterion}, $this, {{}})")
                }
                14 if made.example.is_some() => with("repeat(extension)".into()),
                _ => continue,
            };
            if made.text.ends_with("first()") || made.text.ends_with("last()") {
                made.is_many = false;
            }
            if made.text.ends_with("repeat(extension)") {
                (made.of, made.is_many, made.example) = (Of::Other, true, None);
            }
        }
        made
    }

    /// A truth value about each item.
    fn criterion(&mut self, made: &Made<'_>, depth: usize) -> String {
        if self.random.percent(10) {
            return format!("$index {} {}", self.random.pick(&["=", "<", ">="]), self.random.below(3));
        }
        match made.example {
            Some(example) if example.node.is_some_and(|node| node.is_object()) && self.random.percent(80) => {
                self.boolean(example, depth + 1)
            }
            _ => {
                let this = Made { text: "$this".into(), is_many: false, ..made.clone() };
                self.test(&this, depth + 1)
            }
        }
    }

    /// One item, mostly.
    fn value<'a>(&mut self, from: Element<'a>, depth: usize) -> Made<'a> {
        let mut made = self.many(from, depth);
        if made.is_many && self.random.percent(95) {
            let next = *self.random.pick(&[".first()", ".last()", "[0]", ".take(1)", ".skip(1).first()"]);
            made.text.push_str(next);
            made.is_many = false;
        }
        made
    }

    /// One item of a kind, where one is found soon.
    fn value_of<'a>(&mut self, from: Element<'a>, kinds: &[Of], depth: usize) -> Option<Made<'a>> {
        (0..8).map(|_| self.value(from, depth.max(MAX_DEPTH - 1))).find(|made| kinds.contains(&made.of))
    }

    fn boolean(&mut self, from: Element<'_>, depth: usize) -> String {
        if depth < MAX_DEPTH && self.random.percent(25) {
            let (left, right) = (self.boolean(from, depth + 1), self.boolean(from, depth + 1));
            let operator = *self.random.pick(&["and", "or", "xor", "implies", "=", "!="]);
            return format!("({left} {operator} {right})");
        }
        let made = if self.random.percent(50) { self.value(from, depth) } else { self.many(from, depth) };
        self.test(&made, depth)
    }

    /// A truth value about a collection.
    fn test(&mut self, made: &Made<'_>, depth: usize) -> String {
        let text = &made.text;
        if made.is_many || self.random.percent(20) {
            return match self.random.below(10) {
                0 => format!("{text}.exists()"),
                1 => format!("{text}.empty()"),
                2 => format!("{text}.isDistinct()"),
                3 => {
                    format!("{text}.count() {} {}", self.random.pick(&["=", ">", "<="]), self.random.below(4))
                }
                4 if depth < MAX_DEPTH => format!("{text}.exists({})", self.criterion(made, depth)),
                5 if depth < MAX_DEPTH => format!("{text}.all({})", self.criterion(made, depth)),
                6 => format!("{text}.subsetOf({text}.tail())"),
                7 => format!("({text} contains {})", self.literal(made)),
                8 => format!("({} in {text})", self.literal(made)),
                _ => format!("{text}.hasValue()"),
            };
        }
        let operator = match made.of {
            Of::Boolean => {
                return self
                    .random
                    .pick(&[
                        "$",
                        "$.not()",
                        "($ = true)",
                        "($ or false)",
                        "$.toString() = 'true'",
                        "$.is(boolean)",
                    ])
                    .replace('$', text)
                    .replace("is(boolean)", "is(FHIR.boolean)");
            }
            Of::Other => {
                return format!(
                    "{text}.{}",
                    self.random.pick(&[
                        "exists()",
                        "empty()",
                        "hasValue()",
                        "exists().not()",
                        "children().exists()",
                        "descendants().count() > 3"
                    ])
                );
            }
            _ => *self.random.pick(&["=", "!=", "~", "!~", "<", ">", "<=", ">="]),
        };
        if made.of == Of::Text && self.random.percent(40) {
            let part = self.part(made);
            let function = *self.random.pick(&["startsWith", "endsWith", "contains", "matches"]);
            return format!("{text}.{function}({part})");
        }
        format!("({text} {operator} {})", self.literal(made))
    }

    /// A value like the example, or near it.
    fn literal(&mut self, made: &Made<'_>) -> String {
        let node = made.example.and_then(|example| example.node);
        let scalar = node.and_then(|node| node.scalar()).unwrap_or_default();
        let number = self.random.below(20);
        match made.of {
            Of::Text => quoted(if self.random.percent(70) { &scalar } else { "final" }),
            Of::Integer if scalar.is_empty() => number.to_string(),
            Of::Integer | Of::Decimal => match self.random.below(3) {
                0 if !scalar.contains('e') => scalar.into_owned(),
                1 => number.to_string(),
                _ => format!("{number}.5"),
            },
            Of::Boolean => self.random.pick(&["true", "false"]).to_string(),
            Of::Date | Of::DateTime => self.date(&scalar),
            Of::Quantity => self.quantity(node),
            Of::Other => self.random.pick(&["{}", "1", "'a'"]).to_string(),
        }
    }

    fn date(&mut self, scalar: &str) -> String {
        let is_date = scalar.len() >= 10 && scalar.is_char_boundary(10);
        match self.random.below(6) {
            0..=2 if is_date => format!("@{scalar}"),
            3 if is_date => format!("@{}", &scalar[..10]),
            4 if is_date => format!("@{}", &scalar[..self.random.pick(&[4, 7]).to_owned()]),
            _ => self
                .random
                .pick(&[
                    "@2010",
                    "@2015-03",
                    "@2012-05-05T10:00:00Z",
                    "@1990-01-01",
                    "@2018-02-03T04:05:06.789-05:00",
                ])
                .to_string(),
        }
    }

    fn quantity(&mut self, node: Option<Node<'_>>) -> String {
        let value =
            node.and_then(|node| node.get("value")?.number()).filter(|text| !text.contains(['e', 'E']));
        let unit = node.and_then(|node| node.get_str("code")).unwrap_or_else(|| "mg".into());
        let value = match (self.random.below(3), value) {
            (0 | 1, Some(value)) => value.to_owned(),
            _ => format!("{}.5", self.random.below(100)),
        };
        format!("{value} {}", quoted(&unit))
    }

    /// A piece of the example's text.
    fn part(&mut self, made: &Made<'_>) -> String {
        let text = made.example.and_then(|example| example.node?.string()).unwrap_or_default();
        let words: String = text.chars().filter(|c| c.is_ascii_alphanumeric() || *c == ' ').collect();
        let start = self.random.below(words.len());
        let end = (start + 1 + self.random.below(5)).min(words.len());
        quoted(words.get(start..end).unwrap_or("a"))
    }

    fn string(&mut self, from: Element<'_>, depth: usize) -> String {
        let Some(made) = self.value_of(from, &[Of::Text], depth) else { return "'a' & 'b'".into() };
        let mut text = made.text.clone();
        for _ in 0..1 + self.random.below(3) {
            let (n, m, part) = (self.random.below(6), self.random.below(6), self.part(&made));
            let next = match self.random.below(18) {
                0 => "upper()".into(),
                1 => "lower()".into(),
                2 => format!("substring({n})"),
                3 => format!("substring({n}, {m})"),
                4 => format!("replace({part}, 'x')"),
                5 => format!("replaceMatches('[a-m]+', '{n}')"),
                6 => "trim()".into(),
                7 => "toString()".into(),
                8 => "encode('base64')".into(),
                9 => "encode('hex')".into(),
                10 => "toChars().join('-')".into(),
                11 => format!("split({part}).join('|')"),
                12 => format!("split({part}).first()"),
                13 => "escape('html')".into(),
                14 => "escape('json')".into(),
                15 => format!("replaceMatches('([a-z])([a-z])', '$2{n}$1')"),
                16 => "lower().upper()".into(),
                _ => "encode('urlbase64').decode('urlbase64')".into(),
            };
            text = format!("{text}.{next}");
        }
        match self.random.below(8) {
            0 => format!("{text}.length()"),
            1 => format!("{text}.indexOf({})", self.part(&made)),
            2 => format!("({text} & {})", made.text),
            3 => format!("({text} + 'z')"),
            4 => format!(
                "{text}.{}",
                self.random.pick(&[
                    "toInteger()",
                    "convertsToInteger()",
                    "convertsToDate()",
                    "toDecimal()",
                    "convertsToDateTime()",
                    "toDate()",
                    "convertsToBoolean()",
                    "toQuantity()",
                    "convertsToQuantity()",
                    "toBoolean()",
                    "convertsToTime()"
                ])
            ),
            5 => format!("{text}.lastIndexOf({})", self.part(&made)),
            _ => text,
        }
    }

    fn number<'a>(&mut self, from: Element<'a>, depth: usize) -> Made<'a> {
        let kinds = [Of::Integer, Of::Decimal, Of::Quantity, Of::Date, Of::DateTime];
        let Some(made) = self.value_of(from, &kinds, depth) else {
            let count = self.many(from, depth).text;
            return Made::of(format!("{count}.count()"), Of::Integer);
        };
        let text = &made.text;
        let n = self.random.below(40);
        let text = match made.of {
            Of::Date | Of::DateTime => self.moved(&made),
            Of::Quantity => match self.random.below(6) {
                0 => format!("{text}.value"),
                1 => format!("({text} = {})", self.literal(&made)),
                2 => format!("({text} * {n})"),
                3 => format!("({text} + {})", self.literal(&made)),
                4 => format!("({text}.value {} {n}.25)", self.random.pick(&["+", "-", "*", "/"])),
                _ => format!("({text} {} {})", self.random.pick(&["<", ">", ">="]), self.literal(&made)),
            },
            _ => match self.random.below(3) {
                0 => format!(
                    "({text} {} {})",
                    self.random.pick(&["+", "-", "*", "/", "div", "mod"]),
                    self.literal(&made)
                ),
                1 => format!("(-{text})"),
                _ => text.clone(),
            },
        };
        if matches!(made.of, Of::Integer | Of::Decimal) && self.random.percent(60) {
            let digits = self.random.below(4);
            let next = self.random.pick(&[
                "abs()",
                "ceiling()",
                "floor()",
                "truncate()",
                "sqrt()",
                "toString()",
                "round(#)",
                "round()",
                "toDecimal()",
                "toInteger()",
                "convertsToInteger()",
                "toQuantity()",
                "power(2)",
                "ln()",
                "exp()",
                "log(10)",
                "power(0.5)",
                "toBoolean()",
                "convertsToDecimal()",
            ]);
            return Made::of(format!("{text}.{}", next.replace('#', &digits.to_string())), made.of);
        }
        Made::of(text, made.of)
    }

    /// A date moved, converted or compared.
    fn moved(&mut self, made: &Made<'_>) -> String {
        let (text, n) = (&made.text, self.random.below(40));
        match self.random.below(4) {
            0 | 1 => {
                let unit =
                    *self.random.pick(&["years", "months", "days", "weeks", "hours", "minutes", "seconds"]);
                format!("({text} {} {n} {unit})", self.random.pick(&["+", "-"]))
            }
            2 => format!(
                "{text}.{}",
                self.random.pick(&[
                    "toDate()",
                    "toDateTime()",
                    "toString()",
                    "convertsToDate()",
                    "convertsToTime()",
                    "toTime()",
                    "convertsToDateTime()"
                ])
            ),
            _ => format!(
                "({text} {} {})",
                self.random.pick(&["<", ">", "=", "~", "<=", "!="]),
                self.literal(made)
            ),
        }
    }
}

/// A text in single quotes.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("'");
    for c in text.chars() {
        match c {
            '\'' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c => quoted.push(c),
        }
    }
    quoted.push('\'');
    quoted
}
