//! Protocols that passed the event on, more or less changed, to one address.

use super::page::{Page, Route};
use super::settings::{Settings, is_public, literal};
use super::systems::READS;

/// What stands in `hook.target`: where the request goes. What Stream wrote there may hold the token it came with.
pub(super) fn target_of(url: Option<&str>) -> String {
    literal(url.filter(|url| is_public(url)).unwrap_or_default())
}

/// What the middleware added to the JSON, but for the sender's Authorization.
const HEADERS: &str = "{'mac_address': event.headers['mac-address'], 'camera_name': event.headers['camera-name'], \
     'serial_number': event.headers['serial-number'], 'camera_id': event.headers['camera-id']}";

/// Stream's own document with those of its results for which `condition` holds; in it `read` is the result as camhook
/// read it.
pub(super) fn document(target: &str, condition: &str) -> String {
    format!(
        "{{%- set kept = namespace(results=[]) -%}}\n\
         {{%- for result in event.raw.data.results -%}}\n\
         {{%- set read = event.plates[loop.index0] -%}}\n\
         {{%- if {condition} -%}}{{%- set kept.results = kept.results + [result] -%}}{{%- endif -%}}\n\
         {{%- endfor -%}}\n\
         {{{{ dict(event.raw, hook=dict(event.raw.hook, target={target}), data=dict(event.raw.data, results=kept.results),\n\
         webhook_header={HEADERS}) | tojson }}}}"
    )
}

/// Lines of a block of text, moved in.
pub(super) fn block(text: &str, indent: usize) -> String {
    let indent = " ".repeat(indent);
    let text = text.replace("${", "$${");
    let lines = text.lines().map(|line| format!("{indent}{line}\n"));
    lines.collect()
}

pub(super) fn crop_plate(settings: &mut Settings<'_>, page: &mut Page) {
    let url = settings.url("WEBHOOK_URL", "targets.webhook.http.url");
    let target = target_of(settings.get("WEBHOOK_URL", "targets.webhook.http.url"));
    let json = block(
        &document(&target, "plate == none or read.text == plate.text"),
        6,
    );
    page.target(
        "webhook",
        &format!(
            "http:\n\
             \x20 url: {url}\n\
             \x20 multipart:\n\
             \x20   json: |-    # Stream's own, with the plate that this request is for\n\
             {json}\
             \x20   original_image: {{ value: \"{{{{ images.vehicle or images.frame }}}}\", filename: original_image }}\n\
             \x20   cropped_image: {{ value: \"{{{{ images.plate }}}}\", filename: cropped_image }}\n"
        ),
    );
    page.gone("each plate of an event is cropped and sent in a request of its own, and not the first alone");
    page.gone("a box of the vehicle format, or of another picture than the one that was sent, cuts the right place, and never black");
    page.gone("events that tell how long a vehicle stayed, and clips, are not refused, which made Stream repeat them");
    page.route(&Route {
        name: "each plate with its crop",
        each_plate: true,
        when: Some(READS),
        steps: &["crop: { region: plate }"],
        to: "webhook",
    });
    page.route(&Route {
        name: "vehicles without a read plate",
        each_plate: false,
        when: Some(&format!(
            "{READS} and not event.plates | selectattr('text') | list"
        )),
        steps: &[],
        to: "webhook",
    });
}

pub(super) fn annotate(settings: &mut Settings<'_>, page: &mut Page) {
    let url = settings.url("WEBHOOK_URL", "targets.webhook.http.url");
    let target = target_of(settings.get("WEBHOOK_URL", "targets.webhook.http.url"));
    let json = block(&document(&target, "true"), 6);
    page.target(
        "webhook",
        &format!(
            "timeout: 10s\n\
             http:\n\
             \x20 url: {url}\n\
             \x20 multipart:\n\
             \x20   json: |-    # Stream's own\n\
             {json}\
             \x20   upload: {{ value: \"{{{{ images.vehicle or images.frame }}}}\", filename: upload.jpg }}\n"
        ),
    );
    page.note(
        "annotate: the red rectangle around the plate is not drawn, the picture is sent as it came",
    );
    page.gone("the picture is not compressed a second time");
    page.gone("events that tell how long a vehicle stayed, and clips, are not refused, which made Stream repeat them");
    page.route(&Route {
        name: "reads with their picture",
        each_plate: false,
        when: Some(READS),
        steps: &[],
        to: "webhook",
    });
}

