//! What did not arrive: found, sent again, given up and planned anew, over the API and the command line, across `kill -9`.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{
    Answer, Process, Receiver, client, eventually, multipart, picture, recognition,
};

/// Two targets: what `vms` refuses is dead at once.
pub(crate) fn routes(vms: &Receiver, other: &Receiver, more: &str) -> String {
    let target = |url: &str| {
        format!(
            "{{ http: {{ url: \"{url}\", json: {{ plate: \"{{{{ event.plates[0].text }}}}\" }} }}, retry: {{ attempts: 1 }}, \
             breaker: {{ failures: 100000 }} }}"
        )
    };
    format!(
        "log: {{ level: error }}\ntargets:\n  vms: {}\n  other: {}\nroutes:\n  - {{ name: to the VMS, to: [vms] }}\n{more}",
        target(&vms.url()),
        target(&other.url())
    )
}

/// An event with a real picture.
pub(crate) async fn see(camhook: &Process, camera: &str, plate: &str) {
    let json = recognition(camera, &[(plate, [10, 10, 60, 30])]).to_string();
    let frame = picture(
        80,
        60,
        &[([10, 10, 60, 30], [200, 30, 30])],
        image::ImageFormat::Jpeg,
    );
    let (kind, body) = multipart(&json, &[("upload", &frame)]);
    let request = client()
        .post(&camhook.url)
        .header("content-type", kind)
        .body(body);
    assert_eq!(request.send().await.unwrap().status(), 200);
}

pub(crate) async fn until_dead(camhook: &Process, many: usize) {
    eventually("they are dead", async || {
        let groups = camhook.get("/api/v1/undelivered").await;
        let dead = groups
            .as_array()
            .unwrap()
            .iter()
            .filter(|one| one["fate"] == "dead");
        dead.map(|one| one["deliveries"].as_u64().unwrap())
            .sum::<u64>()
            == many as u64
    })
    .await;
}

async fn post(camhook: &Process, path: &str, body: &Value) -> (u16, Value) {
    let request = client()
        .post(format!("{}{path}", camhook.admin))
        .header("content-type", "application/json")
        .body(body.to_string());
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (
        status,
        serde_json::from_str(&answer.text().await.unwrap()).unwrap(),
    )
}

async fn ended(camhook: &Process, job: &Value) -> Value {
    let path = format!("/api/v1/jobs/{}", job["id"].as_str().unwrap());
    eventually("the job has ended", async || {
        camhook.get(&path).await["state"] != "running"
    })
    .await;
    camhook.get(&path).await
}

async fn fates(camhook: &Process) -> BTreeMap<String, usize> {
    let mut fates = BTreeMap::new();
    for one in camhook
        .get("/api/v1/deliveries?limit=0")
        .await
        .as_array()
        .unwrap()
    {
        *fates
            .entry(one["fate"].as_str().unwrap().to_owned())
            .or_default() += 1;
    }
    fates
}

/// Dead deliveries of three cameras, and the receiver that refused them.
async fn dead_ones(folder: &Path, many: usize) -> (Process, Receiver, Receiver) {
    let (vms, other) = (Receiver::new().await, Receiver::new().await);
    vms.always(Some(Answer::status(422).body("no such camera")));
    let camhook = Process::start(folder, &routes(&vms, &other, ""));
    for n in 0..many {
        see(
            &camhook,
            ["gate", "yard", "dock"][n % 3],
            &format!("AB{n:03}"),
        )
        .await;
    }
    until_dead(&camhook, many).await;
    (camhook, vms, other)
}

