//! What the figures are called for Prometheus, on every page that shows them.

use super::{Figure, Part};

/// How a figure stands on a page of metrics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exposition {
    /// Its name, without `_total`.
    pub name: &'static str,
    /// What it is.
    pub help: &'static str,
    /// It only grows; else it is what was seen last.
    pub counts: bool,
    /// What tells its lines apart beside cache, region and shard.
    pub label: Option<&'static str>,
    /// A figure is divided by this.
    pub divisor: f64,
}

const fn gauge(name: &'static str, help: &'static str) -> Exposition {
    Exposition {
        name,
        help,
        counts: false,
        label: None,
        divisor: 1.0,
    }
}

const fn counter(name: &'static str, help: &'static str) -> Exposition {
    Exposition {
        counts: true,
        ..gauge(name, help)
    }
}

const fn labelled(label: &'static str, of: Exposition) -> Exposition {
    Exposition {
        label: Some(label),
        ..of
    }
}

/// Microseconds, shown as seconds.
const fn seconds(of: Exposition) -> Exposition {
    Exposition {
        divisor: 1_000_000.0,
        ..of
    }
}

impl Figure {
    /// How it is shown; `None`: under other names, with the links.
    #[must_use]
    pub const fn exposition(self) -> Option<Exposition> {
        match self.of_clients() {
            None => self.of_engine(),
            shown => shown,
        }
    }

    const fn of_clients(self) -> Option<Exposition> {
        Some(match self {
            Self::Clients => gauge(
                "godwit_cache_connected_clients",
                "Connections of clients, without Godwit's own",
            ),
            Self::TokenClients => gauge(
                "godwit_cache_connected_clients_with_token",
                "Those of them that came in with a token",
            ),
            Self::BytesRead => gauge(
                "godwit_cache_read_bytes_per_second",
                "Bytes that went to clients in a second",
            ),
            Self::BytesWritten => gauge(
                "godwit_cache_written_bytes_per_second",
                "Bytes that came from clients in a second",
            ),
            Self::Commands => counter(
                "godwit_cache_commands",
                "Commands that clients sent to the engine",
            ),
            Self::OperationsPerSecond => gauge(
                "godwit_cache_operations_per_second",
                "The same in a second, between the last two samples",
            ),
            Self::ConnectionsCreated => labelled(
                "ssl",
                gauge(
                    "godwit_cache_connections_created_per_second",
                    "Connections that came in a second",
                ),
            ),
            Self::ConnectionsClosed => labelled(
                "ssl",
                gauge(
                    "godwit_cache_connections_closed_per_second",
                    "Connections that ended in a second",
                ),
            ),
            Self::GeoHealthy
            | Self::GeoConnectivityLag
            | Self::GeoDataSyncOffset
            | Self::GeoFullSyncStarted
            | Self::GeoFullSyncFinished
            | Self::UsedMemory
            | Self::UsedMemoryPercentage
            | Self::UsedMemoryRss
            | Self::ServerLoad
            | Self::ProcessorTime
            | Self::Hits
            | Self::Misses
            | Self::Gets
            | Self::Sets
            | Self::Keys
            | Self::Evicted
            | Self::Expired
            | Self::Latency
            | Self::LatencyP99
            | Self::Errors => return None,
        })
    }

    const fn of_engine(self) -> Option<Exposition> {
        Some(match self {
            Self::UsedMemory => gauge(
                "godwit_cache_used_memory_bytes",
                "Memory that the engine counts as used",
            ),
            Self::UsedMemoryPercentage => gauge(
                "godwit_cache_used_memory_percent",
                "The same, of what it may use",
            ),
            Self::UsedMemoryRss => gauge(
                "godwit_cache_used_memory_rss_bytes",
                "Memory of the engine's process that is resident",
            ),
            Self::ServerLoad => gauge(
                "godwit_cache_server_load_percent",
                "Share of the time that the thread that executes commands was busy",
            ),
            Self::ProcessorTime => gauge(
                "godwit_cache_processor_time_percent",
                "Share of the host's processors that the engine had",
            ),
            Self::Hits => counter("godwit_cache_hits", "Reads that found their key"),
            Self::Misses => counter("godwit_cache_misses", "Reads that did not"),
            Self::Gets => counter("godwit_cache_get_commands", "Commands that get a value"),
            Self::Sets => counter("godwit_cache_set_commands", "Commands that set one"),
            Self::Keys => gauge("godwit_cache_keys", "Keys in all databases"),
            Self::Evicted => counter(
                "godwit_cache_evicted_keys",
                "Keys removed because memory was full",
            ),
            Self::Expired => counter(
                "godwit_cache_expired_keys",
                "Keys removed because their time was over",
            ),
            Self::Latency => seconds(gauge(
                "godwit_cache_latency_seconds",
                "How long the engine took to answer its agent, on average between the last two samples",
            )),
            Self::LatencyP99 => seconds(gauge(
                "godwit_cache_latency_p99_seconds",
                "What 99 of 100 of those answers took at most in the last minute",
            )),
            Self::Errors => labelled(
                "type",
                gauge(
                    "godwit_cache_errors",
                    "What went wrong, as the metric errors",
                ),
            ),
            Self::GeoHealthy
            | Self::GeoConnectivityLag
            | Self::GeoDataSyncOffset
            | Self::GeoFullSyncStarted
            | Self::GeoFullSyncFinished
            | Self::Clients
            | Self::TokenClients
            | Self::BytesRead
            | Self::BytesWritten
            | Self::Commands
            | Self::OperationsPerSecond
            | Self::ConnectionsCreated
            | Self::ConnectionsClosed => return None,
        })
    }
}

impl Part {
    /// The value of its figure's label on a page of metrics, `""` without one; `None`: pages leave it
    /// out, as they tell of the nodes that lead alone.
    #[must_use]
    pub const fn label(self) -> Option<&'static str> {
        match self {
            Self::Node { leads: false, .. } => None,
            Self::Node { leads: true, .. } | Self::Whole => Some(""),
            Self::Connections { encrypted: true } => Some("true"),
            Self::Connections { encrypted: false } => Some("false"),
            Self::Error(kind) => Some(kind.name()),
        }
    }
}
