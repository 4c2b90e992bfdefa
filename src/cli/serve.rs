//! `firebell serve`: the service in the foreground, driven by signals.

use std::path::Path;

use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::filter::LevelFilter;

use super::{Failure, Outcome, load, text};
use crate::app::App;
use crate::clock::Clock;
use crate::config::{Log, LogFormat, LogLevel};
use crate::outbound::Outbound;

/// SIGXFSZ, where Rust runs on Linux, BSD and macOS, but for MIPS.
const FILE_TOO_LARGE: i32 = 25;

pub fn run(flag: Option<&Path>) -> Outcome {
    let (path, config) = load(flag)?;
    start_log(config.log);
    // Before the service starts, so that no signal finds the process without a handler.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = runtime.block_on(async { Signals::new() })?;
    let app = App::start(config, Clock::System, Outbound::network())?;
    text::complain(&format!("listening on http://{}", app.addr()));
    notify(&[NotifyState::Ready]);
    loop {
        match runtime.block_on(signals.next(&app)) {
            Event::Reload => reload(&app, &path),
            Event::Stop => break,
            Event::Died => {
                app.stop();
                return Err(Failure("a thread has died of a bug, which the log tells of; stopping".into()));
            }
        }
    }
    notify(&[NotifyState::Stopping]);
    tracing::info!("stopping; a second signal ends it at once");
    std::thread::spawn(move || {
        runtime.block_on(signals.stop());
        std::process::exit(1);
    });
    app.stop();
    Ok(())
}

enum Event {
    Reload,
    Stop,
    Died,
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        // A limit on the size of files (`ulimit -f`) would end the process. Once the signal is taken, which stays so, a
        // write beyond the limit fails as on a full disk.
        drop(signal(SignalKind::from_raw(FILE_TOO_LARGE))?);
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self, app: &App) -> Event {
        tokio::select! {
            _ = self.terminate.recv() => Event::Stop,
            _ = self.interrupt.recv() => Event::Stop,
            _ = self.hangup.recv() => Event::Reload,
            () = app.died() => Event::Died,
        }
    }

    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn reload(app: &App, path: &Path) {
    // A `Type=notify` unit is told of both ends; without systemd this does nothing.
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        notify(&[NotifyState::Reloading, now]);
    }
    let loaded = crate::config::load(path, &|name| std::env::var(name).ok());
    match loaded
        .map_err(|problems| problems.to_string())
        .and_then(|config| app.reload(config).map_err(|error| error.to_string()))
    {
        Ok(()) => tracing::info!(path = %path.display(), "the configuration was reloaded"),
        Err(problems) => {
            tracing::error!("the configuration was not reloaded; the old one stays in force:\n{problems}")
        }
    }
    notify(&[NotifyState::Ready]);
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd was not notified");
    }
}

fn start_log(log: Log) {
    let level = match log.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let log_to =
        tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(level).with_ansi(colours);
    match log.format {
        LogFormat::Text => log_to.with_target(false).init(),
        LogFormat::Json => log_to.json().flatten_event(true).init(),
    }
}
