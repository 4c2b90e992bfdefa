//! Handing a mail to its server.

use std::cell::Cell;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::response::Response;
use tokio::sync::oneshot;

use super::address;
use super::letter::Letter;
use crate::channel::{Encryption, Login, MailServer, Stage, Verdict, VerdictKind};

/// How long a server that has answered may take to say goodbye.
const GOODBYE: Duration = Duration::from_millis(500);

/// Hands mails to their servers, verifying TLS by the system's roots. No connection is kept.
#[derive(Clone, Copy, Debug)]
pub struct Mailer {
    timeout: Duration,
    refuse_private: bool,
}

/// Why there is no mail: what was going on, the server's code if it was its answer, and what it or we say of it.
struct Refusal {
    stage: Stage,
    code: Option<u16>,
    text: String,
}

impl Mailer {
    /// One whose attempts take no longer than `timeout`; whether it refuses addresses that are no public ones.
    #[must_use]
    pub const fn new(timeout: Duration, refuse_private: bool) -> Self {
        Self { timeout, refuse_private }
    }

    /// Hands over a mail from a thread of its own: names are resolved and certificates read by what blocks.
    pub async fn send(self, letter: Letter) -> Verdict {
        let (done, verdict) = oneshot::channel();
        let later = |text: String| Verdict { kind: VerdictKind::Later(None), text };
        let thread = std::thread::Builder::new().name("mail".into());
        if let Err(error) = thread.spawn(move || self.deliver(&letter, done)) {
            return later(format!("no thread to send it from: {error}"));
        }
        // The thread ends by itself, but for a resolver that does not answer.
        let patience = self.timeout * 2;
        match tokio::time::timeout(patience, verdict).await {
            Ok(Ok(verdict)) => verdict,
            Ok(Err(_)) => later("the sending thread died of a bug".into()),
            Err(_) => later(format!("no connection within {patience:?} (does the name resolve?)")),
        }
    }

    fn deliver(self, letter: &Letter, done: oneshot::Sender<Verdict>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => {
                done.send(Refusal::ours(Stage::Connecting, error).verdict()).ok();
                return;
            }
        };
        runtime.block_on(async {
            let (verdict, connection) = self.exchange(letter).await;
            // What became of the mail is known, whatever comes of the farewell.
            done.send(verdict).ok();
            if let Some(mut connection) = connection {
                tokio::time::timeout(GOODBYE, connection.quit()).await.ok();
            }
        });
    }

    /// What became of the mail, and the connection if it is one to say goodbye on.
    async fn exchange(self, letter: &Letter) -> (Verdict, Option<AsyncSmtpConnection>) {
        let stage = Cell::new(Stage::Connecting);
        let talk = async {
            let mut connection = match self.open(letter, &stage).await {
                Ok(connection) => connection,
                Err(refusal) => return (refusal.verdict(), None),
            };
            let verdict = hand_over(&mut connection, letter, &stage).await;
            (verdict.unwrap_or_else(Refusal::verdict), Some(connection))
        };
        tokio::time::timeout(self.timeout, talk).await.unwrap_or_else(|_| {
            let text = format!("no answer within {:?}", self.timeout);
            (Refusal::ours(stage.get(), text).verdict(), None)
        })
    }

    /// A connection on which a mail may be sent.
    async fn open(self, letter: &Letter, stage: &Cell<Stage>) -> Result<AsyncSmtpConnection, Refusal> {
        let MailServer { host, port, encryption, login } = &letter.server;
        let addresses = self.resolve(host, *port).map_err(|error| Refusal::ours(Stage::Connecting, error))?;
        let tls = match encryption {
            Encryption::None => None,
            // It is the name that is verified, whatever the address.
            Encryption::Tls | Encryption::StartTls => Some(TlsParameters::new(host.clone())),
        };
        let tls = tls.transpose().map_err(|error| Refusal::of(Stage::Encrypting, &error))?;
        let (at_once, then) = if *encryption == Encryption::Tls { (tls, None) } else { (None, tls) };
        // An address where nobody is must leave time for the next.
        let each = self.timeout / u32::try_from(addresses.len()).unwrap_or(1).max(1);
        let connected = AsyncSmtpConnection::connect_tokio1(
            addresses.as_slice(),
            Some(each),
            &letter.hello,
            at_once,
            None,
        );
        let mut connection = connected.await.map_err(|error| Refusal::of(Stage::Connecting, &error))?;
        if let Some(tls) = then {
            stage.set(Stage::Encrypting);
            if !connection.can_starttls() {
                let text = "the server does not offer STARTTLS; use smtps:// for TLS from the start, or ?tls=none for none";
                return Err(Refusal::ours(Stage::Encrypting, text));
            }
            let started = connection.starttls(tls, &letter.hello).await;
            started.map_err(|error| Refusal::of(Stage::Encrypting, &error))?;
        }
        if let Some(login) = login {
            stage.set(Stage::LoggingIn);
            log_in(&mut connection, login).await?;
        }
        Ok(connection)
    }

    fn resolve(self, host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
        let found = (host, port).to_socket_addrs().map_err(|error| format!("{host}: {error}"))?;
        let addresses: Vec<SocketAddr> = found.collect();
        if self.refuse_private {
            address::all_public(addresses.iter().map(SocketAddr::ip))?;
        }
        Ok(addresses)
    }
}

