//! What a former geo-primary keeps of the writes that the other side of a forced failover never
//! got: the commands, the names of their keys, and a receipt (`docs/format/lost-writes.md`).
//!
//! In: a shard's journal, the position where the other side took over, and where this side's engine
//! stood. Out: three files in the cache's `lost` directory, which are whole or not there, and
//! bodies for whoever asks for them. Memory is bounded whatever the journal holds.

mod boundary;
mod database;
mod hand_out;
mod kept_commands;
mod key_list;
mod key_sorter;
mod receipt_file;
mod save;
mod saving;
mod store;

pub(crate) use hand_out::Errands;
pub(crate) use save::{End, Outcome, SaveError, Suffix};
pub(crate) use saving::Saving;
pub(crate) use store::{LostWrites, Stores};

#[cfg(test)]
mod tests;
