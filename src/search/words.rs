//! `_text` and `_content`: the words of a resource's narrative and of all its texts
//! (<https://hl7.org/fhir/R4/search.html#content>).
//!
//! Words are made here and only here, so that both databases keep and find the same. A database keeps
//! the set of words of a resource, without their places: so phrases cannot be asked for.

use crate::contained::Scope;
use crate::query::Condition;
use crate::string::fold;
use crate::words_query;
use remit_fhir::{Node, Result};
use std::collections::BTreeSet;

/// Letters of a word that count. Longer ones are no words of a language; they are cut when they are
/// kept and when they are searched, so they are found all the same.
pub(crate) const MAX_WORD: usize = 40;

/// Different words of one resource that are kept. A book of a thousand pages has some ten thousand.
const MAX_WORDS: usize = 20_000;

/// Bytes of the words of one resource. PostgreSQL keeps a megabyte, in which the numbers of tenants have
/// to have room too.
const MAX_BYTES: usize = 400_000;

/// Which words of resources are kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum TextLevel {
    /// None.
    None,
    /// Those of narratives, for `_text`.
    #[default]
    Narrative,
    /// Those of all texts, for `_content` too.
    Content,
}

/// Where a word stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Field {
    /// In the narrative: `_text`.
    Narrative,
    /// Anywhere, the narrative included: `_content`.
    Anywhere,
}

/// The number under which words stand in a job; no parameter has it.
pub const WORDS: i32 = -1;

/// The words of a resource. There is one row at most.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct WordsRow {
    /// [`WORDS`]
    pub param: i32,
    /// Words of the narrative, then the others, with a blank between. Each has the letter of its place
    /// before it: `t` narrative, `c` elsewhere only.
    pub words: Box<str>,
}

/// A tree of words to search for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Value {
    pub(crate) field: Field,
    pub(crate) tree: Tree,
}

/// What a resource must hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Tree {
    /// A folded word.
    Word(Box<str>),
    /// A word that begins so.
    Prefix(Box<str>),
    All(Vec<Tree>),
    Any(Vec<Tree>),
    /// The first, and none of the others.
    Without(Box<Tree>, Vec<Tree>),
}

/// Calls `each` with every folded word of a text.
pub(crate) fn each_word(text: &str, mut each: impl FnMut(&str)) {
    let mut folded = |text: &str| {
        for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            each(cut(word));
        }
    };
    if text.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) {
        folded(text);
    } else {
        folded(&fold(text));
    }
}

fn cut(word: &str) -> &str {
    word.char_indices().nth(MAX_WORD).map_or(word, |(end, _)| &word[..end])
}

/// The words of a resource as a row; none when it has none.
pub(crate) fn index(resource: Node<'_>, level: TextLevel) -> Option<WordsRow> {
    if level == TextLevel::None {
        return None;
    }
    let mut narrative = BTreeSet::new();
    let mut others = BTreeSet::new();
    if let Some(div) = resource.at(&["text", "div"]).and_then(Node::string) {
        narrative_text(&div, |text| each_word(text, |word| _ = narrative.insert(Box::<str>::from(word))));
    }
    if level == TextLevel::Content {
        walk(resource, &mut |text| {
            each_word(text, |word| {
                if !narrative.contains(word) && !others.contains(word) {
                    others.insert(Box::<str>::from(word));
                }
            });
        });
    }
    if narrative.is_empty() && others.is_empty() {
        return None;
    }
    let all = narrative.iter().map(|word| ('t', word)).chain(others.iter().map(|word| ('c', word)));
    let mut words = String::new();
    for (letter, word) in all.take(MAX_WORDS) {
        if words.len() + word.len() > MAX_BYTES {
            break;
        }
        if !words.is_empty() {
            words.push(' ');
        }
        words.push(letter);
        words.push_str(word);
    }
    Some(WordsRow { param: WORDS, words: words.into() })
}

/// Hands over the texts between the tags of XHTML, entities decoded. A tag ends a word.
fn narrative_text(div: &str, mut each: impl FnMut(&str)) {
    let mut rest = div;
    let mut plain = String::new();
    while !rest.is_empty() {
        let end = rest.find('<').unwrap_or(rest.len());
        decode(&rest[..end], &mut plain);
        each(&plain);
        plain.clear();
        rest = &rest[end..];
        // A comment may hold the sign that ends a tag.
        let close = if rest.starts_with("<!--") { "-->" } else { ">" };
        rest = rest.find(close).map_or("", |at| &rest[at + close.len()..]);
    }
}

