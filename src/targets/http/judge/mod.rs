//! What an answer means for the delivery.
//!
//! Most systems say it by the status. Some say "no" inside of a 200, so a preset or a user may give rules over the whole
//! answer; the first that fits decides, and where none fits the status does. An answer that was cut off is judged by what
//! came of it, unless a rule over its body might have fitted the rest: then nobody knows, and it is tried again.

mod matching;
mod rules;
mod statuses;

use std::borrow::Cow;
use std::time::Duration;

use http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::{Deserialize, Deserializer, de};

use crate::fate::Verdict;

pub(super) use statuses::pause;

use super::answer::Answer;
use rules::{Rule, Then};
use statuses::Lists;

/// What answers mean where this system differs from the rest: lists of statuses, or rules.
#[derive(Debug, Clone)]
pub(crate) enum Judge {
    Statuses(Lists),
    /// The first that fits decides.
    Rules(Vec<Rule>),
}

/// What was decided, and why, as far as a rule says so.
#[derive(Debug, PartialEq)]
pub(super) struct Ruling {
    pub(super) verdict: Verdict,
    pub(super) because: Option<String>,
    /// Whether it would be another answer after a new login.
    pub(super) login_again: bool,
}

impl Default for Judge {
    fn default() -> Self {
        Self::Rules(Vec::new())
    }
}

impl Judge {
    /// As the path to each mistake and what is wrong.
    pub(super) fn mistakes(&self) -> Vec<(Vec<String>, String)> {
        match self {
            Self::Statuses(lists) => lists.mistakes(),
            Self::Rules(_) => Vec::new(), // told when they are read
        }
    }

    /// Whether more is looked at than status and headers.
    pub(super) fn reads_body(&self) -> bool {
        match self {
            Self::Statuses(_) => false,
            Self::Rules(rules) => rules.iter().any(Rule::reads_body),
        }
    }

    /// `pause` is what the headers ask for.
    pub(super) fn ruling(&self, answer: &Answer, pause: Option<Duration>) -> Ruling {
        let code = answer.status.as_u16();
        let by_status = |verdict: Option<Verdict>| Ruling {
            verdict: match verdict.unwrap_or_else(|| statuses::usual(code)) {
                Verdict::TryAgain { .. } => Verdict::TryAgain { pause },
                other => other,
            },
            because: None,
            login_again: answer.status == StatusCode::UNAUTHORIZED,
        };
        let rules = match self {
            Self::Statuses(lists) => return by_status(lists.verdict(code)),
            Self::Rules(rules) => rules,
        };
        let fitting = rules.iter().position(|rule| rule.fits(answer));
        let before = &rules[..fitting.unwrap_or(rules.len())];
        let is_open = !answer.is_whole() && before.iter().any(|rule| rule.might_fit(answer));
        let ruling = match fitting {
            Some(n) => by_rule(&rules[n], answer, pause),
            None => by_status(None),
        };
        match ruling.verdict {
            Verdict::Delivered | Verdict::Dead if is_open => Ruling {
                verdict: Verdict::TryAgain { pause },
                because: Some("its answer broke off before it said what became of it".to_owned()),
                login_again: false,
            },
            _ => ruling,
        }
    }
}

fn by_rule(rule: &Rule, answer: &Answer, pause: Option<Duration>) -> Ruling {
    Ruling {
        verdict: match rule.then {
            Then::Delivered | Then::Duplicate => Verdict::Delivered,
            Then::TryAgain => Verdict::TryAgain {
                pause: rule.pause(answer).or(pause),
            },
            // Where there is no session to begin anew, only somebody can mend the credentials.
            Then::LoginAgain | Then::Hold => Verdict::Hold,
            Then::Dead => Verdict::Dead,
        },
        because: rule.because.clone(),
        login_again: matches!(rule.then, Then::LoginAgain),
    }
}

