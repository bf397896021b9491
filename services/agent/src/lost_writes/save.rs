//! Saves what is behind a fork: surveys what the journal has of it, copies the commands, lists the
//! keys, writes the receipt.

mod copy;
mod survey;

use std::io;

use model::{CacheName, DatabaseLoss, Epoch, EventKind, LinkId, Receipt, ShardIndex, receipt_name};
use psync::{Offset, Position};
use relay::{KeptError, KeptStream};
use runtime::{
    clock::Clock,
    durable::{FileError, Pending},
};

use super::{
    LostWrites, database, key_list,
    receipt_file::{self, Content},
    saving::Watch,
};
use copy::{Copied, Copying};
use survey::{Range, Survey, survey};

/// Bytes of keys that are written at once.
const BATCH: usize = 1 << 20;

/// What there is to save.
#[derive(Debug, Clone)]
pub(crate) struct Suffix {
    /// The cache that took the writes.
    pub(crate) cache: CacheName,
    pub(crate) link: LinkId,
    /// The epoch at which the other side took over.
    pub(crate) epoch: Epoch,
    pub(crate) shard: ShardIndex,
    /// Where it took over.
    pub(crate) fork: Position,
    /// Where this side ended.
    pub(crate) end: End,
    /// The databases in which the engine has keys, for when the stream does not say which was
    /// selected at the fork; empty: not known.
    pub(crate) databases: Vec<u32>,
    /// A person accepts that what is missing stays so.
    pub(crate) accept_missing: bool,
}

/// Where the writes end that this side took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Here: the engine said so after it took no more.
    Known(Position),
    /// The engine is gone; the journal's end is all that is known.
    OfJournal,
}

/// What saving came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The other side has everything. There are no files.
    Nothing,
    /// The files are there, durably.
    Saved(Box<Receipt>),
    /// Some of it cannot be had. There are no files.
    Unsaved {
        /// Which bytes, and why.
        why: String,
    },
}

