//! The names on the disk: the last generation that was taken, to answer from after a restart.
//!
//! `docs/format/dns.md` shows the bytes.

use std::path::{Path, PathBuf};

use model::PublishedNames;
use runtime::durable::{FileError, read_if_there, write_durable};
use sha2::{Digest as _, Sha256};

/// The file's name in the data directory.
const FILE: &str = "names";
/// The first line begins with this.
const KIND: &str = "godwit-names";
/// The version that is written, and the highest that is read.
const VERSION: u32 = 1;

/// Why what is on the disk is not answered from.
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
pub(crate) enum Loaded {
    /// Nothing yet.
    Nothing,
    /// Something that is not what was written.
    Damaged,
    /// The last names that were kept.
    Names(PublishedNames),
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
    pub(crate) fn load(&self) -> Result<Loaded, LoadError> {
        let Some(bytes) = read_if_there(&self.path)? else {
            return Ok(Loaded::Nothing);
        };
        match read(&bytes) {
            Read::Names(names) => Ok(Loaded::Names(names)),
            Read::Damaged => Ok(Loaded::Damaged),
            Read::Newer(version) => Err(LoadError::Newer {
                path: self.path.clone(),
                version,
            }),
        }
    }

    /// Keeps names, in the place of those before.
    pub(crate) fn keep(&self, names: &PublishedNames) -> Result<(), FileError> {
        write_durable(&self.path, &write(names))
    }
}

enum Read {
    Names(PublishedNames),
    Damaged,
    Newer(u32),
}

fn write(names: &PublishedNames) -> Vec<u8> {
    // Names are made of strings and numbers, which JSON always holds.
    let body = serde_json::to_vec(names).unwrap_or_default();
    let mut file = format!("{KIND} {VERSION} {}\n", digest(&body)).into_bytes();
    file.extend(body);
    file
}

fn read(file: &[u8]) -> Read {
    let Some(end) = file.iter().position(|byte| *byte == b'\n') else {
        return Read::Damaged;
    };
    let (head, body) = file.split_at(end);
    let body = body.get(1..).unwrap_or_default();
    let head = std::str::from_utf8(head).unwrap_or_default();
    let words: Vec<&str> = head.split(' ').collect();
    let [KIND, version, told @ ..] = words.as_slice() else {
        return Read::Damaged;
    };
    match (version.parse::<u32>(), told) {
        (Ok(version), _) if version > VERSION => Read::Newer(version),
        (Ok(VERSION), [told]) if *told == digest(body) => {
            serde_json::from_slice(body).map_or(Read::Damaged, Read::Names)
        }
        (Ok(_) | Err(_), _) => Read::Damaged,
    }
}

fn digest(body: &[u8]) -> String {
    use std::fmt::Write as _;

    let mut text = String::new();
    for byte in Sha256::digest(body) {
        // A string takes what is written to it.
        let _written = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests;
