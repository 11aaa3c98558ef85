//! The page that tells of one run: what was done to camhook, and what was found.

use std::fmt::Write;

use crate::Outcome;

/// Where and of what a run was.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    pub commit: String,
    /// `debug` or `release`.
    pub build: String,
    pub machine: String,
    pub day: String,
    pub command: String,
}

const INTRODUCTION: &str = "\
# Nothing acknowledged is lost: a run of the oracle

`bench/oracle` sends numbered events to a real camhook, kills it again and again, sets its clock, changes its
`routes.yaml` and lets its targets misbehave. In the end it compares what was acknowledged with what arrived:

- **lost**: nothing acknowledged is missing at any target, unless camhook tells why (expired at the target that has
  `expires`; filtered by `dedupe`, with the event that was delivered in its place). What was *not* acknowledged but is at one
  target is at all of them;
- **changed**: bodies sent on as they came have the sha256 they were sent with; documents within JSON and multipart are
  equal; a plate that was cut out is that of its own picture;
- **order**: where a target has `order: camera`, nothing arrived before what its camera sent earlier was accepted;
- **twice**: what came again came under the same `Idempotency-Key`;
- **told**: camhook counts as delivered exactly what the targets have, and after `index.sqlite` was deleted it still does;
- **gone**: the store is small, so segments follow each other and the oldest settled events go to make room, some by `store.keep`
  or `camhook purge`, and pictures before their events. What is gone has been at every target, or was seen expired, or was refused by the target
  itself; what is kept is to the byte what was sent, or says that its pictures went;
- **forgotten**: plates are forgotten while it runs, and while it is killed. As soon as camhook says that one is, no file of the
  store has its event's mark or its plate, nor in the end, nor when the index was built anew; and no target gets it later.

What is dead is made due again by `camhook retry --all`, some events are sent again by `camhook replay`.

`kill -9` takes the process, not the machine: what had been written stays in the system's page cache. So this says nothing
about a loss of power, and nothing was done to the disk.
";

pub(crate) fn page(outcome: &Outcome, around: &Surroundings) -> String {
    let mut page = String::from(INTRODUCTION);
    let Surroundings {
        commit,
        build,
        machine,
        day,
        command,
    } = around;
    let minutes = outcome.took.as_secs_f64() / 60.0;
    let _ = write!(
        page,
        "\n## The run\n\n| | |\n|---|---|\n| day | {day} |\n| commit | {commit}, {build} build |\n| machine | {machine} |\n\
         | command | `{command}` |\n| seed | {} |\n| time | {minutes:.1} minutes |\n| **faults found** | **{}** |\n",
        outcome.seed, outcome.faults_count
    );
    let _ = write!(
        page,
        "\n## What was done to it\n\n| kill -9 | times |\n|---|---:|\n"
    );
    for (moment, times) in &outcome.tally.kills {
        let _ = writeln!(page, "| {moment} | {times} |");
    }
    let _ = writeln!(page, "| **all** | **{}** |", outcome.tally.kills());
    let _ = write!(page, "\n| besides | times |\n|---|---:|\n");
    for (what, times) in &outcome.tally.done {
        let _ = writeln!(page, "| {what} | {times} |");
    }
    let (forwards, backwards) = outcome.tally.jumps;
    let _ = writeln!(
        page,
        "\nThe widest jumps of the clock: {:.1} days forwards, {:.1} days backwards, while it ran or was down.",
        forwards as f64 / 86_400.0,
        -backwards as f64 / 86_400.0
    );
    let _ = write!(page, "\n## What was found\n\n| | |\n|---|---:|\n");
    for (what, number) in &outcome.numbers.lines {
        let _ = writeln!(page, "| {what} | {number} |");
    }
    if outcome.faults.is_empty() {
        page.push_str("\nNo fault was found.\n");
    } else {
        page.push_str("\n### Faults\n\n");
        for fault in &outcome.faults {
            let _ = writeln!(page, "```text\n{}\n```\n", fault.trim_end());
        }
    }
    page
}
