//! Measures camhook beside the bare limits of the machine it runs on, in one run, and prints the ratios.
//!
//! `cargo run --release --manifest-path bench/Cargo.toml` builds nothing of camhook: give `--camhook PATH` of a release
//! binary (default `target/release/camhook`). Machines are noisy: read the ratios, and let it repeat with `--rounds`.

mod bare;
mod day;
mod disk;
mod load;
mod sink;
mod subject;
mod tracks;
mod wire;

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

/// Load for camhook, beside the bare limits of this machine.
#[derive(Debug, Clone, Parser)]
struct Options {
    /// The camhook to measure.
    #[arg(long, default_value = "target/release/camhook")]
    camhook: PathBuf,
    /// Body sizes in bytes.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "2000,120000,200000,1000000"
    )]
    sizes: Vec<usize>,
    /// How many targets each event goes to.
    #[arg(long, value_delimiter = ',', default_value = "1,3,10")]
    targets: Vec<usize>,
    /// Connections of the load.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Seconds of load for each number.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Alternating rounds; the median is printed.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Open loop: so many events per second, whatever the answers do (0: closed loop).
    #[arg(long, default_value_t = 0)]
    rate: u64,
    /// Where the stores lie: the disk that is measured.
    #[arg(long, default_value = "target/bench-data")]
    data: PathBuf,
    /// Also measure with every target dead.
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    dead: bool,
    /// Instead of all that: so many cameras that track, for `--seconds` (try 500 and 60).
    #[arg(long, value_name = "CAMERAS")]
    tracks: Option<usize>,
    /// Instead of all that: so many hours of one target of ten that never answers, at 100 events a second (try 24).
    #[arg(long, value_name = "HOURS")]
    swallows: Option<u64>,
    /// How fast camhook's clock goes then.
    #[arg(long, default_value_t = 30)]
    faster: u64,
    /// Instead of the bare servers: camhook with a step that is decided on arrival, beside the same without it, such as
    /// `dedupe: { by: "{{ event.plates[0].user_data }}", within: 1s, late: 1s }`.
    #[arg(long, value_name = "YAML")]
    step: Option<String>,
    /// (Used by the bench itself.) Be one of the bare servers.
    #[arg(long, hide = true)]
    bare: Option<bare::Mode>,
    #[arg(long, hide = true, default_value_t = 0)]
    forward_to: u16,
}

fn main() {
    let options = Options::parse();
    if let Some(mode) = options.bare {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        return runtime.block_on(bare::serve(mode, &options.data, options.forward_to));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(measure(&options));
}

async fn measure(options: &Options) {
    std::fs::create_dir_all(&options.data).unwrap();
    println!(
        "disk: one 2 kB write + fdatasync takes {:.3} ms (median)",
        disk::sync_ms(&options.data)
    );
    if let Some(cameras) = options.tracks {
        return tracks::measure(options, cameras).await;
    }
    if let Some(hours) = options.swallows {
        return day::measure(options, hours).await;
    }
    println!(
        "load: {} connections, {}, {} rounds of {} s, medians\n",
        options.connections,
        if options.rate == 0 {
            "closed loop".to_owned()
        } else {
            format!("open loop at {}/s", options.rate)
        },
        options.rounds,
        options.seconds
    );
    for &size in &options.sizes {
        println!("== {size} bytes a request");
        println!(
            "{:<34} {:>10} {:>9} {:>9} {:>11} {:>9}",
            "", "acked/s", "p50 ms", "p99 ms", "delivered/s", "CPU us"
        );
        let mut results: Vec<(String, Vec<subject::Outcome>)> = Vec::new();
        for _ in 0..options.rounds {
            for plan in subject::plans(options) {
                let outcome = subject::run(options, &plan, size).await;
                match results.iter_mut().find(|(name, _)| *name == plan.name()) {
                    Some((_, outcomes)) => outcomes.push(outcome),
                    None => results.push((plan.name(), vec![outcome])),
                }
            }
        }
        report(&results);
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn report(results: &[(String, Vec<subject::Outcome>)]) {
    let of = |name: &str, what: fn(&subject::Outcome) -> f64| {
        let outcomes = &results.iter().find(|(known, _)| known == name)?.1;
        Some(median(outcomes.iter().map(what)))
    };
    for (name, outcomes) in results {
        let m = |what: fn(&subject::Outcome) -> f64| median(outcomes.iter().map(what));
        print!(
            "{name:<34} {:>10.0} {:>9.2} {:>9.2} {:>11.0} {:>9.0}",
            m(|o| o.acked_per_s),
            m(|o| o.p50_ms),
            m(|o| o.p99_ms),
            m(|o| o.delivered_per_s),
            m(|o| o.cpu_us),
        );
        if name.starts_with("camhook") {
            print!("   RSS {:.0} MiB", m(|o| o.rss_mib));
            print!(", disk/payload {:.2}", m(|o| o.disk_ratio));
            print!(
                ", ack to delivered p50/p99 {:.1}/{:.1} ms",
                m(|o| o.lag_p50_ms),
                m(|o| o.lag_p99_ms)
            );
        }
        let lost: u64 = outcomes.iter().map(|o| o.lost).sum();
        if lost > 0 {
            print!("   LOST {lost}");
        }
        println!();
    }
    let acked = |o: &subject::Outcome| o.acked_per_s;
    let delivered = |o: &subject::Outcome| o.delivered_per_s;
    let ratio = |what: &str, a: Option<f64>, b: Option<f64>, goal: &str| {
        if let (Some(a), Some(b)) = (a, b) {
            println!("   {what}: {:.2} x{goal}", a / b);
        }
    };
    ratio(
        "accept, camhook / bare durable",
        of("camhook, no target", acked),
        of("bare: durable", acked),
        " (goal 0.7)",
    );
    ratio(
        "accept, camhook / bare collect",
        of("camhook, no target", acked),
        of("bare: collect", acked),
        "",
    );
    ratio(
        "end to end, camhook with 1 target / bare durable forwarder",
        of("camhook, 1 target", delivered),
        of("bare: durable + forward", delivered),
        " (goal 0.7)",
    );
    ratio(
        "ack p99, every target dead / all alive",
        of("camhook, 1 target, dead", |o| o.p99_ms),
        of("camhook, 1 target", |o| o.p99_ms),
        "",
    );
    for (name, _) in results {
        if let Some(without) = name.strip_suffix(subject::STEP) {
            ratio(
                "acknowledged, with the step / without",
                of(name, acked),
                of(without, acked),
                "",
            );
            ratio(
                "delivered, with the step / without",
                of(name, delivered),
                of(without, delivered),
                "",
            );
            ratio(
                "CPU per event, with the step / without",
                of(name, |o| o.cpu_us),
                of(without, |o| o.cpu_us),
                "",
            );
        }
    }
    println!();
}

pub(crate) fn seconds(options: &Options) -> Duration {
    Duration::from_secs_f64(options.seconds)
}
