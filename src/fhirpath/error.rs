//! What can go wrong with an expression, and the limits that bound it.

use std::fmt;

/// The limits that keep a hostile expression from taking time or memory.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Evaluation steps. A step is one item visited or one comparison, 20 to 100 ns each, so the
    /// default ends within a tenth of a second.
    pub steps: u64,
    /// Items in one collection.
    pub items: usize,
    /// Bytes in one string that an expression makes.
    pub string_bytes: usize,
}

impl Limits {
    /// The limits that hold unless the caller has its own.
    pub const DEFAULT: Limits = Limits { steps: 1_000_000, items: 100_000, string_bytes: 1 << 20 };
}

impl Default for Limits {
    fn default() -> Self {
        Limits::DEFAULT
    }
}

/// The longest expression in bytes. The longest of FHIR R4 has 3 kB.
pub const MAX_EXPRESSION_BYTES: usize = 64 * 1024;

/// How deep the tree of an expression may be. Parser, compiler and evaluator recurse over it, and
/// this keeps them within the 2 MiB stack of a worker thread even without optimisation.
pub const MAX_DEPTH: usize = 100;

/// Memory in bytes that one compiled regular expression may take. It bounds the time to compile it.
pub const MAX_REGEX_BYTES: usize = 1 << 18;

/// The longest message about an expression: it quotes names and numbers, which may be long.
const MAX_MESSAGE_CHARS: usize = 300;

/// Why an expression is not accepted, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CompileError {
    /// A sentence for the author of the expression.
    pub message: String,
    /// Byte offset in the expression.
    pub offset: usize,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Whether the text is no FHIRPath at all, or names what does not exist.
    pub kind: CompileErrorKind,
}

/// The two ways in which an expression can be wrong before it meets data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CompileErrorKind {
    /// The text does not follow the grammar.
    Syntax,
    /// The text names an element, function, type or variable that does not exist.
    Semantic,
}

impl CompileError {
    pub(crate) fn new(kind: CompileErrorKind, text: &str, offset: usize, message: String) -> Self {
        let message = match message.char_indices().nth(MAX_MESSAGE_CHARS) {
            Some((end, _)) => format!("{}…", message.get(..end).unwrap_or_default()),
            None => message,
        };
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        CompileError { message, offset, line, column, kind }
    }
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (line {}, column {})", self.message, self.line, self.column)
    }
}

impl std::error::Error for CompileError {}

/// Why an evaluation ended without a result. One pointer wide, so that results travel in a register.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EvaluationError(Box<Reason>);

#[derive(Clone, PartialEq, Eq, Debug)]
struct Reason {
    message: String,
    is_limit: bool,
}

impl EvaluationError {
    /// An error with this message.
    pub fn new(message: impl Into<String>) -> Self {
        EvaluationError(Box::new(Reason { message: message.into(), is_limit: false }))
    }

    /// An error that says which limit was met.
    pub fn limit(message: impl Into<String>) -> Self {
        EvaluationError(Box::new(Reason { message: message.into(), is_limit: true }))
    }

    /// A sentence for the author of the expression.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Whether a limit ended it, and not the data.
    pub fn is_limit(&self) -> bool {
        self.0.is_limit
    }
}

impl fmt::Display for EvaluationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for EvaluationError {}
