//! A real mail server (aiosmtpd) on a free port.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command};

use serde_json::Value;
use tempfile::TempDir;

/// Lets in `gate` with the password `pas:s@word`, after STARTTLS alone. Takes mails for all but `never…`, and for `later…`
/// the second time.
pub(crate) struct MailServer {
    folder: TempDir,
    port: u16,
    child: Child,
}

impl MailServer {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        std::fs::write(folder.path().join("server.pem"), key.cert.pem()).unwrap();
        let signing = key.signing_key.serialize_pem();
        std::fs::write(folder.path().join("server.key"), signing).unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let script = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/it/harness/mail_server.py"
        );
        let child = Command::new("/usr/bin/python3")
            .arg(script)
            .arg(folder.path())
            .arg(port.to_string())
            .spawn()
            .expect("python3 is installed");
        let server = Self {
            folder,
            port,
            child,
        };
        super::eventually("the mail server listens", async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port))
                .await
                .is_ok()
        })
        .await;
        server
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The certificate that the server shows.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.path().join("server.pem")
    }

    /// What it took, in order: `from`, `to`, `tls` and `mail`.
    pub(crate) fn mails(&self) -> Vec<Value> {
        let file = |n: usize| self.folder.path().join(format!("mail-{n}.json"));
        (1..)
            .map_while(|n| std::fs::read_to_string(file(n)).ok())
            .map(|text| serde_json::from_str(&text).unwrap())
            .collect()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
