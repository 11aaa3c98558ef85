//! Makes findings of what is seen.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::cameras::Cameras;
use super::{Awake, Facts, Settings, TargetFacts, What};
use crate::name::Name;
use crate::units::Span;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Finding {
    pub(crate) what: What,
    pub(crate) subject: String,
    pub(crate) threshold: f64,
    pub(crate) view: View,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum View {
    /// Over the threshold.
    Bad {
        since: Timestamp,
        value: f64,
        /// What is known of the reason; empty if nothing.
        detail: String,
    },
    /// Well below it.
    Good { value: f64 },
    /// Neither, or it cannot be told now: what stands goes on standing.
    Unsure,
}

/// What must be remembered from one look to the next.
#[derive(Default)]
pub(crate) struct Judge {
    targets: HashMap<Name, Course>,
    cameras: Cameras,
}

/// How it went with one target.
#[derive(Default)]
struct Course {
    delivered: u64,
    failed: u64,
    failing_since: Option<Timestamp>,
}

impl Judge {
    /// `standing` are the silent cameras that were told of.
    pub(crate) fn look<'a>(
        &mut self,
        settings: &Settings,
        facts: &Facts,
        awake: &Awake,
        standing: impl Iterator<Item = &'a str>,
        now: Timestamp,
    ) -> Vec<Finding> {
        let mut findings = Vec::new();
        self.targets
            .retain(|name, _| facts.targets.iter().any(|target| target.name == *name));
        for target in &facts.targets {
            let course = self.targets.entry(target.name.clone()).or_default();
            let view = course.view(target, now);
            if let (Some(limit), false) = (settings.target_failing.0, target.gone) {
                findings.push(for_longer(What::TargetFailing, &target.name, limit, view));
            }
            if let Some(limit) = settings.undelivered.0 {
                findings.push(undelivered(target, limit, now));
            }
        }
        if settings.camera_silent.watches() {
            let silent = &settings.camera_silent;
            findings.extend(self.cameras.look(silent, facts, awake, standing, now));
        }
        if let (Some(limit), Some(used)) = (settings.disk_full.0, facts.disk) {
            findings.push(share(What::DiskFull, facts, limit.0, used, now));
        }
        if let Some(limit) = settings.store_full.0 {
            findings.push(match (&facts.refuses, facts.store) {
                (Some(why), used) => Finding {
                    what: What::StoreFull,
                    subject: facts.folder.clone(),
                    threshold: limit.0,
                    view: View::Bad {
                        since: now,
                        value: used.unwrap_or(100.0),
                        detail: why.clone(),
                    },
                },
                (None, Some(used)) => share(What::StoreFull, facts, limit.0, used, now),
                (None, None) => Finding {
                    what: What::StoreFull,
                    subject: facts.folder.clone(),
                    threshold: limit.0,
                    view: View::Unsure,
                },
            });
        }
        if let Some(limit) = settings.quarantine.0 {
            let quarantined = facts.quarantined.iter();
            findings.extend(
                quarantined
                    .map(|(source, count)| growing(source.as_str(), *count, limit.count, now)),
            );
        }
        if let Some(limit) = settings.certificate.0 {
            let certificates = facts.certificates.iter();
            findings.extend(certificates.map(|(whose, ends)| ending(whose, *ends, limit, now)));
        }
        findings
    }

    /// The clock was set.
    pub(crate) fn clock_was_set(&mut self) {
        for course in self.targets.values_mut() {
            course.failing_since = None;
        }
    }
}

impl Course {
    /// Whether something gets through, and since when nothing does.
    fn view(&mut self, target: &TargetFacts, now: Timestamp) -> View {
        // Counters begin anew when the target was taken out of the config and put back.
        let more = |now: u64, before: u64| now.checked_sub(before).unwrap_or(now) > 0;
        let delivers = more(target.delivered, self.delivered);
        let fails = more(target.failed, self.failed);
        (self.delivered, self.failed) = (target.delivered, target.failed);
        let bad = |since: Timestamp, detail: &str| View::Bad {
            since,
            value: seconds(now.duration_since(since)),
            detail: detail.to_owned(),
        };
        if let Some((since, reason)) = &target.held {
            self.failing_since = None;
            return bad(*since, reason);
        }
        if delivers {
            self.failing_since = None;
            return View::Good { value: 0.0 };
        }
        if target.paused {
            self.failing_since = None;
            return View::Unsure;
        }
        if target.waiting == 0 {
            self.failing_since = None;
            return View::Good { value: 0.0 };
        }
        if fails {
            self.failing_since.get_or_insert(now);
        }
        match self.failing_since {
            Some(since) => bad(since, ""),
            None => View::Unsure,
        }
    }
}

