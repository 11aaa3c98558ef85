//! Finds the cameras that are silent.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::judge::{duration, finding, seconds};
use super::settings::Silent;
use super::{Awake, Facts, Finding, View, What};

/// Cameras that are watched at most, so that ids nobody chose (a sender that makes one up for each event) stay bounded.
pub(crate) const CAMERAS_MAX: usize = 1_000;

/// When each camera was heard last, as far as it must be remembered from one look to the next.
#[derive(Default)]
pub(super) struct Cameras {
    /// Also of cameras whose last event is no longer kept, or who never sent: the first look then.
    last: BTreeMap<String, Timestamp>,
}

impl Cameras {
    /// `standing` are the silent cameras that were told of.
    pub(super) fn look<'a>(
        &mut self,
        silent: &Silent,
        facts: &Facts,
        awake: &Awake,
        standing: impl Iterator<Item = &'a str>,
        now: Timestamp,
    ) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (camera, last) in &facts.cameras {
            let last = (*last).min(now); // a clock that was set back
            self.last.insert(camera.clone(), last);
        }
        for (camera, after) in &silent.cameras {
            if after.0.is_some() && !self.last.contains_key(camera) {
                self.last.insert(camera.clone(), now);
            }
        }
        while self.last.len() > CAMERAS_MAX {
            let oldest = self.last.iter().min_by_key(|(_, last)| **last);
            let Some(oldest) = oldest.map(|(camera, _)| camera.clone()) else {
                break;
            };
            self.last.remove(&oldest);
        }
        let seen: BTreeSet<&str> = facts
            .cameras
            .iter()
            .map(|(camera, _)| camera.as_str())
            .collect();
        let mut standing: BTreeSet<&str> = standing.collect();
        for (camera, last) in &self.last {
            let told = standing.remove(camera.as_str());
            let Some(limit) = silent.of(camera) else {
                continue;
            };
            // Of a camera that was told to be silent only an event is news.
            let view = if told && !seen.contains(camera.as_str()) {
                View::Unsure
            } else {
                let quiet = silent.quiet.as_ref().map(|quiet| &quiet.0);
                let is_late = now.duration_since(*last) > duration(limit);
                let silence = match is_late {
                    true => awake.silent(*last, now, quiet),
                    false => now.duration_since(*last),
                };
                match silence > duration(limit) {
                    true => View::Bad {
                        since: *last,
                        value: seconds(now.duration_since(*last)),
                        detail: String::new(),
                    },
                    // Told, and then a longer time was set, or a stop came to light: only an event ends it.
                    false if told && is_late => View::Unsure,
                    false => View::Good {
                        value: seconds(now.duration_since(*last)),
                    },
                }
            };
            findings.push(finding(What::CameraSilent, camera, limit, view));
        }
        for camera in standing {
            if let Some(limit) = silent.of(camera) {
                findings.push(finding(What::CameraSilent, camera, limit, View::Unsure));
            }
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn word(findings: &[Finding], camera: &str) -> &'static str {
        let found = findings.iter().find(|finding| finding.subject == camera);
        found.map_or("none", |finding| finding.view.word())
    }

    #[test]
    fn ids_that_nobody_chose_stay_bounded_and_a_silent_camera_ends_by_its_own_event_only() {
        let silent: Silent = serde_json::from_value(serde_json::json!({
            "after": "1h", "cameras": { "shed": "off", "new": "2h" },
        }))
        .unwrap();
        let mut watched = Cameras::default();
        let mut look = |facts: &Facts, standing: &[&'static str], second| {
            let standing = standing.iter().copied();
            watched.look(&silent, facts, &Awake::default(), standing, at(second))
        };
        let cameras = |names: &[(&str, i64)]| Facts {
            cameras: names
                .iter()
                .map(|(name, last)| ((*name).to_owned(), at(*last)))
                .collect(),
            ..Facts::default()
        };
        let seen = cameras(&[("gate", 0), ("shed", 0)]);
        let found = look(&seen, &[], 3_601);
        assert_eq!(
            (word(&found, "gate"), word(&found, "shed")),
            ("bad", "none")
        );
        assert_eq!(word(&found, "new"), "good", "it may yet come");
        // Its last event is no longer kept.
        assert_eq!(
            word(&look(&cameras(&[]), &["gate"], 9_000), "gate"),
            "unsure"
        );
        assert_eq!(
            word(
                &look(&cameras(&[("gate", 8_990)]), &["gate"], 9_000),
                "gate"
            ),
            "good"
        );
        assert_eq!(word(&look(&cameras(&[]), &[], 10_900), "new"), "bad");
        let many: Vec<(String, i64)> = (0..2_000).map(|n| (format!("c{n}"), n)).collect();
        let many: Vec<(&str, i64)> = many.iter().map(|(name, n)| (name.as_str(), *n)).collect();
        assert!(look(&cameras(&many), &[], 10_900).len() <= CAMERAS_MAX);
    }
}
