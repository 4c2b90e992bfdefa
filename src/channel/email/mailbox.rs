//! Mail addresses.

use std::fmt;

use url::Host;

/// A mail address, with or without a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// Whose it is, for people.
    pub name: Option<String>,
    /// What is before the `@`.
    pub user: String,
    /// What is behind it, in ASCII.
    pub domain: String,
}

impl fmt::Display for Mailbox {
    /// The address alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.user, self.domain)
    }
}

impl Mailbox {
    /// Reads `ops@example.org` or `Operations <ops@example.org>`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (name, address) = match text.strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
            Some((name, address)) => (unquoted(name.trim()), address.trim()),
            None => (String::new(), text),
        };
        let wanted = || format!("must be an address such as \"Operations <ops@example.org>\", not `{text}`");
        if name.contains(['<', '>', '"']) || name.contains(char::is_control) {
            return Err(wanted());
        }
        let (user, domain) = address.rsplit_once('@').ok_or_else(wanted)?;
        let is_fine = |part: &str| !part.is_empty() && part.chars().all(is_of_an_atom);
        if user.len() > 64 || !user.split('.').all(is_fine) {
            return Err(wanted());
        }
        let Ok(Host::Domain(domain)) = Host::parse(domain) else { return Err(wanted()) };
        let is_label = |label: &str| {
            let is_of_one = label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
            is_of_one && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
        };
        if domain.len() > 253 || !domain.split('.').all(is_label) {
            return Err(wanted());
        }
        Ok(Self { name: Some(name).filter(|name| !name.is_empty()), user: user.to_owned(), domain })
    }

    /// Reads one or several, with commas between them.
    ///
    /// # Errors
    /// What is wrong with one of them.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, String> {
        let mut quoted = false;
        let is_comma = |c: char| {
            quoted ^= c == '"';
            c == ',' && !quoted
        };
        text.split(is_comma).map(Self::parse).collect()
    }
}

/// RFC 5322's atext. Other users than those need SMTPUTF8 or quotes, which hardly a server takes.
fn is_of_an_atom(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c)
}

fn unquoted(name: &str) -> String {
    let quoted = name.strip_prefix('"').and_then(|name| name.strip_suffix('"'));
    quoted.unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_one_or_several() {
        let read = |text: &str| {
            let list = Mailbox::parse_list(text)?;
            let shown = list.iter().map(|one| format!("{}|{one}", one.name.as_deref().unwrap_or_default()));
            Ok::<_, String>(shown.collect::<Vec<_>>().join(" "))
        };
        for (text, expected) in [
            ("ops@example.org", "|ops@example.org"),
            (" a@b , C D <c.d+x@e.example>", "|a@b C D|c.d+x@e.example"),
            ("\"Ops, Berlin\" <ops@example.org>,b@example.org", "Ops, Berlin|ops@example.org |b@example.org"),
            ("Jörg <j@münchen.example>", "Jörg|j@xn--mnchen-3ya.example"),
            ("<root@localhost>", "|root@localhost"),
        ] {
            assert_eq!(read(text).unwrap(), expected, "{text}");
        }
        let long = format!("{}@example.org", "a".repeat(65));
        for text in [
            "",
            "ops",
            "ops@",
            "@example.org",
            "a@b,",
            "a..b@example.org",
            ".a@example.org",
            "a b@example.org",
            "a@b@example.org",
            "jörg@example.org",
            "\"a b\"@example.org",
            "a@-b.example",
            "a@b_c.example",
            "a@[127.0.0.1]",
            "a@127.0.0.1",
            "A\r\nBcc: x <a@example.org>",
            "A <b> <a@example.org>",
            "a@example.org\r\nBcc: b@example.org",
            &long,
        ] {
            assert!(read(text).is_err(), "{text:?}: {:?}", read(text));
        }
    }
}
