//! Elements: types, lengths, characters, syntax notes (SNIP 1), and what the guide requires, forbids and
//! lists (SNIP 2).

use crate::dictionary::{Content, Definition, ElementDefinition, Note, Relation, Type, definition};
use crate::finding::{Answer, Finding, Findings, Level, Place};
use crate::guide::Rule;
use crate::limits::{MAX_ELEMENTS, MAX_REPEATS};
use crate::segment::{Element, Segment, quoted};
use crate::tree::Tree;
use crate::value::{Date, Span, is_decimal, is_time};

/// Elements that syntax notes and rules may look at again, by their numbers.
type Elements<'a> = Vec<Option<Element<'a>>>;

/// Checks all segments of a tree.
pub(crate) fn check(tree: &Tree<'_, '_>, level: Level, findings: &mut Findings) {
    let mut elements: Elements<'_> = Vec::with_capacity(MAX_ELEMENTS + 1);
    for (number, segment) in tree.segments.iter().enumerate() {
        let spec = tree.spec_of(number);
        let own = spec.map(|spec| spec.definition).or_else(|| definition(segment.id()));
        let Some(definition) = own else { continue };
        let mut pass = Pass { tree, number, segment, findings };
        pass.elements(definition, &mut elements);
        for note in &definition.notes {
            pass.note(note, &elements);
        }
        pass.dates(&elements);
        if level >= Level::Guide
            && let Some(spec) = spec
        {
            for rule in &spec.rules {
                pass.rule(rule, &elements);
            }
        }
    }
}

/// The check of one segment.
struct Pass<'p, 't, 'a> {
    tree: &'p Tree<'t, 'a>,
    number: usize,
    segment: &'p Segment<'a>,
    findings: &'p mut Findings,
}

fn present<'a>(elements: &[Option<Element<'a>>], n: usize) -> Option<Element<'a>> {
    elements.get(n).copied().flatten().filter(|element| !element.is_empty())
}

impl<'a> Pass<'_, '_, 'a> {
    fn fault(&mut self, level: Level, code: &'static str, answer: &'static str, at: At<'_>, what: &str) {
        let mut place: Place = self.tree.place(self.number);
        place.element = at.element as u16;
        place.component = at.component as u16;
        place.repeat = at.repeat as u16;
        place.offset = at.offset;
        let mut name = format!("{}{:02}", place.id, at.element);
        if at.component > 0 {
            name.push_str(&format!("-{}", at.component));
        }
        let finding = Finding::new(level, code, place, format!("{name} {what}."));
        let finding = finding.answered(Answer::Element(answer));
        self.findings.push(if at.value.is_empty() { finding } else { finding.with_value(at.value) });
    }

    /// Splits the segment and checks each element by itself.
    fn elements(&mut self, definition: &Definition, elements: &mut Elements<'a>) {
        elements.clear();
        elements.push(None);
        let mut count = 0;
        for element in self.segment.elements() {
            count += 1;
            let at = At::new(count, element);
            match definition.elements.get(count - 1) {
                None if count > definition.elements.len() + 1 => continue,
                None => {
                    let what = format!("is one element too many: there are {}", definition.elements.len());
                    self.fault(Level::Syntax, "too-many-elements", "3", at, &what);
                    continue;
                }
                Some(expected) => self.element(expected, element, at),
            }
            elements.push(Some(element));
        }
        if count > 0 && self.segment.text().ends_with(&[self.segment.delimiters().element]) {
            let place = self.tree.place(self.number);
            let message = "The segment ends with a separator; empty elements at the end are left out.";
            self.findings.push(Finding::new(Level::Syntax, "trailing-separator", place, message).warning());
        }
        for (n, expected) in definition.elements.iter().enumerate() {
            if expected.is_mandatory && present(elements, n + 1).is_none() {
                let at = At { element: n + 1, ..At::new(n + 1, self.segment.element(n + 1)) };
                self.fault(Level::Syntax, "element-missing", "1", at, "is mandatory and is missing");
            }
        }
    }

