//! Lists that servers give, over real HTTP: what happens to conditions while a server is slow, wrong or gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::harness::{Answer, Process, Receiver, Within, camhook_command, eventually};

const IN: &str = "plate.text in lists.residents";
const NOT_IN: &str = "not plate.text in lists.residents";

fn config(list: &str, when: &str, target: &Receiver) -> String {
    format!(
        "sources: {{ any: {{ kind: generic, path: / }} }}\n\
         lists:\n  residents: {list}\n\
         targets:\n  vms: {{ http: {{ url: \"{}\", text: \"{{{{ plate.text }}}} {{{{ lists.residents[plate.text].owner }}}}\" }} }}\n\
         routes:\n  - {{ name: all, each: plate, when: \"{when}\", to: [vms] }}\n",
        target.url()
    )
}

fn http(server: &Receiver, more: &str) -> String {
    let url = server.url();
    format!("{{ http: {{ url: \"{url}/plates\", key: plate{more} }} }}")
}

fn event(plate: &str, at: &str) -> Vec<u8> {
    json!({ "kind": "plate", "occurred_at": at, "plates": [{ "text": plate }] })
        .to_string()
        .into_bytes()
}

/// Returns when the list was asked for, with or without success.
async fn start(routes: &str) -> Within {
    let camhook = Within::start(routes).await;
    camhook.settled().await;
    camhook
}

/// What the route makes of a plate now.
async fn outcome(camhook: &Within, plate: &str) -> String {
    outcome_at(camhook, plate, "2026-01-31T12:00:00Z").await
}

async fn outcome_at(camhook: &Within, plate: &str, at: &str) -> String {
    camhook.post("application/json", event(plate, at)).await;
    let events = camhook.get("/api/v1/events?limit=1").await;
    events[0]["routes"][0]["outcome"]
        .as_str()
        .unwrap()
        .to_owned()
}

async fn list(camhook: &Within) -> Value {
    camhook.get("/api/v1/lists").await[0].clone()
}

async fn metrics(camhook: &Within) -> String {
    camhook.text("/metrics").await
}

const ROWS: &str = r#"[{"plate": "ab-12 3c", "owner": "Max"}, {"plate": "XY99"}]"#;

fn ok(body: &str) -> Answer {
    Answer::status(200).body(body)
}

/// A server whose list never changes, and which says so when it is asked in the right way.
async fn unchanging() -> Receiver {
    Receiver::that(|taken| {
        let known = |name: &str| taken.headers.get(name).map(String::as_str);
        let tagged = ok(ROWS)
            .header("etag", "\"v1\"")
            .header("last-modified", "Sat, 31 Jan 2026 10:00:00 GMT");
        match (known("if-none-match"), known("if-modified-since")) {
            (Some("\"v1\""), Some("Sat, 31 Jan 2026 10:00:00 GMT")) => Answer::status(304),
            _ => tagged,
        }
    })
    .await
}

#[tokio::test]
async fn a_list_is_fetched_at_start_and_then_asked_for_what_is_newer() {
    let (server, target) = (unchanging().await, Receiver::new().await);
    let with = ", auth: { bearer: hunter22 }, headers: { X-Tenant: house-7 }";
    let camhook = start(&config(&http(&server, with), IN, &target)).await;
    assert_eq!(outcome(&camhook, "AB123C").await, "planned");
    assert_eq!(outcome(&camhook, "xy-99").await, "planned");
    assert_eq!(outcome(&camhook, "ZZ1").await, "filtered");
    assert_eq!(target.taken()[0].body, "AB123C Max");
    let asked = &server.taken()[0];
    assert_eq!(asked.headers["authorization"], "Bearer hunter22");
    assert_eq!(asked.headers["x-tenant"], "house-7");
    assert_eq!(asked.headers["accept"], "application/json");

    camhook.advance(200.0).await;
    assert_eq!(list(&camhook).await["age_seconds"], 200);
    let page = metrics(&camhook).await;
    assert!(
        page.contains("camhook_list_rows{list=\"residents\"} 2"),
        "{page}"
    );
    assert!(page.contains("camhook_list_age_seconds{list=\"residents\"} 200"));
    camhook.advance(131.0).await;
    let answered: Vec<u16> = server.taken().iter().map(|taken| taken.answered).collect();
    assert_eq!(answered, [200, 304], "after 300 s and at most a tenth more");
    let told = list(&camhook).await;
    assert!(told["age_seconds"].as_u64().unwrap() <= 31, "{told}");
    assert_eq!((&told["rows"], &told["kind"]), (&json!(2), &json!("http")));
    assert_eq!(outcome(&camhook, "AB123C").await, "planned");
}

