//! A real PostgreSQL on a free port, in a folder of its own, as a user without rights.

use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// The server runs as nobody where the tests run as root: it refuses root.
const NOBODY: u32 = 65534;
pub(crate) const PASSWORD: &str = "ro:s/e@22";

/// Lets in `camhook` with [`PASSWORD`], and speaks TLS with a certificate of its own.
pub(crate) struct Database {
    folder: TempDir,
    port: u16,
    child: Option<Child>,
}

impl Database {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        let key = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        for (name, text) in [
            ("password", PASSWORD.to_owned()),
            ("server.pem", key.cert.pem()),
            ("server.key", key.signing_key.serialize_pem()),
        ] {
            let file = here.join(name);
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
            give(&file);
        }
        give(here);
        let made = unprivileged("initdb", here)
            .args([
                "--no-sync",
                "--auth=scram-sha-256",
                "--username=camhook",
                "--encoding=UTF8",
            ])
            .args(["--pwfile=password", "--pgdata=data"])
            .stdout(Stdio::null())
            .status();
        assert!(made.expect("PostgreSQL is installed").success());
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let mut database = Self {
            folder,
            port,
            child: None,
        };
        database.start_again().await;
        database
    }

    pub(crate) async fn start_again(&mut self) {
        let mut command = unprivileged("postgres", self.folder.path());
        command
            .args(["-D", "data", "-k", "", "-h", "127.0.0.1", "-p"])
            .arg(self.port.to_string())
            .args(["-c", "fsync=off", "-c", "ssl=on"])
            .args([
                "-c",
                "ssl_cert_file=../server.pem",
                "-c",
                "ssl_key_file=../server.key",
            ]);
        self.child = Some(command.stderr(Stdio::null()).spawn().unwrap());
        super::eventually("the database answers", async || {
            self.try_sql("SELECT 1").is_ok()
        })
        .await;
    }

    /// At once, as `pg_ctl stop -m fast`.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let kill = format!("kill -INT {}", child.id());
            assert!(
                Command::new("sh")
                    .args(["-c", &kill])
                    .status()
                    .unwrap()
                    .success()
            );
            child.wait().unwrap();
        }
    }

    pub(crate) fn url(&self) -> String {
        format!(
            "postgres://camhook:ro%3As%2Fe%4022@127.0.0.1:{}/postgres",
            self.port
        )
    }

    /// The certificate that the server shows.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.path().join("server.pem")
    }

    /// Rows by lines, columns by `|`.
    pub(crate) fn sql(&self, sql: &str) -> String {
        self.try_sql(sql).unwrap()
    }

    fn try_sql(&self, sql: &str) -> Result<String, String> {
        let output = Command::new(program("psql"))
            .args([
                "-qAtX",
                "-h",
                "127.0.0.1",
                "-U",
                "camhook",
                "-d",
                "postgres",
                "-p",
            ])
            .arg(self.port.to_string())
            .args(["-c", sql])
            .env("PGPASSWORD", PASSWORD)
            .output()
            .unwrap();
        match output.status.success() {
            true => Ok(String::from_utf8(output.stdout).unwrap().trim().to_owned()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.stop();
    }
}

fn is_root() -> bool {
    let told = Command::new("id").arg("-u").output().unwrap();
    told.stdout == b"0\n"
}

fn give(path: &Path) {
    if is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

fn unprivileged(name: &str, folder: &Path) -> Command {
    let mut command = Command::new(program(name));
    command.current_dir(folder).env("LC_ALL", "C");
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// Debian keeps the server's programs apart from the path.
fn program(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let mut found: Vec<PathBuf> = versions
        .map(|version| version.unwrap().path().join("bin").join(name))
        .filter(|program| program.exists())
        .collect();
    found.sort();
    found.pop().unwrap_or_else(|| name.into())
}
