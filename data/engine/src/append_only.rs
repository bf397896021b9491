//! The append-only file, which the engines keep as a directory of parts with a manifest.

use std::path::Path;

use runtime::durable::{self, FileError};

const DIRECTORY: &str = "appendonlydir";
const MANIFEST: &str = "appendonly.aof.manifest";

/// Tells whether there is one to load.
pub(crate) fn is_there(directory: &Path) -> bool {
    directory.join(DIRECTORY).join(MANIFEST).exists()
}

/// Removes it.
pub(crate) fn forget(directory: &Path) -> Result<(), FileError> {
    durable::remove_directory_if_there(&directory.join(DIRECTORY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_there_once_it_has_a_manifest() {
        let dir = tempfile::tempdir().unwrap();
        forget(dir.path()).unwrap();
        durable::make_directory(&dir.path().join(DIRECTORY)).unwrap();
        assert!(!is_there(dir.path()));
        durable::write_durable(&dir.path().join(DIRECTORY).join(MANIFEST), b"file a").unwrap();
        assert!(is_there(dir.path()));
        forget(dir.path()).unwrap();
        assert!(!is_there(dir.path()));
    }
}
