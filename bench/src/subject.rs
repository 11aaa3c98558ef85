//! What is measured: the bare servers and camhook, each a process of its own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::load::{self, Load};
use crate::{Options, bare, disk, sink};

/// One line of the table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Plan {
    Bare(bare::Mode),
    Camhook {
        targets: usize,
        dead: bool,
        /// With the step of the options.
        step: bool,
    },
}

/// What the name of a camhook with a step ends with.
pub(crate) const STEP: &str = ", step";

#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) acked_per_s: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// Events that reached every target, per second from the first send to the last arrival.
    pub(crate) delivered_per_s: f64,
    pub(crate) lag_p50_ms: f64,
    pub(crate) lag_p99_ms: f64,
    /// User and system time of the process per acknowledged event.
    pub(crate) cpu_us: f64,
    pub(crate) rss_mib: f64,
    pub(crate) disk_ratio: f64,
    /// Acknowledged but not delivered in the end.
    pub(crate) lost: u64,
}

impl Plan {
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Bare(bare::Mode::Collect) => "bare: collect".into(),
            Self::Bare(bare::Mode::Durable) => "bare: durable".into(),
            Self::Bare(bare::Mode::DurableForward) => "bare: durable + forward".into(),
            Self::Camhook { targets: 0, .. } => "camhook, no target".into(),
            Self::Camhook {
                targets,
                dead,
                step,
            } => {
                let word = if *targets == 1 { "target" } else { "targets" };
                format!(
                    "camhook, {targets} {word}{}{}",
                    if *dead { ", dead" } else { "" },
                    if *step { STEP } else { "" }
                )
            }
        }
    }
}

pub(crate) fn plans(options: &Options) -> Vec<Plan> {
    let camhook = |targets, dead, step| Plan::Camhook {
        targets,
        dead,
        step,
    };
    let mut plans = Vec::new();
    if options.step.is_some() {
        for &targets in options.targets.iter().filter(|targets| **targets > 0) {
            plans.extend([
                camhook(targets, false, false),
                camhook(targets, false, true),
            ]);
        }
        if options.dead {
            plans.extend([camhook(1, true, false), camhook(1, true, true)]);
        }
        return plans;
    }
    plans.extend([
        Plan::Bare(bare::Mode::Collect),
        Plan::Bare(bare::Mode::Durable),
        Plan::Bare(bare::Mode::DurableForward),
        camhook(0, false, false),
    ]);
    plans.extend(
        options
            .targets
            .iter()
            .map(|&targets| camhook(targets, false, false)),
    );
    if options.dead {
        plans.push(camhook(1, true, false));
    }
    plans
}

