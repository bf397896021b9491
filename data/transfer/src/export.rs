//! A shard's snapshot goes to where it is kept.

use std::{path::PathBuf, time::Duration};

use model::{Place, TransferPhase};
use runtime::{chain, durable};
use tokio::time::{Instant, sleep};

use crate::{
    Allowed, EngineSource, FileError, NotAllowed, Progress, SnapshotError, StoreError,
    file::{self, Written},
    room::{NoRoom, check_room},
    store::Remote,
};

/// How long engines that are not ready are asked again: one loads, another one's link is down.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(500);

/// What is to be exported, and where to.
#[derive(Debug, Clone)]
pub struct Export {
    /// The engines that have the shard's data, in the order in which they are to be asked.
    pub engines: Vec<EngineSource>,
    /// What the snapshot may come to, in bytes: the memory that the engine uses.
    pub about: u64,
    /// Where to.
    pub to: Place,
    /// The file's name there.
    pub file: String,
    /// A private file, for a snapshot that goes over a network.
    pub spool: PathBuf,
}

/// An export that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// Where it is, without what opens it.
    pub shown: String,
    /// Its bytes.
    pub bytes: u64,
}

/// Nothing was exported, and nothing is left that looks as if.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The place is not to be used.
    #[error(transparent)]
    NotAllowed(#[from] NotAllowed),
    /// There is not enough room.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    /// No engine gave a snapshot.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// It could not be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The storage refused it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no engine to ask.
    #[error("no engine of the shard has its data in full at present; try again when one has")]
    NoEngine,
}

/// Exports a shard.
pub async fn export(
    export: &Export,
    allowed: &Allowed,
    progress: &Progress,
) -> Result<Exported, ExportError> {
    let remote = match &export.to {
        Place::Local { path } => {
            let folder = allowed.folder(path)?;
            check_room(&folder, export.about)?;
            let file = folder.join(&export.file);
            let inspected = take(export, &file, progress).await?.finish().await?;
            return Ok(Exported {
                shown: format!("file://{}", file.display()),
                bytes: inspected.bytes,
            });
        }
        Place::S3 { bucket, key } => {
            let s3 = allowed.s3.as_ref().ok_or_else(|| NotAllowed::NoS3 {
                bucket: bucket.clone(),
            })?;
            Remote::s3(s3, bucket, key, Some(&export.file))?
        }
        Place::Blob(blob) => Remote::blob(blob, Some(&export.file))?,
    };
    let folder = export.spool.parent().unwrap_or(&export.spool);
    check_room(folder, export.about)?;
    let bytes = take(export, &export.spool, progress)
        .await?
        .finish()
        .await?
        .bytes;
    progress.begin(TransferPhase::Upload, Some(bytes));
    let uploaded = remote.upload(&export.spool, bytes, progress).await;
    if let Err(error) = durable::remove_if_there(&export.spool) {
        tracing::warn!(error = %chain(&error), "a spooled snapshot is left");
    }
    uploaded?;
    Ok(Exported {
        shown: remote.shown(),
        bytes,
    })
}

/// Asks one engine after the other.
async fn take(
    export: &Export,
    file: &std::path::Path,
    progress: &Progress,
) -> Result<Written, ExportError> {
    let began = Instant::now();
    let mut engines = export.engines.iter().cycle();
    loop {
        let engine = engines.next().ok_or(ExportError::NoEngine)?;
        progress.begin(TransferPhase::Snapshot, None);
        let (chunks, writing) = file::begin(file, None);
        let (taken, written) = tokio::join!(engine.take(chunks, progress), writing);
        match (taken, written) {
            (Ok(()), written) => return Ok(written?),
            // What it had written says why it broke off, when that is the disk.
            (Err(_), Err(error @ FileError::Write { .. })) => return Err(error.into()),
            (Err(error), _) if error.may_pass() && began.elapsed() < PATIENCE => {
                tracing::info!(error = %chain(&error), "an engine gives no snapshot yet");
                sleep(PAUSE).await;
            }
            (Err(error), _) => return Err(error.into()),
        }
    }
}
