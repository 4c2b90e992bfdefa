//! What is published to an ntfy server: text with parameters in headers or the query, or JSON.

use http::HeaderMap;

use super::message::{MessageRules, plain};
use super::{Parsed, Received, Request, encoded_word, form};
use crate::error::{Error, FieldError, Kind};
use crate::json::{self, Json, Member, quoted};
use crate::model::{NativeAlert, Services, Severity};
use crate::reply::Answer;

/// How long ntfy keeps a message, unless told otherwise; its answers say so.
const KEPT_S: i64 = 12 * 60 * 60;

/// What a body of nothing means.
const NO_MESSAGE: &str = "triggered";

pub(super) fn parse(
    rules: &MessageRules,
    request: &Request<'_>,
    services: &Services<'_>,
) -> Result<Parsed, Error> {
    let path = request.topic.map(|path| match path.split_once('/') {
        Some((topic, sequence_id)) => (topic, Some(sequence_id)),
        None => (path, None),
    });
    let (parameters, topic, text) = match path {
        Some((topic, sequence_id)) if is_id(topic) && sequence_id.is_none_or(is_id) => {
            let text = std::str::from_utf8(request.body).map_err(|_| wrong("message", "must be UTF-8"))?;
            (Parameters::new(request, Vec::new()), topic.to_owned(), plain(text))
        }
        Some(_) => return Err(Error::new(Kind::NotFound, "page not found")),
        None => {
            let parameters = Parameters::new(request, read_json(request.body)?);
            let topic = parameters.member("topic").unwrap_or_default();
            if !is_id(&topic) {
                return Err(wrong("topic", "must be 1 to 64 of A-Z, a-z, 0-9, `_` and `-`"));
            }
            let text = parameters.member("message").unwrap_or_default();
            (parameters, topic, text)
        }
    };
    let sequence_id = path.and_then(|(_, sequence_id)| sequence_id);
    let published = Published::read(&parameters, topic, sequence_id, &text)?;
    let echo = published.echo();
    let alert = published.alert(rules, &parameters).fit(services).map_err(Error::fields)?;
    Ok(Parsed { alerts: vec![alert], ignored: 0, echo })
}

/// The id of a message is the number of its incident; one that resolves nothing has none.
pub(super) fn answer(received: &Received) -> Answer {
    let number = received.reports.first().and_then(|report| report.incident_number.as_deref());
    let (id, time, echo) = (quoted(number.unwrap_or("none")), received.now_ms / 1000, &received.echo);
    let expires = time + KEPT_S;
    let body =
        format!("{{\"id\":{id},\"time\":{time},\"expires\":{expires},\"event\":\"message\",{echo}}}\n");
    Answer { replayed: received.replayed, ..Answer::raw("application/json", body) }
}

fn wrong(field: &str, message: &str) -> Error {
    Error::fields(vec![FieldError::new(field, "invalid", message)])
}

/// Whether ntfy takes it for a topic, or the id of a sequence.
fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
}

/// The members of a message that is JSON, their names in lower case: ntfy does not mind.
fn read_json(body: &[u8]) -> Result<Vec<Member<'_>>, Error> {
    let mut members = json::parse_object(body)?;
    for (name, value) in &mut members {
        *name = name.to_ascii_lowercase().into();
        let fits = match (name.as_ref(), &*value) {
            (_, Json::Null) => true,
            ("tags", Json::Array(tags)) => tags.iter().all(|tag| matches!(tag, Json::String(_))),
            ("actions", value) => matches!(value, Json::Array(_)),
            ("priority", Json::Number(number)) => number.parse::<i64>().is_ok(),
            (
                "topic" | "message" | "title" | "click" | "icon" | "attach" | "filename" | "sequence_id",
                value,
            ) => {
                matches!(value, Json::String(_))
            }
            ("tags" | "priority", _) => false,
            _ => true,
        };
        if !fits {
            let message = format!("`{name}` is {}, which ntfy does not take there", value.type_name());
            return Err(Error::new(Kind::InvalidJson, message));
        }
    }
    Ok(members)
}