#[tokio::test]
async fn whatever_a_server_does_the_last_good_copy_stays_in_use() {
    let (server, target) = (Receiver::answering([ok(ROWS)]).await, Receiver::new().await);
    let more = ", max_size: 1KiB, valid_until: until, every: 1m";
    let camhook = start(&config(&http(&server, more), IN, &target)).await;
    let huge = format!("[\"{}\"]", "A".repeat(2_000));
    let dated = r#"[{"plate": "a"}, {"plate": "b", "until": "soon"}]"#;
    for (answer, why) in [
        (Answer::status(500), "answered 500"),
        (Answer::status(401).body(ROWS), "answered 401"),
        (Answer::status(204), "answered 204"),
        (Answer::status(304), "answered 304"),
        (ok(&huge), "more than `max_size`, 1 KiB"),
        (ok("<html>log in</html>"), "not readable as JSON"),
        (ok("{\"rows\": []}"), "expected an array of rows"),
        (ok("[{\"number\": \"ab123c\"}]"), "no row has `plate`"),
        (ok(dated), "row 2: `soon` in `until` is no date"),
    ] {
        server.always(Some(answer));
        camhook.advance(70.0).await;
        let told = list(&camhook).await;
        assert_eq!(told["rows"], 2);
        let error = told["last_error"]["error"].as_str().unwrap();
        assert!(error.contains(why), "{error}");
        assert_eq!(outcome(&camhook, "AB123C").await, "planned", "{why}");
    }
    server.go_away().await;
    camhook.advance(70.0).await;
    let error = list(&camhook).await["last_error"]["error"].clone();
    assert!(error.as_str().unwrap().contains("could not connect"));
    assert_eq!(outcome(&camhook, "AB123C").await, "planned");

    server.always(Some(ok("[]")));
    server.come_back().await;
    camhook.advance(70.0).await;
    let told = list(&camhook).await;
    assert_eq!(
        (&told["rows"], &told["last_error"]),
        (&json!(0), &json!(null))
    );
    assert_eq!(outcome(&camhook, "AB123C").await, "filtered");
}

#[tokio::test]
async fn after_a_failure_a_server_is_asked_again_soon_and_then_less_often() {
    let (server, target) = (Receiver::new().await, Receiver::new().await);
    server.always(Some(Answer::status(503)));
    let camhook = start(&config(&http(&server, ""), IN, &target)).await;
    let mut asked = Vec::new();
    for seconds in [9.0, 2.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0] {
        camhook.advance(seconds).await;
        asked.push(server.requests());
    }
    assert_eq!(
        asked,
        [1, 2, 3, 4, 5, 6, 7, 8],
        "10, 20, 40, 80, 160, 300, 300 s"
    );
}

#[tokio::test]
async fn a_server_that_does_not_answer_delays_nothing() {
    // Connections are made by the kernel, and nobody ever answers them.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, target) = (silent.local_addr().unwrap(), Receiver::new().await);
    let of = |timeout: &str| {
        let list =
            format!("{{ http: {{ url: \"http://{address}/\", key: plate, timeout: {timeout} }} }}");
        config(&list, IN, &target)
    };
    let camhook = start(&of("100ms")).await;
    assert_eq!(outcome(&camhook, "AB123C").await, "filtered");
    let error = list(&camhook).await["last_error"]["error"].clone();
    assert!(error.as_str().unwrap().ends_with("took longer than 0.1 s"));

    // The real program, which would wait for an hour.
    let folder = tempfile::tempdir().unwrap();
    let patient = Process::start(folder.path(), &of("1h"));
    let answer = crate::harness::client()
        .post(&patient.url)
        .body(event("A1", "2026-01-31T12:00:00Z"));
    assert_eq!(answer.send().await.unwrap().status(), 200);
    assert_eq!(patient.rows(&["lists"])[0]["rows"], json!(null));
    patient.stop();
}

