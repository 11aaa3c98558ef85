//! Whole files: what is said of each mistake, and what comes of a good one.

use std::collections::BTreeMap;
use std::fs;

use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;

const SHIPPED: &str = include_str!("../../routes.yaml");

fn environment(text: &str) -> BTreeMap<String, String> {
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// What `check` prints for the file of a fixture, with paths as if run from its folder.
fn told(folder: &Path) -> String {
    let variables = environment(&fs::read_to_string(folder.join("env")).unwrap_or_default());
    let loaded = Config::load_with(
        &folder.join("routes.yaml"),
        &Surroundings::default(),
        &|name| Ok(variables.get(name).cloned()),
    );
    let prefix = format!("{}/", folder.display());
    match loaded {
        Ok(_) => "fine\n".to_owned(),
        Err(report) => report.render(false).replace(&prefix, ""),
    }
}

fn shipped(text: &str) -> Result<Config, Report> {
    Config::read(
        "routes.yaml",
        text,
        Path::new("."),
        &Surroundings::default(),
        &|_| Ok(None),
    )
}

#[test]
fn every_mistake_is_told_with_its_place_and_advice() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config");
    let mut cases = 0;
    let mut wrong = String::new();
    for case in fs::read_dir(folder).unwrap() {
        let case = case.unwrap().path();
        let told = told(&case);
        let golden = case.join("expected.txt");
        match fs::read_to_string(&golden) {
            Ok(expected) if expected == told => {}
            Ok(_) => wrong.push_str(&format!("== {} now says\n{told}", case.display())),
            Err(_) => {
                fs::write(&golden, &told).unwrap();
                wrong.push_str(&format!("== {} is new\n{told}", case.display()));
            }
        }
        cases += 1;
    }
    assert!(cases > 10);
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn reads_a_file_into_what_the_rooms_are_built_from() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config/valid");
    let variables = environment(&fs::read_to_string(folder.join("env")).unwrap());
    let config = Config::load_with(
        &folder.join("routes.yaml"),
        &Surroundings::default(),
        &|name| Ok(variables.get(name).cloned()),
    )
    .unwrap_or_else(|report| panic!("{}", report.render(false)));
    let named: Vec<(&str, &str)> = config
        .sources
        .iter()
        .map(|source| {
            (
                source.name.as_str(),
                source.path.as_deref().unwrap_or_default(),
            )
        })
        .collect();
    assert_eq!(
        named,
        [
            ("stream", "/stream"),
            ("gate", "/gate"),
            ("gate-2", "/gate-2"),
            ("auto", "/"),
        ]
    );
    assert_eq!(config.sources[2].settings.max_body.0, 64 << 20);
    assert_eq!(config.sources[3].source.kind(), "auto");
    assert_eq!(config.store.path, Path::new("/var/lib/camhook"));
    assert_eq!(config.store.max_size, 1_000_000_000);
    assert!(
        config
            .lists
            .get("residents")
            .unwrap()
            .contains_at("ab-123", jiff::Timestamp::UNIX_EPOCH)
            .unwrap()
    );
    let targets: Vec<&str> = config.targets.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(targets, ["evidence", "lines", "log"]);
    assert_eq!(config.routes[0].name.as_str(), "plates");
    assert_eq!(config.routes[1].name.as_str(), "to log");
    assert_eq!(config.steps["plates"].len(), 1);
    let files: Vec<_> = config.files.iter().map(|file| file.file_name()).collect();
    for name in ["routes.yaml", "token.txt", "residents.csv"] {
        assert!(files.contains(&Some(name.as_ref())), "{files:?}");
    }
    assert_eq!(config.blot.out("Bearer filetoken"), "Bearer ***");
    assert_eq!(config.blot.out("token 0123456"), "token ***");
}

#[test]
fn a_file_that_says_nothing_has_the_defaults() {
    let config = shipped("").unwrap_or_else(|report| panic!("{}", report.render(false)));
    assert_eq!(config.server.listen.to_string(), "0.0.0.0:8001");
    assert_eq!(config.admin.listen.to_string(), "127.0.0.1:9001");
    assert_eq!(config.store.path, Path::new("./data"));
    assert_eq!(config.store.max_size, 20 << 30);
    assert_eq!(config.sources[0].path.as_deref(), Some("/"));
}

#[test]
fn what_is_shown_holds_no_secret() {
    let text = "sources:\n  a: { path: /a, auth: { token: \"s\u{e9}same-open\" } }\n";
    let config = shipped(text).unwrap_or_else(|report| panic!("{}", report.render(false)));
    assert_eq!(config.shown.text.len(), text.len());
    assert!(
        !config.shown.text.contains("same-open"),
        "{}",
        config.shown.text
    );
    assert!(config.shown.text.contains("path: /a"));
    assert_eq!(config.blot.out("s\u{e9}same-open"), "***");
}

