//! Outages, retries, holds, order and expiry, on a clock that is stepped by hand.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use camhook::testing::Clock;
use jiff::SignedDuration;
use serde_json::json;

use crate::harness::{Answer, Receiver, Taken, Within, form_event};

fn to(receiver: &Receiver, settings: &str) -> String {
    format!(
        "targets:\n  vms:\n    http: {{ url: \"{}\", json: {{ id: \"{{{{ event.id }}}}\", camera: \"{{{{ event.camera.id }}}}\", data: \"{{{{ event.plates[0].user_data }}}}\" }} }}\n{}\
         routes:\n  - {{ name: all, to: [vms] }}\n",
        receiver.url(),
        settings
            .lines()
            .map(|line| format!("    {}\n", line.trim()))
            .collect::<String>()
    )
}

async fn send(camhook: &Within, n: usize) {
    let (kind, body) = form_event(n);
    camhook.post(&kind, body).await;
}

fn number(body: &[u8]) -> usize {
    let body: serde_json::Value = serde_json::from_slice(body).unwrap();
    body["data"]
        .as_str()
        .unwrap()
        .strip_prefix("event-")
        .unwrap()
        .parse()
        .unwrap()
}

const STEADY: &str =
    "retry: { initial: 10s, factor: 2, max: 60s, jitter: 0 }\nbreaker: { failures: 1000 }";

#[tokio::test]
async fn a_clock_that_is_set_back_strands_nothing() {
    let receiver = Receiver::answering([
        Answer::status(503),
        Answer::status(429).header("retry-after", "40"),
    ])
    .await;
    let camhook = Within::start(&to(&receiver, STEADY)).await;
    let a_year = 365 * 86_400;
    send(&camhook, 1).await;
    camhook.set_clock(-a_year).await;
    camhook.advance(11.0).await;
    assert_eq!(receiver.requests(), 2, "the wait after a failure was 10 s");
    camhook.set_clock(-a_year).await;
    camhook.advance(41.0).await;
    assert_eq!(receiver.requests(), 3, "the target asked for 40 s");
    assert_eq!(camhook.fates().await, ["delivered"]);
}

#[tokio::test]
async fn a_clock_that_is_set_forwards_during_a_send_and_then_back_strands_nothing() {
    let clock: Arc<OnceLock<Clock>> = Arc::default();
    let setter = clock.clone();
    let first = AtomicBool::new(true);
    let refuses_and_jumps = Arc::new(move |_: &Taken| {
        if !first.swap(false, Ordering::Relaxed) {
            return Ok(Answer::status(200));
        }
        let clock: &Clock = setter.get().unwrap();
        clock.set(clock.moment() + SignedDuration::from_hours(24 * 30));
        Ok(Answer::status(503))
    });
    let receiver = Receiver::playing([], refuses_and_jumps).await;
    let camhook = Within::start(&to(&receiver, STEADY)).await;
    clock.set(camhook.clock()).ok().unwrap();
    send(&camhook, 1).await;
    assert_eq!(receiver.requests(), 1);
    camhook.set_clock(-30 * 86_400).await;
    camhook.advance(11.0).await;
    assert_eq!(camhook.fates().await, ["delivered"]);
}

#[tokio::test]
async fn a_breaker_and_what_came_before_the_clock_was_set_back_go_on() {
    let receiver = Receiver::new().await;
    receiver.always(Some(Answer::status(503)));
    let settings = "breaker: { failures: 1, cool_down: 30s }";
    let camhook = Within::start(&to(&receiver, settings)).await;
    for n in 1..4 {
        send(&camhook, n).await;
    }
    receiver.always(None);
    camhook.set_clock(-100 * 86_400).await;
    send(&camhook, 4).await;
    camhook.advance(60.0).await;
    assert_eq!(camhook.fates().await, ["delivered"; 4]);
}

#[tokio::test]
async fn a_clock_that_is_set_forwards_makes_nothing_give_up() {
    let receiver = Receiver::answering([Answer::status(503)]).await;
    let camhook = Within::start(&to(&receiver, STEADY)).await;
    send(&camhook, 1).await;
    camhook.set_clock(50 * 365 * 86_400).await;
    camhook.advance(11.0).await;
    assert_eq!(camhook.fates().await, ["delivered"]);
}

