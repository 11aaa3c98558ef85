//! The rules and the dashboard that come along: all that they ask for is there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::{
    Answer, Process, Receiver, client, eventually, form_event, get, multipart_event,
};

fn read(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/monitoring");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

fn rules() -> Vec<Value> {
    let file: Value = serde_saphyr::from_str(&read("camhook.rules.yml")).unwrap();
    let groups = file["groups"].as_array().unwrap().iter();
    let rules = groups.flat_map(|group| group["rules"].as_array().unwrap().clone());
    rules.collect()
}

fn dashboard() -> Value {
    serde_json::from_str(&read("camhook.grafana.json")).unwrap()
}

/// Every text under the key, wherever it stands.
fn texts(value: &Value, key: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                match value {
                    Value::String(text) if name == key => found.push(text.clone()),
                    _ => texts(value, key, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, key, found)),
        _ => {}
    }
}

/// The metrics of an expression, with the labels that it picks by.
fn asked(expression: &str) -> Vec<(String, Vec<String>)> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut asked = Vec::new();
    let mut rest = expression;
    while let Some(at) = rest.find("camhook_") {
        rest = &rest[at..];
        let end = rest.find(|c| !word(c)).unwrap_or(rest.len());
        let name = rest[..end].to_owned();
        rest = &rest[end..];
        let mut labels = Vec::new();
        if let Some(inner) = rest.strip_prefix('{') {
            let inner = &inner[..inner.find('}').unwrap()];
            for part in inner.split("\",") {
                let label = &part[..part.find(|c| !word(c)).unwrap()];
                labels.push(label.to_owned());
            }
        }
        asked.push((name, labels));
    }
    asked
}

#[test]
fn the_expressions_are_read_rightly() {
    let asked = asked("sum(rate(camhook_a_total{fate=\"x\",target=~\"a,b\"}[5m])) / camhook_b > 1");
    let labels = vec!["fate".to_owned(), "target".to_owned()];
    assert_eq!(
        asked,
        [
            ("camhook_a_total".to_owned(), labels),
            ("camhook_b".to_owned(), vec![])
        ]
    );
}

