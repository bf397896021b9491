//! The saved data set: kept under its own name from an orderly stop to the end of the next load.
//!
//! The engine loads whatever `dump.rdb` it finds, and writes one at other times too (a full sync
//! that goes over the disk). So that only a data set saved on purpose is ever loaded, it is called
//! `saved.rdb` while no engine runs, and is linked as `dump.rdb` for the load.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use runtime::durable::{self, FileError};

const DUMP: &str = "dump.rdb";
const SAVED: &str = "saved.rdb";

/// Has the next start in `directory` that asks for a saved data set load `file`, unless one was saved
/// there already. The file stays where it is.
pub fn offer_snapshot(directory: &Path, file: &Path) -> io::Result<()> {
    durable::make_directory(directory).map_err(io::Error::other)?;
    let saved = directory.join(SAVED);
    match fs::hard_link(file, &saved) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // A file system without hard links.
        Err(_) => {
            let beside = directory.join("offered.rdb");
            fs::copy(file, &beside)?;
            durable::durable_rename(&beside, &saved).map_err(io::Error::other)
        }
    }
}

/// The data set that an engine saved as it stopped in `directory`.
pub(crate) fn saved(directory: &Path) -> PathBuf {
    directory.join(SAVED)
}

/// Puts `file` where an engine that runs in `directory` loads from when it is told to.
pub(crate) fn put_for_reload(directory: &Path, file: &Path) -> io::Result<()> {
    let dump = directory.join(DUMP);
    durable::remove_if_there(&dump).map_err(io::Error::other)?;
    fs::hard_link(file, &dump).or_else(|_| fs::copy(file, &dump).map(drop))
}

/// Makes a directory ready for a start. `true`: the engine will load the saved data set.
pub(crate) fn prepare(directory: &Path, load_saved: bool) -> Result<bool, FileError> {
    remove_unfinished(directory);
    durable::remove_if_there(&directory.join(DUMP))?;
    let saved = directory.join(SAVED);
    if !load_saved {
        durable::remove_if_there(&saved)?;
        return Ok(false);
    }
    match fs::hard_link(&saved, directory.join(DUMP)) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            tracing::warn!(directory = %directory.display(), "there is no saved data set to load; the node starts empty");
            Ok(false)
        }
        // A file system without hard links. A crash during this load loses the data set.
        Err(_) => durable::durable_rename(&saved, &directory.join(DUMP)).map(|()| true),
    }
}

/// Tells whether a load is not known to have finished.
pub(crate) fn is_pending(directory: &Path) -> bool {
    directory.join(SAVED).exists()
}

/// Forgets the saved data set: it is loaded, or out of date.
pub(crate) fn forget(directory: &Path) -> Result<(), FileError> {
    durable::remove_if_there(&directory.join(DUMP))?;
    durable::remove_if_there(&directory.join(SAVED))
}

/// Keeps what an engine saved as it stopped. `false`: it saved nothing.
pub(crate) fn keep(directory: &Path) -> Result<bool, FileError> {
    let dump = directory.join(DUMP);
    if !dump.exists() {
        return Ok(false);
    }
    durable::durable_rename(&dump, &directory.join(SAVED)).map(|()| true)
}

/// Removes what engines that were killed left half written (`temp-<pid>.rdb` and the like).
pub(crate) fn remove_unfinished(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let unfinished = name.to_str().is_some_and(|name| {
            name.starts_with("temp-") && Path::new(name).extension().is_some_and(|e| e == "rdb")
        });
        if unfinished && let Err(error) = fs::remove_file(entry.path()) {
            tracing::warn!(%error, file = %entry.path().display(), "an unfinished snapshot is left");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_loaded_that_was_not_saved_on_purpose() {
        let dir = tempfile::tempdir().unwrap();
        durable::write_durable(&dir.path().join(DUMP), b"from a full sync").unwrap();
        durable::write_durable(&dir.path().join("temp-12.rdb"), b"half").unwrap();
        assert!(!prepare(dir.path(), true).unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_load_that_did_not_finish_can_be_repeated() {
        let dir = tempfile::tempdir().unwrap();
        durable::write_durable(&dir.path().join(DUMP), b"data").unwrap();
        assert!(keep(dir.path()).unwrap());
        for _ in 0..2 {
            assert!(prepare(dir.path(), true).unwrap());
            assert_eq!(fs::read(dir.path().join(DUMP)).unwrap(), b"data");
        }
        forget(dir.path()).unwrap();
        assert!(!prepare(dir.path(), true).unwrap());
    }

    #[test]
    fn a_start_that_does_not_ask_for_it_drops_it() {
        let dir = tempfile::tempdir().unwrap();
        durable::write_durable(&dir.path().join(DUMP), b"data").unwrap();
        keep(dir.path()).unwrap();
        assert!(!prepare(dir.path(), false).unwrap());
        assert!(!prepare(dir.path(), true).unwrap());
    }
}
