//! Forced failovers: who may take over, when, and what becomes of the link.

use super::*;
use crate::{
    Decision, Epoch, GeoRole, LinkId, Rejoin, ReplicationSettings,
    link::Advance,
    samples::{member, observed, position},
};

const T: Timestamp = Timestamp(1_000_000);

fn linked(fencing: Fencing) -> LinkRecord {
    let (east, west) = (member("east", "eastus"), member("west", "westus"));
    let link = LinkRecord::begin(LinkId::new("l"), east, west, Epoch(1), T);
    LinkRecord {
        phase: LinkPhase::Linked,
        settings: ReplicationSettings {
            fencing,
            ..ReplicationSettings::default()
        },
        ..link
    }
}

fn seen_as(member: &Member, epoch: u64, role: RoleKind, standing: ShardStanding) -> CacheObserved {
    let mut seen = observed(&member.uid, epoch, role, standing);
    let shard = &mut seen.shards[0];
    (shard.position, shard.keys) = (Some(position(9)), 3);
    seen
}

fn secondary(link: &LinkRecord, standing: ShardStanding) -> CacheObserved {
    let epoch = link.epoch.0;
    seen_as(&link.secondary, epoch, RoleKind::Secondary, standing)
}

fn only(secondary: &CacheObserved) -> LinkSeen<'_> {
    LinkSeen {
        secondary: Some(secondary),
        ..LinkSeen::default()
    }
}

fn heard(primary: &CacheObserved) -> LinkSeen<'_> {
    LinkSeen {
        primary: Some(primary),
        ..LinkSeen::default()
    }
}

fn refused(link: &LinkRecord, seen: LinkSeen<'_>) -> ForceRefused {
    link.force(seen, ForcedBy::Person, T).unwrap_err()
}

fn next(link: &LinkRecord, seen: LinkSeen<'_>, now: Timestamp) -> LinkRecord {
    match link.advance(seen, now) {
        Advance::Become(next) => *next,
        Advance::Stay => link.clone(),
        Advance::Remove => panic!("removed"),
    }
}

/// The rejoin that the record gives to its secondary.
fn rejoin(link: &LinkRecord) -> Rejoin {
    match link.role_of(&link.secondary.uid, None) {
        GeoRole::Secondary { rejoin, .. } => rejoin,
        other @ (GeoRole::Alone
        | GeoRole::Primary { .. }
        | GeoRole::Yielding { .. }
        | GeoRole::Taking { .. }) => panic!("{other:?}"),
    }
}

#[test]
fn without_leases_the_secondary_takes_over_at_once_whatever_the_primary_does() {
    let link = linked(Fencing::None);
    let cut = secondary(&link, ShardStanding::Cut);
    let forced = link.force(only(&cut), ForcedBy::Person, T).unwrap();
    assert_eq!((forced.epoch, forced.attempt), (Epoch(2), 1));
    assert_eq!(forced.primary, link.secondary);
    assert_eq!(forced.phase, LinkPhase::Promoting);
    let expected = |forks| Rejoin::AfterForce {
        at: Epoch(2),
        forks,
        unsaved_accepted: false,
    };
    assert_eq!(
        rejoin(&forced),
        expected(None),
        "where it took over is not known"
    );
    let (role, standing) = (RoleKind::Primary, ShardStanding::Writable);
    let mut promoted = seen_as(&forced.primary, 2, role, standing);
    assert_eq!(next(&forced, heard(&promoted), T), forced);
    promoted.shards[0].fork = Some(position(7));
    let known = next(&forced, heard(&promoted), T);
    assert_eq!(known.phase, LinkPhase::Creating);
    assert_eq!(rejoin(&known), expected(Some(vec![position(7)])));
}

