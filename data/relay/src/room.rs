//! How much of a file system the link's files leave to others.

use std::path::Path;

use journal::Room;

/// What is left free at most: engines and agents need it to stop in good order.
const FLOOR: u64 = 256 << 20;

/// What the link's files in a directory leave free: 256 MiB, or a twentieth of a small file system.
pub(crate) fn room(directory: &Path) -> Room {
    let total = rustix::fs::statvfs(directory)
        .map(|fs| fs.f_blocks.saturating_mul(fs.f_frsize))
        .ok();
    Room {
        cap_bytes: None,
        free_floor: total.map_or(FLOOR, |total| FLOOR.min(total / 20)),
    }
}