impl<'de> Deserialize<'de> for Judge {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Judge;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("`{ delivered, try_again, hold, dead }`, or a list of rules")
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Judge, A::Error> {
                Lists::deserialize(MapAccessDeserializer::new(map)).map(Judge::Statuses)
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<Judge, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(Judge::Rules)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Judge {
    fn schema_name() -> Cow<'static, str> {
        "Judge".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let lists = generator.subschema_for::<Lists>();
        let rule = generator.subschema_for::<Rule>();
        json_schema!({
            "description": "What answers mean to this system, where it differs from the usual: `{ delivered, try_again, hold, dead }`, \
                each a list of statuses such as `[409, \"5xx\"]`; or a list of rules over the whole answer, of which the first \
                that fits decides.",
            "anyOf": [lists, { "type": "array", "items": rule }]
        })
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn judge(yaml: &str) -> Judge {
        serde_saphyr::from_str(yaml).unwrap()
    }

    fn ruled(judge: &Judge, code: u16, body: &str) -> Ruling {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-function-error", "Unhandled".parse().unwrap());
        let status = StatusCode::from_u16(code).unwrap();
        judge.ruling(&Answer::new(status, headers, body.into()), None)
    }

    fn verdict(yaml: &str, code: u16, body: &str) -> Verdict {
        ruled(&judge(yaml), code, body).verdict
    }

    const AGAIN: Verdict = Verdict::TryAgain { pause: None };

    #[test]
    fn the_first_rule_that_fits_decides_and_the_status_where_none_does() {
        let yaml = "[{ status: 409, then: duplicate }, { status: [4xx, 500-503], then: try_again }, { status: 404, then: dead }]";
        assert_eq!(verdict(yaml, 409, ""), Verdict::Delivered);
        assert_eq!(verdict(yaml, 404, ""), AGAIN);
        assert_eq!(verdict(yaml, 503, ""), AGAIN);
        assert_eq!(verdict(yaml, 505, ""), Verdict::Dead);
        assert_eq!(verdict(yaml, 200, ""), Verdict::Delivered);
        assert!(!judge(yaml).reads_body());
    }

    #[test]
    fn all_that_a_rule_says_must_fit() {
        let yaml = "[{ status: 200, text: [warning, Warnung], header: { X-Amz-Function-Error: '*' }, then: dead }]";
        assert_eq!(verdict(yaml, 200, "a warning"), Verdict::Dead);
        assert_eq!(verdict(yaml, 200, "eine Warnung"), Verdict::Dead);
        assert_eq!(verdict(yaml, 200, "fine"), Verdict::Delivered);
        assert_eq!(verdict(yaml, 202, "a warning"), Verdict::Delivered);
        let other = "[{ status: 200, header: { X-Amz-Function-Error: Handled }, then: dead }]";
        assert_eq!(verdict(other, 200, ""), Verdict::Delivered);
    }

    #[test]
    fn a_no_inside_of_a_200_is_heard_in_json() {
        let yaml = r#"[
          { json: { /error/code: [100, 119] }, then: try_again },
          { json: { /success: { not: true } }, then: dead, because: "the token is wrong" }]"#;
        assert_eq!(
            verdict(yaml, 200, r#"{"success":true}"#),
            Verdict::Delivered
        );
        assert_eq!(
            verdict(yaml, 200, r#"{"success":false,"error":{"code":119}}"#),
            AGAIN
        );
        let ruling = ruled(&judge(yaml), 200, r#"{"success":false}"#);
        assert_eq!(ruling.verdict, Verdict::Dead);
        assert_eq!(ruling.because.as_deref(), Some("the token is wrong"));
        // What is no JSON says nothing of what stands in it.
        assert_eq!(verdict(yaml, 200, "<html>"), Verdict::Delivered);
    }

    #[test]
    fn a_no_inside_of_a_200_is_heard_in_xml_whatever_the_prefix() {
        let yaml = "[{ xml: { faultcode: { contains: Server } }, then: try_again }, { xml: Fault, then: dead }]";
        let fault = |code: &str| {
            format!(
                "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"x\"><s:Body><s:Fault><faultcode>{code}</faultcode></s:Fault></s:Body></s:Envelope>"
            )
        };
        assert_eq!(verdict(yaml, 200, &fault("s:Server")), AGAIN);
        assert_eq!(verdict(yaml, 500, &fault("s:Client")), Verdict::Dead);
        assert_eq!(
            verdict(yaml, 200, "<a><NoFault>Fault</NoFault></a>"),
            Verdict::Delivered
        );
        assert_eq!(verdict(yaml, 200, "<a><Fault"), Verdict::Delivered);
    }

    #[test]
    fn a_pause_may_stand_in_the_body() {
        let yaml = "[{ status: 429, pause: /parameters/retry_after, then: try_again }]";
        let told = |body| verdict(yaml, 429, body);
        let pause = |ms| Verdict::TryAgain {
            pause: Some(Duration::from_millis(ms)),
        };
        assert_eq!(told(r#"{"parameters":{"retry_after":2.5}}"#), pause(2500));
        assert_eq!(
            told(r#"{"parameters":{"retry_after":1e300}}"#),
            pause(86_400_000)
        );
        for none in ["{}", r#"{"parameters":{"retry_after":-1}}"#, "x"] {
            assert_eq!(told(none), AGAIN);
        }
    }

    #[test]
    fn refuses_rules_that_say_nothing_or_nonsense() {
        for yaml in [
            "[{ status: 200 }]",
            "[{ then: dead }]",
            "[{ status: 600, then: dead }]",
            "[{ status: 300-200, then: dead }]",
            "[{ json: { success: true }, then: dead }]",
            "[{ json: { /a: { contain: x } }, then: dead }]",
            "[{ status: 200, then: deliver }]",
            "[{ status: 200, pause: /a, then: dead }]",
            "5",
        ] {
            assert!(serde_saphyr::from_str::<Judge>(yaml).is_err(), "{yaml}");
        }
    }
}
