//! A file that takes a snapshot's bytes, looking at each.

use std::{
    io,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use model::EngineVersion;
use rdb::{Damaged, Inspected, Inspector, Newer};
use runtime::{blocking, durable::Pending};
use tokio::sync::mpsc;

/// Chunks that may wait for the disk.
const WAITING: usize = 4;
/// Bytes of a chunk.
pub(crate) const CHUNK: usize = 1 << 20;

/// A snapshot was not written to a file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file system refuses.
    #[error("write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Its bytes are no whole snapshot.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// The engine that is to load it does not.
    #[error(transparent)]
    Newer(#[from] Newer),
    /// The agent stops.
    #[error("the agent is stopping")]
    Stopping,
}

/// Where the bytes go; dropped by whoever has no more.
pub(crate) type Chunks = mpsc::Sender<Bytes>;

/// A file that is written and has no name yet.
pub(crate) struct Written {
    pending: Pending,
    path: PathBuf,
    pub(crate) inspected: Inspected,
}

/// Begins a file for `path`: chunks go into the one, and the other writes them until there are no
/// more. `engine`: it is to load them, and what it does not load is refused at once.
pub(crate) fn begin(
    path: &Path,
    engine: Option<EngineVersion>,
) -> (
    Chunks,
    impl Future<Output = Result<Written, FileError>> + use<>,
) {
    let (sender, receiver) = mpsc::channel(WAITING);
    let path = path.to_owned();
    let writing = async move {
        let written = blocking::run(move || write(path, engine, receiver)).await;
        written.map_err(|_ends| FileError::Stopping)?
    };
    (sender, writing)
}

fn write(
    path: PathBuf,
    engine: Option<EngineVersion>,
    mut chunks: mpsc::Receiver<Bytes>,
) -> Result<Written, FileError> {
    let failed = |source: runtime::durable::FileError| FileError::Write {
        path: path.clone(),
        source: io::Error::other(source),
    };
    let mut pending = Pending::create(&path).map_err(failed)?;
    let mut inspector = Inspector::new();
    while let Some(chunk) = chunks.blocking_recv() {
        inspector.handle_bytes(&chunk)?;
        if let Some((header, engine)) = inspector.header().zip(engine) {
            header.loadable_by(engine)?;
        }
        pending.write(&chunk).map_err(failed)?;
    }
    let inspected = inspector.finish()?;
    Ok(Written {
        pending,
        path,
        inspected,
    })
}

impl Written {
    /// Leaves out what pads the file, makes it durable, and gives it its name.
    pub(crate) async fn finish(self) -> Result<Inspected, FileError> {
        let Self {
            mut pending,
            path,
            inspected,
        } = self;
        let finished = blocking::run(move || {
            pending.cut(inspected.bytes)?;
            pending.finish()
        });
        let finished = finished.await.map_err(|_ends| FileError::Stopping)?;
        finished.map_err(|source| FileError::Write {
            path,
            source: io::Error::other(source),
        })?;
        Ok(inspected)
    }
}

#[cfg(test)]
mod tests {
    use model::EngineKind;
    use rdb::fixture::Snapshot;

    use super::*;

    const REDIS: EngineVersion = EngineVersion {
        kind: EngineKind::Redis,
        major: 7,
        minor: 0,
        patch: 15,
    };

    async fn put(path: &Path, bytes: Vec<u8>, piece: usize) -> Result<Inspected, FileError> {
        let (chunks, writing) = begin(path, Some(REDIS));
        let send = async move {
            for piece in bytes.chunks(piece) {
                // Nobody takes more of what is refused.
                if chunks.send(Bytes::copy_from_slice(piece)).await.is_err() {
                    break;
                }
            }
        };
        let (written, ()) = tokio::join!(writing, send);
        written?.finish().await
    }

    #[tokio::test]
    async fn a_file_has_its_name_when_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.rdb");
        let snapshot = Snapshot::new(9).string(b"k", b"v").finish();
        let mut padded = snapshot.clone();
        padded.resize(512, 0);
        let inspected = put(&path, padded, 3).await.unwrap();
        assert_eq!(inspected.bytes, snapshot.len() as u64);
        assert_eq!(std::fs::read(&path).unwrap(), snapshot);
    }

    #[tokio::test]
    async fn what_is_refused_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.rdb");
        let newer = Snapshot::new(11).string(b"k", b"v").finish();
        let cut = Snapshot::new(9).string(b"k", b"v").finish()[..20].to_vec();
        assert!(matches!(
            put(&path, newer, 5).await,
            Err(FileError::Newer(_))
        ));
        assert!(matches!(
            put(&path, cut, 5).await,
            Err(FileError::Damaged(_))
        ));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
