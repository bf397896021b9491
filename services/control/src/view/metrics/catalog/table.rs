//! The table of all metrics.

use model::Figure;

use super::{Definition, Scope, Source, What};
use crate::view::metrics::{
    Aggregation::{self, Average, Count, Maximum, Minimum, Total},
    Dimension::{self, ErrorType, Port, Primary, ShardId, Ssl},
};

/// What is seen by samples: the greatest is what people watch.
const SEEN: &[Aggregation] = &[Maximum, Average, Minimum];
/// What is counted from one sample to the next.
const COUNTED: &[Aggregation] = &[Total, Average, Minimum, Maximum, Count];
const MEASURED: &[Aggregation] = &[Average, Minimum, Maximum];
const EVENTS: &[Aggregation] = &[Count];
/// One value for a step, whatever it is called.
const RATE: &[Aggregation] = &[Total, Average, Minimum, Maximum];

/// Shards that have metrics of their own names.
const LEGACY_SHARDS: u16 = 10;

struct Row {
    name: &'static str,
    display: &'static str,
    description: &'static str,
    unit: &'static str,
    aggregations: &'static [Aggregation],
    what: What,
    /// Its name as a metric of every node, when it is one.
    every: Option<&'static str>,
    /// There is one of each shard, too, under names of their own.
    legacy: bool,
}

