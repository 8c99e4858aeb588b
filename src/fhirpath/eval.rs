//! Evaluates compiled expressions (<https://hl7.org/fhirpath/N1/#expressions>): the tree is walked
//! and each part appends to a collection of its caller.

use std::borrow::Cow;

use remit_spec::Definitions;

use crate::environment::Environment;
use crate::equality;
use crate::error::EvaluationError;
use crate::fhir_function::Entries;
use crate::function::Call;
use crate::item::{Collection, Element, Item};
use crate::op::{Op, System, TypeTest, Variable};
use crate::operator;
use crate::quantity::Quantity;
use crate::regex::Patterns;
use crate::syntax::Operator;

pub(crate) type Result<T = ()> = std::result::Result<T, EvaluationError>;

/// Bytes of text that are compared or read in the time of a step.
const BYTES_PER_STEP: usize = 256;

/// Bytes that are copied in the time of a step. It bounds the memory of all items together, too: a
/// million steps copy 64 MB.
const COPIED_BYTES_PER_STEP: usize = 64;

/// Each byte of a unit may be a part that is looked up in the table of units.
const STEPS_PER_UNIT_BYTE: usize = 4;

/// Items that are moved in the time of a step.
const MOVED_PER_STEP: usize = 4;

/// One evaluation.
pub(crate) struct Evaluator<'a, 'e> {
    pub(crate) defs: &'static Definitions,
    pub(crate) environment: &'e Environment<'a>,
    focus: &'e Item<'a>,
    steps: u64,
    /// What `defineVariable` has defined and is visible.
    variables: Vec<(String, Collection<'a>)>,
    kept: Option<Box<Kept<'a>>>,
}

/// What an evaluation has worked out and may need again. Most need none of it.
#[derive(Default)]
pub(crate) struct Kept<'a> {
    pub(crate) patterns: Patterns,
    /// What references in a Bundle lead to, once one was followed.
    pub(crate) entries: Option<Entries<'a>>,
}

/// What `$this`, `$index` and `$total` are.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a, 's> {
    /// One item, or none.
    pub(crate) this: &'s [Item<'a>],
    pub(crate) index: Option<usize>,
    pub(crate) total: Option<&'s [Item<'a>]>,
}

impl<'a, 'e> Evaluator<'a, 'e> {
    pub(crate) fn new(
        defs: &'static Definitions,
        environment: &'e Environment<'a>,
        focus: &'e Item<'a>,
    ) -> Evaluator<'a, 'e> {
        Evaluator {
            defs,
            environment,
            focus,
            steps: environment.limits.steps,
            variables: Vec::new(),
            kept: None,
        }
    }

