//! Work on many deliveries or events: asked for, previewed, carried out at a rate, looked at, cancelled.
//!
//! One mechanism for trying again, giving up and planning anew. The store keeps what was asked for and how far it is
//! (`store::jobs`); [`attend`] works on whatever runs, also on what an earlier process left. The rate limits how fast
//! deliveries are made due; how fast they are sent is the target's own `rate_limit`.

mod order;
mod work;

use jiff::Timestamp;
use serde_json::{Value, json};

pub(super) use order::Wanted;
pub(crate) use work::{Bell, attend};

use super::api::{Answer, ok};
use super::steer::body;
use super::table::Ask;
use super::{Admin, Refusal};
use crate::event::JobId;
use crate::store::{Action, Group, Job, JobOrder, JobState, Preview, Undelivered};

/// Of what a preview is about, so many are shown.
const SAMPLES: usize = 5;

pub(super) async fn create(ask: Ask<'_>) -> Answer {
    let mut wanted: Wanted = body(ask.request)?;
    wanted.by = by(&ask);
    let dry_run = wanted.dry_run;
    let order = ask.admin.order(wanted).await?;
    if dry_run {
        let preview = ask.admin.preview(&order, SAMPLES).await?;
        return Ok(ok(&preview_row(&preview)));
    }
    let job = ask.admin.begin(order).await?;
    Ok(ok(&job_row(&job)))
}

pub(super) async fn list(ask: Ask<'_>) -> Answer {
    let limit = ask.parameters().page()?;
    let jobs = ask.admin.store.jobs().await?;
    Ok(ok(&jobs.iter().take(limit).map(job_row).collect()))
}

pub(super) async fn read(ask: Ask<'_>) -> Answer {
    let job = ask.admin.store.job(job_id(ask.part(0))?).await?;
    Ok(ok(&job_row(&job)))
}

pub(super) async fn cancel(ask: Ask<'_>) -> Answer {
    body::<serde_json::Map<String, Value>>(ask.request)?;
    let job = ask.admin.store.cancel_job(job_id(ask.part(0))?).await?;
    Ok(ok(&job_row(&job)))
}

/// What is not delivered, in groups.
pub(super) async fn groups(ask: Ask<'_>) -> Answer {
    ask.parameters().none()?;
    let groups = ask.admin.store.undelivered().await?;
    Ok(ok(&groups.iter().map(group_row).collect()))
}

/// What is not delivered, one by one.
pub(super) async fn undelivered(ask: Ask<'_>) -> Answer {
    let (which, from, limit) = ask.parameters().undelivered()?;
    let (rows, next) = ask.admin.store.undelivered_of(which, from, limit).await?;
    let body = ok(&rows.iter().map(undelivered_row).collect());
    let next = next.map(|place| place.to_text());
    Ok(super::api::paged_by(ask.request, body, "from", next))
}

impl Admin {
    pub(super) async fn preview(
        &self,
        order: &JobOrder,
        samples: usize,
    ) -> Result<Preview, Refusal> {
        let which = order.which.clone();
        Ok(match order.action {
            Action::Replay => self.store.preview_events(which, samples).await?,
            Action::Retry | Action::Discard => self.store.preview(which, samples).await?,
        })
    }

    /// Begins a job. While camhook is stopped it is carried out at once, unless a rate was given: that needs one that runs.
    pub(super) async fn begin(&self, order: JobOrder) -> Result<Job, Refusal> {
        let order = self.without_plate(order).await?;
        let job = self.store.begin_job(order).await?;
        match &self.bell {
            Some(bell) => bell.ring(),
            None if job.rate.is_none() => while work::part_of(self, job.id).await?.is_some() {},
            None => {}
        }
        Ok(self.store.job(job.id).await?)
    }
}

/// Who asks, for people who look at the job later.
pub(super) fn by(ask: &Ask<'_>) -> Option<String> {
    let who = &ask.visitor.who;
    who.name().map(ToString::to_string)
}

pub(super) fn job_id(text: &str) -> Result<JobId, Refusal> {
    text.parse()
        .map_err(|_| Refusal::missing(format!("`{text}` is no job's id")))
}

pub(super) fn action_word(action: Action) -> &'static str {
    match action {
        Action::Retry => "retry",
        Action::Discard => "discard",
        Action::Replay => "replay",
    }
}

pub(super) fn state_word(state: JobState) -> &'static str {
    match state {
        JobState::Running => "running",
        JobState::Done => "done",
        JobState::Cancelled => "cancelled",
    }
}

fn job_row(job: &Job) -> Value {
    let which = &job.which;
    let fates: Vec<&str> = which.fates.iter().map(|fate| fate.as_str()).collect();
    json!({
        "id": job.id,
        "action": action_word(job.action),
        "state": state_word(job.state),
        "target": which.target,
        "reason": which.reason,
        "fates": fates,
        "camera": which.camera,
        "source": which.source,
        "route": which.route,
        "since": which.since,
        "until": which.until,
        "ids": which.deliveries.len(),
        "events": which.events.len(),
        "to": job.to,
        "rate": job.rate,
        "by": job.by,
        "created_at": job.created_at,
        "ended_at": job.ended_at,
        "total": job.total,
        "done": job.done,
        "skipped": job.skipped,
        "failed": job.failed,
        "left": job.left(),
        "planned": job.planned,
        "error": job.told,
    })
}

fn preview_row(preview: &Preview) -> Value {
    let samples: Vec<Value> = preview.samples.iter().map(undelivered_row).collect();
    json!({
        "dry_run": true,
        "count": preview.count,
        "at_least": !preview.is_all,
        "samples": samples,
        "events": preview.events,
    })
}

fn group_row(group: &Group) -> Value {
    json!({
        "target": group.target,
        "fate": group.fate,
        "reason": group.reason,
        "deliveries": group.deliveries,
        "oldest": group.oldest,
        "newest": group.newest,
    })
}

fn undelivered_row(one: &Undelivered) -> Value {
    let mut row = serde_json::to_value(&one.delivery).expect("deliveries have text keys");
    row["reason"] = one.reason.as_str().into();
    row["received_at"] = moment(one.received_at);
    row["source"] = one.source.as_str().into();
    row["camera"] = one.camera.as_deref().into();
    row["plates"] = one.plates.as_slice().into();
    row
}

fn moment(at: Timestamp) -> Value {
    at.to_string().into()
}