#[tokio::test]
async fn a_restart_beside_a_dead_server_empties_no_list() {
    let (server, target) = (unchanging().await, Receiver::new().await);
    let routes = config(&http(&server, ""), IN, &target);
    let camhook = start(&routes).await;
    camhook.advance(100.0).await;
    server.go_away().await;
    let camhook = camhook.restarted(&routes).await;
    camhook.settled().await;
    let told = list(&camhook).await;
    assert_eq!(
        (&told["rows"], &told["age_seconds"]),
        (&json!(2), &json!(100))
    );
    assert!(told["last_error"]["error"].is_string());
    assert_eq!(outcome(&camhook, "AB123C").await, "planned");
    assert_eq!(outcome(&camhook, "ZZ1").await, "filtered");

    // What it knew of the server it still knows.
    server.come_back().await;
    camhook.advance(11.0).await;
    assert_eq!(server.taken().last().unwrap().answered, 304);
    assert_eq!(list(&camhook).await["last_error"], json!(null));

    // Another reading of the same address is another list, and a broken copy is none.
    server.go_away().await;
    let other = config(&http(&server, ", rows: /data"), IN, &target);
    let camhook = camhook.restarted(&other).await;
    camhook.settled().await;
    assert_eq!(list(&camhook).await["rows"], json!(null));
    let copies = camhook.folder().join("data/lists");
    let copy = std::fs::read_dir(copies)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let mut bytes = std::fs::read(&copy).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&copy, bytes).unwrap();
    let camhook = camhook.restarted(&routes).await;
    camhook.settled().await;
    assert_eq!(list(&camhook).await["rows"], json!(null));
    let gone = "routes: []\n";
    let camhook = camhook.restarted(gone).await;
    camhook.settled().await;
    assert!(!copy.exists(), "people of a list that is gone are not kept");
    drop(camhook);
}

#[tokio::test]
async fn before_the_first_copy_no_condition_holds_either_way_and_deliveries_wait() {
    let (server, target) = (Receiver::new().await, Receiver::new().await);
    server.always(Some(ok(ROWS)));
    server.go_away().await;
    for when in [IN, NOT_IN] {
        let camhook = start(&config(&http(&server, ""), when, &target)).await;
        assert_eq!(outcome(&camhook, "AB123C").await, "filtered", "{when}");
        let page = metrics(&camhook).await;
        assert!(page.contains("camhook_list_rows{list=\"residents\"} 0"));
        assert!(!page.contains("camhook_list_age_seconds{"));
        let plate = camhook.get("/api/v1/lists/residents?plate=AB123C").await;
        assert_eq!(plate["in"], json!(null));
    }
    let camhook = start(&config(&http(&server, ""), "true", &target)).await;
    assert_eq!(outcome(&camhook, "AB123C").await, "planned");
    assert_eq!(camhook.fates().await, ["pending"]);
    let tried = camhook.get("/api/v1/deliveries").await;
    let error = &tried[0]["attempts"][0]["error"];
    assert_eq!(error, "the list `residents` was not fetched yet");
    server.come_back().await;
    camhook.advance(60.0).await;
    assert_eq!(camhook.fates().await, ["delivered"]);
    assert_eq!(target.taken()[0].body, "AB123C Max");
}

#[tokio::test]
async fn a_reload_keeps_a_list_that_is_still_the_same() {
    let refuse = Arc::new(AtomicBool::new(false));
    let server = {
        let refuse = refuse.clone();
        Receiver::that(move |_| match refuse.load(Ordering::SeqCst) {
            true => Answer::status(403),
            false => ok(ROWS),
        })
        .await
    };
    let target = Receiver::new().await;
    let camhook = start(&config(&http(&server, ""), IN, &target)).await;
    assert_eq!(outcome(&camhook, "AB123C").await, "planned");
    refuse.store(true, Ordering::SeqCst);

    // Something else changes: nobody is asked.
    camhook
        .rewrite(&config(&http(&server, ""), NOT_IN, &target))
        .await;
    eventually("the new route is in use", async || {
        outcome(&camhook, "ZZ1").await == "planned"
    })
    .await;
    assert_eq!(outcome(&camhook, "AB123C").await, "filtered");
    assert_eq!(server.requests(), 1);

    // A new token is tried at once, and what is there stays meanwhile.
    let other = ", auth: { token: hunter22 }";
    camhook
        .rewrite(&config(&http(&server, other), NOT_IN, &target))
        .await;
    server.wait_for(2).await;
    camhook.settled().await;
    assert_eq!(server.taken()[1].headers["authorization"], "Token hunter22");
    let told = list(&camhook).await;
    assert_eq!(told["rows"], 2);
    assert!(
        told["last_error"]["error"]
            .as_str()
            .unwrap()
            .contains("403")
    );

    // A list that is gone is not asked for any more.
    let none = "sources: { any: { kind: generic, path: / } }\n";
    camhook.rewrite(none).await;
    eventually("the list is gone", async || {
        camhook.get("/api/v1/lists").await == json!([])
    })
    .await;
    let asked = server.requests();
    camhook.advance(1_000.0).await;
    assert_eq!(server.requests(), asked);
    assert!(!metrics(&camhook).await.contains("camhook_list_rows{"));
}

