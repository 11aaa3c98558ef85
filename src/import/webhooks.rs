//! The webhooks of Stream's `config.ini`: each becomes a target, and Stream posts to camhook alone.

use super::forward::target_of;
use super::ini::{Ini, list};
use super::page::{Page, Route};
use super::settings::{is_public, literal, quoted, reference};
use super::{File, ImportError};

/// Keys that are read here; others of a webhook are told.
const KNOWN: [&str; 7] = [
    "url",
    "header",
    "image",
    "image_type",
    "video",
    "caching",
    "request_timeout",
];

/// The ports that the middlewares listen on.
const MIDDLEWARE_PORTS: [u16; 2] = [8002, 8181];

struct Webhook<'a> {
    ini: &'a Ini,
    file: &'a str,
    name: &'a str,
}

pub(super) fn write(file: &File, with_protocol: bool, page: &mut Page) -> Result<(), ImportError> {
    let ini = Ini::read(file)?;
    let mut written = 0;
    let mut types: Vec<String> = Vec::new();
    for name in ini.inside("webhooks") {
        let webhook = Webhook {
            ini: &ini,
            file: &file.name,
            name,
        };
        let Some(url) = webhook.get("url") else {
            page.note(format!(
                "{}: [[{name}]] has no url, and was left out",
                file.name
            ));
            continue;
        };
        let port = url::Url::parse(url).ok().and_then(|url| url.port());
        if with_protocol && port.is_some_and(|port| MIDDLEWARE_PORTS.contains(&port)) {
            page.note(format!(
                "{}: [[{name}]] was the way to the middleware, which camhook now is: leave it as it is",
                file.name
            ));
            continue;
        }
        webhook.write(url, &mut types, page);
        written += 1;
    }
    let old_keys = ini.pairs.iter().find(|pair| {
        pair.key.starts_with("webhook_") && pair.key != "webhook_targets"
            || pair.key == "webhook_targets" && pair.value.contains("://")
    });
    if let Some(pair) = old_keys {
        page.note(format!(
            "{}: `{}` is of Stream's older format and is not read: write a target for it by hand (docs/import.md)",
            file.name, pair.key
        ));
    }
    if written > 0 {
        let port = if with_protocol { 8002 } else { 8001 };
        let types = if types.is_empty() {
            "vehicle".to_owned()
        } else {
            types.join(", ")
        };
        page.note(format!(
            "{}: give Stream one webhook in the place of those above, url = http://ADDRESS:{port}/ with image = yes and image_type = {types}, \
             and name it in webhook_targets of the cameras",
            file.name
        ));
    }
    Ok(())
}

