//! The long run: `bench/oracle/run.sh --kills 500`.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{SystemTime, UNIX_EPOCH};

use camhook_oracle::{Order, Surroundings, run};
use clap::Parser;

/// Kills camhook again and again, and proves that nothing acknowledged is lost.
#[derive(Parser)]
struct Options {
    /// The binary to be tried.
    #[arg(long, value_name = "PATH")]
    camhook: PathBuf,
    /// How often to kill it; 500 unless --minutes is given.
    #[arg(long, value_name = "N")]
    kills: Option<u64>,
    /// How long to go on.
    #[arg(long, value_name = "M")]
    minutes: Option<u64>,
    /// Repeats the throws of a run; the machine's own timing stays its own.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Milliseconds that each of the eight cameras waits between two events, on average.
    #[arg(long, default_value_t = 80, value_name = "MS")]
    pause: u64,
    /// Its store, log and config; removed after a run without faults.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Where to write the report.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// End at the first fault that is seen on the way.
    #[arg(long)]
    stop_at_fault: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = since.map_or(1, |since| since.as_nanos() as u64);
    let seed = options.seed.unwrap_or(now % 1_000_000_007);
    println!("seed {seed}");
    let folder = options
        .folder
        .clone()
        .unwrap_or_else(|| std::env::temp_dir().join(format!("camhook-oracle-{seed}")));
    let kills = options.kills;
    let order = Order {
        camhook: options
            .camhook
            .canonicalize()
            .unwrap_or(options.camhook.clone()),
        folder: folder.clone(),
        seed,
        kills: kills.or(options.minutes.is_none().then_some(500)),
        minutes: options.minutes,
        pause: (options.pause / 2, options.pause * 3 / 2),
        pretend: false,
        stop_at_fault: options.stop_at_fault,
        quiet: false,
    };
    if folder.exists() {
        eprintln!("{} is there already", folder.display());
        return ExitCode::FAILURE;
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let surroundings = surroundings(&order);
    let outcome = match runtime.block_on(run(&order)) {
        Ok(outcome) => outcome,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let page = outcome.page(&surroundings);
    println!("{page}");
    if let Some(path) = &options.report
        && let Err(error) = std::fs::write(path, &page)
    {
        eprintln!("{}: {error}", path.display());
        return ExitCode::FAILURE;
    }
    if outcome.faults_count > 0 {
        eprintln!(
            "{} faults; everything is kept in {}",
            outcome.faults_count,
            folder.display()
        );
        return ExitCode::FAILURE;
    }
    let _ = std::fs::remove_dir_all(&folder);
    ExitCode::SUCCESS
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    output.unwrap_or_default()
}

fn surroundings(order: &Order) -> Surroundings {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("", |rest| rest.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = said("uname", &["-sr"]);
    let under = order.folder.parent().unwrap_or(Path::new("/"));
    let system = said("stat", &["-f", "-c", "%T", &under.to_string_lossy()]);
    let changed = if said("git", &["status", "--porcelain", "--untracked-files=no"]).is_empty() {
        ""
    } else {
        " with changes"
    };
    let build = order.camhook.parent().and_then(Path::file_name);
    let build = build.map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let profile = match build.as_str() {
        "debug" => "PROFILE=debug ",
        _ => "",
    };
    let mut command = format!("{profile}bench/oracle/run.sh --seed {}", order.seed);
    if let Some(kills) = order.kills {
        command.push_str(&format!(" --kills {kills}"));
    }
    if let Some(minutes) = order.minutes {
        command.push_str(&format!(" --minutes {minutes}"));
    }
    Surroundings {
        commit: format!(
            "{}{changed}",
            said("git", &["rev-parse", "--short", "HEAD"])
        ),
        build,
        machine: format!("{model}, {cores} cores, {kernel}, {system}"),
        day: said("date", &["-u", "+%Y-%m-%d"]),
        command,
    }
}
