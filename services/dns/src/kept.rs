//! The names on the disk: the last generation that was taken, to answer from after a restart.

use std::path::{Path, PathBuf};

use model::PublishedNames;
use runtime::durable::{FileError, read_if_there, write_durable};

use crate::sealed::{Opened, VERSION, open, seal};

/// The file's name in the data directory.
const FILE: &str = "names";
/// What the file says that it is.
const KIND: &str = "godwit-names";

/// Why what is on the disk cannot be gone on with.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A newer godwit wrote it.
    #[error(
        "{} is of version {version}, and this godwit reads {VERSION}; use the godwit that wrote it, or remove the file",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
}

/// What is on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Loaded<T> {
    /// Nothing yet.
    Nothing,
    /// Something that is not what was written.
    Damaged,
    /// What was kept last.
    Whole(T),
}

/// The file.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    path: PathBuf,
}

impl Kept {
    pub(crate) fn within(directory: &Path) -> Self {
        Self {
            path: directory.join(FILE),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads what was kept last.
    pub(crate) fn load(&self) -> Result<Loaded<PublishedNames>, LoadError> {
        load(&self.path, KIND)
    }

    /// Keeps names, in the place of those before.
    pub(crate) fn keep(&self, names: &PublishedNames) -> Result<(), FileError> {
        write_durable(&self.path, &bytes(names))
    }
}

fn bytes(names: &PublishedNames) -> Vec<u8> {
    // Names are made of strings and numbers, which JSON always holds.
    seal(KIND, &serde_json::to_vec(names).unwrap_or_default())
}

/// Reads a sealed file of JSON.
pub(crate) fn load<T: serde::de::DeserializeOwned>(
    path: &Path,
    kind: &str,
) -> Result<Loaded<T>, LoadError> {
    let Some(file) = read_if_there(path)? else {
        return Ok(Loaded::Nothing);
    };
    match open(kind, &file) {
        Opened::Whole(content) => {
            Ok(serde_json::from_slice(content).map_or(Loaded::Damaged, Loaded::Whole))
        }
        Opened::Damaged => Ok(Loaded::Damaged),
        Opened::Newer(version) => Err(LoadError::Newer {
            path: path.to_owned(),
            version,
        }),
    }
}

#[cfg(test)]
mod tests;