pub(crate) async fn run(options: &Options, plan: &Plan, size: usize) -> Outcome {
    let folder = options.data.join("run");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let events_max = 2_000_000;
    let start = Instant::now();
    let (sink_port, sink) = sink::listen(events_max, start).await;
    let (mut child, port) = match plan {
        Plan::Bare(mode) => {
            let mut command = Command::new(std::env::current_exe().unwrap());
            let mode = clap::ValueEnum::to_possible_value(mode).unwrap();
            command
                .args([
                    "--bare",
                    mode.get_name(),
                    "--forward-to",
                    &sink_port.to_string(),
                    "--data",
                ])
                .arg(&folder);
            spawn(command, |line| line.trim().parse().ok())
        }
        Plan::Camhook {
            targets,
            dead,
            step,
        } => {
            let sink_port = if *dead { unused_port() } else { sink_port };
            let config = folder.join("routes.yaml");
            let step = options.step.as_deref().filter(|_| *step);
            std::fs::write(&config, routes(*targets, sink_port, step)).unwrap();
            let mut command = Command::new(&options.camhook);
            command.args(["run", "--config"]).arg(&config);
            spawn(command, port_of)
        }
    };
    let load = Load {
        port,
        paths: 0,
        size,
        connections: options.connections,
        duration: crate::seconds(options),
        rate: options.rate,
        events_max,
    };
    let begin = Instant::now();
    let (acks, refused) = load::run(&load, start).await;
    let took = begin.elapsed().as_secs_f64();
    if refused > 0 {
        println!("   ({}: {refused} requests refused)", plan.name());
    }
    let copies = match plan {
        Plan::Camhook { dead: true, .. }
        | Plan::Bare(bare::Mode::Collect | bare::Mode::Durable) => 0,
        Plan::Bare(bare::Mode::DurableForward) => 1,
        Plan::Camhook { targets, .. } => *targets as u64,
    };
    // Wait until all has arrived, or nothing arrives any more.
    let want = acks.len() as u64 * copies;
    let mut seen = (sink.requests.load(Ordering::Relaxed), Instant::now());
    while seen.0 < want && seen.1.elapsed() < Duration::from_secs(20) {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let now = sink.requests.load(Ordering::Relaxed);
        if now != seen.0 {
            seen = (now, Instant::now());
        }
    }
    let drained = seen.1.duration_since(begin).as_secs_f64();
    let mut outcome = Outcome {
        acked_per_s: acks.len() as f64 / took,
        cpu_us: cpu_seconds(child.id()) * 1e6 / acks.len().max(1) as f64,
        rss_mib: status_kib(child.id(), "VmHWM:") / 1024.0,
        ..Outcome::default()
    };
    let mut latencies: Vec<u32> = acks.iter().map(|ack| ack.latency_us).collect();
    latencies.sort_unstable();
    (outcome.p50_ms, outcome.p99_ms) = percentiles(&latencies);
    if copies > 0 {
        outcome.delivered_per_s = seen.0 as f64 / copies as f64 / drained;
        let mut lags = Vec::with_capacity(acks.len());
        for ack in &acks {
            match sink.first[ack.event as usize].load(Ordering::Relaxed) {
                0 => outcome.lost += 1,
                at => lags.push(at.saturating_sub(ack.at_us).min(u64::from(u32::MAX)) as u32),
            }
        }
        lags.sort_unstable();
        (outcome.lag_p50_ms, outcome.lag_p99_ms) = percentiles(&lags);
    }
    outcome.disk_ratio = disk::usage(&folder) as f64 / (acks.len().max(1) * size) as f64;
    let _ = child.kill();
    let _ = child.wait();
    let _ = std::fs::remove_dir_all(&folder);
    outcome
}

pub(crate) fn percentiles(sorted: &[u32]) -> (f64, f64) {
    let at = |q: f64| {
        sorted
            .get((sorted.len() as f64 * q) as usize)
            .copied()
            .unwrap_or(0)
    };
    (f64::from(at(0.5)) / 1e3, f64::from(at(0.99)) / 1e3)
}

/// The port in a line of camhook's greeting.
pub(crate) fn port_of(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once("http://")?;
    let address = rest.split('/').next()?;
    address.rsplit_once(':')?.1.trim().parse().ok()
}

/// Starts a server and reads its port from the first line that tells one.
pub(crate) fn spawn(mut command: Command, port: impl Fn(&str) -> Option<u16>) -> (Child, u16) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap_or_else(|error| {
        panic!("could not start {command:?}: {error}; build camhook with `cargo build --release` or give --camhook PATH")
    });
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    loop {
        line.clear();
        assert!(
            lines.read_line(&mut line).unwrap() > 0,
            "{command:?} ended without telling its port"
        );
        if let Some(port) = port(&line) {
            std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
            return (child, port);
        }
    }
}

pub(crate) fn unused_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn routes(targets: usize, sink_port: u16, step: Option<&str>) -> String {
    let mut yaml = String::from(
        "server: { listen: 127.0.0.1:0 }\nadmin: { listen: 127.0.0.1:0 }\nstore: { path: data }\nlog: { level: error }\n\
         sources:\n  stream: { kind: platerecognizer, path: / }\n",
    );
    if targets > 0 {
        yaml.push_str("targets:\n");
        for n in 0..targets {
            yaml.push_str(&format!(
                "  t{n}: {{ http: {{ url: \"http://127.0.0.1:{sink_port}/{n}\", original: true }}, concurrency: 16 }}\n"
            ));
        }
        let names: Vec<String> = (0..targets).map(|n| format!("t{n}")).collect();
        yaml.push_str(&format!(
            "routes:\n  - name: all\n    to: [{}]\n",
            names.join(", ")
        ));
        if let Some(step) = step {
            yaml.push_str(&format!("    steps:\n      - {step}\n"));
        }
    }
    yaml
}

pub(crate) fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or("")
        .split_whitespace()
        .collect();
    let ticks = |n: usize| {
        fields
            .get(n)
            .and_then(|field| field.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    (ticks(11) + ticks(12)) / 100.0 // the kernel counts in hundredths of a second
}

pub(crate) fn status_kib(pid: u32, name: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or(0.0)
}
