//! `operation/<id>`: a long-running operation: what it waits for, and how it ended.

use model::{
    CacheId, CacheUid, Epoch, GroupName, LinkId, OperationId, Region, SubscriptionId, Timestamp,
    TransferFigures,
};
use serde::{Deserialize, Serialize};

use super::FailoverRecord;
use crate::activity::Origin;
use crate::store::{Key, Record, State, Table};

/// A long-running operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct OperationRecord {
    /// A GUID.
    pub(crate) id: OperationId,
    /// The subscription that it belongs to.
    pub(crate) subscription: SubscriptionId,
    /// The region that its URL names.
    pub(crate) region: Region,
    /// What it waits for.
    pub(crate) work: Work,
    /// When it began.
    pub(crate) started: Timestamp,
    /// How far it is.
    pub(crate) outcome: Outcome,
    /// How a failover goes, or went.
    #[serde(default)]
    pub(crate) failover: Option<FailoverRecord>,
    /// The request that began it. Written by the commit that begins it: whoever makes the record
    /// leaves it out.
    #[serde(default)]
    pub(crate) origin: Option<Origin>,
}

/// What an operation waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Work {
    /// A cache comes up.
    CreateCache { cache: CacheId, uid: CacheUid },
    /// A change reaches a cache's engines.
    UpdateCache { cache: CacheId, uid: CacheUid },
    /// A change of who may come in reaches a cache's engines.
    ChangeAccess {
        cache: CacheId,
        uid: CacheUid,
        /// The cache's revision that has it.
        revision: u64,
    },
    /// A cache goes.
    DeleteCache { cache: CacheId, uid: CacheUid },
    /// A group goes with all that is in it.
    DeleteGroup { group: GroupName },
    /// A link comes up.
    CreateLink { link: LinkId, epoch: Epoch },
    /// A link's roles are swapped and the link is up again.
    FailOver {
        link: LinkId,
        /// The cache that is to be geo-primary.
        to: CacheUid,
        /// The epoch before it.
        from_epoch: Epoch,
        /// The handoff; `None` when the geo-primary had nothing left to hand over.
        attempt: Option<u64>,
        /// Nothing was asked of the geo-primary: it is over once the other one takes writes.
        #[serde(default)]
        forced: bool,
    },
    /// A link goes.
    Unlink { link: LinkId },
    /// A cache's data set is written where its owner keeps snapshots.
    Export {
        cache: CacheId,
        uid: CacheUid,
        /// What it came to, once it is done.
        #[serde(default)]
        figures: Option<TransferFigures>,
    },
    /// A data set from there takes the place of a cache's.
    Import {
        cache: CacheId,
        uid: CacheUid,
        /// What it came to, once it is done.
        #[serde(default)]
        figures: Option<TransferFigures>,
    },
    /// A cache is emptied.
    Flush { cache: CacheId, uid: CacheUid },
}

/// How far an operation is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// Not ended.
    InProgress,
    /// What it waited for is so.
    Succeeded { ended: Timestamp },
    /// What it waited for will not be so.
    Failed {
        ended: Timestamp,
        /// An error code of the API.
        code: String,
        /// Why, in a sentence.
        message: String,
    },
}

impl OperationRecord {
    /// The same operation, ended well.
    pub(crate) fn succeeded(&self, ended: Timestamp) -> Self {
        self.with(Outcome::Succeeded { ended })
    }

    /// The same operation, ended badly.
    pub(crate) fn failed(&self, ended: Timestamp, message: impl Into<String>) -> Self {
        self.with(Outcome::Failed {
            ended,
            code: "OperationFailed".to_owned(),
            message: message.into(),
        })
    }

    fn with(&self, outcome: Outcome) -> Self {
        Self {
            outcome,
            ..self.clone()
        }
    }

    /// Tells whether it still runs.
    pub(crate) fn is_running(&self) -> bool {
        self.outcome == Outcome::InProgress
    }
}

impl Work {
    /// What a transfer came to, once it is done.
    pub(crate) fn figures(&self) -> Option<&TransferFigures> {
        match self {
            Self::Export { figures, .. } | Self::Import { figures, .. } => figures.as_ref(),
            Self::CreateCache { .. }
            | Self::UpdateCache { .. }
            | Self::ChangeAccess { .. }
            | Self::DeleteCache { .. }
            | Self::DeleteGroup { .. }
            | Self::CreateLink { .. }
            | Self::FailOver { .. }
            | Self::Unlink { .. }
            | Self::Flush { .. } => None,
        }
    }

    /// The same of a transfer that came to this; of anything else, the same.
    pub(crate) fn with_figures(&self, came_to: &TransferFigures) -> Self {
        let mut work = self.clone();
        if let Self::Export { figures, .. } | Self::Import { figures, .. } = &mut work {
            *figures = Some(came_to.clone());
        }
        work
    }

    /// Tells whether it is about that link.
    pub(crate) fn concerns(&self, id: &LinkId) -> bool {
        match self {
            Self::CreateLink { link, .. } | Self::FailOver { link, .. } | Self::Unlink { link } => {
                link == id
            }
            Self::CreateCache { .. }
            | Self::UpdateCache { .. }
            | Self::ChangeAccess { .. }
            | Self::DeleteCache { .. }
            | Self::DeleteGroup { .. }
            | Self::Export { .. }
            | Self::Import { .. }
            | Self::Flush { .. } => false,
        }
    }
}

/// The key of an operation.
pub(crate) fn key(id: &OperationId) -> Key {
    Key::new(OperationRecord::PREFIX, id.as_str())
}

impl Record for OperationRecord {
    const PREFIX: &'static str = "operation/";

    fn key(&self) -> Key {
        key(&self.id)
    }

    fn table_mut(state: &mut State) -> &mut Table<Self> {
        &mut state.operations
    }
}

impl State {
    /// The operation that still runs and passes `test`; the latest, when there are several.
    pub(crate) fn running(&self, test: impl Fn(&Work) -> bool) -> Option<&OperationRecord> {
        let operations = self.operations.iter().map(|op| &**op);
        operations
            .filter(|op| op.is_running() && test(&op.work))
            .max_by_key(|op| op.started)
    }
}
