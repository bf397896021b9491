//! When compression is left out, because what comes does not get smaller.

/// Raw bytes after which it is asked whether compression pays.
const WINDOW: u64 = 1 << 20;
/// The same, when it did not pay the last time.
const PROBE: u64 = 256 << 10;
/// Raw bytes that go uncompressed after the first window that did not pay.
const FIRST_REST: u64 = 16 << 20;
/// Raw bytes that go uncompressed between two probes, at most.
const LAST_REST: u64 = 256 << 20;
/// Of 100 bytes this many have to be saved.
const LEAST_SAVED: u64 = 5;

/// Counts what compression brings. It starts out trying.
#[derive(Debug)]
pub(super) enum Bypass {
    /// Frames are compressed, and counted.
    Trying {
        window: u64,
        raw: u64,
        sent: u64,
        /// How long to rest if this window does not pay.
        rest: u64,
    },
    /// Frames go raw.
    Resting {
        left: u64,
        /// How long to rest if the probe behind this does not pay.
        next: u64,
    },
}

impl Bypass {
    pub(super) fn new() -> Self {
        Self::trying(WINDOW, FIRST_REST)
    }

    fn trying(window: u64, rest: u64) -> Self {
        let (raw, sent) = (0, 0);
        Self::Trying {
            window,
            raw,
            sent,
            rest,
        }
    }

    pub(super) fn is_resting(&self) -> bool {
        match self {
            Self::Trying { .. } => false,
            Self::Resting { .. } => true,
        }
    }

    /// `count` bytes were compressed to `to` bytes.
    pub(super) fn compressed(&mut self, count: usize, to: usize) {
        match self {
            Self::Resting { .. } => {}
            Self::Trying {
                window,
                raw,
                sent,
                rest,
            } => {
                *raw += count as u64;
                *sent += to as u64;
                if *raw < *window {
                    return;
                }
                let pays = *sent * 100 <= *raw * (100 - LEAST_SAVED);
                *self = if pays {
                    Self::new()
                } else {
                    Self::Resting {
                        left: *rest,
                        next: (*rest * 2).min(LAST_REST),
                    }
                };
            }
        }
    }

    /// `count` bytes went raw.
    pub(super) fn passed(&mut self, count: usize) {
        match self {
            Self::Trying { .. } => {}
            Self::Resting { left, next } => {
                *left = left.saturating_sub(count as u64);
                if *left == 0 {
                    *self = Self::trying(PROBE, *next);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: usize = 64 << 10;

    /// Raw bytes until compression is tried again.
    fn rest(bypass: &mut Bypass) -> u64 {
        let mut rested = 0;
        while bypass.is_resting() {
            bypass.passed(FRAME);
            rested += FRAME as u64;
        }
        rested
    }

    /// Compressed bytes until it rests, when frames shrink to `percent`.
    fn try_until_rest(bypass: &mut Bypass, percent: usize) -> u64 {
        let mut tried = 0;
        while !bypass.is_resting() {
            bypass.compressed(FRAME, FRAME * percent / 100);
            tried += FRAME as u64;
            assert!(tried <= 1 << 30, "it never rests");
        }
        tried
    }

    #[test]
    fn rests_become_longer_while_nothing_is_saved() {
        let mut bypass = Bypass::new();
        assert_eq!(try_until_rest(&mut bypass, 100), WINDOW);
        for expected in [16, 32, 64, 128, 256, 256, 256] {
            assert_eq!(rest(&mut bypass), expected << 20);
            assert_eq!(try_until_rest(&mut bypass, 96), PROBE);
        }
    }

    #[test]
    fn a_probe_that_pays_ends_it() {
        let mut bypass = Bypass::new();
        try_until_rest(&mut bypass, 100);
        rest(&mut bypass);
        for _ in 0..PROBE / FRAME as u64 {
            bypass.compressed(FRAME, FRAME * 95 / 100);
        }
        assert_eq!(try_until_rest(&mut bypass, 96), WINDOW);
        assert_eq!(rest(&mut bypass), FIRST_REST);
    }
}
