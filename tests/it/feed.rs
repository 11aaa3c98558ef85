//! What happens, told as it happens: nothing left out, nothing that was not asked for, to nobody who may not.

use serde_json::{Value, json};

use crate::harness::{
    Answer, Process, Receiver, client, eventually, form_event, get, multipart, recognition,
};

/// A message of the stream.
#[derive(Debug, Clone, Default, PartialEq)]
struct Message {
    event: String,
    id: Option<String>,
    data: Value,
}

/// Somebody who listens.
struct Ear {
    response: reqwest::Response,
    text: String,
    /// As a browser keeps it.
    last_id: Option<String>,
}

impl Ear {
    async fn at(url: &str, last_id: Option<&str>) -> Self {
        let mut request = client().get(url);
        if let Some(last_id) = last_id {
            request = request.header("last-event-id", last_id);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            response,
            text: String::new(),
            last_id: last_id.map(str::to_owned),
        }
    }

    /// The next message; None when the stream has ended.
    async fn next(&mut self) -> Option<Message> {
        loop {
            while let Some((message, rest)) = self.text.split_once("\n\n") {
                let (message, rest) = (read(message), rest.to_owned());
                self.text = rest;
                self.last_id = message.id.clone().or(self.last_id.take());
                if !message.event.is_empty() {
                    return Some(message);
                }
            }
            let chunk = self.response.chunk().await.unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// Messages up to the one that is looked for.
    async fn until(&mut self, wanted: impl Fn(&Message) -> bool) -> Vec<Message> {
        let mut heard = Vec::new();
        loop {
            let next = self.next().await;
            heard.push(next.unwrap_or_else(|| panic!("the stream ended after {heard:?}")));
            if wanted(&heard[heard.len() - 1]) {
                return heard;
            }
        }
    }
}

fn read(text: &str) -> Message {
    let mut message = Message::default();
    for line in text.lines() {
        match line.split_once(": ") {
            Some(("event", event)) => message.event = event.to_owned(),
            Some(("id", id)) => message.id = Some(id.to_owned()),
            Some(("data", data)) => message.data = serde_json::from_str(data).unwrap(),
            Some(("retry", ms)) => assert!(ms.parse::<u32>().is_ok()),
            Some(("", _)) => {}
            other => panic!("{other:?}"),
        }
    }
    message
}

fn feed(camhook: &Process, query: &str) -> String {
    format!("{}/api/v1/feed{query}", camhook.admin)
}

async fn post(camhook: &Process, camera: &str, plate: &str) {
    let json = recognition(camera, &[(plate, [10, 10, 60, 30])]);
    let (kind, body) = multipart(&json.to_string(), &[]);
    let sent = client()
        .post(&camhook.url)
        .header("content-type", kind)
        .body(body);
    assert_eq!(sent.send().await.unwrap().status(), 200);
}

fn is_settled(message: &Message) -> bool {
    message.event == "delivery" && message.data["fate"] == "delivered"
}

fn plates(heard: &[Message]) -> Vec<&str> {
    let events = heard.iter().filter(|message| message.event == "event");
    events
        .map(|message| message.data["plates"][0]["text"].as_str().unwrap())
        .collect()
}

const LOG: &str = "targets: { log: { jsonl: log.jsonl } }\nroutes: [{ name: all, to: [log] }]\n";

#[tokio::test(flavor = "multi_thread")]
async fn events_and_what_becomes_of_them_are_told_as_the_lists_tell_them() {
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(folder.path(), LOG);
    let mut ear = Ear::at(&feed(&camhook, ""), None).await;
    let (kind, body) = form_event(1);
    let sent = client()
        .post(&camhook.url)
        .header("content-type", kind)
        .body(body);
    assert_eq!(sent.send().await.unwrap().status(), 200);

    let heard = ear.until(is_settled).await;
    assert_eq!(heard[0].event, "event");
    let listed = camhook.get("/api/v1/events").await;
    assert_eq!(heard[0].data, listed[0]);
    let last = &heard[heard.len() - 1];
    let listed = camhook.get("/api/v1/deliveries").await;
    assert_eq!(last.data, listed[0]);
    assert_eq!(last.data["attempts"].as_array().unwrap().len(), 1);
    assert!(heard.iter().all(|message| message.id.is_some()));
    let stopped = tokio::task::spawn_blocking(|| camhook.stop());
    let heard = ear.next().await.unwrap();
    assert_eq!(
        (heard.event.as_str(), &heard.data),
        ("end", &json!({ "reason": "camhook stops" }))
    );
    assert_eq!(ear.next().await, None);
    stopped.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(folder.path(), LOG);
    let mut ear = Ear::at(&feed(&camhook, ""), None).await;
    post(&camhook, "gate", "AA1").await;
    ear.until(is_settled).await;
    let here = ear.last_id.clone();
    drop(ear);
    post(&camhook, "gate", "AA2").await;
    post(&camhook, "gate", "AA3").await;
    let mut ear = Ear::at(&feed(&camhook, ""), here.as_deref()).await;
    let heard = ear
        .until(|message| message.event == "event" && message.data["plates"][0]["text"] == "AA3")
        .await;
    assert_eq!(plates(&heard), ["AA2", "AA3"]);
    drop(ear);

    // The same by a parameter, for who cannot set a header.
    let after = format!("?after={}", here.unwrap());
    let mut ear = Ear::at(&feed(&camhook, &after), None).await;
    let heard = ear
        .until(|message| message.event == "event" && message.data["plates"][0]["text"] == "AA3")
        .await;
    assert_eq!(plates(&heard), ["AA2", "AA3"]);
    camhook.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_leaves_no_gap() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::new().await;
    receiver.always(Some(Answer::status(503)));
    let routes = format!(
        "targets: {{ vms: {{ http: {{ url: \"{}\", json: {{ a: 1 }} }}, retry: {{ attempts: 0, initial: 10ms, max: 10ms }}, breaker: {{ failures: 1000000 }} }} }}\n\
         routes: [{{ name: all, to: [vms] }}]\n",
        receiver.url()
    );
    let camhook = Process::start(folder.path(), &routes);
    let mut ear = Ear::at(&feed(&camhook, ""), None).await;
    post(&camhook, "gate", "AA1").await;
    let tried = |message: &Message| {
        message.event == "delivery"
            && message.data["attempts"]
                .as_array()
                .is_some_and(|tried| !tried.is_empty())
    };
    let heard = ear.until(tried).await;
    let first = heard[heard.len() - 1].data["id"].clone();
    let here = ear.last_id.clone();
    drop(ear);
    // While nobody listens: an event, and the outcome of the delivery from before.
    post(&camhook, "gate", "AA2").await;
    receiver.always(Some(Answer::status(200)));
    eventually("both are delivered", async || {
        let delivered = camhook.get("/api/v1/deliveries?fate=delivered").await;
        delivered.as_array().unwrap().len() == 2
    })
    .await;
    camhook.stop();

    let camhook = Process::start_again(folder.path());
    let mut ear = Ear::at(&feed(&camhook, ""), here.as_deref()).await;
    post(&camhook, "gate", "AA3").await;
    let heard = ear
        .until(|message| message.event == "event" && message.data["plates"][0]["text"] == "AA3")
        .await;
    assert!(plates(&heard).ends_with(&["AA2", "AA3"]), "{heard:?}");
    assert!(
        heard
            .iter()
            .any(|message| message.data["id"] == first && is_settled(message)),
        "{heard:?}"
    );
    camhook.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_gone_back_to_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(folder.path(), LOG);
    for nowhere in ["999999999.1", "not an id"] {
        let mut ear = Ear::at(&feed(&camhook, ""), Some(nowhere)).await;
        let heard = ear.next().await.unwrap();
        assert_eq!(heard.event, "reset", "{nowhere}");
        assert!(
            heard.data["reason"]
                .as_str()
                .unwrap()
                .contains("read the lists again")
        );
        post(&camhook, "gate", "AA1").await;
        let heard = ear.until(is_settled).await;
        assert_eq!(plates(&heard), ["AA1"], "and it goes on");
    }
    camhook.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_asked_for_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let routes = "targets: { log: { jsonl: log.jsonl }, other: { jsonl: other.jsonl } }\n\
                  routes: [{ name: all, to: [log, other] }]\n";
    let camhook = Process::start(folder.path(), routes);
    let mut by_plate = Ear::at(&feed(&camhook, "?plate=ab-1*&camera=gate"), None).await;
    let mut by_target = Ear::at(&feed(&camhook, "?target=other&fate=delivered"), None).await;
    for (camera, plate) in [("gate", "XX99"), ("yard", "AB12"), ("gate", "AB13")] {
        post(&camhook, camera, plate).await;
    }
    let heard = by_plate.until(is_settled).await;
    assert_eq!(plates(&heard), ["AB13"]);
    let event = &heard[0].data["id"];
    assert!(
        heard[1..]
            .iter()
            .all(|message| message.data["event"] == *event),
        "{heard:?}"
    );
    let mut heard = Vec::new();
    while heard.len() < 3 {
        heard.push(by_target.next().await.unwrap());
    }
    for message in &heard {
        assert!(
            is_settled(message) && message.data["target"] == "other",
            "{message:?}"
        );
    }
    let refused = get(&feed(&camhook, "?colour=red")).await;
    assert_eq!(refused.status(), 400);
    camhook.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_paused_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(folder.path(), LOG);
    let mut ear = Ear::at(&feed(&camhook, ""), None).await;
    for (way, state) in [("pause", "paused"), ("resume", "running")] {
        let url = format!("{}/api/v1/targets/log/{way}", camhook.admin);
        let sent = client()
            .post(url)
            .header("content-type", "application/json")
            .body("{}")
            .send()
            .await
            .unwrap();
        assert_eq!(sent.status(), 200);
        let heard = ear.next().await.unwrap();
        assert_eq!(
            (heard.event.as_str(), &heard.data["state"]),
            ("target", &json!(state))
        );
    }
    camhook.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_listen_and_a_slow_one_holds_up_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(folder.path(), LOG);
    let mut ears = Vec::new();
    for _ in 0..32 {
        ears.push(Ear::at(&feed(&camhook, ""), None).await);
    }
    let refused = get(&feed(&camhook, "")).await;
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    // Nobody reads what they are told, and still all is kept and delivered.
    for n in 0..20 {
        post(&camhook, "gate", &format!("AB{n}")).await;
    }
    let mut last = ears.pop().unwrap();
    let heard = last
        .until(|message| message.event == "event" && message.data["plates"][0]["text"] == "AB19")
        .await;
    assert_eq!(plates(&heard).len(), 20);
    drop(ears);
    // Who hangs up makes room.
    eventually("there is room again", async || {
        get(&feed(&camhook, "")).await.status() == 200
    })
    .await;
    camhook.stop();
}