#[tokio::test(flavor = "multi_thread")]
async fn is_told_by_reason_previewed_and_sent_again_by_what_is_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let (camhook, vms, _other) = dead_ones(folder.path(), 9).await;
    let groups = camhook.get("/api/v1/undelivered").await;
    assert_eq!(groups.as_array().unwrap().len(), 1, "{groups}");
    let group = &groups[0];
    assert_eq!(
        (&group["target"], &group["deliveries"]),
        (&json!("vms"), &json!(9))
    );
    let reason = group["reason"].as_str().unwrap();
    assert!(reason.contains("422"), "{reason}");

    let found = camhook
        .get("/api/v1/undelivered/deliveries?plate=ab00&camera=yard")
        .await;
    let plates: Vec<&Value> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["plates"][0])
        .collect();
    assert_eq!(plates, ["AB007", "AB004", "AB001"]);

    let chosen = json!({ "action": "retry", "target": "vms", "reason": reason, "camera": "yard", "dry_run": true });
    let (status, preview) = post(&camhook, "/api/v1/jobs", &chosen).await;
    assert_eq!(
        (status, &preview["count"], &preview["at_least"]),
        (200, &json!(3), &json!(false))
    );
    assert_eq!(preview["samples"][0]["plates"], json!(["AB001"]));
    assert_eq!(
        fates(&camhook).await,
        BTreeMap::from([("dead".to_owned(), 9)]),
        "a preview does nothing"
    );

    vms.always(None);
    let before = vms.requests();
    let chosen = json!({ "action": "retry", "target": "vms", "reason": reason, "camera": "yard" });
    let (_, job) = post(&camhook, "/api/v1/jobs", &chosen).await;
    let job = ended(&camhook, &job).await;
    assert_eq!(
        (&job["done"], &job["left"], &job["state"]),
        (&json!(3), &json!(0), &json!("done"))
    );
    vms.wait_for(before + 3).await;
    for taken in &vms.taken()[before..] {
        let sent = String::from_utf8_lossy(&taken.body).to_uppercase();
        assert!(
            ["AB001", "AB004", "AB007"]
                .iter()
                .any(|plate| sent.contains(plate)),
            "{sent}"
        );
    }

    // By plate: the job tells nothing of it.
    let (_, job) = post(
        &camhook,
        "/api/v1/jobs",
        &json!({ "action": "discard", "plate": "AB003" }),
    )
    .await;
    let job = ended(&camhook, &job).await;
    assert_eq!((&job["done"], &job["ids"]), (&json!(1), &json!(1)));
    assert!(!job.to_string().contains("AB003"), "{job}");
    let gone = camhook.get("/api/v1/deliveries?fate=expired").await;
    let last = gone[0]["attempts"].as_array().unwrap().last().unwrap();
    assert_eq!(last["error"], "discarded: given up by hand");
    eventually("all is told", async || {
        fates(&camhook).await
            == BTreeMap::from([
                ("dead".to_owned(), 5),
                ("delivered".to_owned(), 3),
                ("expired".to_owned(), 1),
            ])
    })
    .await;
    let metrics = crate::harness::get(&format!("{}/metrics", camhook.admin))
        .await
        .text()
        .await
        .unwrap();
    assert!(metrics.contains("camhook_discarded_total{target=\"vms\"} 1"));

    for (wrong, status, told) in [
        (json!({ "action": "retry" }), 400, "say which deliveries"),
        (json!({ "action": "replay" }), 400, "say which events"),
        (json!({ "action": "burn", "all": true }), 400, "one of"),
        (json!({ "action": "retry", "target": "vsm" }), 404, "vms"),
        (
            json!({ "action": "retry", "all": true, "rate": "fast" }),
            400,
            "10/s",
        ),
        (
            json!({ "action": "retry", "fate": "delivered" }),
            400,
            "dead, held",
        ),
        (
            json!({ "action": "replay", "all": true, "route": "none" }),
            404,
            "to the VMS",
        ),
        (
            json!({ "action": "replay", "target": "vms" }),
            400,
            "a replay takes events",
        ),
        (json!({ "action": "retry", "plate": "-" }), 404, "plate"),
        (json!({ "action": "retry", "plate": "ZZ9" }), 404, "nothing"),
    ] {
        let (answered, answer) = post(&camhook, "/api/v1/jobs", &wrong).await;
        assert!(
            answered == status && answer["reason"].as_str().unwrap().contains(told),
            "{wrong}: {answer}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_sends_again_at_a_rate_gives_up_and_tells_how_far_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (camhook, vms, _other) = dead_ones(folder.path(), 12).await;
    let text = |output: &std::process::Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let table = text(&camhook.cli(&["undelivered"]));
    assert!(
        table.contains("vms") && table.contains("12") && table.contains("422"),
        "{table}"
    );
    let preview =
        text(&camhook.cli(&["retry", "--target", "vms", "--camera", "gate", "--dry-run"]));
    assert!(
        preview.starts_with("4, such as:") && preview.contains("AB000"),
        "{preview}"
    );

    vms.always(None);
    let done = camhook.cli(&[
        "retry", "--target", "vms", "--camera", "gate", "--rate", "100/s",
    ]);
    assert!(
        done.status.success() && text(&done) == "4 deliveries are due again\n",
        "{done:?}"
    );
    let done = camhook.rows(&["discard", "--camera", "yard"]);
    assert_eq!(
        (&done[0]["done"], &done[0]["action"]),
        (&json!(4), &json!("discard"))
    );
    let done = camhook.cli(&["retry", "--target", "vms"]);
    assert_eq!(
        text(&done),
        "4 deliveries are due again\n",
        "as it always was"
    );
    eventually("all is settled", async || {
        fates(&camhook).await
            == BTreeMap::from([("delivered".to_owned(), 8), ("expired".to_owned(), 4)])
    })
    .await;
    let jobs = camhook.rows(&["jobs"]);
    let told: Vec<&Value> = jobs.iter().map(|job| &job["action"]).collect();
    assert_eq!(told, ["discard", "retry"]);

    // A slow one is stopped, and what it did not come to stays.
    vms.always(Some(Answer::status(422)));
    let (_, job) = post(
        &camhook,
        "/api/v1/jobs",
        &json!({ "action": "replay", "all": true, "rate": "1/h" }),
    )
    .await;
    let id = job["id"].as_str().unwrap();
    let stopped = camhook.rows(&["jobs", "cancel", id]);
    assert_eq!(stopped[0]["state"], "cancelled");
    assert!(stopped[0]["done"].as_u64().unwrap() <= 1);
    for wrong in [
        &["retry"][..],
        &["discard"],
        &["replay"],
        &["retry", "--all", "--target", "vms"],
    ] {
        assert_eq!(camhook.cli(wrong).status.code(), Some(2), "{wrong:?}");
    }

    // Nobody works on jobs while camhook is stopped: the command does it itself.
    camhook.stop();
    let run = |arguments: &[&str]| {
        crate::harness::camhook_command(folder.path())
            .args(arguments)
            .output()
            .unwrap()
    };
    let done = run(&[
        "replay",
        "--since",
        "2020-01-01",
        "--until",
        "2100-01-01",
        "--to",
        "vms",
    ]);
    assert_eq!(
        text(&done),
        "12 events planned anew, 12 deliveries\n",
        "{done:?}"
    );
    let written = run(&["replay", "--all", "--rate", "100/s"]);
    assert!(text(&written).contains("when camhook runs"), "{written:?}");
    let camhook = Process::start_again(folder.path());
    let jobs = camhook.get("/api/v1/jobs").await;
    let job = ended(&camhook, &jobs[0]).await;
    assert_eq!(job["done"], 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_that_was_added_later_gets_the_old_events_once_however_often_it_is_killed() {
    const EVENTS: usize = 40;
    let folder = tempfile::tempdir().unwrap();
    let (vms, other) = (Receiver::new().await, Receiver::new().await);
    let camhook = Process::start(folder.path(), &routes(&vms, &other, ""));
    for n in 0..EVENTS {
        see(&camhook, "gate", &format!("AB{n:03}")).await;
    }
    camhook.stop();
    let late = "  - { name: late, to: [other] }\n";
    let mut camhook = Process::start(folder.path(), &routes(&vms, &other, late));
    see(&camhook, "gate", "NEW1").await; // has its delivery already
    let asked = json!({ "action": "replay", "all": true, "route": "late", "rate": "10/s" });
    let (status, job) = post(&camhook, "/api/v1/jobs", &asked).await;
    assert_eq!((status, &job["total"]), (200, &json!(EVENTS + 1)), "{job}");
    let path = format!("/api/v1/jobs/{}", job["id"].as_str().unwrap());
    for beyond in [5, 15, 25] {
        eventually("it is on its way", async || {
            camhook.get(&path).await["done"].as_u64().unwrap() >= beyond
        })
        .await;
        camhook.kill();
        camhook = Process::start_again(folder.path());
    }
    let job = ended(&camhook, &job).await;
    assert_eq!(
        (&job["done"], &job["skipped"], &job["planned"]),
        (&json!(EVENTS), &json!(1), &json!(EVENTS))
    );
    let mut planned: BTreeMap<String, usize> = BTreeMap::new();
    for one in camhook
        .get("/api/v1/deliveries?target=other&limit=0")
        .await
        .as_array()
        .unwrap()
    {
        *planned
            .entry(one["event"].as_str().unwrap().to_owned())
            .or_default() += 1;
    }
    assert_eq!(planned.len(), EVENTS + 1);
    assert!(planned.values().all(|times| *times == 1), "{planned:?}");

    // Asked again, there is nothing to do.
    let (_, again) = post(
        &camhook,
        "/api/v1/jobs",
        &json!({ "action": "replay", "all": true, "route": "late" }),
    )
    .await;
    let again = ended(&camhook, &again).await;
    assert_eq!(
        (&again["done"], &again["skipped"]),
        (&json!(0), &json!(EVENTS + 1))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_steer_is_told_how_many_and_not_which() {
    let (vms, other) = (Receiver::new().await, Receiver::new().await);
    vms.always(Some(Answer::status(422).body("no such camera")));
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "server: {{ listen: 127.0.0.1:0 }}\nadmin:\n  listen: 127.0.0.1:0\n  tokens:\n    \
         hand: {{ token: token-of-the-hand, scopes: [steer] }}\n    \
         both: {{ token: token-of-the-both, scopes: [read, steer] }}\n{}",
        routes(&vms, &other, "")
    );
    std::fs::write(folder.path().join("routes.yaml"), config).unwrap();
    let camhook = Process::start_again(folder.path());
    see(&camhook, "gate", "AB001").await;
    let post = async |who: &str, path: &str, kind: &str, body: &str| {
        let request = client()
            .post(format!("{}{path}", camhook.admin))
            .bearer_auth(format!("token-of-the-{who}"))
            .header("accept", "text/html")
            .header("content-type", kind);
        let answer = request.body(body.to_owned()).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let job = async |who: &str, body: Value| -> Value {
        let body = body.to_string();
        let (status, told) = post(who, "/api/v1/jobs", "application/json", &body).await;
        assert_eq!(status, 200, "{told}");
        serde_json::from_str(&told).unwrap()
    };
    let form = async |who: &str, body: &str| {
        let kind = "application/x-www-form-urlencoded";
        post(who, "/undelivered", kind, body).await
    };
    let retry = json!({ "action": "retry", "target": "vms", "dry_run": true });
    let replay = json!({ "action": "replay", "all": true, "dry_run": true });
    eventually("it is dead", async || {
        job("both", retry.clone()).await["count"] == 1
    })
    .await;
    for (who, sees) in [("hand", false), ("both", true)] {
        for (asked, list) in [(&retry, "samples"), (&replay, "events")] {
            let told = job(who, asked.clone()).await;
            assert_eq!(told["count"], 1, "{told}");
            let listed = told[list].as_array().unwrap().len();
            assert_eq!(listed, usize::from(sees), "{who}: {told}");
        }
        let (status, page) = form(who, "action=discard&target=vms").await;
        assert_eq!(status, 200, "{page}");
        assert!(page.contains("Give up 1 delivery?"), "{page}");
        assert_eq!(page.contains("AB001"), sees, "{who}: {page}");
        let (status, page) = form(who, "action=nothing").await;
        assert_eq!(status, 400, "{page}");
        assert!(page.contains("one of the page"), "{page}");
        assert_eq!(page.contains("<td>vms</td>"), sees, "{who}: {page}");
    }
}
