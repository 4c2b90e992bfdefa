//! Expressions over a request: [Jinja's](https://docs.rs/minijinja/latest/minijinja/syntax/), as `minijinja` has them.
//!
//! What is not there is undefined, and so is whatever would be in it: `payload.a.b or "none"` needs no guards. Each
//! evaluation is bounded in steps; what a body can make it work on is bounded by the body's limit and depth.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use minijinja::value::{Enumerator, Object, Rest, ValueKind};
use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value};

use crate::json::{self, Json, push_quoted};

/// What one evaluation may take: an instruction is one, and so are two items that a filter looks at, or 64 bytes that are
/// made. The presets take below a hundred.
const STEPS: u64 = 20_000;

/// Bytes of one expression.
const MOST_BYTES: usize = 4096;

/// Levels of what an expression gives. A body has at most [`json::MAX_DEPTH`]; an expression may put some around it.
const MAX_DEPTH: usize = json::MAX_DEPTH + 32;

/// What expressions may name.
pub const NAMES: [&str; 4] = ["payload", "item", "headers", "query"];

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.set_fuel(Some(STEPS));
    // One shows everything to the log, the other makes much out of nothing.
    environment.remove_global("debug");
    environment.remove_global("range");
    environment.add_filter("fromjson", from_json_text);
    environment.add_function("key", key);
    // As JSON is sent, without the escapes that web pages need.
    environment.add_filter("tojson", |value: &Value| to_json(value).map_or(Value::UNDEFINED, Value::from));
    environment
});

/// A compiled expression.
#[derive(Clone)]
pub struct Expression {
    text: Arc<str>,
    compiled: Arc<minijinja::Expression<'static, 'static>>,
}

impl Expression {
    /// Compiles an expression and tries it on nothing, and on something that has everything: names, filters, tests and
    /// functions that do not exist are found out before there is a request.
    ///
    /// # Errors
    /// What is wrong with it, and where in it.
    pub fn compile(text: &str) -> Result<Self, String> {
        if text.len() > MOST_BYTES {
            return Err(format!("is {} bytes long; the limit is {MOST_BYTES}", text.len()));
        }
        let compiled = ENVIRONMENT
            .compile_expression_owned(text.to_owned())
            .map_err(|error| describe(&error, Some(text)))?;
        if let Some(unknown) = unknown_name(&compiled) {
            let known = NAMES.join(", ");
            return Err(match crate::error::nearest(&unknown, NAMES) {
                Some(near) => format!("unknown name `{unknown}`; did you mean `{near}`?"),
                None => format!("unknown name `{unknown}`; there are {known}"),
            });
        }
        for everything in [Value::UNDEFINED, Value::from_object(Everything)] {
            let scope = Scope {
                payload: everything.clone(),
                item: everything.clone(),
                headers: everything.clone(),
                query: everything,
            };
            match compiled.eval(Value::from_object(scope)) {
                Err(error) if is_missing(error.kind()) => return Err(describe(&error, Some(text))),
                _ => {}
            }
        }
        super::names::check(&ENVIRONMENT, text)?;
        Ok(Self { text: text.into(), compiled: Arc::new(compiled) })
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it gives.
    ///
    /// # Errors
    /// Why it gives nothing.
    pub fn eval(&self, scope: &Value) -> Result<Value, String> {
        // Extreme numbers overflow in the library, which is a panic where overflows are checked.
        let result = catch_unwind(AssertUnwindSafe(|| self.compiled.eval(scope.clone())));
        let result = result.map_err(|_| "ends in a number that is too large".to_owned())?;
        result.map_err(|error| match error.kind() {
            ErrorKind::OutOfFuel => format!("takes more than {STEPS} steps"),
            _ => describe(&error, None),
        })
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Expression {}

/// The name that an expression uses and nobody has, if there is one. Functions count as names.
fn unknown_name(expression: &minijinja::Expression<'_, '_>) -> Option<String> {
    let mut unknown: Vec<_> = expression.undeclared_variables(false).into_iter().collect();
    unknown.retain(|name| {
        !NAMES.contains(&name.as_str()) && !ENVIRONMENT.globals().any(|(known, _)| known == name)
    });
    unknown.sort();
    unknown.into_iter().next()
}

/// What is wrong with the expression itself, whatever it is evaluated on.
const fn is_missing(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::UnknownFilter
            | ErrorKind::UnknownTest
            | ErrorKind::UnknownFunction
            | ErrorKind::MissingArgument
            | ErrorKind::TooManyArguments
    )
}

/// An error in a sentence; where it is, if `text` is what was to be compiled. An error at run time may not show values:
/// they are the body's.
fn describe(error: &minijinja::Error, text: Option<&str>) -> String {
    let kind = error.kind();
    let what = match error.detail() {
        Some(detail) => format!("{kind}: {detail}"),
        None => kind.to_string(),
    };
    let at = text.and_then(|text| Some(text.get(..error.range()?.start)?.chars().count() + 1));
    match at {
        Some(column) => format!("{what}, at its character {column}"),
        None => what,
    }
}

/// Has every member, and is true.
#[derive(Debug)]
struct Everything;

impl Object for Everything {
    fn get_value(self: &Arc<Self>, _: &Value) -> Option<Value> {
        Some(Value::from_dyn_object(Arc::clone(self)))
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }
}

/// What an expression is evaluated on.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The body.
    pub payload: Value,
    /// The part of it that one alert is made of; all of it, unless `for_each` says otherwise.
    pub item: Value,
    /// The headers.
    pub headers: Value,
    /// The parameters of the URL.
    pub query: Value,
}

impl Object for Scope {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        Some(match key {
            "payload" => self.payload.clone(),
            "item" => self.item.clone(),
            "headers" => self.headers.clone(),
            "query" => self.query.clone(),
            _ => return None,
        })
    }
}