#[test]
fn what_is_shown_holds_no_comment_but_every_value() {
    let text = "# was: hunter2\nsources:\n  a: # hunter3\n    path: /ab   # hunter4\n    #auth: { token: hunter5 }\n    \
                auth: { token: \"x # yyyyyyyy\" } # hunter6\ntargets:\n  t:\n    http:\n      url: http://h/x\n      \
                text: |\n        # kept\n        more # kept too\nroutes: [{ to: [t] }] # hunter7";
    let config = shipped(text).unwrap_or_else(|report| panic!("{}", report.render(false)));
    let shown = &config.shown.text;
    assert!(!shown.contains("hunter"), "{shown}");
    for kept in [
        "path: /ab\n",
        "url: http://h/x\n",
        "# kept\n",
        "more # kept too\n",
        "[{ to: [t] }]",
    ] {
        assert!(shown.contains(kept), "{kept} is not in {shown}");
    }
    assert!(!shown.contains("yyyyyyyy"), "{shown}");
}

#[test]
fn a_missing_file_is_a_mistake_like_others() {
    let Err(report) = Config::load(Path::new("nowhere/routes.yaml")) else {
        panic!("there is no such file")
    };
    assert!(
        report
            .plain()
            .starts_with("nowhere/routes.yaml:1:1: cannot read the file"),
        "{}",
        report.render(false)
    );
}

#[test]
fn the_shipped_file_works() {
    let config = shipped(SHIPPED).unwrap_or_else(|report| panic!("{}", report.render(false)));
    assert!(!config.routes.is_empty() && !config.targets.is_empty());
}