    pub(crate) fn kept(&mut self) -> &mut Kept<'a> {
        self.kept.get_or_insert_default()
    }

    /// Evaluates; gives the steps that are left too.
    pub(crate) fn run(&mut self, op: &'a Op, out: &mut Collection<'a>) -> (u64, Result) {
        let scope = Scope { this: std::slice::from_ref(self.focus), index: None, total: None };
        let result = self.eval(op, scope, out);
        (self.steps, result)
    }

    /// Counts work done.
    #[inline]
    pub(crate) fn charge(&mut self, steps: usize) -> Result {
        match self.steps.checked_sub(steps as u64) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => self.out_of_steps(),
        }
    }

    #[cold]
    fn out_of_steps(&mut self) -> Result {
        self.steps = 0;
        Err(EvaluationError::limit("The evaluation takes more steps than are allowed"))
    }

    /// Counts the work of going over text once.
    #[inline]
    pub(crate) fn charge_bytes(&mut self, bytes: usize) -> Result {
        self.charge(bytes / BYTES_PER_STEP)
    }

    /// Counts the work of relating two units, which are read each time.
    pub(crate) fn charge_units(&mut self, a: &Quantity<'_>, b: &Quantity<'_>) -> Result {
        match a.unit == b.unit {
            true => Ok(()),
            false => self.charge((a.unit.len() + b.unit.len()) * STEPS_PER_UNIT_BYTE),
        }
    }

    /// Appends an item. A text that the expression made is copied with its item, which counts as work.
    #[inline]
    pub(crate) fn push(&mut self, out: &mut Collection<'a>, item: Item<'a>) -> Result {
        if let Item::String(Cow::Owned(text)) = &item {
            self.charge(text.len() / COPIED_BYTES_PER_STEP)?;
        }
        if out.len() >= self.environment.limits.items {
            return self.too_long();
        }
        out.push(item);
        Ok(())
    }

    #[cold]
    fn too_long(&self) -> Result {
        let most = self.environment.limits.items;
        Err(EvaluationError::limit(format!("A collection has more than {most} items")))
    }

    /// Appends elements, each of which costs a step. `extend` makes an item where it stays; one that is
    /// put together elsewhere and then copied by `push` waits for its own parts, which is most of the
    /// time of a short path.
    #[inline(always)]
    pub(crate) fn push_elements(
        &mut self,
        out: &mut Collection<'a>,
        elements: impl Iterator<Item = Element<'a>>,
    ) -> Result {
        let mut room = self.environment.limits.items.saturating_sub(out.len());
        let mut steps = self.steps;
        let mut is_within = true;
        out.extend(elements.map_while(|element| {
            is_within = steps > 0 && room > 0;
            if !is_within {
                return None;
            }
            steps -= 1;
            room -= 1;
            Some(Item::Element(element))
        }));
        self.steps = steps;
        match is_within {
            true => Ok(()),
            false => self.charge(1).and_then(|()| self.too_long()),
        }
    }

    /// Appends a string that the expression made.
    pub(crate) fn push_string(&mut self, out: &mut Collection<'a>, text: String) -> Result {
        self.check_string(text.len())?;
        self.push(out, Item::String(text.into()))
    }

    /// Refuses a string that would become too long, and counts the work on it.
    pub(crate) fn check_string(&mut self, bytes: usize) -> Result {
        if bytes > self.environment.limits.string_bytes {
            let most = self.environment.limits.string_bytes;
            return Err(EvaluationError::limit(format!("A string is longer than {most} bytes")));
        }
        self.charge(bytes / 64)
    }

    /// Evaluates to a new collection; variables defined inside end with it.
    pub(crate) fn collect(&mut self, op: &'a Op, scope: Scope<'a, '_>) -> Result<Collection<'a>> {
        let mut out = Collection::new();
        self.eval_scoped(op, scope, &mut out)?;
        Ok(out)
    }

    pub(crate) fn eval_scoped(
        &mut self,
        op: &'a Op,
        scope: Scope<'a, '_>,
        out: &mut Collection<'a>,
    ) -> Result {
        let visible = self.variables.len();
        let result = self.eval(op, scope, out);
        self.variables.truncate(visible);
        result
    }

    pub(crate) fn eval(&mut self, op: &'a Op, scope: Scope<'a, '_>, out: &mut Collection<'a>) -> Result {
        self.charge(1)?;
        match op {
            Op::Empty => Ok(()),
            Op::Literal(item) => self.push(out, borrow(item)),
            Op::This => scope.this.iter().try_for_each(|item| self.push(out, item.clone())),
            Op::Index => match scope.index {
                Some(index) => self.push(out, Item::Integer(index as i64)),
                None => Ok(()),
            },
            Op::Total => {
                self.charge(scope.total.unwrap_or_default().len() / MOVED_PER_STEP)?;
                scope.total.unwrap_or_default().iter().try_for_each(|item| self.push(out, item.clone()))
            }
            Op::Variable(variable) => self.variable(variable, out),
            Op::Root(ty) => {
                let test = TypeTest { fhir: Some(*ty), system: None, is_lenient: false };
                let fits = |item: &&Item<'a>| is_of_type(item, test, self.defs);
                let found: Collection<'a> = scope.this.iter().filter(fits).cloned().collect();
                found.into_iter().try_for_each(|item| self.push(out, item))
            }
            Op::Path(from, steps) => self.path(from, steps, scope, out),
            Op::Indexer(from, index) => self.indexer(from, index, scope, out),
            Op::Negate(operand) => {
                let operand = self.collect(operand, scope)?;
                operator::negate(self, &operand, out)
            }
            Op::Binary(operator, left, right) => self.binary(*operator, left, right, scope, out),
            Op::Union(parts) => self.union(parts, scope, out),
            Op::Is(from, test) => self.is(from, *test, scope, out),
            Op::As(from, test) => {
                let items = self.collect(from, scope)?;
                if items.len() > 1 {
                    return Err(EvaluationError::new(format!(
                        "\"as\" casts one item and got {}; ofType() filters many",
                        items.len()
                    )));
                }
                self.filter_type(items, *test, out)
            }
            Op::OfType(from, test) => {
                let items = self.collect(from, scope)?;
                self.filter_type(items, *test, out)
            }
            Op::Call(from, function, arguments) => {
                let mut input = Collection::new();
                self.eval(from, scope, &mut input)?;
                self.charge(input.len() / MOVED_PER_STEP)?;
                (function.run)(self, Call { input: &mut input, arguments, scope }, out)
            }
        }
    }

    fn path(
        &mut self,
        from: &'a Op,
        steps: &'a [crate::op::Step],
        scope: Scope<'a, '_>,
        out: &mut Collection<'a>,
    ) -> Result {
        if let Op::This = from {
            return scope.this.iter().try_for_each(|item| self.walk_item(item, steps, out));
        }
        let mut items = Collection::new();
        self.eval(from, scope, &mut items)?;
        items.iter().try_for_each(|item| self.walk_item(item, steps, out))
    }

    fn indexer(
        &mut self,
        from: &'a Op,
        index: &'a Op,
        scope: Scope<'a, '_>,
        out: &mut Collection<'a>,
    ) -> Result {
        let mut items = Collection::new();
        self.eval(from, scope, &mut items)?;
        let index = self.collect(index, scope)?;
        let Some(index) = self.single_integer(&index, "An index")? else { return Ok(()) };
        match usize::try_from(index).ok().and_then(|index| items.get(index)) {
            Some(item) => self.push(out, item.clone()),
            None => Ok(()),
        }
    }

    fn union(&mut self, parts: &'a [Op], scope: Scope<'a, '_>, out: &mut Collection<'a>) -> Result {
        if out.is_empty() {
            return self.union_in(parts, scope, out);
        }
        let mut items = Collection::new();
        self.union_in(parts, scope, &mut items)?;
        items.drain(..).try_for_each(|item| self.push(out, item))
    }

    /// The union in a collection that was empty.
    fn union_in(&mut self, parts: &'a [Op], scope: Scope<'a, '_>, items: &mut Collection<'a>) -> Result {
        parts.iter().try_for_each(|part| self.eval_scoped(part, scope, items))?;
        equality::remove_repeated(self, items)
    }

    fn is(&mut self, from: &'a Op, test: TypeTest, scope: Scope<'a, '_>, out: &mut Collection<'a>) -> Result {
        let items = self.collect(from, scope)?;
        match items.as_slice() {
            [] => Ok(()),
            [item] => {
                let fits = is_of_type(item, test, self.defs);
                self.push(out, Item::Boolean(fits))
            }
            _ => Err(EvaluationError::new(format!("\"is\" looks at one item and got {}", items.len()))),
        }
    }

    fn filter_type(&mut self, items: Collection<'a>, test: TypeTest, out: &mut Collection<'a>) -> Result {
        for item in items {
            if casts_to(&item, test, self.defs) {
                self.push(out, item)?;
            }
        }
        Ok(())
    }

    fn binary(
        &mut self,
        operator: Operator,
        left: &'a Op,
        right: &'a Op,
        scope: Scope<'a, '_>,
        out: &mut Collection<'a>,
    ) -> Result {
        if operator.is_test() {
            let holds = self.test(operator, left, right, scope)?;
            return self.push_boolean(out, holds);
        }
        let (mut lefts, mut rights) = (Collection::new(), Collection::new());
        let left = self.operand(left, scope, &mut lefts)?;
        let right = self.operand(right, scope, &mut rights)?;
        operator::apply(self, operator, left, right, out)
    }

    /// Evaluates an operand into a buffer. A literal and `$this` are there already and are not copied.
    #[inline]
    fn operand<'s>(
        &mut self,
        op: &'a Op,
        scope: Scope<'a, 's>,
        buffer: &'s mut Collection<'a>,
    ) -> Result<&'s [Item<'a>]>
    where
        'a: 's,
    {
        match op {
            Op::Literal(item) => Ok(std::slice::from_ref(item)),
            Op::This => Ok(scope.this),
            op => {
                self.eval_scoped(op, scope, buffer)?;
                Ok(buffer)
            }
        }
    }

    /// Evaluates to the truth of a collection. What an operator finds goes through no collection.
    pub(crate) fn condition(&mut self, op: &'a Op, scope: Scope<'a, '_>) -> Result<Option<bool>> {
        match op {
            Op::Binary(operator, left, right) if operator.is_test() => {
                self.charge(1)?;
                self.test(*operator, left, right, scope)
            }
            op => {
                let mut buffer = Collection::new();
                let found = self.operand(op, scope, &mut buffer)?;
                to_boolean(found, self.defs)
            }
        }
    }

    /// Evaluates an operator whose result is a truth value.
    fn test(
        &mut self,
        operator: Operator,
        left: &'a Op,
        right: &'a Op,
        scope: Scope<'a, '_>,
    ) -> Result<Option<bool>> {
        if let Operator::And | Operator::Or | Operator::Xor | Operator::Implies = operator {
            return self.logic(operator, left, right, scope);
        }
        let (mut lefts, mut rights) = (Collection::new(), Collection::new());
        let left = self.operand(left, scope, &mut lefts)?;
        let right = self.operand(right, scope, &mut rights)?;
        operator::test(self, operator, left, right)
    }

    /// Three-valued logic; the right side is not evaluated when the left decides.
    fn logic(
        &mut self,
        operator: Operator,
        left: &'a Op,
        right: &'a Op,
        scope: Scope<'a, '_>,
    ) -> Result<Option<bool>> {
        let left = self.condition(left, scope)?;
        let decided = match (operator, left) {
            (Operator::And, Some(false)) => Some(false),
            (Operator::Or, Some(true)) | (Operator::Implies, Some(false)) => Some(true),
            _ => None,
        };
        if decided.is_some() {
            return Ok(decided);
        }
        let right = self.condition(right, scope)?;
        Ok(match operator {
            Operator::And => match (left, right) {
                (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Operator::Or => match (left, right) {
                (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Operator::Implies => match (left, right) {
                (_, Some(true)) => Some(true),
                (Some(true), right) => right,
                _ => None,
            },
            _ => left.zip(right).map(|(left, right)| left != right),
        })
    }

    pub(crate) fn push_boolean(&mut self, out: &mut Collection<'a>, value: Option<bool>) -> Result {
        match value {
            Some(value) => self.push(out, Item::Boolean(value)),
            None => Ok(()),
        }
    }

    fn variable(&mut self, variable: &'a Variable, out: &mut Collection<'a>) -> Result {
        let environment = self.environment;
        let element = match variable {
            Variable::Context => environment.context,
            Variable::Resource => environment.resource,
            Variable::RootResource => environment.root_resource.or(environment.resource),
            Variable::Named(name) => return self.named_variable(name, out),
        };
        let item = element.map_or_else(|| self.focus.clone(), Item::Element);
        self.push(out, item)
    }

    fn named_variable(&mut self, name: &str, out: &mut Collection<'a>) -> Result {
        let given = self.environment.variables;
        let defined = self.variables.iter().find(|(known, _)| known == name).map(|(_, items)| items.clone());
        let items = match defined {
            Some(items) => items,
            None => match given.iter().find(|(known, _)| known == name) {
                Some((_, items)) => items.iter().cloned().collect(),
                None => return Err(EvaluationError::new(format!("There is no variable %{name}"))),
            },
        };
        self.charge(items.len())?;
        items.into_iter().try_for_each(|item| self.push(out, item))
    }

    /// Makes a variable visible to what follows in the path.
    pub(crate) fn define(&mut self, name: &str, items: Collection<'a>) -> Result {
        let is_taken = self.variables.iter().any(|(known, _)| known == name)
            || self.environment.variables.iter().any(|(known, _)| known == name);
        if is_taken {
            return Err(EvaluationError::new(format!("The variable %{name} is defined already")));
        }
        self.charge(items.len())?;
        self.variables.push((name.to_owned(), items));
        Ok(())
    }

    /// The resource that contained references are looked up in.
    pub(crate) fn root_resource(&self) -> Option<Element<'a>> {
        let environment = self.environment;
        environment.root_resource.or(environment.resource).or_else(|| self.focus.element().copied())
    }

    /// The integer of a collection of one; `None` when it is empty.
    pub(crate) fn single_integer(&self, items: &[Item<'a>], what: &str) -> Result<Option<i64>> {
        match items {
            [] => Ok(None),
            [item] => match item.value(self.defs) {
                Some(Item::Integer(value)) => Ok(Some(value)),
                _ => Err(EvaluationError::new(format!(
                    "{what} must be an Integer, and is {}",
                    item.describe(self.defs)
                ))),
            },
            _ => Err(self.too_many(what, items)),
        }
    }

    pub(crate) fn too_many(&self, what: &str, items: &[Item<'a>]) -> EvaluationError {
        EvaluationError::new(format!("{what} must be one item, and is {}", items.len()))
    }
}

/// A literal without copying its text.
fn borrow<'a>(item: &'a Item<'static>) -> Item<'a> {
    match item {
        Item::String(text) => Item::String(Cow::Borrowed(text)),
        Item::Quantity(quantity) => Item::Quantity(Quantity {
            value: quantity.value,
            unit: Cow::Borrowed(&quantity.unit),
            is_calendar: quantity.is_calendar,
        }),
        other => other.clone(),
    }
}

/// The truth of a collection (<https://hl7.org/fhirpath/N1/#singleton-evaluation-of-collections>).
pub(crate) fn to_boolean(items: &[Item<'_>], defs: &Definitions) -> Result<Option<bool>> {
    match items {
        [] => Ok(None),
        [item] => Ok(Some(item.boolean(defs).unwrap_or(true))),
        _ => Err(EvaluationError::new(format!("A condition must be one item, and is {}", items.len()))),
    }
}

/// Whether an item has the type or one below it.
pub(crate) fn is_of_type(item: &Item<'_>, test: TypeTest, defs: &Definitions) -> bool {
    match item {
        Item::Element(element) => match (element.ty, test.fhir) {
            (Some(ty), Some(wanted)) => defs.is_a(ty, wanted),
            _ => false,
        },
        other => test.system.is_some_and(|wanted| wanted == System::Any || System::of(other) == Some(wanted)),
    }
}

/// Whether a cast keeps the item: a primitive must have exactly the type.
fn casts_to(item: &Item<'_>, test: TypeTest, defs: &Definitions) -> bool {
    let Item::Element(element) = item else { return is_of_type(item, test, defs) };
    let Some(ty) = element.ty else { return false };
    let primitive = defs.ty(ty).primitive;
    if let (true, None, Some(wanted), Some(primitive)) = (test.is_lenient, test.fhir, test.system, primitive)
    {
        return wanted.name() == format!("{:?}", primitive.system);
    }
    match test.fhir {
        Some(wanted) if primitive.is_some() && !defs.ty(wanted).is_abstract => ty == wanted,
        Some(wanted) => defs.is_a(ty, wanted),
        None => false,
    }
}
