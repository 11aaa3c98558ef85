//! `routes.yaml` changes while events come in.

use crate::harness::{Process, Receiver, eventually, form_event};

fn routes(receiver: &Receiver, path: &str) -> String {
    format!(
        "server: {{ listen: 127.0.0.1:0 }}\nadmin: {{ listen: 127.0.0.1:0 }}\n\
         targets:\n  vms: {{ http: {{ url: \"{}{path}\", json: \"{{{{ event.id }}}}\" }} }}\n\
         routes:\n  - {{ name: all, to: [vms] }}\n",
        receiver.url()
    )
}

async fn send(camhook: &Process) -> u16 {
    let (kind, body) = form_event(1);
    let request = crate::harness::client()
        .post(&camhook.url)
        .header("content-type", kind)
        .body(body);
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_file_is_taken_and_a_bad_one_refused_without_dropping_a_request() {
    let receiver = Receiver::new().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("routes.yaml");
    std::fs::write(&file, routes(&receiver, "/old")).unwrap();
    let mut camhook = Process::start_again(folder.path());
    assert_eq!(send(&camhook).await, 200);
    receiver.wait_for(1).await;

    // Saved as editors do: another file renamed over it.
    std::fs::write(folder.path().join("new"), routes(&receiver, "/new")).unwrap();
    std::fs::rename(folder.path().join("new"), &file).unwrap();
    eventually("events go the new way", async || {
        assert_eq!(send(&camhook).await, 200);
        receiver.taken().iter().any(|taken| taken.path == "/new")
    })
    .await;

    // A mistake, and a file that an editor has emptied to write it anew: refused, and the running config stays.
    for (n, text) in ["routes: [ { to: nowhere } ]", "", "# soon\n"]
        .iter()
        .enumerate()
    {
        std::fs::write(&file, text).unwrap();
        camhook.signal("HUP");
        let before = receiver.requests();
        for _ in 0..20 {
            assert_eq!(send(&camhook).await, 200);
        }
        receiver.wait_for(before + 20).await;
        assert!(camhook.is_running());
        eventually("the refusal is counted", async || {
            let metrics = format!("{}/metrics", camhook.admin);
            let page = crate::harness::get(&metrics).await.text().await.unwrap();
            let refused = "camhook_reloads_total{outcome=\"refused\"} ";
            let count = page.lines().find_map(|line| line.strip_prefix(refused));
            count.is_some_and(|count| count.parse::<usize>().unwrap() > n)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_of_a_removed_target_are_kept_and_shown() {
    let receiver = Receiver::new().await;
    receiver.go_away().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("routes.yaml");
    std::fs::write(&file, routes(&receiver, "/")).unwrap();
    let camhook = Process::start_again(folder.path());
    assert_eq!(send(&camhook).await, 200);
    std::fs::write(
        &file,
        "server: { listen: 127.0.0.1:0 }\nadmin: { listen: 127.0.0.1:0 }\n",
    )
    .unwrap();
    camhook.signal("HUP");
    eventually("the target is no longer configured", async || {
        let targets = camhook.rows(&["targets"]);
        targets
            .iter()
            .any(|target| target["target"] == "vms" && target["configured"] == false)
    })
    .await;
    assert_eq!(camhook.rows(&["deliveries", "--fate", "pending"]).len(), 1);
}
