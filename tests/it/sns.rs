//! Amazon SNS: signatures by a certificate that the test makes, and subscriptions that confirm themselves.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use firebell::outbound::Outbound;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::Response;
use crate::server::{DAY, HEAD, NOW_MS, SERVICES, Server, WEBHOOK};

const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:alarms";
const CERTIFICATE: &str =
    "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem";
const SUBSCRIBE: &str = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=2336412f37";

/// SNS as far as Firebell sees it: a key, its certificate, and what was fetched.
struct Amazon {
    folder: TempDir,
    fetched: Arc<Mutex<Vec<String>>>,
}

fn openssl(folder: &Path, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new("openssl");
    command
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child =
        command.spawn().unwrap_or_else(|error| panic!("openssl: {error}; tests/run.sh installs it"));
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "openssl {arguments:?}");
    output.stdout
}

impl Amazon {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let make =
            "req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out certificate.pem -subj /CN=sns -days 3650";
        openssl(folder.path(), &make.split(' ').collect::<Vec<_>>(), b"");
        Self { folder, fetched: Arc::default() }
    }

    /// A server that gets what it fetches from here.
    fn server(&self) -> Server {
        let (fetched, pem) =
            (Arc::clone(&self.fetched), fs::read(self.folder.path().join("certificate.pem")).unwrap());
        let outbound = Outbound::by(move |url| {
            fetched.lock().unwrap().push(url.to_string());
            match url.as_str() {
                CERTIFICATE => Ok(pem.clone()),
                SUBSCRIBE => Ok(b"<ConfirmSubscriptionResponse/>".to_vec()),
                _ => Err("answered 404 Not Found".into()),
            }
        });
        let config = format!(
            "{HEAD}{SERVICES}[[integrations]]\nname = 'aws'\nsource = 'aws-sns'\nrouting_keys = \
             ['HUSH-prod-key-0001']\ndefault_service = 'SER-00001'\n"
        );
        // The certificate begins now, whenever that is.
        let now_ms = NOW_MS.max(
            i64::try_from(
                std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis(),
            )
            .unwrap()
                + DAY,
        );
        Server::start_with(now_ms, &config, outbound)
    }

    fn fetched(&self) -> Vec<String> {
        std::mem::take(&mut self.fetched.lock().unwrap())
    }

    /// The message with its signature, over what SNS signs.
    fn sign(&self, version: &str, mut message: Value) -> Value {
        let names = match message["Type"].as_str().unwrap() {
            "Notification" => vec!["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"],
            _ => vec!["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"],
        };
        let line = |name: &str| Some(format!("{name}\n{}\n", message[name].as_str()?));
        let text: String = names.into_iter().filter_map(line).collect();
        let digest = if version == "1" { "-sha1" } else { "-sha256" };
        let signature = openssl(self.folder.path(), &["dgst", digest, "-sign", "key.pem"], text.as_bytes());
        let base64 = openssl(self.folder.path(), &["base64", "-A"], &signature);
        message["SignatureVersion"] = version.into();
        message["Signature"] = String::from_utf8(base64).unwrap().into();
        message["SigningCertURL"] = CERTIFICATE.into();
        message
    }
}

fn notification(subject: Option<&str>, message: &Value) -> Value {
    let text = message.as_str().map_or_else(|| message.to_string(), ToOwned::to_owned);
    let mut notification = json!({
        "Type": "Notification", "MessageId": "165545c9", "TopicArn": TOPIC, "Message": text,
        "Timestamp": "2026-11-25T03:06:11.000Z", "UnsubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe",
    });
    if let Some(subject) = subject {
        notification["Subject"] = subject.into();
    }
    notification
}

fn alarm(state: &str) -> Value {
    json!({
        "AlarmName": "db1 cpu", "AlarmDescription": "CPU of db1", "AWSAccountId": "123456789012",
        "AlarmArn": "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:db1 cpu", "Region": "EU (Ireland)",
        "NewStateValue": state, "NewStateReason": "Threshold Crossed", "Trigger": { "MetricName": "CPUUtilization" },
    })
}

fn subscription(url: &str) -> Value {
    json!({
        "Type": "SubscriptionConfirmation", "MessageId": "165545c9", "Token": "2336412f37", "TopicArn": TOPIC,
        "Message": "You have chosen to subscribe to the topic.\nTo confirm, visit the SubscribeURL.", "SubscribeURL": url,
        "Timestamp": "2026-11-25T03:06:11.000Z",
    })
}

/// As SNS sends it: as text.
fn post(server: &Server, message: &Value) -> Response {
    let headers = [("Content-Type", "text/plain; charset=UTF-8"), ("x-amz-sns-message-type", "Notification")];
    server.send("POST", WEBHOOK, &headers, message.to_string().as_bytes())
}

#[test]
fn alarms_in_signed_messages_of_both_versions_become_incidents_and_end() {
    let amazon = Amazon::new();
    let server = amazon.server();
    for (version, subject) in [("1", None), ("2", Some("ALARM: \"db1 cpu\" in EU (Ireland)"))] {
        let fires = post(&server, &amazon.sign(version, notification(subject, &alarm("ALARM"))));
        assert!(matches!(fires.status, 200 | 201), "{fires:?}");
        let data = fires.data();
        assert!(["created", "reopened"].contains(&data["alerts"][0]["outcome"].as_str().unwrap()), "{data}");
        let ends = post(&server, &amazon.sign(version, notification(subject, &alarm("OK")))).data();
        assert_eq!(ends["alerts"][0]["outcome"], "resolved");
    }
    let incident = server.show("INC-2026-001");
    assert_eq!(incident["title"], "db1 cpu");
    let link =
        "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#alarmsV2:alarm/db1%20cpu";
    assert_eq!(incident["source_url"], link);
    // The certificate is fetched once.
    assert_eq!(amazon.fetched(), [CERTIFICATE]);
}

