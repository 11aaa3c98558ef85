//! Amazon's interfaces, with servers that check every signature.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::harness::cloud::{Bucket, KEY_ID, LambdaApi, SECRET, TOKEN};
use crate::harness::{
    Process, Within, camhook_command, client, eventually, form_event, multipart, multipart_event,
    recognition,
};

const PATIENCE: &str = "retry: { initial: 100ms, max: 200ms, attempts: 0 }, breaker: { failures: 100, cool_down: 200ms }";

async fn post(camhook: &Process, (kind, body): (String, Vec<u8>)) {
    let request = client().post(&camhook.url).header("content-type", kind);
    assert_eq!(request.body(body).send().await.unwrap().status(), 200);
}

async fn fate(camhook: &Process, fate: &str, count: usize) -> Vec<Value> {
    let mut rows = Vec::new();
    eventually(&format!("{count} are {fate}"), async || {
        rows = camhook.rows(&["deliveries", "--limit", "0", "--fate", fate]);
        rows.len() == count
    })
    .await;
    rows
}

fn invoking(api: &LambdaApi, more: Value) -> String {
    let mut with = json!({
        "url": api.url(), "function": "read-plates", "region": "eu-south-1",
        "access_key_id": KEY_ID, "secret_access_key": SECRET, "session_token": TOKEN,
    });
    for (name, value) in more.as_object().unwrap() {
        with[name] = value.clone();
    }
    format!(
        "targets:\n  code: {{ preset: aws-lambda, with: {with}, {PATIENCE} }}\nroutes:\n  - {{ to: [code] }}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_written_for_streams_webhooks_reads_what_invoke_hands_it() {
    let api = LambdaApi::start().await;
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(folder.path(), &invoking(&api, json!({})));
    let picture: Vec<u8> = [b"\xff\xd8\xff".as_slice(), &(0..=255).collect::<Vec<u8>>()].concat();
    let json = recognition("gate", &[("ab123cd", [1, 2, 3, 4]), ("xy9", [5, 6, 7, 8])]);
    post(
        &camhook,
        multipart(&json.to_string(), &[("upload", &picture)]),
    )
    .await;
    let rows = fate(&camhook, "delivered", 1).await;
    post(&camhook, form_event(2)).await;
    fate(&camhook, "delivered", 2).await;

    let calls = api.calls();
    let path = "/2015-03-31/functions/read-plates/invocations";
    assert_eq!(calls[0]["path"], path);
    assert_eq!(calls[0]["type"], "RequestResponse");
    assert_eq!(calls[0]["headers"]["idempotency-key"], rows[0]["id"]);
    let seen: Value = serde_json::from_str(calls[0]["seen"]["body"].as_str().unwrap()).unwrap();
    assert_eq!(seen["method"], "POST");
    assert_eq!(seen["camera"], "gate");
    assert_eq!(seen["plates"], json!(["ab123cd", "xy9"]));
    assert_eq!(
        seen["files"]["upload"],
        BASE64.encode(&picture),
        "byte for byte"
    );
    let form: Value = serde_json::from_str(calls[1]["seen"]["body"].as_str().unwrap()).unwrap();
    assert_eq!(form["files"], json!({}));
    camhook.stop();

    // The colons of an ARN are encoded in the path, and once more in what is signed.
    let folder = tempfile::tempdir().unwrap();
    let arn = "arn:aws:lambda:eu-south-1:123456789012:function:read-plates:live";
    let routes = invoking(&api, json!({ "function": arn }));
    let camhook = Process::start(folder.path(), &routes);
    let check = camhook_command(folder.path())
        .args(["check", "--connect"])
        .output();
    let told = check.unwrap();
    assert!(told.status.success(), "{told:?}");
    assert_eq!(api.calls()[2]["type"], "DryRun");
    post(&camhook, multipart_event(1)).await;
    fate(&camhook, "delivered", 1).await;
    assert!(
        api.calls()[3]["path"]
            .as_str()
            .unwrap()
            .contains("arn%3Aaws%3Alambda")
    );
    camhook.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_fails_is_called_again_and_one_that_refuses_is_not() {
    let api = LambdaApi::start().await;
    for (function, camera, status, told) in [
        ("crashing", "gate", 200, "the function failed"),
        ("throttled", "gate", 429, "429"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let routes = invoking(&api, json!({ "function": function }));
        let camhook = Process::start(folder.path(), &routes);
        let event = recognition(camera, &[("ab123cd", [1, 2, 3, 4])]).to_string();
        post(&camhook, multipart(&event, &[])).await;
        let rows = fate(&camhook, "delivered", 1).await;
        let first = &rows[0]["attempts"][0];
        assert_eq!(first["status"], status, "{first}");
        assert!(first["error"].to_string().contains(told), "{first}");
        assert_eq!(rows[0]["attempts"].as_array().unwrap().len(), 2);
        camhook.kill();
    }
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(folder.path(), &invoking(&api, json!({})));
    for camera in ["refused", "busy-inside"] {
        let event = recognition(camera, &[("ab123cd", [1, 2, 3, 4])]).to_string();
        post(&camhook, multipart(&event, &[])).await;
    }
    let dead = fate(&camhook, "dead", 1).await;
    assert!(
        dead[0]
            .to_string()
            .contains("the function refuses the event"),
        "{}",
        dead[0]
    );
    eventually("a busy function is asked again", async || {
        let again = camhook.rows(&["deliveries", "--fate", "pending"]);
        again
            .first()
            .is_some_and(|row| row["attempts"].as_array().unwrap().len() > 1)
    })
    .await;
    camhook.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_somebody_can_mend_holds_the_function_and_says_what_to_do() {
    let api = LambdaApi::start().await;
    for (more, status, told) in [
        (
            json!({ "function": "nobody" }),
            404,
            "no such function in this region",
        ),
        (
            json!({ "function": "another-account" }),
            403,
            "lambda:InvokeFunction",
        ),
        (
            json!({ "secret_access_key": "not-this-one" }),
            403,
            "does not take the key",
        ),
        (
            json!({ "session_token": null }),
            403,
            "does not take the key",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let camhook = Process::start(folder.path(), &invoking(&api, more.clone()));
        post(&camhook, multipart_event(1)).await;
        let held = fate(&camhook, "held", 1).await;
        let first = &held[0]["attempts"][0];
        assert_eq!(first["status"], status, "{more} {first}");
        assert!(first["error"].to_string().contains(told), "{more} {first}");
        assert!(!held[0].to_string().contains("not-this-one"));
        camhook.kill();
    }
    // A clock that is months behind, as of a machine without a battery.
    let camhook = Within::start(&invoking(&api, json!({}))).await;
    let (kind, body) = multipart_event(1);
    camhook.post(&kind, body).await;
    assert_eq!(camhook.fates().await, ["held"]);
    let told = camhook.get("/api/v1/deliveries").await.to_string();
    assert!(
        told.contains("the clock of this machine is wrong"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_too_large_for_lambda_comes_without_its_pictures() {
    let api = LambdaApi::start().await;
    let folder = tempfile::tempdir().unwrap();
    let routes = invoking(&api, json!({ "function": "small" }));
    let camhook = Process::start(folder.path(), &routes);
    let picture = [b"\xff\xd8\xff".as_slice(), &vec![7; 30_000]].concat();
    let json = recognition("gate", &[("ab123cd", [1, 2, 3, 4])]);
    post(
        &camhook,
        multipart(&json.to_string(), &[("upload", &picture)]),
    )
    .await;
    fate(&camhook, "delivered", 1).await;
    let calls = api.calls();
    assert_eq!(
        (&calls[0]["status"], &calls[1]["status"]),
        (&json!(413), &json!(200))
    );
    assert!(calls[1]["seen"].to_string().contains("ab123cd"));
    camhook.stop();
}

#[tokio::test]
async fn a_function_is_named_with_all_that_invoke_needs_or_by_its_url() {
    let folder = tempfile::tempdir().unwrap();
    for (with, told) in [
        ("{ }", vec!["`url` is missing", "or give `function`"]),
        (
            "{ function: f, access_key_id: abcdefgh }",
            vec!["`region` is missing", "`secret_access_key` is missing"],
        ),
    ] {
        let routes = format!("targets: {{ code: {{ preset: aws-lambda, with: {with} }} }}\n");
        std::fs::write(folder.path().join("routes.yaml"), routes).unwrap();
        let output = camhook_command(folder.path())
            .arg("check")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{text}");
        for told in told {
            assert!(text.contains(told), "{text}");
        }
        assert!(
            !text.contains("`url` is missing") || with == "{ }",
            "{text}"
        );
    }
}

fn keeping(bucket: &Bucket, name: &str, secret: &str) -> String {
    let url = format!("http://127.0.0.1:{}/{name}", bucket.port);
    let with = json!({
        "url": url, "region": "eu-south-1", "picture": "frame", "access_key_id": bucket.key_id, "secret_access_key": secret,
        "folder": "{{ event.camera.id }}/100% & more",
    });
    let aws = json!({ "aws": {
        "service": "s3", "region": "eu-south-1", "access_key_id": bucket.key_id, "secret_access_key": secret,
    } });
    format!(
        "targets:\n  pictures: {{ preset: s3, with: {with}, {PATIENCE} }}\n  texts:\n    http: {{ method: PUT, \
         url: \"{url}/{{{{ event.camera.id }}}}/{{{{ event.id }}}}.json\", auth: {aws}, json: {{ plate: \"{{{{ plate.text }}}}\" }} }}\n    \
         {}\nroutes:\n  - {{ name: all, to: [pictures, texts], each: plate }}\n",
        PATIENCE.replace("}, breaker", "}\n    breaker")
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_and_a_text_lie_in_the_bucket_byte_for_byte() {
    let bucket = Bucket::start().await;
    let folder = tempfile::tempdir().unwrap();
    let routes = keeping(&bucket, "plates", &bucket.secret);
    let camhook = Process::start(folder.path(), &routes);
    let picture: Vec<u8> = [b"\xff\xd8\xff".as_slice(), &(0..=255).collect::<Vec<u8>>()].concat();
    let json = recognition("Süd gate+1", &[("ab123cd", [1, 2, 3, 4])]);
    post(
        &camhook,
        multipart(&json.to_string(), &[("original", &picture)]),
    )
    .await;
    let rows = fate(&camhook, "delivered", 2).await;
    let of = |target: &str| rows.iter().find(|row| row["target"] == target).unwrap();

    let objects = bucket.objects();
    assert_eq!(objects.len(), 2);
    let ending = |ending: &str| {
        let ends = |object: &&Value| object["key"].as_str().unwrap().ends_with(ending);
        objects.iter().find(ends).unwrap()
    };
    let (shot, text) = (ending(".jpg"), ending(".json"));
    let id = of("pictures")["id"].as_str().unwrap();
    assert_eq!(shot["key"], format!("Süd gate+1/100% & more/{id}.jpg"));
    assert_eq!(shot["type"], "image/jpeg");
    assert_eq!(shot["bytes"], BASE64.encode(&picture));
    assert_eq!(shot["about"]["plate"], "AB123CD");
    let event = of("texts")["event"].as_str().unwrap();
    assert_eq!(text["key"], format!("Süd gate+1/{event}.json"));
    assert_eq!(text["bytes"], BASE64.encode(r#"{"plate":"ab123cd"}"#));

    camhook.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_refuses_is_understood() {
    let bucket = Bucket::start().await;
    for (name, secret, told) in [
        ("plates", "not-this-one", "does not take the key"),
        ("nothing-here", bucket.secret.as_str(), "no such bucket"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let routes =
            keeping(&bucket, name, secret).replace("to: [pictures, texts]", "to: [pictures]");
        let camhook = Process::start(folder.path(), &routes);
        let json = recognition("gate", &[("ab123cd", [1, 2, 3, 4])]).to_string();
        let picture = b"\xff\xd8\xff picture".as_slice();
        post(&camhook, multipart(&json, &[("original", picture)])).await;
        let held = fate(&camhook, "held", 1).await;
        let first = held[0]["attempts"][0]["error"].to_string();
        assert!(first.contains(told), "{name}: {first}");
        camhook.kill();

        // Mended, it goes where it should, under the id it had.
        let routes = keeping(&bucket, "plates", &bucket.secret);
        let camhook = Process::start(folder.path(), &routes);
        let rows = fate(&camhook, "delivered", 1).await;
        assert_eq!(rows[0]["id"], held[0]["id"]);
        camhook.stop();
    }
    assert_eq!(bucket.objects().len(), 2);
}
