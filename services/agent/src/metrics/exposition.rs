//! The metrics of one moment in the OpenMetrics text format.

mod caches;
mod gateways;

use std::{fmt, time::Duration};

use gateway::GatewayStatus;
use model::{CacheObserved, GeoSample, LagObserved, LinkObserved, RoleKind, ShardObserved};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _, text},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge, info::Info},
    registry::{Registry, Unit},
};
use psync::Offset;

use crate::sampling::Exposed;

/// The content type of [`render`]'s text.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What is seen at one moment.
#[derive(Debug)]
pub(super) struct Picture {
    pub(super) region: String,
    pub(super) engine: String,
    pub(super) generation: u64,
    pub(super) has_problem: bool,
    pub(super) rows: Vec<Row>,
    /// Each cache's gateway, with the cache's name.
    pub(super) gateways: Vec<(String, GatewayStatus)>,
    /// Each cache's figures, with the cache's name.
    pub(super) figures: Vec<(String, Exposed)>,
    /// When certificates expire, in seconds since the Unix epoch: by whose they are.
    pub(super) certificates: Vec<(&'static str, u64)>,
}

/// One shard of one cache.
#[derive(Debug)]
pub(super) struct Row {
    labels: [(&'static str, String); 3],
    shard: ShardObserved,
    geo: Option<GeoSample>,
    silence: Option<Duration>,
    /// How long the cache's lease still counts, and what acknowledges for it; `None`: it needs
    /// none.
    pub(super) lease: Option<(Duration, u32)>,
}

impl Row {
    /// `silence`: how long nothing was heard of the geo-primary, where that is known.
    pub(super) fn new(
        name: &str,
        cache: &CacheObserved,
        shard: &ShardObserved,
        silence: Option<Duration>,
    ) -> Self {
        let role = match cache.role {
            RoleKind::Alone => "alone",
            RoleKind::Primary | RoleKind::Yielding => "primary",
            RoleKind::Secondary | RoleKind::Taking => "secondary",
        };
        Self {
            labels: [
                ("cache", name.to_owned()),
                ("shard", shard.shard.to_string()),
                ("role", role.to_owned()),
            ],
            shard: shard.clone(),
            geo: GeoSample::of(cache, shard),
            silence,
            lease: None,
        }
    }

    fn link(&self) -> Option<&LinkObserved> {
        self.shard.link.as_ref()
    }
}

/// Writes the picture down.
pub(super) fn render(mut picture: Picture) -> String {
    let mut registry = Registry::default();
    let build = Info::new([
        ("service", "agent".to_owned()),
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("region", picture.region.clone()),
        ("engine", picture.engine.clone()),
    ]);
    registry.register("godwit_build", "The version that runs", build);
    let gateways = std::mem::take(&mut picture.gateways);
    let caches = caches::Caches {
        region: picture.region.clone(),
        caches: std::mem::take(&mut picture.figures),
    };
    registry.register_collector(Box::new(picture));
    registry.register_collector(Box::new(gateways::Gateways(gateways)));
    registry.register_collector(Box::new(caches));
    let mut text = String::new();
    text::encode(&mut text, &registry).expect("a text takes whatever is written");
    text
}

impl Collector for Picture {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page {
            encoder,
            rows: &self.rows,
        };
        page.alone(
            "godwit_agent_generation",
            "The generation of desired state that the agent acts on",
            figure(self.generation),
        )?;
        page.alone(
            "godwit_agent_problem",
            "1 while something keeps the agent from its work",
            flag(self.has_problem),
        )?;
        page.certificates(&self.certificates)?;
        shards(&mut page)?;
        state(&mut page)?;
        lease(&mut page)?;
        lags(&mut page)?;
        wire(&mut page)?;
        journal(&mut page)?;
        syncs(&mut page)?;
        geo(&mut page)
    }
}

/// A page that metrics are written on, one after another.
struct Page<'e, 'r> {
    encoder: DescriptorEncoder<'e>,
    rows: &'r [Row],
}

impl Page<'_, '_> {
    fn alone(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        let metric = self
            .encoder
            .encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(value).encode(metric)
    }

