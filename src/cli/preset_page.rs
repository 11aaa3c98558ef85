//! A preset as a page of Markdown: for `presets show`, and for `docs/targets`.

use serde_json::Value;

use super::presets::each;
use crate::config::{Kind, Preset};

pub(super) fn page(preset: &Preset) -> String {
    let mut page = format!("# {}\n\n{}\n\n", preset.name, preset.about);
    page.push_str(match preset.verified {
        true => "Seen to work with the real system.\n",
        false => {
            "Made from documents; not yet tried with the real system. Tell us how it went, and it will say so here.\n"
        }
    });
    page.push_str("\n## Settings\n\n");
    settings(preset, &mut page);
    page.push_str("\n## A target to paste\n\n");
    snippet(preset, &mut page);
    for example in &preset.examples {
        let about = example.about.as_deref().unwrap_or("What it sends");
        page.push_str(&format!("\n## {about}\n\n"));
        let shown = fence(&example.request);
        page.push_str(&format!(
            "{shown}http\n{}\n{shown}\n",
            example.request.trim_end()
        ));
    }
    if let Some(notes) = &preset.notes {
        page.push_str(&format!("\n## Notes\n\n{}\n", notes.trim_end()));
    }
    if !preset.unverified.is_empty() {
        page.push_str("\n## Not certain\n\n");
        for fact in &preset.unverified {
            page.push_str(&format!("- {fact}\n"));
        }
    }
    if !preset.source.is_empty() {
        page.push_str("\n## Sources\n\n");
        for document in &preset.source {
            page.push_str(&format!("- <{}> (read {})\n", document.url, document.read));
        }
    }
    page
}

/// Longer than any row of backticks inside.
fn fence(text: &str) -> String {
    let mut fence = "```".to_owned();
    while text.contains(&fence) {
        fence.push('`');
    }
    fence
}

fn settings(preset: &Preset, page: &mut String) {
    page.push_str("| `with` | type | default | meaning |\n|---|---|---|---|\n");
    for (name, setting) in &preset.settings.0 {
        let mut kind = setting.kind.as_str().to_owned();
        if setting.is_secret() && setting.kind != Kind::Secret {
            kind.push_str(", secret");
        }
        if !setting.one_of.is_empty() {
            let words: Vec<String> = setting
                .one_of
                .iter()
                .map(|word| format!("`{word}`"))
                .collect();
            kind = words.join(", ");
        }
        let default = match &setting.default {
            None => needed(preset, name, setting.required),
            Some(default) => format!("`{}`", escaped(&text(default))),
        };
        let about = escaped(&setting.about);
        page.push_str(&format!("| `{name}` | {kind} | {default} | {about} |\n"));
        for (field, of) in &setting.fields.0 {
            let must = if of.required { "required" } else { "–" };
            let kind = if of.secret { "secret" } else { "text" };
            let about = escaped(&of.about);
            page.push_str(&format!(
                "| `{name}.CAMERA.{field}` | {kind} | {must} | {about} |\n"
            ));
        }
    }
}

/// Where a setting must be given.
fn needed(preset: &Preset, name: &str, always: bool) -> String {
    let variants = || preset.variants.iter();
    let with = variants().filter(|variant| variant.required.iter().any(|must| must == name));
    let with: Vec<String> = with
        .map(|variant| format!("required with `{}`", variant.when))
        .collect();
    match (always, with.is_empty()) {
        (true, _) if preset.variants.is_empty() => "required".to_owned(),
        (true, true) => {
            let others: Vec<String> = variants().map(|v| format!("`{}`", v.when)).collect();
            format!("required without {}", others.join(" or "))
        }
        (_, false) => with.join(", "),
        (false, true) => "–".to_owned(),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn escaped(text: &str) -> String {
    text.trim_end().replace('|', "\\|").replace('\n', " ")
}

fn snippet(preset: &Preset, page: &mut String) {
    page.push_str(&format!(
        "```yaml\ntargets:\n  {0}:\n    preset: {0}\n    with:\n",
        preset.name
    ));
    let example = preset.examples.first();
    for (name, setting) in &preset.settings.0 {
        let value = example.and_then(|example| example.with.get(name));
        let comment = if setting.required || value.is_some() {
            ""
        } else {
            "#"
        };
        let value = match (value, &setting.default) {
            _ if setting.is_secret() => {
                let variable = format!("{}_{name}", preset.name).to_uppercase();
                format!("\"${{{}}}\"", variable.replace('-', "_"))
            }
            (Some(value), _) | (None, Some(value)) => value.to_string(),
            (None, None) => continue,
        };
        page.push_str(&format!("      {comment}{name}: {value}\n"));
    }
    page.push_str("routes:\n");
    if let Some(each) = each(preset.each) {
        page.push_str(&format!(
            "  - each: {each}\n    to: [{}]\n```\n",
            preset.name
        ));
    } else {
        page.push_str(&format!("  - to: [{}]\n```\n", preset.name));
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::path::Path;

    use super::*;
    use crate::config::preset;

    #[test]
    fn every_preset_has_its_page_in_the_docs_as_it_is_now() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/targets");
        let mut wrong = String::new();
        for name in preset::shipped() {
            let preset = preset::find(name, None)
                .map_err(|report| report.plain())
                .unwrap();
            let file = folder.join(format!("{name}.md"));
            if std::fs::read_to_string(&file).ok() != Some(page(&preset)) {
                let _ = writeln!(wrong, "docs/targets/{name}.md");
            }
        }
        let advice = "camhook presets docs --out docs/targets";
        assert!(
            wrong.is_empty(),
            "not current, `{advice}` writes them:\n{wrong}"
        );
    }
}
