//! The engines that load what comes in: one that becomes the shard's leader, and before it, where
//! files have to be put together or databases left out, one that does that and ends.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use engine::{EngineProgram, Failure, MergeError, Node, NodeConfig, StartError, StopHow};
use model::{OperationId, TransferFigures, TransferPhase};
use psync::Position;
use runtime::{chain, durable};
use tokio::time::sleep;
use transfer::Progress;

/// Between two looks at an engine that loads.
const LOOK: Duration = Duration::from_millis(100);
/// What a host keeps free while an engine loads.
const SPARE_MEMORY: u64 = 128 << 20;
/// Databases of an engine that puts files together: those that the cache does not have are seen then.
const MANY_DATABASES: u16 = 10_000;
/// How long an engine may take to write what it has put together.
const SAVES_WITHIN: Duration = Duration::from_secs(1_800);
const ENDS_WITHIN: Duration = Duration::from_secs(10);
/// The file that a leader, which is alone with what it loaded, is started again with.
pub(in crate::cache) const GIVEN: &str = "import.rdb";

/// Which engine is to load it.
pub(super) struct Plan {
    pub(super) import: OperationId,
    pub(super) index: u8,
    pub(super) revision: u64,
    pub(super) config: NodeConfig,
}

/// An engine that has loaded a data set from outside, and that nobody is led to.
pub(in crate::cache) struct Staging {
    pub(in crate::cache) import: OperationId,
    /// The index that it is to have among the shard's nodes.
    pub(in crate::cache) index: u8,
    /// The revision whose settings it has.
    pub(in crate::cache) revision: u64,
    pub(in crate::cache) node: Node,
    pub(in crate::cache) position: Position,
    pub(in crate::cache) figures: TransferFigures,
}

/// A data set was not loaded.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    /// It has keys in databases that the cache does not have.
    #[error("the files have keys in more databases than the cache")]
    MoreDatabases,
    /// Its files cannot be put where an engine reads them.
    #[error("put the files where an engine loads them")]
    File(#[source] io::Error),
    /// No engine starts with it.
    #[error("the files cannot be loaded")]
    Start(#[from] StartError),
    /// The engine ended.
    #[error("the files cannot be loaded: {failure} (the engine's last words: {last_words})")]
    Ended {
        failure: Failure,
        last_words: String,
    },
    /// The engine does not answer, or refuses.
    #[error("the files cannot be loaded")]
    Command(#[from] engine::CommandError),
    /// Another file cannot be put to the first.
    #[error("the files cannot be put together")]
    Merge(#[from] MergeError),
    /// What was put together was not written.
    #[error("what the files hold together cannot be saved: {0}")]
    NotSaved(String),
    /// The cache has not enough memory for it.
    #[error(
        "the data need at least {needs} bytes of memory, and the cache has {has}; scale it up, or import less"
    )]
    TooLarge { needs: u64, has: u64 },
    /// The host has not.
    #[error(
        "the host has {free} bytes of memory left, and an engine needs more to load the files; free some"
    )]
    NoMemory { free: u64 },
    /// There is nothing in it.
    #[error("the files hold no key that has not expired; to empty the cache, flush it")]
    Empty,
}

impl LoadError {
    fn of_start(error: StartError) -> Self {
        match &error {
            StartError::Failed { failure, .. } if **failure == Failure::MoreDatabases => {
                Self::MoreDatabases
            }
            StartError::Failed { .. }
            | StartError::Config { .. }
            | StartError::Directory { .. }
            | StartError::File { .. }
            | StartError::AlreadyRuns { .. }
            | StartError::NoPort { .. }
            | StartError::Spawn { .. }
            | StartError::Silent { .. } => Self::Start(error),
        }
    }
}

/// Has an engine load the file, and look as the cache's own do.
pub(super) async fn load(
    program: &EngineProgram,
    plan: &Plan,
    file: &Path,
    bytes: u64,
    progress: &Progress,
) -> Result<Staging, LoadError> {
    let directory = &plan.config.directory;
    offer(directory, file).map_err(LoadError::File)?;
    progress.begin(TransferPhase::Load, Some(bytes));
    let started = Node::start(program, &plan.config).await;
    let node = started.map_err(LoadError::of_start)?;
    let loaded = prove(&node, &plan.config, progress).await;
    let (keys, position) = match loaded {
        Ok(loaded) => loaded,
        Err(error) => {
            end(&node).await;
            return Err(error);
        }
    };
    Ok(Staging {
        import: plan.import.clone(),
        index: plan.index,
        revision: plan.revision,
        node,
        position,
        figures: TransferFigures {
            bytes,
            keys: Some(keys),
            ..TransferFigures::default()
        },
    })
}

/// Puts the file where the engine loads it at its start, and where it stays until a replica has what
/// it holds.
fn offer(directory: &Path, file: &Path) -> io::Result<()> {
    durable::make_directory(directory).map_err(io::Error::other)?;
    let given = directory.join(GIVEN);
    durable::remove_if_there(&given).map_err(io::Error::other)?;
    fs::hard_link(file, &given).or_else(|_| fs::copy(file, &given).map(drop))?;
    engine::offer_snapshot(directory, &given)
}

/// Waits until it has loaded, and looks whether it can be the cache's data set.
async fn prove(
    node: &Node,
    config: &NodeConfig,
    progress: &Progress,
) -> Result<(u64, Position), LoadError> {
    let has = config.settings.maxmemory_bytes;
    let keys = watch(node, has, Some(progress)).await?;
    if keys == 0 {
        return Err(LoadError::Empty);
    }
    node.begin_history().await?;
    let seen = node.replication().await?;
    Ok((keys, Position::new(seen.replid, seen.offset)))
}

