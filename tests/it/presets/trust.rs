//! An appliance with a certificate of its own making.

use serde_json::json;

use super::event;
use crate::harness::{Receiver, Within};

fn routes(url: &str, more: &str) -> String {
    let with = json!({ "url": format!("{url}/webapi/SurveillanceStation/Webhook/Incoming/v1?token=0123456789") });
    format!(
        "targets:\n  nas: {{ preset: synology, with: {with}{more} }}\n\
         routes:\n  - {{ name: all, each: plate, to: [nas] }}\n"
    )
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_loses_nothing_and_is_told_with_its_fingerprint() {
    let (nas, fingerprint) = Receiver::self_signed().await;
    let camhook = Within::start(&routes(&nas.url(), "")).await;
    let (kind, body) = event("camera-1", "ab123cd");
    camhook.post(&kind, body).await;
    let deliveries = camhook.get("/api/v1/deliveries").await;
    let told = deliveries[0]["attempts"][0]["error"].as_str().unwrap();
    assert_eq!(camhook.fates().await, ["pending"]);
    assert!(
        told.contains(&fingerprint) && told.contains("pin"),
        "{told}"
    );
    assert!(!told.contains("0123456789"), "{told}");
    assert_eq!(nas.requests(), 0);

    let other = "00".repeat(32);
    let pinned = routes(&nas.url(), &format!(", tls: {{ pin: \"{other}\" }}"));
    let camhook = camhook.restarted(&pinned).await;
    camhook.advance(600.0).await;
    assert_eq!(
        (camhook.fates().await, nas.requests()),
        (vec!["pending".to_owned()], 0)
    );

    let pinned = routes(&nas.url(), &format!(", tls: {{ pin: \"{fingerprint}\" }}"));
    let camhook = camhook.restarted(&pinned).await;
    camhook.advance(600.0).await;
    assert_eq!(camhook.fates().await, ["delivered"]);
    assert_eq!(nas.requests(), 1);
}
