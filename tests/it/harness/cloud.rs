//! Amazon's interfaces as far as camhook speaks to them, on free ports, with signatures checked.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use serde_json::Value;
use tempfile::TempDir;

/// Lambda's Invoke API; `lambda/api.py` says how it behaves.
pub(crate) struct LambdaApi {
    folder: TempDir,
    port: u16,
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
        let port = port(folder.path()).await;
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

fn script(name: &str) -> PathBuf {
    let harness = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/harness");
    Path::new(harness).join(name)
}

/// The port that a script wrote down once it listened.
async fn port(folder: &Path) -> u16 {
    let told = || std::fs::read_to_string(folder.join("port")).ok();
    super::eventually("the server listens", async || told().is_some()).await;
    told().unwrap().parse().unwrap()
}
