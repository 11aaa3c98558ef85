//! Work on many deliveries or events: asked for, previewed, carried out at a rate, looked at, cancelled.
//!
//! One mechanism for trying again, giving up and planning anew. The store keeps what was asked for and how far it is
//! (`store::jobs`); [`attend`] works on whatever runs, also on what an earlier process left. The rate limits how fast
//! deliveries are made due; how fast they are sent is the target's own `rate_limit`.

mod order;
mod rows;
mod work;

pub(super) use order::Wanted;
pub(super) use rows::{action_word, state_word};
pub(crate) use work::{Bell, attend};

use super::answers::{Json, Page};
use super::api::Told;
use super::settings::Scope;
use super::steer::Nothing;
use super::table::Ask;
use super::{Admin, Refusal};
use crate::event::JobId;
use crate::store::{Action, Job, JobOrder, Preview};
use rows::{Began, GroupRow, JobRow, UndeliveredRow};
pub(super) use rows::{Limit, OfUndelivered};

/// Of what a preview is about, so many are shown.
const SAMPLES: usize = 5;

pub(super) async fn create(ask: Ask<'_>, mut wanted: Wanted) -> Told<Json<Began>> {
    wanted.by = by(&ask);
    let dry_run = wanted.dry_run;
    let order = ask.admin.order(wanted).await?;
    if dry_run {
        let preview = preview(&ask, &order, SAMPLES).await?;
        return Ok(Json(Began::preview(&preview)));
    }
    let job = ask.admin.begin(order).await?;
    Ok(Json(Began::Job(Box::new(JobRow::of(&job)))))
}

pub(super) async fn list(ask: Ask<'_>, Limit(limit): Limit) -> Told<Json<Vec<JobRow>>> {
    let jobs = ask.admin.store.jobs().await?;
    Ok(Json(jobs.iter().take(limit).map(JobRow::of).collect()))
}

pub(super) async fn read(ask: Ask<'_>, (): ()) -> Told<Json<JobRow>> {
    let job = ask.admin.store.job(job_id(ask.part(0))?).await?;
    Ok(Json(JobRow::of(&job)))
}

pub(super) async fn cancel(ask: Ask<'_>, _: Nothing) -> Told<Json<JobRow>> {
    let job = ask.admin.store.cancel_job(job_id(ask.part(0))?).await?;
    Ok(Json(JobRow::of(&job)))
}

/// What is not delivered, in groups.
pub(super) async fn groups(ask: Ask<'_>, (): ()) -> Told<Json<Vec<GroupRow>>> {
    let groups = ask.admin.store.undelivered().await?;
    Ok(Json(groups.iter().map(GroupRow::of).collect()))
}

/// What is not delivered, one by one.
pub(super) async fn undelivered(ask: Ask<'_>, asked: OfUndelivered) -> Told<Page<UndeliveredRow>> {
    let OfUndelivered { which, from, limit } = asked;
    let (rows, next) = ask.admin.store.undelivered_of(which, from, limit).await?;
    Ok(Page {
        rows: rows.iter().map(UndeliveredRow::of).collect(),
        next: next.map(|place| place.to_text()),
    })
}

impl Admin {
    async fn preview(&self, order: &JobOrder, samples: usize) -> Result<Preview, Refusal> {
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

/// What a job would be about. Who may not look is told how many, and not which.
pub(super) async fn preview(
    ask: &Ask<'_>,
    order: &JobOrder,
    samples: usize,
) -> Result<Preview, Refusal> {
    let mut preview = ask.admin.preview(order, samples).await?;
    if !ask.visitor.may(Scope::Read) {
        preview.samples.clear();
        preview.events.clear();
    }
    Ok(preview)
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
