//! Programs of Debian's packages: Prometheus and its Alertmanager. They end with the test.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::harness::{Folder, Killed, PATIENCE};

pub struct Program {
    _child: Killed,
    log: PathBuf,
}

impl Program {
    /// Starts it on a port that the system chooses.
    pub fn start(folder: &Folder, name: &str, arguments: &[String]) -> Self {
        let log_path = folder.path(&format!("{name}.log"));
        let log = File::create(&log_path).unwrap();
        let mut command = Command::new(name);
        command.args(arguments).arg("--web.listen-address=127.0.0.1:0").stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let child = command.spawn();
        let child = child.unwrap_or_else(|error| panic!("{name}: {error}; tests/run.sh installs it"));
        Self { _child: Killed(child), log: log_path }
    }

    /// An Alertmanager with that configuration.
    pub fn alertmanager(folder: &Folder, config: &str) -> Self {
        folder.write("alertmanager.yml", config);
        let path = |name: &str| folder.path(name).display().to_string();
        let arguments = [
            format!("--config.file={}", path("alertmanager.yml")),
            format!("--storage.path={}", path("alertmanager")),
            "--cluster.listen-address=".into(),
        ];
        Self::start(folder, "prometheus-alertmanager", &arguments)
    }

    /// Where it listens, once it does.
    pub fn addr(&self) -> SocketAddr {
        let until = Instant::now() + PATIENCE;
        loop {
            let said = std::fs::read_to_string(&self.log).unwrap();
            let listens = said.lines().find_map(|line| line.split_once("msg=\"Listening on\" address="));
            if let Some((_, addr)) = listens {
                return addr.parse().unwrap();
            }
            assert!(Instant::now() < until, "{said}");
            std::thread::yield_now();
        }
    }
}
