//! What `explain` tells, and what routes decide about what sources decode.

mod findface;

use super::*;
use crate::config::Config;

#[test]
fn a_step_that_is_decided_on_arrival_shows_what_it_would_tell() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("routes.yaml");
    let yaml =
        "targets: { all: { log: {} } }\nroutes: [ { name: yard, steps: [track], to: [all] } ]\n";
    std::fs::write(&path, yaml).unwrap();
    let config = Config::load(&path).unwrap_or_else(|report| panic!("{}", report.plain()));
    let planned = config.planned();
    let (_, pipelines) = config.open();
    let now = Timestamp::UNIX_EPOCH;
    let post = json!({ "kind": "track", "objects": [{ "class": "car", "track_id": "7" }] });
    let event = Arc::new(Event::from_json(post, now).unwrap());
    let stories = explain(&planned, &pipelines, &event, None, now);
    let story = &stories[0];
    assert_eq!(story["outcome"], "filtered");
    assert_eq!(story["condition"], "track: told as entered, dwell, left");
    assert_eq!(
        story["notes"],
        json!(["track: as if it remembered nothing"])
    );
    let told = &story["told"][0];
    assert_eq!(told["event"]["status"]["name"], "entered");
    assert_eq!(told["deliveries"][0]["outcome"], "send");
}
