//! What must hold for any answer, for those who try bytes that nobody thought of.

use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use jiff::Timestamp;
use serde_json::json;

use super::answer::Answer;
use super::{Judge, expects, judge, sign, wsdl};
use crate::payload::around::{Call, Expect, Find};

static JUDGE: LazyLock<Judge> = LazyLock::new(|| {
    let rules = json!([
        { "status": "2xx", "json": { "/success": false }, "then": "dead", "because": "no" },
        { "status": 200, "json": { "/a/0/b": { "contains": "x" } }, "then": "try_again" },
        { "status": 200, "xml": "Fault", "then": "dead" },
        { "status": 200, "text": "error", "then": "hold" },
    ]);
    let rules = serde_json::from_value(rules);
    rules.expect("these rules are sound")
});

/// Reads the answer in every way that a target's settings may ask for: a judge, a token of a session, what a check expects, a
/// service's own description, a challenge, a pause.
pub(crate) fn try_answer(status: u16, told: &[(String, String)], body: &[u8]) -> bool {
    let Ok(status) = StatusCode::from_u16(status) else {
        return false;
    };
    let mut headers = HeaderMap::new();
    for (name, value) in told {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
            headers.append(name, value);
        }
    }
    let answer = Answer::new(status, headers, body.to_vec());
    let pause = judge::pause(&answer.headers, Timestamp::UNIX_EPOCH);
    JUDGE.ruling(&answer, pause);
    Judge::default().ruling(&answer, pause);
    for find in [
        Find::Json("/token".to_owned()),
        Find::Json(String::new()),
        Find::Json("/a/0/b".to_owned()),
        Find::Xml("token".to_owned()),
        Find::Header(http::header::LOCATION),
        Find::Cookie("sid".to_owned()),
    ] {
        answer.find(&find);
    }
    let expected = Expect {
        element: "service".to_owned(),
        attribute: Some("name".to_owned()),
        wanted: vec!["Plates".to_owned()],
        otherwise: "set `service`".to_owned(),
    };
    expects::differences(&[expected], &answer);
    let call = Call {
        operation: "AddPlate".to_owned(),
        namespace: "urn:plates".to_owned(),
        action: "urn:plates/AddPlate".to_owned(),
        version: "1.1".to_owned(),
        arguments: vec!["plate".to_owned()],
        address: "http://10.0.0.5/plates".to_owned(),
    };
    for told in wsdl::differences(&call, &answer) {
        assert!(!told.is_empty());
    }
    sign::Challenge::default().taken(&answer.headers);
    true
}
