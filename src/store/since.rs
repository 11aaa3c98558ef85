//! What happened since, read from the index, and what a change is about.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::books::{fate_from, name_from};
use super::feed::{Changed, Listener, Place};
use super::index::{NUMBERS_PER_RECORD, moment};
use super::{Store, StoreError, TargetState, query};
use crate::event::{DeliveryId, EventId, Item, Kind};
use crate::fate::{Delivery, Fate};
use crate::name::Name;

/// Changes that one who comes back is told from the index; more than that, and it begins anew.
const LOOK_BACK: usize = 1_000;
/// Deliveries that are looked through for those that changed: there is no index for that, which every outcome would pay for.
const LOOKED_THROUGH: i64 = 200_000;

/// Which changes somebody wants to hear of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    pub(crate) source: Option<String>,
    pub(crate) camera: Option<String>,
    /// `*` stands for any letters or none, `?` for one.
    pub(crate) plate: Option<String>,
    pub(crate) kind: Option<Kind>,
    /// With this or `fate`, events themselves are not wanted.
    pub(crate) target: Option<String>,
    pub(crate) fate: Option<Fate>,
}

/// A change, with what it is about.
pub(crate) enum Told {
    Event(EventId),
    Delivery(Box<Delivery>),
    Target(Name, TargetState),
}

/// Where somebody who came back goes on.
pub(crate) enum Back {
    /// With these first.
    GoOn(Vec<(Place, Changed)>),
    /// Too much happened since, or another store is here.
    Anew,
}

/// What decides whether an event is wanted.
struct Heading {
    id: EventId,
    source: String,
    kind: String,
    camera: Option<String>,
    plates: String,
}

impl Wanted {
    fn wants_events(&self) -> bool {
        self.target.is_none() && self.fate.is_none()
    }

    fn is_about(&self, event: &Heading) -> bool {
        let same = |wanted: &Option<String>, is: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| is == Some(wanted))
        };
        let plate = self.plate.as_deref().is_none_or(|plate| {
            let mut plates = event.plates.split(' ').filter(|known| !known.is_empty());
            plates.any(|known| fits(plate, known))
        });
        let kind = self.kind.is_none_or(|kind| kind.as_str() == event.kind);
        same(&self.source, Some(&event.source))
            && same(&self.camera, event.camera.as_deref())
            && plate
            && kind
    }

    fn wants(&self, delivery: &Delivery) -> bool {
        let target = self.target.as_deref();
        target.is_none_or(|target| target == delivery.target.as_str())
            && self.fate.is_none_or(|fate| fate == delivery.fate)
    }
}

impl Store {
    /// Where the last change happened: who listens from there on, having looked, misses nothing.
    pub(crate) fn place(&self) -> Place {
        self.0.feed.place()
    }

    /// Hears of what happens from now on. None when too many listen already.
    pub(crate) fn listen(&self) -> Option<Listener> {
        self.0.feed.listen()
    }

    /// Lets a listener go on where it, or one before it, had heard everything up to.
    pub(crate) async fn go_back(
        &self,
        listener: &mut Listener,
        to: Place,
    ) -> Result<Back, StoreError> {
        match listener.go_back(to) {
            None => Ok(Back::Anew),
            Some(Ok(())) => Ok(Back::GoOn(Vec::new())),
            Some(Err(upto)) => self.read(move |db, _| changed_since(db, to, upto)).await,
        }
    }

