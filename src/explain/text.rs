//! What would be sent, as lines to read: a request line, headers, an empty line and the body; JSON spread over lines.

use serde_json::Value;

/// The text of a described payload; lines end with a line feed alone.
pub(crate) fn text(described: &Value) -> String {
    let text = match described["method"] {
        Value::String(_) => http(described),
        _ => fields(described),
    };
    text.replace("\r\n", "\n").trim_end().to_owned()
}

fn http(request: &Value) -> String {
    let mut text = String::new();
    if !request["login"].is_null() {
        text.push_str(&format!(
            "# once, for a session\n{}\n\n",
            alone(&request["login"])
        ));
    }
    for first in request["first"].as_array().into_iter().flatten() {
        text.push_str(&format!("# first\n{}\n\n", alone(first)));
    }
    if !text.is_empty() {
        text.push_str("# then\n");
    }
    text.push_str(&alone(request));
    text
}

fn alone(request: &Value) -> String {
    let mut text = format!("{} {}\n", plain(&request["method"]), plain(&request["url"]));
    let headers = request["headers"].as_object();
    for (name, value) in headers.into_iter().flatten() {
        text.push_str(&format!("{name}: {}\n", plain(value)));
    }
    if let Value::String(signed) = &request["signed"] {
        text.push_str(&format!("{signed}\n"));
    }
    let body = match &request["body"] {
        Value::Array(pieces) => pieces.iter().map(plain).collect(),
        body => spread(&plain(body)),
    };
    if !body.is_empty() {
        text.push_str(&format!("\n{body}"));
    }
    text.trim_end().to_owned()
}

/// What is not sent over HTTP: each field by its name.
fn fields(described: &Value) -> String {
    let mut text = String::new();
    for (name, value) in described.as_object().into_iter().flatten() {
        let name = name.replace('_', " ");
        let value = spread(&plain(value));
        if value.contains('\n') {
            text.push_str(&format!("{name}:\n{value}\n"));
        } else {
            text.push_str(&format!("{name}: {value}\n"));
        }
    }
    text
}

/// A JSON document over lines, so that what differs is a line; other text as it is.
pub(super) fn spread(text: &str) -> String {
    let document = text.trim_start().starts_with(['{', '[']);
    let parsed = document.then(|| serde_json::from_str::<Value>(text));
    match parsed {
        Some(Ok(json)) => format!("{json:#}"),
        _ => text.to_owned(),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_request_reads_as_it_is_sent() {
        let login =
            json!({ "method": "POST", "url": "http://v/login", "headers": {}, "body": "u=1" });
        let described = json!({
            "method": "POST", "url": "http://v/x", "headers": { "content-type": "application/json" },
            "body": "{\"a\":[1,2]}", "bytes": 11, "login": login,
        });
        assert_eq!(
            text(&described),
            "# once, for a session\nPOST http://v/login\n\nu=1\n\n# then\nPOST http://v/x\n\
             content-type: application/json\n\n{\n  \"a\": [\n    1,\n    2\n  ]\n}"
        );
    }

    #[test]
    fn what_goes_another_way_is_told_by_its_fields() {
        let described = json!({ "append_to": "a.jsonl", "line": "{\"n\":1}" });
        assert_eq!(
            text(&described),
            "append to: a.jsonl\nline:\n{\n  \"n\": 1\n}"
        );
    }
}
