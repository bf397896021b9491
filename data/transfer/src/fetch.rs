//! A snapshot comes from where it is kept, to a private file.

use std::{
    io,
    path::{Path, PathBuf},
};

use bytes::BytesMut;
use model::{EngineVersion, Place, TransferPhase};
use rdb::Header;
use tokio::{fs::File, io::AsyncReadExt as _};

use crate::{
    Allowed, FileError, NotAllowed, Progress, StoreError,
    file::{self, CHUNK, Chunks},
    room::{NoRoom, check_room},
    store::Remote,
};

/// A snapshot that is here, whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetched {
    /// How it begins.
    pub header: Header,
    /// Its bytes.
    pub bytes: u64,
    /// It has a checksum, which is right.
    pub has_checksum: bool,
}

/// Nothing was fetched, and nothing is left.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The place is not to be used.
    #[error(transparent)]
    NotAllowed(#[from] NotAllowed),
    /// There is not enough room.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    /// It cannot be read.
    #[error("read file://{}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The storage refused it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is not what it should be, or could not be written.
    #[error("{shown}")]
    File {
        /// Where it is, without what opens it.
        shown: String,
        /// What is wrong.
        #[source]
        source: FileError,
    },
}

/// Brings a snapshot that `engine` is to load to `file`. Anything that it would not load, as far as
/// that can be told without loading, is refused as early as that can be told.
pub async fn fetch(
    from: &Place,
    file: &Path,
    engine: EngineVersion,
    allowed: &Allowed,
    progress: &Progress,
) -> Result<Fetched, FetchError> {
    let folder = file.parent().unwrap_or(file);
    let begin = |bytes| {
        progress.begin(TransferPhase::Fetch, Some(bytes));
        check_room(folder, bytes)
    };
    let (chunks, writing) = file::begin(file, Some(engine));
    let (sent, written) = match from {
        Place::Local { path } => {
            let path = allowed.file(path)?;
            let (source, bytes) = open(&path).await?;
            begin(bytes)?;
            tokio::join!(read(source, path, chunks, progress), writing)
        }
        Place::S3 { bucket, key } => {
            let s3 = allowed.s3.as_ref().ok_or_else(|| NotAllowed::NoS3 {
                bucket: bucket.clone(),
            })?;
            let remote = Remote::s3(s3, bucket, key, None)?;
            let (bytes, download) = remote.open().await?;
            begin(bytes)?;
            let (sent, written) = tokio::join!(download.run(chunks, progress), writing);
            (sent.map_err(FetchError::from), written)
        }
        Place::Blob(blob) => {
            let (bytes, download) = Remote::blob(blob, None)?.open().await?;
            begin(bytes)?;
            let (sent, written) = tokio::join!(download.run(chunks, progress), writing);
            (sent.map_err(FetchError::from), written)
        }
    };
    sent?;
    let wrong = |source| FetchError::File {
        shown: from.to_string(),
        source,
    };
    let inspected = written.map_err(wrong)?.finish().await.map_err(wrong)?;
    Ok(Fetched {
        header: inspected.header,
        bytes: inspected.bytes,
        has_checksum: inspected.has_checksum,
    })
}

async fn open(path: &Path) -> Result<(File, u64), FetchError> {
    let failed = |source| FetchError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).await.map_err(failed)?;
    let found = file.metadata().await.map_err(failed)?;
    if !found.is_file() {
        return Err(failed(io::Error::other("it is not a file")));
    }
    Ok((file, found.len()))
}

async fn read(
    mut file: File,
    path: PathBuf,
    to: Chunks,
    progress: &Progress,
) -> Result<(), FetchError> {
    loop {
        let mut chunk = BytesMut::with_capacity(CHUNK);
        let read = file.read_buf(&mut chunk).await;
        let read = read.map_err(|source| FetchError::Read {
            path: path.clone(),
            source,
        })?;
        // Whoever takes no more knows why.
        if read == 0 || to.send(chunk.freeze()).await.is_err() {
            return Ok(());
        }
        progress.advance(read as u64);
    }
}
