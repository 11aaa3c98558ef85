//! camhook as its users run it: the binary, in a folder of its own.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// The binary, with its folder as working directory.
pub(crate) fn camhook_command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_camhook"));
    command.current_dir(folder);
    command
}

/// A running camhook.
pub(crate) struct Process {
    child: Child,
    folder: PathBuf,
    pub(crate) url: String,
    /// Where HTTPS has an address of its own.
    pub(crate) secured: Option<String>,
    pub(crate) admin: String,
}

impl Process {
    /// Writes `routes.yaml` (listeners on free ports are added) and starts.
    pub(crate) fn start(folder: &Path, routes: &str) -> Self {
        let listeners = "server: { listen: 127.0.0.1:0 }\nadmin: { listen: 127.0.0.1:0 }\n";
        std::fs::write(folder.join("routes.yaml"), format!("{listeners}{routes}")).unwrap();
        Self::start_again(folder)
    }

    /// As [`Process::start`], with its log in the folder's `log.txt`.
    pub(crate) fn logging(folder: &Path, routes: &str) -> Self {
        let log = std::fs::File::create(folder.join("log.txt")).unwrap();
        let listeners = "server: { listen: 127.0.0.1:0 }\nadmin: { listen: 127.0.0.1:0 }\n";
        std::fs::write(folder.join("routes.yaml"), format!("{listeners}{routes}")).unwrap();
        Self::run(folder, log.into(), &[])
    }

    /// Starts in a folder where a `routes.yaml` lies, with variables in its environment and its log in `log.txt`.
    pub(crate) fn logging_with(folder: &Path, environment: &[(String, String)]) -> Self {
        let log = std::fs::File::create(folder.join("log.txt")).unwrap();
        Self::run(folder, log.into(), environment)
    }

    /// As [`Process::logging`], under limits that a shell sets first.
    pub(crate) fn with_files(folder: &Path, routes: &str, limits: &str) -> Self {
        let log = std::fs::File::create(folder.join("log.txt")).unwrap();
        let listeners = "server: { listen: 127.0.0.1:0 }\nadmin: { listen: 127.0.0.1:0 }\n";
        std::fs::write(folder.join("routes.yaml"), format!("{listeners}{routes}")).unwrap();
        let mut command = Command::new("sh");
        command.current_dir(folder);
        command.args(["-c", &format!("{limits}; exec \"$0\" run")]);
        command.arg(env!("CARGO_BIN_EXE_camhook"));
        Self::began(folder, command, log.into(), &[])
    }

    /// Of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Starts in a folder where a `routes.yaml` lies.
    pub(crate) fn start_again(folder: &Path) -> Self {
        Self::run(folder, Stdio::inherit(), &[])
    }

    /// The same, with its log in a file.
    pub(crate) fn start_logging(folder: &Path, log: std::fs::File) -> Self {
        Self::run(folder, log.into(), &[])
    }

    /// The same, with variables in its environment.
    pub(crate) fn start_with(folder: &Path, environment: &[(String, String)]) -> Self {
        Self::run(folder, Stdio::inherit(), environment)
    }

    /// Runs another config than the folder's `routes.yaml`.
    pub(crate) fn run_with_config(folder: &Path, config: &str) -> Self {
        Self::run_by(folder, Stdio::inherit(), &[], &["--config", config])
    }

    fn run(folder: &Path, log: Stdio, environment: &[(String, String)]) -> Self {
        Self::run_by(folder, log, environment, &[])
    }

    fn run_by(
        folder: &Path,
        log: Stdio,
        environment: &[(String, String)],
        arguments: &[&str],
    ) -> Self {
        let mut command = camhook_command(folder);
        command.args(["run"]).args(arguments);
        Self::began(folder, command, log, environment)
    }

    fn began(
        folder: &Path,
        mut command: Command,
        log: Stdio,
        environment: &[(String, String)],
    ) -> Self {
        command.stdout(Stdio::piped()).stderr(log);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut secured = None;
        let mut address = |what: &str| loop {
            let line = lines
                .next()
                .expect("camhook ended before it told its addresses")
                .unwrap();
            let told = |rest: &str| {
                let at = rest.find("http").unwrap();
                let url = rest[at..].split_whitespace().next().unwrap();
                url.trim_end_matches(['/', '…']).to_owned()
            };
            if let Some((_, rest)) = line.split_once("or over TLS") {
                secured = Some(told(rest));
            }
            if let Some((_, rest)) = line.split_once(what) {
                break told(rest);
            }
        };
        let url = address("post to");
        let admin = address("look at");
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            folder: folder.to_owned(),
            url,
            secured,
            admin,
        }
    }

    /// Where every path of the front door begins; `url` is the first source's.
    pub(crate) fn root(&self) -> String {
        let url = reqwest::Url::parse(&self.url).unwrap();
        url.origin().ascii_serialization()
    }

    /// The front door's address alone, such as `127.0.0.1:8001`; `url` may go on with the first source's path.
    pub(crate) fn address(&self) -> &str {
        authority(&self.url)
    }

    /// The same where HTTPS has an address of its own.
    pub(crate) fn secured_address(&self) -> &str {
        let told = self.secured.as_deref();
        authority(told.expect("camhook told its address for HTTPS"))
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and waits until it has drained; its exit must be clean.
    pub(crate) fn stop(mut self) {
        self.signal("TERM");
        assert!(
            self.child.wait().unwrap().success(),
            "camhook ends with 0 after SIGTERM"
        );
    }

    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id()); // the shell's own: small machines have no other
        let done = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(done.success());
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Peak resident memory in KiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        self.status("VmHWM:")
    }

    /// Resident memory in KiB.
    pub(crate) fn memory(&self) -> u64 {
        self.status("VmRSS:")
    }

    fn status(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Open files and connections.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id()))
            .unwrap()
            .count()
    }

    /// Bytes that the store takes on disk.
    pub(crate) fn disk(&self) -> u64 {
        let files =
            ["data", "data/log"].map(|folder| std::fs::read_dir(self.folder.join(folder)).unwrap());
        let sizes = files
            .into_iter()
            .flatten()
            .map(|file| file.unwrap().metadata().unwrap());
        sizes
            .filter(std::fs::Metadata::is_file)
            .map(|file| std::os::unix::fs::MetadataExt::blocks(&file) * 512)
            .sum()
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = super::get(&format!("{}{path}", self.admin)).await;
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{path} answered {status}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// A command of the command line, talking to this camhook.
    pub(crate) fn cli(&self, arguments: &[&str]) -> Output {
        camhook_command(&self.folder)
            .args(["--admin", &self.admin])
            .args(arguments)
            .output()
            .unwrap()
    }

    /// A command's JSON Lines.
    pub(crate) fn rows(&self, arguments: &[&str]) -> Vec<Value> {
        let output = self.cli(&[arguments, &["--json"]].concat());
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

fn authority(url: &str) -> &str {
    url.split('/').nth(2).unwrap()
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
