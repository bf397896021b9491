//! The file that a comparison goes on from.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use runtime::{
    chain,
    durable::{read_if_there, remove_if_there, write_durable},
};
use tokio::time::Instant;
use verify::{Options, Progress, Subject};

use crate::failure::Failure;

/// Between two writes: a comparison that is killed repeats no more than this.
const PERIOD: Duration = Duration::from_secs(1);

/// Where progress is kept, if it is.
pub(super) struct StateFile {
    path: Option<PathBuf>,
    written: Option<Instant>,
}

impl StateFile {
    /// Reads what the file has, or begins.
    pub(super) fn open(
        path: Option<PathBuf>,
        subject: &Subject,
        options: &Options,
    ) -> Result<(Self, Progress), Failure> {
        let mut file = Self {
            path,
            written: None,
        };
        let fresh = || Progress::new(subject.clone(), options.clone());
        let Some(path) = &file.path else {
            return Ok((file, fresh()));
        };
        let found = read_if_there(path).map_err(|error| Failure::new(chain(&error).to_string()))?;
        let Some(bytes) = found else {
            let progress = fresh();
            // A place that cannot be written to is told now, and not after an hour.
            file.write(&progress)?;
            return Ok((file, progress));
        };
        let progress = Progress::from_file(&bytes, subject, options).map_err(|error| {
            let shown = path.display();
            let failure = Failure::usage(format!("{shown} is not gone on with: {}", chain(&error)));
            failure.hint("name another file with --state, use the options that it was begun with, or remove it")
        })?;
        Ok((file, progress))
    }

    pub(super) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Writes it when that was not done for a while.
    pub(super) fn keep(&mut self, progress: &Progress) -> Result<(), Failure> {
        if self.written.is_some_and(|at| at.elapsed() < PERIOD) {
            return Ok(());
        }
        self.write(progress)
    }

    fn write(&mut self, progress: &Progress) -> Result<(), Failure> {
        if let Some(path) = &self.path {
            let bytes = progress
                .to_file()
                .map_err(|error| Failure::new(format!("write {}: {error}", path.display())))?;
            write_durable(path, &bytes).map_err(|error| Failure::new(chain(&error).to_string()))?;
            self.written = Some(Instant::now());
        }
        Ok(())
    }

    /// The comparison has ended.
    pub(super) fn remove(&self) -> Result<(), Failure> {
        match &self.path {
            Some(path) => {
                remove_if_there(path).map_err(|error| Failure::new(chain(&error).to_string()))
            }
            None => Ok(()),
        }
    }
}
