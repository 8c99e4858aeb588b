//! Gives names a meaning: elements by the definitions, functions by their table, types and variables
//! (<https://hl7.org/fhirpath/N1/#semantic-validation>).
//!
//! Each part of an expression is compiled together with the types that it can have. Where they are
//! unknown nothing is refused, and the evaluator decides.

use remit_spec::{Definitions, Element, Kind, TypeId};
use smallvec::SmallVec;

use crate::error::{CompileError, CompileErrorKind};
use crate::function::{Function, Returns};
use crate::item::Item;
use crate::op::{Expression, Member, Mode, Op, Options, Step, System, TypeTest, Variable};
use crate::parser::parse;
use crate::quantity::Quantity;
use crate::syntax::{Literal, Operator, Syntax, SyntaxKind, TypeSpecifier};

/// Compiles an expression.
pub(crate) fn expression(
    text: &str,
    options: Options<'_>,
    defs: &'static Definitions,
) -> Result<Expression, CompileError> {
    let syntax = parse(text)?;
    let focus = options.context.map_or(Types::UNKNOWN, Types::fhir);
    let mut compiler = Compiler { text, options, defs, defined: Vec::new(), defines_any: false };
    let (op, types) = compiler.compile(&syntax, &focus)?;
    let (result, result_names) = (types.fhir_only(), types.names(defs));
    Ok(Expression { text: text.into(), syntax, op, defs, result, result_names })
}

/// A type that an item can have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ty {
    Fhir(TypeId),
    System(System),
}

/// The types that the items of a collection can have.
#[derive(Clone, Debug)]
pub(crate) struct Types {
    /// `None` is anything.
    known: Option<SmallVec<[Ty; 4]>>,
    is_ordered: bool,
}

impl Types {
    const UNKNOWN: Types = Types { known: None, is_ordered: true };

    fn one(ty: Ty) -> Types {
        Types { known: Some(SmallVec::from_slice(&[ty])), is_ordered: true }
    }

    fn fhir(ty: TypeId) -> Types {
        Types::one(Ty::Fhir(ty))
    }

    fn system(ty: System) -> Types {
        Types::one(Ty::System(ty))
    }

    fn none() -> Types {
        Types { known: Some(SmallVec::new()), is_ordered: true }
    }

    fn add(&mut self, other: &Types) {
        self.is_ordered &= other.is_ordered;
        match (&mut self.known, &other.known) {
            (Some(mine), Some(theirs)) => {
                for ty in theirs {
                    if !mine.contains(ty) {
                        mine.push(*ty);
                    }
                }
            }
            _ => self.known = None,
        }
    }

    fn names(&self, defs: &'static Definitions) -> Option<Box<[&'static str]>> {
        let name = |ty: &Ty| match ty {
            Ty::Fhir(id) => defs.name(*id),
            Ty::System(system) => system.full_name(),
        };
        self.known.as_ref().map(|known| known.iter().map(name).collect())
    }

    fn fhir_only(&self) -> Option<Box<[TypeId]>> {
        let known = self.known.as_ref()?;
        known.iter().map(|ty| if let Ty::Fhir(id) = ty { Some(*id) } else { None }).collect()
    }
}

pub(crate) struct Compiler<'t> {
    text: &'t str,
    options: Options<'t>,
    defs: &'static Definitions,
    /// Names that `defineVariable` has made visible.
    defined: Vec<String>,
    /// A name that is only known at run time has been defined.
    defines_any: bool,
}

type Compiled = Result<(Op, Types), CompileError>;

