//! The running service as an object: start, addr, reload, stop. Stopping undoes the steps of starting in reverse; a
//! start that fails halfway is undone by the same path.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{oneshot, watch};

use crate::clock::Clock;
use crate::config::Config;
use crate::error::Error;
use crate::handler::{Handler, Live};
use crate::notify::{Notifier, Setup};
use crate::outbound::Outbound;
use crate::server;
use crate::store::{Names, Options, Store};

/// How often the store looks after itself.
const UPKEEP: Duration = Duration::from_secs(60);

/// How often it is looked who is late, and who has to be told that all is well.
const TICK: Duration = Duration::from_secs(1);

/// How often what senders delivered goes to the store.
const HAND_OVER: Duration = Duration::from_secs(1);

/// Why the service did not start, or did not take a configuration: what, where, and what to do about it.
#[derive(Debug)]
pub struct AppError(String);

impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for AppError {}

/// A running Firebell.
#[derive(Debug)]
pub struct App {
    addr: SocketAddr,
    handler: Arc<Handler>,
    notifier: Arc<Notifier>,
    store: Arc<Store>,
    runtime: Handle,
    stop: Option<oneshot::Sender<()>>,
    http: Option<JoinHandle<()>>,
    /// Something whose sender is gone when the HTTP thread is.
    serving: watch::Receiver<()>,
}

impl App {
    /// Opens the store, listens, and serves until it is stopped. The sockets are served by one thread, the store is
    /// written by another: on the few cores of the machines that this is for, more of either only get in the way.
    ///
    /// # Errors
    /// When the store cannot be opened or the address not be listened on; nothing is left behind then.
    pub fn start(config: Config, clock: Clock, outbound: Outbound) -> Result<Self, AppError> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            // One more than readers, so that no answer of a watchdog is waited for in a reader's place.
            .max_blocking_threads(config.limits.readers as usize + 1)
            .build()
            .map_err(|error| AppError(format!("cannot start the runtime: {error}")))?;
        // Before the store is touched: that an address is taken is the likelier mistake.
        let listener = runtime.block_on(TcpListener::bind(config.listen));
        let listener = listener.map_err(|error| cannot_listen(config.listen, &error))?;
        let addr = listener.local_addr().map_err(|error| cannot_listen(config.listen, &error))?;
        let store = Store::open(&Options::of(&config), clock.clone());
        let (store, answers) = store.map_err(|error| AppError(error.to_string()))?;
        let store = Arc::new(store);
        runtime.spawn(answers.run());
        warn_of_proxy(&config);
        let learned = runtime.block_on(store.learn(names_of(&config)));
        learned.map_err(|error| cannot_write(&config.store.path, &error))?;