#[tokio::test]
async fn tries_again_with_growing_pauses_under_the_same_key() {
    let receiver = Receiver::answering([
        Answer::status(500),
        Answer::status(503),
        Answer::status(502),
    ])
    .await;
    let camhook = Within::start(&to(&receiver, STEADY)).await;
    send(&camhook, 1).await;
    assert_eq!(receiver.requests(), 1);
    for (pause, requests) in [(9.9, 1), (0.2, 2), (19.8, 2), (0.3, 3), (39.0, 3), (1.5, 4)] {
        camhook.advance(pause).await;
        assert_eq!(receiver.requests(), requests);
    }
    let keys: std::collections::BTreeSet<String> = receiver
        .taken()
        .iter()
        .map(|taken| taken.key().to_owned())
        .collect();
    assert_eq!(keys.len(), 1);
    assert_eq!(camhook.fates().await, ["delivered"]);
    let deliveries = camhook.get("/api/v1/deliveries").await;
    let statuses: Vec<_> = deliveries[0]["attempts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|attempt| attempt["status"].clone())
        .collect();
    assert_eq!(statuses, [500, 503, 502, 200]);
}

#[tokio::test]
async fn waits_as_long_as_the_target_asks() {
    let receiver = Receiver::answering([Answer::status(429).header("retry-after", "30")]).await;
    let camhook = Within::start(&to(&receiver, STEADY)).await;
    send(&camhook, 1).await;
    send(&camhook, 2).await; // the whole target pauses
    assert_eq!(receiver.requests(), 1);
    camhook.advance(29.0).await;
    assert_eq!(receiver.requests(), 1);
    camhook.advance(1.5).await;
    assert_eq!(receiver.requests(), 3);
    assert_eq!(camhook.fates().await, ["delivered", "delivered"]);
}

#[tokio::test]
async fn gives_up_after_the_attempts_it_was_given_and_can_be_retried() {
    let receiver = Receiver::new().await;
    receiver.always(Some(Answer::status(500)));
    let settings =
        "retry: { attempts: 3, initial: 1s, factor: 1, jitter: 0 }\nbreaker: { failures: 1000 }";
    let camhook = Within::start(&to(&receiver, settings)).await;
    send(&camhook, 1).await;
    camhook.advance(60.0).await;
    assert_eq!(receiver.requests(), 3);
    assert_eq!(camhook.fates().await, ["dead"]);
    receiver.always(None);
    camhook
        .steer("/api/v1/retry", &json!({ "all": true }))
        .await;
    assert_eq!(camhook.fates().await, ["delivered"]);
}

#[tokio::test]
async fn an_event_that_is_too_late_expires() {
    let receiver = Receiver::new().await;
    receiver.always(Some(Answer::status(503)));
    let settings =
        "expires: 10s\nretry: { initial: 4s, factor: 1, jitter: 0 }\nbreaker: { failures: 1000 }";
    let camhook = Within::start(&to(&receiver, settings)).await;
    send(&camhook, 1).await;
    camhook.advance(60.0).await;
    assert_eq!(camhook.fates().await, ["expired"]);
    assert!(
        (2..=3).contains(&receiver.requests()),
        "{}",
        receiver.requests()
    );
}

#[tokio::test]
async fn a_failing_target_is_probed_without_spending_attempts() {
    let receiver = Receiver::new().await;
    receiver.always(Some(Answer::status(503)));
    let settings = "retry: { attempts: 5, initial: 1s, factor: 1, jitter: 0 }\nbreaker: { failures: 2, cool_down: 30s }";
    let camhook = Within::start(&to(&receiver, settings)).await;
    for n in 0..4 {
        send(&camhook, n).await;
    }
    camhook.advance(3_600.0).await; // an hour of outage
    assert!(
        camhook.fates().await.iter().all(|fate| fate == "pending"),
        "{:?}",
        camhook.fates().await
    );
    assert!(
        (100..140).contains(&receiver.requests()),
        "one probe every 30 s: {}",
        receiver.requests()
    );
    receiver.always(None);
    camhook.advance(31.0).await;
    assert!(
        camhook.fates().await.iter().all(|fate| fate == "delivered"),
        "{:?}",
        camhook.fates().await
    );
}

#[tokio::test]
async fn a_dead_target_delays_no_other() {
    let (dead, alive) = (Receiver::new().await, Receiver::new().await);
    dead.go_away().await;
    let routes = format!(
        "targets:\n  dead: {{ http: {{ url: \"{}\", original: true }} }}\n  alive: {{ http: {{ url: \"{}\", original: true }} }}\n\
         routes:\n  - {{ name: all, to: [dead, alive] }}\n",
        dead.url(),
        alive.url()
    );
    let camhook = Within::start(&routes).await;
    for n in 0..20 {
        send(&camhook, n).await;
    }
    assert_eq!(alive.requests(), 20);
    camhook.advance(600.0).await;
    dead.come_back().await;
    camhook.advance(1_200.0).await; // caught up within twice the outage
    assert_eq!(dead.requests(), 20);
}

#[tokio::test]
async fn keeps_the_order_of_each_camera_across_an_outage() {
    let receiver = Receiver::new().await;
    receiver.always(Some(Answer::status(503)));
    let settings = "order: camera\nconcurrency: 4\nretry: { initial: 1s, max: 30s, jitter: 0.5 }\nbreaker: { failures: 3, cool_down: 20s }";
    let camhook = Within::start(&to(&receiver, settings)).await;
    for n in 0..40 {
        send(&camhook, n).await; // four cameras in turn
    }
    camhook.advance(300.0).await;
    receiver.always(None);
    camhook.advance(600.0).await;
    let arrived: Vec<usize> = receiver
        .taken()
        .iter()
        .filter(|taken| taken.answered == 200)
        .map(|taken| number(&taken.body))
        .collect();
    assert_eq!(arrived.len(), 40);
    for camera in 0..4 {
        let of_camera: Vec<usize> = arrived
            .iter()
            .copied()
            .filter(|n| n % 4 == camera)
            .collect();
        assert!(of_camera.is_sorted(), "camera {camera}: {of_camera:?}");
    }
}

#[tokio::test]
async fn keeps_to_its_rate() {
    let receiver = Receiver::new().await;
    let camhook = Within::start(&to(&receiver, "rate_limit: 2/s\nconcurrency: 8")).await;
    for n in 0..10 {
        send(&camhook, n).await;
    }
    assert_eq!(receiver.requests(), 1);
    camhook.advance(1.01).await;
    assert_eq!(receiver.requests(), 3);
    camhook.advance(3.6).await;
    assert_eq!(receiver.requests(), 10);
}

#[tokio::test]
async fn a_held_target_is_probed_and_let_go() {
    let receiver = Receiver::new().await;
    receiver.always(Some(Answer::status(403)));
    let camhook = Within::start(&to(&receiver, "breaker: { cool_down: 30s }")).await;
    for n in 0..3 {
        send(&camhook, n).await;
    }
    assert_eq!(camhook.fates().await, ["held", "held", "held"]);
    camhook.advance(95.0).await;
    assert!(
        (3..=6).contains(&receiver.requests()),
        "{}",
        receiver.requests()
    );
    receiver.always(None);
    camhook.advance(31.0).await;
    assert_eq!(
        camhook.fates().await,
        ["delivered", "delivered", "delivered"]
    );
}

#[tokio::test]
async fn a_restart_keeps_the_schedule() {
    let receiver = Receiver::answering([Answer::status(500)]).await;
    let routes = to(
        &receiver,
        "retry: { initial: 60s, jitter: 0 }\nbreaker: { failures: 1000 }",
    );
    let camhook = Within::start(&routes).await;
    send(&camhook, 1).await;
    camhook.advance(30.0).await;
    let camhook = camhook.restarted(&routes).await;
    camhook.advance(29.0).await;
    assert_eq!(receiver.requests(), 1);
    camhook.advance(2.0).await;
    assert_eq!(receiver.requests(), 2);
    assert_eq!(camhook.fates().await, ["delivered"]);
    assert!(camhook.folder().join("data").is_dir());
}
