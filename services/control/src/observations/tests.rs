use model::{
    Epoch, Fencing, LinkId, LinkObserved, LinkRecord, ReplicationSettings, RoleKind, ShardIndex,
    ShardObserved, ShardStanding,
};

use super::*;
use crate::records::tests::{cache, member};

const S: Duration = Duration::from_secs(1);

fn link() -> LinkRecord {
    let (east, west) = (cache("east", "eastus"), cache("west", "westus"));
    let link = LinkRecord::begin(
        LinkId::new("l"),
        member(&east),
        member(&west),
        Epoch(4),
        model::Timestamp(0),
    );
    link.with_settings(ReplicationSettings {
        fencing: Fencing::Lease,
        ..ReplicationSettings::default()
    })
}

pub(crate) fn report(
    name: &str,
    place: &str,
    role: RoleKind,
    standing: ShardStanding,
    lag_ms: Option<f64>,
) -> RegionObserved {
    RegionObserved {
        region: place.parse().unwrap(),
        generation: 1,
        relay_address: None,
        engine: None,
        problem: None,
        events: vec![],
        caches: vec![CacheObserved {
            uid: cache(name, place).uid,
            settled_revision: 1,
            epoch: Epoch(4),
            role,
            doors: None,
            engine: None,
            shards: vec![ShardObserved {
                shard: ShardIndex(0),
                standing,
                position: None,
                keys: 0,
                used_memory: 0,
                ops_per_second: 0,
                clients: 0,
                nodes: vec![],
                link: Some(LinkObserved {
                    connected: true,
                    lag_ms,
                    ..LinkObserved::default()
                }),
                fork: None,
            }],
            problem: None,
            lost_writes: vec![],
            handoff: None,
            transfer: None,
        }],
    }
}

fn east(standing: ShardStanding, lag_ms: Option<f64>) -> RegionObserved {
    report("east", "eastus", RoleKind::Primary, standing, lag_ms)
}

fn west(lag_ms: Option<f64>) -> RegionObserved {
    let standing = ShardStanding::Following;
    report("west", "westus", RoleKind::Secondary, standing, lag_ms)
}

/// Listens every second up to `to`.
fn listen(observations: &Observations, to: u32) {
    for second in 0..=to {
        observations.listen_at(observations.started + S * second);
    }
}

#[test]
fn a_primary_is_away_since_it_was_last_heard_to_take_writes() {
    let observations = Observations::new();
    let begin = observations.started;
    let at = |seconds| observations.seen_at(begin + S * seconds).away(&link());
    listen(&observations, 10);
    assert_eq!(at(7).down_ms, 7_000, "never heard: since the start");
    observations.hear_at(east(ShardStanding::Writable, Some(3.2)), begin + S * 10);
    assert_eq!((at(10).down_ms, at(10).last_lag_ms), (0, Some(4)));
    // Alive and of no use is away as well; waiting in a handoff is not.
    observations.hear_at(east(ShardStanding::Silent, Some(9.0)), begin + S * 12);
    assert_eq!(at(15).down_ms, 5_000);
    let yielded = ShardStanding::Yielded { attempt: 1 };
    observations.hear_at(east(yielded, Some(9.0)), begin + S * 15);
    assert_eq!(at(16).down_ms, 1_000);
    // An agent that starts names no cache at first.
    let mut empty = east(ShardStanding::Writable, None);
    empty.caches.clear();
    observations.hear_at(empty, begin + S * 17);
    assert_eq!(at(19).down_ms, 4_000);
}

#[test]
fn writes_that_were_taken_after_the_lag_was_known_count_as_lag() {
    let observations = Observations::new();
    let begin = observations.started;
    let lag = |seconds| {
        let seen = observations.seen_at(begin + S * seconds);
        seen.away(&link()).last_lag_ms
    };
    assert_eq!(lag(0), None);
    observations.hear_at(east(ShardStanding::Writable, Some(100.0)), begin + S);
    assert_eq!(lag(60), Some(100), "its absence since adds nothing");
    observations.hear_at(east(ShardStanding::Writable, None), begin + S * 6);
    assert_eq!(lag(60), Some(5_100), "it went on and nobody knew the lag");
    observations.hear_at(west(Some(20.0)), begin + S * 8);
    assert_eq!(lag(60), Some(20), "the other side knows better");
    let next = LinkRecord {
        epoch: Epoch(5),
        ..link()
    };
    let seen = observations.seen_at(begin + S * 60);
    assert_eq!(seen.away(&next).last_lag_ms, None, "of another epoch");
}

#[test]
fn a_secondary_that_has_everything_has_no_lag_although_none_was_measured() {
    let observations = Observations::new();
    let begin = observations.started;
    let lag = || {
        observations
            .seen_at(begin + S * 9)
            .away(&link())
            .last_lag_ms
    };
    let at = |mut report: RegionObserved, offset| {
        report.caches[0].shards[0].position = Some(crate::harness::position(offset));
        report
    };
    let primary = || east(ShardStanding::Writable, None);
    observations.hear_at(at(primary(), 100), begin + S);
    observations.hear_at(at(west(None), 99), begin + S * 2);
    assert_eq!(lag(), None);
    observations.hear_at(at(west(None), 100), begin + S * 3);
    assert_eq!(lag(), Some(0));
    observations.hear_at(at(primary(), 101), begin + S * 4);
    assert_eq!(lag(), None, "one more byte, of unknown age");
}

#[test]
fn silence_that_this_process_slept_through_is_nobody_s_absence() {
    let observations = Observations::new();
    let begin = observations.started;
    listen(&observations, 10);
    observations.hear_at(east(ShardStanding::Writable, Some(1.0)), begin + S * 10);
    let down = |seconds| {
        let seen = observations.seen_at(begin + S * seconds);
        seen.away(&link()).down_ms
    };
    observations.listen_at(begin + S * 12);
    assert_eq!(down(12), 2_000);
    // Stopped for a minute; the other side is heard first.
    observations.hear_at(west(Some(1.0)), begin + S * 72);
    assert_eq!(down(73), 3_000);
    observations.listen_at(begin + S * 74);
    assert_eq!(down(75), 5_000, "and it goes on being away");
}

#[test]
fn what_an_earlier_run_may_have_granted_is_left_at_the_start() {
    let observations = Observations::new();
    let left = |link: &LinkRecord| observations.seen().away(link).lease_left_ms;
    assert!(left(&link()) > 9_000, "{}", left(&link()));
    let longer = link().with_settings(ReplicationSettings {
        lease_seconds: 300,
        ..link().settings
    });
    let shorter = longer.with_settings(link().settings);
    assert!(left(&shorter) > 290_000);
    assert!(!observations.grants.is_over(&shorter));
    assert!(observations.grants.is_over(&link()));
    let unfenced = LinkRecord {
        settings: ReplicationSettings::default(),
        ..link()
    };
    assert_eq!(left(&unfenced), 0);
}
