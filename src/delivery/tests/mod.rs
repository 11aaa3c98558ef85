//! A year of outages in seconds: the real workers, gates and store, on a stepped clock, against targets that go down,
//! hang, flap, refuse and ask for patience, while users pause and reload. Every send is checked against [`rules`].
//!
//! The suite takes few seeds. More: `CAMHOOK_YEARS=50 cargo test --release --lib a_year_of_outages -- --nocapture`, and
//! `CAMHOOK_SEED=…` begins with that one.

#![expect(
    clippy::print_stderr,
    reason = "a long run tells its seed, and what it measured"
)]

mod dice;
mod rules;
mod weather;
mod world;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::after;
use super::settings::Settings;
use dice::Dice;
use weather::Weather;
use world::{START, Site, World, any_settings, settings};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
const NAMES: [&str; 5] = ["usual", "picky", "a", "b", "c"];

fn number(name: &str, default: u64) -> u64 {
    #[expect(clippy::disallowed_methods, reason = "the knobs of the long run")]
    let text = std::env::var(name);
    text.ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// What happens from outside, and when.
#[derive(Clone)]
enum Deed {
    Burst(u64),
    Pause(usize),
    Resume(usize),
    Reload(Option<(usize, Settings)>),
    Retry(usize),
    Look,
}

fn sites(seed: u64, until: Timestamp, black_hole: Option<usize>) -> Vec<Site> {
    let mut dice = Dice::new(seed, &[6]);
    let site = |(n, name)| {
        let settings = match n {
            0 => settings("{ breaker: { cool_down: 10m } }"),
            _ => any_settings(&mut dice),
        };
        let weather = match black_hole {
            Some(hole) if hole == n => Weather::black_hole(seed, n as u64, until),
            _ => Weather::draw(seed, n as u64, START, until, settings.breaker.cool_down.0),
        };
        Site {
            name,
            settings,
            weather: Arc::new(weather),
        }
    };
    NAMES.into_iter().enumerate().map(site).collect()
}

fn deeds(seed: u64, until: Timestamp) -> Vec<(Timestamp, Deed)> {
    let mut dice = Dice::new(seed, &[7]);
    let mut deeds = Vec::new();
    let mut now = START;
    while now < until {
        now = after(now, dice.span(HOUR, 12 * DAY));
        deeds.push((now, Deed::Burst(dice.below(11) + 1)));
    }
    let mut now = START;
    while now < until {
        now = after(now, dice.span(HOUR, 30 * DAY));
        let target = dice.below(NAMES.len() as u64) as usize;
        match dice.below(6) {
            0 | 1 => {
                deeds.push((now, Deed::Pause(target)));
                deeds.push((after(now, dice.span(MINUTE, 4 * DAY)), Deed::Resume(target)));
            }
            2 => deeds.push((now, Deed::Resume(target))),
            3 => deeds.push((now, Deed::Reload(None))),
            4 => deeds.push((now, Deed::Reload(Some((target, any_settings(&mut dice)))))),
            _ => deeds.push((now, Deed::Retry(target))),
        }
    }
    let mut now = START;
    while now < until {
        now = after(now, dice.span(12 * HOUR, 12 * DAY));
        deeds.push((now, Deed::Look));
    }
    deeds.sort_by_key(|(at, _)| *at);
    deeds
}

/// Lives through all of it; afterwards everything has ended.
async fn live(seed: u64, how_long: Duration, black_hole: Option<usize>) -> World {
    let until = after(START, how_long);
    let mut world = World::new(seed, sites(seed, until, black_hole)).await;
    for (n, (at, deed)) in deeds(seed, until).into_iter().enumerate() {
        world.advance(at).await;
        match deed {
            Deed::Burst(events) => {
                for _ in 0..events {
                    world.event().await;
                }
            }
            Deed::Pause(target) => world.pause(target).await,
            Deed::Resume(target) => world.resume(target).await,
            Deed::Reload(changed) => world.reload(changed).await,
            Deed::Retry(target) => world.retry_dead(target).await,
            Deed::Look => world.look(n % 8 == 0).await,
        }
    }
    world
}

/// All are well, nobody is paused: what is pending comes to its end.
async fn come_to_rest(world: &mut World) {
    for target in 0..NAMES.len() {
        // Whatever was never to be given up is, in the end.
        let patient = settings("{ retry: { give_up_after: 30d } }");
        world.reload(Some((target, patient))).await;
        world.resume(target).await;
    }
    world.advance(after(world.now(), 40 * DAY)).await;
}

// One thread: nothing but the seed decides what happens when.
#[tokio::test]
async fn a_year_of_outages_keeps_every_promise_of_the_settings() {
    let first = number("CAMHOOK_SEED", 1);
    for seed in first..first + number("CAMHOOK_YEARS", 2) {
        let begun = Instant::now();
        let mut world = live(seed, 365 * DAY, None).await;
        come_to_rest(&mut world).await;
        let fates = world.fates().await;
        let (sends, probes) = world.sends();
        let all: usize = fates.iter().flatten().sum();
        eprintln!(
            "seed {seed}: {fates:?}, {sends} sends, {probes} probes, {} wake-ups, {:?}",
            world.woken,
            begun.elapsed()
        );
        assert!(
            fates.iter().all(|[waiting, ..]| *waiting == 0),
            "seed {seed}: {fates:?}"
        );
        let delivered: usize = fates.iter().map(|[_, delivered, ..]| delivered).sum();
        assert!(
            delivered > all / 4 && probes > 100,
            "seed {seed}: a year without life proves little"
        );
        // One for each answer, one for each wait until something is due, and some for news in between.
        let few = 3 * sends + 4 * all as u64 + 4 * world.deeds;
        assert!(
            world.woken <= few,
            "seed {seed}: woken {} times for {sends} sends",
            world.woken
        );
        world.end().await;
    }
}

#[tokio::test]
async fn the_same_seed_takes_the_same_course() {
    let seed = number("CAMHOOK_SEED", 77);
    let mut traces = Vec::new();
    for _ in 0..2 {
        let world = live(seed, 60 * DAY, None).await;
        traces.push(world.traces());
        world.end().await;
    }
    differ_nowhere(seed, &traces[0], &traces[1]);
    let other = live(seed + 1, 5 * DAY, None).await;
    assert_ne!(traces[0], other.traces(), "the seed decides");
    other.end().await;
}

#[tokio::test]
async fn a_target_that_never_answers_changes_nothing_for_the_others() {
    let seed = number("CAMHOOK_SEED", 1234);
    let with = live(seed, 60 * DAY, Some(0)).await;
    let without = live(seed, 60 * DAY, None).await;
    differ_nowhere(seed, &with.traces()[1..], &without.traces()[1..]);
    assert_ne!(with.traces()[0], without.traces()[0]);
    with.end().await;
    without.end().await;
}

/// Bursts of 100 events a second; the longer form by `CAMHOOK_BURSTS=1000 CAMHOOK_BURST=1000`.
#[tokio::test]
async fn nine_of_ten_targets_do_not_feel_the_one_that_swallows_a_day() {
    const TEN: [&str; 10] = ["t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8", "hole"];
    let (bursts, burst) = (number("CAMHOOK_BURSTS", 3), number("CAMHOOK_BURST", 50));
    let until = after(START, DAY);
    let mut worlds = Vec::new();
    for swallows in [true, false] {
        let site = |(n, name)| {
            let target = 10 + n as u64;
            let weather = match (name, swallows) {
                ("hole", true) => Weather::black_hole(7, target, after(START, 10 * DAY)),
                _ => Weather::calm(7, target),
            };
            let settings = settings("{ concurrency: 16, breaker: { cool_down: 5m } }");
            Site {
                name,
                settings,
                weather: Arc::new(weather),
            }
        };
        let begun = Instant::now();
        let mut world = World::new(7, TEN.into_iter().enumerate().map(site).collect()).await;
        for n in 0..bursts {
            world
                .advance(after(START, DAY * n as u32 / bursts as u32))
                .await;
            for _ in 0..burst {
                world.event().await;
                world
                    .advance(after(world.now(), Duration::from_millis(10)))
                    .await;
            }
        }
        world.advance(until).await;
        let fates = world.fates().await;
        let events = (bursts * burst) as usize;
        assert!(
            fates[..9].iter().all(|[waiting, ..]| *waiting == 0),
            "{fates:?}"
        );
        assert_eq!(
            fates[9][0],
            if swallows { events } else { 0 },
            "what it did not take waits"
        );
        let mut delays: Vec<Duration> = (0..9).flat_map(|target| world.delays(target)).collect();
        delays.sort();
        let (sends, _) = world.sends();
        eprintln!(
            "swallows: {swallows}; {events} events in a day, the nine after {:?} / {:?} (p50 / p99), {sends} sends, {} bytes on disk, {:?}",
            delays[delays.len() / 2],
            delays[delays.len() * 99 / 100],
            world.disk(),
            begun.elapsed()
        );
        worlds.push(world);
    }
    let traces: Vec<_> = worlds.iter().map(World::traces).collect();
    differ_nowhere(7, &traces[0][..9], &traces[1][..9]);
    // A day of probing: one each five minutes, each half a minute long, and what was under way at first.
    assert!(
        traces[0][9].len() < 2 * (24 * 11 + 2 * 16),
        "{}",
        traces[0][9].len()
    );
    for world in worlds {
        world.end().await;
    }
}

type Trace = Vec<(i64, u64, &'static str)>;

fn differ_nowhere(seed: u64, one: &[Trace], other: &[Trace]) {
    for (n, (one, other)) in one.iter().zip(other).enumerate() {
        assert!(
            !one.is_empty(),
            "seed {seed}: nothing happened at target {n}"
        );
        let first = one.iter().zip(other).position(|(one, other)| one != other);
        let first = first.map(|at| (at, one[at], other[at]));
        assert_eq!(first, None, "seed {seed}: target {n} takes another course");
        assert_eq!(
            one.len(),
            other.len(),
            "seed {seed}: target {n} stops sooner"
        );
    }
}
