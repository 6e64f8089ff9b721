//! The functions that rules may use: those of CEL itself, its string extension, and the list and
//! regular expression functions that Kubernetes adds.

#![expect(
    clippy::needless_pass_by_value,
    reason = "the interpreter takes functions of this signature"
)]

use std::sync::{Arc, LazyLock};

use cel::common::types::{CelString, DYN_TYPE, LIST_TYPE};
use cel::common::value::{CowVal, Val};
use cel::{DeclarationError, Env, ExecutionError, Value};
use regex::Regex;

static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    env.add_extension(cel::extensions::strings)
        .and_then(|()| env.add_extension(cel::extensions::lists))
        .and_then(|()| env.add_extension(cel::extensions::math))
        .and_then(|()| kubernetes(&mut env))
        .expect("no two of these functions share a name and signature");
    Arc::new(env)
});

/// Functions that a rule may call, without and with a receiver. The crate resolves names when a
/// rule runs; upstream refuses unknown ones when the definition is admitted, and so do we.
pub(super) const FUNCTIONS: &[&str] = &[
    "base64.decode",
    "base64.encode",
    "bool",
    "bytes",
    "charAt",
    "contains",
    "distinct",
    "double",
    "duration",
    "dyn",
    "endsWith",
    "find",
    "findAll",
    "flatten",
    "format",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getFullYear",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getSeconds",
    "hasValue",
    "indexOf",
    "int",
    "isSorted",
    "join",
    "lastIndexOf",
    "lists.range",
    "lowerAscii",
    "matches",
    "math.abs",
    "math.ceil",
    "math.floor",
    "math.isFinite",
    "math.isInf",
    "math.isNaN",
    "math.round",
    "math.sign",
    "math.sqrt",
    "math.trunc",
    "math.@max",
    "math.@min",
    "max",
    "min",
    "optional.none",
    "optional.of",
    "optional.ofNonZeroValue",
    "or",
    "orValue",
    "replace",
    "reverse",
    "size",
    "slice",
    "sort",
    "split",
    "startsWith",
    "string",
    "strings.quote",
    "substring",
    "sum",
    "timestamp",
    "trim",
    "type",
    "uint",
    "upperAscii",
    "value",
];

/// Names of types, which are values in CEL.
pub(super) const TYPES: &[&str] = &[
    "bool",
    "bytes",
    "double",
    "int",
    "list",
    "map",
    "null_type",
    "string",
    "timestamp",
    "type",
    "uint",
    "optional_type",
];

/// The environment that rules are compiled and run in.
pub(super) fn environment() -> Arc<Env> {
    Arc::clone(&ENVIRONMENT)
}

fn kubernetes(env: &mut Env) -> Result<(), DeclarationError> {
    cel::add_member_overload!(env, fn find: (CelString, CelString) -> Result<CelString>)?;
    env.add_member_overload(
        "findAll",
        "string.findAll(string)",
        cel::common::types::STRING_TYPE,
        vec![cel::common::types::STRING_TYPE],
        find_all,
    )?;
    env.add_member_overload("isSorted", "list.isSorted()", LIST_TYPE, vec![], is_sorted)?;
    env.add_member_overload("sum", "list.sum()", LIST_TYPE, vec![], sum)?;
    env.add_member_overload("min", "list.min()", LIST_TYPE, vec![], min)?;
    env.add_member_overload("max", "list.max()", LIST_TYPE, vec![], max)?;
    env.add_member_overload(
        "indexOf",
        "list.indexOf(dyn)",
        LIST_TYPE,
        vec![DYN_TYPE],
        index_of,
    )?;
    env.add_member_overload(
        "lastIndexOf",
        "list.lastIndexOf(dyn)",
        LIST_TYPE,
        vec![DYN_TYPE],
        last_index_of,
    )
}

type Outcome<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;

fn compile(function: &str, pattern: &str) -> Result<Regex, ExecutionError> {
    Regex::new(pattern).map_err(|error| ExecutionError::function_error(function, error))
}

