//! Disk operations that failed, and what follows: nothing is written over them.

use std::{io, sync::Arc};

/// A disk operation that failed.
#[derive(Debug, thiserror::Error)]
#[error("{attempted} {file}")]
pub struct Failure {
    attempted: &'static str,
    file: String,
    #[source]
    source: io::Error,
}

impl Failure {
    /// Tells whether the disk or a quota is full: it may work again later.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        matches!(
            self.source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        )
    }
}

/// Why a journal or a spool takes nothing any more. Opening it anew is the only way on.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Stopped {
    /// This operation failed.
    #[error("the disk failed, and nothing more is written until it is opened anew")]
    Now(#[source] Arc<Failure>),
    /// An earlier one did.
    #[error("nothing is written since the disk failed; open it anew")]
    Earlier(#[source] Arc<Failure>),
}

impl Stopped {
    /// The failure that stopped it.
    #[must_use]
    pub fn failure(&self) -> &Failure {
        match self {
            Self::Now(failure) | Self::Earlier(failure) => failure,
        }
    }
}

/// Remembers the first failure. A sync that failed has thrown away what it should have written,
/// so that a second one that succeeds means nothing.
#[derive(Debug, Default)]
pub(crate) struct Poison(Option<Arc<Failure>>);

impl Poison {
    pub(crate) fn check(&self) -> Result<(), Stopped> {
        match &self.0 {
            None => Ok(()),
            Some(first) => Err(Stopped::Earlier(Arc::clone(first))),
        }
    }

    /// Runs out of a failure: what it touched is in doubt from here on.
    pub(crate) fn stop(&mut self, failure: Failure) -> Stopped {
        let failure = Arc::new(failure);
        self.0.get_or_insert_with(|| Arc::clone(&failure));
        Stopped::Now(failure)
    }
}

pub(crate) trait Attempted<T> {
    fn attempted(self, what: &'static str, file: &str) -> Result<T, Failure>;
}

impl<T> Attempted<T> for io::Result<T> {
    fn attempted(self, what: &'static str, file: &str) -> Result<T, Failure> {
        self.map_err(|source| Failure {
            attempted: what,
            file: file.to_owned(),
            source,
        })
    }
}