    fn element(&mut self, expected: &ElementDefinition, element: Element<'a>, at: At<'a>) {
        if element.is_empty() {
            return;
        }
        let mut count = 0;
        for repeat in element.repeats().take(MAX_REPEATS + 1) {
            count += 1;
            let at = At { repeat: if expected.repeats > 1 { count } else { 0 }, ..at.moved(repeat) };
            match expected.content {
                Content::Simple(kind, fewest, most) => self.simple(kind, fewest, most, repeat, at),
                Content::Composite(id) => self.composite(id, repeat, at),
            }
        }
        if count > expected.repeats && self.segment.id() != b"ISA" {
            let what = match expected.repeats {
                1 => "may not be repeated".to_owned(),
                most => format!("may be repeated at most {most} times"),
            };
            self.fault(Level::Syntax, "too-many-repetitions", "12", at, &what);
        }
    }

    fn composite(&mut self, id: &'static str, element: Element<'a>, at: At<'a>) {
        let Some(definition) = definition(id.as_bytes()) else { return };
        let mut count = 0;
        for component in element.components() {
            count += 1;
            let at = At { component: count, ..at.moved(component) };
            match definition.elements.get(count - 1) {
                None => {
                    let what = format!("is one component too many: there are {}", definition.elements.len());
                    self.fault(Level::Syntax, "too-many-components", "13", at, &what);
                    return;
                }
                Some(expected) if component.is_empty() => {
                    if expected.is_mandatory && !element.is_empty() {
                        self.fault(
                            Level::Syntax,
                            "component-missing",
                            "1",
                            at,
                            "is mandatory and is missing",
                        );
                    }
                }
                Some(expected) => {
                    if let Content::Simple(kind, fewest, most) = expected.content {
                        self.simple(kind, fewest, most, component, at);
                    }
                }
            }
        }
        let missing = definition.elements.iter().skip(count).position(|expected| expected.is_mandatory);
        if let Some(missing) = missing
            && !element.is_empty()
        {
            let at = At { component: count + missing + 1, ..at };
            self.fault(Level::Syntax, "component-missing", "1", at, "is mandatory and is missing");
        }
    }

    fn simple(&mut self, kind: Type, fewest: usize, most: usize, element: Element<'a>, at: At<'a>) {
        let bytes = element.bytes();
        // ISA11 and ISA16 are delimiters themselves.
        if self.segment.id() == b"ISA" && matches!(at.element, 11 | 16) {
            return;
        }
        if bytes.iter().any(u8::is_ascii_control) {
            return self.fault(Level::Syntax, "character", "6", at, "has a character that is not allowed");
        }
        let is_text = matches!(kind, Type::Text | Type::Id);
        if is_text && element.has_components() && !element.component(2).is_empty() {
            return self.fault(Level::Syntax, "component-unexpected", "13", at, "is not a composite");
        }
        let is_right = match kind {
            Type::Id | Type::Text => true,
            Type::Number => is_decimal(bytes) && !bytes.contains(&b'.'),
            Type::Decimal => is_decimal(bytes),
            Type::Date => match bytes.len() {
                6 => Date::parse(&[b"20", bytes].concat()).is_some(),
                _ => Date::parse(bytes).is_some(),
            },
            Type::Time => is_time(bytes),
        };
        if !is_right {
            let (code, answer, what) = match kind {
                Type::Date => ("date", "8", "is no date, CCYYMMDD"),
                Type::Time => ("time", "9", "is no time, HHMM"),
                Type::Number => ("number", "6", "is no whole number"),
                _ => ("decimal", "6", "is no decimal number"),
            };
            return self.fault(Level::Syntax, code, answer, at, what);
        }
        self.length(kind, fewest, most, bytes, at);
    }

    fn length(&mut self, kind: Type, fewest: usize, most: usize, bytes: &[u8], at: At<'a>) {
        let length = match kind {
            // Sign and point do not count.
            Type::Number | Type::Decimal => bytes.iter().filter(|b| b.is_ascii_digit()).count(),
            Type::Text if !bytes.is_ascii() => String::from_utf8_lossy(bytes).chars().count(),
            _ => bytes.len(),
        };
        if length > most {
            let what = format!("has {length} characters, at most {most} are allowed");
            self.fault(Level::Syntax, "too-long", "5", at, &what);
        } else if length < fewest {
            let what = format!("has {length} characters, at least {fewest} are needed");
            self.fault(Level::Syntax, "too-short", "4", at, &what);
        }
    }

