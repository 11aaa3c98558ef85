//! The protocol front_rear: two cameras on one lane, one visit in ParkPow.

use serde_json::Value;

use super::page::{Page, Route};
use super::settings::{Settings, is_public, literal, quoted, reference};
use super::systems::READS;
use super::{ImportError, Old};

pub(super) fn write(
    old: &Old,
    settings: &mut Settings<'_>,
    page: &mut Page,
) -> Result<(), ImportError> {
    let file = old.front_rear.as_ref().ok_or(ImportError::NoFrontRear)?;
    let config: Value =
        serde_json::from_str(&file.text).map_err(|error| ImportError::Unreadable {
            file: file.name.clone(),
            line: error.line(),
            what: error.to_string(),
        })?;
    let (mut pairs, mut solo) = (Vec::new(), Vec::new());
    for pair in config["camera_pairs"].as_array().into_iter().flatten() {
        let camera = |end: &str| pair[end].as_str().filter(|id| !id.is_empty());
        match (camera("front"), camera("rear")) {
            (Some(front), Some(rear)) => pairs.push((front, rear)),
            (Some(camera), None) | (None, Some(camera)) => solo.push(camera),
            (None, None) => {}
        }
    }
    tokens(settings, page);
    settings.tell("PARKPOW_TOKEN", "targets.parkpow.with.token");
    settings.tell(
        "ADMIN_TOKEN",
        "left out: the log is camhook's stderr, and the dashboard is at the admin address",
    );
    let mut with = String::from("preset: parkpow\nwith:\n");
    if let Some(url) = config
        .pointer("/parkpow/webhook_endpoint")
        .and_then(Value::as_str)
    {
        let url = if is_public(url) {
            quoted(url)
        } else {
            page.note(format!(
                "{}: webhook_endpoint holds a secret: set PARKPOW_URL to it",
                file.name
            ));
            reference("PARKPOW_URL")
        };
        with.push_str(&format!("  url: {url}\n"));
    }
    with.push_str("  token: \"${PARKPOW_TOKEN}\"\n");
    page.target("parkpow", &with);

    let window = config
        .pointer("/pairing/time_window_seconds")
        .and_then(Value::as_u64)
        .unwrap_or(30)
        .max(1);
    for (n, (front, rear)) in pairs.iter().enumerate() {
        let [is_front, is_rear] = [front, rear].map(|camera| literal(camera));
        let [front, rear] = [front, rear].map(|camera| quoted(camera));
        page.route(&Route {
            name: &format!("visits of lane {}", n + 1),
            each_plate: false,
            when: Some(&format!(
                "{READS} and event.camera.id in [{is_front}, {is_rear}]"
            )),
            steps: &[&format!(
                "pair: {{ front: [{front}], rear: [{rear}], by: none, within: {window}s }}"
            )],
            to: "parkpow",
        });
    }
    if !solo.is_empty() {
        let cameras: Vec<String> = solo.iter().copied().map(literal).collect();
        page.route(&Route {
            name: "cameras without a partner",
            each_plate: false,
            when: Some(&format!(
                "{READS} and event.camera.id in [{}]",
                cameras.join(", ")
            )),
            steps: &[],
            to: "parkpow",
        });
    }
    if !pairs.is_empty() {
        page.note(
            "front_rear: of a pair ParkPow is sent the read that comes second (the middleware sent that of the rear camera), \
             or the only one when the time is over; `by: plate` in place of `by: none` joins by plates (docs/steps.md#pair)",
        );
    }
    let alerts = config["alerts"].as_object().into_iter().flatten();
    let alerts: Vec<&str> = alerts
        .filter(|(_, alert)| alert["enabled"] == true)
        .map(|(name, _)| name.as_str())
        .collect();
    if !alerts.is_empty() {
        page.note(format!(
            "front_rear: the alerts {} are not raised any more: ParkPow has alerts of its own, and docs/steps.md#pair shows a route of alerts with `tell: [mismatch, missing]`",
            alerts.join(", ")
        ));
    }
    if let Some(csv) = config["front_rear_csv_path"]
        .as_str()
        .filter(|path| !path.is_empty())
    {
        page.note(format!(
            "front_rear: {csv} served the alerts; as `lists: {{ known: {{ csv: {csv}, key: LICENSE_PLATE }} }}` conditions can ask for its plates"
        ));
    }
    page.gone(
        "nothing is lost when camhook restarts, or when two cars pass within the time window",
    );
    page.gone("events that Stream sends late are sent on");
    page.gone("events of cameras in no pair are kept and shown, and not refused, which made Stream repeat them for ever");
    Ok(())
}

/// One token is the source's. Of several, the others get sources of their own.
fn tokens(settings: &mut Settings<'_>, page: &mut Page) {
    let value = settings
        .get("STREAM_API_TOKENS", "sources.stream.auth.token")
        .unwrap_or_default();
    let several = value
        .split(',')
        .filter(|token| !token.trim().is_empty())
        .count();
    if several > 1 {
        settings.tell(
            "STREAM_API_TOKENS",
            "sources.stream.auth.tokens: any of them will do",
        );
        page.auth("{ tokens: \"${STREAM_API_TOKENS}\" }".to_owned());
    } else {
        settings.tell("STREAM_API_TOKENS", "sources.stream.auth.token");
        page.auth("{ token: \"${STREAM_API_TOKENS}\" }".to_owned());
    }
}
