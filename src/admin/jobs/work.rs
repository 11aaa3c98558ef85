//! Who works on jobs: one part after another, each as soon as the job's rate allows.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

use crate::admin::Admin;
use crate::event::JobId;
use crate::fate::Plan;
use crate::name::Name;
use crate::store::{Action, Again, EVENTS_MAX, PART_MAX, Step, StoreError};
use crate::tasks::Tasks;
use crate::units::Rate;

/// After something went wrong with the store.
const TROUBLE: Duration = Duration::from_secs(5);
/// At a rate, so much is done at once.
const BEAT: Duration = Duration::from_secs(1);

/// Told when there is a new job.
#[derive(Clone, Default)]
pub(crate) struct Bell(Arc<Notify>);

impl Bell {
    pub(super) fn ring(&self) {
        self.0.notify_one();
    }
}

/// Works on all jobs that run, until camhook stops. What is left then goes on with the next start.
pub(crate) async fn attend(admin: Admin, bell: Bell, tasks: Tasks) {
    let mut due: HashMap<JobId, Timestamp> = HashMap::new();
    loop {
        let busy = admin.clock.busy();
        let running = match admin.store.running_jobs().await {
            Ok(jobs) => jobs,
            Err(error) => {
                tracing::warn!(%error, "could not look for jobs");
                Vec::new()
            }
        };
        due.retain(|id, _| running.iter().any(|job| job.id == *id));
        let mut next: Option<Timestamp> = None;
        for job in &running {
            if tasks.is_stopping() {
                return;
            }
            let now = admin.clock.now();
            // However far the clock was set back, no wait becomes longer.
            let longest = job
                .rate()
                .map_or(TROUBLE, |rate| pause(rate, portion(rate)).max(TROUBLE));
            let mut when = due
                .get(&job.id)
                .map_or(now, |when| (*when).min(after(now, longest)));
            if when <= now {
                let pause = match part_of(&admin, job.id).await {
                    Ok(None) => continue,
                    Ok(Some(worked)) => job
                        .rate()
                        .map_or(Duration::ZERO, |rate| pause(rate, worked)),
                    Err(error) => {
                        tracing::warn!(%error, job = %job.id, "a job cannot go on; it is tried again");
                        TROUBLE
                    }
                };
                when = after(now, pause);
                due.insert(job.id, when);
            }
            next = Some(next.map_or(when, |next| next.min(when)));
        }
        drop(busy);
        let ring = bell.0.notified();
        let _busy = match next {
            None => tokio::select! {
                () = tasks.stopping() => return,
                () = ring => None,
            },
            Some(next) => tokio::select! {
                () = tasks.stopping() => return,
                () = ring => None,
                busy = admin.clock.sleep_until(next) => Some(busy),
            },
        };
    }
}

fn after(now: Timestamp, pause: Duration) -> Timestamp {
    let pause = SignedDuration::try_from(pause).unwrap_or(SignedDuration::MAX);
    now.saturating_add(pause).unwrap_or(Timestamp::MAX)
}

/// How many are done at once at a rate.
fn portion(rate: Rate) -> usize {
    let per_beat = u128::from(rate.count) * BEAT.as_nanos() / rate.per.as_nanos().max(1);
    usize::try_from(per_beat).unwrap_or(usize::MAX).max(1)
}

/// How long so many are to take.
fn pause(rate: Rate, worked: usize) -> Duration {
    let worked = u32::try_from(worked).unwrap_or(u32::MAX);
    rate.per.saturating_mul(worked) / rate.count.max(1)
}

/// Does one part of a job, and tells how many it was about; `None` when it does not run any more.
pub(super) async fn part_of(admin: &Admin, id: JobId) -> Result<Option<usize>, StoreError> {
    let job = admin.store.job(id).await?;
    let most = job
        .rate()
        .map_or(usize::MAX, portion)
        .min(match job.action {
            Action::Replay => EVENTS_MAX,
            Action::Retry | Action::Discard => PART_MAX,
        });
    let Some(part) = admin.store.next_part(id, most).await? else {
        return Ok(None);
    };
    let mut step = Step::default();
    for (event, there) in &part.events {
        let kept = match admin.store.event(*event).await {
            Ok(kept) => kept,
            Err(StoreError::Unknown { .. }) => {
                step.skipped += 1; // removed meanwhile
                continue;
            }
            Err(error @ StoreError::Damaged(_)) => {
                step.failed += 1;
                step.told = Some(format!("event {event}: {error}"));
                continue;
            }
            Err(error) => return Err(error),
        };
        let mut plan = admin.planner.plan(&kept.event, job.to.as_ref());
        if let Some(route) = &job.which.route {
            only_missing(&mut plan, route, there);
            if plan.deliveries.is_empty() {
                step.skipped += 1;
                continue;
            }
        }
        step.plans.push(Again::new(*event, plan));
    }
    let worked = part.len();
    let job = admin.store.work(part, step).await?;
    if !job.is_running() {
        tracing::info!(job = %job.id, done = job.done, skipped = job.skipped, failed = job.failed, "a job is done");
    }
    Ok(Some(worked))
}

/// Leaves of a plan what one route plans and nobody has planned before.
fn only_missing(
    plan: &mut Plan,
    route: &str,
    there: &std::collections::HashSet<(Name, Name, String)>,
) {
    plan.routes.retain(|choice| choice.route.as_str() == route);
    plan.joined.retain(|joined| joined.route.as_str() == route);
    plan.deliveries.retain(|planned| {
        let item = planned
            .item
            .map(|item| item.to_string())
            .unwrap_or_default();
        let key = (planned.route.clone(), planned.target.clone(), item);
        planned.route.as_str() == route && !there.contains(&key)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_kept_whether_it_is_slow_or_fast() {
        for (rate, at_once, seconds) in [
            ("10/s", 10, 1.0),
            ("100/m", 1, 0.6),
            ("1/h", 1, 3_600.0),
            ("5000/s", 5_000, 1.0),
        ] {
            let rate = Rate::parse(rate).unwrap();
            assert_eq!(portion(rate), at_once);
            assert!((pause(rate, at_once).as_secs_f64() - seconds).abs() < 1e-9);
            assert_eq!(pause(rate, 0), Duration::ZERO);
        }
    }
}