/// Texts by name, in any case. An underscore finds a hyphen, so that headers need no brackets.
#[derive(Debug)]
pub struct Texts(Vec<(String, String)>);

impl Texts {
    /// The value that expressions see. Of two with the same name the later counts.
    pub fn value<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Value {
        let pairs = pairs.map(|(name, text)| (name.to_ascii_lowercase(), text.to_owned()));
        Value::from_object(Self(pairs.collect()))
    }
}

impl Object for Texts {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let wanted = key.as_str()?.to_ascii_lowercase();
        let find = |wanted: &str| self.0.iter().rev().find(|(name, _)| name == wanted);
        let (_, text) = find(&wanted).or_else(|| find(&wanted.replace('_', "-")))?;
        Some(Value::from(text.as_str()))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.iter().map(|(name, _)| Value::from(name.as_str())).collect())
    }
}

/// A JSON value for expressions. `null` is as if it were not there: it would become the word None where texts are put
/// together. Numbers become numbers; an integer that 128 bits do not hold, and what no `f64` holds, stays the text that it
/// is, so that two ids stay two.
pub fn from_json(json: &Json<'_>) -> Value {
    match json {
        Json::Null => Value::UNDEFINED,
        Json::Bool(value) => Value::from(*value),
        Json::Number(text) => match text.parse::<i64>() {
            Ok(number) => Value::from(number),
            Err(_) => match text.parse::<i128>() {
                Ok(number) => Value::from(number),
                Err(_) if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') => {
                    Value::from(*text)
                }
                Err(_) => match text.parse::<f64>() {
                    Ok(number) if number.is_finite() => Value::from(number),
                    _ => Value::from(*text),
                },
            },
        },
        Json::String(text) => Value::from(text.as_ref()),
        Json::Array(items) => Value::from(items.iter().map(from_json).collect::<Vec<_>>()),
        Json::Object(members) => Value::from_pairs(
            members.iter().map(|(name, value)| (Value::from(name.as_ref()), from_json(value))),
        ),
    }
}

/// The function `key`: its arguments with `/` between them; undefined where one of them is nothing, since what lacks a
/// part of its key is not the same problem as everything else that lacks it.
fn key(parts: Rest<Value>) -> Value {
    let texts: Option<Vec<_>> = parts.iter().map(to_text).collect();
    texts.map_or(Value::UNDEFINED, |texts| Value::from(texts.join("/")))
}

/// The filter `fromjson`: what a text says as JSON; undefined where it is none.
fn from_json_text(value: &Value) -> Value {
    let parsed = value.as_str().and_then(|text| json::parse(text.as_bytes()).ok());
    parsed.map_or(Value::UNDEFINED, |json| from_json(&json))
}

/// A value as compact JSON. `None`: it is nothing that JSON has, or nested too deep.
pub fn to_json(value: &Value) -> Option<String> {
    let mut out = String::new();
    push_json(value, &mut out, 0)?;
    Some(out)
}

fn push_json(value: &Value, out: &mut String, depth: usize) -> Option<()> {
    if depth > MAX_DEPTH {
        return None;
    }
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => out.push_str(&number_text(value)?),
        ValueKind::String => push_quoted(out, value.as_str()?),
        ValueKind::Map => {
            out.push('{');
            for (index, key) in value.try_iter().ok()?.enumerate() {
                if index > 0 {
                    out.push(',');
                }
                push_quoted(out, &key.to_string());
                out.push(':');
                push_json(&value.get_item(&key).ok()?, out, depth + 1)?;
            }
            out.push('}');
        }
        ValueKind::Seq | ValueKind::Iterable => {
            out.push('[');
            for (index, item) in value.try_iter().ok()?.enumerate() {
                if index > 0 {
                    out.push(',');
                }
                push_json(&item, out, depth + 1)?;
            }
            out.push(']');
        }
        _ => return None,
    }
    Some(())
}

/// A number as JSON writes it: whole ones without a point. `None`: it is infinite, or not a number.
fn number_text(value: &Value) -> Option<String> {
    if value.is_integer() {
        return Some(value.to_string());
    }
    let number = f64::try_from(value.clone()).ok()?;
    serde_json::Number::from_f64(number).map(|number| number.to_string())
}

/// A value as text; absent where there is none: undefined, `none`, or empty.
pub fn to_text(value: &Value) -> Option<String> {
    let text = match value.kind() {
        ValueKind::Undefined | ValueKind::None => return None,
        ValueKind::String => value.as_str()?.to_owned(),
        ValueKind::Number => number_text(value)?,
        _ => to_json(value)?,
    };
    (!text.trim().is_empty()).then_some(text)
}

/// The members of a map, each as compact JSON; what is undefined or `none` is left out. `None`: it is no map.
pub fn to_members(value: &Value) -> Option<Vec<(String, String)>> {
    if matches!(value.kind(), ValueKind::Undefined | ValueKind::None) {
        return Some(Vec::new());
    }
    if value.kind() != ValueKind::Map {
        return None;
    }
    let mut members = Vec::new();
    for key in value.try_iter().ok()? {
        let member = value.get_item(&key).ok()?;
        if !matches!(member.kind(), ValueKind::Undefined | ValueKind::None) {
            members.push((key.to_string(), to_json(&member)?));
        }
    }
    Some(members)
}

/// Whether a value is a list of things to make alerts of.
pub fn to_items(value: &Value) -> Option<Vec<Value>> {
    let is_list = matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable);
    if !is_list {
        return None;
    }
    value.try_iter().ok().map(Iterator::collect)
}