    fn certificates(&mut self, all: &[(&'static str, u64)]) -> fmt::Result {
        let mut family = self.encoder.encode_descriptor(
            "godwit_agent_certificate_expiry_timestamp",
            "When a certificate expires, in seconds since the Unix epoch",
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?;
        for (whose, at) in all {
            let labels = [("certificate", *whose)];
            ConstGauge::new(figure(*at)).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    /// A value of each shard that has it.
    fn gauge(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        read: impl Fn(&Row) -> Option<f64>,
    ) -> fmt::Result {
        let rows = self.rows;
        let mut family = self
            .encoder
            .encode_descriptor(name, help, unit, MetricType::Gauge)?;
        for row in rows {
            if let Some(value) = read(row) {
                ConstGauge::new(value).encode(family.encode_family(&row.labels)?)?;
            }
        }
        Ok(())
    }

    /// Several values of each shard, told apart by a label.
    fn gauges<const N: usize>(
        &mut self,
        (name, label): (&str, &'static str),
        help: &str,
        unit: Option<&Unit>,
        read: impl Fn(&LinkObserved) -> [(&'static str, Option<f64>); N],
    ) -> fmt::Result {
        let rows = self.rows;
        let mut family = self
            .encoder
            .encode_descriptor(name, help, unit, MetricType::Gauge)?;
        for row in rows {
            for (which, value) in row.link().map(&read).into_iter().flatten() {
                if let Some(value) = value {
                    let [cache, shard, role] = row.labels.clone();
                    let labels = [cache, shard, role, (label, which.to_owned())];
                    ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
                }
            }
        }
        Ok(())
    }

    /// A count of each shard that has it.
    fn counter(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        read: impl Fn(&Row) -> Option<u64>,
    ) -> fmt::Result {
        let rows = self.rows;
        let mut family = self
            .encoder
            .encode_descriptor(name, help, unit, MetricType::Counter)?;
        for row in rows {
            if let Some(value) = read(row) {
                ConstCounter::new(value).encode(family.encode_family(&row.labels)?)?;
            }
        }
        Ok(())
    }
}

fn shards(page: &mut Page<'_, '_>) -> fmt::Result {
    page.gauge(
        "godwit_agent_shard_keys",
        "Keys in all databases",
        None,
        |row| Some(figure(row.shard.keys)),
    )?;
    page.gauge(
        "godwit_agent_shard_memory",
        "Memory that the engine counts as used",
        Some(&Unit::Bytes),
        |row| Some(figure(row.shard.used_memory)),
    )?;
    page.gauge(
        "godwit_agent_shard_clients",
        "Client connections, without Godwit's own",
        None,
        |row| Some(figure(row.shard.clients)),
    )?;
    page.gauge(
        "godwit_agent_shard_operations_per_second",
        "Commands in a second, as the engine averages them",
        None,
        |row| Some(figure(row.shard.ops_per_second)),
    )
}

fn state(page: &mut Page<'_, '_>) -> fmt::Result {
    page.gauge(
        "godwit_agent_link_connected",
        "1 while the two halves are connected",
        None,
        |row| Some(flag(row.link()?.connected)),
    )?;
    page.gauge(
        "godwit_agent_link_healthy",
        "1 while the half is connected, does what its role asks, and is not stalled",
        None,
        |row| {
            let link = row.link()?;
            let in_place = match row.geo? {
                GeoSample::Primary { .. } => row.shard.standing == model::ShardStanding::Writable,
                GeoSample::Secondary { healthy, .. } => healthy,
            };
            Some(flag(in_place && link.connected && link.stalled.is_none()))
        },
    )?;
    page.gauge(
        "godwit_agent_link_stalled",
        "1 while bytes wait and none was applied for 10 s",
        None,
        |row| Some(flag(row.link()?.stalled.is_some())),
    )?;
    page.gauge(
        "godwit_agent_link_behind",
        "Stream bytes that are not applied: by the other side (primary), or of what arrived (secondary)",
        Some(&Unit::Bytes),
        |row| Some(figure(row.link()?.bytes_behind)),
    )?;
    page.gauges(
        ("godwit_agent_link_offset", "station"),
        "How far the stream has come at each station",
        Some(&Unit::Bytes),
        |link| {
            let at = |offset: Option<Offset>| offset.map(|offset| figure(offset.0));
            [
                ("received", at(link.offsets.received)),
                ("journaled", at(link.offsets.journaled)),
                ("shipped", at(link.offsets.shipped)),
                ("applied", at(link.offsets.applied)),
            ]
        },
    )
}

fn lease(page: &mut Page<'_, '_>) -> fmt::Result {
    page.gauge(
        "godwit_agent_lease_left",
        "How long the geo-primary may still take writes without another lease; 0: it refuses them",
        Some(&Unit::Seconds),
        |row| Some(row.lease?.0.as_secs_f64()),
    )?;
    page.gauge(
        "godwit_agent_lease_keepers",
        "Connections that acknowledge to the geo-primary's engine for as long as the lease is held",
        None,
        |row| Some(figure(u64::from(row.lease?.1))),
    )
}

fn lags(page: &mut Page<'_, '_>) -> fmt::Result {
    page.gauge(
        "godwit_agent_link_lag",
        "Age of the oldest byte that is not applied, on the clock of the geo-primary's side",
        Some(&Unit::Seconds),
        |row| row.link()?.lag_ms.map(seconds),
    )?;
    page.gauge(
        "godwit_agent_link_round_trip",
        "Round trip between the halves",
        Some(&Unit::Seconds),
        |row| row.link()?.round_trip_ms.map(seconds),
    )?;
    let quantiles = |lag: Option<LagObserved>| {
        [
            ("0.5", lag.map(|lag| seconds(lag.p50_ms))),
            ("0.99", lag.map(|lag| seconds(lag.p99_ms))),
            ("1", lag.map(|lag| seconds(lag.max_ms))),
        ]
    };
    page.gauges(
        ("godwit_agent_link_lag_last_minute", "quantile"),
        "How old writes were when they were applied, over the last minute",
        Some(&Unit::Seconds),
        |link| quantiles(link.last_minute),
    )?;
    page.gauges(
        ("godwit_agent_link_lag_last_hour", "quantile"),
        "How old writes were when they were applied, over the last hour",
        Some(&Unit::Seconds),
        |link| quantiles(link.last_hour),
    )
}

fn wire(page: &mut Page<'_, '_>) -> fmt::Result {
    page.counter(
        "godwit_agent_link_raw",
        "Snapshot and stream bytes sent to the other region, before compression",
        Some(&Unit::Bytes),
        |row| Some(row.link()?.wire.raw_bytes),
    )?;
    page.counter(
        "godwit_agent_link_sent",
        "Bytes that carried them",
        Some(&Unit::Bytes),
        |row| Some(row.link()?.wire.sent_bytes),
    )?;
    page.counter(
        "godwit_agent_link_bypassed",
        "Of the raw bytes, those that went uncompressed because compression saved too little",
        Some(&Unit::Bytes),
        |row| Some(row.link()?.wire.bypassed_bytes),
    )?;
    page.gauge(
        "godwit_agent_link_bypassing",
        "1 while compression is left out",
        None,
        |row| Some(flag(row.link()?.wire.bypassing)),
    )?;
    page.gauge(
        "godwit_agent_link_compression_ratio",
        "Raw bytes for each byte sent, since the agent started; absent before any was sent",
        None,
        |row| {
            let wire = row.link()?.wire;
            (wire.sent_bytes > 0).then(|| figure(wire.raw_bytes) / figure(wire.sent_bytes))
        },
    )?;
    page.counter(
        "godwit_agent_link_reconnects",
        "Connections between the halves that ended and were made again",
        None,
        |row| Some(row.link()?.wire.reconnects),
    )?;
    page.counter(
        "godwit_agent_link_stalls",
        "Times that bytes waited and none was applied for 10 s",
        None,
        |row| Some(row.link()?.wire.stalls),
    )
}

fn journal(page: &mut Page<'_, '_>) -> fmt::Result {
    page.gauge(
        "godwit_agent_link_journal",
        "Stream bytes in the journal",
        Some(&Unit::Bytes),
        |row| Some(figure(row.link()?.journal?.bytes)),
    )?;
    page.gauge(
        "godwit_agent_link_journal_oldest",
        "Age of the oldest byte in the journal",
        Some(&Unit::Seconds),
        |row| Some(figure(row.link()?.journal?.oldest_ms?) / 1_000.0),
    )?;
    page.gauge(
        "godwit_agent_link_journal_queue",
        "Stream bytes that are read and not yet written to the journal",
        Some(&Unit::Bytes),
        |row| Some(figure(row.link()?.journal?.queued_bytes)),
    )?;
    page.gauge(
        "godwit_agent_link_snapshot",
        "Bytes of the snapshot that the journal keeps",
        Some(&Unit::Bytes),
        |row| Some(figure(row.link()?.journal?.snapshot_bytes)),
    )
}

fn syncs(page: &mut Page<'_, '_>) -> fmt::Result {
    page.counter(
        "godwit_agent_link_full_syncs_started",
        "Full syncs that began",
        None,
        |row| Some(row.link()?.full_syncs_started),
    )?;
    page.counter(
        "godwit_agent_link_full_syncs_finished",
        "Full syncs that the geo-secondary has loaded",
        None,
        |row| Some(row.link()?.full_syncs_finished),
    )?;
    page.counter(
        "godwit_agent_link_partial_syncs",
        "Connections that went on where the last one ended",
        None,
        |row| Some(row.link()?.partial_syncs),
    )
}

/// The five of the managed service, each from the one side that has it there.
fn geo(page: &mut Page<'_, '_>) -> fmt::Result {
    let secondary = |row: &Row| match row.geo? {
        GeoSample::Secondary {
            healthy,
            full_syncs_started,
            full_syncs_finished,
            ..
        } => Some((healthy, full_syncs_started, full_syncs_finished)),
        GeoSample::Primary { .. } => None,
    };
    page.gauge(
        "godwit_agent_geo_replication_healthy",
        "GeoReplicationHealthy: 1 while the geo-secondary is in step (geo-secondary alone)",
        None,
        |row| Some(flag(secondary(row)?.0)),
    )?;
    page.gauge(
        "godwit_agent_geo_replication_connectivity_lag",
        "GeoReplicationConnectivityLag: time since the geo-primary was last heard (geo-secondary alone)",
        Some(&Unit::Seconds),
        |row| {
            secondary(row)?;
            Some(row.silence?.as_secs_f64())
        },
    )?;
    page.gauge(
        "godwit_agent_geo_replication_data_sync_offset",
        "GeoReplicationDataSyncOffset: bytes that are not synced (geo-primary alone)",
        Some(&Unit::Bytes),
        |row| match row.geo? {
            GeoSample::Primary { unsynced_bytes } => unsynced_bytes.map(figure),
            GeoSample::Secondary { .. } => None,
        },
    )?;
    page.counter(
        "godwit_agent_geo_replication_full_sync_event_started",
        "GeoReplicationFullSyncEventStarted: full syncs that began (geo-secondary alone)",
        None,
        |row| Some(secondary(row)?.1),
    )?;
    page.counter(
        "godwit_agent_geo_replication_full_sync_event_finished",
        "GeoReplicationFullSyncEventFinished: full syncs that ended well (geo-secondary alone)",
        None,
        |row| Some(secondary(row)?.2),
    )
}

fn flag(is_so: bool) -> f64 {
    if is_so { 1.0 } else { 0.0 }
}

fn seconds(ms: f64) -> f64 {
    ms / 1_000.0
}

#[expect(clippy::cast_precision_loss, reason = "a metric needs no more digits")]
fn figure(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests;
