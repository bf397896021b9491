//! Export, import and flush.

use super::{
    caches::cache,
    operation::{Operation, post},
};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        post(
            cache("/export"),
            "Redis_ExportData",
            "Write a snapshot of each shard elsewhere",
        )
        .takes("ExportBody")
        .empty(202)
        .followed(),
        post(
            cache("/import"),
            "Redis_ImportData",
            "Replace a cache's data by snapshots",
        )
        .takes("ImportBody")
        .empty(202)
        .followed(),
        post(
            cache("/flush"),
            "Redis_FlushCache",
            "Remove all of a cache's data",
        )
        .empty(202)
        .followed(),
    ]
}
