//! E-mail to a real server (Debian's aiosmtpd, see mail_server.py): what arrives, what is refused, what never answers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvError, channel};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{CONFIG, Folder, Killed, PATIENCE, Server, repository};

const USER: &str = "bell@example.org";
const PASSWORD: &str = "pass word/&:%-HUSH";

/// An authority that nobody knows, and a certificate by it for `localhost`.
struct Certificates(TempDir);

impl Certificates {
    fn get() -> &'static Self {
        static MADE: OnceLock<Certificates> = OnceLock::new();
        MADE.get_or_init(|| {
            let made = Self(tempfile::tempdir().unwrap());
            let key = [
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-days",
                "2",
            ];
            made.openssl(
                &[&key[..], &["-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Nobody"]].concat(),
            );
            let leaf = ["-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", "mail.key", "-out", "mail.pem"];
            let name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
            let end = ["-addext", "basicConstraints=critical,CA:FALSE"];
            made.openssl(&[&key[..], &leaf, &name, &end].concat());
            made
        })
    }

    fn openssl(&self, arguments: &[&str]) {
        let mut command = Command::new("openssl");
        let output = command.arg("req").args(arguments).current_dir(self.0.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

struct MailServer {
    child: Killed,
    port: u64,
    mails: Receiver<Value>,
}

impl MailServer {
    /// `tls` is `starttls`, `implicit` or `none`; without TLS nobody logs in. Each connection takes a step of `script`.
    fn start(tls: &str, script: Value) -> Self {
        let certificates = Certificates::get();
        let mut options = json!({
            "tls": tls, "script": script,
            "certificate": certificates.path("mail.pem"), "key": certificates.path("mail.key"),
        });
        if tls != "none" {
            options["user"] = USER.into();
            options["password"] = PASSWORD.into();
        }
        // Debian's own: no other finds Debian's packages.
        let mut command = Command::new("/usr/bin/python3");
        command.arg(repository().join("tests/process/mail_server.py")).arg(options.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("python3: {error}"));
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (tell, mails) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                tell.send(serde_json::from_str(&line).unwrap()).ok();
            }
        });
        let child = Killed(child);
        let said: Value =
            mails.recv_timeout(PATIENCE).expect("no mail server; tests/run.sh installs python3-aiosmtpd");
        Self { child, port: said["port"].as_u64().unwrap(), mails }
    }

    /// The next mail, which must come.
    #[track_caller]
    fn next(&self) -> Value {
        self.mails.recv_timeout(PATIENCE).expect("no mail came")
    }

    /// No more mails came, until its end.
    #[track_caller]
    fn took_nothing(self) {
        drop(self.child);
        assert_eq!(self.mails.recv(), Err(RecvError));
    }
}

/// Firebell, telling `to` of everything by mail; `more` follows the configuration. Only Nobody's certificates are trusted
/// if `trusts`, else those of the system.
fn firebell(server: &str, to: &str, more: &str, trusts: bool) -> (Folder, Server) {
    let folder = Folder::new(&format!(
        "public_url = 'https://bell.example.net'\n{CONFIG}\
         [[channels]]\nname = 'mail'\nkind = 'email'\n\
         with = {{ server = '{server}', from = 'Fire Bell <bell@example.org>', to = '{to}', reply_to = 'ops@example.org' }}\n\
         {more}\n[[routes]]\nchannels = ['mail']\ndigest = '0s'\n"
    ));
    let mut command = folder.firebell(&["serve"]);
    if trusts {
        command.env("SSL_CERT_FILE", Certificates::get().path("ca.pem"));
    }
    let mut server = Server::start(command);
    server.secrets.extend([PASSWORD.to_owned(), percent_encoded(PASSWORD)]);
    (folder, server)
}

fn percent_encoded(text: &str) -> String {
    text.bytes().map(|b| format!("%{b:02X}")).collect()
}

fn with_login(scheme: &str, mail: &MailServer, query: &str) -> String {
    format!(
        "{scheme}://{}:{}@localhost:{}{query}",
        percent_encoded(USER),
        percent_encoded(PASSWORD),
        mail.port
    )
}