/// The named entities that stand for letters or part words; every other one stands for a blank.
const ENTITIES: [(&str, char); 32] = [
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("nbsp", ' '),
    ("auml", 'ä'),
    ("ouml", 'ö'),
    ("uuml", 'ü'),
    ("Auml", 'Ä'),
    ("Ouml", 'Ö'),
    ("Uuml", 'Ü'),
    ("szlig", 'ß'),
    ("eacute", 'é'),
    ("egrave", 'è'),
    ("ecirc", 'ê'),
    ("euml", 'ë'),
    ("agrave", 'à'),
    ("aacute", 'á'),
    ("acirc", 'â'),
    ("aring", 'å'),
    ("ccedil", 'ç'),
    ("iacute", 'í'),
    ("icirc", 'î'),
    ("iuml", 'ï'),
    ("ntilde", 'ñ'),
    ("oacute", 'ó'),
    ("ocirc", 'ô'),
    ("oslash", 'ø'),
    ("ugrave", 'ù'),
    ("uacute", 'ú'),
    ("micro", 'µ'),
];

/// Longest name of an entity that is looked for.
const MAX_ENTITY: usize = 10;

fn decode(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let end = rest.bytes().take(MAX_ENTITY + 1).position(|b| b == b';');
        match end.and_then(|end| Some((entity(&rest[..end])?, end))) {
            Some((c, end)) => {
                out.push(c);
                rest = &rest[end + 1..];
            }
            None => out.push(' '),
        }
    }
    out.push_str(rest);
}

fn entity(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code);
    }
    Some(ENTITIES.iter().find(|(known, _)| *known == name).map_or(' ', |(_, c)| *c))
}

/// Members whose texts are no words: what identifies, what points elsewhere, what is packed.
const NO_WORDS: [&str; 9] =
    ["resourceType", "id", "meta", "div", "reference", "system", "url", "data", "fullUrl"];

/// Hands over every text of a resource. The depth of a document is bounded by the parser.
fn walk(node: Node<'_>, each: &mut impl FnMut(&str)) {
    let mut open = vec![node];
    while let Some(node) = open.pop() {
        if node.is_object() {
            open.extend(
                node.members().filter(|(name, _)| !NO_WORDS.contains(&&**name)).map(|(_, value)| value),
            );
        } else if node.is_array() {
            open.extend(node.items());
        } else if let Some(text) = node.string()
            && !is_address(&text)
        {
            each(&text);
        }
    }
}

fn is_address(text: &str) -> bool {
    text.starts_with("urn:") || text.starts_with("http://") || text.starts_with("https://")
}

/// Reads the values of `_text` or `_content`, of which one must match.
pub(crate) fn parse(values: &[Box<str>], field: Field) -> Result<Condition> {
    words_query::parse(values, field)
}

impl Value {
    /// Whether a row holds what is asked for.
    pub(crate) fn holds(&self, row: &WordsRow) -> bool {
        self.tree.holds(&|word, is_prefix| {
            row.words.split(' ').any(|kept| {
                let (place, kept) = kept.split_at(1);
                (place == "t" || self.field == Field::Anywhere)
                    && if is_prefix { kept.starts_with(word) } else { kept == word }
            })
        })
    }

    /// The expression of FTS5, or of a `tsquery`. Words have letters and digits only, so they need no
    /// escape in either; a tenant's words begin with its number.
    pub(crate) fn render(&self, tenant: i32, scope: Scope, is_sqlite: bool) -> String {
        let mut out = String::new();
        let letters: &[char] = match (self.field, scope) {
            (Field::Narrative, Scope::Own) => &['t'],
            (Field::Narrative, Scope::Contained) => &['u'],
            (Field::Narrative, Scope::Both) => &['t', 'u'],
            (Field::Anywhere, Scope::Own) => &['t', 'c'],
            (Field::Anywhere, Scope::Contained) => &['u', 'd'],
            (Field::Anywhere, Scope::Both) => &['t', 'c', 'u', 'd'],
        };
        self.tree.render(&mut out, &Spelling { tenant, letters, is_sqlite });
        out
    }
}

struct Spelling<'a> {
    tenant: i32,
    letters: &'a [char],
    is_sqlite: bool,
}

impl Spelling<'_> {
    fn operators(&self) -> [&'static str; 3] {
        if self.is_sqlite { [" AND ", " OR ", " NOT "] } else { [" & ", " | ", " & !"] }
    }

    fn word(&self, out: &mut String, word: &str, is_prefix: bool) {
        let (open, close, prefix) = if self.is_sqlite { ('"', '"', " *") } else { ('\'', '\'', ":*") };
        out.push('(');
        for (n, letter) in self.letters.iter().enumerate() {
            if n > 0 {
                out.push_str(self.operators()[1]);
            }
            out.push(open);
            out.push_str(&self.tenant.to_string());
            out.push(*letter);
            out.push_str(word);
            out.push(close);
            if is_prefix {
                out.push_str(prefix);
            }
        }
        out.push(')');
    }
}