pub(super) fn duration(span: Span) -> SignedDuration {
    SignedDuration::try_from(span.0).unwrap_or(SignedDuration::MAX)
}

pub(super) fn seconds(duration: SignedDuration) -> f64 {
    duration.as_secs_f64().max(0.0).round()
}

pub(super) fn finding(what: What, subject: &str, limit: Span, view: View) -> Finding {
    Finding {
        what,
        subject: subject.to_owned(),
        threshold: limit.0.as_secs_f64(),
        view,
    }
}

/// Bad only counts once it has lasted.
fn for_longer(what: What, subject: &Name, limit: Span, view: View) -> Finding {
    let threshold = limit.0.as_secs_f64();
    let view = match view {
        View::Bad { value, .. } if value < threshold => View::Unsure,
        view => view,
    };
    finding(what, subject.as_str(), limit, view)
}

fn undelivered(target: &TargetFacts, limit: Span, now: Timestamp) -> Finding {
    let threshold = limit.0.as_secs_f64();
    let age = target
        .oldest
        .map(|oldest| (oldest, seconds(now.duration_since(oldest))));
    let view = match age {
        Some((since, value)) if value >= threshold => View::Bad {
            since,
            value,
            detail: match (target.waiting, target.gone) {
                (1, false) => "1 delivery waits".to_owned(),
                (waiting, false) => format!("{waiting} deliveries wait"),
                (waiting, true) => format!("{waiting} wait, and it is no longer in routes.yaml"),
            },
        },
        Some((_, value)) if value > threshold / 2.0 => View::Unsure,
        Some((_, value)) => View::Good { value },
        None => View::Good { value: 0.0 },
    };
    finding(What::Undelivered, target.name.as_str(), limit, view)
}

/// Ends two points below where it begins.
fn share(what: What, facts: &Facts, threshold: f64, used: f64, now: Timestamp) -> Finding {
    let view = match used {
        used if used >= threshold => View::Bad {
            since: now,
            value: used,
            detail: String::new(),
        },
        used if used > threshold - 2.0 => View::Unsure,
        used => View::Good { value: used },
    };
    Finding {
        what,
        subject: facts.folder.clone(),
        threshold,
        view,
    }
}

/// Ends at half of what it begins with.
fn growing(source: &str, count: u64, most: u32, now: Timestamp) -> Finding {
    let view = if count > u64::from(most) {
        View::Bad {
            since: now,
            value: count as f64,
            detail: String::new(),
        }
    } else if count > u64::from(most / 2) {
        View::Unsure
    } else {
        View::Good {
            value: count as f64,
        }
    };
    Finding {
        what: What::Quarantine,
        subject: source.to_owned(),
        threshold: f64::from(most),
        view,
    }
}

