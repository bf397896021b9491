//! Removing a journal whole.

use std::sync::Arc;

use super::{Journal, segments::remove_if_there};
use crate::{
    Disk, Failure,
    failure::Attempted as _,
    file_name::{DIRECTORY, FileName},
};

/// Files could not be removed. Those that are left are perhaps no journal; discard it again.
#[derive(Debug, thiserror::Error)]
#[error("discard the journal")]
pub struct DiscardError(#[from] Arc<Failure>);

impl<D: Disk> Journal<D> {
    /// Removes every file of a journal, whatever state it is in. Nobody may have it open.
    pub fn discard(disk: &D) -> Result<(), DiscardError> {
        discard(disk).map_err(Arc::new)?;
        Ok(())
    }
}

fn discard<D: Disk>(disk: &D) -> Result<(), Failure> {
    for name in disk.list().attempted("list", DIRECTORY)? {
        if FileName::parse(&name).is_some() {
            remove_if_there(disk, &name)?;
        }
    }
    disk.sync_directory().attempted("sync", DIRECTORY)?;
    Ok(())
}
