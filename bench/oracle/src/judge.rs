//! The judgement: what was acknowledged against what arrived, what waits and what camhook tells of it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::books::{Answer, Arrival, Fault, Inner, Sent};
use crate::event::{self, Sender};
use crate::gone::{self, There};
use crate::routes::TARGETS;
use crate::storm::{Running, Storm};
use crate::wire;

/// Nothing moves for so long: what still waits is stranded.
const STRANDED_AFTER: Duration = Duration::from_secs(45);

/// What the run came to.
#[derive(Debug, Default, Clone)]
pub struct Numbers {
    pub lines: Vec<(String, u64)>,
}

impl Numbers {
    pub fn add(&mut self, what: impl Into<String>, number: usize) {
        self.lines.push((what.into(), number as u64));
    }

    /// A number by its name; 0 when there is none.
    #[must_use]
    pub fn of(&self, what: &str) -> u64 {
        let found = self.lines.iter().find(|(name, _)| name == what);
        found.map_or(0, |(_, number)| *number)
    }
}

#[must_use]
pub fn index_of(name: &str) -> usize {
    let found = TARGETS.iter().position(|(known, _)| *known == name);
    found.expect("it is the name of a target")
}

/// Deliveries of each target by fate.
pub type Counts = BTreeMap<String, BTreeMap<String, u64>>;

/// # Errors
/// When camhook does not answer.
pub async fn counts(running: &Running) -> Result<Counts, String> {
    let (rows, _) = wire::ask(&running.at.admin, "/api/v1/targets", None).await?;
    let mut counts = Counts::new();
    for row in rows.as_array().into_iter().flatten() {
        let name = row["target"].as_str().unwrap_or_default().to_owned();
        let fates = row["deliveries"].as_object().into_iter().flatten();
        let fates = fates.map(|(fate, n)| (fate.clone(), n.as_u64().unwrap_or(0)));
        counts.insert(name, fates.collect());
    }
    Ok(counts)
}

fn sum(counts: &Counts, fates: &[&str]) -> u64 {
    let all = counts.values().flatten();
    all.filter(|(fate, _)| fates.contains(&fate.as_str()))
        .map(|(_, n)| n)
        .sum()
}

