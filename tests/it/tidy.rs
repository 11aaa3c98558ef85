//! What compilers and linters do not check: the ladder, the homes of dependencies, files that say what they are for.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms from the ground up; a room uses lower rungs only, and its neighbours on the same rung do not know it.
const LADDER: [&[&str]; 9] = [
    &[
        "name",
        "secret",
        "clock",
        "tasks",
        "telemetry",
        "units",
        "budget",
        "descriptors",
        "mqtt",
        "reach",
        "tls",
    ],
    &[
        "event", "fate", "payload", "lists", "likeness", "schedule", "webhooks",
    ],
    &["template", "decide"],
    &[
        "sources", "routes", "store", "steps", "render", "targets", "sample", "import", "alerts",
    ],
    &["server", "delivery", "fetch", "refresh", "admin"],
    &["config"],
    &["explain"],
    &["app"],
    &["cli", "testing"],
];

/// Arrows that break the ladder, each with its reason.
const EXCEPTIONS: [(&str, &str); 0] = [];

/// Crates that live in one place, so that they can be replaced there.
const HOMES: &[(&str, &[&str])] = &[
    ("rusqlite", &["store"]),
    ("image", &["steps", "sample"]),
    (
        "reqwest",
        &["targets", "fetch", "refresh", "cli", "app", "telemetry"],
    ),
    ("opentelemetry_proto", &["telemetry"]),
    ("tokio_postgres", &["targets"]),
    ("lettre", &["targets"]),
    ("ring::signature", &["targets"]),
    ("minijinja", &["template"]),
    ("governor", &["delivery"]),
    ("notify", &["config"]),
    ("miette", &["config", "cli"]),
    ("clap", &["cli"]),
    ("x509_parser", &["cli", "tls"]),
    ("rcgen", &["cli"]),
    ("argon2", &["admin"]),
    ("maud", &["admin"]),
];

/// Lines of code in one file, tests apart, above which it must be split or listed here with the reason.
const LINES_MAX: usize = 400;

struct Source {
    path: PathBuf,
    room: String,
    text: String,
}

impl Source {
    /// A file of nothing but tests.
    fn is_test(&self) -> bool {
        let tests = |part: &std::ffi::OsStr| part == "tests" || part == "tests.rs";
        self.path.components().any(|part| tests(part.as_os_str()))
    }

    /// Without the unit tests at its end.
    fn code(&self) -> &str {
        self.text
            .split("\n#[cfg(test)]\nmod ")
            .next()
            .expect("split yields at least one piece")
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let mut paths = Vec::new();
    walk(&root().join("src"), &mut paths);
    paths
        .into_iter()
        .map(|path| {
            let inner = path.strip_prefix(root().join("src")).unwrap();
            let first = inner
                .components()
                .next()
                .unwrap()
                .as_os_str()
                .to_str()
                .unwrap();
            let room = first.trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).unwrap();
            Source {
                room,
                text,
                path: inner.to_owned(),
            }
        })
        .collect()
}

fn rung(room: &str) -> Option<usize> {
    LADDER.iter().position(|rooms| rooms.contains(&room))
}

#[test]
fn every_room_stands_on_the_ladder_and_is_listed_in_its_order() {
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let listed: Vec<usize> = lib
        .lines()
        .map(|line| line.strip_prefix("pub ").unwrap_or(line))
        .filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'))
        .map(|room| {
            rung(room).unwrap_or_else(|| panic!("`{room}` is missing in the ladder of tidy.rs"))
        })
        .collect();
    assert!(
        !listed.is_empty() && listed.is_sorted(),
        "lib.rs lists the rooms from the ground up"
    );
}

