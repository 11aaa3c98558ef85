//! A camhook with much to see: many targets, some of them in trouble, events of several vendors, plates in several scripts.

use std::path::Path;

use crate::harness::{Answer, Process, Receiver, camhook_command, eventually};
use crate::login::everybody;

pub(super) struct Lively {
    pub(super) camhook: Process,
    folder: tempfile::TempDir,
    _receiver: Receiver,
}

/// Sample, camera and plate; none is drawn by chance.
const SENT: [(&str, &str, &str); 9] = [
    ("stream plate", "gate-north", ""),
    ("stream plate", "gate-north", "KA 471 BX"),
    ("snapshot two", "gate-south", ""),
    ("viewtron camera", "yard", "粤B·12345"),
    ("findface car", "garage", "٤٧١ أ ب ج"),
    ("hikvision plate", "ramp", "WWWWWWWW-0123456789-WWWWWWWW"),
    ("kipod face", "lobby", ""),
    ("hikvision heartbeat", "ramp", ""),
    (
        "generic json",
        "camera of the barrier at the old customs yard",
        "<b>AB&1</b>",
    ),
];

impl Lively {
    pub(super) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let receiver = Receiver::that(|taken| {
            let refused = taken.path.trim_start_matches("/answers/").parse();
            Answer::status(refused.unwrap_or(200)).body("{\"told\": \"by the receiver\"}")
        })
        .await;
        std::fs::write(folder.path().join("residents.csv"), "plate\nKA471BX\n").unwrap();
        std::fs::write(folder.path().join("routes.yaml"), routes(&receiver)).unwrap();
        let camhook = Process::start_again(folder.path());
        let lively = Self {
            camhook,
            folder,
            _receiver: receiver,
        };
        lively.send();
        lively.is_settled().await;
        lively
    }

    pub(super) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.camhook.admin)
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn send(&self) {
        for (sample, camera, plate) in SENT {
            let mut command = camhook_command(self.folder.path());
            command.arg("send").args(sample.split(' '));
            command.args(["--url", &self.camhook.url, "--camera", camera]);
            if !plate.is_empty() {
                command.args(["--plate", plate]);
            }
            let sent = command.output().unwrap();
            let told = String::from_utf8_lossy(&sent.stderr);
            assert!(sent.status.success(), "{sample}: {told}");
        }
        let mut command = camhook_command(self.folder.path());
        command.args(["send", "kipod", "broken", "--url", &self.camhook.url]);
        command.output().unwrap(); // not understood, and kept
    }

    /// Every target has shown how it is.
    async fn is_settled(&self) {
        let shows = |rows: &serde_json::Value, fate: &str| {
            let mut rows = rows.as_array().unwrap().iter();
            rows.any(|row| row["fate"] == fate)
        };
        eventually("deliveries of every fate", async || {
            let token = ("authorization", "Bearer token-with-scope-read");
            let rows = crate::harness::client()
                .get(self.at("/api/v1/deliveries?limit=500"))
                .header(token.0, token.1);
            let rows = rows.send().await.unwrap().text().await.unwrap();
            let rows: serde_json::Value = serde_json::from_str(&rows).unwrap();
            ["delivered", "dead", "held", "pending", "filtered"]
                .iter()
                .all(|fate| shows(&rows, fate))
        })
        .await;
    }
}

fn routes(receiver: &Receiver) -> String {
    let url = receiver.url();
    let to = |name: &str, path: &str| {
        format!("  {name}: {{ http: {{ url: \"{url}{path}\", json: \"{{{{ event }}}}\" }} }}\n")
    };
    let targets = [
        to("vms", "/plates"),
        to("evidence", "/evidence"),
        to("parking", "/answers/401"),
        to("police", "/answers/422"),
        to("barrier-of-the-northern-entrance-of-the-old-customs-yard", "/barrier"),
        to("ворота", "/gate"),
        "  offsite: { http: { url: \"http://127.0.0.1:9/\", json: \"{{ event }}\" } }\n".to_owned(),
        "  log: { jsonl: \"log/%Y-%m-%d.jsonl\" }\n".to_owned(),
        "  table: { csv: \"plates.csv\" }\n".to_owned(),
        "  pictures: { files: { path: \"pictures/{{ event.camera.id }}/%H%M%S-{{ event.id }}.jpg\", image: frame } }\n".to_owned(),
    ];
    format!(
        "server: {{ listen: 127.0.0.1:0 }}\nadmin:\n  listen: 127.0.0.1:0\n{}log: {{ level: error }}\n\
         lists: {{ residents: {{ csv: residents.csv, key: plate }} }}\n\
         sources:\n  everything: {{ kind: auto, path: / }}\n  stream: {{ kind: platerecognizer, path: /stream }}\n  \
         gate-cams: {{ kind: viewtron, path: /API }}\n\
         targets:\n{}\
         routes:\n  - name: plates\n    each: plate\n    when: not plate.text in lists.residents\n    \
         steps: [{{ crop: {{ region: plate, required: true }} }}]\n    \
         to: [vms, evidence, police, \"barrier-of-the-northern-entrance-of-the-old-customs-yard\", \"ворота\"]\n  \
         - {{ name: keep everything, to: [parking, offsite, log, table, pictures] }}\n",
        everybody(),
        targets.concat(),
    )
}
