//! Templates of requests: [Jinja's](https://docs.rs/minijinja/latest/minijinja/syntax/), as `minijinja` has them. What is
//! not there is empty.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value};

use crate::error::nearest;

/// What templates may name.
pub const NAMES: [&str; 16] = [
    "message",
    "reason",
    "title",
    "text",
    "severity",
    "is_resolved",
    "url",
    "late",
    "incident",
    "incidents",
    "count",
    "more",
    "actions",
    "organization",
    "key",
    "with",
];

/// What one rendering may take; presets take some thousands for a message of twenty incidents.
const STEPS: u64 = 200_000;

/// Bytes of one template.
const MOST_BYTES: usize = 16 * 1024;

/// Bytes that may come of one.
const MOST_RENDERED: usize = 256 * 1024;

/// What templates are called that make HTML, and those that do not.
const HTML: &str = "html";
const TEXT: &str = "text";

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment
        .set_auto_escape_callback(|name| if name == HTML { AutoEscape::Html } else { AutoEscape::None });
    environment.set_fuel(Some(STEPS));
    environment.remove_global("debug");
    environment.remove_global("range");
    super::text::add_filters(&mut environment);
    environment
});

/// A template that can be rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: Arc<str>,
    /// [`HTML`] or [`TEXT`].
    makes: &'static str,
}

impl Template {
    /// Takes a template whose syntax is right, and which names nothing that does not exist.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn compile(text: &str) -> Result<Self, String> {
        Self::compile_for(TEXT, text)
    }

    /// The same of one that makes HTML: what is put in is escaped.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn compile_html(text: &str) -> Result<Self, String> {
        Self::compile_for(HTML, text)
    }

    fn compile_for(makes: &'static str, text: &str) -> Result<Self, String> {
        if text.len() > MOST_BYTES {
            return Err(format!("is {} bytes long; the limit is {MOST_BYTES}", text.len()));
        }
        let template = ENVIRONMENT.template_from_named_str(makes, text).map_err(|error| describe(&error))?;
        let unknown: BTreeSet<_> = template.undeclared_variables(false).into_iter().collect();
        let is_global = |name: &str| ENVIRONMENT.globals().any(|(known, _)| known == name);
        if let Some(name) = unknown.iter().find(|name| !NAMES.contains(&name.as_str()) && !is_global(name)) {
            return Err(match nearest(name, NAMES) {
                Some(near) => format!("unknown name `{name}`; did you mean `{near}`?"),
                None => format!("unknown name `{name}`; there are {}", NAMES.join(", ")),
            });
        }
        match template.render(Value::UNDEFINED) {
            Err(error) if is_missing(error.kind()) => Err(describe(&error)),
            _ => Ok(Self { text: text.into(), makes }),
        }
    }

    /// What it names of `with`.
    #[must_use]
    pub fn names_of_with(&self) -> BTreeSet<String> {
        let template = ENVIRONMENT.template_from_named_str(self.makes, &self.text);
        let names = template.map(|template| template.undeclared_variables(true)).unwrap_or_default();
        let name = |name: &String| Some(name.strip_prefix("with.")?.split('.').next()?.to_owned());
        names.iter().filter_map(name).collect()
    }

    /// What comes of it.
    ///
    /// # Errors
    /// Why nothing does.
    pub fn render(&self, context: &Value) -> Result<String, String> {
        let rendered = ENVIRONMENT.render_named_str(self.makes, &self.text, context);
        let rendered = rendered.map_err(|error| match error.kind() {
            ErrorKind::OutOfFuel => format!("the template takes more than {STEPS} steps"),
            _ => describe(&error),
        })?;
        if rendered.len() > MOST_RENDERED {
            return Err(format!("the template makes more than {MOST_RENDERED} bytes"));
        }
        Ok(rendered)
    }
}

const fn is_missing(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::UnknownFunction)
}

fn describe(error: &minijinja::Error) -> String {
    let kind = error.kind();
    let what = match error.detail() {
        Some(detail) => format!("{kind}: {detail}"),
        None => kind.to_string(),
    };
    match error.line() {
        Some(line) => format!("{what}, in its line {line}"),
        None => what,
    }
}

#[cfg(test)]
mod tests {
    use minijinja::context;

    use super::*;

    #[test]
    fn what_is_wrong_with_a_template_is_said() {
        for (text, problem) in [
            (
                "{{ title",
                "syntax error: unexpected end of input, expected end of variable block, in its line 1",
            ),
            ("a\n{{ titel }}", "unknown name `titel`; did you mean `title`?"),
            ("{{ title|loud }}", "unknown filter: filter loud is unknown, in its line 1"),
        ] {
            assert_eq!(Template::compile(text), Err(problem.to_owned()), "{text}");
        }
    }

    #[test]
    fn texts_are_put_in_as_they_are_and_what_is_not_there_is_empty() {
        let render = |text: &str| {
            let template = Template::compile(text).unwrap();
            template.render(&context! { title => "<a> & \"b\"", count => 3 })
        };
        assert_eq!(render("{{ title }} {{ incident.title }}{{ late }}.").unwrap(), "<a> & \"b\" .");
        assert_eq!(render("{{ title|cut(4) }} {{ count }}").unwrap(), "<a>… 3");
        let json: serde_json::Value = serde_json::from_str(&render("{{ title|tojson }}").unwrap()).unwrap();
        assert_eq!(json, "<a> & \"b\"");
    }

    #[test]
    fn html_takes_texts_for_what_they_are() {
        let render = |text: &str| {
            let template = Template::compile_html(text).unwrap();
            template
                .render(&context! { title => "<script>alert('\"&')</script>", text => "a<b>\nc" })
                .unwrap()
        };
        for hole in
            ["{{ title }}", "<a href=\"{{ title }}\">", "{{ title|cut(100) }}", "{{ title|upper|lower }}"]
        {
            let html = render(hole);
            assert!(!html.contains("<script>") && !html.contains('\''), "{html}");
            assert!(html.contains("&lt;script&gt;alert(&#x27;&quot;&amp;&#x27;)&lt;"), "{html}");
        }
        assert_eq!(render("{% for line in text|lines %}{{ line }}<br>{% endfor %}"), "a&lt;b&gt;<br>c<br>");
    }
}
