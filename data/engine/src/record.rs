//! `node.json`: which process runs in a node's directory, for an agent that starts anew.

use std::{net::SocketAddr, path::Path};

use model::EngineVersion;
use runtime::durable::{self, FileError};
use serde::{Deserialize, Serialize};

const NAME: &str = "node.json";

/// The file's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    /// The process.
    pub(crate) pid: u32,
    /// When it started: with `pid` it names one process of this boot.
    pub(crate) start_ticks: u64,
    /// Where it listens for clients.
    pub(crate) address: SocketAddr,
    /// What it runs.
    pub(crate) version: EngineVersion,
    /// What it calls that build of itself.
    #[serde(default)]
    pub(crate) build: String,
}

impl Record {
    pub(crate) fn write(&self, directory: &Path) -> Result<(), FileError> {
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        durable::write_durable(&directory.join(NAME), &bytes)
    }

    /// `None`: there is none, or it cannot be read, which comes to the same: the process, if there
    /// is one, is found by its working directory.
    pub(crate) fn read(directory: &Path) -> Result<Option<Self>, FileError> {
        let Some(bytes) = durable::read_if_there(&directory.join(NAME))? else {
            return Ok(None);
        };
        let read = serde_json::from_slice(&bytes);
        if let Err(error) = &read {
            tracing::warn!(%error, directory = %directory.display(), "node.json cannot be read");
        }
        Ok(read.ok())
    }

    pub(crate) fn remove(directory: &Path) -> Result<(), FileError> {
        durable::remove_if_there(&directory.join(NAME))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Record::read(dir.path()).unwrap(), None);
        let record = Record {
            pid: 7,
            start_ticks: 123,
            address: "127.0.0.1:7001".parse().unwrap(),
            version: "Redis server v=7.0.15".parse().unwrap(),
            build: "abc".to_owned(),
        };
        record.write(dir.path()).unwrap();
        assert_eq!(Record::read(dir.path()).unwrap(), Some(record));
        Record::remove(dir.path()).unwrap();
        assert_eq!(Record::read(dir.path()).unwrap(), None);
    }

    #[test]
    fn a_torn_record_is_no_record() {
        let dir = tempfile::tempdir().unwrap();
        durable::write_durable(&dir.path().join(NAME), b"{\"pid\": 7").unwrap();
        assert_eq!(Record::read(dir.path()).unwrap(), None);
    }
}