#[tokio::test]
async fn pages_are_followed_at_the_lists_own_host_only() {
    let (elsewhere, target) = (Receiver::new().await, Receiver::new().await);
    let page = |rows: &str, next: &str| {
        ok(&format!(
            "{{\"data\": {{\"rows\": {rows}}}, \"next\": {next}}}"
        ))
    };
    let away = elsewhere.url().replace("127.0.0.1", "localhost");
    let server = Receiver::answering([
        Answer::status(302).header("location", "/moved"),
        // A server behind a proxy may not know its own port.
        page(
            r#"[{"plate": "A1"}]"#,
            "\"http://127.0.0.1:1/plates?page=2\"",
        )
        .header("etag", "x"),
        page(r#"[{"plate": "B2"}]"#, "\"?page=3\""),
        page("[\"C3\"]", "null"),
        page("[]", &format!("\"{away}/x\"")),
        Answer::status(307).header("location", &format!("{}/x", elsewhere.url())),
        page("[]", "\"?page=1\""),
        page("[]", "\"?page=2\""),
        page("[]", "\"?page=1\""),
    ])
    .await;
    server.always(Some(Answer::status(302).header("location", "/again")));
    let more = ", rows: /data/rows, next: /next, every: 10s, auth: { token: hunter22 }";
    let camhook = start(&config(&http(&server, more), IN, &target)).await;
    assert_eq!(list(&camhook).await["rows"], 3);
    assert_eq!(outcome(&camhook, "C3").await, "planned");
    for why in [
        "names a next page at another host, localhost:",
        "redirects to http://127.0.0.1:",
        "leads from its last page to an earlier one",
        "redirects more than 3 times",
    ] {
        camhook.advance(11.0).await;
        let told = list(&camhook).await;
        let error = told["last_error"]["error"].as_str().unwrap();
        assert!(error.contains(why), "{error}");
        assert_eq!(told["rows"], 3);
    }
    assert_eq!(elsewhere.requests(), 0);
    let asked = server.taken();
    let paths: Vec<&str> = asked.iter().map(|taken| taken.path.as_str()).collect();
    let first = ["/plates", "/moved", "/plates?page=2", "/plates?page=3"];
    assert_eq!(paths[..4], first);
    let unconditional =
        |taken: &crate::harness::Taken| !taken.headers.contains_key("if-none-match");
    assert!(
        asked.iter().all(unconditional),
        "what is said of one page tells nothing of the others"
    );
    let known = |taken: &crate::harness::Taken| taken.headers["authorization"] == "Token hunter22";
    assert!(asked.iter().all(known));
}

#[tokio::test]
async fn rows_count_in_their_time_by_the_clock_of_the_event() {
    let rows = "plate;".replace(';', ",from,until\n")
        + "A1,2026-01-31,2026-01-31\nA1,2026-02-10 08:00,\nB2,,2026-01-31 12:00\n";
    let (server, target) = (
        Receiver::answering([ok(&rows)]).await,
        Receiver::new().await,
    );
    let columns = ", format: csv, valid_from: from, valid_until: until, timezone: Europe/Rome";
    let camhook = start(&config(&http(&server, columns), IN, &target)).await;
    for (plate, at, expected) in [
        ("A1", "2026-01-30T22:59:59Z", "filtered"),
        ("A1", "2026-01-30T23:00:00Z", "planned"),
        ("A1", "2026-01-31T22:59:59Z", "planned"),
        ("A1", "2026-01-31T23:00:00Z", "filtered"),
        ("A1", "2026-02-10T07:00:00Z", "planned"),
        ("B2", "2020-01-01T00:00:00Z", "planned"),
        ("B2", "2026-01-31T11:00:01Z", "filtered"),
    ] {
        assert_eq!(
            outcome_at(&camhook, plate, at).await,
            expected,
            "{plate} {at}"
        );
    }
    // Without an event it is now, noon in UTC.
    let b2 = camhook.get("/api/v1/lists/residents?plate=b-2").await;
    assert_eq!((&b2["in"], &b2["row"]), (&json!(false), &json!(null)));
    assert_eq!(
        b2["rows_of_plate"][0]["valid_until"],
        "2026-01-31T11:00:00Z"
    );
    let a1 = camhook.get("/api/v1/lists/residents?plate=a1").await;
    assert_eq!(a1["row"]["until"], "2026-01-31");
    assert_eq!(a1["rows_of_plate"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_changed_file_with_an_unreadable_date_is_refused_and_the_rows_stay() {
    let target = Receiver::new().await;
    let list = "{ csv: residents.csv, key: plate, valid_until: until }";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("residents.csv");
    std::fs::write(&file, "plate,until\nA1,2099-01-01\n").unwrap();
    let camhook = Process::logging(folder.path(), &config(list, IN, &target));
    assert_eq!(camhook.rows(&["lists"])[0]["rows"], 1);
    std::fs::write(&file, "plate,until\nA1,2099-01-01\nB2,whenever\n").unwrap();
    eventually("the refusal is told with its line", async || {
        let log = std::fs::read_to_string(folder.path().join("log.txt")).unwrap();
        log.contains("residents.csv: line 3: `whenever` in `until` is no date")
    })
    .await;
    assert_eq!(camhook.rows(&["lists"])[0]["rows"], 1);
    std::fs::write(&file, "plate,until\nA1,2099-01-01\nB2,2099-01-01\n").unwrap();
    eventually("the mended file is in use", async || {
        camhook.rows(&["lists"])[0]["rows"] == 2
    })
    .await;
    camhook.stop();
}

#[tokio::test]
async fn a_list_may_come_over_tls_from_a_pinned_server() {
    let (server, pin) = Receiver::self_signed().await;
    let target = Receiver::new().await;
    server.always(Some(ok(ROWS)));
    let distrusted = start(&config(&http(&server, ""), IN, &target)).await;
    assert_eq!(list(&distrusted).await["rows"], json!(null));
    let more = format!(", tls: {{ pin: \"{pin}\" }}");
    let camhook = start(&config(&http(&server, &more), IN, &target)).await;
    assert_eq!(list(&camhook).await["rows"], 2);
}

#[tokio::test]
async fn vehicles_with_a_tag_come_from_parkpow() {
    let target = Receiver::new().await;
    let server = Receiver::that(|taken| match taken.path.as_str() {
        "/api/v1/vehicles/?tags=night+shift" => ok(
            r#"{"count": 3, "next": "http://127.0.0.1/api/v1/vehicles/?page=2&tags=night+shift", "results": [
                {"license_plate": "ab123c", "field1": "Max", "tags": [{"id": 4, "name": "Night shift"}]},
                {"license_plate": "no1", "tags": ["Day shift"]}]}"#,
        ),
        "/api/v1/vehicles/?page=2&tags=night+shift" => {
            ok(r#"{"count": 3, "next": null, "results": [{"license_plate": "XY99"}]}"#)
        }
        _ => Answer::status(404),
    })
    .await;
    let parkpow = format!(
        "{{ parkpow: {{ url: \"{}/api/v1\", token: hunter22, tag: night shift }} }}",
        server.url()
    );
    let camhook = start(&config(&parkpow, IN, &target)).await;
    let told = list(&camhook).await;
    assert_eq!(
        (&told["kind"], &told["rows"]),
        (&json!("parkpow"), &json!(2))
    );
    let row = camhook.get("/api/v1/lists/residents?plate=AB-123-C").await;
    assert_eq!(row["row"]["field1"], "Max");
    assert_eq!(outcome(&camhook, "NO1").await, "filtered");
    let asked = server.taken();
    assert!(
        asked
            .iter()
            .all(|taken| taken.headers["authorization"] == "Token hunter22")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_tells_of_lists_and_never_of_credentials() {
    let (server, target) = (Receiver::new().await, Receiver::new().await);
    server.always(Some(ok(ROWS)));
    let folder = tempfile::tempdir().unwrap();
    let more = ", auth: { basic: { username: u, password: hunter22 } }";
    let list = http(&server, more).replace("/plates", "/plates?key=hunter33");
    let camhook = Process::logging(folder.path(), &config(&list, IN, &target));
    eventually("it is fetched", async || {
        camhook.rows(&["lists"])[0]["rows"] == 2
    })
    .await;
    let said = |arguments: &[&str]| {
        let output = camhook.cli(arguments);
        let (out, err) = (output.stdout, output.stderr);
        format!(
            "{}{}",
            String::from_utf8_lossy(&out),
            String::from_utf8_lossy(&err)
        )
    };
    let all = said(&["lists"]);
    assert!(
        all.starts_with("LIST") || all.contains("LAST REFRESH"),
        "{all}"
    );
    let yes = said(&["lists", "show", "residents", "AB123C"]);
    assert!(
        yes.contains("AB123C is in residents") && yes.contains("owner: Max"),
        "{yes}"
    );
    let no = said(&["lists", "show", "residents", "zz 1"]);
    assert_eq!(no.trim(), "zz 1 is not in residents");
    let unknown = said(&["lists", "show", "nobody"]);
    assert!(unknown.contains("there are: residents"), "{unknown}");

    let check = |arguments: &[&str]| {
        let output = camhook_command(folder.path())
            .args(arguments)
            .output()
            .unwrap();
        let (out, err) = (output.stdout, output.stderr);
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&out),
            String::from_utf8_lossy(&err)
        );
        (output.status.code(), text)
    };
    let (code, told) = check(&["check"]);
    assert!(
        code == Some(0) && told.contains("nothing was fetched from 127.0.0.1"),
        "{told}"
    );
    let (code, told_connected) = check(&["check", "--connect"]);
    assert!(
        code == Some(0) && told_connected.contains("gives 2 rows"),
        "{told_connected}"
    );
    server.always(Some(Answer::status(401).body("hunter22")));
    let (code, failed) = check(&["check", "--connect"]);
    assert!(
        code == Some(2) && failed.contains("answered 401"),
        "{failed}"
    );

    let api = camhook
        .get("/api/v1/lists/residents?plate=a")
        .await
        .to_string();
    camhook.stop();
    // Without a running camhook the kept copy is looked into.
    let (_, stopped) = check(&["lists", "show", "residents", "AB123C"]);
    assert!(stopped.contains("AB123C is in residents"), "{stopped}");
    let log = std::fs::read_to_string(folder.path().join("log.txt")).unwrap();
    for text in [all, yes, told, told_connected, failed, stopped, api, log] {
        assert!(!text.contains("hunter"), "{text}");
    }
}

#[test]
fn tests_of_a_user_say_what_a_list_holds() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let routes = r#"
lists:
  late: { http: { url: "http://127.0.0.1:9/", key: plate } }
  residents: { http: { url: "http://127.0.0.1:9/", key: plate, valid_until: until } }
targets: { log: { log: {} } }
routes:
  - { name: known, each: plate, when: plate.text in lists.residents, to: [log] }
  - { name: unknown, each: plate, when: not plate.text in lists.late, to: [log] }
"#;
    std::fs::write(at("routes.yaml"), routes).unwrap();
    let event = |plate: &str, at: &str| {
        let event = format!("kind: plate, occurred_at: \"{at}\", plates: [{{ text: {plate} }}]");
        format!("[{{ event: {{ {event} }} }}]")
    };
    let (before, after) = ("2026-01-31T20:00:00Z", "2026-02-01T00:00:00Z");
    let tests = format!(
        "lists: {{ residents: [AB1, {{ plate: cd-2, until: \"2026-01-31\" }}] }}\ntests:\n\
         - {{ name: one, events: {}, expect: [{{ to: log, route: known }}] }}\n\
         - {{ name: two, events: {}, expect: [{{ to: log, route: known }}] }}\n\
         - {{ name: three, events: {}, expect: [] }}\n",
        event("AB1", after),
        event("CD2", before),
        event("CD2", after),
    );
    std::fs::write(at("tests.yaml"), tests).unwrap();
    let test = || {
        let output = camhook_command(folder.path()).arg("test").output().unwrap();
        let (told, wrong) = (output.stdout, output.stderr);
        format!(
            "{}{}",
            String::from_utf8_lossy(&told),
            String::from_utf8_lossy(&wrong)
        )
    };
    let told = test();
    assert!(told.ends_with("3 passed, 0 failed\n"), "{told}");
    std::fs::write(at("tests.yaml"), "lists: { nobody: [] }\ntests: []\n").unwrap();
    let told = test();
    assert!(
        told.contains("`nobody` is no list that comes from a server"),
        "{told}"
    );
}
