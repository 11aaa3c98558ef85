//! An OpenTelemetry collector that reads what it is told, by the protocol's own definitions.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value};
use opentelemetry_proto::tonic::trace::v1 as otlp;
use prost::Message;

use crate::harness::{Answer, Process, Receiver, client, eventually, form_event, get};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// All spans that came.
fn spans(collector: &Receiver) -> Vec<otlp::Span> {
    let taken = collector.taken().into_iter();
    let traces = taken.filter(|taken| taken.path == "/otlp/v1/traces" && taken.answered == 200);
    let mut spans = Vec::new();
    for taken in traces {
        assert_eq!(taken.headers["content-type"], "application/x-protobuf");
        assert_eq!(taken.headers["x-api-key"], "k-4711");
        let request = ExportTraceServiceRequest::decode(taken.body).unwrap();
        for resource in request.resource_spans {
            let service = &resource.resource.unwrap().attributes[0];
            assert_eq!(
                (service.key.as_str(), text(service.value.as_ref())),
                ("service.name", "gate")
            );
            spans.extend(
                resource
                    .scope_spans
                    .into_iter()
                    .flat_map(|scope| scope.spans),
            );
        }
    }
    spans
}

fn text(value: Option<&AnyValue>) -> &str {
    match value.and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text,
        other => panic!("no text: {other:?}"),
    }
}

fn about<'a>(span: &'a otlp::Span, key: &str) -> &'a any_value::Value {
    let found = span
        .attributes
        .iter()
        .find(|attribute| attribute.key == key);
    let found = found.unwrap_or_else(|| panic!("no {key} in {span:?}"));
    found.value.as_ref().unwrap().value.as_ref().unwrap()
}

fn named<'a>(spans: &'a [otlp::Span], name: &str) -> Vec<&'a otlp::Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

