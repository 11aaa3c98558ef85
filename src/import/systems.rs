//! Protocols that spoke to one kind of system, for which there is a preset.

use super::page::{Page, Route};
use super::settings::{Settings, is_plain, is_public, quoted};

/// Reads, and not how long somebody stayed or that there is a clip.
pub(super) const READS: &str = "event.kind == 'plate'";

/// What the protocols for one system had in common.
fn each_plate(page: &mut Page, name: &str, target: &str, steps: &[&str]) {
    page.gone("all plates of an event are sent, and not the first alone");
    page.gone("a vehicle without a read plate is not sent as a plate");
    page.gone("events that tell how long a vehicle stayed, and clips, are no further reads of it");
    page.route(&Route {
        name,
        each_plate: true,
        when: Some(READS),
        steps,
        to: target,
    });
}

/// The middleware trusted any certificate for this system.
fn unverified(settings: &mut Settings<'_>, variable: &str, page: &mut Page) {
    let url = settings
        .get(variable, "")
        .unwrap_or_default()
        .to_ascii_lowercase();
    if !url.starts_with("http:") {
        page.note(format!(
            "the middleware trusted any certificate of {variable}, camhook does not: for one that is self-signed, \
             `camhook trust HOST:PORT` shows its fingerprint, and with --target and --write puts it into the target below"
        ));
    }
}

const PIN: &str =
    "# tls: { pin: SHA-256 of the certificate }    # `camhook trust HOST:PORT` tells it\n";

pub(super) fn synology(settings: &mut Settings<'_>, page: &mut Page) {
    unverified(settings, "REST_SERVICE_URL", page);
    settings.tell(
        "REST_SERVICE_URL",
        "targets.synology.with.url; it holds a token",
    );
    page.target(
        "synology",
        &format!(
            "preset: synology\n\
             with:\n\
             \x20 url: \"${{REST_SERVICE_URL}}\"\n\
             \x20 text1: \"{{{{ plate.text }}}}\"    # as it was read; without this line in upper case\n\
             \x20 text2: \"{{{{ none }}}}\"          # not sent before; without these lines the camera and the vehicle\n\
             \x20 text3: \"{{{{ none }}}}\"\n\
             {PIN}"
        ),
    );
    page.gone("an answer 200 that says success: false is not taken for success");
    page.gone("events without timestamp_local (Snapshot's) are sent");
    each_plate(page, "plates to Surveillance Station", "synology", &[]);
}

pub(super) fn soap(settings: &mut Settings<'_>, page: &mut Page) {
    let was = settings.get("SOAP_SERVICE_URL", "").unwrap_or_default();
    let without = was
        .len()
        .checked_sub("?wsdl".len())
        .and_then(|at| Some((was.get(..at)?, was.get(at..)?)))
        .filter(|(_, end)| end.eq_ignore_ascii_case("?wsdl"));
    let became = "targets.soap.with.url, without ?WSDL";
    let url = match without {
        Some((url, _)) if is_public(url) => {
            settings.tell("SOAP_SERVICE_URL", became);
            quoted(url)
        }
        found => {
            if found.is_some() {
                page.note("take ?WSDL off SOAP_SERVICE_URL where it is set");
            }
            settings.url("SOAP_SERVICE_URL", "targets.soap.with.url")
        }
    };
    let username = settings.yaml("SOAP_USER", "targets.soap.with.username");
    settings.tell("SOAP_SERVICE_KEY", "targets.soap.with.password");
    page.target(
        "soap",
        &format!(
            "preset: soap\n\
             with:\n\
             \x20 url: {url}\n\
             \x20 username: {username}\n\
             \x20 password: \"${{SOAP_SERVICE_KEY}}\"\n"
        ),
    );
    page.gone("the WSDL is not fetched for every event, or at all");
    page.gone("an event without a picture is sent, with an empty image");
    each_plate(page, "plates to the SOAP service", "soap", &[]);
}

/// Where a camera stands in no table, what the sender says of it in a header, as the middleware had it.
const BY_HEADER: &str = "# the VMS's own id of each camera, such as `camera-1: …`. One that is not here is told by its sender in the\n\
     # header `camera-id`, as before\n\
     \x20 \"*\": \"{{ event.headers['camera-id'] | required('name this camera under `cameras`, or send the header camera-id') }}\"\n";

fn cameras() -> String {
    let lines = BY_HEADER
        .lines()
        .map(|line| format!("    {}\n", line.trim_start()));
    format!("  cameras:\n{}", lines.collect::<String>())
}

pub(super) fn nx(settings: &mut Settings<'_>, page: &mut Page) {
    if !settings.is_on("SSL", "certificates are always verified") {
        unverified(settings, "SERVER_HOST", page);
    }
    let url = settings.url("SERVER_HOST", "targets.nx.with.url");
    let username = settings.yaml("LOGIN", "targets.nx.with.username");
    settings.tell("PASSWORD", "targets.nx.with.password");
    if let Some(tag) = settings.get("TAG", "left out, see below") {
        settings.tell("PARKPOW_TOKEN", "left out, see TAG");
        page.note(format!(
            "TAG: all bookmarks are those of untagged plates. A list with `parkpow: {{ token: \"${{PARKPOW_TOKEN}}\", tag: {tag} }}` \
             holds the plates with the tag: give them a route and a target of their own (docs/lists.md)"
        ));
    }
    page.target(
        "nx",
        &format!(
            "preset: nx-witness    # from server 5.0 on; version 4, which has no sessions, takes nx-witness-4\n\
             with:\n\
             \x20 url: {url}\n\
             \x20 username: {username}\n\
             \x20 password: \"${{PASSWORD}}\"\n\
             \x20 server_id: ask      # the id of the first server goes along, as before\n\
             \x20 before: 0s          # as before; without these lines a bookmark begins 2 s earlier, tells more of the vehicle\n\
             \x20 description: \"\"     # and is tagged camhook\n\
             \x20 tag: Stream\n\
             {}\
             {PIN}",
            cameras()
        ),
    );
    page.gone("one login serves many events, and is closed in the end");
    page.gone("a server that is down stops nothing: its bookmarks are made when it is back");
    each_plate(page, "plates as bookmarks", "nx", &[]);
}

