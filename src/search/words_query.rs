//! The value of `_text` and `_content`: words, `AND`, `OR`, `NOT` or `-`, parentheses, `begin*`
//! (<https://hl7.org/fhir/R4/search.html#content>). The specification leaves the language to the server.

use crate::query::{Condition, Criterion, Test};
use crate::words::{Field, Tree, Value, each_word};
use remit_fhir::{Error, Result};

/// Words of one question. Each is a walk of an index.
const MAX_TERMS: usize = 50;

/// Parentheses within each other. Reading recurses on them.
const MAX_DEPTH: usize = 16;

/// Letters before a `*`: fewer would begin a good part of all words.
const MIN_PREFIX: usize = 2;

#[derive(Clone, PartialEq, Debug)]
enum Token {
    Open,
    Close,
    And,
    Or,
    Not,
    /// The words that a text without blanks holds; the last may be the beginning of one.
    Words(Vec<Box<str>>, bool),
}

/// What was read: found by words, or by their absence.
enum Found {
    With(Tree),
    Without(Vec<Tree>),
}

/// Reads questions, of which one must be met.
pub(crate) fn parse(values: &[Box<str>], field: Field) -> Result<Condition> {
    let mut terms = 0;
    let mut with = Vec::new();
    let mut others = Vec::new();
    for value in values {
        let tokens = tokens(value, &mut terms)?;
        let mut reader = Reader { tokens: &tokens, depth: 0 };
        let found = reader.any()?;
        if !reader.tokens.is_empty() {
            return Err(refuse("a parenthesis closes that was not opened"));
        }
        match found {
            Found::With(tree) => with.push(tree),
            Found::Without(trees) => others.push(Condition::Not(Box::new(condition(field, any(trees))))),
        }
    }
    if !with.is_empty() {
        others.push(condition(field, any(with)));
    }
    Ok(if others.len() == 1 { others.remove(0) } else { Condition::Any(others) })
}

fn any(mut trees: Vec<Tree>) -> Tree {
    if trees.len() == 1 { trees.remove(0) } else { Tree::Any(trees) }
}

fn condition(field: Field, tree: Tree) -> Condition {
    let test = Test::Words(Value { field, tree });
    Condition::Criterion(Criterion { params: Vec::new(), test })
}

fn refuse(reason: &str) -> Error {
    Error::invalid(format!("The words to search for are refused: {reason}."))
}

fn tokens(text: &str, terms: &mut usize) -> Result<Vec<Token>> {
    if text.contains('"') {
        return Err(refuse(
            "phrases in quotes are not supported, because the index keeps the words of a resource without their order",
        )
        .coded(remit_fhir::IssueType::NotSupported));
    }
    let mut tokens = Vec::new();
    let before = *terms;
    for part in text.split_whitespace() {
        let mut rest = part;
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('(') {
                tokens.push(Token::Open);
                rest = after;
            } else if let Some(after) = rest.strip_prefix(')') {
                tokens.push(Token::Close);
                rest = after;
            } else if let Some(after) = rest.strip_prefix('-').filter(|after| !after.is_empty()) {
                tokens.push(Token::Not);
                rest = after;
            } else {
                let (word, after) = rest.split_at(rest.find(['(', ')']).unwrap_or(rest.len()));
                rest = after;
                let token = word_token(word)?;
                if let Token::Words(words, _) = &token {
                    *terms += words.len();
                    if words.is_empty() {
                        continue;
                    }
                }
                tokens.push(token);
            }
        }
    }
    match *terms {
        n if n == before => Err(refuse("there is no word, which is letters or digits")),
        n if n > MAX_TERMS => Err(refuse(&format!("there are more than {MAX_TERMS} words"))),
        _ => Ok(tokens),
    }
}

fn word_token(text: &str) -> Result<Token> {
    Ok(match text {
        "AND" => Token::And,
        "OR" => Token::Or,
        "NOT" => Token::Not,
        _ => {
            let (plain, is_prefix) = text.strip_suffix('*').map_or((text, false), |plain| (plain, true));
            if plain.contains('*') {
                return Err(refuse("a * stands at the end of a word only"));
            }
            let mut words: Vec<Box<str>> = Vec::new();
            each_word(plain, |word| words.push(word.into()));
            if is_prefix && words.last().is_none_or(|word| word.chars().count() < MIN_PREFIX) {
                return Err(refuse(&format!("before a * stand {MIN_PREFIX} letters at least")));
            }
            Token::Words(words, is_prefix)
        }
    })
}

struct Reader<'t> {
    tokens: &'t [Token],
    depth: usize,
}

