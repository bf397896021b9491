//! A cache's snapshots go out, shard by shard.

use std::sync::Arc;

use model::{CacheDesired, CacheUid, Place, TransferFigures, TransferOrder, TransferWork};
use runtime::{chain, durable};
use transfer::{Export, Progress, export};

use crate::cache::{Host, shard::ShardRunner, store::CacheStore};

/// What is to be exported; `None`: not yet, as no engine has the data of a shard in full.
pub(super) fn plan(
    host: &Host,
    uid: &CacheUid,
    desired: &CacheDesired,
    order: &TransferOrder,
    store: &CacheStore,
    shards: &[ShardRunner],
) -> Result<Option<Vec<Export>>, String> {
    let TransferWork::Export { to, prefix } = &order.work else {
        return Ok(None);
    };
    let to =
        Place::parse(to.reveal()).map_err(|error| format!("the place cannot be used: {error}"))?;
    let folder = host.directory.transfer(uid);
    durable::make_directory(&folder).map_err(|error| chain(&error).to_string())?;
    let mut exports = Vec::new();
    for shard in shards {
        let observed = shard.observed();
        let engines = shard.snapshot_sources(store, desired);
        if engines.is_empty() {
            return Ok(None);
        }
        exports.push(Export {
            engines,
            about: observed.used_memory,
            to: to.clone(),
            file: prefix.file(observed.shard.0, desired.shards),
            spool: folder.join("export.rdb"),
        });
    }
    Ok(Some(exports))
}

/// Exports one after the other. The error is why, in a sentence.
pub(super) async fn run(
    host: Arc<Host>,
    exports: Vec<Export>,
    progress: Arc<Progress>,
) -> Result<TransferFigures, String> {
    let mut figures = TransferFigures::default();
    for each in &exports {
        match export(each, &host.transfers, &progress).await {
            Ok(exported) => {
                figures.bytes += exported.bytes;
                figures.files.push(exported.shown);
            }
            Err(error) => return Err(chain(&error).to_string()),
        }
    }
    Ok(figures)
}
