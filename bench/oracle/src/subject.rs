//! camhook as its users run it: the real binary, killed and started, with a wall clock that can be set.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Starting means rebuilding the index now and then, on a machine that has other things to do.
const STARTS_WITHIN: Duration = Duration::from_secs(300);

/// Where Debian puts libfaketime.
const LIBFAKETIME: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];

/// The folder of one camhook, its binary and its clock.
pub struct Home {
    pub binary: PathBuf,
    pub folder: PathBuf,
    library: PathBuf,
}

/// A started camhook.
pub struct Subject {
    child: Child,
    pid: u32,
}

/// Where it listens.
#[derive(Debug, Clone)]
pub struct Addresses {
    pub server: String,
    pub admin: String,
}

impl Home {
    /// # Errors
    /// When there is no libfaketime, or the folder cannot be written.
    pub fn new(binary: &Path, folder: &Path) -> Result<Self, String> {
        let library = LIBFAKETIME.iter().map(Path::new).find(|path| path.exists());
        let library = library.ok_or(
            "libfaketime is missing, and without it the clock cannot be set: apt-get install libfaketime",
        )?;
        std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
        let home = Self {
            binary: binary.to_owned(),
            folder: folder.to_owned(),
            library: library.to_owned(),
        };
        home.set_clock(0)?;
        Ok(home)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), String> {
        let path = self.folder.join(name);
        let new = self.folder.join(format!("{name}.new"));
        std::fs::write(&new, text)
            .and_then(|()| std::fs::rename(&new, &path))
            .map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Sets camhook's wall clock so many seconds away from the right time; it sees that within a second.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set_clock(&self, offset: i64) -> Result<(), String> {
        self.write("clock", &format!("{offset:+}"))
    }

    /// # Errors
    /// When the file cannot be written.
    pub fn write_routes(&self, yaml: &str) -> Result<(), String> {
        self.write("routes.yaml", yaml)
    }

    /// Removes the index; it can be derived from the log.
    pub fn delete_index(&self) {
        for name in ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm"] {
            let _ = std::fs::remove_file(self.folder.join("data").join(name));
        }
    }

    fn log(&self) -> Result<File, String> {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.join("log.txt"))
            .map_err(|error| error.to_string())
    }

    /// # Errors
    /// When the binary cannot be run.
    pub fn spawn(&self) -> Result<Subject, String> {
        let mut command = Command::new(&self.binary);
        command
            .arg("run")
            .current_dir(&self.folder)
            .env("LD_PRELOAD", &self.library)
            .env("FAKETIME_TIMESTAMP_FILE", self.folder.join("clock"))
            .env("FAKETIME_CACHE_DURATION", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("DONT_FAKE_MONOTONIC", "1")
            .env("NO_FAKE_STAT", "1")
            .stdout(Stdio::piped())
            .stderr(self.log()?)
            .kill_on_drop(true);
        let child = command
            .spawn()
            .map_err(|error| format!("{}: {error}", self.binary.display()))?;
        let pid = child.id().ok_or("it has ended already")?;
        Ok(Subject { child, pid })
    }

    /// Runs a command of the command line against the running camhook, and returns what it prints.
    ///
    /// # Errors
    /// When it fails.
    pub async fn cli(&self, admin: &str, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new(&self.binary)
            .current_dir(&self.folder)
            .args(["--admin", &format!("http://{admin}")])
            .args(arguments)
            .output()
            .await
            .map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let told = String::from_utf8_lossy(&output.stderr);
        Err(format!("camhook {}: {told}", arguments.join(" ")))
    }

    /// The end of its log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let text = std::fs::read(self.folder.join("log.txt")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines: Vec<&str> = text.lines().rev().take(20).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Subject {
    /// Waits until it has told where it listens.
    ///
    /// # Errors
    /// When it ends before.
    pub async fn greets(&mut self) -> Result<Addresses, String> {
        let output = self.child.stdout.take().ok_or("it was asked already")?;
        let mut lines = BufReader::new(output).lines();
        let mut found = Vec::new();
        let reading = async {
            while found.len() < 2 {
                let line = lines.next_line().await.ok().flatten();
                let line = line.ok_or("it ended before it told its addresses")?;
                let wanted = if found.is_empty() {
                    "post to"
                } else {
                    "look at"
                };
                if line.contains(wanted)
                    && let Some((_, rest)) = line.split_once("http://")
                {
                    let end = rest.find(['/', ' ']).unwrap_or(rest.len());
                    found.push(rest[..end].to_owned());
                }
            }
            Ok(())
        };
        tokio::time::timeout(STARTS_WITHIN, reading)
            .await
            .unwrap_or(Err("it did not start in time"))?;
        // The pipe stays open, so that a later line does not end it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let admin = found.pop().unwrap_or_default();
        let server = found.pop().unwrap_or_default();
        Ok(Addresses { server, admin })
    }

    /// Whether it has ended by itself, and how.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// `kill -9`.
    pub async fn kill(mut self) {
        let _ = self.child.kill().await;
        self.sweep();
    }

    /// Sends a signal by its name.
    pub async fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.pid);
        let _ = Command::new("sh").args(["-c", &kill]).status().await;
    }

    /// Waits for its end; `None` when that takes longer than `patience`.
    pub async fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let ended = tokio::time::timeout(patience, self.child.wait()).await;
        let status = ended.ok()?.ok();
        self.sweep();
        status
    }

    /// libfaketime leaves these behind when its process is killed.
    fn sweep(&self) {
        for name in ["faketime_shm_", "sem.faketime_sem_"] {
            let _ = std::fs::remove_file(format!("/dev/shm/{name}{}", self.pid));
        }
    }
}
