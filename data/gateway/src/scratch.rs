//! Memory that connections borrow while they are looked at.
//!
//! A connection reads into its thread's memory and writes from there; it keeps only what nobody
//! took. One that has nothing under way has no buffer at all.

use std::cell::Cell;

/// Bytes that are read at once behind those that were kept.
pub(crate) const READ: usize = 64 << 10;
/// Bytes that are kept at most, because a request is not whole, or not looked at.
const KEPT: usize = 3 * READ + (8 << 10);
/// Bytes of a scratch.
const SCRATCH: usize = KEPT + READ;

thread_local! {
    static SCRATCH_OF_THREAD: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Lends the thread's memory. Nothing that is called within it waits.
pub(crate) fn borrow<T>(within: impl FnOnce(&mut [u8]) -> T) -> T {
    let mut memory = SCRATCH_OF_THREAD.take();
    memory.resize(SCRATCH, 0);
    let result = within(&mut memory);
    SCRATCH_OF_THREAD.set(memory);
    result
}