#[test]
fn no_arrow_points_up_or_sideways() {
    let mut wrong = Vec::new();
    for source in sources() {
        let Some(from) = rung(&source.room) else {
            continue;
        };
        let uses: BTreeSet<&str> = source
            .text
            .match_indices("crate::")
            .map(|(at, _)| {
                let rest = &source.text[at + "crate::".len()..];
                &rest[..rest
                    .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                    .unwrap_or(rest.len())]
            })
            .filter(|room| *room != source.room)
            .collect();
        for room in uses {
            let excepted = EXCEPTIONS.contains(&(source.room.as_str(), room));
            if rung(room).is_some_and(|to| to >= from) && !excepted {
                // Rungs 0 and 1 are one room of words each: their files may know each other.
                if from <= 1 && rung(room) == Some(from) {
                    continue;
                }
                wrong.push(format!("src/{} uses crate::{room}", source.path.display()));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "arrows up or sideways:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn every_file_says_what_it_is_for_and_fits_on_a_few_screens() {
    let mut wrong = Vec::new();
    for source in sources() {
        if !source.text.starts_with("//!") {
            wrong.push(format!(
                "src/{} does not begin with `//!`",
                source.path.display()
            ));
        }
        let lines = source.code().lines().count();
        if lines > LINES_MAX && !source.is_test() {
            wrong.push(format!(
                "src/{} has {lines} lines: look for the second concept",
                source.path.display()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn crates_stay_in_their_homes() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        for &(name, homes) in HOMES {
            let used = [format!("use {name}::"), format!("{name}::")]
                .iter()
                .any(|needle| {
                    source.code().match_indices(needle.as_str()).any(|(at, _)| {
                        let before = source.code()[..at].chars().next_back();
                        !before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
                    })
                });
            if used && !homes.contains(&source.room.as_str()) {
                wrong.push(format!(
                    "src/{} uses {name}, whose home is {}",
                    source.path.display(),
                    homes.join(", ")
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_dependency_says_why_it_is_there() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let mut section = "";
    let mut wrong = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if section.ends_with("dependencies]")
            && line.contains(" = ")
            && !line.contains(" # ")
        {
            wrong.push(line);
        }
    }
    assert!(
        wrong.is_empty(),
        "no reason in Cargo.toml for:\n{}",
        wrong.join("\n")
    );
}

/// A source or a step is listed where its room lists them, and has a folder of fixtures.
#[test]
fn sources_and_steps_have_fixtures() {
    let mut wrong = Vec::new();
    for (room, plumbing) in [
        ("sources", SOURCE_PLUMBING.as_slice()),
        ("steps", STEP_PLUMBING),
    ] {
        for entry in fs::read_dir(root().join("src").join(room)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let name = name.trim_end_matches(".rs");
            if plumbing.contains(&name) {
                continue;
            }
            let folder = root().join("tests/fixtures").join(room).join(name);
            if !folder.is_dir() {
                wrong.push(format!(
                    "src/{room}/{name} has no fixtures in {}",
                    folder.display()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const SOURCE_PLUMBING: [&str; 17] = [
    "mod",
    "body",
    "bounds",
    "multipart",
    "settings",
    "fixtures",
    "lenient",
    "json",
    "country",
    "media",
    "xml",
    "document",
    "map",
    "moments",
    "neutral",
    "plain",
    "probe",
];
const STEP_PLUMBING: &[&str] = &[
    "mod", "album", "choice", "color", "encode", "glance", "halves", "jpeg", "made", "opened",
    "pad", "pixels", "places", "scale", "fixtures", "stories", "decode", "chosen", "draft",
    "field", "plates", "key", "drawing",
];

#[test]
fn nothing_unfinished_is_left_behind() {
    let marks =
        ["to", "fix"].map(|word| format!("{}{}", word, if word == "to" { "do!(" } else { "me" }));
    let mut wrong = Vec::new();
    for source in sources() {
        for (n, line) in source.text.lines().enumerate() {
            if marks
                .iter()
                .any(|mark| line.to_ascii_lowercase().contains(mark.as_str()))
            {
                wrong.push(format!(
                    "src/{}:{}: {}",
                    source.path.display(),
                    n + 1,
                    line.trim()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