async fn log_in(connection: &mut AsyncSmtpConnection, login: &Login) -> Result<(), Refusal> {
    const KNOWN: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];
    if connection.server_info().get_auth_mechanism(&KNOWN).is_none() {
        let text = "the server offers none of the ways known here, PLAIN and LOGIN";
        return Err(Refusal::ours(Stage::LoggingIn, text));
    }
    let credentials = Credentials::new(login.user.clone(), login.password.clone());
    let answer = connection.auth(&KNOWN, &credentials).await;
    answer.map(|_| ()).map_err(|error| Refusal::of(Stage::LoggingIn, &error))
}

/// Those who are refused are named, and the others get it: a mailbox that is full must keep it from nobody else.
async fn hand_over(
    connection: &mut AsyncSmtpConnection,
    letter: &Letter,
    stage: &Cell<Stage>,
) -> Result<Verdict, Refusal> {
    stage.set(Stage::Sender);
    let sender = connection.command(Mail::new(Some(letter.from.clone()), Vec::new())).await;
    sender.map_err(|error| Refusal::of(Stage::Sender, &error))?;
    stage.set(Stage::Recipient);
    let mut refused: Vec<(String, Refusal)> = Vec::new();
    for to in &letter.to {
        match connection.command(Rcpt::new(to.clone(), Vec::new())).await {
            Ok(_) => {}
            Err(error) if error.status().is_some() => {
                refused.push((to.to_string(), Refusal::of(Stage::Recipient, &error)));
            }
            Err(error) => return Err(Refusal::of(Stage::Recipient, &error)),
        }
    }
    if refused.len() == letter.to.len() {
        return Ok(nobody(&refused));
    }
    stage.set(Stage::Content);
    let ready = connection.command(Data).await.map_err(|error| Refusal::of(Stage::Content, &error))?;
    in_step(&ready, 3)?;
    let answer = connection.message(&letter.content).await;
    let answer = answer.map_err(|error| Refusal::of(Stage::Content, &error))?;
    in_step(&answer, 2)?;
    let text = answer.message().collect::<Vec<_>>().join(" ");
    let others = if refused.is_empty() { String::new() } else { format!("; refused: {}", named(&refused)) };
    let text = format!("{} {text}{others}", answer.code());
    Ok(Verdict { kind: VerdictKind::Taken, text })
}

/// Answers that were said before they were asked for, by somebody who sits before the TLS or by a server that is confused,
/// would be taken for those to later commands. `DATA` is answered by 3xx, and nothing else is: there it shows.
fn in_step(answer: &Response, class: u16) -> Result<(), Refusal> {
    let code = u16::from(answer.code());
    if code / 100 == class {
        return Ok(());
    }
    Err(Refusal::ours(Stage::Content, format!("{code} is no answer to that; the server is out of step")))
}

/// Nobody gets it: for good only if each was refused for good.
fn nobody(refused: &[(String, Refusal)]) -> Verdict {
    let judged = refused.iter().map(|(_, one)| one.stage.judge(one.code.unwrap_or_default(), &one.text));
    let is_final = judged.into_iter().all(|kind| kind == VerdictKind::Gone);
    let kind = if is_final { VerdictKind::Gone } else { VerdictKind::Later(None) };
    let text = match refused {
        [(_, one)] => format!("{} {}", one.code.unwrap_or_default(), one.text),
        several => format!("all recipients were refused: {}", named(several)),
    };
    Verdict { kind, text }
}

fn named(refused: &[(String, Refusal)]) -> String {
    let named =
        refused.iter().map(|(to, one)| format!("{to}: {} {}", one.code.unwrap_or_default(), one.text));
    named.collect::<Vec<_>>().join("; ")
}

impl Refusal {
    /// What the server said, or what became of the connection.
    fn of(stage: Stage, error: &Error) -> Self {
        let source = std::error::Error::source(error).map(ToString::to_string);
        let code = error.status().map(u16::from);
        let text = match source {
            Some(text) if error.is_response() => format!("what came is no answer: {text}"),
            Some(text) => text,
            None => error.to_string(),
        };
        Self { stage, code, text }
    }

    fn ours(stage: Stage, text: impl ToString) -> Self {
        Self { stage, code: None, text: text.to_string() }
    }

    fn verdict(self) -> Verdict {
        let Self { stage, code, text } = self;
        match code {
            Some(code) => Verdict { kind: stage.judge(code, &text), text: format!("{code} {text}") },
            None => Verdict { kind: VerdictKind::Later(None), text: format!("{}: {text}", stage.as_str()) },
        }
    }
}
