//! What users write under `http` to say which request is made.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use super::check::Check;
use super::parts::Parts;
use crate::render::fields::Fields;
use crate::units::Span;

/// The request a target is sent. Every text may be a template; a text that is exactly one `{{ expression }}` keeps the
/// value's type. At most one of `json`, `form`, `multipart`, `text`, `xml`, `image`, `stream` and `original` says the body.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The HTTP method; `POST` if not given.
    #[serde(default = "post")]
    pub(crate) method: String,
    /// The address, `http://…` or `https://…`.
    /// A template's value is percent-encoded as one part of the path or query; one that is the beginning of the address is
    /// taken as it is, and may not come from the event.
    pub(crate) url: String,
    /// Added to the url, percent-encoded. A null value is left out, a list repeats its name.
    #[serde(default)]
    pub(crate) query: Fields,
    /// Headers; they win over those that follow from `auth` and the body. A null value is left out.
    #[serde(default)]
    pub(crate) headers: Fields,
    /// Credentials: `{ basic: { username, password } }`, `{ digest: { username, password } }`, `{ bearer: TOKEN }`,
    /// `{ token: TOKEN }`, or a signature over the request: `{ aws: { … } }`, `{ webhook: SECRET }`.
    #[serde(default)]
    pub(crate) auth: Option<Auth>,
    /// A login whose token serves many requests; requests see it as `{{ session.token }}`.
    #[serde(default)]
    pub(crate) session: Option<Session>,
    /// Requests that are sent before this one, in this order. What they capture of their answers stands in what comes
    /// later as `{{ captured.NAME }}`. Another attempt does not repeat those that were answered well.
    #[serde(default)]
    pub(crate) first: Vec<First>,
    /// Whether a request that is answered with 413 (too large) is sent once more without its pictures; `false` if not
    /// given.
    #[serde(default)]
    pub(crate) retry_without_pictures: bool,
    /// What `camhook check --connect` asks to see whether the system is there and takes the credentials; it must change
    /// nothing.
    #[serde(default)]
    pub(crate) check: Option<Check>,
    /// A JSON body: a YAML structure, or one `"{{ event }}"`. Types are kept.
    #[serde(default)]
    pub(crate) json: Option<Value>,
    /// A form (`application/x-www-form-urlencoded`). A null value is left out, a list repeats its name.
    #[serde(default)]
    pub(crate) form: Option<Fields>,
    /// A form with files (`multipart/form-data`): names with a text, a picture such as `"{{ images.frame }}"`, or
    /// `{ value, filename, type }`. A part that is null, or whose picture is missing, is left out.
    #[serde(default)]
    pub(crate) multipart: Option<Parts>,
    /// A body of plain text (`text/plain; charset=utf-8`).
    #[serde(default)]
    pub(crate) text: Option<String>,
    /// A body of XML (`application/xml; charset=utf-8`). Write `{{ value | xml }}` for values.
    #[serde(default)]
    pub(crate) xml: Option<String>,
    /// A picture as the body, such as `"{{ images.frame }}"`.
    #[serde(default)]
    pub(crate) image: Option<String>,
    /// `true` sends what Plate Recognizer Stream would: its JSON as the field `json` with the pictures as files, or a form
    /// with that one field where there are none. For receivers that know Stream.
    #[serde(default)]
    pub(crate) stream: bool,
    /// `true` sends the sender's own body and content type, byte for byte.
    #[serde(default)]
    pub(crate) original: bool,
    /// A JSON document to send around the body, for receivers that want it in an envelope: a YAML structure in which the
    /// body is `{{ wrapped.body | base64 }}` (or `{{ wrapped.body }}` as text), its content type `{{ wrapped.content_type }}`
    /// and its size in bytes `{{ wrapped.size }}`.
    #[serde(default)]
    pub(crate) wrap: Option<Value>,
}

/// How camhook shows who it is.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Auth {
    /// `Authorization: Basic`, a username and a password.
    Basic(Basic),
    /// HTTP Digest: the password is proved and never sent.
    Digest(Basic),
    /// `Authorization: Bearer TOKEN`.
    Bearer(String),
    /// `Authorization: Token TOKEN`, as Plate Recognizer and others want it.
    Token(String),
    /// AWS Signature Version 4, for Lambda, API Gateway, S3 and whatever speaks as they do.
    Aws(Aws),
    /// Signed as Standard Webhooks say (`webhook-id`, `webhook-timestamp`, `webhook-signature`); a secret that begins with
    /// `whsec_` is base64 behind that.
    Webhook(String),
}

/// Keys of Amazon.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Aws {
    /// Such as `lambda`, `execute-api` or `s3`.
    pub(crate) service: String,
    /// Such as `eu-west-1`.
    pub(crate) region: String,
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    /// Of temporary credentials.
    #[serde(default)]
    pub(crate) session_token: Option<String>,
}

