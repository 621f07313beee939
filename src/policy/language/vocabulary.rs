//! The fields of the variables and the functions of the language, as far as conditions may use them.
//!
//! Source of the functions: cel-spec, "List of Standard Definitions". A test asks the interpreter for each of them.

use super::{kind::Kind, mentions::Variable};

/// The kind of a variable.
pub(super) const fn variable(variable: Variable) -> Kind {
    match variable {
        Variable::Principal
        | Variable::Tool
        | Variable::Prompt
        | Variable::Resource
        | Variable::Client
        | Variable::Request => Kind::Record(variable),
        Variable::Annotations => Kind::Annotations,
        Variable::Claims | Variable::Arguments => Kind::Map,
        Variable::Method | Variable::Server | Variable::Endpoint => Kind::Text,
        Variable::Now => Kind::Time,
    }
}

/// The fields of a kind that has some: no other.
pub(super) const fn fields(kind: Kind) -> &'static [(&'static str, Kind)] {
    match kind {
        Kind::Record(Variable::Principal) => &[
            ("id", Kind::Text),
            ("kind", Kind::Text),
            ("issuer", Kind::Text),
            ("client", Kind::Text),
            ("groups", Kind::Texts),
            ("scopes", Kind::Texts),
            ("claims", Kind::Map),
        ],
        Kind::Record(Variable::Tool) => {
            &[("name", Kind::Text), ("own", Kind::Text), ("annotations", Kind::Annotations)]
        }
        Kind::Record(Variable::Prompt) => &[("name", Kind::Text), ("own", Kind::Text)],
        Kind::Record(Variable::Resource) => &[("uri", Kind::Text)],
        Kind::Record(Variable::Request) => &[("address", Kind::Text)],
        Kind::Record(Variable::Client) => &[("name", Kind::Text), ("version", Kind::Text), ("era", Kind::Text)],
        Kind::Annotations => &[
            ("title", Kind::Text),
            ("readOnlyHint", Kind::Bool),
            ("destructiveHint", Kind::Bool),
            ("idempotentHint", Kind::Bool),
            ("openWorldHint", Kind::Bool),
        ],
        _ => &[],
    }
}

/// A function, or one form of it.
pub(super) struct Function {
    pub(super) name: &'static str,
    /// How it is written.
    pub(super) form: &'static str,
    /// What it is called on; nothing for `name(…)`.
    pub(super) on: Option<Kind>,
    /// Its arguments. Several forms of one function differ in their number.
    pub(super) arguments: &'static [Kind],
    pub(super) result: Kind,
}

const fn function(
    form: &'static str,
    name: &'static str,
    on: Option<Kind>,
    arguments: &'static [Kind],
    result: Kind,
) -> Function {
    Function { name, form, on, arguments, result }
}

const TEXT: Option<Kind> = Some(Kind::Text);
const TIME: Option<Kind> = Some(Kind::Time);
const ANY: Option<Kind> = Some(Kind::Any);

/// All functions that are no operators.
pub(super) const FUNCTIONS: &[Function] = &[
    function("text.contains(part)", "contains", TEXT, &[Kind::Text], Kind::Bool),
    function("text.startsWith(start)", "startsWith", TEXT, &[Kind::Text], Kind::Bool),
    function("text.endsWith(end)", "endsWith", TEXT, &[Kind::Text], Kind::Bool),
    function("text.matches(pattern)", "matches", TEXT, &[Kind::Text], Kind::Bool),
    function("matches(text, pattern)", "matches", None, &[Kind::Text, Kind::Text], Kind::Bool),
    function("size(value)", "size", None, &[Kind::Any], Kind::Number),
    function("value.size()", "size", ANY, &[], Kind::Number),
    function("int(value)", "int", None, &[Kind::Any], Kind::Number),
    function("uint(value)", "uint", None, &[Kind::Any], Kind::Number),
    function("double(value)", "double", None, &[Kind::Any], Kind::Number),
    function("string(value)", "string", None, &[Kind::Any], Kind::Text),
    function("bool(value)", "bool", None, &[Kind::Any], Kind::Bool),
    function("bytes(text)", "bytes", None, &[Kind::Any], Kind::Bytes),
    function("dyn(value)", "dyn", None, &[Kind::Any], Kind::Any),
    function("type(value)", "type", None, &[Kind::Any], Kind::Any),
    function("timestamp(text)", "timestamp", None, &[Kind::Any], Kind::Time),
    function("duration(text)", "duration", None, &[Kind::Any], Kind::Span),
    function("time.getFullYear()", "getFullYear", TIME, &[], Kind::Number),
    function("time.getMonth()", "getMonth", TIME, &[], Kind::Number),
    function("time.getDate()", "getDate", TIME, &[], Kind::Number),
    function("time.getDayOfMonth()", "getDayOfMonth", TIME, &[], Kind::Number),
    function("time.getDayOfWeek()", "getDayOfWeek", TIME, &[], Kind::Number),
    function("time.getDayOfYear()", "getDayOfYear", TIME, &[], Kind::Number),
    function("time.getHours()", "getHours", ANY, &[], Kind::Number),
    function("time.getMinutes()", "getMinutes", ANY, &[], Kind::Number),
    function("time.getSeconds()", "getSeconds", ANY, &[], Kind::Number),
    function("time.getMilliseconds()", "getMilliseconds", ANY, &[], Kind::Number),
    function("time.getFullYear(zone)", "getFullYear", TIME, &[Kind::Text], Kind::Number),
    function("time.getMonth(zone)", "getMonth", TIME, &[Kind::Text], Kind::Number),
    function("time.getDate(zone)", "getDate", TIME, &[Kind::Text], Kind::Number),
    function("time.getDayOfMonth(zone)", "getDayOfMonth", TIME, &[Kind::Text], Kind::Number),
    function("time.getDayOfWeek(zone)", "getDayOfWeek", TIME, &[Kind::Text], Kind::Number),
    function("time.getDayOfYear(zone)", "getDayOfYear", TIME, &[Kind::Text], Kind::Number),
    function("time.getHours(zone)", "getHours", TIME, &[Kind::Text], Kind::Number),
    function("time.getMinutes(zone)", "getMinutes", TIME, &[Kind::Text], Kind::Number),
    function("time.getSeconds(zone)", "getSeconds", TIME, &[Kind::Text], Kind::Number),
    function("time.getMilliseconds(zone)", "getMilliseconds", TIME, &[Kind::Text], Kind::Number),
    function("optional.hasValue()", "hasValue", ANY, &[], Kind::Bool),
    function("optional.value()", "value", ANY, &[], Kind::Any),
    function("optional.orValue(other)", "orValue", ANY, &[Kind::Any], Kind::Any),
    function("optional.or(other)", "or", ANY, &[Kind::Any], Kind::Any),
    function("optional.of(value)", "optional.of", None, &[Kind::Any], Kind::Any),
    function("optional.none()", "optional.none", None, &[], Kind::Any),
    function("optional.ofNonZeroValue(value)", "optional.ofNonZeroValue", None, &[Kind::Any], Kind::Any),
];

/// What the parser writes out, and does not where its arguments are wrong.
pub(super) const MACROS: &[(&str, &str)] = &[
    ("has", "has(value.field)"),
    ("all", "list.all(x, condition)"),
    ("exists", "list.exists(x, condition)"),
    ("exists_one", "list.exists_one(x, condition)"),
    ("existsOne", "list.existsOne(x, condition)"),
    ("map", "list.map(x, value)"),
    ("filter", "list.filter(x, condition)"),
];

/// Types that can be named, as in `type(x) == string`.
pub(super) const TYPES: &[&str] =
    &["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"];
