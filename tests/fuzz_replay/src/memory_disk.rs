//! A disk in memory.

use std::{
    collections::BTreeMap,
    io::{self, ErrorKind},
    sync::Arc,
};

use journal::{Disk, DiskFile};
use parking_lot::Mutex;

type Content = Arc<Mutex<Vec<u8>>>;

/// Files in memory; a clone is the same disk.
#[derive(Clone, Default)]
pub(crate) struct MemoryDisk(Arc<Mutex<BTreeMap<String, Content>>>);

pub(crate) struct MemoryFile(Content);

impl MemoryDisk {
    pub(crate) fn put(&self, name: &str, bytes: Vec<u8>) {
        let content = Arc::new(Mutex::new(bytes));
        self.0.lock().insert(name.to_owned(), content);
    }

    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let files = self.0.lock();
        let copies = files
            .iter()
            .map(|(name, content)| (name.clone(), content.lock().clone()));
        copies.collect()
    }

    fn find(&self, name: &str) -> io::Result<Content> {
        let found = self.0.lock().get(name).cloned();
        found.ok_or_else(|| ErrorKind::NotFound.into())
    }
}

impl Disk for MemoryDisk {
    type File = MemoryFile;

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.0.lock().keys().cloned().collect())
    }

    fn create_new(&self, name: &str) -> io::Result<MemoryFile> {
        if self.find(name).is_ok() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        self.put(name, Vec::new());
        self.open(name)
    }

    fn open(&self, name: &str) -> io::Result<MemoryFile> {
        Ok(MemoryFile(self.find(name)?))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.find(name)?;
        self.0.lock().remove(name);
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let content = self.find(from)?;
        let mut files = self.0.lock();
        files.remove(from);
        files.insert(to.to_owned(), content);
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(u64::MAX)
    }
}

impl DiskFile for MemoryFile {
    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let mut content = self.0.lock();
        let at = usize::try_from(at).map_err(|_too_far| ErrorKind::FileTooLarge)?;
        let end = at + bytes.len();
        // Nothing is ever written far behind the end of a file.
        assert!(at <= content.len(), "a write leaves a hole");
        let length = content.len().max(end);
        content.resize(length, 0);
        content[at..end].copy_from_slice(bytes);
        Ok(())
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let content = self.0.lock();
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        let rest = content.get(at..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.lock().len() as u64)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let mut content = self.0.lock();
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        assert!(length <= content.len(), "a file is cut to be longer");
        content.truncate(length);
        Ok(())
    }
}