/// Waits until nothing waits any more.
///
/// # Errors
/// When something waits and nothing moves.
pub async fn quiet(running: &Running) -> Result<Counts, String> {
    let mut moved = Instant::now();
    let mut before = u64::MAX;
    loop {
        let counts = counts(running).await?;
        let waiting = sum(&counts, &["pending", "held"]);
        if waiting == 0 {
            return Ok(counts);
        }
        if waiting != before {
            before = waiting;
            moved = Instant::now();
        }
        if moved.elapsed() > STRANDED_AFTER {
            let mut what = format!("{waiting} deliveries are stranded, such as");
            for fate in ["pending", "held"] {
                let path = format!("/api/v1/deliveries?fate={fate}&limit=3");
                let (rows, _) = wire::ask(&running.at.admin, &path, None).await?;
                for row in rows.as_array().into_iter().flatten() {
                    let _ = write!(what, "\n  {row}");
                }
            }
            let (targets, _) = wire::ask(&running.at.admin, "/api/v1/targets", None).await?;
            let _ = write!(what, "\n  {targets}");
            return Err(what);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Makes what is dead due again until nothing is dead any more.
///
/// # Errors
/// When something is stranded.
pub async fn retry(storm: &Storm, running: &Running, numbers: &mut Numbers) -> Result<(), String> {
    let first = quiet(running).await?;
    let dead = usize::try_from(sum(&first, &["dead"])).unwrap_or(usize::MAX);
    numbers.add(
        "deliveries dead when the storm was over, then retried",
        dead,
    );
    for _ in 0..5 {
        if sum(&quiet(running).await?, &["dead"]) == 0 {
            return Ok(());
        }
        storm
            .home
            .cli(&running.at.admin, &["retry", "--all"])
            .await?;
    }
    quiet(running).await?;
    let left = rows(running, "/api/v1/deliveries?fate=dead&limit=1000").await?;
    let mut bare = 0;
    for row in left {
        let last = row["attempts"].as_array().and_then(|all| all.last());
        let why = last.and_then(|last| last["error"].as_str());
        if why.is_some_and(|why| why.contains("no longer kept: it was removed by `store.pictures"))
        {
            bare += 1;
        } else {
            let what = format!("dead though its target works and it was retried: {row}");
            storm.books.fault(None, what);
        }
    }
    numbers.add("… in vain, for their pictures had gone, as they tell", bare);
    Ok(())
}

/// All rows of a list of the API.
pub async fn rows(running: &Running, path: &str) -> Result<Vec<Value>, String> {
    let mut all = Vec::new();
    let mut next = Some(path.to_owned());
    while let Some(path) = next {
        let (page, link) = wire::ask(&running.at.admin, &path, None).await?;
        let Value::Array(page) = page else {
            return Err(format!("{path} is no list"));
        };
        all.extend(page);
        next = link.map(|link| match link.split_once("//") {
            Some((_, rest)) => rest
                .find('/')
                .map_or(link.clone(), |at| rest[at..].to_owned()),
            None => link,
        });
    }
    Ok(all)
}

/// Everything that was promised, against everything that is known.
///
/// # Errors
/// When camhook does not answer.
pub async fn judge(storm: &Storm, running: &Running, numbers: &mut Numbers) -> Result<(), String> {
    let there = account(storm, running).await?;
    let expired = rows(
        running,
        "/api/v1/deliveries?target=brief&fate=expired&limit=1000",
    )
    .await?;
    let dead = rows(running, "/api/v1/deliveries?fate=dead&limit=1000").await?;
    let gate = rows(running, "/api/v1/events?source=gate&limit=1000").await?;
    let lane = rows(running, "/api/v1/events?source=lane&limit=1000").await?;
    let book = read_book(storm)?;
    let mut inner = storm.books.inner();
    let refused = gone::was_refused(&inner);
    let far_jump = gone::given_up_until(&inner);
    let Inner {
        sent,
        arrivals,
        ids,
        faults,
        forgotten,
        expired: seen_expired,
        purged,
        ..
    } = &mut *inner;
    // Wherever it did not go, that it was to be forgotten is reason enough.
    let sent_and_wanted = || {
        sent.iter()
            .filter(|(number, _)| !forgotten.contains_key(number))
    };
    let had = had(arrivals);
    let has = |target: &str, number: u32| had[index_of(target)].contains(&number);
    let mut fault = |event: u32, what: String| {
        faults.push(Fault {
            what,
            event: Some(event),
        });
    };

    let of_event = |row: &Value| ids.get(row["event"].as_str()?).copied();
    let expired: HashSet<u32> = expired.iter().filter_map(of_event).collect();
    let seen_expired: HashSet<u32> = seen_expired
        .iter()
        .filter_map(|id| ids.get(id).copied())
        .collect();
    let dead: HashSet<u32> = dead.iter().filter_map(of_event).collect();
    let (mut gone_expired, mut gone_unseen, mut bare_dead) = (0, 0, 0);
    let (mut gone_dead, mut gone_given_up) = (0, 0);
    let mut numbers_of: BTreeMap<&str, usize> = BTreeMap::new();
    for (number, sent) in sent_and_wanted() {
        let word = match &sent.answer {
            Some((_, Answer::Acknowledged(_))) if sent.sender.is_promised() => "acknowledged",
            Some((_, Answer::Acknowledged(_))) => "acknowledged by `relaxed`",
            Some((_, Answer::Refused(_))) => "refused",
            Some((_, Answer::Unanswered(_))) | None => "unanswered",
        };
        *numbers_of.entry(word).or_default() += 1;
        let arrived = has("neutral", *number);
        if arrived && word != "acknowledged" {
            let word = match word {
                "refused" => "refused, and there all the same",
                "unanswered" => "unanswered, and there all the same",
                _ => "acknowledged by `relaxed`, and there",
            };
            *numbers_of.entry(word).or_default() += 1;
        }
        // What is there must be there for all, whether it was acknowledged or not: one commit has all deliveries.
        if !sent.is_promised() && !arrived {
            continue;
        }
        for target in ["steady", "ordered", "hostile", "locked", "neutral"] {
            if !has(target, *number) {
                fault(*number, format!("LOST: {target} never had it"));
            }
        }
        if !has("limited", *number) {
            // After three refusals it is dead, and so settled: it may go, or lose its picture, before it is tried again.
            if there.has(*number) && dead.contains(number) {
                bare_dead += 1;
            } else if !there.has(*number) && refused.contains(number) {
                gone_dead += 1;
            } else if !there.has(*number) && far_jump.is_some_and(|jump| sent.began < jump) {
                gone_given_up += 1;
            } else {
                let what = "LOST: limited never had it, and it is not dead, nor refused and gone";
                fault(*number, what.to_owned());
            }
        }
        if !has("brief", *number) && !expired.contains(number) {
            if there.has(*number) {
                let what = "LOST: brief never had it, and it did not expire";
                fault(*number, what.to_owned());
            } else if seen_expired.contains(number) {
                gone_expired += 1;
            } else {
                gone_unseen += 1;
            }
        }
        if !book.contains(number) {
            fault(*number, "LOST: it is not in the file".to_owned());
        }
        let reader = matches!(sent.sender, Sender::Picture | Sender::Form);
        if reader && !has("crops", *number) {
            fault(*number, "LOST: crops never had it".to_owned());
        }
    }
    numbers.add("events sent", sent.len());
    for (word, n) in numbers_of {
        numbers.add(format!("… {word}"), n);
    }
    let there_no_more =
        sent_and_wanted().filter(|(number, _)| has("neutral", **number) && !there.has(**number));
    numbers.add(
        "events that are not kept any more, by age, for room or by `purge`",
        there_no_more.count(),
    );
    numbers.add(
        "… of so many `camhook purge` told",
        usize::try_from(*purged).unwrap_or(0),
    );
    numbers.add("expired at `brief`, counted", expired.len());
    numbers.add("… and gone since they were told as expired", gone_expired);
    numbers.add("… and gone before anybody asked", gone_unseen);
    numbers.add(
        "dead at `limited`, which had refused them, and gone since",
        gone_dead,
    );
    numbers.add(
        "given up at `limited` after a jump of the clock by more than its `give_up_after`, and gone since",
        gone_given_up,
    );
    numbers.add(
        "dead at `limited`, their pictures gone, as they tell",
        bare_dead,
    );
    numbers.add("lines in the file", book.len());

    // What `dedupe` filtered says which event it is the same as, and that one was delivered.
    let mut filtered = 0;
    let by_id = filters(&gate, "passages", ids);
    let all = &*sent;
    let mut passed: HashSet<&str> = HashSet::new();
    for number in &had[index_of("passages")] {
        passed.extend(sent_plate(all, *number));
    }
    let mut gone_filtered = 0;
    for (number, sent) in sent.iter().filter(|(_, sent)| sent.sender == Sender::Gate) {
        if !(sent.is_promised() || has("neutral", *number)) || has("passages", *number) {
            continue;
        }
        if !there.has(*number) && passed.contains(sent.plate.as_str()) {
            gone_filtered += 1;
            continue;
        }
        filtered += 1;
        let Some((why, other)) = by_id.get(number) else {
            fault(
                *number,
                "LOST: passages never had it, and nothing says why".to_owned(),
            );
            continue;
        };
        let same = |other: &u32| sent_plate(all, *other) == Some(sent.plate.as_str());
        if !other
            .as_ref()
            .is_some_and(|other| same(other) && has("passages", *other))
        {
            fault(
                *number,
                format!("filtered, but not delivered as another: {why}"),
            );
        }
    }
    numbers.add(
        "filtered by `dedupe`, each explained by one that was delivered",
        filtered,
    );
    numbers.add("… and gone, another of the plate delivered", gone_filtered);

    // A half goes alone or with the other, which may carry it.
    let carried: HashSet<u32> = arrivals
        .iter()
        .filter(|arrival| arrival.target == index_of("pairs") && arrival.did.has_it())
        .flat_map(|arrival| &arrival.parts)
        .copied()
        .collect();
    let by_id = filters(&lane, "pairs", ids);
    let mut with_another = 0;
    for (number, sent) in sent.iter().filter(|(_, sent)| sent.sender == Sender::Lane) {
        if !(sent.is_promised() || has("neutral", *number)) || has("pairs", *number) {
            continue;
        }
        with_another += 1;
        if !carried.contains(number) {
            let why = by_id.get(number).map(|(why, _)| why.as_str());
            fault(
                *number,
                format!("LOST: pairs never had it, alone or with another: {why:?}"),
            );
        }
    }
    numbers.add("halves delivered within their pair", with_another);

    check_keys(arrivals, &mut fault, numbers);
    check_order(arrivals, sent, &mut fault, numbers);
    drop(inner);
    gone::originals(storm, running, &there, numbers).await
}

/// Camhook counts as delivered, of the events that it still tells of, just what the targets have. Returns those events.
async fn account(storm: &Storm, running: &Running) -> Result<There, String> {
    for _ in 0..10 {
        let there = There::ask(running).await?;
        let counts = quiet(running).await?;
        if !There::ask(running).await?.is(&there) {
            continue; // some went just then
        }
        let mut inner = storm.books.inner();
        let Inner {
            arrivals, faults, ..
        } = &mut *inner;
        for (target, (name, _)) in TARGETS.into_iter().enumerate() {
            let keys: HashSet<&str> = arrivals
                .iter()
                .filter(|arrival| arrival.target == target && arrival.did.has_it())
                .filter(|arrival| there.has(arrival.number))
                .map(|arrival| arrival.key.as_str())
                .collect();
            let fate = |fate: &str| {
                let told = counts.get(name).and_then(|fates| fates.get(fate));
                told.copied().unwrap_or(0)
            };
            let (told, here) = (fate("delivered"), keys.len() as u64);
            // What expired may have arrived while its answer was lost, and so may what was refused when it came again.
            let more = match name {
                "brief" => fate("expired"),
                "limited" => fate("dead"),
                _ => 0,
            };
            if !(told..=told + more).contains(&here) {
                faults.push(Fault {
                    what: format!("camhook tells of {told} delivered to {name}, which has {here}"),
                    event: None,
                });
            }
        }
        return Ok(there);
    }
    Err("events went and went, with nothing that came".to_owned())
}

fn sent_plate(sent: &HashMap<u32, Sent>, number: u32) -> Option<&str> {
    sent.get(&number).map(|sent| sent.plate.as_str())
}

/// The numbers that each target has.
fn had(arrivals: &[Arrival]) -> Vec<HashSet<u32>> {
    let mut had = vec![HashSet::new(); TARGETS.len()];
    for arrival in arrivals.iter().filter(|arrival| arrival.did.has_it()) {
        had[arrival.target].insert(arrival.number);
    }
    had
}

/// Why a route left events out, and the number of the event that the reason names.
fn filters(
    rows: &[Value],
    route: &str,
    ids: &HashMap<String, u32>,
) -> HashMap<u32, (String, Option<u32>)> {
    let mut found = HashMap::new();
    for row in rows {
        let Some(number) = row["raw"]["note"]
            .as_str()
            .and_then(|note| event::number_in(note.as_bytes()))
        else {
            continue;
        };
        let decided = row["routes"].as_array().into_iter().flatten();
        let why = decided
            .filter(|decided| decided["route"] == route && decided["outcome"] == "filtered")
            .find_map(|decided| decided["condition"].as_str());
        if let Some(why) = why {
            let mut words = why.split([' ', ',']);
            let other = words.find_map(|word| ids.get(word).copied());
            found.insert(number, (why.to_owned(), other));
        }
    }
    found
}

/// One event has one key at one target, and one key one event.
fn check_keys(arrivals: &[Arrival], fault: &mut impl FnMut(u32, String), numbers: &mut Numbers) {
    let mut keys: HashMap<(usize, u32), &str> = HashMap::new();
    let mut events: HashMap<(usize, &str), u32> = HashMap::new();
    let mut accepted: HashMap<(usize, &str), usize> = HashMap::new();
    let mut refused = 0;
    for arrival in arrivals.iter().filter(|arrival| !arrival.replayed) {
        let key = arrival.key.as_str();
        let name = TARGETS[arrival.target].0;
        let known = keys.entry((arrival.target, arrival.number)).or_insert(key);
        if *known != key {
            let what = format!("TWICE: {name} got it under {known} and under {key}");
            fault(arrival.number, what);
        }
        let known = events
            .entry((arrival.target, key))
            .or_insert(arrival.number);
        if *known != arrival.number {
            let what = format!("{name} got {key} for it and for event {known}");
            fault(arrival.number, what);
        }
        if arrival.did.has_it() {
            *accepted.entry((arrival.target, key)).or_default() += 1;
        } else {
            refused += 1;
        }
    }
    let all: usize = accepted.values().sum();
    numbers.add("requests that targets read to their end", all + refused);
    numbers.add("… refused or left without an answer", refused);
    numbers.add("… accepted", all);
    numbers.add("deliveries made", accepted.len());
    numbers.add(
        "repeats of what was accepted, under the same key",
        all - accepted.len(),
    );
}

/// At `ordered`, nothing of a camera arrives before what it sent earlier has been accepted.
fn check_order(
    arrivals: &[Arrival],
    sent: &HashMap<u32, Sent>,
    fault: &mut impl FnMut(u32, String),
    numbers: &mut Numbers,
) {
    let target = index_of("ordered");
    let here = |arrival: &&Arrival| arrival.target == target && !arrival.replayed;
    let late = |number: &u32| matches!(&sent[number].answer, Some((_, Answer::Unanswered(why))) if why == "no answer in time");
    let mut waiting: HashMap<&str, BTreeSet<u32>> = HashMap::new();
    for arrival in arrivals.iter().filter(here) {
        if arrival.did.has_it() && !late(&arrival.number) {
            let camera = sent[&arrival.number].camera.as_str();
            waiting.entry(camera).or_default().insert(arrival.number);
        }
    }
    let cameras = waiting.len();
    let mut seen = 0;
    for arrival in arrivals.iter().filter(here) {
        let Some(waiting) = waiting.get_mut(sent[&arrival.number].camera.as_str()) else {
            continue;
        };
        seen += 1;
        if let Some(first) = waiting.first()
            && *first < arrival.number
            && waiting.contains(&arrival.number)
        {
            let what = format!("OUT OF ORDER: ordered got it before event {first} of its camera");
            fault(arrival.number, what);
        }
        if arrival.did.has_it() {
            waiting.remove(&arrival.number);
        }
    }
    numbers.add("requests in the order of their camera", seen);
    numbers.add("… of so many cameras", cameras);
}

/// The numbers in the file that `jsonl` wrote. Of a line that a kill cut short nothing is believed.
fn read_book(storm: &Storm) -> Result<HashSet<u32>, String> {
    use std::io::{BufRead, BufReader};
    let path = storm.home.folder.join("book.jsonl");
    let file =
        std::fs::File::open(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut found = HashSet::new();
    for line in BufReader::new(file).split(b'\n') {
        let line = line.map_err(|error| error.to_string())?;
        if serde_json::from_slice::<Value>(&line).is_ok()
            && let Some(number) = event::number_in(&line)
        {
            found.insert(number);
        }
    }
    Ok(found)
}

/// Replays some events, and looks that each comes once more, under one new key.
///
/// # Errors
/// When camhook does not answer.
pub async fn replay(storm: &Storm, running: &Running, numbers: &mut Numbers) -> Result<(), String> {
    let there = There::ask(running).await?;
    let mut chosen: Vec<(u32, String)> = {
        let mut inner = storm.books.inner();
        inner.replaying = true;
        let whole = there.0.iter().filter(|(_, row)| !row.shed);
        whole
            .map(|(number, row)| (*number, row.id.clone()))
            .collect()
    };
    chosen.sort();
    let step = chosen.len().div_ceil(60).max(1);
    let chosen: Vec<(u32, String)> = chosen.into_iter().step_by(step).collect();
    let mut arguments = vec!["replay"];
    arguments.extend(chosen.iter().map(|(_, id)| id.as_str()));
    arguments.extend(["--to", "steady"]);
    storm.home.cli(&running.at.admin, &arguments).await?;
    quiet(running).await?;
    let mut inner = storm.books.inner();
    for (number, _) in &chosen {
        let steady = index_of("steady");
        let again = inner
            .arrivals
            .iter()
            .filter(|arrival| arrival.replayed && arrival.number == *number);
        let keys: HashSet<(usize, &str)> = again
            .map(|arrival| (arrival.target, arrival.key.as_str()))
            .collect();
        if keys.len() != 1 || keys.iter().any(|(target, _)| *target != steady) {
            let what = format!("replayed to steady, it came as {keys:?}");
            inner.faults.push(Fault {
                what,
                event: Some(*number),
            });
        }
    }
    numbers.add("replayed, each once under a new key", chosen.len());
    Ok(())
}

/// An index that is rebuilt tells the same, and nothing is delivered again.
///
/// # Errors
/// When camhook does not end or start.
pub async fn rebuild(
    storm: &mut Storm,
    mut running: Running,
    numbers: &mut Numbers,
) -> Result<Running, String> {
    let was = There::ask(&running).await?;
    let before = quiet(&running).await?;
    let arrivals = storm.books.inner().arrivals.len();
    running.subject.signal("TERM").await;
    let status = running.subject.wait(Duration::from_secs(60)).await;
    if status.is_none_or(|status| !status.success()) {
        storm
            .books
            .fault(None, format!("at the end SIGTERM gave {status:?}"));
    }
    storm.home.delete_index();
    let running = storm.start().await?;
    let after = quiet(&running).await?;
    let is = There::ask(&running).await?;
    let came_back = is.0.keys().find(|number| !was.has(**number));
    if let Some(number) = came_back {
        let what = "it was gone, and is there again with a rebuilt index";
        storm.books.fault(Some(*number), what);
    }
    numbers.add("events that a rebuilt index tells of", is.0.len());
    let forgotten: Vec<u32> = storm.books.inner().forgotten.keys().copied().collect();
    gone::is_forgotten(storm, &forgotten, "after the index was rebuilt");
    if is.is(&was) && before != after {
        let what = format!("the rebuilt index tells {after:?}, the one before {before:?}");
        storm.books.fault(None, what);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let more = storm.books.inner().arrivals.len() - arrivals;
    if more > 0 {
        let what = format!("{more} deliveries were repeated after a clean stop");
        storm.books.fault(None, what);
    }
    Ok(running)
}