/// Looks at an engine that loads until it has, and tells how many keys it has. It is not let grow beyond
/// the cache's memory, or the host's.
async fn watch(node: &Node, has: u64, progress: Option<&Progress>) -> Result<u64, LoadError> {
    loop {
        let info = match node.info().await {
            Ok(info) => info,
            Err(_) if node.has_exited() => return Err(ended(node)),
            Err(error) => return Err(error.into()),
        };
        if has > 0 && info.used_memory > has {
            let needs = info.used_memory;
            return Err(LoadError::TooLarge { needs, has });
        }
        if !info.loading {
            return Ok(info.keys);
        }
        if let Some(free) = free_memory().filter(|free| *free < SPARE_MEMORY) {
            return Err(LoadError::NoMemory { free });
        }
        if let (Some(progress), Some((done, total))) = (progress, info.loaded) {
            progress.set(done, Some(total));
        }
        sleep(LOOK).await;
    }
}

fn ended(node: &Node) -> LoadError {
    match node.why_it_ended() {
        (Failure::MoreDatabases, _) => LoadError::MoreDatabases,
        (failure, last_words) => LoadError::Ended {
            failure,
            last_words,
        },
    }
}

/// Puts the files together, the later ones over the earlier, leaves out the databases that the cache
/// does not have, and gives the file that holds the rest, with what was left out, in sentences.
pub(super) async fn merge(
    program: &EngineProgram,
    plan: &Plan,
    folder: &Path,
    files: &[PathBuf],
    progress: &Progress,
) -> Result<(PathBuf, Vec<String>), LoadError> {
    progress.begin(TransferPhase::Merge, None);
    let directory = folder.join("merge");
    // What was tried before may be there.
    for tried in [&plan.config.directory, &directory] {
        clear(tried)
            .await
            .map_err(|why| LoadError::File(io::Error::other(why)))?;
    }
    let mut config = NodeConfig {
        directory,
        load_saved: true,
        refuses_writes: false,
        ..plan.config.clone()
    };
    config.settings.databases = MANY_DATABASES;
    "noeviction".clone_into(&mut config.settings.maxmemory_policy);
    let Some((first, rest)) = files.split_first() else {
        return Err(LoadError::Empty);
    };
    engine::offer_snapshot(&config.directory, first).map_err(LoadError::File)?;
    let started = Node::start_to_merge(program, &config).await;
    let node = started.map_err(LoadError::of_start)?;
    let merged = put_together(&node, plan, rest).await;
    let left_out = match merged {
        Ok(left_out) => left_out,
        Err(error) => {
            end(&node).await;
            return Err(error);
        }
    };
    let stopped = node.stop(StopHow::SaveSnapshot, SAVES_WITHIN).await;
    let stopped = stopped.map_err(|error| LoadError::NotSaved(chain(&error).to_string()))?;
    if !stopped.snapshot_saved {
        let why = stopped.not_saved.unwrap_or_default();
        return Err(LoadError::NotSaved(why));
    }
    Ok((node.saved_snapshot(), left_out))
}

async fn put_together(
    node: &Node,
    plan: &Plan,
    rest: &[PathBuf],
) -> Result<Vec<String>, LoadError> {
    let has = plan.config.settings.maxmemory_bytes;
    watch(node, has, None).await?;
    for file in rest {
        let merged = tokio::select! {
            merged = node.merge(file) => merged,
            stopped = too_much(node, has) => return Err(stopped),
        };
        if merged.is_err() && node.has_exited() {
            return Err(ended(node));
        }
        merged?;
    }
    let databases = u32::from(plan.config.settings.databases);
    let mut left_out = Vec::new();
    for (database, keys) in node.info().await?.databases {
        if database >= databases {
            node.empty_database(database).await?;
            left_out.push(format!(
                "database {database} with {keys} keys was left out: the cache has databases 0 to {}",
                databases.saturating_sub(1)
            ));
        }
    }
    Ok(left_out)
}

/// Resolves when an engine that merges has grown too large.
async fn too_much(node: &Node, has: u64) -> LoadError {
    loop {
        sleep(LOOK).await;
        // An engine that has ended is told of by whoever waits for its answer.
        match node.info().await {
            Ok(info) if has > 0 && info.used_memory > has => {
                let needs = info.used_memory;
                return LoadError::TooLarge { needs, has };
            }
            Ok(_) | Err(_) => {}
        }
        if let Some(free) = free_memory().filter(|free| *free < SPARE_MEMORY) {
            return LoadError::NoMemory { free };
        }
    }
}

async fn end(node: &Node) {
    if let Err(error) = node.stop(StopHow::Discard, ENDS_WITHIN).await {
        tracing::error!(error = %chain(&error), "an engine that loaded an import does not stop");
    }
}

/// Ends the engines that work in a directory or below it, and removes it.
pub(in crate::cache) async fn clear(directory: &Path) -> Result<(), String> {
    if !directory.exists() {
        return Ok(());
    }
    for orphan in engine::find_orphans(directory) {
        let stopped = engine::stop_orphan(&orphan, ENDS_WITHIN).await;
        stopped.map_err(|error| chain(&error).to_string())?;
    }
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(format!("remove {}: {error}", directory.display()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Memory that processes can still have without swapping (`MemAvailable`); `None` where the host does
/// not say.
fn free_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib.saturating_mul(1024))
}

#[cfg(test)]
mod tests;
