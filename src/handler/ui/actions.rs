//! What the forms of incidents do.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::super::Handler;
use super::{Visit, see_other};
use crate::error::{Error, Kind};
use crate::hex;
use crate::json::Json;
use crate::model::{Fields, Incident, Number, Status};
use crate::registry::Scope;
use crate::reply::Page;
use crate::store::Acknowledge;

/// Incidents that one form may be about: a page of the list has fewer.
const MOST: usize = 100;

impl Handler {
    /// `POST /`: the same with each of the incidents that were chosen.
    pub(super) async fn act_on_many(self: &Arc<Self>, visit: &Visit<'_>) -> Result<Page, Error> {
        visit.check(Scope::IncidentsWrite)?;
        let mut problems = Vec::new();
        let chosen: Vec<_> = visit.form.all("number").take(MOST).collect();
        if chosen.is_empty() {
            problems.push("Choose incidents first.".into());
        }
        for text in chosen {
            let done = match Number::parse(text) {
                Some(number) => self.act(visit, number).await.map(|_| ()),
                None => Err(Error::new(Kind::NotFound, "there is no such incident")),
            };
            if let Err(error) = done {
                problems.push(format!("{text}: {}", error.message));
            }
        }
        match problems.as_slice() {
            [] => Ok(see_other(visit.target())),
            problems => self.incidents_page(visit, problems).await,
        }
    }

    /// `POST /incidents/{number}`
    pub(super) async fn act_on_one(&self, visit: &Visit<'_>) -> Result<Page, Error> {
        visit.check(Scope::IncidentsWrite)?;
        match self.act(visit, visit.number()?).await {
            Ok(()) => Ok(see_other(visit.head.uri.path())),
            Err(error) if matches!(error.kind, Kind::NotFound | Kind::Internal) => Err(error),
            Err(error) => self.incident_page(visit, Some(error)).await,
        }
    }

    /// What the button says that was pressed.
    async fn act(&self, visit: &Visit<'_>, number: Number) -> Result<(), Error> {
        let Visit { live, caller, form, .. } = visit;
        match form.get("do") {
            "acknowledge" => {
                let caller = caller.identity.clone();
                self.store.acknowledge(Acknowledge { number, caller }).await?;
            }
            "resolve" => {
                let status = Json::String(Status::Resolved.as_str().into());
                let fields = Fields::new(vec![("status".into(), status)]);
                self.move_to_status(live, caller, number, fields).await?;
            }
            "status" => {
                self.move_to_status(live, caller, number, form.fields(&["status", "comment"], &[])).await?;
            }
            "comment" => {
                self.say(caller, number, form.fields(&["comment"], &[])).await?;
            }
            "assign" => {
                let fields = form.fields(&["assigned_to"], &["assigned_to"]);
                self.edit(caller, number, fields).await?;
            }
            "edit" => {
                let (incident, _, _) = self.store.incident(number).await?;
                let changed = changed(&incident, visit);
                if !changed.is_empty() {
                    self.edit(caller, number, form.fields(&changed, &["description"])).await?;
                }
            }
            _ => return Err(Error::new(Kind::Validation, "this form has no button of that name")),
        }
        Ok(())
    }
}

/// The fields of the form that say something else than the incident, and than it said when the form was shown: only those
/// are set by a person, and kept from alerts.
fn changed(incident: &Incident, visit: &Visit<'_>) -> Vec<&'static str> {
    let current = [
        ("title", incident.title.as_str()),
        ("description", incident.description.as_deref().unwrap_or_default()),
        ("severity", incident.severity.as_str()),
    ];
    let differs = |(name, value): &(&'static str, &str)| {
        let given = visit.form.all(name).next()?;
        let shown = visit.form.get(&format!("{name}_shown"));
        (given.trim() != value.trim() && digest(given) != shown).then_some(*name)
    };
    current.iter().filter_map(differs).collect()
}

/// Tells whether a text is the one that a form was made with, without sending it twice.
pub fn digest(text: &str) -> String {
    let lines = text.replace("\r\n", "\n").replace('\r', "\n");
    hex::encode(&Sha256::digest(lines.trim().as_bytes())[..8])
}