/// Parameters, wherever they are: in JSON, else in headers, else in the query.
struct Parameters<'a> {
    members: Vec<Member<'a>>,
    headers: &'a HeaderMap,
    query: Vec<(String, String)>,
}

impl<'a> Parameters<'a> {
    fn new(request: &Request<'a>, members: Vec<Member<'a>>) -> Self {
        let query = form::urlencoded(request.query.unwrap_or_default().as_bytes());
        Self { members, headers: request.headers, query }
    }

    /// The first that says something; `names` in ntfy's order, that of JSON being the first without `x-`.
    fn get(&self, names: &[&str]) -> Option<String> {
        let member = names.first().map_or("", |name| name.trim_start_matches("x-")).replace('-', "_");
        let filled = |text: &String| !text.is_empty();
        self.member(&member)
            .map(|text| encoded_word::decode(&text))
            .filter(filled)
            .or_else(|| names.iter().find_map(|name| self.header(name).filter(filled)))
            .or_else(|| names.iter().find_map(|name| self.query(name).filter(filled)))
            .map(|text| plain(&text))
    }

    fn member(&self, name: &str) -> Option<String> {
        let (_, value) = self.members.iter().find(|(known, _)| known == name)?;
        match value {
            Json::Null => None,
            Json::String(text) => Some(text.trim().to_owned()),
            Json::Number("0") => None,
            Json::Array(tags) if name == "tags" => {
                let text = |tag: &Json<'_>| match tag {
                    Json::String(text) => text.to_string(),
                    _ => String::new(),
                };
                Some(tags.iter().map(text).collect::<Vec<_>>().join(","))
            }
            other => Some(other.to_compact()),
        }
    }

    fn header(&self, name: &str) -> Option<String> {
        let value = String::from_utf8_lossy(self.headers.get(name)?.as_bytes());
        // Proxies put the priority of the request itself there (RFC 9218).
        let of_request = name == "priority" && value.trim_start().starts_with("u=");
        (!of_request).then(|| encoded_word::decode(value.trim()))
    }

    fn query(&self, name: &str) -> Option<String> {
        let (_, value) = self.query.iter().find(|(known, _)| known == name)?;
        Some(value.trim().to_owned())
    }
}

/// A message, checked as ntfy does.
struct Published {
    topic: String,
    sequence_id: Option<String>,
    title: Option<String>,
    message: String,
    priority: Option<u8>,
    tags: Vec<String>,
    click: Option<String>,
    icon: Option<String>,
    attach: Option<String>,
    filename: Option<String>,
}

