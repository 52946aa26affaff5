//! Check that the coded data of a lossy JPEG are complete, since decoders fill missing pixels with
//! grey. The Huffman codes (ITU-T T.81, annexes F and G) are walked without computing pixels.

use super::huffman::{Bits, Coefficients, Fault, Table};
use super::stream::{Frame, Scan, Stream, damaged};
use crate::image::DecodeError;

/// JPEG whose pixels are complete.
pub struct Whole {
    /// Position after the coded data of the last scan.
    pub end: usize,
    /// True if the file has Huffman tables.
    pub has_tables: bool,
    /// True if the end-of-image marker is present.
    pub ended: bool,
    /// Notes on the file, as in [`crate::image::Image::notes`].
    pub notes: Vec<String>,
}

/// Walks all scans.
///
/// # Errors
/// [`DecodeError::Truncated`] if pixels are missing, [`DecodeError::Contradictory`] for codes
/// that cannot occur.
pub fn walk(bytes: &[u8]) -> Result<Whole, DecodeError> {
    let mut stream = Stream::new(bytes);
    let mut scan = stream.next_scan()?.ok_or_else(|| Fault::Missing.error())?;
    let frame = stream.frame.clone().ok_or_else(|| Fault::Missing.error())?;
    stream.bytes = super::without_padding(bytes, scan.data);
    let has_tables = stream.dc.iter().any(Option::is_some);
    let mut state = State::new(&frame);
    let mut extra = 0;
    loop {
        let mut bits = Bits::new(stream.bytes, scan.data);
        state.walk_scan(&stream, &frame, &scan, &mut bits)?;
        let end = bits.end();
        extra += stream.skip_data(&bits);
        if let Some(next) = stream.next_scan()? {
            scan = next;
            continue;
        }
        let mut notes = Vec::new();
        let is_whole = state.exact.iter().flatten().all(|bit| *bit == Some(0));
        let has_all_components = state.exact.iter().all(|bits| bits[0].is_some());
        if !has_all_components || (!is_whole && !stream.ended) {
            return Err(Fault::Missing.error());
        }
        if !is_whole {
            notes.push("the progressive scans end before full precision".to_owned());
        }
        notes.extend(super::end_notes(stream.ended, extra));
        return Ok(Whole { end, has_tables, ended: stream.ended, notes });
    }
}

/// Coefficients coded by the scans so far.
struct State {
    /// For each component: number of blocks per row and per column.
    blocks: Vec<(usize, usize)>,
    /// For each component and block of a progressive JPEG: mask of the coefficients that are not
    /// zero.
    nonzero: Vec<Vec<u64>>,
    /// For each component and coefficient: lowest coded bit.
    exact: Vec<[Option<u32>; 64]>,
    is_progressive: bool,
}

impl State {
    fn new(frame: &Frame) -> Self {
        let max = |factor: fn(&super::stream::Component) -> usize| {
            frame.components.iter().map(factor).max().unwrap_or(1)
        };
        let (h_max, v_max) = (max(|c| c.h), max(|c| c.v));
        let blocks: Vec<_> = frame
            .components
            .iter()
            .map(|c| {
                let width = (frame.width * c.h).div_ceil(h_max);
                let height = (frame.height * c.v).div_ceil(v_max);
                (width.div_ceil(8), height.div_ceil(8))
            })
            .collect();
        let is_progressive = frame.code == 0xc2;
        let nonzero = blocks.iter().map(|(w, h)| vec![0; if is_progressive { w * h } else { 0 }]);
        let nonzero = nonzero.collect();
        let exact = vec![[None; 64]; frame.components.len()];
        Self { blocks, nonzero, exact, is_progressive }
    }

    /// Walks one scan.
    fn walk_scan(
        &mut self,
        stream: &Stream<'_>,
        frame: &Frame,
        scan: &Scan,
        bits: &mut Bits<'_>,
    ) -> Result<(), DecodeError> {
        let (start, end) = if self.is_progressive { (scan.start, scan.end) } else { (0, 63) };
        if start > end || end > 63 || (self.is_progressive && start == 0 && end != 0) {
            return Err(damaged("a scan has an invalid range of coefficients"));
        }
        let is_single = scan.components.len() == 1;
        let mut parts = Vec::new();
        for &(index, dc, ac) in &scan.components {
            let component = frame.components[index];
            let uses_dc = start == 0 && scan.high == 0;
            let uses_ac = end > 0;
            parts.push(Part {
                index,
                blocks: if is_single { 1 } else { component.h * component.v },
                dc: table(&stream.dc, dc, uses_dc, Table::standard_dc)?,
                ac: Coefficients::new(table(&stream.ac, ac, uses_ac, Table::standard_ac)?),
            });
            for coefficient in &mut self.exact[index][start..=end] {
                *coefficient = Some(scan.low);
            }
        }
        if start > 0 && !is_single {
            return Err(damaged("a scan has an invalid range of coefficients"));
        }
        let units = match &parts[..] {
            [part] => self.blocks[part.index].0 * self.blocks[part.index].1,
            _ => {
                let (mut columns, mut rows) = (0, 0);
                for (index, ..) in &scan.components {
                    let (component, blocks) = (frame.components[*index], self.blocks[*index]);
                    columns = columns.max(blocks.0.div_ceil(component.h));
                    rows = rows.max(blocks.1.div_ceil(component.v));
                }
                columns * rows
            }
        };
        self.walk_units(stream, scan, &parts, units, bits).map_err(Fault::error)
    }

