//! Inputs that fuzzing found worth keeping, fed again to what they were found in.

use std::fs;
use std::panic::catch_unwind;
use std::path::PathBuf;

use camhook::testing::{fed, feed};

fn fuzz() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

#[test]
fn nothing_that_fuzzing_kept_makes_a_decoder_panic() {
    let mut wrong = Vec::new();
    for name in fed() {
        let folder = fuzz().join("corpus").join(name);
        let mut inputs = 0;
        for input in fs::read_dir(&folder).unwrap_or_else(|_| panic!("no {}", folder.display())) {
            let path = input.unwrap().path();
            let input = fs::read(&path).unwrap();
            if catch_unwind(|| feed(name, &input)).is_err() {
                wrong.push(path.display().to_string());
            }
            inputs += 1;
        }
        assert!(inputs > 0, "nothing in {}", folder.display());
    }
    assert!(wrong.is_empty(), "these panic:\n{}", wrong.join("\n"));
}

#[test]
fn whatever_can_be_fed_is_fuzzed() {
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for name in fed() {
        let target = fs::read_to_string(fuzz().join(format!("targets/{name}.rs")));
        assert!(
            target.is_ok_and(|target| target.contains(&format!("feed(\"{name}\"")))
                && manifest.contains(&format!("path = \"targets/{name}.rs\"")),
            "add fuzz/targets/{name}.rs, and list it in fuzz/Cargo.toml"
        );
    }
}
