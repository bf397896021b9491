//! Caches.

use super::operation::{Operation, Shape, delete, get, patch, post, put};

/// A path below a cache.
pub(super) fn cache(rest: &str) -> String {
    const CACHE: &str = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.Cache/redis/{name}";
    format!("{CACHE}{rest}")
}

pub(super) fn operations() -> Vec<Operation> {
    let mut all = resources();
    all.extend(runtime());
    all
}

fn resources() -> Vec<Operation> {
    vec![
        get(
            "/subscriptions/{subscriptionId}/providers/Microsoft.Cache/redis",
            "Redis_ListBySubscription",
            "The caches of a subscription",
        )
        .paged()
        .ok("CacheList"),
        get(
            "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.Cache/redis",
            "Redis_ListByResourceGroup",
            "The caches of a resource group",
        )
        .paged()
        .ok("CacheList"),
        get(cache(""), "Redis_Get", "A cache, without its keys").ok("Cache"),
        put(cache(""), "Redis_Create", "Make a cache, or change it")
            .takes("CacheBody")
            .ok("Cache")
            .created("Cache")
            .followed(),
        patch(cache(""), "Redis_Update", "Change a cache")
            .takes("CachePatch")
            .ok("Cache")
            .followed(),
        delete(cache(""), "Redis_Delete", "Delete a cache that is not linked")
            .empty(202)
            .empty(204),
        post(cache("/listKeys"), "Redis_ListKeys", "The access keys of a cache").ok("AccessKeys"),
        post(cache("/regenerateKey"), "Redis_RegenerateKey", "Make a new access key")
            .takes("KeyBody")
            .ok("AccessKeys"),
    ]
}

fn runtime() -> Vec<Operation> {
    vec![
        get(
            cache("/runtimeStatus"),
            "Redis_GetRuntimeStatus",
            "What runs right now",
        )
        .ok("CacheStatus"),
        get(
            cache("/providers/Microsoft.Insights/metrics"),
            "Metrics_List",
            "The geo-replication metrics of the last day",
        )
        .query(&[
            "metricnames",
            "timespan",
            "interval",
            "aggregation",
            "filter",
        ])
        .ok("Metrics"),
        get(
            cache("/providers/Microsoft.Insights/metricDefinitions"),
            "MetricDefinitions_List",
            "Which metrics there are",
        )
        .ok("MetricDefinitionList"),
        get(
            cache("/lostWrites"),
            "LostWrites_List",
            "Receipts of what the other side of a forced failover never got",
        )
        .ok("ReceiptList"),
        get(
            cache("/lostWrites/{receipt}"),
            "LostWrites_Get",
            "A receipt",
        )
        .ok("Receipt"),
        delete(
            cache("/lostWrites/{receipt}"),
            "LostWrites_Discard",
            "Remove a receipt with its files",
        )
        .empty(200),
        get(
            cache("/lostWrites/{receipt}/content"),
            "LostWrites_GetContent",
            "The commands, in RESP",
        )
        .answers(200, Shape::Other("application/octet-stream")),
        get(
            cache("/lostWrites/{receipt}/keys"),
            "LostWrites_GetKeys",
            "The keys, in RESP",
        )
        .answers(200, Shape::Other("application/octet-stream")),
        get(
            cache("/writtenSince"),
            "Redis_ListWrittenSince",
            "The keys that were written since a position, in RESP",
        )
        .query(&["shard", "position"])
        .answers(200, Shape::Other("application/octet-stream")),
    ]
}
