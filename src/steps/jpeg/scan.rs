//! A walk through one scan that reads the blocks of the parts and passes over everything else (T.81, A.2, E.2).

use super::Fault;
use super::bits::Bits;
use super::blocks::Code;
use super::header::Header;
use super::idct;
use super::part::Part;
use super::tables::Tables;
use super::track::Track;

/// Blocks in a unit (T.81, B.2.3).
const BLOCKS_MAX: usize = 10;

/// One scan: how its units (MCUs) are made and lie in the picture.
pub(super) struct Scan {
    /// In the order in which they are coded.
    blocks: Vec<Piece>,
    /// How each colour of the scan is coded.
    colors: Vec<Color>,
    track: Track,
    across: usize,
    down: usize,
    /// Units between two restart markers.
    restart: Option<usize>,
}

struct Color {
    component: usize,
    code: Code,
    quantisation: [u16; 64],
    /// Blocks in a unit.
    h: usize,
    v: usize,
}

/// One block of each unit.
struct Piece {
    /// Among the colours of the scan.
    color: usize,
    /// Its place in the unit, in blocks.
    x: usize,
    y: usize,
}

/// A walk under way.
struct Walk<'a, 'b> {
    scan: &'a Scan,
    bits: Bits<'b>,
    /// The unit that comes next, and the number of restart markers before it.
    at: usize,
    restarts: usize,
    /// The first values of the blocks before, by colour of the scan.
    before: [i32; 4],
}

/// How far a walk came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reached {
    /// All that was wanted.
    All,
    /// The end of the picture, which came too early.
    TheEnd,
}

impl Scan {
    /// `data` is what stands in the segment that begins the scan.
    pub(super) fn new(data: &[u8], header: &Header, tables: &Tables) -> Result<Self, Fault> {
        const WRONG: Fault = Fault::Damaged("a scan begins wrongly");
        let (count, rest) = data.split_first().ok_or(WRONG)?;
        let count = usize::from(*count);
        let told = rest
            .get(..count * 2)
            .filter(|_| matches!(count, 1..=3))
            .ok_or(WRONG)?;
        let (mut blocks, mut colors) = (Vec::new(), Vec::with_capacity(count));
        let (mut across, mut down) = (
            header.width.div_ceil(8 * header.h_max),
            header.height.div_ceil(8 * header.v_max),
        );
        let (mut codes, mut known, mut unit) = (Vec::new(), Vec::new(), Vec::new());
        for [id, which] in told.as_chunks::<2>().0 {
            let mut components = header.components.iter();
            let component = components
                .position(|component| component.id == *id)
                .ok_or(WRONG)?;
            if colors
                .iter()
                .any(|color: &Color| color.component == component)
            {
                return Err(WRONG);
            }
            let code = if let Some(code) = known.iter().position(|known| known == which) {
                code
            } else {
                known.push(*which);
                codes.push(tables.code(*which)?);
                codes.len() - 1
            };
            let of = &header.components[component];
            // A colour alone is stored block by block, without those that would only fill up units.
            let (h, v) = if count == 1 {
                (across, down) = (of.width.div_ceil(8), of.height.div_ceil(8));
                (1, 1)
            } else {
                (of.h, of.v)
            };
            let color = colors.len();
            for n in 0..h * v {
                let (x, y) = (n % h, n / h);
                blocks.push(Piece { color, x, y });
                unit.push((color, code));
            }
            colors.push(Color {
                component,
                code: codes[code].clone(),
                quantisation: tables.quantisation_of(of.quantisation)?,
                h,
                v,
            });
        }
        if blocks.len() > BLOCKS_MAX {
            return Err(WRONG);
        }
        Ok(Self {
            blocks,
            colors,
            track: Track::new(codes, &unit),
            across,
            down,
            restart: (tables.restart > 0).then_some(tables.restart),
        })
    }

    pub(super) fn components(&self) -> impl Iterator<Item = usize> {
        self.colors.iter().map(|color| color.component)
    }

    /// Fills the parts with what this scan has of them; returns whether all of it was there, and, if another scan may
    /// follow, how far the entropy-coded data reaches.
    pub(super) fn fill(
        &self,
        data: &[u8],
        parts: &mut [Part],
        more: bool,
    ) -> Result<(bool, usize), Fault> {
        let mut walk = Walk {
            scan: self,
            bits: Bits::of(data),
            at: 0,
            restarts: 0,
            before: [0; 4],
        };
        let reached = walk.go(parts)?;
        let length = if more { walk.bits.length() } else { data.len() };
        Ok((reached == Reached::All, length))
    }

