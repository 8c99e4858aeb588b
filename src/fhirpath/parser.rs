//! Tokens to a tree (<https://hl7.org/fhirpath/N1/grammar.html>), by precedence climbing.
//!
//! The height of the tree is bounded by [`MAX_DEPTH`], for nested brackets and for long chains alike,
//! because everything that follows recurses over it.

use std::borrow::Cow;

use rust_decimal::Decimal;

use crate::error::{CompileError, CompileErrorKind, MAX_DEPTH, MAX_EXPRESSION_BYTES};
use crate::lexer::{Lexer, Token};
use crate::quantity::is_calendar_word;
use crate::syntax::{Literal, Operator, Syntax, SyntaxKind, TypeSpecifier};
use crate::temporal::Temporal;

/// Reads a whole expression.
pub fn parse(text: &str) -> Result<Syntax, CompileError> {
    if text.len() > MAX_EXPRESSION_BYTES {
        let message = format!("The expression is longer than {MAX_EXPRESSION_BYTES} bytes");
        return Err(CompileError::new(CompileErrorKind::Syntax, text, 0, message));
    }
    let mut lexer = Lexer::new(text);
    let (token, offset) = lexer.next()?;
    let mut parser = Parser { text, lexer, token, offset, depth: 0 };
    let (syntax, _) = parser.expression(0)?;
    if parser.token != Token::End {
        return Err(parser.unexpected("an operator or the end"));
    }
    Ok(syntax)
}

struct Parser<'t> {
    text: &'t str,
    lexer: Lexer<'t>,
    token: Token<'t>,
    offset: usize,
    depth: usize,
}

/// A tree and its height.
type Tree = (Syntax, usize);

/// What follows an operand: an operator with two operands, or one of the others.
#[derive(Clone, Copy)]
enum Infix {
    Binary(Operator),
    Union,
    Is,
    As,
}

/// The operator of a token and how strongly it binds, the strongest highest.
fn infix(token: &Token<'_>) -> Option<(Infix, u8)> {
    use Operator::*;
    let (Token::Symbol(text) | Token::Identifier(text)) = token else { return None };
    let binary = |operator, strength| Some((Infix::Binary(operator), strength));
    match *text {
        "*" => binary(Multiply, 10),
        "/" => binary(Divide, 10),
        "div" => binary(Div, 10),
        "mod" => binary(Mod, 10),
        "+" => binary(Add, 9),
        "-" => binary(Subtract, 9),
        "&" => binary(Concatenate, 9),
        "is" => Some((Infix::Is, 8)),
        "as" => Some((Infix::As, 8)),
        "|" => Some((Infix::Union, 7)),
        "<=" => binary(LessOrEqual, 6),
        "<" => binary(Less, 6),
        ">" => binary(Greater, 6),
        ">=" => binary(GreaterOrEqual, 6),
        "=" => binary(Equal, 5),
        "!=" => binary(NotEqual, 5),
        "~" => binary(Equivalent, 5),
        "!~" => binary(NotEquivalent, 5),
        "in" => binary(In, 4),
        "contains" => binary(Contains, 4),
        "and" => binary(And, 3),
        "or" => binary(Or, 2),
        "xor" => binary(Xor, 2),
        "implies" => binary(Implies, 1),
        _ => None,
    }
}

/// Words that cannot begin a path, because they are operators or values.
fn is_reserved(word: &str) -> bool {
    matches!(word, "and" | "or" | "xor" | "implies" | "div" | "mod" | "true" | "false")
}

impl<'t> Parser<'t> {
    fn error(&self, offset: usize, message: String) -> CompileError {
        CompileError::new(CompileErrorKind::Syntax, self.text, offset, message)
    }

    fn unexpected(&self, wanted: &str) -> CompileError {
        self.error(self.offset, format!("Expected {wanted}, found {}", self.token.describe()))
    }

