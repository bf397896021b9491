//! The lost writes of one cache: which receipts there are, and their files.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use model::{CacheUid, Receipt};
use parking_lot::Mutex;
use relay::KeptStream;
use runtime::{
    chain,
    durable::{self, FileError},
    tasks::Tasks,
};

use super::{
    Saving, Suffix,
    receipt_file::{self, Content},
    save,
};
use crate::state::Directory;

/// The stores of all caches, opened when they are first asked for.
#[derive(Debug)]
pub(crate) struct Stores {
    directory: Directory,
    open: Mutex<BTreeMap<CacheUid, Arc<LostWrites>>>,
}

impl Stores {
    pub(crate) fn new(directory: Directory) -> Self {
        Self {
            directory,
            open: Mutex::default(),
        }
    }

    /// The store of a cache.
    pub(crate) fn of(&self, uid: &CacheUid) -> Arc<LostWrites> {
        let mut open = self.open.lock();
        let store = open.entry(uid.clone()).or_insert_with(|| {
            let store = LostWrites::open(self.directory.lost(uid));
            Arc::new(store)
        });
        Arc::clone(store)
    }

    /// The cache is gone, and its files with it.
    pub(crate) fn forget(&self, uid: &CacheUid) {
        self.open.lock().remove(uid);
    }
}

/// One cache's.
#[derive(Debug)]
pub(crate) struct LostWrites {
    directory: PathBuf,
    receipts: Mutex<BTreeMap<String, Receipt>>,
}

impl LostWrites {
    /// Reads what is there. What cannot be used is left alone, and told.
    pub(crate) fn open(directory: PathBuf) -> Self {
        let listed = receipt_file::list(&directory);
        for why in &listed.damaged {
            tracing::error!(directory = %directory.display(), "{why}");
        }
        let receipts = listed.receipts.into_iter();
        Self {
            receipts: Mutex::new(receipts.map(|receipt| (receipt.name(), receipt)).collect()),
            directory,
        }
    }

    /// Every receipt, by name.
    pub(crate) fn list(&self) -> Vec<Receipt> {
        self.receipts.lock().values().cloned().collect()
    }

    pub(crate) fn receipt(&self, name: &str) -> Option<Receipt> {
        self.receipts.lock().get(name).cloned()
    }

    /// The file of a receipt that there is.
    pub(super) fn file(&self, name: &str, content: Content) -> Option<PathBuf> {
        let known = self.receipts.lock().contains_key(name);
        known.then(|| receipt_file::path(&self.directory, name, content))
    }

    /// Where the files are.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Saves what is behind a fork, in the background. Doing it again does no harm: what is saved
    /// already is found.
    pub(crate) fn save(
        self: &Arc<Self>,
        tasks: &Tasks,
        stream: KeptStream,
        suffix: Suffix,
    ) -> Saving {
        let store = Arc::clone(self);
        Saving::begin(tasks, move |watch| {
            save::save(&store, stream, &suffix, watch)
        })
    }

    /// Keeps a receipt whose files are there.
    pub(super) fn keep(&self, receipt: Receipt) {
        self.receipts.lock().insert(receipt.name(), receipt);
    }

    /// Removes a receipt and its files, durably; `None`: there is none.
    pub(crate) fn discard(&self, name: &str) -> Result<Option<Receipt>, FileError> {
        let Some(receipt) = self.receipt(name) else {
            return Ok(None);
        };
        receipt_file::remove(&self.directory, name)?;
        self.receipts.lock().remove(name);
        Ok(Some(receipt))
    }

    /// Makes the directory.
    pub(super) fn prepare(&self) -> Result<(), FileError> {
        durable::make_directory(&self.directory).inspect_err(
            |error| tracing::error!(error = %chain(error), "there is no place for lost writes"),
        )
    }
}
