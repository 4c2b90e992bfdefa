//! What people do to incidents: create, acknowledge, resolve, comment, change.

use std::io::Read;

use clap::Args;
use serde_json::{Map, Value, json};

use super::data::Incident;
use crate::cli::client::{Client, Data};
use crate::cli::trouble::Trouble;
use crate::cli::{Failure, Outcome, cells, text};
use crate::model::Number;

/// A new incident.
#[derive(Debug, Args)]
pub struct Create {
    /// What is wrong
    #[arg(long, short, allow_hyphen_values = true)]
    title: String,
    /// A service, by id or alias; several if it is about several
    #[arg(long, short, required = true)]
    service: Vec<String>,
    /// SEV0 (worst) to SEV4; without it the worst of the services' defaults
    #[arg(long)]
    severity: Option<String>,
    /// More about it; - reads standard input
    #[arg(long, short, allow_hyphen_values = true)]
    description: Option<String>,
    /// Makes repeating the command safe: the same key, the same incident; without it a new one each time
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

/// What to change.
#[derive(Debug, Args)]
pub struct Edit {
    /// INC-2026-001
    #[arg(value_parser = number)]
    number: Number,
    #[command(flatten)]
    changes: Changes,
}

/// Any of these.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Changes {
    /// What is wrong
    #[arg(long, short, allow_hyphen_values = true)]
    title: Option<String>,
    /// More about it; - reads standard input, "" removes it
    #[arg(long, short, allow_hyphen_values = true)]
    description: Option<String>,
    /// SEV0 (worst) to SEV4
    #[arg(long)]
    severity: Option<String>,
}

/// The status to move to, which the server knows; a number in its place means that it was left out.
pub fn status(text: &str) -> Result<String, &'static str> {
    match number(text) {
        Ok(_) => Err("is an incident's number; behind the numbers comes the status"),
        Err(_) => Ok(text.to_owned()),
    }
}

/// An incident's number; what is none is a slip of the pen, and needs no server to say so.
pub fn number(text: &str) -> Result<Number, String> {
    if let Some(number) = Number::parse(text) {
        return Ok(number);
    }
    let meant = || {
        let (year, sequence) = text.get(4..)?.split_once('-')?;
        let number = format!("INC-{year}-{:03}", sequence.parse::<u64>().ok()?);
        Number::parse(&number)
            .filter(|_| text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("inc-")))
    };
    let meant = meant().map(|number| format!("; did you mean {number}?")).unwrap_or_default();
    Err(format!("incident numbers look like INC-2026-001{meant}"))
}

/// Where an incident is, and what can be done to it.
pub fn path(number: Number, action: &str) -> String {
    format!("/api/v1/incidents/{number}{action}")
}

/// Acknowledges each.
pub fn acknowledge(client: &Client, numbers: &[Number], json: bool) -> Outcome {
    each(numbers, json, |number| client.post(&path(number, "/acknowledge"), "{}", &[]))
}

/// Moves each to `status`.
pub fn set_status(
    client: &Client,
    numbers: &[Number],
    status: &str,
    comment: Option<&str>,
    json: bool,
) -> Outcome {
    let body = json!({ "status": status, "comment": comment }).to_string();
    each(numbers, json, |number| client.post(&path(number, "/status"), &body, &[]))
}

/// Says something about one.
pub fn comment(client: &Client, number: Number, text: &str, json: bool) -> Outcome {
    let body = json!({ "comment": given(text)? }).to_string();
    let entry = client.post(&path(number, "/events"), &body, &[])?;
    text::say(if json { entry.json().to_owned() } else { format!("{number} has your comment") }.as_str());
    Ok(())
}

/// Gives one to somebody, or to nobody.
pub fn assign(client: &Client, number: Number, who: Option<&str>, json: bool) -> Outcome {
    let body = json!({ "assigned_to": who }).to_string();
    report(&client.patch(&path(number, ""), &body)?, json)
}

/// Changes what one says.
pub fn edit(client: &Client, edit: &Edit, json: bool) -> Outcome {
    let mut body = Map::new();
    let Changes { title, description, severity } = &edit.changes;
    for (name, value) in [("title", title), ("severity", severity)] {
        body.extend(value.iter().map(|value| (name.to_owned(), json!(value))));
    }
    if let Some(description) = description {
        let description = given(description)?;
        body.insert("description".into(), Some(description).filter(|text| !text.is_empty()).into());
    }
    report(&client.patch(&path(edit.number, ""), &Value::Object(body).to_string())?, json)
}

/// Makes a new one.
pub fn create(client: &Client, create: &Create, json: bool) -> Outcome {
    let mut body = json!({ "title": create.title, "service_ids": create.service });
    if let Some(severity) = &create.severity {
        body["severity"] = json!(severity);
    }
    if let Some(description) = &create.description {
        body["description"] = json!(given(description)?);
    }
    let key = create.idempotency_key.clone().map_or_else(fresh_key, Ok)?;
    let headers = [("Idempotency-Key", key.as_str())];
    let data = match client.post("/api/v1/incidents", &body.to_string(), &headers) {
        // It may have been created all the same.
        Err(Trouble::Unreachable(text)) => {
            return Err(Failure(format!("{text}\n  repeat it safely with --idempotency-key {key}")));
        }
        answer => answer?,
    };
    report(&data, json)
}

/// A text, or standard input where it is `-`.
fn given(text: &str) -> Result<String, Failure> {
    if text != "-" {
        return Ok(text.to_owned());
    }
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| Failure(format!("cannot read standard input: {error}")))?;
    Ok(text.trim_end().to_owned())
}

fn fresh_key() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure(format!("the system gives no random numbers: {error}")))?;
    Ok(crate::hex::encode(&bytes))
}

/// Does something to each incident; one that refuses does not spare the others.
fn each(numbers: &[Number], json: bool, act: impl Fn(Number) -> Result<Data, Trouble>) -> Outcome {
    let mut failed = 0;
    for number in numbers {
        match act(*number) {
            Ok(data) => report(&data, json)?,
            Err(refused @ Trouble::Refused { .. }) if numbers.len() > 1 => {
                text::complain(&format!("{number}: {refused}"));
                failed += 1;
            }
            Err(trouble) => return Err(trouble.into()),
        }
    }
    match failed {
        0 => Ok(()),
        _ => Err(Failure(format!("refused: {failed} of {}", numbers.len()))),
    }
}

/// Where an incident now stands.
fn report(data: &Data, json: bool) -> Outcome {
    if json {
        text::say(data.json());
        return Ok(());
    }
    let incident: Incident = data.read()?;
    let whose = match &incident.assigned_to {
        Some(person) => format!("assigned to {person}"),
        None => "unassigned".into(),
    };
    let Incident { incident_number, status, title, .. } = &incident;
    let line = format!("{incident_number} is {status}, {whose}: {title}");
    text::say(&text::width().map_or_else(|| cells::clean(&line), |most| cells::fit(&line, most)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn a_slip_in_a_number_is_put_right_in_words() {
        assert_eq!(number("INC-2026-001").map(|number| number.to_string()), Ok("INC-2026-001".into()));
        let meant = |text| number(text).unwrap_err();
        for slip in ["inc-2026-001", "INC-2026-1", "inc-2026-0001"] {
            assert_eq!(
                meant(slip),
                "incident numbers look like INC-2026-001; did you mean INC-2026-001?",
                "{slip}"
            );
        }
        for text in ["", "7", "INC-2026", "FOO-2026-001", "ünc-2026-1", "INC-2026-0"] {
            assert_eq!(meant(text), "incident numbers look like INC-2026-001", "{text}");
        }
    }
}
