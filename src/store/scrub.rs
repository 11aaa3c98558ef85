//! Taking what is forgotten out of the segments, one by one, between other work of the index thread.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use tokio::sync::oneshot;

use super::StoreError;
use super::forgetting::{Job, Left};
use super::indexer::Indexer;
use super::record::{Forgotten, What};
use super::redact::Erasure;
use super::writer::Command;

pub(super) type Reply = oneshot::Sender<Result<Forgotten, StoreError>>;

/// Something that is being forgotten.
pub(super) struct Scrub {
    job: Job,
    erasure: Erasure,
    reply: Option<Reply>,
    /// Segments in which may be more of it than the index knows.
    unseen: VecDeque<u64>,
    /// Segments to look through; none before the active one has ended.
    todo: Option<VecDeque<u64>>,
    /// It is on disk nowhere any more, and that is not said yet.
    is_clean: bool,
}

impl Scrub {
    fn of(job: Job) -> Self {
        Self {
            erasure: job.erasure(),
            job,
            reply: None,
            unseen: VecDeque::new(),
            todo: None,
            is_clean: false,
        }
    }

    /// What an earlier run left.
    pub(super) fn left(left: Left) -> Self {
        match left {
            Left::All(job) => Self::of(job),
            Left::ToSay(told) => Self {
                is_clean: true,
                ..Self::of(Job::of_nothing(told))
            },
        }
    }

    pub(super) fn is_at_work(&self) -> bool {
        self.todo.is_some()
    }
}

fn failed(error: impl std::fmt::Display) -> StoreError {
    StoreError::Failed(format!(
        "not all of it could be removed yet: {error}. camhook goes on by itself, each minute and after each start"
    ))
}

impl Indexer {
    pub(super) fn begin_forgetting(&mut self, mut job: Job, reply: Reply) {
        if self.scrub.is_some() {
            let busy = "something else is being forgotten; ask again in a moment";
            let _ = reply.send(Err(StoreError::Failed(busy.to_owned())));
            return;
        }
        job.lsn = self.index.progress.lsn;
        // Of nothing, nothing has to go on after a crash: who asked was not answered.
        let disk = self.room.catalog.disk.clone();
        if !job.is_of_nothing()
            && let Err(error) = job.write(&*disk, &self.folder)
        {
            // It may have reached its place all the same. Where it cannot be taken back, it is gone on with.
            if Job::withdraw(&*disk, &self.folder).is_ok() {
                let why = format!("nothing was forgotten: {error}");
                let _ = reply.send(Err(StoreError::Failed(why)));
                return;
            }
            tracing::error!(%error, "what is to be forgotten could not be written down: a crash may stop it");
        }
        let forgotten = self.index.forget(&job);
        let mut scrub = Scrub::of(job);
        scrub.reply = Some(reply);
        self.scrub = Some(scrub);
        match forgotten {
            Ok(()) => {
                self.tell_news();
                self.cache.clear();
                self.end_segment();
            }
            Err(error) => {
                let _ = self.index.rollback();
                self.forgetting_failed(failed(error));
            }
        }
    }

    /// Tells who waits; it is tried again later.
    fn forgetting_failed(&mut self, error: StoreError) {
        tracing::error!(%error, "forgetting on request");
        let Some(scrub) = &mut self.scrub else { return };
        scrub.todo = None;
        let is_given_up = scrub.job.is_of_nothing() && !scrub.is_clean;
        if let Some(reply) = scrub.reply.take() {
            let _ = reply.send(Err(match is_given_up {
                true => StoreError::Failed(format!(
                    "{error}; but nothing is known to be left of this: ask again"
                )),
                false => error,
            }));
        }
        if is_given_up {
            self.scrub = None; // nobody waits for it any more
            self.room.catalog.keep_spares(true);
        }
    }

    /// Has the writer go on in another segment, whose blocks have nothing of it, either.
    fn end_segment(&mut self) {
        self.room.catalog.keep_spares(false);
        match self.room.catalog.wipe_spares() {
            Ok(()) => {
                let _ = self.writer.send(Command::Roll);
            }
            Err(error) => self.forgetting_failed(failed(error)),
        }
    }

    /// Takes up again what failed.
    pub(super) fn go_on_forgetting(&mut self) {
        let idle = self.scrub.as_ref().is_some_and(|scrub| !scrub.is_at_work());
        if idle {
            self.end_segment();
        }
    }

    /// A segment was begun: what is to be forgotten lies in earlier ones.
    pub(super) fn scrub_from(&mut self, active: u64) {
        let Some(scrub) = &mut self.scrub else { return };
        if scrub.is_at_work() {
            return; // segments that came later have nothing of it
        }
        let segments = self.room.catalog.segments();
        let begun = segments.iter().find(|s| s.header.number == active);
        if begun.is_some_and(|active| active.header.first_lsn <= scrub.job.lsn) {
            self.forgetting_failed(failed("the current segment cannot be ended"));
            return;
        }
        let earlier = segments.iter().map(|segment| segment.header.number);
        let earlier = earlier.filter(|number| *number < active && !scrub.is_clean);
        let earlier: VecDeque<u64> = earlier.collect();
        if !scrub.job.plate.is_empty() {
            scrub.unseen.clone_from(&earlier);
        }
        scrub.todo = Some(earlier);
        if let Err(error) = self.index.forget(&scrub.job) {
            let _ = self.index.rollback(); // a second time changes nothing
            self.forgetting_failed(failed(error));
        }
    }