const fn row(
    (name, display, unit): (&'static str, &'static str, &'static str),
    aggregations: &'static [Aggregation],
    figure: Figure,
    every: &'static str,
    description: &'static str,
) -> Row {
    Row {
        name,
        display,
        description,
        unit,
        aggregations,
        what: What::Samples(figure),
        every: Some(every),
        legacy: true,
    }
}

/// Those of nodes.
const ROWS: [Row; 18] = [
    row(
        ("connectedclients", "Connected Clients", "Count"),
        SEEN,
        Figure::Clients,
        "allconnectedclients",
        "Connections of clients, as the gateway counts them: without Godwit's own.",
    ),
    row(
        ("totalcommandsprocessed", "Total Operations", "Count"),
        COUNTED,
        Figure::Commands,
        "alltotalcommandsprocessed",
        "Commands that clients sent to the engine, as the gateway counts them.",
    ),
    row(
        ("operationsPerSecond", "Operations Per Second", "Count"),
        SEEN,
        Figure::OperationsPerSecond,
        "alloperationsPerSecond",
        "Commands that clients sent to the engine in a second, between two samples.",
    ),
    row(
        ("cachehits", "Cache Hits", "Count"),
        COUNTED,
        Figure::Hits,
        "allcachehits",
        "Lookups that found their key.",
    ),
    row(
        ("cachemisses", "Cache Misses", "Count"),
        COUNTED,
        Figure::Misses,
        "allcachemisses",
        "Lookups that did not find their key.",
    ),
    row(
        ("getcommands", "Gets", "Count"),
        COUNTED,
        Figure::Gets,
        "allgetcommands",
        "Commands that get a value: GET, MGET, GETBIT, GETRANGE, HGET, HGETALL and HMGET.",
    ),
    row(
        ("setcommands", "Sets", "Count"),
        COUNTED,
        Figure::Sets,
        "allsetcommands",
        "Commands that set a value, those that replication brought included: SET, SETBIT, SETEX, SETNX, SETRANGE, MSET, MSETNX, HSET, HSETNX, HMSET and LSET.",
    ),
    row(
        ("evictedkeys", "Evicted Keys", "Count"),
        COUNTED,
        Figure::Evicted,
        "allevictedkeys",
        "Keys that were removed because memory was full.",
    ),
    row(
        ("expiredkeys", "Expired Keys", "Count"),
        COUNTED,
        Figure::Expired,
        "allexpiredkeys",
        "Keys that were removed because their time was over.",
    ),
    row(
        ("totalkeys", "Total Keys", "Count"),
        SEEN,
        Figure::Keys,
        "alltotalkeys",
        "Keys in all databases.",
    ),
    row(
        ("usedmemory", "Used Memory", "Bytes"),
        SEEN,
        Figure::UsedMemory,
        "allusedmemory",
        "Memory that the engine counts as used.",
    ),
    Row {
        legacy: false,
        ..row(
            ("usedmemorypercentage", "Used Memory Percentage", "Percent"),
            SEEN,
            Figure::UsedMemoryPercentage,
            "allusedmemorypercentage",
            "Used memory, of what the engine may use.",
        )
    },
    row(
        ("usedmemoryRss", "Used Memory RSS", "Bytes"),
        SEEN,
        Figure::UsedMemoryRss,
        "allusedmemoryRss",
        "Memory of the engine's process that is resident.",
    ),
    row(
        ("serverLoad", "Server Load", "Percent"),
        SEEN,
        Figure::ServerLoad,
        "allserverLoad",
        "Share of the time that the engine's one thread that executes commands was busy.",
    ),
    row(
        ("percentProcessorTime", "CPU", "Percent"),
        SEEN,
        Figure::ProcessorTime,
        "allpercentprocessortime",
        "Share of the host's processors that the engine had.",
    ),
    row(
        ("cacheRead", "Cache Read", "BytesPerSecond"),
        SEEN,
        Figure::BytesRead,
        "allcacheRead",
        "Bytes that went to clients in a second, between two samples.",
    ),
    row(
        ("cacheWrite", "Cache Write", "BytesPerSecond"),
        SEEN,
        Figure::BytesWritten,
        "allcacheWrite",
        "Bytes that came from clients in a second, between two samples.",
    ),
    Row {
        what: What::MissRate,
        every: None,
        legacy: false,
        ..row(
            ("cachemissrate", "Cache Miss Rate", "Percent"),
            RATE,
            Figure::Misses,
            "",
            "Lookups that did not find their key, of all in the step. A step without lookups has none.",
        )
    },
];

struct Single {
    name: &'static str,
    display: &'static str,
    description: &'static str,
    unit: &'static str,
    category: &'static str,
    aggregations: &'static [Aggregation],
    figure: Figure,
    dimensions: &'static [Dimension],
}

/// The others.
const SINGLES: [Single; 11] = [
    Single {
        name: "GeoReplicationHealthy",
        display: "Geo-replication Healthy",
        description: "1 while the link is healthy, 0 while it is not. Only the geo-secondary has it.",
        unit: "Count",
        category: GEO,
        aggregations: MEASURED,
        figure: Figure::GeoHealthy,
        dimensions: &[ShardId],
    },
    Single {
        name: "GeoReplicationConnectivityLag",
        display: "Geo-replication Connectivity Lag",
        description: "Seconds since the geo-secondary last heard from the geo-primary. Only the geo-secondary has it.",
        unit: "Seconds",
        category: GEO,
        aggregations: MEASURED,
        figure: Figure::GeoConnectivityLag,
        dimensions: &[ShardId],
    },
    Single {
        name: "GeoReplicationDataSyncOffset",
        display: "Geo-replication Data Sync Offset",
        description: "Bytes that the geo-secondary has not applied. Only the geo-primary has it.",
        unit: "Bytes",
        category: GEO,
        aggregations: MEASURED,
        figure: Figure::GeoDataSyncOffset,
        dimensions: &[ShardId],
    },
    Single {
        name: "GeoReplicationFullSyncEventStarted",
        display: "Geo-replication Full Sync Event Started",
        description: "Full syncs of the geo-secondary that began. Only the geo-secondary has it.",
        unit: "Count",
        category: GEO,
        aggregations: EVENTS,
        figure: Figure::GeoFullSyncStarted,
        dimensions: &[ShardId],
    },
    Single {
        name: "GeoReplicationFullSyncEventFinished",
        display: "Geo-replication Full Sync Event Finished",
        description: "Full syncs of the geo-secondary that ended well. Only the geo-secondary has it.",
        unit: "Count",
        category: GEO,
        aggregations: EVENTS,
        figure: Figure::GeoFullSyncFinished,
        dimensions: &[ShardId],
    },
    Single {
        name: "cacheLatency",
        display: "Cache Latency Microseconds (Preview)",
        description: "How long the engine took to answer its agent on the same host, in microseconds.",
        unit: "Count",
        category: CACHE,
        aggregations: MEASURED,
        figure: Figure::Latency,
        dimensions: &[ShardId],
    },
    Single {
        name: "LatencyP99",
        display: "99th Percentile Latency (Preview)",
        description: "What 99 of 100 of those answers took at most in a minute, in microseconds.",
        unit: "Count",
        category: CACHE,
        aggregations: MEASURED,
        figure: Figure::LatencyP99,
        dimensions: &[],
    },
    Single {
        name: "errors",
        display: "Errors",
        description: "What went wrong, by kind: events between two samples, and states as of a sample.",
        unit: "Count",
        category: CACHE,
        aggregations: &[Maximum, Average, Minimum, Total],
        figure: Figure::Errors,
        dimensions: &[ShardId, ErrorType],
    },
    Single {
        name: "ConnectedClientsUsingAADToken",
        display: "Connected Clients Using Microsoft Entra Token (Instance Based)",
        description: "Connections of clients that came in with a token.",
        unit: "Count",
        category: INSTANCES,
        aggregations: SEEN,
        figure: Figure::TokenClients,
        dimensions: &[ShardId, Port, Primary],
    },
    Single {
        name: "allConnectionsCreatedPerSecond",
        display: "Connections Created Per Second (Instance Based)",
        description: "Connections of clients that came in a second, between two samples.",
        unit: "CountPerSecond",
        category: INSTANCES,
        aggregations: SEEN,
        figure: Figure::ConnectionsCreated,
        dimensions: &[ShardId, Primary, Ssl],
    },
    Single {
        name: "allConnectionsClosedPerSecond",
        display: "Connections Closed Per Second (Instance Based)",
        description: "Connections of clients that ended in a second, between two samples.",
        unit: "CountPerSecond",
        category: INSTANCES,
        aggregations: SEEN,
        figure: Figure::ConnectionsClosed,
        dimensions: &[ShardId, Primary, Ssl],
    },
];

const GEO: &str = "Geo-replication";
const CACHE: &str = "Cache";
const INSTANCES: &str = "Instance Based";
const SHARDS: &str = "Shards";

/// Every metric: those of links, of the cache, of each node, and of each shard under names of their
/// own.
pub(super) fn all() -> Vec<Definition> {
    let singles = SINGLES.iter().map(|single| Definition {
        name: single.name.to_owned(),
        display_name: single.display.to_owned(),
        description: single.description.to_owned(),
        unit: single.unit,
        category: single.category,
        aggregations: single.aggregations,
        dimensions: single.dimensions,
        source: Source {
            what: What::Samples(single.figure),
            scope: Scope::Every,
        },
        is_legacy: false,
    });
    let of_caches = ROWS.iter().map(|row| {
        let (name, display) = (row.name.to_owned(), row.display.to_owned());
        row.define((name, display), CACHE, &[ShardId], Scope::Leading)
    });
    let of_nodes = ROWS.iter().filter_map(|row| {
        let names = (
            row.every?.to_owned(),
            format!("{} (Instance Based)", row.display),
        );
        let dimensions = &[ShardId, Port, Primary];
        Some(row.define(names, INSTANCES, dimensions, Scope::Every))
    });
    let legacy = ROWS.iter().filter(|row| row.legacy);
    let of_shards = legacy.flat_map(|row| {
        (0..LEGACY_SHARDS).map(|shard| {
            let names = (
                format!("{}{shard}", row.name),
                format!("{} (Shard {shard})", row.display),
            );
            Definition {
                is_legacy: true,
                ..row.define(names, SHARDS, &[], Scope::Shard(shard))
            }
        })
    });
    singles
        .chain(of_caches)
        .chain(of_nodes)
        .chain(of_shards)
        .collect()
}

impl Row {
    fn define(
        &self,
        (name, display_name): (String, String),
        category: &'static str,
        dimensions: &'static [Dimension],
        scope: Scope,
    ) -> Definition {
        Definition {
            name,
            display_name,
            description: self.description.to_owned(),
            unit: self.unit,
            category,
            aggregations: self.aggregations,
            dimensions,
            source: Source {
                what: self.what,
                scope,
            },
            is_legacy: false,
        }
    }
}