fn routes(collector: &str, vms: &Receiver) -> String {
    format!(
        "telemetry: {{ otlp: {{ url: \"{collector}/otlp\", headers: {{ X-Api-Key: k-4711 }}, service: gate, every: 1s }} }}
targets:
  vms:
    http: {{ url: \"{}\", json: \"{{{{ event }}}}\" }}
    retry: {{ initial: 100ms, max: 100ms, attempts: 0 }}
    breaker: {{ failures: 1000, cool_down: 100ms }}
routes: [{{ to: [vms] }}]
",
        vms.url()
    )
}

async fn post(camhook: &Process, traceparent: Option<&str>) {
    let (kind, body) = form_event(1);
    let mut request = client().post(&camhook.url).header("content-type", kind);
    if let Some(traceparent) = traceparent {
        request = request.header("traceparent", traceparent);
    }
    assert_eq!(request.body(body).send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_one_trace_from_its_request_to_its_last_delivery_across_kill_9() {
    let (collector, vms) = (Receiver::new().await, Receiver::new().await);
    vms.always(Some(Answer::status(503)));
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(folder.path(), &routes(&collector.url(), &vms));
    post(&camhook, Some(&format!("00-{TRACE}-{PARENT}-01"))).await;
    eventually("the arrival and an attempt are told", async || {
        let spans = spans(&collector);
        !named(&spans, "receive").is_empty() && !named(&spans, "attempt").is_empty()
    })
    .await;
    camhook.kill();
    vms.always(None);
    let camhook = Process::start_again(folder.path());
    let delivered = |span: &&otlp::Span| {
        *about(span, "camhook.outcome") == any_value::Value::StringValue("delivered".to_owned())
    };
    eventually("the delivery is told", async || {
        let spans = spans(&collector);
        named(&spans, "attempt").iter().any(delivered)
    })
    .await;

    let spans = spans(&collector);
    assert!(spans.iter().all(|span| hex(&span.trace_id) == TRACE));
    let receive = named(&spans, "receive")[0];
    assert_eq!(hex(&receive.parent_span_id), PARENT);
    assert_eq!(receive.kind, otlp::span::SpanKind::Server as i32);
    for name in ["decode", "commit", "attempt"] {
        for span in named(&spans, name) {
            assert_eq!(span.parent_span_id, receive.span_id, "{name}");
            assert!(
                span.start_time_unix_nano <= span.end_time_unix_nano,
                "{name}"
            );
        }
    }
    let attempts = named(&spans, "attempt");
    let by_id: BTreeMap<String, &&otlp::Span> = attempts
        .iter()
        .map(|span| (hex(&span.span_id), span))
        .collect();
    assert!(attempts.len() >= 2);
    let last = attempts.iter().find(|span| delivered(span)).unwrap();
    assert_eq!(
        last.status.as_ref().unwrap().code,
        otlp::status::StatusCode::Unset as i32
    );
    for send in named(&spans, "send") {
        let attempt = by_id[&hex(&send.parent_span_id)];
        let failed =
            attempt.status.as_ref().unwrap().code == otlp::status::StatusCode::Error as i32;
        let status = any_value::Value::IntValue(if failed { 503 } else { 200 });
        assert_eq!(*about(send, "http.response.status_code"), status);
    }

    // Each request told the span that it was made in.
    for taken in vms.taken() {
        let told = &taken.headers["traceparent"];
        let parts: Vec<&str> = told.split('-').collect();
        assert_eq!((parts[0], parts[1], parts[3]), ("00", TRACE, "01"));
        if taken.answered == 200 {
            assert_eq!(parts[2], hex(&last.span_id));
        }
    }
    camhook.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_sender_tells_no_trace_has_its_own_and_metrics_are_told_too() {
    let (collector, vms) = (Receiver::new().await, Receiver::new().await);
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(folder.path(), &routes(&collector.url(), &vms));
    post(&camhook, None).await;
    post(&camhook, Some(&format!("00-{TRACE}-{PARENT}-00"))).await; // nobody records that one
    vms.wait_for(2).await;
    let counted = async || {
        let mut counted = Vec::new();
        for taken in collector
            .taken()
            .iter()
            .filter(|taken| taken.path == "/otlp/v1/metrics")
        {
            let request = ExportMetricsServiceRequest::decode(taken.body.clone()).unwrap();
            let metrics = request
                .resource_metrics
                .into_iter()
                .flat_map(|all| all.scope_metrics);
            counted.extend(
                metrics
                    .flat_map(|all| all.metrics)
                    .map(|metric| metric.name),
            );
        }
        counted.contains(&"camhook_events_received_total".to_owned())
            && counted.contains(&"camhook_commit_seconds".to_owned())
            && counted.contains(&"camhook_deliveries".to_owned())
    };
    eventually("metrics are told", counted).await;
    let rows = camhook.rows(&["events"]);
    // What still waits is told when camhook stops.
    camhook.stop();
    let spans = spans(&collector);
    let receive = named(&spans, "receive");
    assert_eq!(receive.len(), 1);
    let trace = hex(&receive[0].trace_id);
    let ids: Vec<String> = rows
        .iter()
        .map(|row| row["id"].as_str().unwrap().replace('-', ""))
        .collect();
    assert!(ids.contains(&trace), "{trace} {ids:?}");
    assert!(receive[0].parent_span_id.is_empty());
    assert!(spans.iter().all(|span| hex(&span.trace_id) == trace));
    assert_eq!(named(&spans, "attempt").len(), 1);
    let quiet = vms
        .taken()
        .into_iter()
        .filter(|taken| !taken.headers.contains_key("traceparent"));
    assert_eq!(quiet.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_not_there_costs_spans_and_no_events() {
    let vms = Receiver::new().await;
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(folder.path(), &routes("http://127.0.0.1:1", &vms));
    for _ in 0..20 {
        post(&camhook, None).await;
    }
    vms.wait_for(20).await;
    eventually("what is lost is counted", async || {
        let page = get(&format!("{}/metrics", camhook.admin))
            .await
            .text()
            .await
            .unwrap();
        let lost = page
            .lines()
            .find_map(|line| line.strip_prefix("camhook_otlp_dropped_total "));
        lost.is_some_and(|lost| lost.parse::<f64>().unwrap() > 0.0)
    })
    .await;
    assert_eq!(
        camhook.rows(&["deliveries", "--fate", "delivered"]).len(),
        20
    );
    camhook.stop();
}
