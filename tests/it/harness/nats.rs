//! A real nats-server with JetStream on a free port, and a client of the tests' own.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Lets in `gate` (password `pas:s@word`), `narrow` (password `narrow`), who may publish to `camhook.open.>` alone, and
/// whoever signs with [`SEED`]. Takes messages of 64 KiB.
pub(crate) struct Nats {
    folder: TempDir,
    port: u16,
    tls: bool,
    child: Option<Child>,
}

/// An nkey that nobody uses: its secret is 32 times 7.
pub(crate) const SEED: &str = "SUAAOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBZ5FE";
const PUBLIC: &str = "UDVEU3DD4KOFECV66VIHWEZOYX4ZKR3WV27L464SIIPOU2IUI3JCYSJF";

impl Nats {
    pub(crate) async fn start() -> Self {
        Self::with(false).await
    }

    /// With a certificate of its own, and not without TLS.
    pub(crate) async fn encrypted() -> Self {
        Self::with(true).await
    }

    async fn with(tls: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        let key = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        std::fs::write(here.join("server.pem"), key.cert.pem()).unwrap();
        let signing = key.signing_key.serialize_pem();
        std::fs::write(here.join("server.key"), signing).unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let here = here.display();
        let more = match tls {
            true => {
                format!(
                    "tls {{ cert_file: \"{here}/server.pem\", key_file: \"{here}/server.key\" }}"
                )
            }
            false => String::new(),
        };
        let conf = format!(
            "listen: 127.0.0.1:{port}\nmax_payload: 65536\njetstream {{ store_dir: \"{here}/store\" }}\n\
             authorization {{ users = [\n  {{ user: gate, password: \"pas:s@word\" }}\n  {{ user: narrow, password: narrow, \
             permissions: {{ publish: [\"camhook.open.>\"], subscribe: [\"_INBOX_narrow.>\"] }} }}\n  {{ nkey: {PUBLIC} }}\n] }}\n{more}\n"
        );
        std::fs::write(folder.path().join("nats.conf"), conf).unwrap();
        let mut server = Self {
            folder,
            port,
            tls,
            child: None,
        };
        server.start_again().await;
        server
    }

    pub(crate) async fn start_again(&mut self) {
        let child = Command::new("/usr/sbin/nats-server")
            .arg("-c")
            .arg(self.folder.path().join("nats.conf"))
            .stderr(Stdio::null())
            .spawn();
        self.child = Some(child.expect("nats-server is installed"));
        super::eventually("the server listens", async || {
            TcpStream::connect(("127.0.0.1", self.port)).await.is_ok()
        })
        .await;
        if !self.tls {
            super::eventually("JetStream answers", async || {
                let client = Client::connect(self.port).await;
                client.is_some()
            })
            .await;
        }
    }

    /// `kill -9`: what a client was told is in the stream has to be there afterwards.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// `user` and `password` as they stand in an address.
    pub(crate) fn url(&self, user: &str, password: &str) -> String {
        let scheme = if self.tls { "tls" } else { "nats" };
        format!("{scheme}://{user}:{password}@127.0.0.1:{}", self.port)
    }

    /// Of the user that may do everything.
    pub(crate) fn open_url(&self) -> String {
        self.url("gate", "pas%3As%40word")
    }

    pub(crate) fn bare_url(&self) -> String {
        let scheme = if self.tls { "tls" } else { "nats" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// The certificate that the server shows.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.path().join("server.pem")
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.port).await.unwrap()
    }

    /// Makes the stream `PLATES` for these subjects.
    pub(crate) async fn stream(&self, subjects: &str) {
        let wanted = json!({
            "name": "PLATES", "subjects": [subjects], "retention": "limits", "storage": "file", "discard": "old",
            "max_consumers": -1, "max_msgs": -1, "max_bytes": -1, "max_age": 0, "max_msg_size": -1, "num_replicas": 1,
            "duplicate_window": 600_000_000_000_u64,
        });
        let made = self.client().await.ask("STREAM.CREATE.PLATES", &wanted);
        let made = made.await.unwrap();
        assert!(made["error"].is_null(), "{made}");
    }

    /// How many messages the stream holds.
    pub(crate) async fn count(&self) -> u64 {
        let all = json!({});
        let told = self.client().await.ask("STREAM.INFO.PLATES", &all);
        told.await.unwrap()["state"]["messages"].as_u64().unwrap()
    }

    /// A message of the stream: its subject, headers, and payload.
    pub(crate) async fn message(&self, place: u64) -> (String, String, Vec<u8>) {
        let wanted = json!({ "seq": place });
        let told = self.client().await.ask("STREAM.MSG.GET.PLATES", &wanted);
        let told = told.await.unwrap();
        let message = &told["message"];
        let bytes = |name: &str| BASE64.decode(message[name].as_str().unwrap_or("")).unwrap();
        let headers = String::from_utf8(bytes("hdrs")).unwrap();
        let subject = message["subject"].as_str().unwrap().to_owned();
        (subject, headers, bytes("data"))
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
    }
}

/// As `gate`, without TLS.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// None as long as JetStream does not answer.
    async fn connect(port: u16) -> Option<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        let mut client = Self {
            stream: BufReader::new(stream),
        };
        let hello = json!({
            "verbose": false, "user": "gate", "pass": "pas:s@word", "headers": true, "no_responders": true,
        });
        client
            .say(&format!("CONNECT {hello}\r\nSUB answers 1\r\nPING\r\n"))
            .await?;
        let told = client.ask_in("INFO", &json!({})).await?;
        told["error"].is_null().then_some(client)
    }

    async fn say(&mut self, text: &str) -> Option<()> {
        self.stream.get_mut().write_all(text.as_bytes()).await.ok()
    }

    /// Of JetStream's interface.
    async fn ask(mut self, what: &str, of: &Value) -> Option<Value> {
        self.ask_in(what, of).await
    }

    async fn ask_in(&mut self, what: &str, of: &Value) -> Option<Value> {
        let text = of.to_string();
        let size = text.len();
        self.say(&format!("PUB $JS.API.{what} answers {size}\r\n{text}\r\n"))
            .await?;
        let (_, payload) = self.heard(Duration::from_secs(60)).await?;
        serde_json::from_slice(&payload).ok()
    }

    /// Hears what is published from now on.
    pub(crate) async fn listen(mut self, subject: &str) -> Self {
        self.say(&format!("SUB {subject} 2\r\nPING\r\n"))
            .await
            .unwrap();
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).await.unwrap();
            if line.starts_with("PONG") {
                return self;
            }
        }
    }

    /// The next message: its subject, and its payload without headers.
    pub(crate) async fn heard(&mut self, within: Duration) -> Option<(String, Vec<u8>)> {
        tokio::time::timeout(within, async {
            loop {
                let mut line = String::new();
                if self.stream.read_line(&mut line).await.ok()? == 0 {
                    return None;
                }
                let words: Vec<&str> = line.split_whitespace().collect();
                let head: usize = match words.first() {
                    Some(&"HMSG") => words[words.len() - 2].parse().unwrap(),
                    Some(&"MSG") => 0,
                    _ => continue,
                };
                let size: usize = words[words.len() - 1].parse().unwrap();
                let mut bytes = vec![0; size + 2];
                self.stream.read_exact(&mut bytes).await.ok()?;
                bytes.truncate(size);
                return Some((words[1].to_owned(), bytes.split_off(head)));
            }
        })
        .await
        .ok()?
    }
}