fn plain(mail: &MailServer) -> String {
    format!("smtp://localhost:{}", mail.port)
}

#[track_caller]
fn post(server: &Server, mut alert: Value) {
    alert["service_id"] = "SER-00002".into();
    let answer = server.post(&alert.to_string());
    assert!(answer.status < 300, "{}", answer.status);
}

/// The headers of that name.
fn headers<'a>(mail: &'a Value, name: &str) -> Vec<&'a str> {
    let all = mail["headers"].as_array().unwrap().iter();
    let found = all.filter(|header| header[0].as_str().unwrap().eq_ignore_ascii_case(name));
    found.map(|header| header[1].as_str().unwrap()).collect()
}

#[track_caller]
fn header<'a>(mail: &'a Value, name: &str) -> &'a str {
    let found = headers(mail, name);
    assert_eq!(found.len(), 1, "{name}: {found:?}");
    found[0]
}

#[test]
fn a_mail_goes_by_starttls_and_login_and_all_of_an_incident_are_one_thread() {
    let mail = MailServer::start("starttls", json!([]));
    let to = "Öps <ops@example.org>, jo@example.org";
    let (_folder, server) = firebell(&with_login("smtp", &mail, "?tls=required"), to, "", true);
    post(
        &server,
        json!({ "title": "Disk is full", "dedup_key": "k", "severity": "SEV1",
                          "description": "Nothing can be written.\nFor an hour." }),
    );
    let first = mail.next();
    assert_eq!((&first["tls"], &first["user"]), (&json!(true), &json!(USER)));
    assert_eq!(first["hello"], "bell.example.net");
    assert_eq!(first["from"], "bell@example.org");
    assert_eq!(first["to"], json!(["ops@example.org", "jo@example.org"]));
    assert_eq!(header(&first, "From"), "Fire Bell <bell@example.org>");
    assert_eq!(header(&first, "To"), "Öps <ops@example.org>, jo@example.org");
    assert_eq!(header(&first, "Reply-To"), "ops@example.org");
    assert_eq!(header(&first, "Subject"), "[SEV1] Disk is full");
    assert_eq!(header(&first, "Auto-Submitted"), "auto-generated");
    assert!(header(&first, "Date").ends_with("+0000"));
    assert_eq!(
        (&first["type"], &first["parts"]),
        (&json!("multipart/alternative"), &json!(["text/plain", "text/html"]))
    );
    let text = first["text"].as_str().unwrap();
    assert!(text.starts_with("[SEV1] Disk is full\n\nDatabase · INC-"), "{text}");
    assert!(
        text.contains("\nNothing can be written.\nFor an hour.\n\nhttps://bell.example.net/incidents/INC-"),
        "{text}"
    );
    let html = first["html_text"].as_str().unwrap();
    for part in ["SEV1", "Disk is full", "Nothing can be written.", "Open the incident", "Home"] {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert!(first["html"].as_str().unwrap().contains("border-top:5px solid #b4460a"), "the colour of SEV1");
    assert!(first["links"][0].as_str().unwrap().starts_with("https://bell.example.net/incidents/INC-"));

    post(&server, json!({ "title": "Disk is full", "dedup_key": "k", "status": "resolved" }));
    let second = mail.next();
    assert_eq!(header(&second, "Subject"), "[resolved] Disk is full");
    post(&server, json!({ "title": "Another", "dedup_key": "l" }));
    let third = mail.next();
    let ids = [&first, &second, &third].map(|mail| header(mail, "Message-ID").to_owned());
    assert!(ids.iter().all(|id| id.starts_with("<msg_") && id.ends_with("@bell.example.net>")), "{ids:?}");
    assert!(ids[0] != ids[1] && ids[1] != ids[2], "{ids:?}");
    let thread = |mail| (header(mail, "References").to_owned(), header(mail, "In-Reply-To").to_owned());
    assert_eq!(thread(&first), thread(&second));
    assert_eq!(thread(&first).0, thread(&first).1);
    assert_ne!(thread(&first), thread(&third));
    assert!(server.wait_for("notification delivered").contains("250 2.0.0 OK: kept"));
}

#[test]
fn tls_from_the_start_and_a_password_beside_the_address() {
    let mail = MailServer::start("implicit", json!([]));
    let server = format!("smtps://localhost:{}', user = '{USER}', password = '{PASSWORD}", mail.port);
    let own = "[channels.email]\nsubject = 'Own: {{ title }}'\nhtml = '<p>{{ title }}</p>'";
    let (_folder, server) = firebell(&server, "ops@example.org", own, true);
    post(&server, json!({ "title": "1 < 2" }));
    let came = mail.next();
    assert_eq!((&came["tls"], &came["user"]), (&json!(true), &json!(USER)));
    assert_eq!(header(&came, "Subject"), "Own: [SEV2] 1 < 2");
    assert_eq!(came["html"].as_str().unwrap().trim_end(), "<p>[SEV2] 1 &lt; 2</p>");
    assert!(came["text"].as_str().unwrap().starts_with("[SEV2] 1 < 2\n\n"), "the preset's");
}

#[test]
fn a_certificate_that_is_not_trusted_or_for_another_name_is_told_nothing() {
    let mail = MailServer::start("starttls", json!([]));
    let (_folder, server) =
        firebell(&with_login("smtp", &mail, "?tls=required"), "ops@example.org", "", false);
    post(&server, json!({ "title": "It" }));
    let said = server.wait_for("notification not delivered");
    assert!(said.contains("starting TLS: ") && said.contains("UnknownIssuer"), "{said}");

    let address = with_login("smtp", &mail, "?tls=required").replace("localhost", "127.0.0.1");
    let (_folder, server) = firebell(&address, "ops@example.org", "", true);
    post(&server, json!({ "title": "It" }));
    let said = server.wait_for("notification not delivered");
    assert!(said.contains("starting TLS: ") && said.contains("not valid for name"), "{said}");

    let none = MailServer::start("none", json!([]));
    let (_folder, server) =
        firebell(&with_login("smtp", &none, "?tls=required"), "ops@example.org", "", true);
    post(&server, json!({ "title": "It" }));
    server.wait_for("starting TLS: the server does not offer STARTTLS");

    let (_folder, server) = firebell(&with_login("smtps", &none, ""), "ops@example.org", "", true);
    post(&server, json!({ "title": "It" }));
    server.wait_for("connecting: ");
    mail.took_nothing();
    none.took_nothing();
}

#[test]
fn hostile_titles_stay_texts() {
    let mail = MailServer::start("none", json!([]));
    let (_folder, server) = firebell(&plain(&mail), "ops@example.org", "", true);
    let long = format!("{}<b>", "long ".repeat(39));
    let titles = [
        "A\r\nBcc: evil@example.org\r\n\r\n<script>alert(1)</script>",
        "\"><img src=https://evil.example/x onerror=alert(1)><a href='https://evil.example'>",
        "=?utf-8?q?=0D=0ABcc:_evil@example.org?= </title></td><style>*{}</style>",
        "{{ with.server }}{% for x in [1] %} \u{202e}evil \u{85}\u{2028}\u{feff}.",
        &"🔥".repeat(200),
        &"👩‍👩‍👧‍👦é".repeat(20),
        &"x".repeat(200),
        &long,
        ".\r\n.\r\nMAIL FROM:<evil@example.org>",
    ];
    for title in titles {
        post(
            &server,
            json!({ "title": title, "description": format!("{title}\r\n.\r\n{title}\u{1b}[2J"),
                              "severity": "SEV3" }),
        );
        let came = mail.next();
        let words = |text: &str| {
            let gap = |c: char| c.is_whitespace() || c.is_control();
            text.split(gap).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(header(&came, "Subject"), format!("[SEV3] {}", words(title)), "{title:?}");
        assert_eq!(came["to"], json!(["ops@example.org"]), "{title:?}");
        let names: Vec<_> = came["headers"].as_array().unwrap().iter().map(|header| &header[0]).collect();
        let known = [
            "From",
            "Subject",
            "Date",
            "Message-ID",
            "In-Reply-To",
            "References",
            "Auto-Submitted",
            "To",
            "Reply-To",
            "MIME-Version",
            "Content-Type",
        ];
        assert_eq!(names, known, "{title:?}");
        assert_eq!((&came["is_ascii"], &came["is_crlf"]), (&json!(true), &json!(true)), "{title:?}");
        assert!(came["longest_line"].as_u64().unwrap() <= 998, "{title:?}");
        assert!(words(came["text"].as_str().unwrap()).contains(&words(title)), "{title:?}");
        assert!(words(came["html_text"].as_str().unwrap()).contains(&words(title)), "{title:?}");
        assert_eq!(
            came["tags"],
            json!([
                "a", "bdi", "body", "br", "h1", "head", "html", "meta", "p", "span", "table", "td", "title",
                "tr"
            ]),
            "{title:?}"
        );
        let attributes = [
            "align",
            "cellpadding",
            "cellspacing",
            "charset",
            "content",
            "href",
            "lang",
            "name",
            "role",
            "style",
            "width",
        ];
        assert_eq!(came["attributes"], json!(attributes), "{title:?}");
        let links = came["links"].as_array().unwrap();
        let links: Vec<_> = links.iter().map(|link| link.as_str().unwrap()).collect();
        let ours = ["incidents/INC-", "act/INC-"].map(|path| format!("https://bell.example.net/{path}"));
        let is_ours = |link: &&str| ours.iter().any(|begin| link.starts_with(begin));
        assert!(links.iter().all(is_ours), "{title:?}: {links:?}");
        for action in ["~acknowledge~", "~resolve~"] {
            assert!(links.iter().any(|link| link.contains(action)), "{title:?}: {links:?}");
        }
    }
}

#[test]
fn what_is_refused_for_now_comes_again_as_the_same_mail() {
    let script = json!([{ "DATA": "451 4.3.0 later" }, { "AUTH": format!("535 5.7.8 no: {PASSWORD}") }, {}]);
    let mail = MailServer::start("starttls", script);
    let (_folder, server) =
        firebell(&with_login("smtp", &mail, "?tls=required"), "ops@example.org", "", true);
    post(&server, json!({ "title": "It", "dedup_key": "1" }));
    let refused = mail.next();
    assert_eq!(refused["answer"], "451 4.3.0 later");
    assert!(server.wait_for("notification not delivered").contains("451 4.3.0 later"));
    // Another, which a wrong password keeps; both are told in the end.
    post(&server, json!({ "title": "Other" }));
    let mut ids = [mail.next(), mail.next()];
    ids.sort_by_key(|mail| header(mail, "Subject") != "[SEV2] It");
    assert_eq!(header(&ids[0], "Message-ID"), header(&refused, "Message-ID"));
    assert_eq!(header(&ids[0], "References"), header(&refused, "References"));
    assert_eq!(header(&ids[1], "Subject"), "[SEV2] Other");
    assert!(server.wait_for("535 5.7.8 no: ").contains("535 5.7.8 no: [redacted]"));
}

#[test]
fn what_is_refused_for_good_is_given_up_and_who_is_refused_is_named() {
    let no = "550 5.1.1 no such user";
    let script = json!([
        { "RCPT": { "a@example.org": no, "b@example.org": no } },
        { "RCPT": { "b@example.org": "452 4.2.2 mailbox full" } },
        { "DATA": "554 5.7.1 looks like spam" },
    ]);
    let mail = MailServer::start("none", script);
    let (_folder, server) = firebell(&plain(&mail), "a@example.org, b@example.org", "", true);
    post(&server, json!({ "title": "1" }));
    let said = server.wait_for("notification given up");
    assert!(
        said.contains(
            "all recipients were refused: a@example.org: 550 5.1.1 no such user; b@example.org: 550"
        ),
        "{said}"
    );
    post(&server, json!({ "title": "2" }));
    assert_eq!(mail.next()["to"], json!(["a@example.org"]));
    let said = server.wait_for("notification delivered");
    assert!(said.contains("250 2.0.0 OK: kept; refused: b@example.org: 452 4.2.2 mailbox full"), "{said}");
    post(&server, json!({ "title": "3" }));
    assert_eq!(mail.next()["answer"], "554 5.7.1 looks like spam");
    server.wait_for("554 5.7.1 looks like spam");
}

/// A server that greets with that, and then says the other again and again, a byte at a time; nothing, if it is empty.
fn drip(greeting: &'static [u8], then: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(greeting).ok();
        stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let mut next = then.iter().cycle();
        // Until the other side has gone.
        while !matches!(stream.read(&mut [0; 1024]), Ok(0)) {
            let byte = next.next().map_or(&[][..], std::slice::from_ref);
            if stream.write_all(byte).is_err() {
                break;
            }
        }
    });
    port
}