/// How a session is opened, used and closed.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Session {
    /// The request that logs in.
    pub(crate) login: Call,
    /// Where the token stands in its answer: `{ json: /token }`, `{ header: NAME }`, `{ cookie: NAME }` or `{ xml: NAME }`.
    pub(crate) token: Find,
    /// How long a token is good: a duration such as `12h`, or where the answer tells it in seconds, such as
    /// `{ json: /expires_in }`. Until it is refused if not given.
    #[serde(default)]
    pub(crate) lifetime: Option<Lifetime>,
    /// The request that logs out, sent when camhook stops.
    #[serde(default)]
    pub(crate) logout: Option<Call>,
}

/// A request that comes before.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct First {
    /// A condition: where it does not hold, the request is left out, and what it would capture has no value. Always sent if
    /// not given.
    #[serde(default)]
    pub(crate) when: Option<String>,
    pub(crate) request: Call,
    /// Names with where their values stand in the answer, such as `event_id: { json: /event_id }`.
    #[serde(default)]
    pub(crate) capture: std::collections::BTreeMap<String, Find>,
}

/// Where a value stands in an answer.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Find {
    /// A JSON pointer, such as `/data/token`.
    Json(String),
    /// The text of the first XML element of that local name.
    Xml(String),
    /// A header's value.
    Header(String),
    /// The value of a cookie that the answer sets.
    Cookie(String),
}

/// A fixed time, or told in the answer.
#[derive(Clone)]
pub(crate) enum Lifetime {
    Fixed(Span),
    /// In seconds.
    Told(Find),
}

/// A small request beside the one that matters. At most one of `json`, `form`, `text` and `xml` says its body.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Call {
    /// The HTTP method; `POST` if not given.
    #[serde(default = "post")]
    pub(crate) method: String,
    /// The address.
    pub(crate) url: String,
    /// Added to the url, percent-encoded. A null value is left out.
    #[serde(default)]
    pub(crate) query: Fields,
    /// Headers. A null value is left out.
    #[serde(default)]
    pub(crate) headers: Fields,
    /// Credentials, as beside the request that matters.
    #[serde(default)]
    pub(crate) auth: Option<Auth>,
    /// A JSON body.
    #[serde(default)]
    pub(crate) json: Option<Value>,
    /// A form.
    #[serde(default)]
    pub(crate) form: Option<Fields>,
    /// A body of plain text.
    #[serde(default)]
    pub(crate) text: Option<String>,
    /// A body of XML.
    #[serde(default)]
    pub(crate) xml: Option<String>,
}

impl Call {
    /// The same as a whole request.
    pub(super) fn whole(&self) -> Settings {
        let call = self.clone();
        Settings {
            method: call.method,
            url: call.url,
            query: call.query,
            headers: call.headers,
            auth: call.auth,
            session: None,
            first: Vec::new(),
            retry_without_pictures: false,
            check: None,
            json: call.json,
            form: call.form,
            multipart: None,
            text: call.text,
            xml: call.xml,
            image: None,
            original: false,
            stream: false,
            wrap: None,
        }
    }
}

impl<'de> Deserialize<'de> for Lifetime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Lifetime;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a duration such as `12h`, or where the answer tells it")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Lifetime, E> {
                Span::deserialize(de::value::StrDeserializer::new(text)).map(Lifetime::Fixed)
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Lifetime, A::Error> {
                Find::deserialize(de::value::MapAccessDeserializer::new(map)).map(Lifetime::Told)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Lifetime {
    fn schema_name() -> Cow<'static, str> {
        "Lifetime".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (span, find) = (
            generator.subschema_for::<Span>(),
            generator.subschema_for::<Find>(),
        );
        json_schema!({ "anyOf": [span, find] })
    }
}

/// A username and a password.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Basic {
    /// Must not hold a colon.
    pub(crate) username: String,
    #[serde(default)]
    pub(crate) password: String,
}

fn post() -> String {
    "POST".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        let yaml = r#"
url: https://example.com/plates
headers: { X-None: null, X-B: 2, X-A: "{{ event.id }}" }
auth: { basic: { username: u, password: p } }
multipart:
  json: "{{ event.raw | tojson }}"
  a_number: 5
  gone: null
  picture: { value: "{{ images.plate }}", filename: p.jpg, type: image/jpeg }
"#;
        let settings: Settings = serde_saphyr::from_str(yaml).unwrap();
        assert_eq!(settings.method, "POST");
        let headers: Vec<_> = settings.headers.0.keys().collect();
        assert_eq!(headers, ["X-None", "X-B", "X-A"]);
        assert!(matches!(settings.auth, Some(Auth::Basic(basic)) if basic.password == "p"));
        let parts = settings.multipart.unwrap().0;
        let names: Vec<_> = parts.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["json", "a_number", "gone", "picture"]);
        assert_eq!(parts[1].1.value, 5);
        assert_eq!(parts[2].1.value, Value::Null);
        assert_eq!(parts[3].1.filename.as_deref(), Some("p.jpg"));
    }

    #[test]
    fn an_unknown_key_is_refused() {
        for yaml in [
            "url: http://x\nbody: y",
            "url: http://x\nmultipart: { a: { value: x, file: y } }",
            "url: http://x\nauth: { digest: x }",
            "method: GET",
        ] {
            assert!(serde_saphyr::from_str::<Settings>(yaml).is_err(), "{yaml}");
        }
    }
}
