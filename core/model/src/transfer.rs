//! Transfers: a cache's data set goes out to where its owner keeps snapshots, comes in from there,
//! or is emptied. What is asked for, and what its agent says of it.

mod place;
mod sas;

pub use place::{BlobPlace, NotAPlace, Place};
pub use sas::{SasRefused, SasUse};

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{OperationId, Secret};

/// The most snapshots that one import takes.
pub const MOST_IMPORT_FILES: usize = 64;
/// The most characters of an export's prefix.
const LONGEST_PREFIX: usize = 200;

/// What a cache is asked to do with its data set, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferOrder {
    /// The operation that waits for it: an order with another one is another order.
    pub id: OperationId,
    /// What is asked for.
    pub work: TransferWork,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransferWork {
    /// Write one snapshot for each shard.
    Export {
        /// Where to ([`Place`]); with whatever opens it.
        to: Secret,
        /// What the files' names begin with.
        prefix: ExportPrefix,
    },
    /// Take the place of the data set by what these snapshots hold.
    Import {
        /// Where from ([`Place`]), each with whatever opens it.
        from: Vec<Secret>,
    },
    /// Remove every key.
    Flush,
}

/// Which of them, without its particulars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransferKind {
    /// [`TransferWork::Export`].
    Export,
    /// [`TransferWork::Import`].
    Import,
    /// [`TransferWork::Flush`].
    Flush,
}

impl TransferWork {
    /// Which it is.
    #[must_use]
    pub fn kind(&self) -> TransferKind {
        match self {
            Self::Export { .. } => TransferKind::Export,
            Self::Import { .. } => TransferKind::Import,
            Self::Flush => TransferKind::Flush,
        }
    }
}

impl TransferKind {
    /// Tells whether it puts other data in the place of the cache's.
    #[must_use]
    pub fn changes_data(self) -> bool {
        match self {
            Self::Export => false,
            Self::Import | Self::Flush => true,
        }
    }

    /// What is done, with the cache behind it.
    #[must_use]
    pub fn verb(self) -> &'static str {
        match self {
            Self::Export => "export",
            Self::Import => "import into",
            Self::Flush => "flush",
        }
    }

    /// As one of several.
    #[must_use]
    pub fn with_article(self) -> &'static str {
        match self {
            Self::Export => "an export",
            Self::Import => "an import",
            Self::Flush => "a flush",
        }
    }
}

impl fmt::Display for TransferKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Export => "export",
            Self::Import => "import",
            Self::Flush => "flush",
        })
    }
}

/// What the names of an export's files begin with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ExportPrefix(String);

/// A text that no file's name begins with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no prefix of a file's name: use up to {LONGEST_PREFIX} letters, digits, `-`, `_` and `.`, and begin with a letter or digit"
)]
pub struct NotAPrefix(String);

impl TryFrom<String> for ExportPrefix {
    type Error = NotAPrefix;

    fn try_from(text: String) -> Result<Self, NotAPrefix> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        if begins && text.len() <= LONGEST_PREFIX && text.chars().all(plain) {
            return Ok(Self(text));
        }
        let shown: String = text.chars().take(80).collect();
        Err(NotAPrefix(shown.escape_debug().to_string()))
    }
}

impl From<ExportPrefix> for String {
    fn from(prefix: ExportPrefix) -> Self {
        prefix.0
    }
}

impl ExportPrefix {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The file of a shard: numbered where the cache is clustered.
    #[must_use]
    pub fn file(&self, shard: u16, shards: u16) -> String {
        match shards {
            0 | 1 => format!("{}.rdb", self.0),
            _ => format!("{}-{shard}.rdb", self.0),
        }
    }
}

/// How far an agent is with a transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferObserved {
    /// The order's.
    pub id: OperationId,
    /// What is being done.
    pub phase: TransferPhase,
    /// Bytes that are done in this phase.
    pub done: u64,
    /// Bytes of this phase, when that is known.
    pub total: Option<u64>,
    /// How it ended.
    pub outcome: Option<TransferOutcome>,
}

/// What is being done for a transfer, or waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum TransferPhase {
    /// Waits until the cache's engines can take part.
    #[default]
    Waiting,
    /// Export: an engine writes a snapshot.
    Snapshot,
    /// Export: the snapshot goes to where it is kept.
    Upload,
    /// Import: the files come, and are checked as they do.
    Fetch,
    /// Import: an engine puts several files together, or leaves out what cannot stay.
    Merge,
    /// Import: an engine that nobody is led to loads them.
    Load,
    /// Import: that engine takes the leader's place, and the others follow it.
    Replicate,
    /// Flush.
    Flush,
}

/// How a transfer ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransferOutcome {
    /// It is done.
    Done(TransferFigures),
    /// It is not, and nothing has changed.
    Failed {
        /// Why, in a sentence.
        why: String,
    },
}

/// What a transfer that is done came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferFigures {
    /// Bytes of snapshots that were written or loaded.
    pub bytes: u64,
    /// Keys that the cache holds by an import.
    #[serde(default)]
    pub keys: Option<u64>,
    /// Export: the files that were written, without what opens them.
    #[serde(default)]
    pub files: Vec<String>,
    /// What somebody has to know of it, in sentences.
    #[serde(default)]
    pub notes: Vec<String>,
}

impl TransferPhase {
    /// Its name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "Waiting",
            Self::Snapshot => "TakingSnapshot",
            Self::Upload => "Uploading",
            Self::Fetch => "Fetching",
            Self::Merge => "Merging",
            Self::Load => "Loading",
            Self::Replicate => "Replicating",
            Self::Flush => "Flushing",
        }
    }

    /// What is waited for, to be said to people of a cache.
    #[must_use]
    pub fn waits_for(self, cache: &str) -> String {
        match self {
            Self::Waiting => format!("the engines of `{cache}` to be ready"),
            Self::Snapshot => format!("the snapshot of `{cache}`"),
            Self::Upload => "the upload of the snapshot".to_owned(),
            Self::Fetch => "the files to arrive".to_owned(),
            Self::Merge => "the files to be put together".to_owned(),
            Self::Load => "an engine to load the files".to_owned(),
            Self::Replicate => format!("the replicas of `{cache}` to have the new data"),
            Self::Flush => format!("the engines of `{cache}` to be empty"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Result<ExportPrefix, NotAPrefix> {
        text.to_owned().try_into()
    }

    #[test]
    fn a_prefix_never_leads_anywhere_else() {
        for bad in [
            "", ".", "..", ".hidden", "a/b", "a\\b", "a b", "-a", "é", "a\0", "a%2fb",
        ] {
            assert!(prefix(bad).is_err(), "{bad}");
        }
        assert!(prefix(&"a".repeat(201)).is_err());
        assert!(prefix("Nightly_2026-12-01.a").is_ok());
    }

    #[test]
    fn shards_are_numbered_where_there_are_several() {
        let prefix = prefix("backup").unwrap();
        assert_eq!(prefix.file(0, 1), "backup.rdb");
        assert_eq!(prefix.file(2, 3), "backup-2.rdb");
    }

    #[test]
    fn orders_do_not_show_what_opens_their_places() {
        let order = TransferWork::Import {
            from: vec![Secret::new("https://a/b?sig=hunter2")],
        };
        assert!(!format!("{order:?}").contains("hunter2"));
    }
}