impl Tree {
    fn holds(&self, has: &impl Fn(&str, bool) -> bool) -> bool {
        match self {
            Tree::Word(word) => has(word, false),
            Tree::Prefix(word) => has(word, true),
            Tree::All(all) => all.iter().all(|t| t.holds(has)),
            Tree::Any(any) => any.iter().any(|t| t.holds(has)),
            Tree::Without(first, others) => first.holds(has) && !others.iter().any(|t| t.holds(has)),
        }
    }

    fn render(&self, out: &mut String, how: &Spelling<'_>) {
        let [and, or, not] = how.operators();
        let list = |out: &mut String, trees: &[Tree], between: &str| {
            out.push('(');
            for (n, tree) in trees.iter().enumerate() {
                if n > 0 {
                    out.push_str(between);
                }
                tree.render(out, how);
            }
            out.push(')');
        };
        match self {
            Tree::Word(word) => how.word(out, word, false),
            Tree::Prefix(word) => how.word(out, word, true),
            Tree::All(all) => list(out, all, and),
            Tree::Any(any) => list(out, any, or),
            Tree::Without(first, others) => {
                out.push('(');
                first.render(out, how);
                out.push_str(not);
                list(out, others, or);
                out.push(')');
            }
        }
    }
}

/// The words of a row as a database keeps them: each begins with the number of the tenant. Those of
/// contained resources have the next letter of the alphabet.
pub fn words_of(tenant: i32, row: &WordsRow) -> String {
    let tenant = tenant.to_string();
    let mut out = String::with_capacity(row.words.len() * 2);
    for word in row.words.split(' ') {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(&tenant);
        match (row.param == WORDS, word.split_at_checked(1)) {
            (false, Some(("t", word))) => out.extend(["u", word]),
            (false, Some(("c", word))) => out.extend(["d", word]),
            _ => out.push_str(word),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use remit_fhir::json;

    fn words(json: &str, level: TextLevel) -> String {
        let document = json::parse(json.to_owned()).unwrap();
        index(document.root(), level).map(|row| row.words.into()).unwrap_or_default()
    }

    #[test]
    fn words_are_folded_and_parted_at_what_is_no_letter() {
        for (text, expected) in [
            ("Blood pressure, 120/80", "blood pressure 120 80"),
            ("Müller-Lüdenscheidt's", "muller ludenscheidt s"),
            ("ÅNGSTRÖM\u{a0}İstanbul", "angstrom istanbul"),
            ("COVID-19", "covid 19"),
            ("高血圧 (essential)", "高血圧 essential"),
            ("—", ""),
        ] {
            let mut found = Vec::new();
            each_word(text, |word| found.push(word.to_owned()));
            assert_eq!(found.join(" "), expected, "{text}");
        }
        let mut long = 0;
        each_word(&"é".repeat(1000), |word| long = word.chars().count());
        assert_eq!(long, MAX_WORD);
    }

    #[test]
    fn a_narrative_is_read_without_its_tags() {
        let resource = r#"{"resourceType":"Patient","text":{"status":"generated","div":"<div title=\"hidden\">Fr&auml;u<b>lein</b> &#x41;nna &lt;x&gt; A&amp;B<!-- not > this --> end</div>"},"gender":"female"}"#;
        assert_eq!(words(resource, TextLevel::Narrative), "ta tanna tb tend tfrau tlein tx");
        assert_eq!(words(resource, TextLevel::Content), "ta tanna tb tend tfrau tlein tx cfemale cgenerated");
        assert_eq!(words(resource, TextLevel::None), "");
    }

    #[test]
    fn content_is_every_text_but_what_points_or_identifies() {
        let resource = r#"{"resourceType":"Condition","id":"x1","meta":{"tag":[{"display":"no"}]},
            "code":{"coding":[{"system":"http://snomed.info/sct","code":"38341003","display":"Hypertension"}],"text":"High blood"},
            "subject":{"reference":"Patient/77","display":"Ann"},"note":[{"text":"see http"}],
            "contained":[{"resourceType":"Patient","name":[{"family":"Roe"}]}]}"#;
        assert_eq!(
            words(resource, TextLevel::Content),
            "c38341003 cann cblood chigh chttp chypertension croe csee"
        );
    }

    proptest::proptest! {
        #[test]
        fn any_narrative_is_read(div in "[<>&;#xa-c!\\- ]{0,40}") {
            narrative_text(&div, |text| each_word(text, |word| assert!(!word.is_empty())));
        }
    }
}