impl<'a> Webhook<'a> {
    fn get(&self, key: &str) -> Option<&'a str> {
        let own = self.ini.get(&["webhooks", self.name], key);
        own.or_else(|| self.ini.get(&["webhooks"], key))
            .filter(|value| !value.is_empty())
    }

    fn write(&self, url: &str, types: &mut Vec<String>, page: &mut Page) {
        let target = plain(self.name);
        let mut http = String::new();
        let url_yaml = if is_public(url) {
            quoted(url)
        } else {
            self.outside("URL", "url", page)
        };
        http.push_str(&format!("  url: {url_yaml}\n"));
        let seconds = self
            .get("request_timeout")
            .and_then(|text| text.parse::<u32>().ok());
        let timeout = seconds
            .filter(|seconds| (1..=3600).contains(seconds))
            .unwrap_or(30);
        self.header(&mut http, page);
        self.body(url, &mut http, types, page);
        page.target(&target, &format!("timeout: {timeout}s\nhttp:\n{http}"));
        for pair in self
            .ini
            .pairs
            .iter()
            .filter(|pair| pair.section == ["webhooks", self.name])
        {
            if !KNOWN.contains(&pair.key.as_str()) {
                self.note(
                    page,
                    &format!("`{}` has no counterpart, and was left out", pair.key),
                );
            }
        }
        if self.get("caching").is_some_and(|caching| !is_yes(caching)) {
            self.note(page, "caching was off: camhook tries again all the same; `retry: { attempts: 1 }` does not");
        }
        self.route(&target, page);
    }

    /// A secret of this file, to be set by the user.
    fn outside(&self, what: &str, key: &str, page: &mut Page) -> String {
        let variable = format!(
            "{}_{what}",
            plain(self.name).to_uppercase().replace('-', "_")
        );
        self.note(
            page,
            &format!(
                "set {variable} to what follows `{key} =`{}",
                match what {
                    "TOKEN" => " and the scheme",
                    "HEADER" => " and the header's name",
                    _ => "",
                }
            ),
        );
        reference(&variable)
    }

    fn header(&self, http: &mut String, page: &mut Page) {
        let Some((name, value)) = self.get("header").and_then(|line| line.split_once(':')) else {
            return;
        };
        let (name, value) = (name.trim(), value.trim());
        let scheme = value.split_once(' ').map_or("", |(scheme, _)| scheme);
        let auth = ["token", "bearer"]
            .into_iter()
            .find(|known| scheme.eq_ignore_ascii_case(known));
        match auth {
            Some(auth) if name.eq_ignore_ascii_case("authorization") => {
                let token = self.outside("TOKEN", "header", page);
                http.push_str(&format!("  auth: {{ {auth}: {token} }}\n"));
            }
            _ => {
                let camera = ["camera-id", "camera-name", "mac-address", "serial-number"];
                let value = match camera.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                    true => quoted(value),
                    false => self.outside("HEADER", "header", page),
                };
                http.push_str(&format!("  headers: {{ {}: {value} }}\n", quoted(name)));
            }
        }
    }

    fn body(&self, url: &str, http: &mut String, types: &mut Vec<String>, page: &mut Page) {
        if !is_yes(self.get("image").unwrap_or("yes")) {
            let target = target_of(Some(url));
            let json = format!(
                "{{{{ dict(event.raw, hook=dict(event.raw.hook, target={target})) | tojson }}}}"
            );
            http.push_str(&format!("  form:\n    json: {}\n", quoted(&json)));
            return;
        }
        http.push_str("  stream: true    # as Stream itself would send it\n");
        let own: Vec<String> = list(self.get("image_type").unwrap_or("vehicle")).collect();
        for kind in &own {
            if !types.contains(kind) {
                types.push(kind.clone());
            }
        }
        if own != ["vehicle"] || types.len() > own.len() {
            self.note(
                page,
                &format!(
                    "it was sent image_type = {}, and is now sent all pictures that camhook is",
                    own.join(", ")
                ),
            );
        }
    }

    /// Which cameras name it, and whether clips go there too.
    fn route(&self, target: &str, page: &mut Page) {
        let names = |value: &str| list(value).any(|name| name == self.name);
        let everybody = self.ini.get(&["cameras"], "webhook_targets");
        let mut own = Vec::new();
        let mut cameras = 0;
        for camera in self.ini.inside("cameras") {
            cameras += 1;
            let says = self.ini.get(&["cameras", camera], "webhook_targets");
            if says.or(everybody).is_some_and(names) {
                own.push(camera);
            }
        }
        let mut conditions = Vec::new();
        if own.len() < cameras {
            let ids: Vec<String> = own.iter().map(|id| literal(id)).collect();
            conditions.push(format!("event.camera.id in [{}]", ids.join(", ")));
            if own.is_empty() {
                self.note(page, "no camera named it in webhook_targets, so its route takes nothing: give it cameras, or remove it");
            }
        }
        if !is_yes(self.get("video").unwrap_or("no")) {
            conditions.push("event.kind != 'video'".to_owned());
        }
        let when = conditions.join(" and ");
        page.route(&Route {
            name: &format!("to {}", self.name),
            each_plate: false,
            when: (!when.is_empty()).then_some(when.as_str()),
            steps: &[],
            to: target,
        });
    }

    fn note(&self, page: &mut Page, what: &str) {
        page.note(format!("{}: [[{}]]: {what}", self.file, self.name));
    }
}

/// Also for video, where anything but `no` asks for clips.
fn is_yes(value: &str) -> bool {
    !["no", "false", "off", "0"]
        .iter()
        .any(|no| no.eq_ignore_ascii_case(value))
}

/// A name that may stand in YAML and, in capitals, in the environment.
fn plain(name: &str) -> String {
    let name: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect();
    let name = name.trim_matches('-');
    match name.chars().next() {
        Some(first) if first.is_ascii_alphabetic() => name.to_owned(),
        _ => format!("webhook-{name}"),
    }
}
