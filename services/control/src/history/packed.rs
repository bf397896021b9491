//! Figures as they stand in a row, in few bytes. `docs/format/store.md` tells the format.

use model::{Cell, ErrorKind, Figure, Figures, Part, Series};

/// The format that this version writes.
const FORMAT: u8 = 1;
/// The greatest whole number that is written as one: below, every one has an exact `f64`.
const WHOLE: f64 = 9_007_199_254_740_992.0;

/// A row is not what this version writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("figures of another format")]
pub(crate) struct Unreadable;

/// Writes figures.
pub(super) fn pack(figures: &Figures) -> Vec<u8> {
    let mut bytes = vec![FORMAT];
    for (series, cell) in figures.iter() {
        bytes.push(series.figure.code());
        put_whole(&mut bytes, u64::from(series.shard));
        put_part(&mut bytes, series.part);
        // One sample, or many equal ones: the sum tells the rest.
        let same = cell.min.to_bits() == cell.max.to_bits();
        put_whole(&mut bytes, cell.count << 1 | u64::from(!same));
        put_number(&mut bytes, cell.total);
        put_number(&mut bytes, cell.min);
        if !same {
            put_number(&mut bytes, cell.max);
        }
    }
    bytes
}

/// Reads them.
pub(super) fn unpack(bytes: &[u8]) -> Result<Figures, Unreadable> {
    let mut input = Input(bytes);
    if input.byte()? != FORMAT {
        return Err(Unreadable);
    }
    let mut figures = Figures::default();
    while !input.0.is_empty() {
        let figure = Figure::of_code(input.byte()?).ok_or(Unreadable)?;
        let shard = u16::try_from(input.whole()?).map_err(|_large| Unreadable)?;
        let part = input.part()?;
        let counted = input.whole()?;
        let (count, same) = (counted >> 1, counted & 1 == 0);
        let (total, min) = (input.number()?, input.number()?);
        let max = if same { min } else { input.number()? };
        let series = Series {
            figure,
            shard,
            part,
        };
        figures.add(
            series,
            Cell {
                count,
                total,
                min,
                max,
            },
        );
    }
    Ok(figures)
}

const PART_WHOLE: u8 = 0;
const PART_LEADS: u8 = 1;
const PART_FOLLOWS: u8 = 2;
const PART_ENCRYPTED: u8 = 3;
const PART_PLAIN: u8 = 4;
/// And those above it: a kind of error, by its place among all.
const PART_ERROR: u8 = 16;

fn put_part(bytes: &mut Vec<u8>, part: Part) {
    match part {
        Part::Whole => bytes.push(PART_WHOLE),
        Part::Node { index, leads } => {
            bytes.push(if leads { PART_LEADS } else { PART_FOLLOWS });
            bytes.push(index);
        }
        Part::Connections { encrypted } => {
            bytes.push(if encrypted {
                PART_ENCRYPTED
            } else {
                PART_PLAIN
            });
        }
        Part::Error(kind) => {
            let place = ErrorKind::ALL.iter().position(|known| *known == kind);
            let place = place.and_then(|place| u8::try_from(place).ok());
            bytes.push(PART_ERROR + place.unwrap_or_default());
        }
    }
}

/// Seven bits a byte, the lowest first.
fn put_whole(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

/// A whole number as itself with a one behind; any other as a zero byte and its eight.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is whole, not negative and not too large"
)]
fn put_number(bytes: &mut Vec<u8>, number: f64) {
    let is_whole = number.fract() == 0.0 && number.is_sign_positive() && number < WHOLE;
    if is_whole {
        put_whole(bytes, (number as u64) << 1 | 1);
    } else {
        bytes.push(0);
        bytes.extend(number.to_le_bytes());
    }
}

struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> Result<u8, Unreadable> {
        let (first, rest) = self.0.split_first().ok_or(Unreadable)?;
        self.0 = rest;
        Ok(*first)
    }

    fn whole(&mut self) -> Result<u64, Unreadable> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Unreadable)
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "what is written so has an exact one"
    )]
    fn number(&mut self) -> Result<f64, Unreadable> {
        let whole = self.whole()?;
        if whole & 1 == 1 {
            return Ok((whole >> 1) as f64);
        }
        let (bytes, rest) = self.0.split_first_chunk().ok_or(Unreadable)?;
        self.0 = rest;
        Ok(f64::from_le_bytes(*bytes))
    }

    fn part(&mut self) -> Result<Part, Unreadable> {
        Ok(match self.byte()? {
            PART_WHOLE => Part::Whole,
            PART_LEADS => Part::Node {
                index: self.byte()?,
                leads: true,
            },
            PART_FOLLOWS => Part::Node {
                index: self.byte()?,
                leads: false,
            },
            PART_ENCRYPTED => Part::Connections { encrypted: true },
            PART_PLAIN => Part::Connections { encrypted: false },
            other => {
                let place = other.checked_sub(PART_ERROR).ok_or(Unreadable)?;
                let kind = ErrorKind::ALL.get(usize::from(place));
                Part::Error(*kind.ok_or(Unreadable)?)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn figures() -> impl Strategy<Value = Figures> {
        let part = prop_oneof![
            Just(Part::Whole),
            (any::<u8>(), any::<bool>()).prop_map(|(index, leads)| Part::Node { index, leads }),
            any::<bool>().prop_map(|encrypted| Part::Connections { encrypted }),
            prop::sample::select(ErrorKind::ALL.to_vec()).prop_map(Part::Error),
        ];
        let number = prop_oneof![
            Just(0.0),
            (0_u32..u32::MAX).prop_map(f64::from),
            -1e12..1e12_f64,
            Just(1e300),
            Just(WHOLE),
        ];
        let figure = prop::sample::select(Figure::ALL);
        let samples = prop::collection::vec((figure, 0_u16..30, part, number), 0..80);
        samples.prop_map(|samples| {
            let mut figures = Figures::default();
            for (figure, shard, part, value) in samples {
                let series = Series {
                    figure,
                    shard,
                    part,
                };
                figures.add(series, Cell::one(value));
            }
            figures
        })
    }

    proptest! {
        #[test]
        fn figures_are_read_as_they_are_written(figures in figures()) {
            prop_assert_eq!(unpack(&pack(&figures)), Ok(figures));
        }

        #[test]
        fn anything_else_is_refused_or_read_and_never_worse(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _read = unpack(&bytes);
        }
    }

    #[test]
    fn an_idle_node_costs_few_bytes() {
        let mut figures = Figures::default();
        let part = Part::Node {
            index: 0,
            leads: true,
        };
        for figure in Figure::ALL {
            let series = Series {
                figure: *figure,
                shard: 0,
                part,
            };
            for _ in 0..4 {
                figures.add(series, Cell::whole(0));
            }
        }
        let bytes = pack(&figures).len();
        assert!(bytes <= Figure::ALL.len() * 8, "{bytes}");
    }
}
