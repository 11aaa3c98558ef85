//! Values that want out of their place: of a path, a url, a topic, a header, a mail, a statement. Real receivers tell what came.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::harness::nats::Nats;
use crate::harness::{
    Answer, Broker, Database, MailServer, Process, Receiver, client, eventually, multipart,
    recognition,
};

const PATIENCE: &str = "retry: { attempts: 1 }, breaker: { failures: 1000 }";

/// What a sender may say of itself.
fn hostile() -> Vec<String> {
    let mut all: Vec<String> = [
        "gate-1",
        "",
        " ",
        ".",
        "..",
        "...",
        "../",
        "../../../../../tmp/camhook-was-here",
        "/tmp/camhook-was-here",
        "//tmp/camhook-was-here",
        "~/.ssh/authorized_keys",
        "./.hidden",
        ".hidden",
        "a/../../b",
        "a/./b",
        "a//b",
        "..\\..\\windows",
        "C:\\windows",
        "C:x",
        "\\\\server\\share",
        "a\0b",
        "\0",
        "a\nb",
        "a\r\nX-Evil: 1",
        "a\r\n\r\nGET /evil HTTP/1.1\r\nHost: evil\r\n\r\n",
        "a\r\nBcc: evil@example.com\r\n\r\nevil",
        "a\r\n.\r\nMAIL FROM:<evil@example.com>\r\n",
        "\u{85}\u{2028}\u{2029}",
        "%2e%2e",
        "%2e%2e%2f%2e%2e%2fetc",
        ".%2e",
        "%2E.",
        "%252e%252e",
        "..%00",
        "..%c0%af..",
        "%0d%0aX-Evil:%201",
        "..;",
        "..;/",
        "\u{2025}",
        "\u{2024}\u{2024}",
        "\u{ff0e}\u{ff0e}\u{ff0f}",
        "\u{ff0f}\u{2215}\u{2044}\u{29f8}",
        "\u{feff}..",
        "..\u{200b}",
        "\u{202e}gpj.exe",
        "a.",
        "a. .",
        "a ",
        " ..",
        ".. ",
        "CON",
        "con",
        "nul.txt",
        "LPT1.",
        "COM\u{b9}",
        "aux.tar.gz",
        "-rf",
        "$(touch /tmp/camhook-was-here)",
        "`id`",
        "; rm -rf /",
        "{{ 7 * 7 }}",
        "{% raw %}",
        "%Y-%m-%d",
        "%",
        "%%",
        "%s%n",
        "+",
        "#",
        "+/#",
        "a/+/b",
        "$SYS/broker",
        "$JS.API.STREAM.DELETE.x",
        "*",
        ">",
        "a.b.>",
        "a b",
        "?admin=1",
        "&admin=1",
        "#fragment",
        "@evil.example",
        ":80",
        "http://evil.example/",
        "'",
        "'; DROP TABLE plates; --",
        "\\'; DROP TABLE plates; --",
        "$1",
        "$$; DROP TABLE plates; $$",
        "<x>&\"'</x>",
        "]]>",
        "\u{1b}[2J",
        "\u{7f}",
        "\u{0}\u{1}\u{2}\u{3}",
        "=1+1",
    ]
    .map(str::to_owned)
    .to_vec();
    all.push("x".repeat(5_000));
    all.push("\u{e9}".repeat(300));
    all.push("../".repeat(500));
    all
}

/// Posts all of them, and waits until each delivery has come to its end.
async fn posted(camhook: &Process, per_event: usize) -> (Vec<String>, Vec<Value>) {
    let values = hostile();
    for (n, value) in values.iter().enumerate() {
        let body = json!({ "n": n, "value": value }).to_string();
        let request = client()
            .post(&camhook.url)
            .header("content-type", "application/json");
        assert_eq!(request.body(body).send().await.unwrap().status(), 200);
    }
    let rows = ended(camhook, values.len() * per_event).await;
    (values, rows)
}

/// The deliveries, once so many have come to their end.
async fn ended(camhook: &Process, count: usize) -> Vec<Value> {
    let mut rows = Vec::new();
    eventually("all have come to their end", async || {
        rows = camhook.rows(&["deliveries", "--limit", "0"]);
        let ended = |row: &&Value| row["fate"] == "delivered" || row["fate"] == "dead";
        rows.iter().filter(ended).count() == count
    })
    .await;
    rows
}

