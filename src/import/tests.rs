//! Each protocol's folder of fixtures: what its config is, and that it may be loaded.

use std::path::{Path, PathBuf};

use super::*;

fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/import");
    let mut folders: Vec<PathBuf> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort();
    folders
}

fn file(folder: &Path, name: &str) -> Option<File> {
    let text = std::fs::read_to_string(folder.join(name)).ok()?;
    Some(File {
        name: name.to_owned(),
        text,
    })
}

fn old(folder: &Path) -> Old {
    let env = file(folder, "env");
    Old {
        origin: ".env".to_owned(),
        variables: env.map_or_else(Vec::new, |env| variables(&env).unwrap()),
        config_ini: file(folder, "config.ini"),
        direction: file(folder, "dot_config.csv"),
        front_rear: file(folder, "front_rear_config.json"),
    }
}

/// `CAMHOOK_BLESS=1` writes the files anew.
#[test]
fn each_protocol_has_the_config_that_is_expected() {
    let mut wrong = Vec::new();
    for folder in folders() {
        let imported =
            import(&old(&folder)).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let expected = folder.join("routes.yaml");
        if option_env!("CAMHOOK_BLESS").is_some() {
            std::fs::write(&expected, &imported.yaml).unwrap();
        }
        if std::fs::read_to_string(&expected).unwrap_or_default() != imported.yaml {
            wrong.push(format!("{}:\n{}", expected.display(), imported.yaml));
        }
        for note in &imported.notes {
            let words = |text: &str| {
                text.replace("\n#", " ")
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            assert!(words(&imported.yaml).contains(&words(note)), "{note}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_secret_is_copied() {
    for folder in folders() {
        let old = old(&folder);
        let yaml = import(&old).unwrap().yaml;
        let secret = |name: &str| {
            ["TOKEN", "PASSWORD", "KEY"]
                .iter()
                .any(|word| name.contains(word))
        };
        let secrets = old.variables.iter().filter(|(name, _)| secret(name));
        for value in secrets.flat_map(|(_, value)| value.split(',')) {
            assert!(
                !yaml.contains(value.trim()),
                "{}: {value}",
                folder.display()
            );
        }
        assert!(!yaml.contains("s3cret"), "{}", folder.display());
    }
}

#[test]
fn every_protocol_has_a_fixture() {
    let folders = folders();
    for name in protocol::names() {
        assert!(
            folders.iter().any(|folder| folder.ends_with(name)),
            "{name}"
        );
    }
}

fn error(variables: &[(&str, &str)]) -> String {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let old = Old {
        origin: ".env".to_owned(),
        variables: variables.iter().map(own).collect(),
        ..Old::default()
    };
    import(&old).unwrap_err().to_string()
}

#[test]
fn what_cannot_be_imported_is_told() {
    assert!(error(&[]).contains("has no MIDDLEWARE_NAME"));
    assert!(error(&[("MIDDLEWARE_NAME", "nix")]).contains("no protocol `nix`"));
    assert!(error(&[("MIDDLEWARE_NAME", "dot")]).contains("--direction"));
    assert!(error(&[("MIDDLEWARE_NAME", "front-rear")]).contains("--front-rear"));
}

#[test]
fn hostile_values_stay_texts() {
    let nasty = "a\"b\\c\n- x: {{ now }} ${HOME} # '";
    let variables = [("MIDDLEWARE_NAME", "dot"), ("OTHER\n", nasty)];
    let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let cell = nasty.replace('"', "\"\"");
    let old = Old {
        origin: nasty.to_owned(),
        variables: variables.map(own).to_vec(),
        direction: Some(File {
            name: nasty.to_owned(),
            text: format!(
                "CameraID,StartDOT,EndDOT,Destination\n\"{cell}\",1,2,\"{cell}\"\n\"{cell}\",x,2,\"{cell}\"\n"
            ),
        }),
        ..Old::default()
    };
    let yaml = import(&old).unwrap().yaml;
    let value: serde_json::Value = serde_saphyr::from_str(&yaml).unwrap();
    let when = value["routes"][0]["when"].as_str().unwrap();
    assert!(
        when.contains(r#"['a"b\\c\n- x: {{ now }} $${HOME} # \'']"#),
        "{when}"
    );
    assert_eq!(value["routes"].as_array().unwrap().len(), 1);
}
