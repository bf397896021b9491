//! The file with the commands: written as they are read, and cut back where one turns out to be
//! none of those that are kept.

use std::path::Path;

use resp::write_command;
use runtime::durable::{FileError, Pending};

/// Bytes that are written at once.
const BATCH: usize = 1 << 20;

pub(super) struct KeptCommands {
    file: Pending,
    /// Bytes in the file.
    written: u64,
    /// Bytes behind them that are not in the file yet.
    waiting: Vec<u8>,
    /// Where the command begins that is being written.
    begins: u64,
}

impl KeptCommands {
    /// Begins a file; when the database is known, with the command that selects it.
    pub(super) fn create(path: &Path, database: Option<u32>) -> Result<Self, FileError> {
        let mut waiting = Vec::with_capacity(BATCH);
        if let Some(database) = database {
            write_command(&mut waiting, &[b"SELECT", database.to_string().as_bytes()]);
        }
        Ok(Self {
            file: Pending::create(path)?,
            written: 0,
            begins: waiting.len() as u64,
            waiting,
        })
    }

    fn length(&self) -> u64 {
        self.written.saturating_add(self.waiting.len() as u64)
    }

    /// Takes bytes of the command that is being read.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= BATCH {
            self.file.write(&self.waiting)?;
            self.written = self.length();
            self.waiting.clear();
        }
        Ok(())
    }

    /// The command is whole and is kept.
    pub(super) fn keep(&mut self) {
        self.begins = self.length();
    }

    /// The command is not kept.
    pub(super) fn take_back(&mut self) -> Result<(), FileError> {
        match self.begins.checked_sub(self.written) {
            Some(waits) => {
                let waits = usize::try_from(waits).unwrap_or(usize::MAX);
                self.waiting.truncate(waits);
            }
            None => {
                self.file.cut(self.begins)?;
                self.written = self.begins;
                self.waiting.clear();
            }
        }
        Ok(())
    }

    /// Makes it durable; tells how many bytes it has.
    pub(super) fn finish(mut self) -> Result<u64, FileError> {
        self.take_back()?;
        self.file.write(&self.waiting)?;
        let bytes = self.length();
        self.file.finish()?;
        Ok(bytes)
    }
}