    /// What changes are about, as it is now: of several changes of one thing the last is told.
    pub(crate) async fn told(
        &self,
        changes: Vec<(Place, Changed)>,
        wanted: Wanted,
    ) -> Result<Vec<(Place, Told)>, StoreError> {
        self.read(move |db, inner| {
            let (held, now) = (inner.desks.held(), inner.clock.now());
            let mut told = Vec::with_capacity(changes.len());
            for (n, (place, changed)) in changes.iter().enumerate() {
                if changes[n + 1..].iter().any(|(_, later)| later == changed) {
                    continue;
                }
                let about = match changed {
                    Changed::Event { number, .. } => event(db, *number, &wanted)?,
                    Changed::Delivery(number) => {
                        let is_held =
                            |target: &Name, due: Timestamp| due <= now && held.contains(target);
                        delivery(db, *number, &wanted, is_held)?
                    }
                    Changed::Target(name) => {
                        let state = inner.desks.of(name).state();
                        let target = wanted.target.as_deref();
                        let wants = target.is_none_or(|target| target == name.as_str());
                        wants.then(|| Told::Target(name.clone(), state))
                    }
                };
                told.extend(about.map(|about| (*place, about)));
            }
            Ok(told)
        })
        .await
    }

    /// The deliveries of several events, of each no more than so many, oldest first; one question for all.
    pub(crate) async fn deliveries_of(
        &self,
        events: Vec<EventId>,
        most: usize,
    ) -> Result<Vec<(EventId, Vec<Delivery>)>, StoreError> {
        self.read(move |db, inner| {
            let (held, now) = (inner.desks.held(), inner.clock.now());
            let mut all = Vec::with_capacity(events.len());
            for id in events {
                let of_it = super::DeliveryQuery {
                    event: Some(id),
                    limit: most,
                    ..super::DeliveryQuery::default()
                };
                let mut deliveries = query::deliveries(db, &of_it, &held, now)?;
                deliveries.reverse();
                all.push((id, deliveries));
            }
            Ok(all)
        })
        .await
    }
}

/// Whether a normalised plate is the one that is asked for: `*` stands for any letters or none, `?` for one. In steps as many as
/// the two are long together, multiplied.
fn fits(wanted: &str, plate: &str) -> bool {
    let wanted: Vec<char> = wanted
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, '*' | '?'))
        .flat_map(char::to_uppercase)
        .collect();
    let plate: Vec<char> = plate.chars().collect();
    let (mut at, mut read) = (0, 0);
    // Where to go on when what follows the last `*` does not fit.
    let mut back: Option<(usize, usize)> = None;
    while read < plate.len() {
        match wanted.get(at) {
            Some('*') => {
                at += 1;
                back = Some((at, read));
            }
            Some(c) if *c == '?' || *c == plate[read] => {
                at += 1;
                read += 1;
            }
            _ => match back {
                Some((after, from)) => {
                    (at, read) = (after, from + 1);
                    back = Some((after, from + 1));
                }
                None => return false,
            },
        }
    }
    wanted[at..].iter().all(|c| *c == '*')
}

fn event(db: &Connection, number: i64, wanted: &Wanted) -> rusqlite::Result<Option<Told>> {
    if !wanted.wants_events() {
        return Ok(None);
    }
    let heading = db
        .prepare_cached("SELECT id, source, kind, camera, plates FROM events WHERE number = ?1")?
        .query_row([number], |row| heading(row, 0))
        .optional()?;
    let heading = heading.filter(|heading| wanted.is_about(heading));
    Ok(heading.map(|heading| Told::Event(heading.id)))
}

fn delivery(
    db: &Connection,
    number: i64,
    wanted: &Wanted,
    is_held: impl Fn(&Name, Timestamp) -> bool,
) -> rusqlite::Result<Option<Told>> {
    let found = db
        .prepare_cached(
            "SELECT d.id, d.route, d.target, d.item, d.fate, d.due, e.id, e.source, e.kind, e.camera, e.plates
             FROM deliveries d JOIN events e ON e.number = d.event WHERE d.number = ?1",
        )?
        .query_row([number], |row| {
            let heading = heading(row, 6)?;
            let due = row.get::<_, Option<i64>>(5)?.map(moment);
            let target = name_from(row.get(2)?)?;
            let mut fate = fate_from(&row.get::<_, String>(4)?);
            if fate == Fate::Pending && due.is_some_and(|due| is_held(&target, due)) {
                fate = Fate::Held;
            }
            let item = row.get::<_, Option<String>>(3)?;
            let delivery = Delivery {
                id: DeliveryId::from_bytes(row.get(0)?),
                event: heading.id,
                route: name_from(row.get(1)?)?,
                target,
                item: item.and_then(|item| Item::try_from(item).ok()),
                fate,
                due,
                attempts: Vec::new(),
            };
            Ok((heading, delivery))
        })
        .optional()?;
    let Some((heading, mut delivery)) = found else {
        return Ok(None);
    };
    if !wanted.is_about(&heading) || !wanted.wants(&delivery) {
        return Ok(None);
    }
    delivery.attempts = super::delivery_rows::attempts(db, number)?;
    Ok(Some(Told::Delivery(Box::new(delivery))))
}