#[test]
fn the_shipped_file_with_every_example_on_has_known_keys_only() {
    let text: String = SHIPPED
        .lines()
        .filter(|line| !line.contains("#jsonl:")) // the other form of what is on
        .map(|line| match line.trim_start().strip_prefix('#') {
            Some(off) if off.starts_with(|c: char| c.is_ascii_alphabetic() || c == '-') => {
                line.replacen('#', "", 1) + "\n"
            }
            Some(_) | None => format!("{line}\n"),
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let residents = "license_plate,name\nAB123,Jo\n";
    fs::write(folder.path().join("residents.csv"), residents).unwrap();
    let guests = "license_plate,from,until\nAB123,2026-01-31,\n";
    fs::write(folder.path().join("guests.csv"), guests).unwrap();
    fs::create_dir(folder.path().join("my-presets")).unwrap();
    let made = rcgen::generate_simple_self_signed(["gate.example".to_owned()]).unwrap();
    fs::create_dir(folder.path().join("tls")).unwrap();
    for (file, text) in [
        ("tls/camhook.pem", made.cert.pem()),
        ("tls/camhook.key", made.signing_key.serialize_pem()),
        ("tls/ca.pem", made.cert.pem()),
    ] {
        fs::write(folder.path().join(file), text).unwrap();
    }
    let loaded = Config::read(
        "routes.yaml",
        &text,
        folder.path(),
        &Surroundings::default(),
        &|_| Ok(Some("a-secret-value-of-some-length".to_owned())),
    );
    assert!(
        loaded.is_ok(),
        "{}",
        loaded
            .err()
            .map(|report| report.render(false))
            .unwrap_or_default()
    );
}

/// What is wrong with a value by a JSON Schema, in as much of that language as the schema uses.
fn against(schema: &Json, root: &Json, value: &Json, at: &str, wrong: &mut Vec<String>) {
    let mut known: Vec<&str> = Vec::new();
    let kind = match value {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(number) if number.is_f64() => "number",
        Json::Number(_) => "integer",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    };
    if let Some(reference) = schema["$ref"].as_str() {
        let target = root.pointer(reference.trim_start_matches('#')).unwrap();
        against(target, root, value, at, wrong);
    }
    let kinds = match &schema["type"] {
        Json::String(word) => vec![word.as_str()],
        words => words.as_array().map_or(Vec::new(), |words| {
            words.iter().filter_map(Json::as_str).collect()
        }),
    };
    let fits = kinds.contains(&kind) || kind == "integer" && kinds.contains(&"number");
    if !kinds.is_empty() && !fits {
        wrong.push(format!("{at}: {kind} is none of {kinds:?}"));
    }
    for (word, exactly) in [("anyOf", false), ("oneOf", true)] {
        let Some(choices) = schema[word].as_array() else {
            continue;
        };
        let fitting = choices.iter().filter(|choice| {
            let mut wrong = Vec::new();
            against(choice, root, value, at, &mut wrong);
            wrong.is_empty()
        });
        let fitting = fitting.count();
        if fitting == 0 || exactly && fitting > 1 {
            wrong.push(format!("{at}: {fitting} of {word} fit"));
        }
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        wrong.push(format!("{at}: {value} is none of {words:?}"));
    }
    if schema.get("const").is_some_and(|word| word != value) {
        wrong.push(format!("{at}: {value} is not {}", schema["const"]));
    }
    if let (Some(item), Some(items)) = (schema.get("items"), value.as_array()) {
        for (n, value) in items.iter().enumerate() {
            against(item, root, value, &format!("{at}/{n}"), wrong);
        }
    }
    let Some(entries) = value.as_object() else {
        return;
    };
    if let Some(properties) = schema["properties"].as_object() {
        known.extend(properties.keys().map(String::as_str));
    }
    for (key, value) in entries {
        let at = format!("{at}/{key}");
        match (
            known.contains(&key.as_str()),
            &schema["additionalProperties"],
        ) {
            (true, _) => against(&schema["properties"][key], root, value, &at, wrong),
            (false, Json::Bool(false)) => wrong.push(format!("{at}: unknown")),
            (false, others) => against(others, root, value, &at, wrong),
        }
    }
    for key in schema["required"].as_array().into_iter().flatten() {
        if !entries.contains_key(key.as_str().unwrap()) {
            wrong.push(format!("{at}: {key} is missing"));
        }
    }
}

#[test]
fn what_is_right_is_right_by_the_schema_too() {
    let bare = "server:\nadmin:\nstore:\nlog:\nsources:\nlists:\ntargets:\nroutes:\n";
    let inner = "sources: { a: }\ntargets: { b: { log: , retry: , breaker: } }\n\
        routes: [ { to: [b], steps: [ { crop: } ] } ]\n";
    let schema = schema();
    for text in [SHIPPED, bare, inner] {
        shipped(text).unwrap_or_else(|report| panic!("{}", report.render(false)));
        let tree = parse::parse(text, &mut Vec::new()).unwrap();
        let mut wrong = Vec::new();
        against(&schema, &schema, &tree.value(), "", &mut wrong);
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

#[test]
fn a_terminal_sees_the_same_mistakes() {
    let Err(report) = shipped("routes:\n  - { name: a, form: [b], to: [c] }\n") else {
        panic!("`form` is no key")
    };
    let page = report.render(true);
    assert_eq!(report.mistakes.len(), 2);
    for mistake in &report.mistakes {
        assert!(page.contains(&mistake.message), "{page}");
    }
    for place in ["routes.yaml:2:16: ", "routes.yaml:2:32: "] {
        assert!(page.contains(place), "{page}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn no_change_of_the_shipped_file_makes_it_panic(
        at in any::<prop::sample::Index>(),
        cut in 0_usize..20,
        put in "[ \\n\\t:{}\\[\\]\"'|>&*!%$#a-z0-9\u{e9}-]{0,8}",
    ) {
        let start = mistake::boundary(SHIPPED, at.index(SHIPPED.len()));
        let end = mistake::boundary(SHIPPED, start + cut).max(start);
        let text = format!("{}{put}{}", &SHIPPED[..start], &SHIPPED[end..]);
        if let Err(report) = shipped(&text) {
            prop_assert!(!report.mistakes.is_empty());
            prop_assert!(!report.render(false).is_empty());
            let _ = report.render(true);
        }
    }
}

#[test]
fn what_http_basic_sends_is_a_secret_as_a_whole() {
    let text = "targets:\n  \
        a: { http: { url: \"http://127.0.0.1/\", auth: { basic: { username: camhook, password: \"${PW}\" } } } }\n  \
        b: { http: { url: \"http://me:hush%21%21@127.0.0.1/\" } }\n";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("routes.yaml");
    fs::write(&file, text).unwrap();
    let config = Config::load_with(&file, &Surroundings::default(), &|_| {
        Ok(Some("hunter2".to_owned()))
    })
    .unwrap_or_else(|report| panic!("{}", report.render(false)));
    for pair in ["camhook:hunter2", "me:hush!!"] {
        let sent = data_encoding::BASE64.encode(pair.as_bytes());
        let echo = format!("{{\"authorization\": \"Basic {sent}\"}}");
        assert_eq!(config.blot.out(&echo), "{\"authorization\": \"Basic ***\"}");
    }
}

#[test]
fn a_secret_under_a_mistyped_key_is_not_shown_with_the_mistake() {
    for line in [
        "with: { tokn: SuperSecret123456 }",
        "http: { url: \"http://x\", auth: { baerer: SuperSecret123456 } }",
        "http: { url: \"http://x\", auth: { basic: { username: u, passwort: SuperSecret123456 } } }",
    ] {
        let report = shipped(&format!("targets:\n  a: {{ {} }}\n", line))
            .err()
            .unwrap();
        let told = report.render(false);
        assert!(!told.contains("SuperSecret123456"), "{told}");
    }
}
