//! Whether a file still has room.

use std::path::Path;

/// What is left free at least: engines and agents need it to go on.
const FLOOR: u64 = 256 << 20;

/// There is not enough room for a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{directory} has {free} bytes free, and it would need {needed}, with {floor} to spare; free some space"
)]
pub struct NoRoom {
    directory: String,
    free: u64,
    needed: u64,
    floor: u64,
}

/// Refuses a file of so many bytes that would leave too little.
pub(crate) fn check_room(directory: &Path, needed: u64) -> Result<(), NoRoom> {
    // A file system that does not say is tried.
    let Ok(fs) = rustix::fs::statvfs(directory) else {
        return Ok(());
    };
    let free = fs.f_bavail.saturating_mul(fs.f_frsize);
    let total = fs.f_blocks.saturating_mul(fs.f_frsize);
    let floor = FLOOR.min(total / 20);
    if free >= needed.saturating_add(floor) {
        return Ok(());
    }
    Err(NoRoom {
        directory: directory.display().to_string(),
        free,
        needed,
        floor,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_there_is_has_no_room() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(check_room(dir.path(), 1), Ok(()));
        let refused = check_room(dir.path(), u64::MAX / 2).unwrap_err();
        assert!(refused.to_string().contains("bytes free"), "{refused}");
    }
}
