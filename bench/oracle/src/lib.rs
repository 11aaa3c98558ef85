//! The oracle: proof that nothing acknowledged is lost.
//!
//! It runs the real binary, sends numbered events to it from several kinds of cameras, and lets targets of every temper
//! take what comes: each writes down what it got. Meanwhile camhook is killed (`kill -9`) at random moments, also while
//! it starts, stops, reloads or rebuilds its index; its wall clock is set forwards and backwards; `routes.yaml` is changed,
//! well and badly; targets are paused, refuse, hang and cut their answers short. Then everybody behaves, and the books are
//! compared:
//!
//! - what was acknowledged is at every target, or camhook tells why not (expired; filtered, with the event that came in its
//!   place), and so is what was not acknowledged but is at one of them: an event is kept with all of its deliveries or not;
//! - the bytes are those that were sent, documents say the same, a cut plate is of its own picture;
//! - where `order: camera` is promised, nothing arrived before what its camera sent earlier was accepted;
//! - an event comes again only under the key it had, until it is replayed by hand;
//! - camhook counts as delivered what the targets have, before and after its index was rebuilt.
//!
//! The store is small and its segments are, so that old events are removed all the while, by their age too, and pictures before
//! their events; plates are forgotten. So an event may be gone: then it has been everywhere, or there is a reason why
//! not, and what was forgotten is in no file.
//!
//! `kill -9` leaves what was written in the system's page cache, so this proves nothing about a loss of power.

mod books;
mod check;
mod dice;
mod event;
mod gone;
mod judge;
mod report;
mod routes;
mod sender;
mod storm;
mod subject;
mod target;
mod wire;

use std::path::PathBuf;
use std::time::{Duration, Instant};

pub use judge::Numbers;
pub use report::Surroundings;
pub use storm::Tally;

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Order {
    /// The binary.
    pub camhook: PathBuf,
    /// An empty folder for it.
    pub folder: PathBuf,
    pub seed: u64,
    /// How often to kill it.
    pub kills: Option<u64>,
    /// How long to go on.
    pub minutes: Option<u64>,
    /// How long a camera waits between two events, in milliseconds: at least and at most.
    pub pause: (u64, u64),
    /// Write into the books what did not happen (an acknowledged event that was never sent, a repeat under another key, two
    /// that changed places), to see whether the judgement finds it.
    pub pretend: bool,
    /// Do not wait for the end when something was found.
    pub stop_at_fault: bool,
    /// Tell nothing on the way.
    pub quiet: bool,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub tally: Tally,
    pub numbers: Numbers,
    pub took: Duration,
    pub seed: u64,
    /// Broken promises, each with the history of its event; none is the only good result.
    pub faults: Vec<String>,
    /// Of all faults, for the first ones alone are told.
    pub faults_count: usize,
}

impl Outcome {
    /// The page that tells of this run, in Markdown.
    #[must_use]
    pub fn page(&self, surroundings: &Surroundings) -> String {
        report::page(self, surroundings)
    }
}

/// Faults whose histories are told.
const TOLD: usize = 20;

/// Runs the storm and judges.
///
/// # Errors
/// When it could not be judged: camhook did not start, or ended by itself, or the surroundings are missing. What is found
/// wrong is in [`Outcome::faults`].
pub async fn run(order: &Order) -> Result<Outcome, String> {
    let began = Instant::now();
    let mut storm = storm::Storm::new(order).await?;
    let mut numbers = Numbers::default();
    let judged = after(&mut storm, &mut numbers).await;
    let log = std::fs::read(order.folder.join("log.txt")).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    for line in log.lines().filter(|line| line.contains("panicked")).take(3) {
        storm.books.fault(None, format!("camhook panicked: {line}"));
    }
    if let Err(why) = judged {
        storm.books.fault(None, why);
    }
    let names: Vec<&str> = routes::TARGETS.iter().map(|(name, _)| *name).collect();
    let inner = storm.books.inner();
    let told = inner
        .faults
        .iter()
        .take(TOLD)
        .map(|fault| match fault.event {
            Some(event) => format!(
                "event {event}: {}\n{}",
                fault.what,
                inner.history(event, &names)
            ),
            None => fault.what.clone(),
        });
    Ok(Outcome {
        faults: told.collect(),
        faults_count: inner.faults.len(),
        tally: storm.tally.clone(),
        numbers,
        took: began.elapsed(),
        seed: order.seed,
    })
}

async fn after(storm: &mut storm::Storm, numbers: &mut Numbers) -> Result<(), String> {
    let running = storm.rage().await?;
    storm.calm(&running).await?;
    judge::retry(storm, &running, numbers).await?;
    gone::forget(storm, &running, numbers).await?;
    if storm.order.pretend {
        storm.books.pretend();
    }
    judge::judge(storm, &running, numbers).await?;
    judge::replay(storm, &running, numbers).await?;
    let mut running = judge::rebuild(storm, running, numbers).await?;
    running.subject.signal("TERM").await;
    let _ = running.subject.wait(Duration::from_secs(60)).await;
    Ok(())
}