    fn advance(&mut self) -> Result<Token<'t>, CompileError> {
        let (token, offset) = self.lexer.next()?;
        self.offset = offset;
        Ok(std::mem::replace(&mut self.token, token))
    }

    fn eat(&mut self, symbol: &'static str) -> Result<bool, CompileError> {
        let found = self.token == Token::Symbol(symbol);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn expect(&mut self, symbol: &'static str) -> Result<(), CompileError> {
        match self.eat(symbol)? {
            true => Ok(()),
            false => Err(self.unexpected(&format!("\"{symbol}\""))),
        }
    }

    /// Makes a node above subtrees of this height.
    fn node(&self, kind: SyntaxKind, offset: usize, below: usize) -> Result<Tree, CompileError> {
        if below >= MAX_DEPTH {
            return Err(self.too_deep(offset));
        }
        Ok((Syntax { kind, offset }, below + 1))
    }

    fn too_deep(&self, offset: usize) -> CompileError {
        self.error(offset, format!("The expression nests deeper than {MAX_DEPTH} levels"))
    }

    fn expression(&mut self, weakest: u8) -> Result<Tree, CompileError> {
        if self.depth >= MAX_DEPTH {
            return Err(self.too_deep(self.offset));
        }
        self.depth += 1;
        let mut left = self.unary()?;
        while let Some((operator, strength)) = infix(&self.token) {
            if strength <= weakest {
                break;
            }
            let offset = self.offset;
            self.advance()?;
            left = self.infix(left, operator, strength, offset)?;
        }
        self.depth -= 1;
        Ok(left)
    }

    fn infix(&mut self, left: Tree, operator: Infix, strength: u8, at: usize) -> Result<Tree, CompileError> {
        let (left, height) = left;
        match operator {
            Infix::Binary(operator) => {
                let (right, other) = self.expression(strength)?;
                let kind = SyntaxKind::Binary(operator, Box::new(left), Box::new(right));
                self.node(kind, at, height.max(other))
            }
            Infix::Union => {
                let mut parts = vec![left];
                let mut height = height;
                loop {
                    let (part, other) = self.expression(strength)?;
                    height = height.max(other);
                    parts.push(part);
                    if !self.eat("|")? {
                        break;
                    }
                }
                self.node(SyntaxKind::Union(parts), at, height)
            }
            Infix::Is => {
                let specifier = self.type_specifier()?;
                self.node(SyntaxKind::Is(Box::new(left), specifier), at, height)
            }
            Infix::As => {
                let specifier = self.type_specifier()?;
                self.node(SyntaxKind::As(Box::new(left), specifier), at, height)
            }
        }
    }

    fn type_specifier(&mut self) -> Result<TypeSpecifier, CompileError> {
        let offset = self.offset;
        let first = self.name("a type")?;
        if self.eat(".")? {
            let name = self.name("a type")?;
            return Ok(TypeSpecifier { namespace: Some(first), name, offset });
        }
        Ok(TypeSpecifier { namespace: None, name: first, offset })
    }

    fn name(&mut self, wanted: &str) -> Result<String, CompileError> {
        match &self.token {
            Token::Identifier(_) | Token::Delimited(_) => match self.advance()? {
                Token::Identifier(name) => Ok(name.to_owned()),
                Token::Delimited(name) => Ok(name.into_owned()),
                _ => Err(self.unexpected(wanted)),
            },
            _ => Err(self.unexpected(wanted)),
        }
    }

    fn unary(&mut self) -> Result<Tree, CompileError> {
        let offset = self.offset;
        let negative = self.token == Token::Symbol("-");
        if negative || self.token == Token::Symbol("+") {
            self.advance()?;
            if self.depth >= MAX_DEPTH {
                return Err(self.too_deep(offset));
            }
            self.depth += 1;
            let (operand, height) = self.unary()?;
            self.depth -= 1;
            return self.node(SyntaxKind::Sign(negative, Box::new(operand)), offset, height);
        }
        self.postfix()
    }

    fn postfix(&mut self) -> Result<Tree, CompileError> {
        let mut left = self.term()?;
        loop {
            let offset = self.offset;
            if self.eat(".")? {
                let (right, other) = self.invocation()?;
                let (base, height) = left;
                let kind = SyntaxKind::Path(Box::new(base), Box::new(right));
                left = self.node(kind, offset, height.max(other))?;
            } else if self.eat("[")? {
                let (index, other) = self.expression(0)?;
                self.expect("]")?;
                let (base, height) = left;
                let kind = SyntaxKind::Indexer(Box::new(base), Box::new(index));
                left = self.node(kind, offset, height.max(other))?;
            } else {
                return Ok(left);
            }
        }
    }

    fn term(&mut self) -> Result<Tree, CompileError> {
        let offset = self.offset;
        match &self.token {
            Token::Symbol("(") => {
                self.advance()?;
                let inner = self.expression(0)?;
                self.expect(")")?;
                Ok(inner)
            }
            Token::Symbol("{") => {
                self.advance()?;
                self.expect("}")?;
                self.node(SyntaxKind::Empty, offset, 0)
            }
            Token::Symbol("%") => {
                self.advance()?;
                let name = match &self.token {
                    Token::String(name) => {
                        let name = name.clone().into_owned();
                        self.advance()?;
                        name
                    }
                    _ => self.name("the name of a variable")?,
                };
                self.node(SyntaxKind::Variable(name), offset, 0)
            }
            Token::Identifier("true" | "false") => {
                let value = self.advance()? == Token::Identifier("true");
                self.node(SyntaxKind::Literal(Literal::Boolean(value)), offset, 0)
            }
            Token::Identifier(word) if is_reserved(word) => Err(self.unexpected("a value or a path")),
            Token::Identifier(_) | Token::Delimited(_) | Token::Dollar(_) => self.invocation(),
            Token::Symbol(_) | Token::End => Err(self.unexpected("a value or a path")),
            _ => {
                let literal = self.literal()?;
                self.node(SyntaxKind::Literal(literal), offset, 0)
            }
        }
    }

    fn invocation(&mut self) -> Result<Tree, CompileError> {
        let offset = self.offset;
        if let Token::Dollar(name) = &self.token {
            let kind = match *name {
                "this" => SyntaxKind::This,
                "index" => SyntaxKind::Index,
                "total" => SyntaxKind::Total,
                other => {
                    return Err(
                        self.error(offset, format!("There is no ${other}, only $this, $index and $total"))
                    );
                }
            };
            self.advance()?;
            return self.node(kind, offset, 0);
        }
        let name = self.name("the name of an element or function")?;
        if !self.eat("(")? {
            return self.node(SyntaxKind::Member(name), offset, 0);
        }
        let mut arguments = Vec::new();
        let mut height = 0;
        if !self.eat(")")? {
            loop {
                let (argument, other) = self.argument()?;
                height = height.max(other);
                arguments.push(argument);
                if !self.eat(",")? {
                    break;
                }
            }
            self.expect(")")?;
        }
        self.node(SyntaxKind::Call(name, arguments), offset, height)
    }

    /// An argument; behind a key of `sort` the direction may stand as a word.
    fn argument(&mut self) -> Result<Tree, CompileError> {
        let (argument, height) = self.expression(0)?;
        let offset = self.offset;
        match self.token {
            Token::Identifier("asc") => {
                self.advance()?;
                Ok((argument, height))
            }
            Token::Identifier("desc") => {
                self.advance()?;
                self.node(SyntaxKind::Sign(true, Box::new(argument)), offset, height)
            }
            _ => Ok((argument, height)),
        }
    }

    fn literal(&mut self) -> Result<Literal, CompileError> {
        let offset = self.offset;
        let no_such = |parser: &Self, what: &str| parser.error(offset, format!("There is no such {what}"));
        match self.advance()? {
            Token::String(text) => Ok(Literal::String(text.into_owned())),
            Token::Number(text) => self.number(text, offset),
            Token::Long(text) => text
                .parse()
                .map(Literal::Integer)
                .map_err(|_| no_such(self, "integer, it has too many digits")),
            Token::Date(text) => {
                Temporal::parse_date(text).map(Literal::Date).ok_or_else(|| no_such(self, "date"))
            }
            Token::DateTime(text) => Temporal::parse_date_time(text)
                .map(Literal::DateTime)
                .ok_or_else(|| no_such(self, "date and time")),
            Token::Time(text) => {
                Temporal::parse_time(text).map(Literal::Time).ok_or_else(|| no_such(self, "time of day"))
            }
            other => Err(self.error(offset, format!("Expected a value, found {}", other.describe()))),
        }
    }

    fn number(&mut self, text: &str, offset: usize) -> Result<Literal, CompileError> {
        let too_long = |parser: &Self| {
            let shown = text.get(..40).unwrap_or(text);
            parser.error(offset, format!("The number {shown} has more digits than a decimal holds"))
        };
        let decimal = || Decimal::from_str_exact(text);
        let unit = match &self.token {
            Token::String(unit) => Some((Cow::clone(unit).into_owned(), false)),
            Token::Identifier(word) if is_calendar_word(word) => Some(((*word).to_owned(), true)),
            _ => None,
        };
        if let Some((unit, is_calendar)) = unit {
            self.advance()?;
            return Ok(Literal::Quantity(decimal().map_err(|_| too_long(self))?, unit, is_calendar));
        }
        if text.contains('.') {
            return Ok(Literal::Decimal(decimal().map_err(|_| too_long(self))?));
        }
        text.parse().map(Literal::Integer).map_err(|_| too_long(self))
    }
}
