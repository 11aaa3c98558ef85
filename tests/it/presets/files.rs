//! Files as scripts for Plate Recognizer Stream read them.

use serde_json::{Value, json};

use super::{Use, event};
use crate::harness::Within;

const HEADER: &str = "timestamp,plate,score,dscore,file,box,model_make,color,vehicle,region,orientation,candidates,source_url,position_sec,direction";

async fn written(used: &Use, plates: &[&str], path: &str) -> String {
    let names = ["it".to_owned()];
    let routes = format!("targets:\n{}{}", used.target("it", ""), used.route(&names));
    let camhook = Within::start(&routes).await;
    for plate in plates {
        let (kind, body) = event("camera-1", plate);
        camhook.post(&kind, body).await;
    }
    assert!(camhook.fates().await.iter().all(|fate| fate == "delivered"));
    std::fs::read_to_string(camhook.folder().join(path)).unwrap()
}

/// What `ast.literal_eval` makes of dicts, lists, texts, numbers and None, as far as Stream writes them.
fn literal(text: &str) -> Value {
    let json = text.replace('"', "\\\"").replace('\'', "\"");
    let json = json.replace("None", "null");
    serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error} in {text}"))
}

#[tokio::test]
async fn the_csv_has_one_header_and_columns_that_python_reads() {
    let used = Use::whole("csv", json!({ "path": "plates/%Y-%m-%d.csv" }));
    let plates = ["ab123cd", "=1+1", "a,\"b\"\nc"];
    let text = written(&used, &plates, "plates/2025-03-04.csv").await;
    assert_eq!(text.lines().next(), Some(HEADER));
    assert_eq!(text.matches("timestamp,plate").count(), 1);
    let mut rows = csv::Reader::from_reader(text.as_bytes());
    let names: Vec<String> = rows.headers().unwrap().iter().map(str::to_owned).collect();
    let rows: Vec<_> = rows.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 3);
    for (row, plate) in rows.iter().zip(plates) {
        let value = |name: &str| &row[names.iter().position(|known| known == name).unwrap()];
        assert_eq!(value("plate"), plate);
        assert_eq!(value("timestamp"), "2025-03-04 10:11:12.131415+01:00");
        assert_eq!(value("score").parse::<f64>().unwrap(), 0.91);
        let place = json!({ "xmin": 100, "ymin": 90, "xmax": 180, "ymax": 110 });
        assert_eq!(literal(value("box")), place);
        assert_eq!(literal(value("region"))["code"], "it");
        assert_eq!(literal(value("orientation"))[0]["orientation"], "Front");
        assert!(
            value("candidates").starts_with("[{'plate': ") && literal(value("vehicle")).is_object()
        );
        assert_eq!(value("direction"), "210");
    }
}

#[tokio::test]
async fn the_lines_have_the_keys_that_stream_gives_them() {
    let used = Use::whole(
        "jsonl",
        json!({ "path": "plates/%Y.jsonl", "format": "stream" }),
    );
    let text = written(&used, &["ab123cd", "a\nb"], "plates/2025.jsonl").await;
    assert!(text.ends_with('\n'));
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    let keys: Vec<&str> = lines[0]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        keys,
        [
            "camera_id",
            "filename",
            "timestamp",
            "timestamp_local",
            "results"
        ]
    );
    assert_eq!(lines[0]["timestamp"], "2025-03-04T09:11:12.131415Z");
    assert_eq!(lines[1]["results"][0]["plate"], "a\nb");
    let neutral = Use::whole("jsonl", json!({ "path": "plates/%Y.jsonl" }));
    let text = written(&neutral, &["ab123cd"], "plates/2025.jsonl").await;
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["camera"]["id"], "camera-1");
}