fn dead(rows: &[Value]) -> Vec<String> {
    let dead = rows.iter().filter(|row| row["fate"] == "dead");
    dead.map(|row| row["attempts"][0]["error"].to_string())
        .collect()
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_is_one_segment_of_the_path_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    // A link that somebody put there, under the name that a picture of the camera `gate-1` would have.
    std::fs::create_dir_all(folder.path().join("pictures/gate-1")).unwrap();
    let victim = outside.path().join("victim");
    std::fs::write(&victim, "as it was").unwrap();
    std::os::unix::fs::symlink(&victim, folder.path().join("pictures/gate-1/0.jpg")).unwrap();
    let routes = format!(
        "sources:\n  any: {{ kind: generic, path: /any }}\n  stream: {{ kind: platerecognizer, path: /stream }}\n\
         targets:\n\
         \x20 folders: {{ jsonl: \"folders/{{{{ event.raw.value }}}}/{{{{ event.raw.n }}}}.jsonl\", {PATIENCE} }}\n\
         \x20 names: {{ csv: \"names/{{{{ event.camera.id }}}}\", {PATIENCE} }}\n\
         \x20 glued: {{ jsonl: \"glued/.{{{{ event.raw.value }}}}{{{{ event.raw.value }}}}.jsonl\", {PATIENCE} }}\n\
         \x20 pictures: {{ files: {{ path: \"pictures/{{{{ event.camera.id }}}}/0.jpg\", image: frame }}, {PATIENCE} }}\n\
         routes:\n  - {{ from: [any], to: [folders, glued] }}\n  - {{ from: [stream], to: [names, pictures], each: plate }}\n"
    );
    let camhook = Process::start(folder.path(), &routes);
    let values = hostile();
    for (n, value) in values.iter().enumerate() {
        let any = json!({ "n": n, "value": value }).to_string();
        let read = recognition(value, &[("ab123cd", [1, 2, 3, 4])]).to_string();
        let (kind, read) = multipart(&read, &[("original", b"\xff\xd8\xffpicture")]);
        let json = "application/json".to_owned();
        for (path, kind, body) in [("any", json, any.into_bytes()), ("stream", kind, read)] {
            let url = format!("{}/{path}", camhook.root());
            let request = client().post(url).header("content-type", kind);
            assert_eq!(request.body(body).send().await.unwrap().status(), 200);
        }
    }
    eventually("nothing is pending", async || {
        let rows = camhook.rows(&["deliveries", "--limit", "0"]);
        let ended = |row: &Value| row["fate"] != "pending";
        rows.len() == values.len() * 4 && rows.iter().all(ended)
    })
    .await;
    let rows = camhook.rows(&["deliveries", "--limit", "0"]);
    for error in dead(&rows) {
        assert!(error.contains("a file's name has at most 255"), "{error}");
    }
    let of = |name: &str| {
        let mut found = Vec::new();
        let below = folder.path().join(name);
        if below.is_dir() {
            files(&below, &mut found);
        }
        found
    };
    let depth = |path: &PathBuf| {
        path.strip_prefix(folder.path())
            .unwrap()
            .components()
            .count()
    };
    let folders = of("folders");
    assert_eq!(folders.len(), values.len(), "one file for each event");
    assert!(folders.iter().all(|path| depth(path) == 3), "{folders:?}");
    assert!(of("glued").iter().all(|path| depth(path) == 2));
    assert!(of("names").iter().all(|path| depth(path) == 2));
    assert!(of("pictures").iter().all(|path| depth(path) == 3));
    let names: BTreeSet<String> = folders
        .iter()
        .map(|path| {
            path.parent()
                .unwrap()
                .file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    for name in &names {
        let bad = name.starts_with('.')
            || name.ends_with(['.', ' '])
            || name.contains(['\\', ':', '*', '?', '"', '<', '>', '|'])
            || name.chars().any(char::is_control)
            || name.len() > 200;
        assert!(!bad, "{name:?}");
        let stem = name
            .split('.')
            .next()
            .unwrap()
            .trim_end()
            .to_ascii_uppercase();
        assert!(
            !["CON", "NUL", "AUX", "LPT1", "COM\u{b9}"].contains(&stem.as_str()),
            "{name:?}"
        );
    }
    // Nothing beside what was there and what camhook keeps.
    let mut beside: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    beside.sort();
    let known = [
        "data",
        "folders",
        "glued",
        "names",
        "pictures",
        "routes.yaml",
    ];
    assert!(
        beside.iter().all(|name| known.contains(&name.as_str())),
        "{beside:?}"
    );
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "as it was");
    assert!(!Path::new("/tmp/camhook-was-here").exists());
    camhook.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_moves_no_border_of_a_url_and_adds_no_header() {
    let server = Receiver::new().await;
    server.always(Some(Answer::status(200)));
    let folder = tempfile::tempdir().unwrap();
    let url = server.url();
    let routes = format!(
        "targets:\n\
         \x20 paths: {{ http: {{ url: \"{url}/path/{{{{ event.raw.value }}}}/end?n={{{{ event.raw.n }}}}&v={{{{ event.raw.value }}}}\", text: x }}, {PATIENCE} }}\n\
         \x20 queries: {{ http: {{ url: \"{url}/query/{{{{ event.raw.n }}}}\", query: {{ v: \"{{{{ event.raw.value }}}}\" }}, text: x }}, {PATIENCE} }}\n\
         \x20 heads: {{ http: {{ url: \"{url}/head/{{{{ event.raw.n }}}}\", headers: {{ X-Value: \"{{{{ event.raw.value }}}}\" }}, text: x }}, {PATIENCE} }}\n\
         \x20 forms: {{ http: {{ url: \"{url}/form/{{{{ event.raw.n }}}}\", multipart: {{ v: {{ value: a, filename: \"{{{{ event.raw.value }}}}\" }} }} }}, {PATIENCE} }}\n\
         routes:\n  - {{ to: [paths, queries, heads, forms] }}\n"
    );
    let camhook = Process::start(folder.path(), &routes);
    let (values, rows) = posted(&camhook, 4).await;
    let taken = server.taken();
    let delivered = rows.iter().filter(|row| row["fate"] == "delivered").count();
    assert_eq!(taken.len(), delivered);
    let host = url.replace("http://", "");
    for one in &taken {
        assert_eq!(one.headers["host"], host);
        assert!(!one.headers.contains_key("x-evil"), "{one:?}");
        let (path, query) = one.path.split_once('?').unwrap_or((&one.path, ""));
        let segments: Vec<&str> = path.split('/').collect();
        let n: usize = match segments[1] {
            "path" => query.split('&').next().unwrap()[2..].parse().unwrap(),
            _ => segments[2].parse().unwrap(),
        };
        let decoded = |text: &str| percent_decode_str(text).decode_utf8().unwrap().into_owned();
        match segments[1] {
            "path" => {
                assert_eq!(segments.len(), 4, "{path}");
                assert_eq!(
                    (decoded(segments[2]).as_str(), segments[3]),
                    (values[n].as_str(), "end")
                );
                let value = query.split_once("&v=").unwrap().1;
                assert_eq!(decoded(value), values[n], "{query}");
                assert!(!value.contains('&'));
            }
            "query" => assert_eq!(decoded(&query[2..]), values[n], "{query}"),
            "head" => assert_eq!(segments.len(), 3),
            "form" => {
                let head = String::from_utf8_lossy(&one.body);
                let lines: Vec<&str> = head.split("\r\n").take(4).collect();
                assert!(
                    lines[1].starts_with("Content-Disposition: form-data; name=\"v\""),
                    "{head}"
                );
                let typed = lines[2].starts_with("Content-Type: ") && lines[3].is_empty();
                assert!(typed || lines[2].is_empty(), "{head}");
            }
            other => panic!("nobody sends to {other}"),
        }
    }
    // What is no delivery says why, and it is only what no url or header can hold.
    for error in dead(&rows) {
        let why = ["`.` or `..`", "no header may have"];
        assert!(why.iter().any(|why| error.contains(why)), "{error}");
    }
    camhook.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_leaves_no_bucket() {
    let server = Receiver::new().await;
    server.always(Some(Answer::status(200)));
    let folder = tempfile::tempdir().unwrap();
    let routes = format!(
        "targets:\n  bucket: {{ preset: s3, {PATIENCE}, with: {{ url: \"{}/bucket\", region: x, access_key_id: keykeykey, \
         secret_access_key: secretsecret, folder: \"in/{{{{ event.camera.id }}}}\", picture: frame }} }}\n\
         routes:\n  - {{ to: [bucket] }}\n",
        server.url()
    );
    let camhook = Process::start(folder.path(), &routes);
    let values = hostile();
    for value in &values {
        let read = recognition(value, &[("ab123cd", [1, 2, 3, 4])]).to_string();
        let (kind, read) = multipart(&read, &[("original", b"\xff\xd8\xffpicture")]);
        let request = client().post(&camhook.url).header("content-type", kind);
        assert_eq!(request.body(read).send().await.unwrap().status(), 200);
    }
    let rows = ended(&camhook, values.len()).await;
    for taken in server.taken() {
        let path = taken.path.split('?').next().unwrap();
        let segments: Vec<&str> = path.split('/').collect();
        assert_eq!(segments[..3], ["", "bucket", "in"], "{path}");
        let decoded = |text: &&str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        assert!(
            !segments
                .iter()
                .any(|segment| [".", ".."].contains(&decoded(segment).as_str())),
            "{path}"
        );
    }
    for error in dead(&rows) {
        assert!(
            error.contains("`.` or `..`") || error.contains("no header may have"),
            "{error}"
        );
    }
    assert!(server.requests() > values.len() / 2);
    camhook.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_is_one_level_of_a_topic_and_one_token_of_a_subject() {
    let (broker, nats) = tokio::join!(Broker::start(), Nats::start());
    let folder = tempfile::tempdir().unwrap();
    let routes = format!(
        "targets:\n\
         \x20 mqtt: {{ mqtt: {{ url: \"{}\", topic: \"camhook/{{{{ event.raw.value }}}}/{{{{ event.raw.n }}}}\", payload: \"{{{{ event.raw.n }}}}\" }}, {PATIENCE} }}\n\
         \x20 first: {{ mqtt: {{ url: \"{}\", topic: \"{{{{ event.raw.value }}}}\", payload: first }}, {PATIENCE} }}\n\
         \x20 nats: {{ nats: {{ jetstream: false, url: \"{}\", subject: \"camhook.{{{{ event.raw.value }}}}.{{{{ event.raw.n }}}}\", payload: \"{{{{ event.raw.n }}}}\", \
         headers: {{ X-Value: \"{{{{ event.raw.value }}}}\" }} }}, {PATIENCE} }}\n\
         \x20 api: {{ nats: {{ jetstream: false, url: \"{}\", subject: \"{{{{ event.raw.value }}}}\", payload: api }}, {PATIENCE} }}\n\
         routes:\n  - {{ to: [mqtt, first, nats, api] }}\n",
        broker.url(),
        broker.url(),
        nats.open_url(),
        nats.open_url(),
    );
    let mut ear = broker.listen("#").await;
    let mut subjects = nats.client().await.listen(">").await;
    let camhook = Process::start(folder.path(), &routes);
    let (_, rows) = posted(&camhook, 4).await;
    let sent = |target: &str| {
        let of = |row: &&Value| row["target"] == target && row["fate"] == "delivered";
        rows.iter().filter(of).count()
    };
    let patience = Duration::from_secs(60);
    let (mut own, mut first) = (0, 0);
    while own < sent("mqtt") || first < sent("first") {
        let (topic, payload) = ear.message(patience).await.unwrap();
        let levels: Vec<&str> = topic.split('/').collect();
        if payload == b"first" {
            first += 1;
            assert_eq!(levels.len(), 1, "{topic}");
        } else {
            own += 1;
            assert_eq!((levels.len(), levels[0]), (3, "camhook"), "{topic}");
            assert_eq!(levels[2].as_bytes(), payload, "{topic}");
        }
        assert!(
            !topic.contains(['+', '#', '\0']) && !topic.starts_with('$'),
            "{topic}"
        );
    }
    let (mut own, mut api) = (0, 0);
    while own < sent("nats") || api < sent("api") {
        let (subject, payload) = subjects.heard(patience).await.unwrap();
        let tokens: Vec<&str> = subject.split('.').collect();
        if payload == b"api" {
            api += 1;
            assert_eq!(tokens.len(), 1, "{subject}");
        } else {
            own += 1;
            assert_eq!((tokens.len(), tokens[0]), (3, "camhook"), "{subject}");
            assert_eq!(tokens[2].as_bytes(), payload, "{subject}");
        }
        assert!(!subject.starts_with('$'), "{subject}");
    }
    for error in dead(&rows) {
        let why = [
            "no topic to publish to",
            "no subject to publish to",
            "header",
        ];
        assert!(why.iter().any(|why| error.contains(why)), "{error}");
    }
    assert!(sent("mqtt") == hostile().len() && sent("nats") > hostile().len() / 2);
    camhook.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_is_no_line_of_a_mail_and_no_part_of_a_statement() {
    let (database, server) = tokio::join!(Database::start(), MailServer::start());
    database.sql("CREATE TABLE plates (n int, value text, doc jsonb)");
    let folder = tempfile::tempdir().unwrap();
    let routes = format!(
        "targets:\n\
         \x20 db: {{ postgres: {{ url: \"{}?sslmode=disable\", sql: \"INSERT INTO plates VALUES ($1, $2, $3)\", \
         values: [\"{{{{ event.raw.n }}}}\", \"{{{{ event.raw.value }}}}\", {{ v: \"{{{{ event.raw.value }}}}\" }}] }}, {PATIENCE} }}\n\
         \x20 post: {{ smtp: {{ url: \"smtp://gate:pas%3As%40word@127.0.0.1:{}\", from: gate@example.com, to: guard@example.com, \
         subject: \"{{{{ event.raw.value }}}}\", text: \"{{{{ event.raw.n }}}}:{{{{ event.raw.value }}}}\", tls: {{ ca: \"{}\" }} }}, {PATIENCE} }}\n\
         routes:\n  - {{ to: [db, post] }}\n",
        database.url(),
        server.port(),
        server.certificate().display()
    );
    let camhook = Process::start(folder.path(), &routes);
    let (values, rows) = posted(&camhook, 2).await;
    let of = |target: &str, fate: &str| {
        let of = |row: &&Value| row["target"] == target && row["fate"] == fate;
        rows.iter().filter(of).count()
    };
    // A database's text holds no NUL; all else stands there as it came.
    assert_eq!(of("db", "delivered"), values.len(), "{:?}", dead(&rows));
    for (n, value) in values.iter().enumerate() {
        let stored = database.sql(&format!(
            "SELECT encode(convert_to(value, 'UTF8'), 'hex') || (value = doc->>'v') FROM plates WHERE n = {n}"
        ));
        let value = value.replace('\0', "\u{fffd}");
        let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(stored, format!("{hex}true"), "{value:?}");
    }
    let mails = server.mails();
    assert_eq!(mails.len(), of("post", "delivered"));
    assert_eq!(mails.len(), values.len(), "{:?}", dead(&rows));
    for mail in &mails {
        assert_eq!(mail["to"], json!(["guard@example.com"]), "{mail}");
        let text = mail["mail"].as_str().unwrap();
        let head = text.split_once("\r\n\r\n").unwrap().0;
        let names: Vec<String> = head
            .split("\r\n")
            .filter(|line| !line.starts_with([' ', '\t']))
            .map(|line| line.split(':').next().unwrap().to_ascii_lowercase())
            .collect();
        let known = [
            "from",
            "to",
            "subject",
            "date",
            "message-id",
            "mime-version",
            "content-type",
            "content-transfer-encoding",
            "x-peer",
            "x-mailfrom",
            "x-rcptto",
        ];
        assert!(
            names.iter().all(|name| known.contains(&name.as_str())
                || name.starts_with("x-camhook")
                || name == "auto-submitted"),
            "{head}"
        );
        assert_eq!(
            names.iter().filter(|name| *name == "subject").count(),
            1,
            "{head}"
        );
    }
    camhook.stop();
}
