//! The `routes.yaml` that is tested, in variants that a reload may bring, and broken ones that it must refuse.

use std::fmt::Write;
use std::sync::Arc;

use crate::dice::Dice;
use crate::target::{Target, Wants};

/// The targets and what each wants; their names say what they have to bear.
pub const TARGETS: [(&str, Wants); 10] = [
    ("steady", Wants::Original),
    ("ordered", Wants::Original),
    ("hostile", Wants::Original),
    ("limited", Wants::Original),
    ("locked", Wants::Original),
    ("brief", Wants::Original),
    ("neutral", Wants::Neutral),
    ("crops", Wants::Crop),
    ("passages", Wants::Fields),
    ("pairs", Wants::Fields),
];

/// What changes between variants; all of them promise the same.
#[derive(Debug, Clone, Copy)]
pub struct Variant {
    concurrency: u64,
    failures: u64,
    rate: Option<u64>,
    steady_in_order: bool,
    another: bool,
    /// `store.keep`, which takes effect with the next start.
    pub keep: &'static str,
}

/// Longer than any jump of the clock.
const FOR_EVER: &str = "9999d";

impl Variant {
    pub const FIRST: Self = Self {
        concurrency: 4,
        failures: 3,
        rate: None,
        steady_in_order: false,
        another: false,
        keep: FOR_EVER,
    };

    pub fn thrown(dice: &mut Dice) -> Self {
        Self {
            concurrency: 1 + dice.below(8),
            failures: 2 + dice.below(5),
            rate: dice.percent(50).then(|| 100 + dice.below(200)),
            steady_in_order: dice.percent(30),
            another: dice.percent(50),
            keep: FOR_EVER,
        }
    }

    /// The same with a time after which settled events go.
    #[must_use]
    pub fn kept(self, keep: &'static str) -> Self {
        Self { keep, ..self }
    }

    /// The same without one.
    #[must_use]
    pub fn kept_for_ever(self) -> Self {
        self.kept(FOR_EVER)
    }

    /// The whole file.
    #[must_use]
    pub fn yaml(self, targets: &[Arc<Target>], max_size: u64) -> String {
        let address = |name: &str| {
            let found = targets.iter().find(|target| target.name == name);
            found.map_or_else(String::new, |target| target.address.to_string())
        };
        let again = "retry: { initial: 20ms, max: 300ms, attempts: 0, give_up_after: 0s }";
        let breaker = format!(
            "breaker: {{ failures: {}, cool_down: 200ms }}",
            self.failures
        );
        let (keep, pictures) = (self.keep, max_size / 4);
        let mut text = format!(
            "server: {{ listen: 127.0.0.1:0 }}\nadmin: {{ listen: 127.0.0.1:0 }}\nlog: {{ level: warn }}\n\
             store: {{ path: data, keep: {keep}, max_size: {max_size}KiB, pictures: {{ keep: {keep}, max_size: {pictures}KiB }} }}\n\
             sources:\n\
             \x20 stream: {{ kind: platerecognizer, path: /stream }}\n\
             \x20 plain: {{ kind: generic, path: /plain }}\n\
             \x20 gate: {{ kind: generic, path: /gate }}\n\
             \x20 lane: {{ kind: generic, path: /lane }}\n\
             \x20 quick: {{ kind: generic, path: /quick, durability: relaxed }}\n\
             targets:\n  book: {{ jsonl: book.jsonl, {again} }}\n"
        );
        if self.another {
            text.push_str("  another: { log: { level: debug } }\n");
        }
        for (name, wants) in TARGETS {
            let url = format!("http://{}/{name}", address(name));
            let body = match wants {
                Wants::Original => "original: true",
                Wants::Neutral => "json: \"{{ event }}\"",
                Wants::Crop => {
                    "multipart: { json: \"{{ event.raw | tojson }}\", plate: \"{{ images.plate }}\" }"
                }
                Wants::Fields => {
                    "json: { note: \"{{ event.raw.note }}\", front: \"{{ pair.front.raw.note }}\", rear: \"{{ pair.rear.raw.note }}\" }"
                }
            };
            let more = match name {
                "ordered" => "order: camera, ".to_owned(),
                "steady" if self.steady_in_order => "order: camera, ".to_owned(),
                "neutral" => self.rate.map_or(String::new(), |rate| {
                    format!("rate_limit: {{ rate: {rate}/s, burst: 5 }}, ")
                }),
                "brief" => "expires: 4s, ".to_owned(),
                _ => String::new(),
            };
            // What it is given up at, `limited` has refused itself: it has time to.
            let timeout = if name == "limited" { "20s" } else { "1s" };
            let again = match name {
                "limited" => "retry: { initial: 20ms, max: 100ms, attempts: 3, give_up_after: 1h }",
                _ => again,
            };
            let _ = writeln!(
                text,
                "  {name}: {{ http: {{ url: \"{url}\", timeout: {timeout}, {body} }}, {more}concurrency: {}, {again}, {breaker} }}",
                self.concurrency
            );
        }
        text.push_str(
            "routes:\n\
             \x20 - { name: everything, to: [steady, ordered, hostile, limited, locked, brief, neutral, book] }\n\
             \x20 - { name: plates, from: [stream], each: plate, steps: [crop], to: [crops] }\n\
             \x20 - { name: passages, from: [gate], each: plate, steps: [{ dedupe: { within: 20s } }], to: [passages] }\n\
             \x20 - { name: pairs, from: [lane], each: plate, to: [pairs],\n\
             \x20     steps: [{ pair: { front: [lane-front], rear: [lane-rear], within: 3s, edits: 0 } }] }\n",
        );
        text
    }
}

/// The file with a mistake in it.
pub fn broken(good: &str, dice: &mut Dice) -> String {
    match dice.below(4) {
        0 => good.replacen("targets:", "targets: [", 1),
        1 => good.replacen("breaker:", "braker:", 1),
        2 => good.replacen("to: [crops]", "to: [corps]", 1),
        _ => good.replacen("cool_down: 200ms", "cool_down: soon", 1),
    }
}