impl Published {
    fn read(
        parameters: &Parameters<'_>,
        topic: String,
        sequence_id: Option<&str>,
        text: &str,
    ) -> Result<Self, Error> {
        let get = |names| parameters.get(names);
        if get(&["x-template", "template", "tpl"]).is_some() {
            return Err(wrong("template", "is not supported here; a preset or a mapping reads such a body"));
        }
        let web = |field, url: Option<String>| match url {
            Some(url) if !url.starts_with("http://") && !url.starts_with("https://") => {
                Err(wrong(field, "must be an http or https URL"))
            }
            url => Ok(url),
        };
        let attach = web("attach", get(&["x-attach", "attach", "a"]))?;
        let filename = get(&["x-filename", "filename", "file", "f"]);
        if filename.is_some() && attach.is_none() {
            return Err(wrong("filename", "makes the body a file, and files are not kept"));
        }
        let sequence_id =
            sequence_id.map(str::to_owned).or_else(|| get(&["x-sequence-id", "sequence-id", "sid"]));
        if sequence_id.as_deref().is_some_and(|id| !is_id(id)) {
            return Err(wrong("sequence_id", "must be 1 to 64 of A-Z, a-z, 0-9, `_` and `-`"));
        }
        let priority = get(&["x-priority", "priority", "prio", "p"]);
        let priority = match priority.map(|priority| priority.to_lowercase()).as_deref() {
            None => None,
            Some("1" | "min") => Some(1),
            Some("2" | "low") => Some(2),
            Some("3" | "default") => Some(3),
            Some("4" | "high") => Some(4),
            Some("5" | "max" | "urgent") => Some(5),
            Some(_) => return Err(wrong("priority", "must be 1 to 5, or its name")),
        };
        let message = match text.trim() {
            "" => get(&["x-message", "message", "m"]).map(|message| message.replace("\\n", "\n")),
            text => Some(text.to_owned()),
        };
        let tags = get(&["x-tags", "tags", "tag", "ta"]).unwrap_or_default();
        let tags = tags.split(',').map(str::trim).filter(|tag| !tag.is_empty());
        Ok(Self {
            topic,
            sequence_id,
            title: get(&["x-title", "title", "t"]),
            message: message.unwrap_or_else(|| NO_MESSAGE.into()),
            priority,
            tags: tags.map(str::to_owned).collect(),
            click: get(&["x-click", "click"]),
            icon: web("icon", get(&["x-icon", "icon"]))?,
            attach,
            filename,
        })
    }

    fn alert(self, rules: &MessageRules, parameters: &Parameters<'_>) -> NativeAlert {
        let severity = self.priority.map(|priority| match priority {
            5 => Severity::Sev0,
            4 => Severity::Sev1,
            3 => Severity::Sev2,
            2 => Severity::Sev3,
            _ => Severity::Sev4,
        });
        let alert = rules.alert(self.title.as_deref(), &self.message, &self.tags, severity);
        // Neither `/` nor `#` is in a topic, so these never meet.
        let dedup_key = match &self.sequence_id {
            Some(id) => Some(format!("{}#{id}", self.topic)),
            None => alert.dedup_key.map(|title| format!("{}/{title}", self.topic)),
        };
        let mut metadata = vec![("topic".to_owned(), quoted(&self.topic))];
        if !self.tags.is_empty() {
            metadata.push(("tags".into(), serde_json::Value::from(self.tags).to_string()));
        }
        let actions = parameters.get(&["x-actions", "actions", "action"]);
        let delay = parameters.get(&["x-delay", "delay", "x-at", "at", "x-in", "in"]);
        for (name, text) in [
            ("attach", self.attach),
            ("filename", self.filename),
            ("icon", self.icon),
            ("actions", actions),
            ("delay", delay),
        ] {
            metadata.extend(text.map(|text| (name.to_owned(), quoted(&text))));
        }
        NativeAlert { service: Some(self.topic), source_url: self.click, dedup_key, metadata, ..alert }
    }

    /// What ntfy's answer repeats.
    fn echo(&self) -> String {
        let mut echo = format!("\"topic\":{}", quoted(&self.topic));
        let mut push = |name: &str, json: String| echo.push_str(&format!(",\"{name}\":{json}"));
        for (name, text) in [
            ("sequence_id", self.sequence_id.as_ref()),
            ("title", self.title.as_ref()),
            ("message", Some(&self.message)),
            ("click", self.click.as_ref()),
            ("icon", self.icon.as_ref()),
        ] {
            if let Some(text) = text {
                push(name, quoted(text));
            }
        }
        if let Some(priority) = self.priority {
            push("priority", priority.to_string());
        }
        if !self.tags.is_empty() {
            push("tags", serde_json::Value::from(self.tags.clone()).to_string());
        }
        if let Some(url) = &self.attach {
            let name = self.filename.as_deref().or(url.rsplit('/').next()).unwrap_or_default();
            push("attachment", format!("{{\"name\":{},\"url\":{}}}", quoted(name), quoted(url)));
        }
        echo
    }
}