impl Reader<'_> {
    fn take(&mut self, token: &Token) -> bool {
        match self.tokens.split_first() {
            Some((first, rest)) if first == token => {
                self.tokens = rest;
                true
            }
            _ => false,
        }
    }

    /// `a OR b`
    fn any(&mut self) -> Result<Found> {
        let first = self.all()?;
        if self.tokens.first() != Some(&Token::Or) {
            return Ok(first);
        }
        let mut trees = vec![with(first)?];
        while self.take(&Token::Or) {
            trees.push(with(self.all()?)?);
        }
        Ok(Found::With(Tree::Any(trees)))
    }

    /// `a b`, `a AND b`, `a NOT b`
    fn all(&mut self) -> Result<Found> {
        let (mut trees, mut without) = (Vec::new(), Vec::new());
        loop {
            match self.one()? {
                Found::With(tree) => trees.push(tree),
                Found::Without(more) => without.extend(more),
            }
            let is_joined = self.take(&Token::And);
            let is_over = matches!(self.tokens.first(), None | Some(Token::Close | Token::Or));
            if is_over && is_joined {
                return Err(refuse("nothing stands after AND"));
            }
            if is_over {
                break;
            }
        }
        let tree = match trees.len() {
            0 => return Ok(Found::Without(without)),
            1 => trees.remove(0),
            _ => Tree::All(trees),
        };
        Ok(Found::With(if without.is_empty() { tree } else { Tree::Without(Box::new(tree), without) }))
    }

    fn one(&mut self) -> Result<Found> {
        if self.take(&Token::Not) {
            return match self.one()? {
                Found::With(tree) => Ok(Found::Without(vec![tree])),
                Found::Without(_) => Err(refuse("NOT stands twice")),
            };
        }
        if self.take(&Token::Open) {
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return Err(refuse(&format!(
                    "there are more than {MAX_DEPTH} parentheses within each other"
                )));
            }
            let inner = self.any()?;
            if !self.take(&Token::Close) {
                return Err(refuse("a parenthesis is not closed"));
            }
            self.depth -= 1;
            return Ok(inner);
        }
        match self.tokens.split_first() {
            Some((Token::Words(words, is_prefix), rest)) => {
                self.tokens = rest;
                let last = words.len() - 1;
                let trees = words.iter().enumerate().map(|(n, word)| match n == last && *is_prefix {
                    true => Tree::Prefix(word.clone()),
                    false => Tree::Word(word.clone()),
                });
                let mut trees: Vec<Tree> = trees.collect();
                Ok(Found::With(if trees.len() == 1 { trees.remove(0) } else { Tree::All(trees) }))
            }
            _ => Err(refuse("a word is missing beside AND, OR or NOT")),
        }
    }
}

/// `OR` needs something that is found on both sides.
fn with(found: Found) -> Result<Tree> {
    match found {
        Found::With(tree) => Ok(tree),
        Found::Without(_) => {
            Err(refuse("NOT takes away from what other words find, so it cannot stand alone beside OR"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(text: &str) -> String {
        let spell = |condition: &Condition| match condition {
            Condition::Criterion(Criterion { test: Test::Words(value), .. }) => {
                value.render(1, crate::contained::Scope::Own, false)
            }
            other => format!("{other:?}"),
        };
        match parse(&[text.into()], Field::Narrative) {
            Ok(Condition::Not(inner)) => format!("!{}", spell(&inner)),
            Ok(condition) => spell(&condition),
            Err(error) => format!("{error}"),
        }
    }

    #[test]
    fn a_question_is_read_by_its_words_and_operators() {
        for (text, expected) in [
            ("Bone", "('1tbone')"),
            ("bone metastases", "(('1tbone') & ('1tmetastases'))"),
            ("bone AND metastases", "(('1tbone') & ('1tmetastases'))"),
            ("bone OR liver", "(('1tbone') | ('1tliver'))"),
            ("(bone OR liver) and metastases", "((('1tbone') | ('1tliver')) & ('1tand') & ('1tmetastases'))"),
            ("a b OR c d", "((('1ta') & ('1tb')) | (('1tc') & ('1td')))"),
            ("bone -liver", "(('1tbone') & !(('1tliver')))"),
            ("bone NOT (liver OR lung)", "(('1tbone') & !((('1tliver') | ('1tlung'))))"),
            ("bone AND NOT liver AND NOT lung", "(('1tbone') & !(('1tliver') | ('1tlung')))"),
            ("-liver", "!('1tliver')"),
            ("meta*", "('1tmeta':*)"),
            ("COVID-19", "(('1tcovid') & ('1t19'))"),
            ("x-ray*", "(('1tx') & ('1tray':*))"),
        ] {
            assert_eq!(render(text), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_its_reason() {
        for (text, reason) in [
            ("\"bone metastases\"", "phrases"),
            ("- ,", "no word"),
            ("bone OR", "missing"),
            ("bone AND", "after AND"),
            ("OR bone", "missing"),
            ("(bone", "not closed"),
            ("bone)", "not opened"),
            ("a*", "before a *"),
            ("b*ne", "at the end"),
            ("bone OR -liver", "beside OR"),
            ("NOT NOT bone", "twice"),
            ("()", "no word"),
            ("bone ()", "missing"),
        ] {
            assert!(render(text).contains(reason), "{text}: {}", render(text));
        }
        assert!(render(&"(a ".repeat(20)).contains("parentheses"));
        assert!(render(&"a ".repeat(100)).contains("more than"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[a-c()*\\- ORAND\"]{0,40}") {
            let _ = parse(&[text.as_str().into()], Field::Anywhere);
        }
    }
}
