//! `camhook explain` and `camhook test`, as a user runs them beside a `routes.yaml`.

use std::path::Path;
use std::process::Output;

use crate::harness::camhook_command;

const ROUTES: &str = r#"
targets:
  vms: { http: { url: "http://127.0.0.1:9/plates", auth: { bearer: "${VMS_TOKEN}" }, json: { plate: "{{ plate.text }}" } } }
  disk: { files: { path: "plates/{{ plate.text }}.jpg", image: plate } }
routes:
  - { name: plates, each: plate, when: plate.score >= 0.5 and plate.text != 'RES1', to: [vms] }
  - { name: crops, each: plate, when: plate.text == 'ab123cd', steps: [crop], to: [disk] }
"#;

fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = camhook_command(folder).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

fn site(tests: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("routes.yaml"), ROUTES).unwrap();
    std::fs::write(folder.path().join("tests.yaml"), tests).unwrap();
    folder
}

#[test]
fn tests_that_hold_pass_and_those_that_do_not_show_the_difference() {
    let folder = site(
        r#"
environment: { VMS_TOKEN: never-shown-anywhere }
tests:
  - name: a plate is reported and its crop is kept
    events: [{ sample: stream, plate: AB123CD }]
    expect:
      - to: disk
        has: ["plates/ab123cd.jpg", "<image/jpeg, "]
      - to: vms
        request: |
          POST http://127.0.0.1:9/plates
          authorization: ***
          content-type: application/json

          { "plate": "ab123cd" }
  - name: residents are not reported
    events: [{ event: { kind: plate, plates: [{ text: RES1, score: 0.9 }] } }]
    expect: [{ route: plates, filtered: "RES1" }]
  - name: nobody is reported
    events: [{ sample: stream, plate: XY99 }]
    expect: []
  - name: everybody is someone else
    events: [{ sample: stream, plate: XY99 }]
    expect: [{ to: vms, request: "POST http://127.0.0.1:9/plates\nauthorization: ***\ncontent-type: application/json\n\n{\"plate\":\"ZZ1\"}" }]
"#,
    );
    let (code, told, said) = run(folder.path(), &["test"]);
    assert_eq!(code, Some(1), "{told}{said}");
    assert!(
        told.contains("ok  a plate is reported and its crop is kept\n"),
        "{told}"
    );
    assert!(told.contains("ok  residents are not reported\n"), "{told}");
    assert!(told.contains("FAILED  nobody is reported\n    to `vms` about plates/0 by route `plates`: not expected\n"), "{told}");
    assert!(
        told.contains("      -   \"plate\": \"ZZ1\"\n      +   \"plate\": \"xy99\"\n"),
        "{told}"
    );
    assert!(told.ends_with("2 passed, 2 failed\n"), "{told}");
    assert!(!told.contains("never-shown-anywhere"), "{told}");

    let (code, told, _) = run(folder.path(), &["test", "--name", "residents"]);
    assert_eq!(
        (code, told.as_str()),
        (
            Some(0),
            "ok  residents are not reported\n1 passed, 0 failed\n"
        )
    );

    let (_, told, _) = run(folder.path(), &["--json", "test", "--name", "nobody"]);
    let row: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(row["passed"], false);
}

#[test]
fn what_is_shown_passes_when_it_is_pasted() {
    let head = "environment: { VMS_TOKEN: x }\ntests:\n  - name: all\n    events: [{ sample: snapshot two, plate: AB123CD }]\n";
    let folder = site(&format!("{head}    expect: []\n"));
    let (code, shown, said) = run(folder.path(), &["test", "--show"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(shown.matches("- to: ").count() >= 3, "{shown}");
    let pasted: String = shown
        .lines()
        .skip(1)
        .map(|line| format!("    {line}\n"))
        .collect();
    std::fs::write(folder.path().join("tests.yaml"), format!("{head}{pasted}")).unwrap();
    let (code, told, said) = run(folder.path(), &["test"]);
    assert_eq!(code, Some(0), "{told}{said}\n{pasted}");
}

#[test]
fn a_mistake_in_the_tests_is_told_with_its_place() {
    let folder = site("tests:\n  - name: x\n    events: [{ sampel: stream }]\n    expect: []\n");
    let (code, _, said) = run(folder.path(), &["test"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("tests.yaml:3:16: unknown key `sampel`"),
        "{said}"
    );
    assert!(said.contains("did you mean `sample`?"), "{said}");
}

#[test]
fn explain_tells_what_each_step_did_and_writes_its_pictures() {
    let folder = site("tests: []\n");
    let routes = ROUTES.replace("${VMS_TOKEN}", "planted");
    let routes = routes.replace("plate.text == 'ab123cd'", "plate.score > 0.1");
    std::fs::write(folder.path().join("routes.yaml"), routes).unwrap();
    let request = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/sources/platerecognizer/snapshot-with-picture/request.http");
    let event = request.to_str().unwrap();
    let arguments = ["explain", "--event", event, "--pictures", "made"];
    let (code, told, said) = run(folder.path(), &arguments);
    assert_eq!(code, Some(0), "{said}");
    assert!(told.contains("route `plates`: planned\n"), "{told}");
    assert!(told.contains("POST http://127.0.0.1:9/plates"), "{told}");
    assert!(!told.contains("planted"), "{told}");
    assert!(told.contains("step  crop: plates/0: "), "{told}");
    assert!(
        told.contains("step  crop: made plate of plates/0: image/jpeg, "),
        "{told}"
    );
    let made: Vec<_> = std::fs::read_dir(folder.path().join("made"))
        .unwrap()
        .collect();
    let bytes = std::fs::read(made[0].as_ref().unwrap().path()).unwrap();
    assert_eq!(&bytes[..3], b"\xff\xd8\xff");

    let (_, told, _) = run(
        folder.path(),
        &["explain", "--event", event, "--route", "plates"],
    );
    assert!(!told.contains("crops"), "{told}");
}