fn heading(row: &rusqlite::Row<'_>, first: usize) -> rusqlite::Result<Heading> {
    Ok(Heading {
        id: EventId::from_bytes(row.get(first)?),
        source: row.get(first + 1)?,
        kind: row.get(first + 2)?,
        camera: row.get(first + 3)?,
        plates: row.get(first + 4)?,
    })
}

/// What changed after a place, up to a record, oldest first. Of the place's own record all is told once more, since the
/// index does not know how much of it was told.
fn changed_since(db: &Connection, from: Place, upto: u64) -> rusqlite::Result<Back> {
    let (from, upto) = (from.lsn as i64, upto as i64);
    let deliveries: i64 = db.query_row(
        "SELECT coalesce(sum(deliveries), 0) FROM tallies",
        [],
        |row| row.get(0),
    )?;
    if deliveries > LOOKED_THROUGH {
        return Ok(Back::Anew);
    }
    let most = LOOK_BACK as i64 + 1;
    let mut changes: Vec<(i64, Changed)> = db
        .prepare_cached(
            "SELECT number, id FROM events WHERE number BETWEEN ?1 AND ?2 ORDER BY number LIMIT ?3",
        )?
        .query_map(
            params![
                from * NUMBERS_PER_RECORD,
                (upto + 1) * NUMBERS_PER_RECORD - 1,
                most
            ],
            |row| {
                let number: i64 = row.get(0)?;
                let id = EventId::from_bytes(row.get(1)?);
                Ok((number / NUMBERS_PER_RECORD, Changed::Event { number, id }))
            },
        )?
        .collect::<rusqlite::Result<_>>()?;
    let touched: Vec<(i64, Changed)> = db
        .prepare_cached(
            "SELECT touched, number FROM deliveries WHERE touched BETWEEN ?1 AND ?2 ORDER BY touched, number LIMIT ?3",
        )?
        .query_map(params![from, upto, most], |row| {
            Ok((row.get(0)?, Changed::Delivery(row.get(1)?)))
        })?
        .collect::<rusqlite::Result<_>>()?;
    changes.extend(touched);
    if changes.len() > LOOK_BACK {
        return Ok(Back::Anew);
    }
    changes.sort_by_key(|(lsn, _)| *lsn); // events before the deliveries of the same record
    let place = |lsn: i64| Place {
        lsn: lsn as u64,
        n: 0,
    };
    let changes = changes.into_iter();
    Ok(Back::GoOn(
        changes
            .map(|(lsn, changed)| (place(lsn), changed))
            .collect(),
    ))
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_plate_is_looked_for_as_people_write_it() {
        for (wanted, plate) in [
            ("ab-123", "AB123"),
            ("AB*", "AB123"),
            ("*23", "AB123"),
            ("A*2*", "AB123"),
            ("a?123", "AB123"),
            ("*", "AB123"),
            ("*12*12", "1212312"),
        ] {
            assert!(fits(wanted, plate), "{wanted} {plate}");
        }
        for (wanted, plate) in [
            ("AB12", "AB123"),
            ("*13", "AB123"),
            ("A?23", "AB123"),
            ("", "AB123"),
        ] {
            assert!(!fits(wanted, plate), "{wanted} {plate}");
        }
    }
}
