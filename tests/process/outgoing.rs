//! How messages leave: by the proxy of the environment, to public addresses only where that is asked for, and by TLS that
//! is verified.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::commands::Setup;
use crate::harness::{CONFIG, Folder, Server, alert};
use crate::receiver::Receiver;

fn config(url: &str, more: &str) -> String {
    format!(
        "{CONFIG}
         [[channels]]
         name = 'hook'
         kind = 'webhook'
         with = {{ url = '{url}' }}
         [[routes]]
         channels = ['hook']
         [notify]
         timeout = '5s'
         {more}"
    )
}

/// What came of the first attempt.
#[track_caller]
fn answer(server: &Server) -> String {
    server.wait_for("notification not delivered; it will be retried");
    let notifications: Value = server.get("/api/v1/notifications");
    notifications["items"][0]["answer"].as_str().unwrap().to_owned()
}

#[test]
fn messages_go_by_the_proxy_that_the_environment_names() {
    let proxy = Receiver::new();
    let folder = Folder::new(&config("http://receiver.invalid/hook", ""));
    let mut command = folder.firebell(&["serve"]);
    command
        .env("HTTP_PROXY", format!("http://{}", proxy.addr))
        .env("http_proxy", format!("http://{}", proxy.addr));
    let server = Server::start(command);
    server.post(&alert("k"));
    let request = proxy.next();
    // A name that only the proxy could know: it is asked for a tunnel, or for the whole address.
    assert!(request.path.contains("receiver.invalid"), "{request:?}");
}

#[test]
fn private_addresses_are_refused_where_that_is_asked_for() {
    let receiver = Receiver::new();
    let setup = Setup::new(&config(&receiver.url(), "refuse_private = true"));
    setup.server.post(&alert("k"));
    let answer = answer(&setup.server);
    assert!(
        answer.contains("127.0.0.1 is no public address, and `[notify] refuse_private` is set"),
        "{answer}"
    );
    receiver.is_silent();
}

#[test]
fn certificates_are_verified_by_the_systems_roots() {
    let folder = Folder::new("");
    let receiver = Tls::start(&folder);
    folder.write("config.toml", &config(&format!("https://localhost:{}/hook", receiver.port), ""));
    let server = folder.serve();
    server.post(&alert("k"));
    let answer = answer(&server);
    assert!(answer.to_lowercase().contains("certificate"), "{answer}");
    server.kill();

    std::fs::remove_file(folder.path("firebell.db")).unwrap();
    let mut command = folder.firebell(&["serve"]);
    command.env("SSL_CERT_FILE", folder.path("cert.pem"));
    let server = Server::start(command);
    server.post(&alert("k"));
    server.wait_for("notification delivered");
    assert_eq!(server.get("/api/v1/notifications")["items"][0]["state"], "told");
}

/// A receiver with a certificate of its own making.
struct Tls {
    process: Child,
    port: u16,
}

impl Tls {
    fn start(folder: &Folder) -> Self {
        let (key, certificate) = (folder.path("key.pem"), folder.path("cert.pem"));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=localhost"])
            .args([
                "-addext",
                "subjectAltName=DNS:localhost",
                "-addext",
                "basicConstraints=critical,CA:FALSE",
            ])
            .args(["-keyout".as_ref(), key.as_os_str(), "-out".as_ref(), certificate.as_os_str()])
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let script = "import http.server, ssl, sys
class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers['Content-Length']))
        self.send_response(204)
        self.end_headers()
server = http.server.HTTPServer(('127.0.0.1', 0), Receiver)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()";
        let mut process = Command::new("python3")
            .args(["-c", script])
            .args([certificate, key])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { process, port: line.trim().parse().unwrap() }
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
