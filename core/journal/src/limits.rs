//! How much may be kept, and how much room is left for it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use model::Retention;

use crate::{Disk, Failure, failure::Attempted as _, file_name::DIRECTORY};

/// Free space is asked for anew after so many bytes at the latest.
const LEASE_BYTES: u64 = 8 << 20;
/// The smallest segment that a cap makes.
const LEAST_SEGMENT: u64 = 64 << 10;

/// How much a journal keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Stream bytes of one segment, at most. A quarter of the cap is, in any case.
    pub segment_bytes: u64,
    /// The newest bytes that are kept, in whole segments, whoever needs them or not.
    pub retention: Retention,
    /// What stands above retention.
    pub room: Room,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            retention: Retention::default(),
            room: Room::default(),
        }
    }
}

impl Limits {
    pub(crate) fn segment(&self) -> u64 {
        let most = match self.room.cap_bytes {
            Some(cap) => (cap / 4).max(LEAST_SEGMENT),
            None => u64::MAX,
        };
        self.segment_bytes.clamp(1, most)
    }
}

/// The room that there is for stream and snapshot together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Room {
    /// Bytes of all files, at most.
    pub cap_bytes: Option<u64>,
    /// Bytes that must stay free on the file system.
    pub free_floor: u64,
}

/// What there is too little of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// The journal has its cap.
    Cap {
        /// The cap in bytes.
        cap: u64,
        /// Bytes in use.
        used: u64,
    },
    /// The file system is nearly full.
    Free {
        /// Bytes that are free.
        free: u64,
        /// Bytes that must stay free.
        floor: u64,
    },
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cap { cap, used } => {
                write!(f, "{used} bytes are in use and {cap} are allowed")
            }
            Self::Free { free, floor } => write!(
                f,
                "the file system has {free} bytes free and {floor} must stay free"
            ),
        }
    }
}

/// Bytes of files, counted by whoever writes them.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    stream: AtomicU64,
    snapshot: AtomicU64,
}

impl Usage {
    pub(crate) fn set_stream(&self, bytes: u64) {
        self.stream.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn set_snapshot(&self, bytes: u64) {
        self.snapshot.store(bytes, Ordering::Relaxed);
    }

    fn total(&self) -> u64 {
        let snapshot = self.snapshot.load(Ordering::Relaxed);
        snapshot.saturating_add(self.stream.load(Ordering::Relaxed))
    }
}

/// Asked before each write. Free space is leased: the file system is asked again only when the
/// lease is used up, and the lease never reaches below the floor.
#[derive(Debug)]
pub(crate) struct Gauge {
    room: Room,
    usage: Arc<Usage>,
    lease: u64,
}

impl Gauge {
    pub(crate) fn new(room: Room, usage: Arc<Usage>) -> Self {
        Self {
            room,
            usage,
            lease: 0,
        }
    }

    pub(crate) fn usage(&self) -> &Arc<Usage> {
        &self.usage
    }

    pub(crate) fn room(&self) -> Room {
        self.room
    }

    /// Asks the file system at the next write.
    pub(crate) fn end_lease(&mut self) {
        self.lease = 0;
    }

    /// Takes room for `bytes`, or tells what is lacking.
    pub(crate) fn take<D: Disk>(&mut self, disk: &D, bytes: u64) -> Result<Option<Lack>, Failure> {
        let used = self.usage.total();
        if let Some(cap) = self.room.cap_bytes
            && used.saturating_add(bytes) > cap
        {
            return Ok(Some(Lack::Cap { cap, used }));
        }
        if self.lease < bytes {
            let free = disk
                .free_bytes()
                .attempted("ask for free space in", DIRECTORY)?;
            let floor = self.room.free_floor;
            let above = free.saturating_sub(floor);
            if above < bytes {
                self.lease = 0;
                return Ok(Some(Lack::Free { free, floor }));
            }
            self.lease = above.min(LEASE_BYTES.max(bytes));
        }
        self.lease = self.lease.saturating_sub(bytes);
        Ok(None)
    }
}
