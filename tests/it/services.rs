//! The service of an alert, and the chain that ends in its severity.

use serde_json::{Value, json};

use crate::server::{HEAD, PROD, SERVICES, Server, alert, codes, field_codes};

#[test]
fn a_service_is_named_by_id_or_alias_and_reads_back_by_id() {
    let server = Server::new();
    for (given, id, name) in [
        ("SER-00001", "SER-00001", "Website"),
        ("web", "SER-00001", "Website"),
        (" db ", "SER-00002", "Database"),
    ] {
        let data = server.alert(json!({ "service_id": given }));
        assert_eq!(data["service_id"], id);
        let incident = server.show(data["incident_number"].as_str().unwrap());
        assert_eq!(incident["service_ids"], json!([id]));
        assert_eq!(incident["services"], json!([{ "service_key": id, "name": name }]));
    }
}

#[test]
fn an_unknown_or_inactive_service_refuses_a_creation_and_the_nearest_known_id_is_suggested() {
    let server = Server::new();
    for (given, code, hint) in [
        ("SER-0001", "unknown_service", "did you mean SER-00001?"),
        ("SER00002", "unknown_service", "did you mean SER-0000"),
        ("WEB", "unknown_service", "did you mean SER-00001?"),
        ("mail-relay", "unknown_service", "no service in the configuration"),
        ("SER-00009", "inactive_service", "not active"),
        ("old", "inactive_service", "not active"),
    ] {
        for key in [Value::Null, "k".into()] {
            let response = server.post(alert(json!({ "service_id": given, "dedup_key": key })));
            assert_eq!(field_codes(&response), format!("service_id:{code}"));
            let field = response.json()["error"]["details"]["fields"][0].clone();
            assert!(field["message"].as_str().unwrap().contains(hint), "{field}");
            assert_eq!(field["message"].as_str().unwrap().contains("did you mean"), hint.contains("did you"));
        }
    }
    assert_eq!(server.list(""), [0; 0]);
}

#[test]
fn an_unknown_or_inactive_service_is_only_a_warning_on_an_update() {
    let mut server = Server::new();
    for (key, given, code) in [("k", "SER-0002", "unknown_service"), ("l", "SER-00009", "inactive_service")] {
        server.alert(json!({ "dedup_key": key }));
        for (title, outcome) in [("Disk is full (HUSH)", "repeated"), ("Other (HUSH)", "updated")] {
            let data = server.alert(json!({ "dedup_key": key, "service_id": given, "title": title }));
            assert_eq!((&data["outcome"], &data["service_id"]), (&json!(outcome), &json!("SER-00001")));
            assert_eq!(codes(&data["warnings"]), format!("service_id:{code}"));
        }
    }
    // The stored service itself may be gone from the configuration by now.
    let others = SERVICES.replace("SER-00001", "SER-00003").replace("web", "www");
    server.restart(&format!("{HEAD}{others}{PROD}"));
    let data = server.alert(json!({ "dedup_key": "k", "status": "resolved" }));
    assert_eq!((&data["outcome"], &data["service_id"]), (&json!("resolved"), &json!("SER-00001")));
    assert_eq!(codes(&data["warnings"]), "service_id:unknown_service");
    assert_eq!(server.show("INC-2026-001")["services"][0]["name"], "Website", "history keeps its names");
}

#[test]
fn another_active_service_moves_the_incident() {
    let server = Server::new();
    server.alert(json!({ "dedup_key": "k" }));
    let data = server.alert(json!({ "dedup_key": "k", "service_id": "db" }));
    assert_eq!((&data["outcome"], &data["service_id"]), (&json!("updated"), &json!("SER-00002")));
    let incident = server.show("INC-2026-001");
    assert_eq!(incident["service_ids"], json!(["SER-00002"]));
    let change = json!([{ "field": "service_id", "from": "SER-00001", "to": "SER-00002" }]);
    assert_eq!(incident["timeline"][0]["changes"], change);
    // By whatever name: the same service is no change.
    assert_eq!(server.alert(json!({ "dedup_key": "k", "service_id": "SER-00002" }))["outcome"], "repeated");
}

/// A configuration in which each link of the severity chain is set where it is given.
fn chain(service: Option<&str>, integration: Option<&str>, defaults: Option<&str>) -> String {
    let option = |name: &str, value: Option<&str>| {
        value.map_or_else(String::new, |value| format!("{name} = '{value}'\n"))
    };
    format!(
        "{HEAD}[[services]]\nid = 'SER-00001'\nname = 'Website'\n{}{PROD}{}[defaults]\n{}",
        option("default_severity", service),
        option("default_severity", integration),
        option("severity", defaults),
    )
}

#[test]
fn the_severity_of_a_new_incident_is_that_of_the_first_link_that_is_set() {
    let (none, sev0, sev1, sev3, sev4) = (None, Some("SEV0"), Some("SEV1"), Some("SEV3"), Some("SEV4"));
    for (payload, service, integration, defaults, expected) in [
        (sev0, sev1, sev3, sev4, "SEV0"),
        (none, sev1, sev3, sev4, "SEV1"),
        (none, none, sev3, sev4, "SEV3"),
        (none, none, none, sev4, "SEV4"),
        (none, none, none, none, "SEV2"),
        (none, sev4, sev0, sev0, "SEV4"),
        (none, none, sev4, sev0, "SEV4"),
        (sev4, sev0, none, none, "SEV4"),
        (Some(""), sev1, none, none, "SEV1"),
    ] {
        let server = Server::start(&chain(service, integration, defaults));
        assert_eq!(server.alert(json!({ "severity": payload }))["severity"], expected);
        assert_eq!(server.show("INC-2026-001")["severity"], expected);
    }
}

#[test]
fn the_chain_is_for_creations_and_never_changes_an_incident() {
    let mut server = Server::start(&chain(Some("SEV1"), None, None));
    server.alert(json!({ "dedup_key": "k" }));
    server.restart(&chain(Some("SEV4"), Some("SEV4"), Some("SEV4")));
    for (status, outcome) in [("new", "repeated"), ("resolved", "resolved"), ("new", "reopened")] {
        let data = server.alert(json!({ "dedup_key": "k", "status": status }));
        assert_eq!((data["outcome"].as_str(), data["severity"].as_str()), (Some(outcome), Some("SEV1")));
    }
    assert_eq!(server.alert(json!({ "dedup_key": "k", "severity": "SEV3" }))["severity"], "SEV3");
    assert_eq!(server.alert(json!({ "dedup_key": "k" }))["severity"], "SEV3");
}
