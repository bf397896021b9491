//! Files that are whole after a power cut: written beside, synced, renamed, directory synced.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};

/// A file operation that failed, with the file's name.
#[derive(Debug, thiserror::Error)]
#[error("{what} {}", path.display())]
pub struct FileError {
    what: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl FileError {
    /// The kind of the failure underneath.
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }
}

trait Attempted<T> {
    fn attempted(self, what: &'static str, path: &Path) -> Result<T, FileError>;
}

impl<T> Attempted<T> for io::Result<T> {
    fn attempted(self, what: &'static str, path: &Path) -> Result<T, FileError> {
        self.map_err(|source| FileError {
            what,
            path: path.to_owned(),
            source,
        })
    }
}

/// Replaces `path` by `bytes`: after a crash it holds either the old content or the new, whole.
/// The file is readable by its owner alone (mode 0600).
pub fn write_durable(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let beside = beside(path);
    let mut file = create(&beside)?;
    file.write_all(bytes).attempted("write", &beside)?;
    file.sync_all().attempted("sync", &beside)?;
    durable_rename(&beside, path)
}

/// A file that is written in pieces and takes its name when it is whole; what is dropped before is
/// removed, and what a crash leaves has another name, [`unfinished`].
#[derive(Debug)]
pub struct Pending {
    file: File,
    beside: PathBuf,
    path: PathBuf,
}

impl Pending {
    /// Begins a file for `path`, readable by its owner alone (mode 0600).
    pub fn create(path: &Path) -> Result<Self, FileError> {
        let beside = beside(path);
        let file = create(&beside)?;
        let path = path.to_owned();
        Ok(Self { file, beside, path })
    }

    /// Writes behind what was written before.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.file.write_all(bytes).attempted("write", &self.beside)
    }

    /// Takes back everything behind `length`.
    pub fn cut(&mut self, length: u64) -> Result<(), FileError> {
        let cut = self.file.set_len(length);
        let moved = cut.and_then(|()| self.file.seek(SeekFrom::Start(length)));
        moved.map(drop).attempted("cut", &self.beside)
    }

    /// Makes it durable, and gives it its name.
    pub fn finish(self) -> Result<(), FileError> {
        self.file.sync_all().attempted("sync", &self.beside)?;
        durable_rename(&self.beside, &self.path)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        // When it has its name, nothing has the other one.
        let _absent = fs::remove_file(&self.beside);
    }
}

/// Tells whether a file of this name is what a crash left of a [`Pending`] one or of
/// [`write_durable`].
#[must_use]
pub fn unfinished(name: &Path) -> bool {
    name.extension().is_some_and(|extension| extension == "new")
}

/// Renames `from` to `to` and syncs the directory, so that the new name survives a power cut.
#[expect(clippy::disallowed_methods, reason = "the one place that renames")]
pub fn durable_rename(from: &Path, to: &Path) -> Result<(), FileError> {
    fs::rename(from, to).attempted("rename", from)?;
    sync_directory(to)
}

/// Gives `from` the second name `to`, which must be free, and syncs the directory.
pub fn durable_link(from: &Path, to: &Path) -> Result<(), FileError> {
    fs::hard_link(from, to).attempted("link", from)?;
    sync_directory(to)
}

/// Removes a directory with all that is in it, durably; an absent one is fine.
pub fn remove_directory_if_there(path: &Path) -> Result<(), FileError> {
    match fs::remove_dir_all(path) {
        Ok(()) => sync_directory(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).attempted("remove", path),
    }
}

/// Reads a file that may be absent.
pub fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).attempted("read", path),
    }
}

/// Removes a file durably; an absent one is fine.
pub fn remove_if_there(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Ok(()) => sync_directory(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).attempted("remove", path),
    }
}

/// Makes a directory and its parents, entered by their owner alone (mode 0700).
pub fn make_directory(path: &Path) -> Result<(), FileError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .attempted("make directory", path)
}

fn create(path: &Path) -> Result<File, FileError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path).attempted("create", path)
}

fn sync_directory(inside: &Path) -> Result<(), FileError> {
    let directory = match inside.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    let opened = File::open(directory).attempted("open directory", directory)?;
    opened.sync_all().attempted("sync directory", directory)
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

/// The exclusive right to a directory, held until dropped or until the process ends.
#[derive(Debug)]
pub struct DirectoryLock(#[expect(dead_code, reason = "held for its lock")] File);

/// Takes the lock file `name` in `directory`. `Ok(None)`: another process holds it.
pub fn lock_directory(directory: &Path, name: &str) -> Result<Option<DirectoryLock>, FileError> {
    let path = directory.join(name);
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .attempted("open", &path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(DirectoryLock(file))),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(errno) => Err(io::Error::from(errno)).attempted("lock", &path),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn replaces_whole_and_keeps_the_file_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        write_durable(&path, b"one").unwrap();
        write_durable(&path, b"two").unwrap();
        assert_eq!(read_if_there(&path).unwrap().unwrap(), b"two");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_pending_file_is_whole_or_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("large");
        let mut pending = Pending::create(&path).unwrap();
        pending.write(b"one two").unwrap();
        let names = || fs::read_dir(dir.path()).unwrap().count();
        assert_eq!((path.exists(), names()), (false, 1));
        drop(pending);
        assert_eq!(names(), 0);
        let mut pending = Pending::create(&path).unwrap();
        pending.write(b"one two").unwrap();
        pending.cut(3).unwrap();
        pending.write(b"!").unwrap();
        pending.finish().unwrap();
        assert_eq!(read_if_there(&path).unwrap().unwrap(), b"one!");
        assert_eq!(names(), 1);
        assert!(unfinished(Path::new("large.new")) && !unfinished(&path));
    }

    #[test]
    fn absence_is_not_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("none");
        assert!(read_if_there(&path).unwrap().is_none());
        remove_if_there(&path).unwrap();
        remove_directory_if_there(&path).unwrap();
    }

    #[test]
    fn a_second_name_outlives_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        write_durable(&one, b"bytes").unwrap();
        durable_link(&one, &two).unwrap();
        assert!(durable_link(&one, &two).is_err(), "it is not free");
        remove_if_there(&one).unwrap();
        assert_eq!(read_if_there(&two).unwrap().unwrap(), b"bytes");
        remove_directory_if_there(dir.path()).unwrap();
        assert!(!two.exists());
    }

    #[test]
    fn a_directory_has_one_holder() {
        let dir = tempfile::tempdir().unwrap();
        let held = lock_directory(dir.path(), "lock").unwrap().unwrap();
        assert!(lock_directory(dir.path(), "lock").unwrap().is_none());
        drop(held);
        assert!(lock_directory(dir.path(), "lock").unwrap().is_some());
    }

    #[test]
    fn failures_name_the_file() {
        let error = write_durable(Path::new("/nowhere/at/all"), b"").unwrap_err();
        assert!(error.to_string().contains("/nowhere/at/all"), "{error}");
    }
}
