//! A data set comes in: its files are fetched, put together where that is needed, and loaded by an
//! engine that nobody is led to.

use std::{path::PathBuf, sync::Arc};

use engine::EngineProgram;
use model::{CacheDesired, Place, TransferOrder, TransferWork};
use runtime::{chain, durable};
use transfer::{Allowed, Progress, fetch};

use super::{
    background::Background,
    loading::{self, LoadError, Plan, Staging},
};
use crate::cache::{Host, shard::ShardRunner, store::CacheStore};

/// An import that is not ready to be the shard's data set.
pub(super) struct Import(Background<Result<Staging, String>>);

/// Everything that it needs.
struct Work {
    program: EngineProgram,
    allowed: Allowed,
    from: Vec<Place>,
    folder: PathBuf,
    plan: Plan,
    progress: Arc<Progress>,
}

impl Import {
    /// Begins one. The outer error may pass, the inner one does not.
    pub(super) async fn begin(
        host: &Arc<Host>,
        desired: &CacheDesired,
        order: &TransferOrder,
        store: &mut CacheStore,
        shard: &mut ShardRunner,
        progress: &Arc<Progress>,
    ) -> Result<Result<Self, String>, String> {
        let TransferWork::Import { from } = &order.work else {
            return Ok(Err("it is no import".to_owned()));
        };
        let places = from.iter().map(|url| Place::parse(url.reveal()));
        let from = match places.collect::<Result<Vec<_>, _>>() {
            Ok(from) => from,
            Err(error) => return Ok(Err(format!("a place cannot be used: {error}"))),
        };
        let folder = host.directory.transfer(&desired.uid);
        loading::clear(&folder).await?;
        durable::make_directory(&folder).map_err(|error| chain(&error).to_string())?;
        let (index, config) = shard.prepare_staging(store, desired).await?;
        let work = Work {
            program: host.program.clone(),
            allowed: host.transfers.clone(),
            from,
            folder,
            plan: Plan {
                import: order.id.clone(),
                index,
                revision: desired.revision,
                config,
            },
            progress: Arc::clone(progress),
        };
        let work = Background::begin(&host.relay_tasks, "import", work.run());
        Ok(Ok(Self(work)))
    }

    /// What it came to, once.
    pub(super) fn outcome(&self) -> Option<Result<Staging, String>> {
        self.0.outcome()
    }

    pub(super) async fn stop(self) {
        self.0.stop().await;
    }
}

impl Work {
    /// The error is why, in a sentence; the cache has the data of before then.
    async fn run(self) -> Result<Staging, String> {
        let version = self.program.version;
        let mut files = Vec::new();
        let (mut bytes, mut notes) = (0, Vec::new());
        for (number, from) in self.from.iter().enumerate() {
            let file = self.folder.join(format!("{number}.rdb"));
            let fetched = fetch(from, &file, version, &self.allowed, &self.progress).await;
            let fetched = fetched.map_err(|error| kept(&chain(&error)))?;
            if !fetched.has_checksum {
                notes.push(format!(
                    "{from} has no checksum, so that nobody can tell whether its bytes are those that were written"
                ));
            }
            bytes += fetched.bytes;
            files.push(file);
        }
        let told = |error: LoadError| kept(&chain(&error));
        let loaded = match files.as_slice() {
            [file] => self.load(file.clone(), bytes).await,
            _ => Err(LoadError::MoreDatabases),
        };
        let mut staging = match loaded {
            Err(LoadError::MoreDatabases) => {
                let merged = loading::merge(
                    &self.program,
                    &self.plan,
                    &self.folder,
                    &files,
                    &self.progress,
                );
                let (file, left_out) = merged.await.map_err(told)?;
                notes.extend(left_out);
                self.load(file, bytes).await.map_err(told)?
            }
            other => other.map_err(told)?,
        };
        staging.figures.notes = notes;
        Ok(staging)
    }

    async fn load(&self, file: PathBuf, bytes: u64) -> Result<Staging, LoadError> {
        loading::load(&self.program, &self.plan, &file, bytes, &self.progress).await
    }
}

fn kept(why: &impl std::fmt::Display) -> String {
    format!("{why}; the cache has the data of before")
}