        let handler =
            Arc::new(Handler::new(Live::new(config, addr), Arc::clone(&store), clock.clone(), outbound));
        let loaded = runtime.block_on(handler.load_sessions());
        loaded.map_err(|error| AppError(format!("cannot read the store: {error}")))?;
        let live = handler.live();
        let setup = Setup::new(&live.config, &live.public_url, Some(store.link_key()));
        let told = handler.metrics().notify.clone();
        let notifier = Arc::new(Notifier::new(Arc::clone(&store), clock, told, setup));
        let (stop, stopped) = oneshot::channel();
        let handle = runtime.handle().clone();
        let serving =
            serve(listener, Arc::clone(&handler), Arc::clone(&notifier), Arc::clone(&store), stopped);
        let thread = std::thread::Builder::new().name("http".into());
        let (life, alive) = watch::channel(());
        let http = thread.spawn(move || {
            let _life = life;
            runtime.block_on(serving);
        });
        let http = http.map_err(|error| AppError(format!("cannot start the HTTP thread: {error}")))?;
        Ok(Self {
            addr,
            handler,
            notifier,
            store,
            runtime: handle,
            stop: Some(stop),
            http: Some(http),
            serving: alive,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Puts another configuration in force, for all but the listener, the store and the limits of sockets. What can
    /// fail comes first; requests under way finish with the old one.
    ///
    /// # Errors
    /// When the store cannot take the new names; the old configuration stays in force then.
    pub fn reload(&self, config: Config) -> Result<(), AppError> {
        let old = self.handler.live();
        for (what, changed) in [
            ("listen", old.config.listen != config.listen),
            ("[store]", old.config.store != config.store),
            ("[limits]", old.config.limits != config.limits),
            ("[log]", old.config.log != config.log),
        ] {
            if changed {
                tracing::warn!("`{what}` has changed; that takes a restart, the rest is in force now");
            }
        }
        let learned = self.runtime.block_on(self.store.learn(names_of(&config)));
        learned.map_err(|error| cannot_write(&old.config.store.path, &error))?;
        warn_of_proxy(&config);
        // What takes a restart stays what it is, whatever the file says now: the loopback rules follow the listener
        // that there is.
        let Config { listen, store, limits, log, .. } = old.config.clone();
        let live = Live::new(Config { listen, store, limits, log, ..config }, self.addr);
        self.notifier.replace(Setup::new(&live.config, &live.public_url, Some(self.store.link_key())));
        self.handler.replace(live);
        Ok(())
    }

    /// Does now what the store does every minute.
    ///
    /// # Errors
    /// When the store cannot take it now.
    pub fn upkeep(&self) -> Result<(), Error> {
        self.runtime.block_on(self.store.upkeep(&self.handler.live().config))
    }

    /// Does now what is done every second: looks which heartbeats are missed, and tells the watchdog that all is well.
    pub fn tick(&self) {
        self.runtime.block_on(async {
            self.handler.check_heartbeats().await;
            self.handler.tell_watchdog().await;
        });
    }

    /// Resolves when a thread has died, which only a bug does to it: from then on nothing can be acknowledged.
    pub async fn died(&self) {
        let mut serving = self.serving.clone();
        tokio::select! {
            () = self.store.writer_ended() => {}
            // Nothing is ever sent: the only news is that the sender is gone.
            _ = serving.changed() => {}
        }
    }

    /// Stops: no more connections, an answer to every request under way, every accepted write on disk.
    pub fn stop(mut self) {
        self.undo();
    }

    fn undo(&mut self) {
        if let Some(stop) = self.stop.take() {
            // The thread has ended by itself: then there is nothing to tell it.
            stop.send(()).ok();
        }
        if self.http.take().is_some_and(|http| http.join().is_err()) {
            tracing::error!("the HTTP thread had died of a bug");
        }
        // After the last request, so that none is refused that was read.
        self.store.close();
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.undo();
    }
}

async fn serve(
    listener: TcpListener,
    handler: Arc<Handler>,
    notifier: Arc<Notifier>,
    store: Arc<Store>,
    stopped: oneshot::Receiver<()>,
) {
    let limit = handler.live().config.limits.shutdown_timeout;
    let teller = Arc::clone(&notifier);
    let mut notifying = tokio::spawn(async move { teller.run().await });
    let mut upkeep = tokio::spawn(look_after(Arc::clone(&handler), store));
    let teller = Arc::clone(&handler);
    let mut telling = tokio::spawn(async move { teller.tell().await });
    let mut keeping = tokio::spawn(keep(Arc::clone(&handler)));
    let mut watching = tokio::spawn(watch_over(Arc::clone(&handler)));
    server::serve(listener, Arc::clone(&handler), async {
        tokio::select! {
            // An error means that the app is gone.
            _ = stopped => {}
            // These four end only of a bug. A server that serves and forgets is worse than one that is started anew.
            _ = &mut upkeep => {}
            _ = &mut telling => {}
            _ = &mut keeping => {}
            _ = &mut notifying => {}
            _ = &mut watching => {}
        }
        // At once: attempts under way have as long as requests have.
        notifier.stop();
    })
    .await;
    // What is under way when the time is up is told again after the next start, under the same id.
    if tokio::time::timeout(limit, &mut notifying).await.is_err() {
        notifying.abort();
    }
    watching.abort();
    // Before its task is ended, which may be at it: what was delivered last is to outlive the process.
    handler.hand_over_last_deliveries().await;
    keeping.abort();
    telling.abort();
    upkeep.abort();
}

async fn look_after(handler: Arc<Handler>, store: Arc<Store>) {
    let mut every = tokio::time::interval(UPKEEP);
    loop {
        every.tick().await;
        if let Err(error) = store.upkeep(&handler.live().config).await {
            tracing::warn!(%error, cause = error.cause().map(tracing::field::display), "upkeep failed; it is tried again in a minute");
        }
    }
}

/// Side by side: a watchdog that is slow to answer delays nothing.
async fn watch_over(handler: Arc<Handler>) {
    let beating = async {
        let mut every = tokio::time::interval(TICK);
        loop {
            every.tick().await;
            handler.check_heartbeats().await;
        }
    };
    let telling = async {
        let mut every = tokio::time::interval(TICK);
        loop {
            every.tick().await;
            handler.tell_watchdog().await;
        }
    };
    tokio::join!(beating, telling);
}

async fn keep(handler: Arc<Handler>) {
    let mut every = tokio::time::interval(HAND_OVER);
    loop {
        every.tick().await;
        handler.hand_over_deliveries().await;
    }
}

fn names_of(config: &Config) -> Names {
    let services = config.registry.services().iter();
    let integrations = config.registry.integrations().iter();
    Names {
        services: services.map(|service| (service.id.clone(), service.name.clone())).collect(),
        integrations: integrations.map(|one| (one.name.clone(), one.formerly.clone())).collect(),
        routing: Arc::clone(&config.routing),
        notify: config.notify,
        heartbeats: config.registry.heartbeats().to_vec(),
    }
}

/// A proxy on this machine makes everybody local.
fn warn_of_proxy(config: &Config) {
    if config.registry.tokens().is_empty() && !config.has_local_public_url() {
        tracing::warn!(
            public_url = config.public_url,
            "there are no [[tokens]]: whoever reaches this server through a proxy may read and change every incident"
        );
    }
}

fn cannot_write(path: &Path, error: &Error) -> AppError {
    let cause = error.cause().map_or_else(|| error.to_string(), ToString::to_string);
    AppError(format!(
        "cannot write the store {}: {cause}; check its permissions and the disk",
        path.display()
    ))
}

fn cannot_listen(addr: SocketAddr, error: &std::io::Error) -> AppError {
    let hint = match error.kind() {
        std::io::ErrorKind::AddrInUse => "something else listens there, maybe another Firebell",
        std::io::ErrorKind::PermissionDenied => "ports below 1024 need a privilege; choose another",
        _ => "check that this machine has the address",
    };
    AppError(format!("cannot listen on {addr}: {error}; {hint} (`listen`, FIREBELL_LISTEN)"))
}
