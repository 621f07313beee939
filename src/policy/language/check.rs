//! What can be told of a condition without a call: unknown names, wrong arguments, kinds that do not fit.

use cel::{
    IdedExpr,
    common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, SelectExpr, operators},
};

use super::{
    fault::ConditionFault,
    kind::Kind,
    matches,
    mentions::{Mentions, Variable},
    vocabulary::{self, FUNCTIONS, Function, MACROS, TYPES},
};

/// What a condition comes to, what it speaks of, and what is wrong with it.
pub(super) fn check(expression: &IdedExpr, max_depth: usize) -> (Kind, Mentions, Vec<ConditionFault>) {
    let mut checker =
        Checker { faults: Vec::new(), mentions: Mentions::default(), locals: Vec::new(), depth: 0, max_depth };
    let kind = checker.kind(expression);
    (kind, checker.mentions, checker.faults)
}

struct Checker<'e> {
    faults: Vec<ConditionFault>,
    mentions: Mentions,
    /// Names that `exists` and its like bring along, the innermost last.
    locals: Vec<(&'e str, Kind)>,
    depth: usize,
    max_depth: usize,
}

impl<'e> Checker<'e> {
    fn kind(&mut self, expression: &'e IdedExpr) -> Kind {
        if self.depth >= self.max_depth {
            let fault = ConditionFault::TooDeep { limit: self.max_depth };
            if !self.faults.contains(&fault) {
                self.faults.push(fault);
            }
            return Kind::Any;
        }
        self.depth += 1;
        let kind = self.kind_of(&expression.expr);
        self.depth -= 1;
        kind
    }

