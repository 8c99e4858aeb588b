//! Text to tokens (<https://hl7.org/fhirpath/N1/#lexical-elements>).

use std::borrow::Cow;

use crate::error::{CompileError, CompileErrorKind};

/// A token without its place.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Token<'t> {
    /// A name; keywords too.
    Identifier(&'t str),
    /// A name between backticks; never a keyword.
    Delimited(Cow<'t, str>),
    /// Text between single quotes.
    String(Cow<'t, str>),
    /// Digits, with a fraction when there is one.
    Number(&'t str),
    /// Digits followed by `L`; the letter is left out.
    Long(&'t str),
    /// `@2024-05`, without the sign.
    Date(&'t str),
    /// `@2024-05-06T07`, without the sign.
    DateTime(&'t str),
    /// `@T07:08`, without sign and letter.
    Time(&'t str),
    /// `$this`, without the sign.
    Dollar(&'t str),
    /// An operator or bracket.
    Symbol(&'static str),
    /// The end of the text.
    End,
}

impl Token<'_> {
    /// How an error message names the token.
    pub(crate) fn describe(&self) -> String {
        match self {
            Token::Identifier(name) => format!("\"{name}\""),
            Token::Delimited(name) => format!("`{name}`"),
            Token::String(_) => "a string".into(),
            Token::Number(text) | Token::Long(text) => format!("\"{text}\""),
            Token::Date(_) | Token::DateTime(_) | Token::Time(_) => "a date or time".into(),
            Token::Dollar(name) => format!("\"${name}\""),
            Token::Symbol(symbol) => format!("\"{symbol}\""),
            Token::End => "the end of the expression".into(),
        }
    }
}

/// Longer ones first, so that `<=` is not read as `<`.
const SYMBOLS: [&str; 23] = [
    "<=", ">=", "!=", "!~", ".", ",", "(", ")", "[", "]", "{", "}", "+", "-", "*", "/", "&", "|", "<", ">",
    "=", "~", "%",
];

/// Reads one token after the other.
pub(crate) struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

/// The token at a place, as it is written; a `%` with the name behind it.
pub(crate) fn token_at(text: &str, offset: usize) -> &str {
    let mut lexer = Lexer { text, at: offset };
    if matches!(lexer.next(), Ok((Token::Symbol("%"), _))) {
        let behind = lexer.at;
        if lexer.next().is_err() {
            lexer.at = behind;
        }
    }
    text.get(offset..lexer.at).unwrap_or_default()
}

impl<'t> Lexer<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Lexer { text, at: 0 }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn error(&self, offset: usize, message: &str) -> CompileError {
        CompileError::new(CompileErrorKind::Syntax, self.text, offset, message.into())
    }

    /// The next token and the offset of its first byte.
    pub(crate) fn next(&mut self) -> Result<(Token<'t>, usize), CompileError> {
        self.skip_space()?;
        let start = self.at;
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok((Token::End, start)) };
        let token = match first {
            'a'..='z' | 'A'..='Z' | '_' => Token::Identifier(self.take_name()),
            '0'..='9' => self.number(),
            '\'' => Token::String(self.quoted('\'')?),
            '`' => Token::Delimited(self.quoted('`')?),
            '@' => self.date_or_time()?,
            '$' => {
                self.at += 1;
                Token::Dollar(self.take_name())
            }
            _ => match SYMBOLS.iter().find(|s| rest.starts_with(**s)) {
                Some(symbol) => {
                    self.at += symbol.len();
                    Token::Symbol(symbol)
                }
                None => return Err(self.error(start, &format!("\"{first}\" has no meaning here"))),
            },
        };
        Ok((token, start))
    }

    fn skip_space(&mut self) -> Result<(), CompileError> {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches([' ', '\t', '\r', '\n', '\u{a0}', '\u{feff}']);
            self.at += rest.len() - trimmed.len();
            if let Some(comment) = trimmed.strip_prefix("/*") {
                let Some(end) = comment.find("*/") else {
                    return Err(self.error(self.at, "The comment is not closed by */"));
                };
                self.at += end + 4;
            } else if trimmed.starts_with("//") {
                self.at += trimmed.find('\n').unwrap_or(trimmed.len());
            } else {
                return Ok(());
            }
        }
    }

    fn take_while(&mut self, accept: impl Fn(u8) -> bool) -> &'t str {
        let rest = self.rest();
        let count = rest.bytes().take_while(|b| accept(*b)).count();
        self.at += count;
        rest.get(..count).unwrap_or_default()
    }

    fn take_name(&mut self) -> &'t str {
        self.take_while(|b| b.is_ascii_alphanumeric() || b == b'_')
    }

    fn number(&mut self) -> Token<'t> {
        let start = self.at;
        self.take_while(|b| b.is_ascii_digit());
        let after = self.rest().as_bytes();
        if after.first() == Some(&b'.') && after.get(1).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
            self.take_while(|b| b.is_ascii_digit());
        } else if after.first() == Some(&b'L') && !after.get(1).is_some_and(u8::is_ascii_alphanumeric) {
            self.at += 1;
            return Token::Long(self.text.get(start..self.at - 1).unwrap_or_default());
        }
        Token::Number(self.text.get(start..self.at).unwrap_or_default())
    }

    fn quoted(&mut self, quote: char) -> Result<Cow<'t, str>, CompileError> {
        let start = self.at;
        self.at += 1;
        let plain = self.rest();
        let end = plain.find([quote, '\\']);
        if let Some(end) = end.filter(|end| plain[*end..].starts_with(quote)) {
            self.at += end + 1;
            return Ok(Cow::Borrowed(&plain[..end]));
        }
        let mut value = String::new();
        loop {
            let Some(c) = self.rest().chars().next() else {
                return Err(self.error(start, &format!("The text is not closed by {quote}")));
            };
            self.at += c.len_utf8();
            match c {
                '\\' => value.push(self.escape()?),
                c if c == quote => return Ok(Cow::Owned(value)),
                c => value.push(c),
            }
        }
    }

    fn escape(&mut self) -> Result<char, CompileError> {
        let start = self.at - 1;
        let c = self.rest().chars().next().unwrap_or('\0');
        self.at += c.len_utf8().min(self.rest().len());
        Ok(match c {
            '\'' | '"' | '`' | '\\' | '/' => c,
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => return self.unicode(start),
            _ => return Err(self.error(start, &format!("\\{c} is no escape; write \\\\ for a backslash"))),
        })
    }

    fn unicode(&mut self, start: usize) -> Result<char, CompileError> {
        let first = self.hex_digits(start)?;
        let code = match first {
            0xD800..0xDC00 if self.rest().starts_with("\\u") => {
                self.at += 2;
                let second = self.hex_digits(start)?;
                0x10000 + ((first - 0xD800) << 10) + second.wrapping_sub(0xDC00)
            }
            _ => first,
        };
        char::from_u32(code).ok_or_else(|| self.error(start, "The \\u escape is no character"))
    }

    fn hex_digits(&mut self, start: usize) -> Result<u32, CompileError> {
        let code = self.rest().get(..4).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        self.at += 4;
        code.ok_or_else(|| self.error(start, "\\u must be followed by four hexadecimal digits"))
    }

    /// The forms are only delimited here; the parser checks that such a day exists.
    fn date_or_time(&mut self) -> Result<Token<'t>, CompileError> {
        self.at += 1;
        let start = self.at;
        if self.rest().starts_with('T') {
            self.at += 1;
            self.clock();
            return match self.text.get(start + 1..self.at) {
                Some(text) if !text.is_empty() => Ok(Token::Time(text)),
                _ => Err(self.error(start, "A time looks like @T14:30:00")),
            };
        }
        self.take_while(|b| b.is_ascii_digit());
        while self.rest().starts_with('-') && self.rest().as_bytes().get(1).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
            self.take_while(|b| b.is_ascii_digit());
        }
        if !self.rest().starts_with('T') {
            return Ok(Token::Date(self.text.get(start..self.at).unwrap_or_default()));
        }
        self.at += 1;
        self.clock();
        if self.rest().starts_with('Z') {
            self.at += 1;
        } else if self.offset_follows() {
            self.at += 6;
        }
        Ok(Token::DateTime(self.text.get(start..self.at).unwrap_or_default()))
    }

    /// `+10:00` is an offset, `+10` and `+ 1 day` are additions.
    fn offset_follows(&self) -> bool {
        let rest = self.rest().as_bytes();
        let shape = |at: usize| rest.get(at).is_some_and(u8::is_ascii_digit);
        matches!(rest.first(), Some(b'+' | b'-'))
            && shape(1)
            && shape(2)
            && rest.get(3) == Some(&b':')
            && shape(4)
            && shape(5)
    }

    fn clock(&mut self) {
        self.take_while(|b| b.is_ascii_digit());
        for separator in [b':', b':', b'.'] {
            let rest = self.rest().as_bytes();
            if rest.first() != Some(&separator) || !rest.get(1).is_some_and(u8::is_ascii_digit) {
                return;
            }
            self.at += 1;
            self.take_while(|b| b.is_ascii_digit());
        }
    }
}
