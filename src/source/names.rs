//! Names in expressions that no trial would reach: behind `and`, `or` and `if`, what does not exist would be found out by
//! the first body that gets there.

use minijinja::{Environment, ErrorKind, Value};

/// Checks the filters, tests and methods that an expression names.
///
/// # Errors
/// The first that does not exist.
pub(super) fn check(environment: &Environment<'_>, expression: &str) -> Result<(), String> {
    let text = without_strings(expression);
    let mut rest = text.as_str();
    while let Some(at) = rest.find(['|', '.', 'i']) {
        let before = rest[..at].chars().next_back();
        let (mark, behind) = rest[at..].split_at(1);
        rest = behind;
        match mark {
            "|" => exists(environment, "filter", "|", name(behind.trim_start()))?,
            // A number has a point too, but no name behind it.
            "." if !name(behind).is_empty() && behind[name(behind).len()..].trim_start().starts_with('(') => {
                let method = name(behind);
                return Err(format!(
                    "there is no method `.{method}()`; filters do that: `x|lower`, `x is startingwith 'a'`"
                ));
            }
            "i" if before.is_none_or(|c| !is_of_name(c))
                && name(&text[text.len() - behind.len() - 1..]) == "is" =>
            {
                let wanted = behind[1..].trim_start();
                let wanted = wanted.strip_prefix("not ").unwrap_or(wanted).trim_start();
                exists(environment, "test", " is ", name(wanted))?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn exists(environment: &Environment<'_>, what: &str, operator: &str, name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Ok(());
    }
    let probe = format!("payload{operator}{name}");
    let known =
        environment.compile_expression(&probe).is_ok_and(|probe| match probe.eval(Value::UNDEFINED) {
            Err(error) => !matches!(error.kind(), ErrorKind::UnknownFilter | ErrorKind::UnknownTest),
            Ok(_) => true,
        });
    if known { Ok(()) } else { Err(format!("unknown {what} `{name}`")) }
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The name that a text begins with.
fn name(text: &str) -> &str {
    let end = text.find(|c| !is_of_name(c)).unwrap_or(text.len());
    if text.starts_with(|c: char| c.is_ascii_digit()) { "" } else { &text[..end] }
}

/// The expression with nothing in its strings.
fn without_strings(expression: &str) -> String {
    let mut out = String::with_capacity(expression.len());
    let mut quote = None;
    let mut escaped = false;
    for c in expression.chars() {
        match quote {
            Some(open) => {
                if !escaped && c == open {
                    quote = None;
                    out.push(c);
                }
                escaped = !escaped && c == '\\';
            }
            None => {
                quote = matches!(c, '\'' | '"').then_some(c);
                out.push(c);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::Expression;

    fn wrong(expression: &str) -> Option<String> {
        Expression::compile(expression).err()
    }

    #[test]
    fn what_does_not_exist_is_found_wherever_it_stands() {
        for (expression, problem) in [
            ("payload.t|loud if payload.status == 'x' else payload.t", "unknown filter `loud`"),
            ("payload.a and not payload.b and (payload.c is louder)", "unknown test `louder`"),
            ("payload.a and not payload.b and (payload.c is not louder)", "unknown test `louder`"),
            ("payload.a == 1 and payload.b | louder", "unknown filter `louder`"),
        ] {
            assert_eq!(wrong(expression).as_deref(), Some(problem), "{expression}");
        }
        assert!(
            wrong("payload.x == 1 and payload.d.lower()")
                .unwrap()
                .starts_with("there is no method `.lower()`")
        );
        assert!(wrong("payload.s|replace('a')").unwrap().starts_with("missing argument"));
    }

    #[test]
    fn what_only_looks_like_a_name_is_none() {
        for expression in [
            "'a|loud is louder.b()' ~ payload.a",
            "payload.is_it or payload.this is defined",
            "1.5 * payload.a if payload.a is not string else 'it\\'s|loud'",
            "(payload.a).b and payload['x.y(']",
            "payload.a|default('x')|lower is startingwith 'a'",
            "key(payload.a, payload.b)",
            "payload.a in ['is', 'i']",
        ] {
            assert_eq!(wrong(expression), None, "{expression}");
        }
    }
}
