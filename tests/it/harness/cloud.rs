//! Amazon's interfaces as far as camhook speaks to them, on free ports, with signatures checked.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// Lambda's Invoke API; `lambda/api.py` says how it behaves.
pub(crate) struct LambdaApi {
    folder: TempDir,
    port: u64,
    child: Child,
}

/// What the API lets in. The token is of temporary credentials.
pub(crate) const KEY_ID: &str = "AKIATESTTESTTESTTEST";
pub(crate) const SECRET: &str = "wJalr/XUtnFEMI+K7MDENG";
pub(crate) const TOKEN: &str = "FwoGZXIvYXdzEBY/aDHx+k==";

impl LambdaApi {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let child = Command::new("/usr/bin/python3")
            .arg("-B")
            .arg(script("lambda/api.py"))
            .arg(folder.path())
            .args([KEY_ID, SECRET, TOKEN])
            .spawn()
            .expect("python3 is installed");
        let port = told(folder.path()).await["port"].as_u64().unwrap();
        Self {
            folder,
            port,
            child,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Every call so far, in order: `path`, `status`, `size`, `type`, `headers`, and what the function returned as `seen`.
    pub(crate) fn calls(&self) -> Vec<Value> {
        let file = |n: usize| self.folder.path().join(format!("call-{n}.json"));
        (1..)
            .map_while(|n| std::fs::read_to_string(file(n)).ok())
            .map(|text| serde_json::from_str(&text).unwrap())
            .collect()
    }
}

impl Drop for LambdaApi {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A store that speaks S3, with the bucket `plates`.
pub(crate) struct Bucket {
    _folder: TempDir,
    pub(crate) port: u16,
    pub(crate) key_id: String,
    pub(crate) secret: String,
    child: Child,
}

impl Bucket {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let child = Command::new(python())
            .arg("-B")
            .arg(script("s3/server.py"))
            .arg(folder.path())
            .stderr(Stdio::null()) // a line for each request
            .spawn()
            .expect("./test.sh makes the environment that this needs");
        let told = told(folder.path()).await;
        let text = |name: &str| told[name].as_str().unwrap().to_owned();
        Self {
            port: u16::try_from(told["port"].as_u64().unwrap()).unwrap(),
            key_id: text("id"),
            secret: text("secret"),
            _folder: folder,
            child,
        }
    }

    /// All that lies there, read by another program: `key`, `type`, `about`, and `bytes` as base64.
    pub(crate) fn objects(&self) -> Vec<Value> {
        let read = Command::new(python())
            .arg("-B")
            .arg(script("s3/read.py"))
            .args([&self.port.to_string(), &self.key_id, &self.secret])
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&read.stderr);
        assert!(read.status.success(), "{errors}");
        let text = String::from_utf8(read.stdout).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn python() -> PathBuf {
    environment().join("bin/python3")
}

/// The environment of Python that `test.sh` keeps in the folder of what is built.
pub(super) fn environment() -> PathBuf {
    let built = Path::new(env!("CARGO_BIN_EXE_camhook"));
    let target = built
        .ancestors()
        .nth(2)
        .expect("it lies in a folder of its profile");
    target.join("test-venv")
}

fn script(name: &str) -> PathBuf {
    let harness = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/harness");
    Path::new(harness).join(name)
}

/// What a script wrote down once it listened.
async fn told(folder: &Path) -> Value {
    let told = || std::fs::read_to_string(folder.join("told")).ok();
    super::eventually("the server listens", async || told().is_some()).await;
    serde_json::from_str(&told().unwrap()).unwrap()
}
