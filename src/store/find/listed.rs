//! Questions whose rarest word has an index of its own: the numbers of all events it may be about.

use rusqlite::params;

use super::Search;
use crate::fate::Fate;
use crate::store::plates::Wanted;

type Result<T> = rusqlite::Result<T>;

pub(in crate::store) const BY_PREFIX: &str =
    "SELECT plate, event FROM plates WHERE plate >= ?1 AND plate < ?2";
pub(in crate::store) const BY_DEAD: &str =
    "SELECT event FROM deliveries WHERE target = ?1 AND fate = 'dead'";
pub(in crate::store) const BY_PENDING: &str =
    "SELECT event FROM deliveries INDEXED BY deliveries_due WHERE target = ?1 AND fate = 'pending'";

impl Search<'_> {
    /// The numbers of all events that have a plate like it, or a rare fate, if there are not too many.
    pub(super) fn listed(&mut self) -> Result<Option<Vec<i64>>> {
        if let Some(Wanted::Like { prefix, pattern }) = &self.plate
            && (!prefix.is_empty() || self.kept()? <= self.looks_max as i64)
        {
            let end = format!("{prefix}{}", char::MAX);
            let mut statement = self.db.prepare_cached(BY_PREFIX)?;
            let mut rows = statement.query(params![prefix, end])?;
            let mut numbers = Vec::new();
            let mut looks = 0;
            while let Some(row) = rows.next()? {
                looks += 1;
                if looks > self.looks_max {
                    return Ok(None);
                }
                if pattern.matches(row.get_ref(0)?.as_str()?) {
                    numbers.push(row.get(1)?);
                }
            }
            return Ok(Some(numbers));
        }
        let sql = match self.query.fate {
            Some(Fate::Dead) => BY_DEAD,
            Some(Fate::Pending | Fate::Held) => BY_PENDING,
            _ => return Ok(None),
        };
        // The camera's own index is the better one, unless there are few of that fate.
        let few = match self.query.camera {
            Some(_) => self.looks_max / 20,
            None => self.looks_max,
        };
        if self.standing()? > few as i64 {
            return Ok(None);
        }
        let mut numbers = Vec::new();
        for target in self.targets()? {
            let mut statement = self.db.prepare_cached(sql)?;
            let mut rows = statement.query([target])?;
            while let Some(row) = rows.next()? {
                numbers.push(row.get(0)?);
            }
        }
        Ok(Some(numbers))
    }

    fn kept(&self) -> Result<i64> {
        self.db
            .prepare_cached("SELECT coalesce(sum(events), 0) FROM sources")?
            .query_row([], |row| row.get(0))
    }

    /// The targets that it is about, as far as they have any deliveries.
    fn targets(&self) -> Result<Vec<String>> {
        let all: Vec<String> = self
            .db
            .prepare_cached("SELECT DISTINCT target FROM tallies")?
            .query_map([], |row| row.get(0))?
            .collect::<Result<_>>()?;
        let wanted = self.query.target.as_ref();
        let all = all.into_iter();
        Ok(all
            .filter(|target| wanted.is_none_or(|wanted| wanted == target))
            .collect())
    }

    /// How many deliveries stand at the fate that is asked for, of the target if one is.
    fn standing(&self) -> Result<i64> {
        let fate = self.query.fate.map(|fate| match fate {
            Fate::Held => Fate::Pending.as_str(),
            fate => fate.as_str(),
        });
        self.db
            .prepare_cached(
                "SELECT coalesce(sum(deliveries), 0) FROM tallies
                 WHERE (?1 IS NULL OR fate = ?1) AND (?2 IS NULL OR target = ?2)",
            )?
            .query_row(params![fate, self.query.target], |row| row.get(0))
    }

    pub(super) fn fates_exist(&self) -> Result<bool> {
        Ok(!self.asks_deliveries() || self.standing()? > 0)
    }
}
