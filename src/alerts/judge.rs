//! Makes findings of what is seen.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};

use super::{Awake, Facts, Settings, TargetFacts, What};
use crate::name::Name;
use crate::units::Span;

/// Cameras that are watched at most, so that ids nobody chose (a sender that makes one up for each event) stay bounded.
pub(crate) const CAMERAS_MAX: usize = 1_000;

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
    /// Also of cameras whose last event is no longer kept, or who never sent: the first look then.
    cameras: BTreeMap<String, Timestamp>,
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
            if let Some(limit) = settings.target_failing.0 {
                findings.push(for_longer(What::TargetFailing, &target.name, limit, view));
            }
            if let Some(limit) = settings.undelivered.0 {
                findings.push(undelivered(target, limit, now));
            }
        }
        if settings.camera_silent.watches() {
            self.cameras(settings, facts, awake, standing, now, &mut findings);
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

    fn cameras<'a>(
        &mut self,
        settings: &Settings,
        facts: &Facts,
        awake: &Awake,
        standing: impl Iterator<Item = &'a str>,
        now: Timestamp,
        findings: &mut Vec<Finding>,
    ) {
        let silent = &settings.camera_silent;
        for (camera, last) in &facts.cameras {
            let last = (*last).min(now); // a clock that was set back
            self.cameras.insert(camera.clone(), last);
        }
        for (camera, after) in &silent.cameras {
            if after.0.is_some() && !self.cameras.contains_key(camera) {
                self.cameras.insert(camera.clone(), now);
            }
        }
        while self.cameras.len() > CAMERAS_MAX {
            let oldest = self.cameras.iter().min_by_key(|(_, last)| **last);
            let Some(oldest) = oldest.map(|(camera, _)| camera.clone()) else {
                break;
            };
            self.cameras.remove(&oldest);
        }
        let seen: BTreeSet<&str> = facts
            .cameras
            .iter()
            .map(|(camera, _)| camera.as_str())
            .collect();
        let mut standing: BTreeSet<&str> = standing.collect();
        for (camera, last) in &self.cameras {
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

fn duration(span: Span) -> SignedDuration {
    SignedDuration::try_from(span.0).unwrap_or(SignedDuration::MAX)
}

fn seconds(duration: SignedDuration) -> f64 {
    duration.as_secs_f64().max(0.0).round()
}

fn finding(what: What, subject: &str, limit: Span, view: View) -> Finding {
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
            detail: match target.waiting {
                1 => "1 delivery waits".to_owned(),
                waiting => format!("{waiting} deliveries wait"),
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