#[test]
fn what_is_not_a_whole_copy_does_not_take_over() {
    let link = linked(Fencing::None);
    let unseen = refused(&link, LinkSeen::default());
    assert!(matches!(unseen, ForceRefused::SecondaryUnseen(_)));
    for standing in [
        ShardStanding::Syncing,
        ShardStanding::Starting,
        ShardStanding::Lost,
        ShardStanding::Silent,
    ] {
        let half = secondary(&link, standing);
        let why = refused(&link, only(&half));
        assert!(matches!(why, ForceRefused::NothingWhole(_)), "{why}");
    }
    let mut empty = secondary(&link, ShardStanding::Cut);
    empty.shards[0].keys = 0;
    let why = refused(&link, only(&empty));
    assert!(matches!(why, ForceRefused::NothingWhole(_)));
    // Its data may still be those from before it was linked.
    let creating = link.enter(LinkPhase::Creating, T);
    let cut = secondary(&creating, ShardStanding::Cut);
    let why = refused(&creating, only(&cut));
    assert!(matches!(why, ForceRefused::NothingWhole(_)));
    let mut old = secondary(&link, ShardStanding::Following);
    old.epoch = Epoch(0);
    let why = refused(&link, only(&old));
    assert!(matches!(why, ForceRefused::SecondaryUnseen(_)));
    let unlinking = link.unlink(T).unwrap();
    let leaving = secondary(&unlinking, ShardStanding::Following);
    let why = refused(&unlinking, only(&leaving));
    assert!(matches!(why, ForceRefused::Busy(_)));
}

#[test]
fn the_former_primary_takes_back_what_it_handed_over_to_a_region_that_died() {
    let mut link = linked(Fencing::None);
    link.standing = Standing::AtBarrier {
        attempt: 1,
        barriers: vec![position(9)],
    };
    for phase in [LinkPhase::Promoting, LinkPhase::Creating] {
        let busy = link.enter(phase, T);
        let cut = secondary(&busy, ShardStanding::Cut);
        let forced = busy.force(only(&cut), ForcedBy::Person, T).unwrap();
        assert_eq!(forced.primary, link.secondary);
        let mut elsewhere = cut.clone();
        elsewhere.shards[0].position = Some(position(8));
        let refused = busy.force(only(&elsewhere), ForcedBy::Person, T);
        assert!(refused.is_err(), "it does not stand at the barrier");
    }
}

#[test]
fn a_forced_failover_beats_a_handoff_that_is_not_decided() {
    let link = LinkRecord {
        attempt: 4,
        ..linked(Fencing::None).enter(LinkPhase::HandingOff { deadline: T }, T)
    };
    let mut taking = secondary(&link, ShardStanding::Following);
    taking.role = RoleKind::Taking;
    let forced = link.force(only(&taking), ForcedBy::Person, T).unwrap();
    let late = forced.decide(4, &[position(9)], T);
    assert_eq!(late, Decision::TooLate);
}

#[test]
fn with_leases_the_last_one_is_waited_out() {
    let link = linked(Fencing::Lease);
    let cut = secondary(&link, ShardStanding::Cut);
    let forcing = link.force(only(&cut), ForcedBy::Person, T).unwrap();
    assert_eq!(forcing.epoch, Epoch(1), "the primary keeps its role so far");
    assert!(matches!(forcing.phase, LinkPhase::Forcing { .. }));
    let left = |lease_left_ms| LinkSeen {
        secondary: Some(&cut),
        away: Away {
            lease_left_ms,
            ..Away::default()
        },
        ..LinkSeen::default()
    };
    assert_eq!(next(&forcing, left(1), T.plus_ms(60_000)), forcing);
    let taken = next(&forcing, left(0), T);
    assert_eq!((taken.epoch, taken.phase), (Epoch(2), LinkPhase::Promoting));
}

#[test]
fn a_forced_failover_that_nobody_can_carry_out_gives_the_lease_back() {
    let link = linked(Fencing::Lease);
    let cut = secondary(&link, ShardStanding::Cut);
    let forcing = link.force(only(&cut), ForcedBy::Person, T).unwrap();
    let nobody = LinkSeen::default();
    assert_eq!(next(&forcing, nobody, T.plus_ms(19_999)), forcing);
    let back = next(&forcing, nobody, T.plus_ms(20_000));
    assert_eq!((back.phase, back.epoch), (LinkPhase::Linked, Epoch(1)));
    assert!(back.last_abort.is_some_and(|(attempt, _)| attempt == 1));
}

fn down(secondary: &CacheObserved, down_ms: u64, last_lag_ms: Option<u64>) -> LinkSeen<'_> {
    LinkSeen {
        away: Away {
            down_ms,
            last_lag_ms,
            lease_left_ms: 0,
        },
        ..only(secondary)
    }
}