#[test]
fn a_server_that_does_not_answer_is_left_in_time() {
    let more = "[notify]\ntimeout = '400ms'";
    let stalls = MailServer::start("none", json!([{ "DATA": "stall" }]));
    let closes = MailServer::start("none", json!([{ "DATA": "close" }]));
    for (port, expected) in [
        (u64::from(drip(b"", b"")), "connecting: no answer within 400ms"),
        (u64::from(drip(b"", b"2")), "connecting: no answer within 400ms"),
        (u64::from(drip(b"220 hello\r\n", b"250-more\r\n")), "connecting: no answer within 400ms"),
        (u64::from(drip(b"HTTP/1.1 400 Bad Request\r\n\r\n", b"")), "connecting: what came is no answer"),
        (
            u64::from(drip(b"220 a\r\n250 b\r\n250 c\r\n250 d\r\n250 e\r\n250 f\r\n", b"")),
            "handing over the mail: 250 is no answer to that; the server is out of step",
        ),
        (stalls.port, "handing over the mail: no answer within 400ms"),
        (closes.port, "handing over the mail: "),
    ] {
        let (_folder, server) = firebell(&format!("smtp://localhost:{port}"), "ops@example.org", more, true);
        post(&server, json!({ "title": "It" }));
        let said = server.wait_for("notification not delivered");
        assert!(said.contains(expected), "{expected}: {said}");
    }
}