impl Compiler<'_> {
    fn error(&self, offset: usize, message: impl Into<String>) -> CompileError {
        CompileError::new(CompileErrorKind::Semantic, self.text, offset, message.into())
    }

    fn compile(&mut self, syntax: &Syntax, focus: &Types) -> Compiled {
        match &syntax.kind {
            SyntaxKind::Empty => Ok((Op::Empty, Types::none())),
            SyntaxKind::Literal(value) => {
                let item = literal(value);
                let ty = System::of(&item).unwrap_or(System::Any);
                Ok((Op::Literal(item), Types::system(ty)))
            }
            SyntaxKind::Variable(name) => self.variable(name, syntax.offset),
            SyntaxKind::This => Ok((Op::This, focus.clone())),
            SyntaxKind::Index => Ok((Op::Index, Types::system(System::Integer))),
            SyntaxKind::Total => Ok((Op::Total, Types::UNKNOWN)),
            SyntaxKind::Member(name) => self.first_name(name, syntax.offset, focus),
            SyntaxKind::Call(name, arguments) => {
                self.call((Op::This, focus.clone()), name, arguments, syntax.offset, focus)
            }
            SyntaxKind::Path(left, right) => {
                let left = self.compile(left, focus)?;
                self.invocation(left, right, focus)
            }
            SyntaxKind::Indexer(left, index) => {
                let (left, types) = self.compile(left, focus)?;
                self.check_order(&types, "An index", syntax.offset)?;
                let index = self.scoped(index, focus)?.0;
                Ok((Op::Indexer(Box::new(left), Box::new(index)), types))
            }
            SyntaxKind::Sign(is_negative, operand) => {
                let (operand, types) = self.scoped(operand, focus)?;
                // A plus sign has no effect, but its operand must be a number just the same.
                let negated = Op::Negate(Box::new(operand));
                Ok((if *is_negative { negated } else { Op::Negate(Box::new(negated)) }, types))
            }
            SyntaxKind::Binary(operator, left, right) => {
                let (left, left_types) = self.scoped(left, focus)?;
                let (right, right_types) = self.scoped(right, focus)?;
                let types = binary_types(*operator, &left_types, &right_types);
                Ok((Op::Binary(*operator, Box::new(left), Box::new(right)), types))
            }
            SyntaxKind::Union(parts) => self.union(parts, focus),
            SyntaxKind::Is(left, specifier) => {
                let left = self.scoped(left, focus)?;
                self.type_call("is", left, specifier)
            }
            SyntaxKind::As(left, specifier) => {
                let left = self.scoped(left, focus)?;
                self.type_call("as", left, specifier)
            }
        }
    }

    /// Variables that are defined inside an operand or argument are not visible outside.
    fn scoped(&mut self, syntax: &Syntax, focus: &Types) -> Compiled {
        let visible = self.defined.len();
        let compiled = self.compile(syntax, focus);
        self.defined.truncate(visible);
        compiled
    }

    fn union(&mut self, parts: &[Syntax], focus: &Types) -> Compiled {
        let mut types = Types::none();
        let mut ops = Vec::with_capacity(parts.len());
        for part in parts {
            let (op, part_types) = self.scoped(part, focus)?;
            types.add(&part_types);
            ops.push(op);
        }
        // Two ordered parts keep their order one after the other.
        Ok((Op::Union(ops.into()), types))
    }

    fn variable(&mut self, name: &str, offset: usize) -> Compiled {
        let text = |text: String| Ok((Op::Literal(Item::String(text.into())), Types::system(System::String)));
        let context = self.options.context.map_or(Types::UNKNOWN, Types::fhir);
        match name {
            "resource" | "rootResource" => {
                let is_resource =
                    self.options.context.is_some_and(|ty| self.defs.ty(ty).kind == Kind::Resource);
                let variable = if name == "resource" { Variable::Resource } else { Variable::RootResource };
                Ok((Op::Variable(variable), if is_resource { context } else { Types::UNKNOWN }))
            }
            "context" => Ok((Op::Variable(Variable::Context), context)),
            "ucum" => text("http://unitsofmeasure.org".into()),
            "sct" => text("http://snomed.info/sct".into()),
            "loinc" => text("http://loinc.org".into()),
            _ if name.starts_with("vs-") => text(format!("http://hl7.org/fhir/ValueSet/{}", &name[3..])),
            _ if name.starts_with("ext-") => {
                text(format!("http://hl7.org/fhir/StructureDefinition/{}", &name[4..]))
            }
            _ => {
                let declared = self.options.variables.is_none_or(|names| names.contains(&name));
                if !declared && !self.defines_any && !self.defined.iter().any(|known| known == name) {
                    return Err(self.error(offset, format!("There is no variable %{name}")));
                }
                Ok((Op::Variable(Variable::Named(name.into())), Types::UNKNOWN))
            }
        }
    }

    /// A name at the start of a path: an element of the focus, else its type.
    fn first_name(&mut self, name: &str, offset: usize, focus: &Types) -> Compiled {
        let starts_upper = name.starts_with(|c: char| c.is_ascii_uppercase());
        let ty = if starts_upper { self.defs.type_named(name) } else { None };
        let Some(ty) = ty else { return self.member((Op::This, focus.clone()), name, offset) };
        let fits = |known: &Ty| match known {
            Ty::Fhir(id) => self.defs.is_a(*id, ty) || self.defs.is_a(ty, *id),
            Ty::System(_) => false,
        };
        match &focus.known {
            Some(known) if !known.iter().any(fits) && self.options.mode == Mode::Strict => Err(self.error(
                offset,
                format!("The expression is evaluated on {}, not on {name}", self.names(known)),
            )),
            Some(known) if known.iter().all(|k| matches!(k, Ty::Fhir(id) if self.defs.is_a(*id, ty))) => {
                Ok((Op::This, focus.clone()))
            }
            _ => Ok((Op::Root(ty), Types::fhir(ty))),
        }
    }

    fn names(&self, types: &[Ty]) -> String {
        let name = |ty: &Ty| match ty {
            Ty::Fhir(id) => self.defs.name(*id),
            Ty::System(system) => system.name(),
        };
        types.iter().map(name).collect::<Vec<_>>().join(" or ")
    }

    fn invocation(&mut self, left: (Op, Types), right: &Syntax, focus: &Types) -> Compiled {
        match &right.kind {
            SyntaxKind::Member(name) => self.member(left, name, right.offset),
            SyntaxKind::Call(name, arguments) => self.call(left, name, arguments, right.offset, focus),
            // `a.$this` is `a` item by item.
            SyntaxKind::This => Ok(left),
            _ => Err(self.error(right.offset, "$index and $total cannot follow a dot")),
        }
    }

    fn member(&mut self, left: (Op, Types), name: &str, offset: usize) -> Compiled {
        let (left, types) = left;
        let mut found = Types { is_ordered: types.is_ordered, ..Types::none() };
        let mut known = Vec::new();
        let mut is_possible = types.known.as_ref().is_none_or(|known| known.is_empty());
        for ty in types.known.iter().flatten() {
            match ty {
                Ty::Fhir(id) => match self.element(*id, name) {
                    Some(element) => {
                        is_possible = true;
                        for option in &element.types {
                            found.add(&Types::fhir(option.ty));
                        }
                        known.push((*id, members(element, self.defs)));
                    }
                    None if self.is_open(*id) => (is_possible, found.known) = (true, None),
                    None => {}
                },
                Ty::System(System::TypeInfo | System::Quantity | System::Any) => {
                    (is_possible, found.known) = (true, None);
                }
                Ty::System(_) => {}
            }
        }
        if types.known.is_none() || (self.options.mode == Mode::Lenient && !is_possible) {
            found.known = None;
        } else if !is_possible {
            let names = self.names(types.known.as_deref().unwrap_or_default());
            return Err(self.error(offset, format!("{names} has no element \"{name}\"")));
        }
        let step =
            Step { name: name.into(), known: known.into(), is_lenient: self.options.mode == Mode::Lenient };
        Ok((append(left, step), found))
    }

    fn element(&self, ty: TypeId, name: &str) -> Option<&'static Element> {
        self.defs.child(ty, name)
    }

    /// An instance has a type below this one, which may have more elements.
    fn is_open(&self, ty: TypeId) -> bool {
        let known = self.defs.well_known();
        self.defs.ty(ty).is_abstract || ty == known.element || ty == known.backbone_element
    }

    fn check_order(&self, types: &Types, what: &str, offset: usize) -> Result<(), CompileError> {
        if self.options.checks_order && !types.is_ordered {
            return Err(self.error(offset, format!("{what} needs an order, and these items have none")));
        }
        Ok(())
    }

    fn call(
        &mut self,
        input: (Op, Types),
        name: &str,
        arguments: &[Syntax],
        offset: usize,
        focus: &Types,
    ) -> Compiled {
        if let ("is" | "as" | "ofType", [argument]) = (name, arguments) {
            let specifier = as_specifier(argument)
                .ok_or_else(|| self.error(argument.offset, format!("{name}() needs the name of a type")))?;
            return self.type_call(name, input, &specifier);
        }
        let Some(function) = crate::function::named(name) else {
            return Err(self.error(offset, format!("There is no function {name}()")));
        };
        self.check_arity(function, arguments.len(), offset)?;
        if function.needs_order {
            self.check_order(&input.1, &format!("{name}()"), offset)?;
        }
        let (input, input_types) = input;
        let types = match function.takes_type {
            true => return self.call_with_type(function, input, arguments),
            false => input_types,
        };
        let inner = if function.is_lambda { &types } else { focus };
        let mut ops = Vec::with_capacity(arguments.len());
        let mut argument_types = Vec::with_capacity(arguments.len());
        for (place, argument) in arguments.iter().enumerate() {
            // Names and values that are not taken for each item see the focus outside.
            let is_plain = function.is_lambda && function.plain_first && place == 0;
            let (op, types) = self.scoped(argument, if is_plain { focus } else { inner })?;
            ops.push(op);
            argument_types.push(types);
        }
        if name == "defineVariable" {
            self.define(&arguments[0], offset)?;
        }
        if name == "repeat" && self.options.mode == Mode::Strict {
            // What is found is input again; without its types `repeat(item)` could not be checked.
            argument_types.truncate(1);
        }
        let result = self.result_types(function, &types, &argument_types);
        Ok((Op::Call(Box::new(input), function, ops.into()), result))
    }

    fn define(&mut self, name: &Syntax, offset: usize) -> Result<(), CompileError> {
        let SyntaxKind::Literal(Literal::String(name)) = &name.kind else {
            self.defines_any = true;
            return Ok(());
        };
        let is_taken = is_reserved_variable(name)
            || self.options.variables.is_some_and(|names| names.contains(&name.as_str()))
            || self.defined.contains(name);
        if is_taken {
            return Err(self.error(offset, format!("The variable %{name} is defined already")));
        }
        self.defined.push(name.clone());
        Ok(())
    }

    fn check_arity(&self, function: &Function, count: usize, offset: usize) -> Result<(), CompileError> {
        let (least, most) = function.arity;
        if (least..=most).contains(&count) {
            return Ok(());
        }
        let wanted = match (least, most) {
            (0, 0) => "no arguments".to_owned(),
            (1, 1) => "one argument".to_owned(),
            (least, most) if least == most => format!("{least} arguments"),
            (least, usize::MAX) => format!("at least {least} arguments"),
            (least, most) => format!("{least} to {most} arguments"),
        };
        Err(self.error(offset, format!("{}() takes {wanted}, not {count}", function.name)))
    }

    /// `getReferenceKey(Patient)`: the type becomes its name.
    fn call_with_type(&self, function: &'static Function, input: Op, arguments: &[Syntax]) -> Compiled {
        let mut ops = Vec::with_capacity(arguments.len());
        for argument in arguments {
            let Some(specifier) = as_specifier(argument) else {
                return Err(
                    self.error(argument.offset, format!("{}() needs the name of a type", function.name))
                );
            };
            let test = self.type_test(&specifier)?;
            let Some(ty) = test.fhir else {
                return Err(self.error(argument.offset, format!("{} is no FHIR type", specifier.name)));
            };
            ops.push(Op::Literal(Item::String(self.defs.name(ty).into())));
        }
        Ok((Op::Call(Box::new(input), function, ops.into()), Types::system(System::String)))
    }

    fn result_types(&self, function: &Function, input: &Types, arguments: &[Types]) -> Types {
        match function.returns {
            Returns::Input => input.clone(),
            Returns::Unordered => Types { known: None, is_ordered: false },
            Returns::Argument => {
                let mut types = arguments.first().cloned().unwrap_or(Types::UNKNOWN);
                types.is_ordered &= input.is_ordered;
                types
            }
            Returns::InputAndArgument => {
                let mut types = input.clone();
                arguments.iter().for_each(|argument| types.add(argument));
                types
            }
            Returns::Branches => {
                let mut types = Types::none();
                arguments.iter().skip(1).for_each(|branch| types.add(branch));
                types
            }
            Returns::Extension => Types::fhir(self.defs.well_known().extension),
            Returns::System(system) => Types::system(system),
            Returns::Unknown => Types::UNKNOWN,
        }
    }

    fn type_call(&mut self, name: &str, left: (Op, Types), specifier: &TypeSpecifier) -> Compiled {
        let test = self.type_test(specifier)?;
        let (left, types) = left;
        if name == "is" {
            return Ok((Op::Is(Box::new(left), test), Types::system(System::Boolean)));
        }
        let mut result = Types { is_ordered: types.is_ordered, ..Types::none() };
        match (test.fhir, test.system) {
            (Some(fhir), _) => result.add(&Types::fhir(fhir)),
            // Read leniently, a System type stands for FHIR primitives.
            (None, Some(_)) if test.is_lenient => result.known = None,
            (None, Some(system)) => result.add(&Types::system(system)),
            (None, None) => {}
        }
        if name == "as" && self.options.mode == Mode::Strict {
            return Ok((Op::As(Box::new(left), test), result));
        }
        Ok((Op::OfType(Box::new(left), test), result))
    }

    fn type_test(&self, specifier: &TypeSpecifier) -> Result<TypeTest, CompileError> {
        let name = specifier.name.as_str();
        let fhir = self.defs.type_named(name);
        let system = System::named(name);
        let is_lenient = self.options.mode == Mode::Lenient;
        let unknown = || self.error(specifier.offset, format!("There is no type {name}"));
        match specifier.namespace.as_deref() {
            Some("System") => Ok(TypeTest { fhir: None, system, is_lenient: false }),
            Some("FHIR") => Ok(TypeTest { fhir: Some(fhir.ok_or_else(unknown)?), system: None, is_lenient }),
            Some(other) => {
                Err(self
                    .error(specifier.offset, format!("There is no namespace {other}, only FHIR and System")))
            }
            None if fhir.is_none() && system.is_none() => Err(unknown()),
            None => Ok(TypeTest { fhir, system, is_lenient }),
        }
    }
}