/// A camhook in which everything that is measured happens once.
async fn busy(folder: &Path, vms: &Receiver, nas: &(Receiver, String)) -> Process {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let pem = format!("{}{}", made.cert.pem(), made.signing_key.serialize_pem());
    std::fs::write(folder.join("own.pem"), pem).unwrap();
    let (nas, pin) = nas;
    let routes = format!(
        "server: {{ listen: 127.0.0.1:0, tls: {{ cert: own.pem, listen: 127.0.0.1:0 }} }}
admin: {{ listen: 127.0.0.1:0 }}
alerts: {{ again: 1s }}
telemetry: {{ otlp: {{ url: \"http://127.0.0.1:1\" }} }}
sources: {{ bus: {{ mqtt: {{ url: \"mqtt://127.0.0.1:1\", topics: [a] }} }} }}
lists: {{ residents: {{ http: {{ url: \"{vms}/list\", key: plate }} }} }}
targets:
  vms: {{ http: {{ url: \"{vms}\", image: \"{{{{ images.plate }}}}\" }} }}
  nas: {{ http: {{ url: \"{nas}\", text: x, tls: {{ pin: \"{pin}\" }} }} }}
routes:
  - {{ name: plates, each: plate, steps: [{{ crop: {{}} }}, {{ dedupe: {{ by: x, within: 1s }} }}], to: [vms] }}
  - {{ name: all, to: [nas] }}
",
        vms = vms.url(),
        nas = nas.url(),
    );
    std::fs::write(folder.join("routes.yaml"), routes).unwrap();
    let camhook = Process::start_again(folder);
    let (kind, body) = multipart_event(1);
    let request = client().post(camhook.root()).header("content-type", kind);
    assert_eq!(request.body(body).send().await.unwrap().status(), 200);
    let (kind, body) = form_event(2);
    let request = client().post(camhook.root()).header("content-type", kind);
    assert_eq!(request.body(body).send().await.unwrap().status(), 200);
    let refused = client().delete(camhook.root()).send().await.unwrap();
    assert_eq!(refused.status(), 405);
    camhook.signal("HUP");
    camhook
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_that_rules_and_dashboard_ask_for_is_told_with_those_labels() {
    let vms = Receiver::that(|taken| match taken.path.as_str() {
        "/list" => Answer::status(200)
            .header("content-type", "application/json")
            .body(r#"[{"plate": "AB123CD"}]"#),
        _ => Answer::status(200),
    })
    .await;
    let nas = Receiver::self_signed().await;
    let folder = tempfile::tempdir().unwrap();
    let camhook = busy(folder.path(), &vms, &nas).await;
    let mut expressions = Vec::new();
    texts(&Value::Array(rules()), "expr", &mut expressions);
    texts(&dashboard(), "expr", &mut expressions);
    texts(&dashboard(), "definition", &mut expressions);
    let asked: BTreeSet<_> = expressions.iter().flat_map(|text| asked(text)).collect();
    assert!(asked.len() > 25, "{}", asked.len());
    let missing = async || {
        let page = get(&format!("{}/metrics", camhook.admin))
            .await
            .text()
            .await
            .unwrap();
        let mut told: BTreeMap<&str, &str> = BTreeMap::new();
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            let end = line.find(['{', ' ']).unwrap();
            told.insert(&line[..end], &line[end..]);
        }
        let mut missing = Vec::new();
        for (name, labels) in &asked {
            match told.get(name.as_str()) {
                None => missing.push(name.clone()),
                Some(line) => {
                    // Those that Prometheus adds are not ours.
                    let own = labels
                        .iter()
                        .filter(|label| *label != "instance" && *label != "job");
                    let no = own.filter(|label| !line.contains(&format!("{label}=\"")));
                    missing.extend(no.map(|label| format!("{name}{{{label}}}")));
                }
            }
        }
        missing
    };
    let start = std::time::Instant::now();
    loop {
        let missing = missing().await;
        if missing.is_empty() {
            break;
        }
        let patient = start.elapsed().as_secs() < 60;
        assert!(patient, "/metrics does not tell {missing:?}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    eventually("what camhook tells is not wrong either", async || {
        camhook.rows(&["deliveries", "--fate", "delivered"]).len() >= 2
    })
    .await;
    camhook.stop();
}

#[test]
fn each_rule_says_what_it_is_about() {
    let mut names = BTreeSet::new();
    for rule in rules() {
        assert!(rule["expr"].is_string(), "{rule}");
        let Some(name) = rule["alert"].as_str() else {
            assert!(rule["record"].is_string(), "{rule}");
            continue;
        };
        assert!(names.insert(name.to_owned()), "{name} twice");
        assert!(rule["annotations"]["summary"].is_string(), "{name}");
        assert!(rule["labels"]["severity"].is_string(), "{name}");
    }
    assert!(names.len() > 15);
    match Command::new("promtool")
        .args(["check", "rules"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/monitoring/camhook.rules.yml"))
        .output()
    {
        Ok(output) => assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(_) => println!("promtool is not here: the rules were read without it"),
    }
}

#[test]
fn the_dashboard_asks_a_data_source_of_the_readers_choice_and_no_panel_hides_another() {
    let dashboard = dashboard();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let first = &variables[0];
    assert_eq!(
        (first["type"].as_str(), first["query"].as_str()),
        (Some("datasource"), Some("prometheus"))
    );
    let mut sources = Vec::new();
    texts(&dashboard, "uid", &mut sources);
    let own = format!("${{{}}}", first["name"].as_str().unwrap());
    sources.retain(|uid| *uid != own && uid != "camhook");
    assert!(sources.is_empty(), "{sources:?}");
    let mut taken = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_i64().unwrap()));
        let title = panel["title"].as_str().unwrap();
        let at = |key: &str| panel["gridPos"][key].as_i64().unwrap();
        assert!(at("x") + at("w") <= 24, "{title}");
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(taken.insert((x, y)), "{title} lies over another");
            }
        }
        assert!(
            panel["type"] == "row" || !panel["targets"].as_array().unwrap().is_empty(),
            "{title}"
        );
    }
}