#[test]
fn private_addresses_are_refused_where_they_are_to_be() {
    let mail = MailServer::start("none", json!([]));
    let more = "[notify]\nrefuse_private = true";
    let (_folder, server) = firebell(&plain(&mail), "ops@example.org", more, true);
    post(&server, json!({ "title": "It" }));
    let said = server.wait_for("notification not delivered");
    assert!(said.contains("is no public address, and `[notify] refuse_private` is set"), "{said}");
    mail.took_nothing();
}

#[test]
fn what_is_wrong_with_a_channel_is_said_with_its_place() {
    let folder = Folder::new(&format!(
        "{CONFIG}[[channels]]\nname = 'a'\nkind = 'email'\n[channels.with]\nserver = 'https://HUSH@mail.example.org'\n\
         from = 'nobody'\nto = 'ops@example.org, '\nuser = 'bell'\n[channels.email]\nhtml = '{{{{ titel }}}}'\n\
         body = ''\n[[channels]]\nname = 'b'\nkind = 'webhook'\nwith = {{ url = 'http://x' }}\n[channels.email]\n\
         [[channels]]\nname = 'c'\nkind = 'email'\n"
    ));
    let output = folder.run(&["check"]);
    let said = String::from_utf8(output.stderr).unwrap();
    for expected in [
        ":21:10: `with.server` of channel `a` ",
        ":22:8: `with.from` of channel `a` must be an address such as",
        ":23:6: `with.to` of channel `a` must be an address such as",
        ":24:8: channel `a` needs `with.password` too",
        ":26:8: `channels.email.html` is not a valid template: unknown name `titel`; did you mean `title`?",
        ":27:1: `channels.email.body` is unknown; known here: subject, text, html",
        ": channel `b` sends no mail; [channels.email] is for `kind = \"email\"`",
        ": channel `c` needs `with = { server = … }`",
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
    assert!(!said.contains("HUSH"), "{said}");
    assert_eq!(output.status.code(), Some(1));
}