/// Saving failed; it may work when it is tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SaveError {
    /// It was stopped.
    #[error("saving lost writes was stopped")]
    Stopped,
    /// The files cannot be written.
    #[error("save lost writes; make room on the disk if it is full")]
    File(#[from] FileError),
    /// The keys cannot be sorted.
    #[error("sort the keys of lost writes; make room on the disk if it is full")]
    Sort(#[from] io::Error),
    /// The journal cannot be read now.
    #[error("read what lost writes are made of")]
    Read(#[from] KeptError),
}

impl Outcome {
    /// As people are told it.
    pub(crate) fn told(&self) -> (EventKind, String) {
        match self {
            Self::Nothing => (
                EventKind::NothingLost,
                "the other side has everything that this side took".to_owned(),
            ),
            Self::Saved(receipt) => {
                let mut text = format!(
                    "{} that the other side does not have: saved as {}",
                    receipt.amount(),
                    receipt.name()
                );
                if let Some(missing) = &receipt.missing {
                    text = format!("{text}; {missing}");
                }
                (EventKind::LostWritesSaved, text)
            }
            Self::Unsaved { why } => (EventKind::LostWritesUnsaved, why.clone()),
        }
    }
}

impl Suffix {
    fn name(&self) -> String {
        receipt_name(&self.cache, self.epoch, self.shard)
    }

    /// Tells whether a receipt is of this suffix.
    fn has(&self, receipt: &Receipt) -> bool {
        let same = receipt.from == self.fork && receipt.link == self.link;
        let end = match self.end {
            End::Known(end) => receipt.end_is_known && receipt.to.offset >= end.offset,
            End::OfJournal => true,
        };
        same && end
    }
}

/// Does it all, and blocks meanwhile.
pub(super) fn save(
    store: &LostWrites,
    mut stream: KeptStream,
    suffix: &Suffix,
    watch: &Watch,
) -> Result<Outcome, SaveError> {
    let name = suffix.name();
    let before = store.receipt(&name);
    if let Some(receipt) = before.filter(|receipt| suffix.has(receipt)) {
        return Ok(Outcome::Saved(Box::new(receipt)));
    }
    let range = match survey(&mut stream, suffix)? {
        Survey::Nothing => return Ok(Outcome::Nothing),
        Survey::Range(range) => range,
    };
    if let Some(why) = range.missing.clone().filter(|_| !suffix.accept_missing) {
        return Ok(Outcome::Unsaved { why });
    }
    watch.tell(0, range.to.offset.since(range.start));
    let selected = select(&mut stream, suffix, &range, watch)?;
    store.prepare()?;
    let path = receipt_file::path(store.directory(), &name, Content::Commands);
    let copying = Copying::begin(&path, store.directory(), selected)?;
    let copied = copying.copy(&mut stream, &range, watch, suffix.accept_missing)?;
    let missing = join(range.missing.clone(), copied.missing.clone());
    match missing {
        Some(why) if !suffix.accept_missing => return Ok(Outcome::Unsaved { why }),
        None if copied.commands == 0 => return Ok(Outcome::Nothing),
        Some(_) | None => {}
    }
    // An older one with this name is gone before any of its files is.
    store.discard(&name)?;
    let receipt = write(store, suffix, &range, copied, missing)?;
    store.keep(receipt.clone());
    Ok(Outcome::Saved(Box::new(receipt)))
}

/// The database at the fork.
fn select(
    stream: &mut KeptStream,
    suffix: &Suffix,
    range: &Range,
    watch: &Watch,
) -> Result<Option<u32>, SaveError> {
    if !range.begins_at_fork {
        return Ok(None);
    }
    let go_on = || watch.go_on();
    let found = database::selected_at(stream, range.oldest, range.start, &go_on)?;
    let only = match suffix.databases.as_slice() {
        [only] => Some(*only),
        _ => None,
    };
    Ok(found.or(only))
}

fn write(
    store: &LostWrites,
    suffix: &Suffix,
    range: &Range,
    mut copied: Copied,
    missing: Option<String>,
) -> Result<Receipt, SaveError> {
    let name = suffix.name();
    let file_bytes = copied.file.finish()?;
    let path = receipt_file::path(store.directory(), &name, Content::Keys);
    let mut file = Pending::create(&path)?;
    let mut keys = 0;
    let mut keys_bytes = 0;
    let mut batch = Vec::new();
    let databases = &mut copied.databases;
    copied.sorter.finish(|touch| {
        if let resp::Touch::Key { database, .. } = touch {
            databases.entry(*database).or_default().keys += 1;
            keys += 1;
        }
        key_list::write(&mut batch, touch);
        if batch.len() >= BATCH {
            keys_bytes += batch.len() as u64;
            file.write(&batch)?;
            batch.clear();
        }
        Ok::<_, SaveError>(())
    })?;
    keys_bytes += batch.len() as u64;
    file.write(&batch)?;
    file.finish()?;
    let databases = copied.databases.into_iter();
    let receipt = Receipt {
        cache: suffix.cache.clone(),
        link: suffix.link.clone(),
        epoch: suffix.epoch,
        shard: suffix.shard,
        from: suffix.fork,
        to: range.to,
        file_bytes,
        commands: copied.commands,
        transactions: copied.transactions,
        keys,
        databases: databases
            .map(|(database, loss)| DatabaseLoss {
                database,
                commands: loss.commands,
                keys: loss.keys,
            })
            .collect(),
        first: copied.first,
        last: copied.last,
        end_is_known: matches!(suffix.end, End::Known(_)),
        missing,
        saved: Clock.now(),
    };
    receipt_file::write(store.directory(), &receipt, keys_bytes)?;
    Ok(receipt)
}

/// A range of bytes that cannot be had, in a sentence.
fn missing_bytes(from: Offset, to: Option<Offset>, why: &str) -> String {
    match to {
        Some(to) => format!(
            "the {} bytes behind offset {from} up to {to} are missing: {why}",
            to.since(from)
        ),
        None => format!("everything behind offset {from} is missing: {why}"),
    }
}

fn join(one: Option<String>, other: Option<String>) -> Option<String> {
    match (one, other) {
        (Some(one), Some(other)) => Some(format!("{one}; {other}")),
        (one, other) => one.or(other),
    }
}