/// Stream's document in its vehicle format, with no plate anywhere.
fn without_plates(target: &str) -> String {
    format!(
        "{{%- set kept = namespace(results=[]) -%}}\n\
         {{%- for result in event.raw.data.results -%}}\n\
         {{%- set read = event.plates[loop.index0] -%}}\n\
         {{%- set props = result.vehicle.props or {{'make_model': result.model_make or [], 'orientation': read.orientation or [],\n\
         'color': read.vehicle.colors or []}} -%}}\n\
         {{%- set vehicle = {{'type': result.vehicle.type, 'score': result.vehicle.score, 'box': result.vehicle.box, 'props': props}} -%}}\n\
         {{%- set kept.results = kept.results + [{{'plate': none, 'vehicle': vehicle, 'direction': result.direction,\n\
         'speed': result.speed, 'speed_score': result.speed_score, 'source_url': result.source_url,\n\
         'position_sec': result.position_sec, 'user_data': result.user_data}}] -%}}\n\
         {{%- endfor -%}}\n\
         {{{{ dict(event.raw, hook=dict(event.raw.hook, target={target}), data=dict(event.raw.data, results=kept.results)) | tojson }}}}"
    )
}

pub(super) fn strip_plate(settings: &mut Settings<'_>, page: &mut Page) {
    let url = settings.url("WEBHOOK_URL", "targets.parkpow.http.url");
    let target = target_of(settings.get("WEBHOOK_URL", "targets.parkpow.http.url"));
    settings.tell("PARKPOW_TOKEN", "targets.parkpow.http.auth.token");
    let json = block(&without_plates(&target), 6);
    page.target(
        "parkpow",
        &format!(
            "http:\n\
             \x20 url: {url}\n\
             \x20 auth: {{ token: \"${{PARKPOW_TOKEN}}\" }}\n\
             \x20 multipart:\n\
             \x20   json: |-    # Stream's vehicle format, every plate null\n\
             {json}\
             \x20   upload: \"{{{{ images.vehicle or images.frame }}}}\"\n\
             \x20   original: \"{{{{ images.frame if images.vehicle }}}}\"\n\
             {REFUSED}"
        ),
    );
    page.note(
        "strip_plate: the picture of the vehicle is sent as it came, and its plate can be read in it; pictures of plates alone are \
         not sent any more",
    );
    page.note(
        "strip_plate: plates are not taken out of the JSON Lines files that Stream writes; turn jsonlines_file off in Stream's \
         config.ini, or remove the files",
    );
    page.note("camhook itself keeps events with their plates for `store.keep` (7d): lower it where that is too long");
    page.gone(
        "events whose plate is null already, and those in the vehicle format, are sent whole",
    );
    page.gone("a target that answers 5xx is tried again");
    page.route(&Route {
        name: "vehicles without their plates",
        each_plate: false,
        when: Some(READS),
        steps: &[],
        to: "parkpow",
    });
}

/// ParkPow refuses inside of a 200.
const REFUSED: &str = "  judge:\n    - { text: requires higher scores, then: dead, because: ParkPow wants plates with higher scores }\n";

pub(super) fn worker(settings: &mut Settings<'_>, page: &mut Page) {
    let url = settings.url("PARKPOW_ENDPOINT", "targets.parkpow.http.url");
    settings.tell("PARKPOW_TOKEN", "targets.parkpow.http.auth.token");
    settings.tell("STREAM_TOKEN", "sources.stream.auth.token");
    page.auth("{ token: \"${STREAM_TOKEN}\" }".to_owned());
    page.target(
        "parkpow",
        &format!(
            "http:\n\
             \x20 url: {url}\n\
             \x20 auth: {{ token: \"${{PARKPOW_TOKEN}}\" }}\n\
             \x20 original: true    # the request's body, byte for byte\n\
             {REFUSED}"
        ),
    );
    page.note("the worker passed on all of Stream's headers; camhook passes on the body and its Content-Type");
    page.note("Stream now posts to this machine's port 8002, and not to Cloudflare: change the URL in its config.ini");
    page.gone("any path is taken, and what ParkPow cannot take now is sent later");
    page.route(&Route {
        name: "everything to ParkPow",
        each_plate: false,
        when: None,
        steps: &[],
        to: "parkpow",
    });
}

pub(super) fn multiple_parkpow(page: &mut Page) {
    page.target(
        "parkpow-camera-1",
        "preset: parkpow\n\
         with: { token: \"${PARKPOW_TOKEN_1}\" }    # `url` too, for a server of your own\n",
    );
    page.note(
        "multiple_parkpow: its cameras and tokens stand in multiple_parkpow.py and cannot be read. Give each account's token a \
         variable, PARKPOW_TOKEN_1 and so on, and each camera a target and a route as below",
    );
    page.note(
        "the middleware listened on port 8181: change `listen`, or the URL in Stream's config.ini",
    );
    page.gone("a camera that is not in the table is kept and shown, and not refused, which made Stream repeat it for ever");
    page.gone("all pictures of an event are sent");
    page.route(&Route {
        name: "camera-1 to its ParkPow",
        each_plate: false,
        when: Some(&format!("{READS} and event.camera.id == 'camera-1'")),
        steps: &[],
        to: "parkpow-camera-1",
    });
}
