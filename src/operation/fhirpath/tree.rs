//! The tree of an expression as JSON, with the names that the FHIRPath Lab shows
//! (<https://github.com/brianpos/fhirpath-lab/blob/develop/server-api.md#ast-definition>).
//!
//! A step of a path is above what stands before it. A union is one node with all its parts.

use remit_fhir::json::quote;
use remit_fhirpath::{Expression, Syntax, SyntaxKind, TypeSpecifier};
use std::fmt::Write;

/// The tree of a whole expression. It is as deep as expressions may be.
pub(super) fn json(expression: &Expression) -> String {
    let text = expression.text();
    let mut tree = Tree { text, characters: characters(text), out: String::new() };
    tree.node(expression.syntax(), None);
    tree.out
}

/// What stands before a step: `builtin.that` is the focus of the whole expression.
type Focus<'s> = Option<&'s Syntax>;

/// How many characters begin before each byte: the Lab's places count characters.
fn characters(text: &str) -> Vec<usize> {
    let mut count = 0;
    let mut before = Vec::with_capacity(text.len() + 1);
    for at in 0..=text.len() {
        before.push(count);
        count += usize::from(text.is_char_boundary(at));
    }
    before
}

struct Tree<'t> {
    text: &'t str,
    characters: Vec<usize>,
    out: String,
}

impl Tree<'_> {
    fn node(&mut self, syntax: &Syntax, focus: Focus<'_>) {
        let token = syntax.token(self.text);
        match &syntax.kind {
            SyntaxKind::Empty => self.leaf("ConstantExpression", "{}", syntax),
            SyntaxKind::Literal(_) => {
                let shown =
                    token.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')).unwrap_or(token);
                self.leaf("ConstantExpression", shown, syntax);
            }
            SyntaxKind::Variable(name) => self.leaf("VariableRefExpression", name, syntax),
            SyntaxKind::This => self.leaf("AxisExpression", "builtin.this", syntax),
            SyntaxKind::Index => self.leaf("AxisExpression", "builtin.index", syntax),
            SyntaxKind::Total => self.leaf("AxisExpression", "builtin.total", syntax),
            SyntaxKind::Member(name) => {
                self.open("ChildExpression", name, syntax);
                self.focus(focus);
                self.out.push_str("]}");
            }
            SyntaxKind::Call(name, arguments) => {
                self.open("FunctionCallExpression", name, syntax);
                self.focus(focus);
                for argument in arguments {
                    self.out.push(',');
                    self.node(argument, None);
                }
                self.out.push_str("]}");
            }
            // `a.b` is `b` above `a`; `a.$this` has no focus to show and stands for `a`.
            SyntaxKind::Path(left, right) => match right.kind {
                SyntaxKind::This => self.node(left, focus),
                _ => self.node(right, Some(left)),
            },
            SyntaxKind::Indexer(left, index) => self.both("IndexerExpression", "[]", syntax, &[left, index]),
            SyntaxKind::Sign(_, operand) => self.both("UnaryExpression", token, syntax, &[operand]),
            SyntaxKind::Binary(operator, left, right) => {
                self.both("BinaryExpression", operator.symbol(), syntax, &[left, right]);
            }
            SyntaxKind::Union(parts) => {
                let parts: Vec<&Syntax> = parts.iter().collect();
                self.both("BinaryExpression", "|", syntax, &parts);
            }
            SyntaxKind::Is(left, specifier) => self.with_type("is", syntax, left, specifier),
            SyntaxKind::As(left, specifier) => self.with_type("as", syntax, left, specifier),
        }
    }

    fn focus(&mut self, focus: Focus<'_>) {
        match focus {
            Some(focus) => self.node(focus, None),
            None => self.out.push_str("{\"ExpressionType\":\"AxisExpression\",\"Name\":\"builtin.that\"}"),
        }
    }

    /// A node with these below it.
    fn both(&mut self, kind: &str, name: &str, syntax: &Syntax, below: &[&Syntax]) {
        self.open(kind, name, syntax);
        for (at, node) in below.iter().enumerate() {
            if at > 0 {
                self.out.push(',');
            }
            self.node(node, None);
        }
        self.out.push_str("]}");
    }

    fn with_type(&mut self, name: &str, syntax: &Syntax, left: &Syntax, specifier: &TypeSpecifier) {
        self.open("BinaryExpression", name, syntax);
        self.node(left, None);
        let namespace = specifier.namespace.as_ref().map_or_else(String::new, |name| format!("{name}."));
        let name = format!("{namespace}{}", specifier.name);
        self.out.push(',');
        self.head("ConstantExpression", &name, specifier.offset, name.chars().count());
        self.out.push_str("}]}");
    }

    fn leaf(&mut self, kind: &str, name: &str, syntax: &Syntax) {
        self.place(kind, name, syntax);
        self.out.push('}');
    }

    fn open(&mut self, kind: &str, name: &str, syntax: &Syntax) {
        self.place(kind, name, syntax);
        self.out.push_str(",\"Arguments\":[");
    }

    fn place(&mut self, kind: &str, name: &str, syntax: &Syntax) {
        let length = syntax.token(self.text).chars().count();
        self.head(kind, name, syntax.offset, length);
    }

    fn head(&mut self, kind: &str, name: &str, offset: usize, length: usize) {
        let position = self.characters.get(offset).copied().unwrap_or_default();
        let _ = write!(
            self.out,
            "{{\"ExpressionType\":\"{kind}\",\"Name\":{},\"Position\":{position},\"Length\":{length}",
            quote(name)
        );
    }
}
