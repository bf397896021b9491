//! Why an engine did not start, read from what it left in its files.

use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    net::SocketAddr,
    path::Path,
    process::ExitStatus,
};

use crate::process::{Holder, holder_of};

pub(super) const LOG: &str = "engine.log";
pub(super) const OUTPUT: &str = "engine.out";
/// How much of the end of a file is looked at, and how many lines are shown.
const TAIL_BYTES: u64 = 8 * 1024;
const TAIL_LINES: usize = 6;

/// Why an engine ended as it started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Somebody else listens at its address.
    #[error("{holder} listens at {address}; stop it, or choose another address")]
    AddressTaken {
        /// The address.
        address: SocketAddr,
        /// Who.
        holder: Holder,
    },
    /// The address does not belong to this host, or the port may not be used.
    #[error(
        "it cannot listen at {0}; is it an address of this host, and may this user use the port?"
    )]
    AddressUnusable(SocketAddr),
    /// An option is not known to this engine or has a value that it refuses.
    #[error("it refuses its configuration: {0}")]
    BadConfig(String),
    /// The saved data set cannot be loaded.
    #[error("it cannot load the saved data set: {0}")]
    BadSnapshot(String),
    /// The saved data set has keys in a database that this engine does not have.
    #[error("the data set has keys in more databases than the cache has")]
    MoreDatabases,
    /// No room to write to.
    #[error("the disk is full; free some space")]
    DiskFull,
    /// The file system takes no writes.
    #[error("the file system is read-only")]
    ReadOnly,
    /// The directory or a file in it belongs to somebody else.
    #[error("a file or directory may not be used by this user")]
    NotPermitted,
    /// Memory is used up, or the kernel chose this process to free some.
    #[error("memory is used up; free some, or choose a smaller cache")]
    OutOfMemory,
    /// Something that is not known here.
    #[error("it ended at once, {0}")]
    Unknown(String),
}

/// What an engine wrote before it ended.
pub(super) struct Remains {
    lines: Vec<String>,
}

impl Remains {
    pub(super) fn of(directory: &Path) -> Self {
        let files = [OUTPUT, LOG].map(|name| tail(&directory.join(name)));
        let lines = files.iter().flat_map(|text| text.lines());
        let lines = lines.map(|line| line.trim().chars().take(300).collect::<String>());
        Self {
            lines: lines.filter(|line| !line.is_empty()).collect(),
        }
    }

    /// The last lines, in one.
    pub(super) fn shown(&self) -> String {
        let first = self.lines.len().saturating_sub(TAIL_LINES);
        self.lines.get(first..).unwrap_or_default().join(" | ")
    }

    fn line_with(&self, any: &[&str]) -> Option<&String> {
        self.lines
            .iter()
            .rev()
            .find(|line| any.iter().any(|part| line.contains(part)))
    }

    pub(super) fn failure(&self, address: SocketAddr, status: Option<ExitStatus>) -> Failure {
        if self.line_with(&["Address already in use"]).is_some() {
            return Failure::AddressTaken {
                address,
                holder: holder_of(address),
            };
        }
        if self
            .line_with(&["Failed listening on port", "Cannot assign requested"])
            .is_some()
        {
            return Failure::AddressUnusable(address);
        }
        if let Some(at) = self
            .lines
            .iter()
            .position(|line| line.contains("FATAL CONFIG FILE"))
        {
            let told = self.lines.get(at + 1..).unwrap_or_default();
            return Failure::BadConfig(without_secrets(told));
        }
        if self.line_with(&["No space left on device"]).is_some() {
            return Failure::DiskFull;
        }
        if self.line_with(&["Read-only file system"]).is_some() {
            return Failure::ReadOnly;
        }
        if self.line_with(&["Permission denied"]).is_some() {
            return Failure::NotPermitted;
        }
        if self
            .line_with(&["configured to handle more than"])
            .is_some()
        {
            return Failure::MoreDatabases;
        }
        let bad_snapshot = [
            "Short read or OOM loading DB",
            "Wrong signature trying to load DB",
            "Can't handle RDB format version",
            "Fatal error loading the DB",
            "RDB file checksum",
            "Internal error in RDB",
            "Wrong RDB checksum",
        ];
        if let Some(line) = self.line_with(&bad_snapshot) {
            return Failure::BadSnapshot(line.clone());
        }
        let killed = status.is_some_and(|status| {
            std::os::unix::process::ExitStatusExt::signal(&status) == Some(9)
        });
        if killed
            || self
                .line_with(&["Out Of Memory", "Cannot allocate memory"])
                .is_some()
        {
            return Failure::OutOfMemory;
        }
        Failure::Unknown(status.map_or_else(|| "nobody knows how".to_owned(), |s| s.to_string()))
    }
}

/// The engine quotes the line it refuses, which may be one with a password.
fn without_secrets(lines: &[String]) -> String {
    let secret = |line: &&String| line.contains("masterauth") || line.contains(">>> 'user");
    let shown = lines
        .iter()
        .filter(|line| !secret(line))
        .map(String::as_str);
    shown.take(3).collect::<Vec<_>>().join(" ")
}

fn tail(path: &Path) -> String {
    let read = || {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().unwrap_or_default()
}