/// `Quantity`, `FHIR.Quantity` written as an argument.
fn as_specifier(syntax: &Syntax) -> Option<TypeSpecifier> {
    let offset = syntax.offset;
    match &syntax.kind {
        SyntaxKind::Member(name) => Some(TypeSpecifier { namespace: None, name: name.clone(), offset }),
        SyntaxKind::Path(left, right) => match (&left.kind, &right.kind) {
            (SyntaxKind::Member(namespace), SyntaxKind::Member(name)) => Some(TypeSpecifier {
                namespace: Some(namespace.clone()),
                name: name.clone(),
                offset: left.offset,
            }),
            _ => None,
        },
        _ => None,
    }
}

/// Whether the language has given a variable of this name a meaning (`resource`, `ucum`, `vs-x`).
pub fn is_reserved_variable(name: &str) -> bool {
    matches!(name, "resource" | "rootResource" | "context" | "ucum" | "sct" | "loinc")
        || name.starts_with("vs-")
        || name.starts_with("ext-")
}

/// Where an element stands in JSON.
fn members(element: &Element, defs: &Definitions) -> Box<[Member]> {
    let mut members: Vec<Member> = Vec::with_capacity(element.types.len());
    for option in &element.types {
        if members.iter().any(|member| member.json_name == option.json_name) {
            continue;
        }
        let ty = defs.ty(option.ty);
        members.push(Member {
            json_name: option.json_name,
            sibling: match ty.kind {
                Kind::Primitive => format!("_{}", option.json_name).into(),
                _ => "".into(),
            },
            ty: option.ty,
            is_any_resource: ty.kind == Kind::Resource,
        });
    }
    members.into()
}