    /// One segment, or the end of it.
    pub(super) fn scrub_some(&mut self) {
        if let Err(error) = self.see_some() {
            self.forgetting_failed(error);
            return;
        }
        let Some(scrub) = &mut self.scrub else { return };
        if !scrub.unseen.is_empty() {
            return;
        }
        let Some(todo) = &mut scrub.todo else { return };
        let done = match todo.pop_front() {
            Some(number) => {
                // Where nothing was found no record can be of it but what steps remember, and that is in their heads.
                let thorough = !scrub.job.is_of_nothing();
                let cleaned = clean(&self.room.catalog, number, &scrub.erasure, thorough);
                cleaned.map_err(failed)
            }
            None => {
                let job = scrub.job.clone();
                let finished = self.finish_forgetting(&job);
                if finished.is_ok()
                    && let Some(reply) = self.scrub.take().and_then(|scrub| scrub.reply)
                {
                    let _ = reply.send(Ok(job.told));
                }
                finished
            }
        };
        if let Err(error) = done {
            self.forgetting_failed(error);
        }
    }

    /// One segment, for what the index has let go of. All of it is known, and would be known after a crash, before any
    /// segment is written anew.
    fn see_some(&mut self) -> Result<(), StoreError> {
        let Some(scrub) = &mut self.scrub else {
            return Ok(());
        };
        let Some(number) = scrub.unseen.pop_front() else {
            return Ok(());
        };
        let (mut job, last) = (scrub.job.clone(), scrub.unseen.is_empty());
        self.look_for_purged(&mut job, number).map_err(failed)?;
        if last && job.told.is_something() {
            job.write(&*self.room.catalog.disk, &self.folder)
                .map_err(failed)?;
        }
        if let Some(scrub) = &mut self.scrub {
            scrub.erasure = job.erasure();
            scrub.job = job;
        }
        Ok(())
    }

    /// What says that it is forgotten comes last of all, when no file tells it any more: not even the one that asks for it.
    fn finish_forgetting(&mut self, job: &Job) -> Result<(), StoreError> {
        let is_clean = self.scrub.as_ref().is_some_and(|scrub| scrub.is_clean);
        let disk = self.room.catalog.disk.clone();
        if !is_clean {
            self.index.wring_out().map_err(failed)?;
            self.room.index_unused.store(0, Ordering::Relaxed);
            for suffix in ["", "-wal", "-shm"] {
                // An index that was set aside because it could not be read.
                let aside = self.folder.join(format!("index.sqlite.unreadable{suffix}"));
                let _ = std::fs::remove_file(aside);
            }
            // The index's own log is empty now, and must not come back as it was. (Its other files hold locks.)
            if let Ok(file) = disk.open(&self.folder.join("index.sqlite-wal")) {
                file.sync().map_err(failed)?;
            }
            self.room.catalog.wipe_spares().map_err(failed)?;
            if !job.is_of_nothing() {
                job.write_done(&*disk, &self.folder).map_err(failed)?;
            }
            disk.sync_folder(&self.folder).map_err(failed)?;
            if let Some(scrub) = &mut self.scrub {
                scrub.is_clean = true;
            }
        }
        if job.told.is_something() {
            self.say_now(What::Forgot(Box::new(job.told.clone())))
                .map_err(failed)?;
            Job::remove(&*disk, &self.folder).map_err(failed)?;
        }
        self.room.catalog.keep_spares(true);
        self.room.measure();
        let Forgotten {
            events, requests, ..
        } = job.told;
        tracing::info!(events, requests, "forgotten on request");
        Ok(())
    }
}

/// Takes it out of one segment.
fn clean(
    catalog: &super::catalog::Catalog,
    number: u64,
    erasure: &Erasure,
    thorough: bool,
) -> Result<(), String> {
    let segments = catalog.segments();
    let Some(segment) = segments.into_iter().find(|s| s.header.number == number) else {
        return Ok(()); // it was removed meanwhile
    };
    let survey = catalog.survey(segment, thorough, &mut |seen| {
        let rest = erasure.rest_of(seen.lsn, seen.kind, &seen.meta, None)?;
        Ok(rest.is_some())
    })?;
    let rewritten = catalog.rewrite(segment, &survey, true, &mut |record| {
        let payload = Some(&record.payload);
        erasure.rest_of(record.head.lsn, record.kind, &record.meta, payload)
    })?;
    if rewritten {
        tracing::debug!(
            number,
            "a segment was written anew without what was forgotten"
        );
    }
    Ok(())
}
