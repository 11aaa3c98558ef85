//! Every shipped preset does what it says, and what users write about one is checked like everything else.

use std::fmt::Write as _;
use std::fs;

use serde_json::json;

use super::*;
use crate::config::Config;
use crate::config::{Report, Surroundings};

fn presets() -> Vec<Preset> {
    let read = |name| find(name, None).map_err(|report| report.plain()).unwrap();
    shipped().map(read).collect()
}

#[test]
fn every_file_in_the_folder_is_listed_in_order() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("presets");
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let yaml = files.filter(|file| file.extension().is_some_and(|ending| ending == "yaml"));
    let mut names: Vec<String> = yaml
        .map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert_eq!(names, shipped().collect::<Vec<_>>());
}

#[test]
fn every_example_makes_the_request_that_stands_beside_it() {
    let mut wrong = String::new();
    for preset in presets() {
        assert!(
            !preset.examples.is_empty(),
            "{} has no example",
            preset.name
        );
        for example in &preset.examples {
            match try_out(&preset, example, &Map::new(), None) {
                Tried::Made(request) if request == example.request.trim_end() => {}
                Tried::Made(request) => {
                    let _ = writeln!(wrong, "{} makes\n{request}\n", preset.name);
                }
                Tried::Dead(reason) => {
                    let _ = writeln!(wrong, "{} is dead: {reason}\n", preset.name);
                }
                Tried::Refused(report) => {
                    let _ = writeln!(wrong, "{} is refused:\n{}", preset.name, report.plain());
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn what_sounds_like_a_secret_is_marked_as_one() {
    for preset in presets() {
        for (name, setting) in &preset.settings.0 {
            assert!(!setting.about.is_empty(), "{}: {name}", preset.name);
            let sounds = ["password", "token", "secret", "key", "aki", "aks"];
            if sounds.iter().any(|word| name.contains(word)) {
                assert!(setting.is_secret(), "{}: {name}", preset.name);
            }
        }
    }
}

fn read(text: &str, folder: &Path) -> Result<Config, Report> {
    Config::read(
        "routes.yaml",
        text,
        folder,
        &Surroundings::default(),
        &|_| Ok(None),
    )
}

fn refused(text: &str, folder: &Path) -> String {
    match read(text, folder) {
        Ok(_) => panic!("this is fine:\n{text}"),
        Err(report) => report.plain(),
    }
}

#[test]
fn a_preset_of_the_users_own_comes_from_the_folder_and_its_mistakes_are_told_in_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let text = "presets: { path: mine }\ntargets: { gate: { preset: gate-box, with: { url: 'http://10.0.0.9' } } }\n";
    assert!(refused(text, folder.path()).contains("cannot read"));

    fs::create_dir(folder.path().join("mine")).unwrap();
    let file = folder.path().join("mine/gate-box.yaml");
    let preset = "name: gate-box\nabout: Opens the gate.\nsettings: { url: { about: Where it is., type: url, required: true } }\n\
                  target: { http: { url: '{{ with.url }}/open?plate={{ plate.text }}' }, retry: { attempts: 3, max: 5s } }\nexamples: []\n";
    fs::write(&file, preset).unwrap();
    assert_eq!(read(text, folder.path()).unwrap().targets.len(), 1);

    fs::write(&file, preset.replace("plate.text", "plate.txt")).unwrap();
    let told = refused(text, folder.path());
    assert!(told.contains("mine/gate-box.yaml:4:"), "{told}");
    assert!(told.contains("did you mean `plate.text`?"), "{told}");

    fs::write(&file, preset.replace("with.url", "with.ulr")).unwrap();
    let told = refused(text, folder.path());
    assert!(
        told.contains("does not use this setting") && told.contains("did you mean `with.url`?"),
        "{told}"
    );
}

#[test]
fn what_the_user_says_beside_a_preset_wins() {
    let text = "targets: { a: { preset: parkpow, with: { token: abcdefgh }, retry: { max: 5s }, order: camera, timeout: 7s } }\n";
    let config = read(text, Path::new("."))
        .map_err(|report| report.plain())
        .unwrap();
    let settings = &config.targets[0].delivery;
    assert_eq!(settings.retry.max.to_string(), "5s");
    assert_eq!(
        settings.retry.initial.to_string(),
        "6s",
        "the preset's own stays"
    );
    assert_eq!(config.blot.out("token abcdefgh"), "token ***");
    assert_eq!(
        config.targets[0].address(),
        Some(("app.parkpow.com".to_owned(), 443))
    );
}

#[test]
fn a_camera_that_is_not_listed_is_refused_by_name_and_a_star_stands_for_it() {
    let preset = find("openeye", None)
        .map_err(|report| report.plain())
        .unwrap();
    let tried = |cameras: Value| {
        let mut more = Map::new();
        more.insert("cameras".to_owned(), cameras);
        try_out(&preset, &preset.examples[0], &more, None)
    };
    let Tried::Dead(reason) = tried(json!({ "camera-2": "x" })) else {
        panic!("camera-1 is not listed");
    };
    assert!(
        reason.contains("`camera-1`") && reason.contains("`with.cameras`"),
        "{reason}"
    );
    let Tried::Made(request) = tried(json!({ "*": "own-{{ event.camera.id }}" })) else {
        panic!("the star stands for it");
    };
    assert!(request.contains("own-camera-1"), "{request}");
}

#[test]
fn a_variant_takes_the_place_of_the_target_where_its_setting_is_given() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("mine")).unwrap();
    let file = folder.path().join("mine/gate-box.yaml");
    let preset = "name: gate-box\nabout: Opens the gate.\nsettings:\n  url: { about: Where it is., type: url, required: true }\n  \
                  broker: { about: Or its broker., type: url }\n  topic: { about: The topic there. }\n\
                  target: { http: { url: '{{ with.url }}' } }\n\
                  variants: [{ when: broker, required: [topic], target: { mqtt: { url: '{{ with.broker }}', topic: '{{ with.topic }}' } } }]\nexamples: []\n";
    fs::write(&file, preset).unwrap();
    let with = |with: &str| {
        format!(
            "presets: {{ path: mine }}\ntargets: {{ gate: {{ preset: gate-box, with: {with} }} }}\n"
        )
    };
    for (settings, port) in [
        ("{ url: 'http://10.0.0.9' }", 80),
        ("{ broker: 'mqtt://10.0.0.9', topic: gate }", 1883),
    ] {
        let config = read(&with(settings), folder.path()).map_err(|report| report.plain());
        let address = config.unwrap().targets[0].address().unwrap();
        assert_eq!(address, ("10.0.0.9".to_owned(), port));
    }
    let told = refused(&with("{ broker: 'mqtt://10.0.0.9' }"), folder.path());
    assert!(
        told.contains("`topic` is missing") && !told.contains("`url` is missing"),
        "{told}"
    );

    fs::write(&file, preset.replace("when: broker", "when: brocker")).unwrap();
    let told = refused(&with("{ url: 'http://10.0.0.9' }"), folder.path());
    assert!(told.contains("there is no setting `brocker`"), "{told}");
    fs::write(&file, preset.replace("mqtt: {", "mqtt: { qoss: 1,")).unwrap();
    let told = refused(&with("{ url: 'http://10.0.0.9' }"), folder.path());
    assert!(
        told.contains("mine/gate-box.yaml:8:") && told.contains("`qoss`"),
        "{told}"
    );
}