fn ending(whose: &str, ends: Option<Timestamp>, limit: Span, now: Timestamp) -> Finding {
    let view = match ends {
        None => View::Unsure,
        Some(ends) => {
            let left = ends.duration_since(now);
            match left < duration(limit) {
                true => View::Bad {
                    since: now,
                    value: left.as_secs_f64().round(),
                    detail: ends.strftime("%Y-%m-%d %H:%MZ").to_string(),
                },
                false => View::Good {
                    value: seconds(left),
                },
            }
        }
    };
    finding(What::Certificate, whose, limit, view)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::settings::{OrOff, Percent};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn settings() -> Settings {
        Settings {
            disk_full: OrOff(Some(Percent(90.0))),
            ..Settings::default()
        }
    }

    fn target(delivered: u64, failed: u64) -> TargetFacts {
        TargetFacts {
            name: Name::new("vms").unwrap(),
            gone: false,
            held: None,
            paused: false,
            waiting: 1,
            oldest: None,
            delivered,
            failed,
        }
    }

    impl View {
        pub(in crate::alerts) fn word(&self) -> &'static str {
            match self {
                Self::Bad { .. } => "bad",
                Self::Good { .. } => "good",
                Self::Unsure => "unsure",
            }
        }
    }

    fn view(findings: Vec<Finding>, what: What) -> &'static str {
        let found = findings.into_iter().find(|finding| finding.what == what);
        found.map_or("none", |finding| finding.view.word())
    }

    #[test]
    fn a_target_fails_when_attempts_fail_for_long_and_none_delivers() {
        let mut judge = Judge::default();
        let mut look = |second, target| {
            let facts = Facts {
                targets: vec![target],
                ..Facts::default()
            };
            let awake = Awake::default();
            let none = std::iter::empty();
            let findings = judge.look(&settings(), &facts, &awake, none, at(second));
            view(findings, What::TargetFailing)
        };
        assert_eq!(look(0, target(5, 0)), "good");
        assert_eq!(look(30, target(5, 0)), "unsure", "nothing was tried");
        assert_eq!(look(60, target(5, 1)), "unsure", "not for long");
        assert_eq!(look(300, target(5, 1)), "unsure");
        assert_eq!(look(360, target(5, 2)), "bad");
        assert_eq!(look(390, target(5, 2)), "bad");
        assert_eq!(look(420, target(6, 3)), "good", "one got through");
        assert_eq!(look(480, target(6, 4)), "unsure", "it begins anew");
        let idle = TargetFacts {
            waiting: 0,
            ..target(6, 5)
        };
        assert_eq!(look(9_000, idle), "good");
        let paused = TargetFacts {
            paused: true,
            ..target(6, 6)
        };
        assert_eq!(look(9_030, paused), "unsure", "somebody knows what they do");
        let held = |since| TargetFacts {
            held: Some((at(since), "401".to_owned())),
            ..target(6, 6)
        };
        assert_eq!(look(9_060, held(9_000)), "unsure");
        assert_eq!(
            look(9_060, held(8_000)),
            "bad",
            "also from before a restart"
        );
    }

    #[test]
    fn what_is_full_begins_at_its_threshold_and_ends_below() {
        let mut judge = Judge::default();
        let mut look = |facts: &Facts, what| {
            let none = std::iter::empty();
            let findings = judge.look(&settings(), facts, &Awake::default(), none, at(0));
            view(findings, what)
        };
        for (used, word) in [
            (50.0, "good"),
            (88.0, "good"),
            (89.0, "unsure"),
            (90.0, "bad"),
        ] {
            let facts = Facts {
                disk: Some(used),
                ..Facts::default()
            };
            assert_eq!(look(&facts, What::DiskFull), word, "{used}");
        }
        assert_eq!(look(&Facts::default(), What::DiskFull), "none");
        for (store, refuses, word) in [
            (Some(10.0), None, "good"),
            (Some(79.0), None, "unsure"),
            (Some(81.0), None, "bad"),
            (
                Some(10.0),
                Some("no space left on device".to_owned()),
                "bad",
            ),
        ] {
            let facts = Facts {
                store,
                refuses,
                ..Facts::default()
            };
            assert_eq!(look(&facts, What::StoreFull), word, "{facts:?}");
        }
    }

    #[test]
    fn a_certificate_is_told_of_before_it_ends() {
        let mut judge = Judge::default();
        let day = 86_400;
        for (ends, word) in [
            (None, "unsure"),
            (Some(at(15 * day)), "good"),
            (Some(at(13 * day)), "bad"),
            (Some(at(-day)), "bad"),
        ] {
            let facts = Facts {
                certificates: vec![("vms".to_owned(), ends)],
                ..Facts::default()
            };
            let none = std::iter::empty();
            let findings = judge.look(&settings(), &facts, &Awake::default(), none, at(0));
            assert_eq!(view(findings, What::Certificate), word);
        }
    }
}