pub(super) fn openeye(settings: &mut Settings<'_>, page: &mut Page) {
    settings.tell("AKI_TOKEN", "targets.openeye.with.aki");
    settings.tell("AKS_TOKEN", "targets.openeye.with.aks");
    page.target(
        "openeye",
        &format!(
            "preset: openeye\n\
             with:\n\
             \x20 aki: \"${{AKI_TOKEN}}\"\n\
             \x20 aks: \"${{AKS_TOKEN}}\"\n\
             {}",
            cameras()
        ),
    );
    page.gone("the capture time is right wherever camhook runs, and requestDateMicros is when the request is made");
    page.gone("two plates of one instant have an eventId each");
    each_plate(page, "plates to OpenEye", "openeye", &[]);
}

pub(super) fn salient(settings: &mut Settings<'_>, page: &mut Page) {
    unverified(settings, "VMS_API_URL", page);
    let url = settings.url("VMS_API_URL", "targets.salient.with.url");
    let username = settings.yaml("VMS_USERNAME", "targets.salient.with.username");
    settings.tell("VMS_PASSWORD", "targets.salient.with.password");
    let became = "targets.salient.with.cameras, for every camera that has no GUID of its own there";
    let guid = match settings.get("CAMERA_UID", became) {
        Some(guid) if is_plain(guid) => quoted(guid),
        Some(_) | None => {
            page.note("CAMERA_UID is not set, or no GUID: put it into the target below");
            quoted("")
        }
    };
    page.target(
        "salient",
        &format!(
            "preset: salient\n\
             with:\n\
             \x20 url: {url}\n\
             \x20 username: {username}\n\
             \x20 password: \"${{VMS_PASSWORD}}\"\n\
             \x20 cameras:\n\
             \x20   # each camera may have a GUID of its own, such as `camera-1: 1f3a…`\n\
             \x20   \"*\": {guid}\n\
             \x20 user: \"Platerecognizer({{{{ event.camera.id }}}})\"\n\
             \x20 # CompleteView writes down when an event arrives, so one that comes a minute late tells its own time\n\
             \x20 text: \"Plate Detection [{{{{ plate.text }}}}]{{{{ event.occurred_at | strftime(' at %Y-%m-%d %H:%M:%S') if (now | epoch) - (event.occurred_at | epoch) > 60 }}}}\"\n\
             expires: 7d    # what is late tells its time; without this line it is given up after 10 minutes\n\
             {PIN}"
        ),
    );
    page.gone("an event that is sent late tells when it was");
    page.gone("what CompleteView refuses or does not answer is not reported as sent");
    page.gone("each camera may have its own GUID");
    each_plate(page, "plates to CompleteView", "salient", &[]);
}

pub(super) fn zatpark(settings: &mut Settings<'_>, page: &mut Page) {
    let url = settings.url("ZATPARK_SERVICE_URL", "targets.zatpark.with.url");
    page.target(
        "zatpark",
        &format!(
            "preset: zatpark\n\
             with:\n\
             \x20 url: {url}\n\
             \x20 cameras:\n\
             \x20   # camera-1: {{ mac: …, name: …, serial: … }}. One that is not here is told by its sender in the headers mac-address,\n\
             \x20   # camera-name and serial-number, as before\n\
             \x20   \"*\":\n\
             \x20     mac: \"{{{{ event.camera.mac | required('name this camera under `cameras`, or send the header mac-address') }}}}\"\n\
             \x20     name: \"{{{{ event.camera.name }}}}\"\n\
             \x20     serial: \"{{{{ event.camera.serial }}}}\"\n"
        ),
    );
    page.gone("where Stream sends no picture of the plate, it is cut from the vehicle's");
    page.gone("a score of 0.29 is 29, and not 28");
    page.gone("an event without a picture, which ZatPark does not take, is shown as filtered, and not refused");
    each_plate(
        page,
        "plates to ZatPark",
        "zatpark",
        &["crop: { region: plate, prefer: sender, required: true }"],
    );
}

pub(super) fn webhook_lambda(page: &mut Page) {
    page.target(
        "log",
        "log: { level: info }    # `debug` shows plates too\n",
    );
    page.note(
        "the Lambda function printed plates, colours, makes and orientations: `camhook events` and the dashboard show them. To \
         call a Lambda function of your own, use the preset aws-lambda",
    );
    page.note("Stream and Snapshot post to camhook itself, without API Gateway");
    page.gone("every way of writing a multipart body is understood, and events without make or colour are no error");
    page.route(&Route {
        name: "events to the log",
        each_plate: false,
        when: None,
        steps: &[],
        to: "log",
    });
}
