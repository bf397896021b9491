//! What the journal needs of a directory and its files.

mod real;

use std::io;

pub use real::FsDisk;

/// One directory, and nothing else. Names are plain file names.
///
/// As on a real file system, what is written is durable only after [`DiskFile::sync`], and a name
/// that was made, removed or changed only after [`Disk::sync_directory`].
pub trait Disk: Send + Sync + 'static {
    /// A file of this directory. It can be read and written by several handles at once, and goes
    /// on to exist while one of them is open, whatever becomes of its name.
    type File: DiskFile;

    /// Every name in the directory, in no order.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Makes an empty file; an error when the name is there.
    fn create_new(&self, name: &str) -> io::Result<Self::File>;
    /// Opens a file that is there, for reading and writing.
    fn open(&self, name: &str) -> io::Result<Self::File>;
    /// Removes a name.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Gives a file another name, in place of whatever had it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Makes all names durable as they are.
    fn sync_directory(&self) -> io::Result<()>;
    /// Bytes that may still be written to the file system.
    fn free_bytes(&self) -> io::Result<u64>;
}

/// An open file.
pub trait DiskFile: Send + Sync + 'static {
    /// Writes all of `bytes` at an index, or fails.
    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()>;
    /// Reads from an index and tells how many bytes it got: fewer than asked only at the end.
    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// Makes the content durable.
    fn sync(&self) -> io::Result<()>;
    /// Bytes in the file.
    fn length(&self) -> io::Result<u64>;
    /// Cuts the file.
    fn truncate(&self, length: u64) -> io::Result<()>;
}
