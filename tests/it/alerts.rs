//! Alerts as their users get them.

use serde_json::Value;

use crate::harness::{Answer, Process, Receiver, client, eventually, form_event, get};

async fn post(camhook: &Process) {
    let (kind, body) = form_event(1);
    let request = client().post(&camhook.url).header("content-type", kind);
    assert_eq!(request.body(body).send().await.unwrap().status(), 200);
}

async fn metrics(camhook: &Process) -> String {
    page(camhook, "/metrics").await
}

async fn page(camhook: &Process, path: &str) -> String {
    let page = get(&format!("{}{path}", camhook.admin)).await;
    page.text().await.unwrap()
}

fn routes(vms: &Receiver, phone: &Receiver) -> String {
    format!(
        "alerts: {{ target_failing: 1s }}
targets:
  vms: {{ http: {{ url: \"{}\", json: \"{{{{ event }}}}\" }}, breaker: {{ cool_down: 100ms }} }}
  phone: {{ preset: ntfy, with: {{ url: \"{}\", topic: gate }}, rate_limit: 100/s }}
routes:
  - {{ name: plates, each: plate, to: [vms] }}
  - {{ name: alerts, from: [camhook], to: [vms, phone] }}
",
        vms.url(),
        phone.url()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_refuses_everything_is_told_once_and_so_is_its_recovery_across_kill_9() {
    let (vms, phone) = (Receiver::new().await, Receiver::new().await);
    vms.always(Some(Answer::status(401)));
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(folder.path(), &routes(&vms, &phone));
    post(&camhook).await;
    phone.wait_for(1).await;
    let told: Value = serde_json::from_slice(&phone.taken()[0].body).unwrap();
    assert_eq!(told["title"], "Target vms takes nothing");
    assert_eq!(told["tags"], serde_json::json!(["warning"]));
    let message = told["message"].as_str().unwrap();
    assert!(
        message.starts_with("Target `vms` has taken nothing for "),
        "{message}"
    );

    let rows = camhook.rows(&["alerts"]);
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (&rows[0]["alert"], &rows[0]["subject"]),
        (&"target_failing".into(), &"vms".into())
    );
    let event = rows[0]["event"].as_str().unwrap().to_owned();
    let rows = camhook.rows(&["deliveries", "--event", &event]);
    assert_eq!(
        rows.len(),
        1,
        "not to the target that it is about: {rows:?}"
    );
    let stands = "camhook_alerts{alert=\"target_failing\",subject=\"vms\"} 1";
    assert!(metrics(&camhook).await.contains(stands));
    let shown = page(&camhook, "/alerts").await;
    for told in ["Target `vms` has taken nothing for ", &event] {
        assert!(shown.contains(told), "{told}: {shown}");
    }

    camhook.kill();
    let camhook = Process::start_again(folder.path());
    eventually("the alert is known again", async || {
        metrics(&camhook).await.contains(stands)
    })
    .await;
    vms.always(None);
    phone.wait_for(2).await;
    let told: Value = serde_json::from_slice(&phone.taken()[1].body).unwrap();
    assert_eq!(told["title"], "Over: Target vms takes nothing");
    assert_eq!(told["tags"], serde_json::json!(["white_check_mark"]));
    eventually("nothing is wrong any more", async || {
        camhook.rows(&["alerts"]).is_empty()
    })
    .await;
    assert!(
        metrics(&camhook)
            .await
            .contains(&stands.replace("} 1", "} 0"))
    );
    let shown = page(&camhook, "/alerts").await;
    assert!(shown.contains("Nothing is wrong"), "{shown}");
    assert_eq!(camhook.rows(&["events", "--source", "camhook"]).len(), 2);
    assert!(
        vms.taken()
            .iter()
            .all(|taken| !String::from_utf8_lossy(&taken.body).contains("target_failing"))
    );
    camhook.stop();
    assert_eq!(phone.requests(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_wrong_is_listed_also_while_camhook_does_not_run() {
    let (vms, phone) = (Receiver::new().await, Receiver::new().await);
    vms.always(Some(Answer::status(401)));
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(folder.path(), &routes(&vms, &phone));
    post(&camhook).await;
    phone.wait_for(1).await;
    camhook.stop();
    let output = crate::harness::camhook_command(folder.path())
        .args(["alerts", "--json"])
        .output()
        .unwrap();
    let row: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(row["subject"], "vms");
    assert_eq!(row["unit"], "seconds");
}
