//! The kinds of clients, and how many there are of each.

use std::{fmt, str::FromStr};

use serde::Serialize;

/// What a client does with its keys, and so what it finds out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// Appends 1, 2, 3… to a list, one at a time: order, doubles and holes show.
    Sequence,
    /// Increments a counter and remembers the value that was acknowledged.
    Counter,
    /// Sets a key to 1, 2, 3…, now and then with an expiry in the far future, and sees what it was.
    Register,
    /// Moves 1 from an account to another and notes it in a journal, in one transaction.
    Transfer,
    /// Appends to a list as [`Kind::Sequence`], [`Kind::depth`] at a time.
    Pipeline,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Sequence,
        Self::Counter,
        Self::Register,
        Self::Transfer,
        Self::Pipeline,
    ];

    /// The word for it, which is in its keys as well.
    pub fn word(self) -> &'static str {
        match self {
            Self::Sequence => "sequence",
            Self::Counter => "counter",
            Self::Register => "register",
            Self::Transfer => "transfer",
            Self::Pipeline => "pipeline",
        }
    }

    /// How many operations are on their way at once.
    pub fn depth(self) -> u64 {
        match self {
            Self::Sequence | Self::Counter | Self::Register | Self::Transfer => 1,
            Self::Pipeline => 50,
        }
    }

    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// Weights of the kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mix([u32; 5]);

impl Mix {
    /// Clients of one kind only.
    pub fn only(kind: Kind) -> Self {
        Self(Kind::ALL.map(|one| u32::from(one == kind)))
    }

    /// The kinds of so many clients. The first of each kind come as early as its weight allows, so
    /// that few clients are of many kinds.
    pub fn kinds(self, clients: usize) -> Vec<Kind> {
        let total: i64 = self.0.iter().copied().map(i64::from).sum();
        let mut credits = [0_i64; 5];
        let next = |_| {
            for (credit, weight) in credits.iter_mut().zip(self.0) {
                *credit += i64::from(weight);
            }
            let richest = credits.iter_mut().zip(Kind::ALL).rev();
            let (credit, kind) = richest.max_by_key(|(credit, _)| **credit)?;
            *credit -= total;
            Some(kind)
        };
        (0..clients).filter_map(next).collect()
    }
}

/// Every kind, sequences twice.
impl Default for Mix {
    fn default() -> Self {
        Self([2, 1, 1, 1, 1])
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = Kind::ALL.iter().zip(self.0);
        let some = named.filter(|(_, weight)| *weight > 0);
        let words: Vec<_> = some
            .map(|(kind, weight)| format!("{kind}={weight}"))
            .collect();
        f.write_str(&words.join(","))
    }
}

/// A text that is no [`Mix`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseMixError {
    /// A kind that there is not.
    #[error(
        "`{word}` is no kind of client; there are sequence, counter, register, transfer and pipeline"
    )]
    Kind {
        /// The word.
        word: String,
    },
    /// Not a number.
    #[error("`{text}` is no weight; write a number up to 1000 behind the `=`")]
    Weight {
        /// The text.
        text: String,
    },
    /// All weights are zero.
    #[error("no kind of client is left; write it as sequence=2,transfer=1")]
    Empty,
}

/// Reads `sequence=2,transfer=1`, or `sequence,transfer`; kinds that are not named have no clients.
impl FromStr for Mix {
    type Err = ParseMixError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut weights = [0; 5];
        for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            let (word, number) = part.split_once('=').unwrap_or((part, "1"));
            let found = Kind::ALL.iter().zip(&mut weights);
            let Some((_, weight)) = found
                .into_iter()
                .find(|(kind, _)| kind.word() == word.trim())
            else {
                let word = word.to_owned();
                return Err(ParseMixError::Kind { word });
            };
            let number = number.trim();
            let read = number.parse().ok().filter(|read| *read <= 1_000);
            *weight = read.ok_or_else(|| ParseMixError::Weight {
                text: number.to_owned(),
            })?;
        }
        if weights == [0; 5] {
            return Err(ParseMixError::Empty);
        }
        Ok(Self(weights))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_clients_are_of_many_kinds() {
        let mut few = Mix::default().kinds(5);
        assert_eq!(few.first(), Some(&Kind::Sequence));
        few.sort();
        few.dedup();
        assert_eq!(few.len(), 5);
        let many = Mix::default().kinds(600);
        let count = |kind| many.iter().filter(|one| **one == kind).count();
        assert_eq!(Kind::ALL.map(count), [200, 100, 100, 100, 100]);
        assert_eq!(Mix::only(Kind::Counter).kinds(3), [Kind::Counter; 3]);
    }

    #[test]
    fn mixes_are_read_as_they_are_written() {
        let mix: Mix = "transfer=3, sequence".parse().unwrap();
        assert_eq!(mix.to_string(), "sequence=1,transfer=3");
        assert_eq!(mix.to_string().parse(), Ok(mix));
        for bad in ["", "sequence=0", "list=1", "counter=-1", "counter=1001"] {
            assert!(bad.parse::<Mix>().is_err(), "{bad}");
        }
    }
}