#[test]
fn a_subscription_confirms_itself_once_its_message_is_verified() {
    let amazon = Amazon::new();
    let server = amazon.server();
    let signed = amazon.sign("2", subscription(SUBSCRIBE));
    let dry = server.send("POST", &format!("{WEBHOOK}?dry_run=1"), &[], signed.to_string().as_bytes());
    assert_eq!((dry.status, amazon.fetched()), (200, vec![CERTIFICATE.to_owned()]));
    let data = post(&server, &signed).data();
    assert_eq!((&data["alerts"], &data["ignored"]), (&json!([]), &json!(1)));
    assert_eq!(amazon.fetched(), [SUBSCRIBE]);

    // Neither what nobody signed is visited, nor what leads elsewhere.
    let mut forged = signed;
    forged["Token"] = "another".into();
    assert_eq!(post(&server, &forged).code(), "invalid_signature");
    for url in [
        "https://example.org/",
        "http://sns.eu-west-1.amazonaws.com/",
        "https://sns.eu-west-1.amazonaws.com.example.org/",
    ] {
        let elsewhere = post(&server, &amazon.sign("1", subscription(url)));
        assert_eq!((elsewhere.status, elsewhere.code().as_str()), (400, "validation_error"), "{url}");
    }
    assert_eq!(amazon.fetched(), [""; 0]);
    // What does not answer now is tried again.
    let gone = post(&server, &amazon.sign("1", subscription("https://sns.eu-west-1.amazonaws.com/gone")));
    assert_eq!((gone.status, gone.code().as_str()), (503, "overloaded"));
    // Confirming what says that one has left would subscribe again.
    let mut left = subscription(SUBSCRIBE);
    left["Type"] = "UnsubscribeConfirmation".into();
    amazon.fetched();
    assert_eq!(post(&server, &amazon.sign("2", left)).data()["ignored"], 1);
    assert_eq!(amazon.fetched(), [""; 0]);
}

#[test]
fn what_sns_did_not_sign_is_refused() {
    let amazon = Amazon::new();
    let server = amazon.server();
    let good = amazon.sign("2", notification(Some("s"), &alarm("ALARM")));
    let with = |name: &str, value: Value| {
        let mut message = good.clone();
        message[name] = value;
        message
    };
    let invalid = [
        with("Message", alarm("OK").to_string().into()),
        with("Subject", Value::Null),
        with("Timestamp", Value::Null),
        with("SignatureVersion", "1".into()),
        with("SignatureVersion", "3".into()),
        with("Signature", "AAAA".into()),
        with("Signature", "not base64".into()),
        with("Type", "Something".into()),
        with("SigningCertURL", "https://example.org/a.pem".into()),
        with("SigningCertURL", Value::Null),
    ];
    for message in invalid {
        let refused = post(&server, &message);
        assert_eq!((refused.status, refused.code().as_str()), (401, "invalid_signature"), "{message}");
    }
    let missing = with("SigningCertURL", "https://sns.eu-west-1.amazonaws.com/another.pem".into());
    assert_eq!(post(&server, &missing).code(), "overloaded");
    // Raw delivery has no envelope, and whoever knows the key may send what is none.
    for body in ["{", "[]", "\"text\"", &alarm("ALARM").to_string()] {
        let refused = server.send("POST", WEBHOOK, &[], body.as_bytes());
        assert_eq!((refused.status, refused.code().as_str()), (401, "missing_signature"), "{body}");
    }
    let elsewhere = Amazon::new();
    assert_eq!(post(&server, &elsewhere.sign("2", good.clone())).code(), "invalid_signature");
    server.advance(4000 * DAY);
    let late = post(&server, &good);
    assert!(late.text.contains("its certificate is out of date"), "{late:?}");
    server.advance(-4000 * DAY);
    assert_eq!(post(&server, &good).status, 201);
    assert_eq!(server.get("/api/v1/incidents").data()["total"], 1);
}

#[test]
fn what_could_not_be_verified_is_not_sent_again_and_what_was_need_not_be_verified_again() {
    let amazon = Amazon::new();
    let server = amazon.server();
    let good = amazon.sign("2", notification(Some("s"), &alarm("ALARM")));
    let mut unverified = good.clone();
    unverified["SigningCertURL"] =
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-ffffffffffffffff.pem".into();
    assert_eq!(post(&server, &unverified).code(), "overloaded");
    assert_eq!(post(&server, &good).status, 201);
    amazon.fetched();
    let replay = |id: u32| server.post_to(&format!("/api/v1/integrations/aws/deliveries/{id}/replay"), "");
    assert_eq!(replay(1).code(), "cannot_replay");
    assert_eq!(replay(2).data()["alerts"][0]["outcome"], "repeated");
    assert_eq!(amazon.fetched(), [""; 0]);
}