    fn kind_of(&mut self, expression: &'e Expr) -> Kind {
        match expression {
            Expr::Literal(literal) => literal_kind(literal),
            Expr::Ident(name) => self.named(name),
            Expr::Select(select) => self.select(select),
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(over) => self.comprehension(over),
            Expr::List(list) => {
                let kinds: Vec<Kind> = list.elements.iter().map(|element| self.kind(element)).collect();
                let texts = kinds.iter().all(|kind| *kind == Kind::Text);
                if texts { Kind::Texts } else { Kind::List }
            }
            Expr::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        self.kind(&entry.key);
                        self.kind(&entry.value);
                    }
                }
                Kind::Map
            }
            Expr::Struct(structure) => {
                self.fault(ConditionFault::Structure { name: structure.type_name.as_str().into() })
            }
            Expr::Unspecified => Kind::Any,
        }
    }

    fn fault(&mut self, fault: ConditionFault) -> Kind {
        self.faults.push(fault);
        Kind::Any
    }

    // --- names -------------------------------------------------------------------------------------------------------

    fn local(&self, name: &str) -> Option<Kind> {
        self.locals.iter().rev().find(|(local, _)| *local == name).map(|(_, kind)| *kind)
    }

    /// A variable whose fields are looked at one by one.
    fn variable(&self, expression: &IdedExpr) -> Option<Variable> {
        match &expression.expr {
            Expr::Ident(name) if self.local(name).is_none() => Variable::of(name.trim_start_matches('.')),
            _ => None,
        }
    }

    fn named(&mut self, name: &'e str) -> Kind {
        if let Some(kind) = self.local(name) {
            return kind;
        }
        let plain = name.trim_start_matches('.');
        if let Some(variable) = Variable::of(plain) {
            self.mentions.add(variable);
            match variable {
                Variable::Principal => self.mentions.add(Variable::Claims),
                Variable::Tool => self.mentions.add(Variable::Annotations),
                _ => (),
            }
            return vocabulary::variable(variable);
        }
        if TYPES.contains(&plain) {
            return Kind::Any;
        }
        let known = Variable::NAMED.map(Variable::name).into_iter().chain(self.locals.iter().map(|(local, _)| *local));
        let near = nearest(plain, known);
        self.fault(ConditionFault::UnknownVariable { name: plain.into(), near })
    }

    /// What has a field, without all of it being looked at.
    fn owner(&mut self, expression: &'e IdedExpr) -> Kind {
        match self.variable(expression) {
            Some(variable) => {
                self.mentions.add(variable);
                vocabulary::variable(variable)
            }
            None => self.kind(expression),
        }
    }

    fn select(&mut self, select: &'e SelectExpr) -> Kind {
        let owner = self.owner(&select.operand);
        let field = self.field(owner, &select.field);
        if select.test { Kind::Bool } else { field }
    }

    fn field(&mut self, owner: Kind, name: &str) -> Kind {
        let known = vocabulary::fields(owner);
        if let Some((_, kind)) = known.iter().find(|(field, _)| *field == name) {
            match (owner, name) {
                (Kind::Record(Variable::Principal), "claims") => self.mentions.add(Variable::Claims),
                (Kind::Record(Variable::Tool), "annotations") => self.mentions.add(Variable::Annotations),
                _ => (),
            }
            return *kind;
        }
        match owner {
            Kind::Any | Kind::Map => Kind::Any,
            Kind::Record(_) | Kind::Annotations => {
                let near = nearest(name, known.iter().map(|(field, _)| *field));
                let of = if let Kind::Record(variable) = owner { variable.name() } else { "tool.annotations" };
                self.fault(ConditionFault::UnknownField { of: of.into(), name: name.into(), near })
            }
            got => {
                self.fault(ConditionFault::Mismatch { operation: format!(".{name}").into(), wanted: Kind::Map, got })
            }
        }
    }

    fn index(&mut self, owner: &'e IdedExpr, key: &'e IdedExpr) -> Kind {
        if let Some(name) = matches::literal(key) {
            let owner = self.owner(owner);
            // What a server adds to its annotations can be looked at in this way.
            return if owner == Kind::Annotations { Kind::Any } else { self.field(owner, name) };
        }
        let owner = self.kind(owner);
        self.kind(key);
        match owner {
            Kind::Texts => Kind::Text,
            owner if owner.fits(Kind::List) || owner.fits(Kind::Map) => Kind::Any,
            got => self.fault(ConditionFault::Mismatch { operation: "[…]".into(), wanted: Kind::List, got }),
        }
    }

    // --- operators and functions -------------------------------------------------------------------------------------

    fn call(&mut self, call: &'e CallExpr) -> Kind {
        if let Some(kind) = self.operator(call) {
            return kind;
        }
        let is_namespace = |target: &IdedExpr| matches!(&target.expr, Expr::Ident(name) if name == "optional");
        let namespaced = call.target.as_deref().is_some_and(is_namespace) && self.local("optional").is_none();
        let name = if namespaced { format!("optional.{}", call.func_name) } else { call.func_name.clone() };
        if let Some((function, form)) = MACROS.iter().find(|(known, _)| *known == name) {
            return self.fault(ConditionFault::Arguments { function, form });
        }
        let target = call.target.as_deref().filter(|_| !namespaced);
        let on = target.map(|target| self.kind(target));
        let arguments: Vec<Kind> = call.args.iter().map(|argument| self.kind(argument)).collect();
        let Some(function) = self.function(&name, on.is_some(), arguments.len()) else { return Kind::Any };
        if let (Some(wanted), Some(got)) = (function.on, on) {
            self.wants(&name, wanted, got);
        }
        for (wanted, got) in function.arguments.iter().zip(arguments) {
            self.wants(&name, *wanted, got);
        }
        if let ("matches", Some(pattern)) = (function.name, call.args.last().and_then(matches::literal))
            && !matches::learn(pattern)
        {
            self.fault(ConditionFault::BadPattern { pattern: pattern.into() });
        }
        function.result
    }

    fn function(&mut self, name: &str, on_something: bool, arguments: usize) -> Option<&'static Function> {
        let forms = || FUNCTIONS.iter().filter(|function| function.name == name);
        let right = forms().find(|form| form.on.is_some() == on_something && form.arguments.len() == arguments);
        if right.is_some() {
            return right;
        }
        let known = forms().next().map(|form| (form.name, form.form));
        let fault = match known {
            Some((function, form)) => ConditionFault::Arguments { function, form },
            None => {
                let names = FUNCTIONS.iter().map(|function| function.name).chain(MACROS.iter().map(|(name, _)| *name));
                ConditionFault::UnknownFunction { name: name.into(), near: nearest(name, names) }
            }
        };
        self.fault(fault);
        None
    }

    /// The kind of an operator's result; `None` for what is no operator.
    fn operator(&mut self, call: &'e CallExpr) -> Option<Kind> {
        let name = call.func_name.as_str();
        let kind = match (name, call.args.as_slice()) {
            (operators::INDEX | operators::OPT_INDEX, [owner, key]) => {
                let kind = self.index(owner, key);
                if name == operators::INDEX { kind } else { Kind::Any }
            }
            (operators::OPT_SELECT, [owner, key]) => {
                self.index(owner, key);
                Kind::Any
            }
            (operators::CONDITIONAL, [condition, then, otherwise]) => {
                let condition = self.kind(condition);
                self.wants("? :", Kind::Bool, condition);
                let (then, otherwise) = (self.kind(then), self.kind(otherwise));
                if then == otherwise { then } else { Kind::Any }
            }
            (operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT, arguments) => {
                for argument in arguments {
                    let got = self.kind(argument);
                    self.wants(sign(name), Kind::Bool, got);
                }
                Kind::Bool
            }
            (operators::NOT_STRICTLY_FALSE, [argument]) => {
                self.kind(argument);
                Kind::Bool
            }
            (operators::NEGATE, [argument]) => {
                let got = self.kind(argument);
                self.wants("-", Kind::Number, got);
                Kind::Number
            }
            (_, [left, right]) if call.target.is_none() && is_between(name) => {
                let (left, right) = (self.kind(left), self.kind(right));
                self.between(name, left, right)
            }
            _ => return None,
        };
        Some(kind)
    }

    fn between(&mut self, name: &str, left: Kind, right: Kind) -> Kind {
        match name {
            operators::EQUALS | operators::NOT_EQUALS => {
                if !left.fits(right) && !right.fits(left) {
                    self.fault(ConditionFault::NeverEqual { left, right });
                }
                Kind::Bool
            }
            operators::IN => {
                if !right.fits(Kind::List) && !right.fits(Kind::Map) {
                    self.wants("in", Kind::List, right);
                } else if right == Kind::Texts && !left.fits(Kind::Text) {
                    self.fault(ConditionFault::NeverEqual { left, right: Kind::Text });
                }
                Kind::Bool
            }
            operators::ADD | operators::SUBSTRACT | operators::MULTIPLY | operators::DIVIDE | operators::MODULO => {
                self.arithmetic(name, left, right)
            }
            _ => {
                if matches!(
                    left,
                    Kind::Any | Kind::Bool | Kind::Text | Kind::Number | Kind::Time | Kind::Span | Kind::Bytes
                ) {
                    self.wants(sign(name), left, right);
                } else {
                    self.wants(sign(name), Kind::Number, left);
                }
                Kind::Bool
            }
        }
    }

    fn arithmetic(&mut self, name: &str, left: Kind, right: Kind) -> Kind {
        match (name, left, right) {
            (_, Kind::Any, _) | (_, _, Kind::Any) => Kind::Any,
            (operators::SUBSTRACT, Kind::Time, Kind::Time) => Kind::Span,
            (operators::ADD | operators::SUBSTRACT, Kind::Time, Kind::Span)
            | (operators::ADD, Kind::Span, Kind::Time) => Kind::Time,
            (operators::ADD, left, right) if left.fits(Kind::List) && right.fits(Kind::List) => Kind::List,
            (operators::ADD, Kind::Text | Kind::Bytes | Kind::Span, right)
            | (operators::SUBSTRACT, Kind::Span, right) => {
                self.wants(sign(name), left, right);
                left
            }
            _ => {
                self.wants(sign(name), Kind::Number, left);
                self.wants(sign(name), Kind::Number, right);
                Kind::Number
            }
        }
    }

    fn wants(&mut self, operation: &str, wanted: Kind, got: Kind) {
        if !got.fits(wanted) {
            self.fault(ConditionFault::Mismatch { operation: operation.into(), wanted, got });
        }
    }

    /// `exists` and its like, as the parser wrote them out.
    fn comprehension(&mut self, over: &'e ComprehensionExpr) -> Kind {
        let range = self.kind(&over.iter_range);
        if !range.fits(Kind::List) && !range.fits(Kind::Map) {
            self.wants("exists, all, map and filter", Kind::List, range);
        }
        let element = if range == Kind::Texts { Kind::Text } else { Kind::Any };
        let so_far = self.kind(&over.accu_init);
        let before = self.locals.len();
        self.locals.push((&over.accu_var, so_far));
        self.locals.push((&over.iter_var, element));
        self.locals.extend(over.iter_var2.as_deref().map(|second| (second, Kind::Any)));
        self.kind(&over.loop_cond);
        self.kind(&over.loop_step);
        let result = self.kind(&over.result);
        self.locals.truncate(before);
        result
    }
}

fn literal_kind(literal: &LiteralValue) -> Kind {
    match literal {
        LiteralValue::Boolean(_) => Kind::Bool,
        LiteralValue::Bytes(_) => Kind::Bytes,
        LiteralValue::Double(_) | LiteralValue::Int(_) | LiteralValue::UInt(_) => Kind::Number,
        LiteralValue::Null => Kind::Null,
        LiteralValue::String(_) => Kind::Text,
    }
}

fn is_between(name: &str) -> bool {
    name == operators::IN || (name.starts_with('_') && name.ends_with('_') && name != operators::INDEX)
}

/// How an operator is written.
fn sign(name: &str) -> &str {
    name.trim_matches(['_', '@'])
}

/// The known name nearest to `name`, when it is near enough to be what was meant.
fn nearest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<Box<str>> {
    let distance = |known: &str| strsim::osa_distance(&name.to_lowercase(), &known.to_lowercase());
    let near = known.map(|known| (distance(known), known));
    let near = near.filter(|(distance, known)| *distance <= (known.chars().count() / 3).clamp(1, 3));
    near.min_by_key(|(distance, _)| *distance).map(|(_, known)| known.into())
}