    /// How elements depend on each other.
    fn note(&mut self, note: &Note, elements: &[Option<Element<'a>>]) {
        let list = &note.elements;
        let has = |n: &usize| present(elements, *n).is_some();
        let count = list.iter().filter(|n| has(n)).count();
        let is_right = match note.relation {
            Relation::Paired => count == 0 || count == list.len(),
            Relation::Required => count > 0,
            Relation::Exclusive => count <= 1,
            Relation::Conditional => !has(&list[0]) || count == list.len(),
            Relation::List => !has(&list[0]) || count > 1,
        };
        if is_right {
            return;
        }
        let first_absent = list.iter().copied().find(|n| !has(n)).unwrap_or(list[0]);
        let numbers: Vec<String> = list.iter().map(|n| format!("{n:02}")).collect();
        let what = match note.relation {
            Relation::Paired => format!("{} go together", numbers.join(" and ")),
            Relation::Required => format!("at least one of {} must be there", numbers.join(", ")),
            Relation::Exclusive => format!("only one of {} may be there", numbers.join(", ")),
            Relation::Conditional => format!("{} needs {}", numbers[0], numbers[1..].join(" and ")),
            Relation::List => format!("{} needs one of {}", numbers[0], numbers[1..].join(", ")),
        };
        let answer = if note.relation == Relation::Exclusive { "10" } else { "2" };
        let at = At { value: &[], ..At::new(first_absent, self.segment.element(first_absent)) };
        let what = format!("breaks a syntax note: {what}");
        self.fault(Level::Syntax, "syntax-note", answer, at, &what);
    }

    /// Dates and times whose format another element gives.
    fn dates(&mut self, elements: &[Option<Element<'a>>]) {
        let (format, n) = match self.segment.id() {
            b"DTP" => (present(elements, 2), 3),
            b"DMG" => (present(elements, 1), 2),
            b"PAT" => (present(elements, 5), 6),
            _ => return,
        };
        let (Some(format), Some(value)) = (format, present(elements, n)) else { return };
        let bytes = value.bytes();
        let is_right = match format.bytes() {
            b"D8" => Date::parse(bytes).is_some(),
            b"RD8" => Span::parse(bytes).is_some_and(|span| span.to.is_some_and(|to| to >= span.from)),
            b"TM" => is_time(bytes),
            b"DT" => bytes.len() >= 12 && Date::parse(&bytes[..8]).is_some() && is_time(&bytes[8..]),
            _ => return,
        };
        if !is_right {
            let format = quoted(format.bytes());
            let what = format!("is no date or time of the format {format}");
            self.fault(Level::Syntax, "date", "8", At::new(n, value), &what);
        }
    }

    /// What the guide says about an element at this place.
    fn rule(&mut self, rule: &Rule, elements: &[Option<Element<'a>>]) {
        let element = present(elements, rule.element);
        let value = match rule.component {
            0 => element,
            n => element.map(|e| e.component(n)).filter(|e| !e.is_empty()),
        };
        let at =
            At { component: rule.component, ..At::new(rule.element, self.segment.element(rule.element)) };
        match value {
            None if rule.is_required => {
                self.fault(Level::Guide, "element-required", "1", at, "is required here and is missing");
            }
            Some(value) if rule.is_unused => {
                self.fault(Level::Guide, "element-unused", "I10", at.moved(value), "is not used here");
            }
            Some(value) if !rule.codes.is_empty() => {
                let bytes = value.bytes();
                if !rule.codes.iter().any(|code| code.as_bytes() == bytes) {
                    let what = format!("is `{}`; allowed are {}", quoted(bytes), rule.codes.join(", "));
                    self.fault(Level::Guide, "code", "7", at.moved(value), &what);
                }
            }
            _ => {}
        }
    }
}

/// An element of the segment, where it stands and what it is.
#[derive(Clone, Copy)]
struct At<'a> {
    element: usize,
    component: usize,
    repeat: usize,
    offset: u64,
    value: &'a [u8],
}

impl<'a> At<'a> {
    fn new(element: usize, value: Element<'a>) -> At<'a> {
        At { element, component: 0, repeat: 0, offset: value.offset, value: value.bytes() }
    }

    fn moved(self, value: Element<'a>) -> At<'a> {
        At { offset: value.offset, value: value.bytes(), ..self }
    }
}