fn append(left: Op, step: Step) -> Op {
    match left {
        Op::Path(from, steps) => {
            let mut steps = steps.into_vec();
            steps.push(step);
            Op::Path(from, steps.into())
        }
        from => Op::Path(Box::new(from), Box::new([step])),
    }
}

fn literal(value: &Literal) -> Item<'static> {
    match value {
        Literal::Boolean(value) => Item::Boolean(*value),
        Literal::String(text) => Item::String(text.clone().into()),
        Literal::Integer(value) => Item::Integer(*value),
        Literal::Decimal(value) => Item::Decimal(*value),
        Literal::Date(value) => Item::Date(*value),
        Literal::DateTime(value) => Item::DateTime(*value),
        Literal::Time(value) => Item::Time(*value),
        Literal::Quantity(value, unit, is_calendar) => {
            Item::Quantity(Quantity { value: *value, unit: unit.clone().into(), is_calendar: *is_calendar })
        }
    }
}

fn binary_types(operator: Operator, left: &Types, right: &Types) -> Types {
    match operator {
        Operator::Add | Operator::Subtract | Operator::Multiply | Operator::Mod => {
            let mut types = left.clone();
            types.add(right);
            // FHIR values become System values.
            if types.fhir_only().is_some_and(|found| !found.is_empty()) { Types::UNKNOWN } else { types }
        }
        Operator::Divide | Operator::Div => Types::UNKNOWN,
        Operator::Concatenate => Types::system(System::String),
        _ => Types::system(System::Boolean),
    }
}
