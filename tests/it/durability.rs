//! Nothing acknowledged is lost: the oracle (`bench/oracle`) kills camhook, sets its clock, lets its targets misbehave, and
//! compares what was acknowledged with what arrived.
//!
//! The suite's run is short. The long one is `bench/oracle/run.sh --kills 500`; `CAMHOOK_KILLS` and `CAMHOOK_SEED` change
//! this one.

use std::path::Path;

use camhook_oracle::{Order, Outcome, run};

pub(crate) fn number(name: &str, default: u64) -> u64 {
    #[expect(clippy::disallowed_methods, reason = "the knobs of the long run")]
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

async fn oracle(kills: u64, pretend: bool) -> Outcome {
    let seed = number("CAMHOOK_SEED", 0x5eed_cafe);
    println!("seed {seed}, {kills} kills");
    let folder = tempfile::tempdir().unwrap();
    let order = Order {
        camhook: Path::new(env!("CARGO_BIN_EXE_camhook")).to_owned(),
        folder: folder.path().join("camhook"),
        seed,
        kills: Some(kills),
        minutes: None,
        pause: (20, 80),
        pretend,
        stop_at_fault: false,
        quiet: true,
    };
    let outcome = run(&order).await.unwrap();
    if outcome.faults_count > 0 && !pretend {
        println!("everything is kept in {}", folder.keep().display());
    }
    outcome
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_however_often_it_is_killed() {
    let kills = number("CAMHOOK_KILLS", 15);
    let outcome = oracle(kills, false).await;
    assert!(
        outcome.faults.is_empty(),
        "{} faults:\n{}",
        outcome.faults_count,
        outcome.faults.join("\n")
    );
    let acknowledged = outcome.numbers.of("… acknowledged");
    println!("{acknowledged} acknowledged: {:?}", outcome.tally);
    assert!(outcome.tally.kills() >= kills);
    assert!(
        acknowledged > kills,
        "the load was too small to mean anything: {acknowledged}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_oracle_finds_what_is_lost_repeated_or_out_of_order() {
    let outcome = oracle(2, true).await;
    for word in ["LOST", "TWICE", "OUT OF ORDER"] {
        let found = outcome.faults.iter().any(|fault| fault.contains(word));
        assert!(found, "{word} was not found: {}", outcome.faults.join("\n"));
    }
}
