//! The tables in force while a picture is decoded (T.81, B.2.4, K.3).

use std::sync::Arc;

use super::Fault;
use super::blocks::Code;
use super::huffman::Huffman;

/// What segments between the scans set.
pub(super) struct Tables {
    quantisation: [Option<[u16; 64]>; 4],
    dc: [Option<Arc<Huffman>>; 4],
    ac: [Option<Arc<Huffman>>; 4],
    /// Units between two restart markers; 0 when there are none.
    pub(super) restart: usize,
}

impl Tables {
    pub(super) fn new() -> Self {
        Self {
            quantisation: [None; 4],
            dc: Default::default(),
            ac: Default::default(),
            restart: 0,
        }
    }

    /// Takes a segment, if it is one of tables.
    pub(super) fn take(&mut self, marker: u8, data: &[u8]) -> Result<(), Fault> {
        match marker {
            0xc4 => self.huffman(data),
            0xdb => self.quantisation(data),
            0xdd => {
                let interval = data.first_chunk().ok_or(CUT_OFF)?;
                self.restart = usize::from(u16::from_be_bytes(*interval));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn quantisation(&mut self, mut data: &[u8]) -> Result<(), Fault> {
        while let [which, rest @ ..] = data {
            let (bytes, place) = (1 + usize::from(which >> 4), usize::from(which & 15));
            let (values, rest) = rest.split_at_checked(64 * bytes).ok_or(CUT_OFF)?;
            let mut values = values.chunks_exact(bytes);
            let table = self.quantisation.get_mut(place).ok_or(CUT_OFF)?;
            *table = Some(std::array::from_fn(|_| {
                let value = values.next().unwrap_or_default();
                value
                    .iter()
                    .fold(0, |value, byte| value << 8 | u16::from(*byte))
            }));
            data = rest;
        }
        Ok(())
    }

    fn huffman(&mut self, mut data: &[u8]) -> Result<(), Fault> {
        while let [which, rest @ ..] = data {
            let (counts, rest) = rest.split_first_chunk::<16>().ok_or(CUT_OFF)?;
            let all: usize = counts.iter().copied().map(usize::from).sum();
            let (symbols, rest) = rest.split_at_checked(all).ok_or(CUT_OFF)?;
            let tables = if which >> 4 == 0 {
                &mut self.dc
            } else {
                &mut self.ac
            };
            let table = tables.get_mut(usize::from(which & 15)).ok_or(CUT_OFF)?;
            *table = Some(Arc::new(Huffman::new(counts, symbols)?));
            data = rest;
        }
        Ok(())
    }

    pub(super) fn quantisation_of(&self, place: usize) -> Result<[u16; 64], Fault> {
        let table = self.quantisation.get(place).copied().flatten();
        table.ok_or(Fault::Damaged("a quantisation table is missing"))
    }

    /// How colours are coded that use these tables, `dc << 4 | ac`.
    pub(super) fn code(&self, which: u8) -> Result<Code, Fault> {
        const MISSING: Fault = Fault::Damaged("a Huffman table is missing");
        let of = |tables: &[Option<Arc<Huffman>>; 4], place: u8| {
            tables
                .get(usize::from(place))
                .cloned()
                .flatten()
                .ok_or(MISSING)
        };
        Ok(Code {
            dc: of(&self.dc, which >> 4)?,
            ac: of(&self.ac, which & 15)?,
        })
    }
}

const CUT_OFF: Fault = Fault::Damaged("a table is cut off");
