//! What is reported of a half, from what the relay shows.

use std::time::Duration;

use model::{
    JournalObserved, LagObserved, LinkActivity, LinkObserved, OffsetsObserved, WireObserved,
};
use psync::Position;
use relay::{Counters, InboundStatus, LagSpread, OutboundStatus, Phase};

/// The geo-primary's side; `here` is where its engine stands.
pub(super) fn outbound_observed(status: OutboundStatus, here: Option<Position>) -> LinkObserved {
    let connected = status.peer.is_some();
    let behind = match (here, status.applied) {
        (Some(here), Some(applied)) => here.offset.since(applied),
        (_, _) => 0,
    };
    LinkObserved {
        connected,
        activity: activity(status.phase),
        bytes_behind: behind,
        lag_ms: status.lag.map(millis),
        round_trip_ms: status.round_trip.map(millis),
        silent_ms: status.silent.map(whole_millis),
        last_error: status.last_error,
        not_admitted: status.not_admitted,
        peer_address: status.seen_from,
        offsets: OffsetsObserved {
            received: status.read.map(|read| read.offset),
            journaled: status.journaled,
            shipped: status.sent.map(|sent| sent.offset),
            applied: status.applied,
        },
        last_minute: status.last_minute.map(spread),
        last_hour: status.last_hour.map(spread),
        stalled: status.stalled,
        source_empty: status.source_empty,
        wire: WireObserved {
            count: status.traffic.count,
            raw_bytes: status.traffic.raw_bytes,
            sent_bytes: status.traffic.sent_bytes,
            bypassed_bytes: status.traffic.bypassed_bytes,
            bypassing: status.traffic.bypassing,
            reconnects: status.traffic.reconnects,
            stalls: status.traffic.stalls,
        },
        journal: Some(JournalObserved {
            bytes: status.journal_bytes,
            oldest_ms: status.journal_oldest.map(whole_millis),
            snapshot_bytes: status.snapshot_bytes,
            queued_bytes: status.queued_bytes,
        }),
        ..counted(status.counters)
    }
}

/// The geo-secondary's side; `here` is where its engine stands.
pub(super) fn inbound_observed(status: InboundStatus, here: Option<Position>) -> LinkObserved {
    let behind = match (status.received, here) {
        (Some(received), Some(here)) if received.replid == here.replid => {
            received.offset.since(here.offset)
        }
        (_, _) => 0,
    };
    LinkObserved {
        connected: status.connected,
        activity: activity(status.phase),
        bytes_behind: behind,
        lag_ms: status.lag.map(millis),
        round_trip_ms: status.round_trip.map(millis),
        silent_ms: status.silent.map(whole_millis),
        last_error: status.last_error,
        not_admitted: status.not_admitted,
        offsets: OffsetsObserved {
            shipped: status.received.map(|received| received.offset),
            applied: status.applied,
            ..OffsetsObserved::default()
        },
        ..counted(status.counters)
    }
}

/// An outbound half that does not exist yet.
pub(super) fn nothing(why: String) -> LinkObserved {
    LinkObserved {
        last_error: Some(why),
        ..LinkObserved::default()
    }
}

fn counted(counters: Counters) -> LinkObserved {
    LinkObserved {
        full_syncs_started: counters.full_syncs_started,
        full_syncs_finished: counters.full_syncs_finished,
        partial_syncs: counters.partial_syncs,
        ..LinkObserved::default()
    }
}

fn activity(phase: Phase) -> LinkActivity {
    match phase {
        Phase::Idle | Phase::Waiting | Phase::Connecting => LinkActivity::Waiting,
        Phase::FullSync {
            moved_bytes,
            total_bytes,
        } => LinkActivity::FullSync {
            bytes: moved_bytes,
            total: total_bytes,
        },
        Phase::Streaming => LinkActivity::Streaming,
    }
}

fn spread(lags: LagSpread) -> LagObserved {
    LagObserved {
        p50_ms: millis(lags.p50),
        p99_ms: millis(lags.p99),
        max_ms: millis(lags.max),
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