    /// The units with any of the part: from the first to behind the last, across and down.
    fn units(&self, part: &Part) -> [usize; 4] {
        let of_color = |color: &Color| part.planes[color.component].units(color.h, color.v);
        let mut units = self.colors.iter().map(of_color);
        let first = units.next().unwrap_or_default();
        let [left, right, top, bottom] = units.fold(first, |a, b| {
            [
                a[0].min(b[0]),
                a[1].max(b[1]),
                a[2].min(b[2]),
                a[3].max(b[3]),
            ]
        });
        [left, right.min(self.across), top, bottom.min(self.down)]
    }
}

impl Walk<'_, '_> {
    fn go(&mut self, parts: &mut [Part]) -> Result<Reached, Fault> {
        let wanted: Vec<[usize; 4]> = parts.iter().map(|part| self.scan.units(part)).collect();
        let top = wanted.iter().map(|units| units[2]).min().unwrap_or(0);
        let bottom = wanted.iter().map(|units| units[3]).max().unwrap_or(0);
        for y in top..bottom {
            let here = wanted
                .iter()
                .filter(|units| (units[2]..units[3]).contains(&y));
            let span = here.fold(None, |span: Option<(usize, usize)>, units| {
                let (left, right) = span.unwrap_or((units[0], units[1]));
                Some((left.min(units[0]), right.max(units[1])))
            });
            let Some((left, right)) = span else { continue };
            for x in left..right {
                let unit = y * self.scan.across + x;
                if self.go_to(unit)? == Reached::TheEnd
                    || self.read(x, y, parts)? == Reached::TheEnd
                {
                    return Ok(Reached::TheEnd);
                }
            }
        }
        if self.bits.overdrawn() {
            return self.nothing_left();
        }
        Ok(Reached::All)
    }

    /// Passes over all units before this one.
    #[inline]
    fn go_to(&mut self, unit: usize) -> Result<Reached, Fault> {
        if let Some(interval) = self.scan.restart {
            let restarts = unit / interval;
            if restarts > self.restarts {
                if self.bits.overdrawn() {
                    return self.nothing_left();
                }
                if !self.bits.restart(self.restarts, restarts - self.restarts)? {
                    return Ok(Reached::TheEnd);
                }
                self.restarts = restarts;
                self.at = restarts * interval;
                self.before = [0; 4];
            }
        }
        if unit > self.at {
            let Scan { track, blocks, .. } = self.scan;
            let (units, before) = (unit - self.at, &mut self.before);
            let passed = track.pass(&mut self.bits, blocks.len(), units, before)?;
            self.at += passed;
        }
        if unit > self.at {
            self.nothing_left()
        } else {
            Ok(Reached::All)
        }
    }

    /// Reads the unit that comes next, at this place.
    fn read(&mut self, x: usize, y: usize, parts: &mut [Part]) -> Result<Reached, Fault> {
        if !self.bits.ready() {
            return self.nothing_left();
        }
        let mut cursor = self.bits.cursor;
        let clean = self.bits.clean();
        for piece in &self.scan.blocks {
            let Color {
                component,
                code,
                quantisation,
                h,
                v,
            } = &self.scan.colors[piece.color];
            let (x, y) = (x * h + piece.x, y * v + piece.y);
            let before = &mut self.before[piece.color];
            if parts.iter().any(|part| part.planes[*component].holds(x, y)) {
                let block = code.read(&mut cursor, clean, before, quantisation)?;
                let samples = idct::samples(&block);
                for part in &mut *parts {
                    part.planes[*component].put(x, y, &samples);
                }
            } else {
                *before = before.wrapping_add(code.pass(&mut cursor, clean)?);
            }
        }
        self.bits.cursor = cursor;
        self.at += 1;
        Ok(Reached::All)
    }

    fn nothing_left(&self) -> Result<Reached, Fault> {
        if self.bits.at_the_end() {
            Ok(Reached::TheEnd)
        } else {
            Err(Fault::Damaged("a scan ends early"))
        }
    }
}