fn find(
    this: &CelString<'_>,
    pattern: &CelString<'_>,
) -> Result<CelString<'static>, ExecutionError> {
    let regex = compile("find", pattern.inner())?;
    let found = regex.find(this.inner()).map_or("", |m| m.as_str());
    Ok(CelString::from(found.to_owned()))
}

fn find_all<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    let text = |index: usize| match args.get(index).map(|arg| Value::try_from(arg.as_ref())) {
        Some(Ok(Value::String(text))) => Ok(text),
        _ => Err(ExecutionError::MissingArgumentOrTarget),
    };
    let (this, pattern) = (text(0)?, text(1)?);
    let found: Vec<Value> = compile("findAll", &pattern)?
        .find_iter(&this)
        .map(|m| Value::String(Arc::new(m.as_str().to_owned())))
        .collect();
    give(Value::List(Arc::new(found)))
}

fn is_sorted<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    let items = items(&args)?;
    let sorted = items
        .windows(2)
        .all(|pair| matches!(pair[0].partial_cmp(&pair[1]), Some(o) if o.is_le()));
    give(Value::Bool(sorted))
}

fn sum<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    let mut total = Value::Int(0);
    for (index, item) in items(&args)?.iter().enumerate() {
        total = match (&total, item) {
            _ if index == 0 => item.clone(),
            (Value::Int(a), Value::Int(b)) => a
                .checked_add(*b)
                .map(Value::Int)
                .ok_or_else(|| ExecutionError::function_error("sum", "integer overflow"))?,
            (Value::Float(a), Value::Float(b)) => Value::Float(a + b),
            (Value::Duration(a), Value::Duration(b)) => a
                .checked_add(b)
                .map(Value::Duration)
                .ok_or_else(|| ExecutionError::function_error("sum", "duration overflow"))?,
            _ => {
                return Err(ExecutionError::function_error(
                    "sum",
                    "items cannot be added",
                ));
            }
        };
    }
    give(total)
}

fn min<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    extreme("min", &args, std::cmp::Ordering::is_lt)
}

fn max<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    extreme("max", &args, std::cmp::Ordering::is_gt)
}

fn extreme<'b, 'v>(
    name: &str,
    args: &[CowVal<'b, 'v>],
    better: fn(std::cmp::Ordering) -> bool,
) -> Outcome<'b, 'v> {
    let items = items(args)?;
    let mut best = items
        .first()
        .ok_or_else(|| ExecutionError::function_error(name, "called on an empty list"))?;
    for item in items.iter() {
        let order = item
            .partial_cmp(best)
            .ok_or_else(|| ExecutionError::function_error(name, "items cannot be compared"))?;
        if better(order) {
            best = item;
        }
    }
    give(best.clone())
}

fn index_of<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    let wanted = argument(&args)?;
    let found = items(&args)?.iter().position(|item| *item == wanted);
    give(position(found))
}

fn last_index_of<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Outcome<'b, 'v> {
    let wanted = argument(&args)?;
    let found = items(&args)?.iter().rposition(|item| *item == wanted);
    give(position(found))
}

fn position(index: Option<usize>) -> Value {
    Value::Int(
        index
            .and_then(|index| i64::try_from(index).ok())
            .unwrap_or(-1),
    )
}

fn argument(args: &[CowVal<'_, '_>]) -> Result<Value, ExecutionError> {
    let arg = args.get(1).ok_or(ExecutionError::MissingArgumentOrTarget)?;
    Value::try_from(arg.as_ref())
}

fn items(args: &[CowVal<'_, '_>]) -> Result<Arc<Vec<Value>>, ExecutionError> {
    let list = args
        .first()
        .ok_or(ExecutionError::MissingArgumentOrTarget)?;
    match Value::try_from(list.as_ref())? {
        Value::List(items) => Ok(items),
        other => Err(ExecutionError::UnsupportedTargetType { target: other }),
    }
}

fn give<'b, 'v>(value: Value) -> Outcome<'b, 'v> {
    let boxed: Box<dyn Val> = value.try_into()?;
    Ok(CowVal::Owned(boxed))
}
