//! The three files of a receipt: their names, and the receipt's own content. The receipt is
//! written last and removed first: while it is there, so are the other two.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use model::Receipt;
use runtime::{
    chain,
    durable::{self, FileError},
};
use serde::{Deserialize, Serialize};

/// Counts incompatible changes of the files.
const VERSION: u32 = 1;

/// Which of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// The commands.
    Commands,
    /// What they touch.
    Keys,
    /// The receipt.
    Receipt,
}

impl Content {
    const ALL: [Self; 3] = [Self::Receipt, Self::Commands, Self::Keys];

    fn extension(self) -> &'static str {
        match self {
            Self::Commands => "aof",
            Self::Keys => "keys",
            Self::Receipt => "json",
        }
    }
}

/// Where a file is.
pub(super) fn path(directory: &Path, name: &str, content: Content) -> PathBuf {
    directory.join(format!("{name}.{}", content.extension()))
}

/// The receipt's file.
#[derive(Serialize, Deserialize)]
struct ReceiptFile {
    version: u32,
    /// Bytes of the file with the keys.
    keys_bytes: u64,
    receipt: Receipt,
}

#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// What a directory has.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub(super) receipts: Vec<Receipt>,
    /// What cannot be used, and why, in sentences.
    pub(super) damaged: Vec<String>,
}

/// Writes the receipt of files that are there.
pub(super) fn write(directory: &Path, receipt: &Receipt, keys_bytes: u64) -> Result<(), FileError> {
    let file = ReceiptFile {
        version: VERSION,
        keys_bytes,
        receipt: receipt.clone(),
    };
    // A receipt has nothing that JSON cannot say.
    let bytes = serde_json::to_vec_pretty(&file).unwrap_or_default();
    let path = path(directory, &receipt.name(), Content::Receipt);
    durable::write_durable(&path, &bytes)
}

/// Removes all files of a receipt.
pub(super) fn remove(directory: &Path, name: &str) -> Result<(), FileError> {
    for content in Content::ALL {
        durable::remove_if_there(&path(directory, name, content))?;
    }
    Ok(())
}

/// Reads every receipt of a directory, and removes what a crash left unfinished.
pub(super) fn list(directory: &Path) -> Listed {
    let mut listed = Listed::default();
    let names = match names(directory) {
        Ok(names) => names,
        Err(error) => {
            let shown = directory.display();
            listed
                .damaged
                .push(format!("list the lost writes in {shown}: {error}"));
            return listed;
        }
    };
    for (name, path) in names {
        if durable::unfinished(&path) {
            if let Err(error) = durable::remove_if_there(&path) {
                listed.damaged.push(chain(&error).to_string());
            }
            continue;
        }
        let extension = path.extension().unwrap_or_default();
        let stem = name
            .rsplit_once('.')
            .map_or(name.as_str(), |(stem, _)| stem);
        if extension == Content::Receipt.extension() {
            match read(directory, stem, &path) {
                Ok(receipt) => listed.receipts.push(receipt),
                Err(why) => listed.damaged.push(why),
            }
        } else if !self::path(directory, stem, Content::Receipt).exists() {
            let shown = path.display();
            tracing::info!("{shown} has no receipt: its saving did not come to its end");
        }
    }
    listed
}

fn names(directory: &Path) -> io::Result<BTreeMap<String, PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        entries => entries?,
    };
    let mut names = BTreeMap::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        names.insert(name, entry.path());
    }
    Ok(names)
}

fn read(directory: &Path, name: &str, path: &Path) -> Result<Receipt, String> {
    let shown = path.display();
    let bytes = durable::read_if_there(path).map_err(|error| chain(&error).to_string())?;
    let bytes = bytes.unwrap_or_default();
    let bad = |error: serde_json::Error| format!("{shown} is not a receipt: {error}");
    let Versioned { version } = serde_json::from_slice(&bytes).map_err(bad)?;
    if version != VERSION {
        return Err(format!(
            "{shown} has format {version}, and this version of Godwit knows {VERSION}"
        ));
    }
    let file: ReceiptFile = serde_json::from_slice(&bytes).map_err(bad)?;
    let receipt = file.receipt;
    if receipt.name() != name {
        return Err(format!("{shown} is the receipt {}", receipt.name()));
    }
    let contents = [
        (Content::Commands, receipt.file_bytes),
        (Content::Keys, file.keys_bytes),
    ];
    for (content, bytes) in contents {
        let path = self::path(directory, name, content);
        let found = fs::metadata(&path).map(|found| found.len());
        if !found.as_ref().is_ok_and(|found| *found == bytes) {
            let found = match found {
                Ok(found) => format!("{found} bytes"),
                Err(error) => error.to_string(),
            };
            return Err(format!(
                "{} of the receipt {name} is not as it was written: {bytes} bytes expected, found {found}",
                path.display()
            ));
        }
    }
    Ok(receipt)
}