fn with_auto_failover() -> LinkRecord {
    let mut link = linked(Fencing::Lease);
    link.settings.auto_failover = Some(AutoFailover {
        after: 30,
        max_lag: 5,
    });
    link
}

#[test]
fn a_failover_happens_by_itself_only_where_nothing_speaks_against_it() {
    let link = with_auto_failover();
    let cut = secondary(&link, ShardStanding::Cut);
    for (seen, why) in [
        (down(&cut, 29_999, Some(0)), "it is not down for long"),
        (down(&cut, 30_000, None), "the lag is not known"),
        (down(&cut, 30_000, Some(5_001)), "it was too far behind"),
    ] {
        assert_eq!(next(&link, seen, T), link, "{why}");
    }
    let why = link.auto_failover_waits(down(&cut, 30_000, Some(5_001)), T);
    assert!(why.is_some_and(|why| why.contains("5001 ms")));
    let ready = down(&cut, 30_000, Some(5_000));
    assert_eq!(link.auto_failover_waits(ready, T), None);
    let by = ForcedBy::Setting;
    assert_eq!(next(&link, ready, T).phase, LinkPhase::Forcing { by });
    // Never without leases.
    let mut unleased = link;
    unleased.settings.fencing = Fencing::None;
    assert_eq!(next(&unleased, ready, T), unleased);
}

#[test]
fn failovers_happen_by_themselves_once_an_hour_unless_somebody_has_seen_the_last_one() {
    let link = with_auto_failover();
    let cut = secondary(&link, ShardStanding::Cut);
    let ready = down(&cut, 30_000, Some(0));
    let again = LinkRecord {
        last_auto: Some(T),
        ..link
    };
    let soon = T.plus_ms(AUTO_FAILOVER_REST_MS - 1);
    assert_eq!(next(&again, ready, soon), again);
    assert!(again.auto_failover_waits(ready, soon).is_some());
    let acknowledged = again.acknowledge_auto_failover();
    assert_ne!(next(&acknowledged, ready, soon), acknowledged);
    let later = T.plus_ms(AUTO_FAILOVER_REST_MS);
    assert_ne!(next(&again, ready, later), again);
}

#[test]
fn what_cannot_be_saved_waits_for_a_person() {
    let link = linked(Fencing::None);
    let cut = secondary(&link, ShardStanding::Cut);
    let forced = link.force(only(&cut), ForcedBy::Person, T).unwrap();
    let why = "the journal had to let go of it".to_owned();
    let unsaved = secondary(&forced, ShardStanding::Unsaved { why });
    assert_eq!(forced.accept_unsaved(only(&cut)), None, "nobody asks");
    let accepted = forced.accept_unsaved(only(&unsaved)).unwrap();
    assert!(matches!(
        rejoin(&accepted),
        Rejoin::AfterForce {
            unsaved_accepted: true,
            ..
        }
    ));
}

#[test]
fn a_lease_that_was_set_shorter_or_is_news_to_the_primary_counts_as_it_was() {
    let link = linked(Fencing::None);
    let with = |link: &LinkRecord, fencing, lease_seconds| {
        link.with_settings(ReplicationSettings {
            fencing,
            lease_seconds,
            ..link.settings.clone()
        })
    };
    let long = with(&link, Fencing::Lease, 300);
    assert!(long.lease_untold);
    let short = with(&long, Fencing::Lease, 8);
    assert_eq!((short.longest_lease(), short.lease_untold), (300, true));
    let off = with(&short, Fencing::None, 8);
    assert_eq!((off.longest_lease(), off.lease_untold), (300, false));
    let told = LinkRecord {
        lease_untold: false,
        ..short
    };
    assert!(!with(&told, Fencing::Lease, 10).lease_untold);

    let auto = LinkRecord {
        lease_untold: true,
        ..with_auto_failover()
    };
    let seen = LinkSeen {
        away: Away {
            down_ms: 3_600_000,
            ..Away::default()
        },
        ..LinkSeen::default()
    };
    let why = auto.auto_failover_waits(seen, T).unwrap();
    assert!(
        why.contains("has not heard yet that it needs a lease"),
        "{why}"
    );
}
