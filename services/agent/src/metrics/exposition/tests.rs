use std::collections::BTreeSet;

use model::{
    CacheUid, Epoch, JournalObserved, LinkActivity, OffsetsObserved, ShardIndex, ShardStanding,
    WireObserved,
};

use super::*;

fn link() -> LinkObserved {
    LinkObserved {
        connected: true,
        activity: LinkActivity::Streaming,
        bytes_behind: 14,
        lag_ms: Some(1.5),
        round_trip_ms: Some(80.0),
        full_syncs_started: 2,
        full_syncs_finished: 1,
        partial_syncs: 3,
        silent_ms: Some(40),
        last_error: None,
        not_admitted: None,
        peer_address: None,
        offsets: OffsetsObserved {
            received: Some(Offset(1_014)),
            journaled: Some(Offset(1_014)),
            shipped: Some(Offset(1_014)),
            applied: Some(Offset(1_000)),
        },
        last_minute: Some(LagObserved {
            p50_ms: 1.0,
            p99_ms: 4.0,
            max_ms: 9.0,
        }),
        last_hour: None,
        stalled: None,
        source_empty: false,
        wire: WireObserved {
            count: 9,
            raw_bytes: 1_000,
            sent_bytes: 250,
            bypassed_bytes: 10,
            bypassing: false,
            reconnects: 4,
            stalls: 5,
        },
        journal: Some(JournalObserved {
            bytes: 4_096,
            oldest_ms: Some(2_500),
            snapshot_bytes: 0,
            queued_bytes: 7,
        }),
    }
}

fn row(name: &str, role: RoleKind, standing: ShardStanding, link: Option<LinkObserved>) -> Row {
    let shard = ShardObserved {
        shard: ShardIndex(0),
        standing,
        position: None,
        keys: 12,
        used_memory: 2_048,
        ops_per_second: 5,
        clients: 2,
        nodes: vec![],
        link,
        fork: None,
    };
    let cache = CacheObserved {
        uid: CacheUid::new("u"),
        settled_revision: 1,
        epoch: Epoch(1),
        role,
        doors: None,
        engine: None,
        shards: vec![],
        problem: None,
        lost_writes: Vec::new(),
        handoff: None,
        transfer: None,
    };
    Row::new(name, &cache, &shard, Some(Duration::from_millis(1_250)))
}

fn gateway() -> GatewayStatus {
    let mut status = GatewayStatus {
        accepted: 9,
        carried: 2,
        bytes_in: 1_000,
        bytes_out: 4_000,
        ..GatewayStatus::default()
    };
    status.connections.geo_tls = 3;
    status.refused.firewall = 1;
    status
}

fn rendered(rows: Vec<Row>) -> String {
    render(Picture {
        region: "eastus".to_owned(),
        engine: "valkey 8.0.1".to_owned(),
        generation: 7,
        has_problem: false,
        rows,
        gateways: vec![("east".to_owned(), gateway())],
    })
}

#[test]
fn the_page_is_as_documented() {
    let secondary = LinkObserved {
        journal: None,
        last_minute: None,
        wire: WireObserved::default(),
        offsets: OffsetsObserved::default(),
        ..link()
    };
    let standing = ShardStanding::Writable;
    let mut east = row("east", RoleKind::Primary, standing, Some(link()));
    east.lease = Some((Duration::from_millis(5_500), 3));
    let page = rendered(vec![
        east,
        row(
            "west",
            RoleKind::Secondary,
            ShardStanding::Following,
            Some(secondary),
        ),
        row("single", RoleKind::Alone, ShardStanding::Writable, None),
    ]);
    assert_eq!(page, include_str!("page.txt"));
}

#[test]
fn every_name_is_in_the_documentation() {
    let page = rendered(vec![]);
    let document = include_str!("../../../../../docs/metrics.md");
    let names: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    assert!(names.len() > 30, "{names:?}");
    let missing: Vec<_> = names
        .iter()
        .filter(|name| !document.contains(&format!("`{name}")))
        .collect();
    assert!(missing.is_empty(), "not in docs/metrics.md: {missing:?}");
}

#[test]
fn the_geo_metrics_come_from_the_side_that_has_them() {
    let page = rendered(vec![
        row(
            "east",
            RoleKind::Primary,
            ShardStanding::Writable,
            Some(link()),
        ),
        row(
            "west",
            RoleKind::Secondary,
            ShardStanding::Cut,
            Some(link()),
        ),
    ]);
    let series = |name: &str| -> Vec<&str> {
        let start = format!("godwit_agent_geo_replication_{name}{{");
        page.lines()
            .filter(|line| line.starts_with(&start))
            .collect()
    };
    for (name, cache, value) in [
        ("healthy", "west", " 0.0"),
        ("connectivity_lag_seconds", "west", " 1.25"),
        ("data_sync_offset_bytes", "east", " 14.0"),
        ("full_sync_event_started_total", "west", " 2"),
        ("full_sync_event_finished_total", "west", " 1"),
    ] {
        let found = series(name);
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        assert!(
            found[0].contains(&format!("cache=\"{cache}\"")) && found[0].ends_with(value),
            "{found:?}"
        );
    }
}
