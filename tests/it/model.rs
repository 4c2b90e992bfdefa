//! Any history: random sequences of alerts, of what people do, of steps of the clock and of restarts, against a small
//! model of what the contract says. A failure shrinks to the shortest sequence that still fails.

mod expected;
mod ops;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::server::{HEAD, NOW_MS, SERVICES, Server};
use expected::{Expected, Model};
use ops::Op;

/// `prod` with the defaults, and `new`, whose resolved incidents let go of their keys and which ignores what it does not
/// know.
const CONFIG: &str = "
[retention]
close_resolved_after = '1d'
[[integrations]]
name = 'prod'
source = 'custom'
routing_keys = ['HUSH-prod-key-0001']
[[integrations]]
name = 'new'
source = 'custom'
routing_keys = ['HUSH-new-key-00002']
after_resolve = 'new'
on_unknown_resolve = 'ignore'
";

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, max_shrink_iters: 400, ..ProptestConfig::default() })]
    #[test]
    fn any_history_is_as_the_contract_says(ops in prop::collection::vec(ops::any_op(), 1..40)) {
        let mut server = Server::start(&config());
        let mut model = Model::new(NOW_MS);
        for op in &ops::spelt_out(&ops) {
            step(&mut server, &mut model, op)?;
        }
        compare_all(&server, &model)?;
    }
}

fn config() -> String {
    format!("{HEAD}{SERVICES}{CONFIG}")
}

/// Does one thing to both, and compares what they say.
fn step(server: &mut Server, model: &mut Model, op: &Op) -> Result<(), TestCaseError> {
    match op {
        Op::Clock { by_ms } => {
            server.advance(*by_ms);
            server.upkeep();
            model.advance(*by_ms);
            return Ok(());
        }
        Op::Restart => {
            server.restart(&config());
            return Ok(());
        }
        _ => {}
    }
    let Some((method, path, headers, body)) = op.request(model) else { return Ok(()) };
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer = server.send(method, &path, &headers, body.to_string().as_bytes());
    let Expected { status, code, data, replayed } = model.apply(op, &body.to_string());
    prop_assert_eq!(answer.status, status, "{}", answer.text);
    prop_assert_eq!(answer.header("idempotent-replayed").is_some(), replayed);
    if status >= 400 {
        prop_assert_eq!(answer.code(), code);
        return Ok(());
    }
    let said = answer.data();
    for (name, value) in data.as_object().unwrap() {
        let said = if name == "warnings" { sorted_codes(&said[name]) } else { said[name].clone() };
        prop_assert_eq!(&said, value, "{} of {}", name, answer.text);
    }
    Ok(())
}

fn sorted_codes(warnings: &Value) -> Value {
    let mut codes: Vec<_> = warnings.as_array().unwrap().iter().map(|one| one["code"].clone()).collect();
    codes.sort_by_key(ToString::to_string);
    codes.into()
}

/// Compares every incident with its timeline, and the lists.
fn compare_all(server: &Server, model: &Model) -> Result<(), TestCaseError> {
    for incident in &model.incidents {
        let shown = server.show(&incident.number());
        let mut expected = incident.view();
        let timeline = expected.as_object_mut().unwrap().remove("timeline").unwrap();
        for (name, value) in expected.as_object().unwrap() {
            prop_assert_eq!(&shown[name], value, "{} of {}", name, incident.number());
        }
        let kinds = shown["timeline"].as_array().unwrap().iter().rev();
        let kinds: Value =
            kinds.map(|entry| json!([entry["kind"], entry["count"], entry["actor"]])).collect();
        prop_assert_eq!(kinds, timeline, "timeline of {}", incident.number());
    }
    let numbers = |wanted: &dyn Fn(&expected::Incident) -> bool| -> Vec<u32> {
        model.incidents.iter().rev().filter(|one| wanted(one)).map(|one| one.sequence).collect()
    };
    prop_assert_eq!(server.list("limit=100"), numbers(&|_| true));
    let mut oldest = numbers(&|_| true);
    oldest.reverse();
    prop_assert_eq!(server.list("limit=100&sort=created_at"), oldest);
    for status in ["new", "investigating", "fixing", "monitoring", "resolved", "closed"] {
        let query = format!("limit=100&status={status}");
        prop_assert_eq!(server.list(&query), numbers(&|one| one.status == status), "{}", query);
    }
    for (service, key, severity) in [("SER-00001", "k0", "SEV1"), ("SER-00002", "k1", "SEV2")] {
        let by_service = numbers(&|one| one.services.contains(&service));
        prop_assert_eq!(server.list(&format!("limit=100&service_id={service}")), by_service);
        let by_key = numbers(&|one| one.key.as_deref() == Some(key));
        prop_assert_eq!(server.list(&format!("limit=100&dedup_key={key}")), by_key);
        let by_severity = numbers(&|one| one.severity == severity && one.status != "closed");
        let query = format!(
            "limit=100&severity={severity}&status=new&status=investigating&status=fixing&status=monitoring&status=resolved"
        );
        prop_assert_eq!(server.list(&query), by_severity);
    }
    for title in ["Disk", "Töne", "三磁盘"] {
        let found = numbers(&|one| one.title == title);
        prop_assert_eq!(server.list(&format!("limit=100&search={}", percent(title))), found, "{}", title);
    }
    let mut by_severity: Vec<_> = model.incidents.iter().collect();
    by_severity.sort_by_key(|one| (one.severity.clone(), std::cmp::Reverse(one.sequence)));
    let by_severity: Vec<_> = by_severity.into_iter().map(|one| one.sequence).collect();
    prop_assert_eq!(server.list("limit=100&sort=severity"), by_severity);
    let mut seen: Vec<_> = model.incidents.iter().filter(|one| one.status != "closed").collect();
    seen.sort_by_key(|one| std::cmp::Reverse((one.last_seen, one.sequence)));
    let seen: Vec<_> = seen.into_iter().map(|one| one.sequence).collect();
    prop_assert_eq!(server.list("limit=100&sort=-last_seen_at"), seen);
    Ok(())
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}
