//! A real Mosquitto on a free port, in a folder of its own.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// A broker that lets everybody in, or one user.
pub(crate) struct Broker {
    folder: TempDir,
    port: u16,
    child: Option<Child>,
}

impl Broker {
    pub(crate) async fn start() -> Self {
        Self::with("allow_anonymous true").await
    }

    /// Lets in `ann` with the password `secret-of-ann` alone.
    pub(crate) async fn for_ann() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("passwords");
        let mut command = Command::new("mosquitto_passwd");
        let made = command
            .args(["-b", "-c"])
            .arg(&file)
            .args(["ann", "secret-of-ann"])
            .status();
        assert!(made.unwrap().success());
        readable(&file);
        let lines = format!("allow_anonymous false\npassword_file {}", file.display());
        Self::within(folder, &lines).await
    }

    async fn with(lines: &str) -> Self {
        Self::within(tempfile::tempdir().unwrap(), lines).await
    }

    async fn within(folder: TempDir, lines: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let conf = format!(
            "listener {port} 127.0.0.1\n{lines}\npersistence true\npersistence_location {}/\nuser {}\n",
            folder.path().display(),
            whoami()
        );
        std::fs::write(folder.path().join("mosquitto.conf"), conf).unwrap();
        let mut broker = Self {
            folder,
            port,
            child: None,
        };
        broker.start_again().await;
        broker
    }

    /// After [`Broker::stop`], with what it kept.
    pub(crate) async fn start_again(&mut self) {
        let mut command = Command::new("/usr/sbin/mosquitto");
        command
            .arg("-c")
            .arg(self.folder.path().join("mosquitto.conf"));
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.child = Some(child.expect("mosquitto is installed (apt-get install mosquitto)"));
        let port = self.port;
        super::eventually("the broker listens", async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port))
                .await
                .is_ok()
        })
        .await;
    }

    /// SIGTERM: it writes down what it keeps.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let kill = format!("kill -TERM {}", child.id());
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
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// Publishes and waits until the broker has confirmed it.
    pub(crate) async fn publish(&self, topic: &str, payload: &[u8]) {
        let mut client = Client::connect(self.port).await;
        client.publish(topic, payload).await;
    }

    /// The retained message of a topic.
    pub(crate) async fn retained(&self, topic: &str) -> Option<Vec<u8>> {
        let mut client = Client::connect(self.port).await;
        client.subscribe(topic).await;
        client
            .message(Duration::from_secs(5))
            .await
            .map(|(_, payload)| payload)
    }

    /// Hears what is published from now on.
    pub(crate) async fn listen(&self, filter: &str) -> Client {
        let mut client = Client::connect(self.port).await;
        client.subscribe(filter).await;
        client
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A client of the tests' own, so that nothing of camhook's is tested by itself.
pub(crate) struct Client {
    stream: tokio::net::TcpStream,
}

impl Client {
    async fn connect(port: u16) -> Self {
        let stream = tokio::net::TcpStream::connect(("127.0.0.1", port))
            .await
            .unwrap();
        let mut client = Self { stream };
        client.send(0x10, b"\0\x04MQTT\x04\x02\0\0\0\0").await;
        let (kind, body) = client.packet().await;
        assert_eq!(
            (kind, body),
            (0x20, vec![0, 0]),
            "the broker accepts the test"
        );
        client
    }

    async fn publish(&mut self, topic: &str, payload: &[u8]) {
        let length = u16::try_from(topic.len()).unwrap().to_be_bytes();
        let body = [&length[..], topic.as_bytes(), &[0, 1], payload].concat();
        self.send(0x32, &body).await;
        assert_eq!(self.packet().await, (0x40, vec![0, 1]));
    }

    async fn subscribe(&mut self, filter: &str) {
        let length = u16::try_from(filter.len()).unwrap().to_be_bytes();
        self.send(
            0x82,
            &[&[0, 1], &length[..], filter.as_bytes(), &[0]].concat(),
        )
        .await;
        assert_eq!(self.packet().await, (0x90, vec![0, 1, 0]));
    }

    /// The next message, with its topic.
    pub(crate) async fn message(&mut self, patience: Duration) -> Option<(String, Vec<u8>)> {
        let (kind, body) = tokio::time::timeout(patience, self.packet()).await.ok()?;
        assert_eq!(kind >> 4, 3);
        let end = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
        let topic = String::from_utf8(body[2..end].to_vec()).unwrap();
        Some((topic, body[end..].to_vec()))
    }

    async fn send(&mut self, kind: u8, body: &[u8]) {
        use tokio::io::AsyncWriteExt;
        let mut packet = vec![kind];
        let mut length = body.len();
        while length > 127 {
            packet.push((length & 127) as u8 | 128);
            length >>= 7;
        }
        packet.push(length as u8);
        packet.extend(body);
        self.stream.write_all(&packet).await.unwrap();
    }

    async fn packet(&mut self) -> (u8, Vec<u8>) {
        use tokio::io::AsyncReadExt;
        let kind = self.stream.read_u8().await.unwrap();
        let (mut length, mut shift) = (0, 0);
        loop {
            let byte = self.stream.read_u8().await.unwrap();
            length |= usize::from(byte & 127) << shift;
            shift += 7;
            if byte & 128 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.unwrap();
        (kind, body)
    }
}

/// Mosquitto started as root becomes somebody who cannot read our folder, unless it is told to stay.
fn whoami() -> String {
    let told = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(told.stdout).unwrap().trim().to_owned()
}

fn readable(file: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}
