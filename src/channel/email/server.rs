//! Mail servers, as their addresses name them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use url::{Host, Url};

use crate::redact::percent_encoded;

/// A mail server, and how it is spoken to. Its name and password show themselves to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct MailServer {
    /// A name, or an address without brackets. Its certificate must be for it.
    pub host: String,
    /// 465 for `smtps`, else 587, or 25 where nothing is encrypted.
    pub port: u16,
    /// How the connection is protected.
    pub encryption: Encryption,
    /// Who sends, if the server wants to know.
    pub login: Option<Login>,
}

/// How a connection to a mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// It is TLS from the start.
    Tls,
    /// TLS begins before anything is said; a server that cannot do that is told nothing.
    StartTls,
    /// It is not: this machine's own server, or one that the operator said is so.
    None,
}

/// A user's name and password.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// Who.
    pub user: String,
    /// The secret.
    pub password: String,
}

impl MailServer {
    /// Reads `smtps://user:password@host:port` or `smtp://host:port?tls=none`. With `login`, the address has none.
    ///
    /// # Errors
    /// What is wrong with it, without showing it.
    pub fn parse(text: &str, login: Option<Login>) -> Result<Self, String> {
        let wanted = "must be smtps://user:password@mail.example.org, smtp://mail.example.org:587 (STARTTLS) or \
                      smtp://localhost";
        let url = Url::parse(text.trim()).map_err(|error| format!("{wanted}: {error}"))?;
        // The parser knows nothing of the hosts of such addresses.
        let host = url.host_str().map(Host::parse).and_then(Result::ok).ok_or(wanted)?;
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(format!("{wanted}, without a path"));
        }
        let encryption = encryption(&url, is_loopback(&host))?;
        let default_port = match encryption {
            Encryption::Tls => 465,
            Encryption::StartTls => 587,
            Encryption::None => 25,
        };
        let login = match (login_of(&url)?, login) {
            (Some(_), Some(_)) => return Err("names a user, and so does `with.user`".into()),
            (in_url, given) => in_url.or(given),
        };
        if login.is_some() && encryption == Encryption::None && !is_loopback(&host) {
            return Err(
                "has a password, which would go over the network for all to read; it needs TLS".into()
            );
        }
        let host = match host {
            Host::Domain(name) => name,
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        Ok(Self { host, port: url.port().unwrap_or(default_port), encryption, login })
    }

    /// What must not be shown, in every form in which a server may echo it.
    pub(in crate::channel) fn secrets(&self) -> Vec<String> {
        let Some(Login { user, password }) = &self.login else { return Vec::new() };
        vec![
            STANDARD.encode(format!("\0{user}\0{password}")),
            STANDARD.encode(password),
            percent_encoded(password),
            password.clone(),
        ]
    }
}

impl fmt::Debug for MailServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MailServer({}:{}, {:?})", self.host, self.port, self.encryption)
    }
}

fn encryption(url: &Url, is_loopback: bool) -> Result<Encryption, String> {
    let asked = match url.query() {
        None | Some("") => None,
        Some("tls=none") => Some(Encryption::None),
        Some("tls=required") => Some(Encryption::StartTls),
        Some(_) => return Err("knows no options but ?tls=none and ?tls=required".into()),
    };
    match (url.scheme(), asked) {
        ("smtps", Some(Encryption::None)) => Err("is smtps and asks for no TLS".into()),
        ("smtps", _) => Ok(Encryption::Tls),
        ("smtp", Some(asked)) => Ok(asked),
        // What does not leave this machine needs no protection, and such a server's certificate is for another name.
        ("smtp", None) if is_loopback => Ok(Encryption::None),
        ("smtp", None) => Ok(Encryption::StartTls),
        _ => Err("must begin with smtps:// or smtp://".into()),
    }
}

fn is_loopback(host: &Host) -> bool {
    match host {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

fn login_of(url: &Url) -> Result<Option<Login>, String> {
    let decoded = |text: &str| {
        let text = percent_decode_str(text).decode_utf8();
        text.map(String::from).map_err(|_| "has a user or password that is not UTF-8".to_owned())
    };
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        ("", Some(_)) => Err("has a password, and no user".into()),
        (_, None) => Err("has a user, and no password: smtps://user:password@…".into()),
        (_, Some("")) => Err("has an empty password".into()),
        (user, Some(password)) => Ok(Some(Login { user: decoded(user)?, password: decoded(password)? })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(text: &str) -> Result<MailServer, String> {
        MailServer::parse(text, None)
    }

    #[test]
    fn servers_are_read_and_what_is_not_said_follows_from_the_rest() {
        use Encryption::{None as Plain, StartTls, Tls};
        for (text, host, port, encryption) in [
            ("smtps://mail.example.org", "mail.example.org", 465, Tls),
            ("smtps://mail.example.org:4650/", "mail.example.org", 4650, Tls),
            ("smtps://localhost", "localhost", 465, Tls),
            ("smtp://mail.example.org", "mail.example.org", 587, StartTls),
            ("smtp://Mail.Example.org:25", "mail.example.org", 25, StartTls),
            ("smtp://mail.example.org?tls=none", "mail.example.org", 25, Plain),
            ("smtp://10.0.0.1:2525?tls=none", "10.0.0.1", 2525, Plain),
            ("smtp://localhost", "localhost", 25, Plain),
            ("smtp://127.0.0.1:1025", "127.0.0.1", 1025, Plain),
            ("smtp://[::1]:1025", "::1", 1025, Plain),
            ("smtp://localhost:1025?tls=required", "localhost", 1025, StartTls),
        ] {
            let server = server(text).unwrap();
            assert_eq!(
                (server.host.as_str(), server.port, server.encryption),
                (host, port, encryption),
                "{text}"
            );
            assert!(server.login.is_none());
        }
    }

    #[test]
    fn servers_that_are_none_are_said_to_be_without_being_shown() {
        for (text, problem) in [
            ("mail.example.org", "must be smtps://"),
            ("https://mail.example.org", "must begin with"),
            ("smtp://", "must be smtps://"),
            ("smtp://mail.example.org/inbox", "without a path"),
            ("smtp://mail.example.org?tls=maybe", "knows no options but"),
            ("smtps://mail.example.org?tls=none", "asks for no TLS"),
            ("smtps://user@mail.example.org", "no password"),
            ("smtps://:hunter22@mail.example.org", "no user"),
            ("smtp://user:hunter22@mail.example.org?tls=none", "it needs TLS"),
            ("smtps://user:hunter22@mail.example.org:port", "must be smtps://"),
        ] {
            let said = server(text).unwrap_err();
            assert!(said.contains(problem) && !said.contains("hunter22"), "{text}: {said}");
        }
    }

    #[test]
    fn a_user_and_a_password_are_in_the_address_or_beside_it_and_never_shown() {
        let in_url = server("smtps://bell%40example.org:p%3Ass%2F1@mail.example.org").unwrap();
        let login = Login { user: "bell@example.org".into(), password: "p:ss/1".into() };
        assert!(in_url.login.as_ref() == Some(&login));
        let beside = MailServer::parse("smtps://mail.example.org", Some(login.clone())).unwrap();
        assert_eq!(beside, in_url);
        assert!(MailServer::parse("smtps://a:b@mail.example.org", Some(login)).is_err());
        assert!(!format!("{in_url:?}").contains("p:ss"));
        assert!(server("smtp://user:secret@127.0.0.1").is_ok(), "it does not leave this machine");
    }
}
