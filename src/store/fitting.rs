//! Where the next record goes: into the active segment, into a new one, or nowhere, for want of room.

use super::StoreError;
use super::disk::is_full;
use super::writer::{Item, Told, Writer};

/// Segments for outcomes alone, when there is no room for more.
const SMALL_SEGMENT: u64 = 1 << 20;

impl Writer {
    pub(super) fn reserve_for(&self, item: &Item) -> u64 {
        if item.urgent { 0 } else { self.reserve }
    }

    /// Finds room for one record that does not fit into the active segment.
    pub(super) fn make_fit(&mut self, item: &Item) -> Result<(), StoreError> {
        let reserve = self.reserve_for(item);
        if self.log.fits(item.draft.bytes(), reserve) {
            return Ok(()); // a failed write before it has just moved on to a new segment
        }
        if !item.urgent {
            let wanted = self.log.segment_for(item.draft.bytes(), self.reserve);
            if !self.has_room_for(wanted) {
                return Err(self.full(format!(
                    "it has reached its max_size of {} bytes, and what it holds is not delivered yet",
                    self.room.max_size
                )));
            }
            return match self.roll_as_fits(item.draft.bytes()) {
                Ok(()) => {
                    self.room.set_full(None);
                    Ok(())
                }
                Err(error) if is_full(&error) => {
                    self.room.catalog.drop_spares();
                    Err(self.full(error.to_string()))
                }
                Err(error) => Err(StoreError::Failed(error.to_string())),
            };
        }
        let wanted = self.whatever_the_limit(item.draft.bytes());
        if self.roll(wanted).is_ok() {
            return Ok(());
        }
        self.room.drop_ballast();
        self.room.catalog.drop_spares();
        let bytes = item.draft.bytes();
        let small = self.log.segment_for_outcomes(bytes, self.reserve);
        let small = small.min(SMALL_SEGMENT.max(bytes * 2));
        self.roll(small)
            .map_err(|error| StoreError::Failed(error.to_string()))
    }

    fn has_room_for(&self, segment: u64) -> bool {
        let catalog = &self.room.catalog;
        let recycled = segment == catalog.segment_bytes && catalog.has_spare();
        recycled || self.room.allows(segment)
    }

    /// The length of a segment for what must be kept: an outcome makes room, sooner or later. Where the limit has no room
    /// for a whole one it is so small that no event fits into it: else each such segment would be filled with further
    /// events, whose outcomes need the next.
    pub(super) fn whatever_the_limit(&self, bytes: u64) -> u64 {
        let whole = self.log.segment_for(bytes, self.reserve);
        match self.has_room_for(whole) {
            true => whole,
            false => self.log.segment_for_outcomes(bytes, self.reserve),
        }
    }

    fn want_room(&self) {
        if self.room.want() {
            self.tell(Told::MakeRoom);
        }
    }

    pub(super) fn full(&self, why: String) -> StoreError {
        self.room.set_full(Some(why.clone()));
        self.want_room();
        StoreError::Full(why)
    }

    pub(super) fn roll(&mut self, bytes: u64) -> std::io::Result<()> {
        let number = self.log.roll(bytes)?;
        self.room.measure();
        self.tell(Told::Rolled(number));
        Ok(())
    }

    /// Goes on in a segment that holds a record of `bytes`: an ordinary one, or a smaller one where the disk has no room.
    fn roll_as_fits(&mut self, bytes: u64) -> std::io::Result<()> {
        let least = self.log.least_for(bytes, self.reserve);
        let mut wanted = self.log.segment_for(bytes, self.reserve);
        loop {
            match self.roll(wanted) {
                Err(error) if is_full(&error) && wanted > least => {
                    tracing::debug!(%error, wanted, "no room for so large a segment");
                    wanted = (wanted / 4).next_multiple_of(4 << 10).max(least);
                }
                done => return done,
            }
        }
    }

    pub(super) fn probe(&mut self) {
        if self.room.full().is_none() {
            return;
        }
        self.room.measure();
        let wanted = self.log.segment_for(0, self.reserve);
        let fits = self.log.fits(self.reserve, self.reserve)
            || ((self.room.catalog.has_spare() || self.room.allows(wanted))
                && self.roll_as_fits(0).is_ok());
        match fits {
            true => drop(self.room.set_full(None)),
            false => self.want_room(),
        }
    }
}
