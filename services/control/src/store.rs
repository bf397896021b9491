//! The versioned key-value store that holds everything a control plane must not forget.
//!
//! A write is a [`Change`]: comparisons of versions and writes that happen together or not at all.
//! Readers take a [`State`], an immutable picture of every record at one revision, and build their
//! change against it; whoever read an older picture gets [`CommitError::Conflict`] and reads again.
//! A change can carry what the activity log is to tell of it; that waits in the outbox, in the same
//! database, until it is taken. SQLite keeps the rows; the store behind the same four verbs (get, list, commit, watch) could as
//! well be etcd with a local copy that its watch feeds.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use model::StoreId;
use parking_lot::Mutex;
use runtime::{
    blocking,
    crash::{Points, When},
    dice::Dice,
    durable::DirectoryLock,
};
use tokio::sync::watch;

mod change;
mod database;
mod errors;
mod points;
mod state;
mod table;

pub(crate) use change::{Change, Key};
use database::Database;
pub use errors::OpenError;
pub(crate) use errors::{CommitError, OutboxError};
pub(crate) use state::{DecodeError, Record, State};
pub(crate) use table::{Difference, Table, Versioned};

/// The file that marks a data directory as in use.
const LOCK: &str = "control.lock";
/// The database's file.
const FILE: &str = "control.db";

/// A handle to the store; clones are the same store.
#[derive(Clone)]
pub(crate) struct Store {
    id: StoreId,
    inner: Arc<Inner>,
}

struct Inner {
    /// `None` once the store is closed.
    open: Mutex<Option<Open>>,
    state: watch::Sender<Arc<State>>,
    /// Counts commits that put something into the outbox.
    told: watch::Sender<u64>,
    /// Rows of the outbox that were taken, and that the next commit lets go: a commit of their own
    /// would cost a write to the disk while requests wait for theirs.
    taken: Mutex<BTreeSet<i64>>,
    crash: Points,
}

struct Open {
    database: Database,
    // Dropped after the database, so that nobody opens it while it closes.
    _lock: DirectoryLock,
}

impl Store {
    /// Opens the store in `directory`, making both when they are not there.
    #[cfg(test)]
    pub(crate) async fn open(directory: &Path, dice: &Dice) -> Result<Self, OpenError> {
        Self::open_watched(directory, dice, Points::none()).await
    }

    /// As [`Store::open`], with points where a test can have the process die.
    pub(crate) async fn open_watched(
        directory: &Path,
        dice: &Dice,
        crash: Points,
    ) -> Result<Self, OpenError> {
        let directory = directory.to_owned();
        let new_id = StoreId::new(dice.guid());
        blocking::run(move || Self::open_blocking(&directory, &new_id, crash))
            .await
            .map_err(|_stopped| OpenError::Stopped)?
    }

    fn open_blocking(directory: &Path, new_id: &StoreId, crash: Points) -> Result<Self, OpenError> {
        use runtime::durable::{lock_directory, make_directory};

        let unusable = |source| OpenError::Directory {
            path: directory.to_owned(),
            source,
        };
        make_directory(directory).map_err(unusable)?;
        let Some(lock) = lock_directory(directory, LOCK).map_err(unusable)? else {
            return Err(OpenError::InUse {
                path: directory.to_owned(),
            });
        };
        let mut database = Database::open(&directory.join(FILE), new_id)?;
        let (id, state) = database.load()?;
        let inner = Inner {
            open: Mutex::new(Some(Open {
                database,
                _lock: lock,
            })),
            state: watch::Sender::new(Arc::new(state)),
            told: watch::Sender::new(0),
            taken: Mutex::default(),
            crash,
        };
        Ok(Self {
            id,
            inner: Arc::new(inner),
        })
    }

    /// The store's identity, made with it.
    pub(crate) fn id(&self) -> &StoreId {
        &self.id
    }

    /// Every record, as of the latest commit.
    pub(crate) fn state(&self) -> Arc<State> {
        Arc::clone(&self.inner.state.borrow())
    }

    /// Follows the state: wakes after every commit, showing the latest.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<State>> {
        self.inner.state.subscribe()
    }

    /// Applies `change` if all that it expects is so, durably; gives the new revision. The change
    /// goes through or not as a whole, also when the caller stops waiting.
    pub(crate) async fn commit(&self, change: Change) -> Result<u64, CommitError> {
        let inner = Arc::clone(&self.inner);
        blocking::run(move || inner.commit(&change))
            .await
            .map_err(|_stopped| CommitError::Stopped)?
    }

    /// Wakes when something was put into the outbox.
    pub(crate) fn told(&self) -> watch::Receiver<u64> {
        self.inner.told.subscribe()
    }

    /// What waits in the outbox, oldest first, each with the number to take it by.
    pub(crate) async fn outbox(&self) -> Result<Vec<(i64, String)>, OutboxError> {
        let inner = Arc::clone(&self.inner);
        let read = blocking::run(move || {
            let open = inner.open.lock();
            let open = open.as_ref().ok_or(OutboxError::Stopped)?;
            open.database.outbox()
        });
        let mut rows = read.await.map_err(|_stopped| OutboxError::Stopped)??;
        let taken = self.inner.taken.lock();
        rows.retain(|(number, _)| !taken.contains(number));
        Ok(rows)
    }

    /// Takes rows from the outbox: they are kept elsewhere, durably.
    pub(crate) fn take(&self, numbers: impl IntoIterator<Item = i64>) {
        self.inner.taken.lock().extend(numbers);
    }

    /// Waits for the commits that are under way, then lets the directory go. Whoever still has a
    /// handle can read and not write.
    pub(crate) async fn close(&self) {
        let inner = Arc::clone(&self.inner);
        let closed = blocking::run(move || drop(inner.open.lock().take())).await;
        if closed.is_err() {
            tracing::debug!("The runtime is ending; the store closes with it");
        }
    }
}

impl Inner {
    fn commit(&self, change: &Change) -> Result<u64, CommitError> {
        let mut open = self.open.lock();
        let open = open.as_mut().ok_or(CommitError::Stopped)?;
        let point = self
            .crash
            .are_watched()
            .then(|| self.phase(change))
            .flatten();
        let pass = |when| {
            if let Some(point) = point {
                self.crash.pass(point, when);
            }
        };
        pass(When::Before);
        let taken = self.taken.lock().clone();
        let revision = open.database.commit(change, &taken)?;
        pass(When::After);
        self.taken.lock().retain(|number| !taken.contains(number));
        let mut next = State::clone(&self.state.borrow());
        next.advance(change, revision);
        self.state.send_replace(Arc::new(next));
        if !change.told.is_empty() {
            self.told.send_modify(|count| *count += 1);
        }
        Ok(revision)
    }

    /// The phase that a link comes to by the change, if it is another one than before.
    fn phase(&self, change: &Change) -> Option<&'static str> {
        let state = Arc::clone(&self.state.borrow());
        change.links().find_map(|(key, next)| {
            let before = state.links.get(key).map(|link| points::name(&link.phase));
            let after = next
                .as_ref()
                .map_or(points::REMOVED, |link| points::name(&link.phase));
            (before != Some(after)).then_some(after)
        })
    }
}

#[cfg(test)]
mod tests;
