//! Secrets: where they come from, and how they stay out of what is printed.

use std::fmt;
use std::fs;
use std::path::Path;

use toml::de::DeValue;

use super::reader::Env;
use super::value::Given;

/// A routing key, a token or a signing secret. It shows itself only to who asks by name.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub(super) const fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret itself. It must not reach a log line or an error.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The same, given away.
    pub(super) fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A secret as it was written.
pub(super) enum RawSecret {
    /// The secret itself.
    Text(Secret),
    /// `{ env = "NAME" }`
    Env(String),
    /// `{ file = "path" }`, relative to the configuration file's folder.
    File(String),
}

/// A string, `{ env = "NAME" }` or `{ file = "path" }`.
pub(super) fn raw_secret(given: Given<'_>) -> Result<RawSecret, String> {
    const WANTED: &str = "must be a string, { env = \"NAME\" } or { file = \"path\" }";
    match given {
        Given::Toml(DeValue::String(text)) => Ok(RawSecret::Text(Secret(text.to_string()))),
        Given::Toml(DeValue::Table(table)) => {
            let mut entries =
                table.iter().map(|(key, value)| (key.get_ref().as_ref(), value.get_ref().as_str()));
            match (entries.next(), entries.next()) {
                (Some(("env", Some(name))), None) => Ok(RawSecret::Env(name.to_owned())),
                (Some(("file", Some(path))), None) => Ok(RawSecret::File(path.to_owned())),
                _ => Err(WANTED.into()),
            }
        }
        Given::Toml(_) | Given::Text(_) => Err(WANTED.into()),
    }
}

impl RawSecret {
    /// The secret that was meant. The error reads on from the option's name.
    pub(super) fn resolve(self, folder: &Path, env: Env<'_>) -> Result<Secret, String> {
        let (text, origin) = match self {
            Self::Text(secret) => (secret.0, String::new()),
            Self::Env(name) => {
                let text = env(&name);
                (
                    text.ok_or_else(|| format!("needs the environment variable {name}, which is not set"))?,
                    format!(": {name}"),
                )
            }
            Self::File(path) => {
                let path = folder.join(path);
                let text = fs::read_to_string(&path)
                    .map_err(|error| format!("cannot be read from {}: {error}", path.display()))?;
                // Editors and `echo` end a file with a newline that nobody means.
                (text.trim_end_matches(['\r', '\n']).to_owned(), format!(": {}", path.display()))
            }
        };
        if text.is_empty() { Err(format!("is empty{origin}")) } else { Ok(Secret(text)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_comes_from_text_environment_or_file_and_never_shows_itself() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("token"), "from-the-file\r\n").unwrap();
        fs::write(folder.path().join("empty"), "\n").unwrap();
        let env = |name: &str| (name == "KEY").then(|| "from-the-environment".to_owned());
        let resolve = |raw: RawSecret| raw.resolve(folder.path(), &env);

        let text = resolve(RawSecret::Text(Secret("as-it-is".into()))).unwrap();
        assert_eq!((text.expose(), format!("{text:?}").as_str()), ("as-it-is", "Secret(…)"));
        assert_eq!(resolve(RawSecret::Env("KEY".into())).unwrap().expose(), "from-the-environment");
        assert_eq!(resolve(RawSecret::File("token".into())).unwrap().expose(), "from-the-file");

        let message = |raw| resolve(raw).unwrap_err();
        assert_eq!(message(RawSecret::Text(Secret(String::new()))), "is empty");
        assert_eq!(
            message(RawSecret::Env("NO".into())),
            "needs the environment variable NO, which is not set"
        );
        assert!(message(RawSecret::File("empty".into())).starts_with("is empty: "));
        assert!(message(RawSecret::File("missing".into())).starts_with("cannot be read from "));
    }
}