    /// Walks the units (MCUs) of a scan.
    fn walk_units(
        &mut self,
        stream: &Stream<'_>,
        scan: &Scan,
        parts: &[Part],
        units: usize,
        bits: &mut Bits<'_>,
    ) -> Result<(), Fault> {
        let (start, end) = (scan.start, scan.end);
        let mut run = 0;
        let mut restarts = 0_u8;
        for unit in 0..units {
            if stream.interval > 0 && unit > 0 && unit.is_multiple_of(stream.interval) {
                bits.restart(restarts % 8)?;
                restarts = restarts.wrapping_add(1);
                run = 0;
            }
            for part in parts {
                for _ in 0..part.blocks {
                    match (self.is_progressive, start, scan.high) {
                        (false, ..) => {
                            part.walk_dc(bits)?;
                            bits.skip_coefficients(&part.ac)?;
                        }
                        (_, 0, 0) => part.walk_dc(bits)?,
                        (_, 0, _) => bits.bits(1).map(drop)?,
                        (_, _, 0) => {
                            let nonzero = &mut self.nonzero[part.index][unit];
                            part.walk_ac(bits, start, end, &mut run, nonzero)?;
                        }
                        _ => {
                            let nonzero = &mut self.nonzero[part.index][unit];
                            part.walk_refinement(bits, start, end, &mut run, nonzero)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// Returns the table `id`, or the standard table if the file has none; an empty table if the scan
/// does not use it.
fn table(
    tables: &[Option<Table>; 4],
    id: usize,
    is_used: bool,
    standard: fn(usize) -> Table,
) -> Result<Table, DecodeError> {
    match tables.get(id) {
        _ if !is_used => Ok(Table::none()),
        Some(Some(table)) => Ok(table.clone()),
        Some(None) if id < 2 => Ok(standard(id)),
        _ => Err(damaged("it lacks a Huffman table")),
    }
}

/// Component in a scan.
struct Part {
    /// Index in the frame.
    index: usize,
    /// Number of blocks of 8 x 8 per unit (MCU).
    blocks: usize,
    dc: Table,
    ac: Coefficients,
}

/// Skips the bits of a value.
fn skip(bits: &mut Bits<'_>, count: u8) -> Result<(), Fault> {
    if count > 16 {
        return Err(Fault::Invalid);
    }
    bits.bits(count.into()).map(drop)
}

impl Part {
    fn walk_dc(&self, bits: &mut Bits<'_>) -> Result<(), Fault> {
        let size = bits.symbol(&self.dc)?;
        skip(bits, size)
    }

    /// Walks the first scan of a band of coefficients (G.1.2.2). `run` is the number of following
    /// blocks without coefficients.
    fn walk_ac(
        &self,
        bits: &mut Bits<'_>,
        start: usize,
        end: usize,
        run: &mut u32,
        nonzero: &mut u64,
    ) -> Result<(), Fault> {
        if *run > 0 {
            *run -= 1;
            return Ok(());
        }
        let mut k = start;
        while k <= end {
            let symbol = bits.symbol(&self.ac.table)?;
            match (symbol >> 4, symbol & 15) {
                (15, 0) => k += 16,
                (exponent, 0) => {
                    *run = (1 << exponent) - 1 + bits.bits(exponent.into())?;
                    return Ok(());
                }
                (zeros, size) => {
                    k += usize::from(zeros);
                    if k > end {
                        return Err(Fault::Invalid);
                    }
                    *nonzero |= 1 << k;
                    skip(bits, size)?;
                    k += 1;
                }
            }
        }
        Ok(())
    }

    /// Walks a scan of one further bit of a band of coefficients (G.1.2.3).
    fn walk_refinement(
        &self,
        bits: &mut Bits<'_>,
        start: usize,
        end: usize,
        run: &mut u32,
        nonzero: &mut u64,
    ) -> Result<(), Fault> {
        // Mask of the coefficients `from` to `end`.
        let band = |from: usize| (u64::MAX >> (63 - end)) & (u64::MAX << from);
        let mut k = start;
        while *run == 0 && k <= end {
            let symbol = bits.symbol(&self.ac.table)?;
            let zeros = symbol >> 4;
            let is_new = match (zeros, symbol & 15) {
                (15, 0) => false,
                (exponent, 0) => {
                    *run = (1 << exponent) + bits.bits(exponent.into())?;
                    break;
                }
                (_, 1) => {
                    bits.bits(1)?;
                    true
                }
                _ => return Err(Fault::Invalid),
            };
            // Skips `zeros` zero coefficients, up to the next one. Each coefficient that is not
            // zero has one further bit.
            let mut zero = !*nonzero & band(k);
            for _ in 0..zeros {
                zero &= zero.wrapping_sub(1);
            }
            let next = (zero.trailing_zeros() as usize).min(end + 1);
            let passed = band(k) & !(u64::MAX.checked_shl(next as u32).unwrap_or(0));
            bits.skip((*nonzero & passed).count_ones())?;
            if is_new {
                if next > end {
                    return Err(Fault::Invalid);
                }
                *nonzero |= 1 << next;
            }
            k = next + 1;
        }
        if *run > 0 {
            if k <= end {
                bits.skip((*nonzero & band(k)).count_ones())?;
            }
            *run -= 1;
        }
        Ok(())
    }
}
