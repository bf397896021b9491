use super::*;
use crate::{
    EngineKind, EngineVersion, Epoch, GivenOrder, LinkId, Maintenance, NodeObserved, OperationId,
    RebootNodes, RoleKind, RollOrder, RollWhat, Timestamp, samples,
};

fn engine(kind: EngineKind, minor: u16, patch: u16) -> EngineBuild {
    let version = EngineVersion {
        kind,
        major: 8,
        minor,
        patch,
    };
    EngineBuild::new(version, "a")
}

fn valkey(minor: u16, patch: u16) -> EngineBuild {
    engine(EngineKind::Valkey, minor, patch)
}

/// A report of a cache whose two nodes run this.
fn runs(cache: &CacheRecord, build: &EngineBuild, standing: ShardStanding) -> CacheObserved {
    let mut seen = samples::observed(&cache.uid, 1, RoleKind::Alone, standing);
    for shard in &mut seen.shards {
        shard.nodes = (0..2).map(|index| node(index, build)).collect();
    }
    seen
}

fn node(index: u8, build: &EngineBuild) -> NodeObserved {
    NodeObserved {
        index,
        pid: Some(1),
        address: None,
        leads: index == 0,
        in_step: true,
        build: Some(build.clone()),
    }
}

struct Pair {
    link: LinkRecord,
    east: CacheRecord,
    west: CacheRecord,
    east_runs: EngineBuild,
    west_runs: EngineBuild,
    east_has: EngineBuild,
    west_has: EngineBuild,
}

impl Pair {
    /// `east` leads; both run 8.0.1, and 8.0.2 is installed beside both.
    fn new() -> Self {
        let [primary, secondary] = [("east", "eastus"), ("west", "westus")]
            .map(|(name, region)| samples::member(name, region));
        let mut link =
            LinkRecord::begin(LinkId::new("l"), primary, secondary, Epoch(1), Timestamp(0));
        link.phase = LinkPhase::Linked;
        Self {
            link,
            east: samples::cache("east", "eastus"),
            west: samples::cache("west", "westus"),
            east_runs: valkey(0, 1),
            west_runs: valkey(0, 1),
            east_has: valkey(0, 2),
            west_has: valkey(0, 2),
        }
    }

    fn seen(&self) -> [CacheObserved; 2] {
        [
            runs(&self.east, &self.east_runs, ShardStanding::Writable),
            runs(&self.west, &self.west_runs, ShardStanding::Following),
        ]
    }

    fn hinders(&self, primary: bool) -> Option<Hindrance> {
        let [east, west] = self.seen();
        let pair = |other, seen, installed| PairEngines {
            link: &self.link,
            other,
            seen: Some(seen),
            installed: Some(installed),
        };
        if primary {
            let pair = pair(&self.west, &west, &self.west_has);
            hindrance(&self.east, Some(&east), Some(pair), &self.east_has)
        } else {
            let pair = pair(&self.east, &east, &self.east_has);
            hindrance(&self.west, Some(&west), Some(pair), &self.west_has)
        }
    }
}

#[test]
fn a_newer_engine_of_the_same_make_is_an_upgrade() {
    let (old, new) = (valkey(0, 1), valkey(0, 2));
    let ready = Newer::Ready {
        from: old.clone(),
        to: new.clone(),
    };
    assert_eq!(newer([&new, &old], &new), ready);
    assert_eq!(newer([&new, &new], &new), Newer::Nothing);
    assert_eq!(newer([], &new), Newer::Nothing);
    let rebuilt = EngineBuild::new(old.version, "b");
    assert!(matches!(newer([&old], &rebuilt), Newer::Ready { from, .. } if from == old));
    assert!(matches!(newer([&rebuilt, &old], &rebuilt), Newer::Ready { from, .. } if from == old));
}

#[test]
fn another_make_and_an_older_version_are_refused_with_a_reason() {
    let runs = valkey(0, 2);
    for (installed, word) in [
        (valkey(0, 1), "older engine"),
        (engine(EngineKind::Redis, 2, 0), "one make to the other"),
    ] {
        let Newer::Refused { why } = newer([&runs], &installed) else {
            panic!("{installed} is taken")
        };
        assert!(why.contains(word) && why.contains("valkey 8.0.2"), "{why}");
    }
}

#[test]
fn the_geo_secondary_goes_first() {
    let mut pair = Pair::new();
    assert_eq!(pair.hinders(false), None);
    let refused = pair.hinders(true).unwrap();
    assert!(matches!(refused, Hindrance::SecondaryFirst { .. }));
    let told = refused.to_string();
    assert!(
        told.contains("`west` goes first: it runs valkey 8.0.1"),
        "{told}"
    );
    assert!(told.ends_with("upgrade `west` first"), "{told}");
    pair.west_runs = valkey(0, 2);
    assert_eq!(pair.hinders(true), None);
    pair.west_has = EngineBuild::new(valkey(0, 2).version, "rebuilt");
    assert!(pair.hinders(true).is_some(), "it would go again");
}

#[test]
fn one_cache_of_a_pair_goes_at_a_time() {
    let mut pair = Pair::new();
    pair.east.maintenance.order = Some(GivenOrder {
        order: RollOrder {
            id: 1,
            what: RollWhat::Reboot {
                shard: None,
                nodes: RebootNodes::All,
            },
        },
        at: Timestamp(0),
        operation: OperationId::new("o"),
        from: None,
    });
    assert!(matches!(
        pair.hinders(false),
        Some(Hindrance::OtherUnderway(..))
    ));
    assert!(matches!(pair.hinders(true), Some(Hindrance::Underway(_))));
}

#[test]
fn no_side_gets_a_minor_version_that_the_other_cannot_have() {
    let mut pair = Pair::new();
    pair.west_has = valkey(1, 0);
    let refused = pair.hinders(false).unwrap();
    assert!(matches!(refused, Hindrance::OtherCannotFollow { .. }));
    pair.east_has = valkey(1, 3);
    assert_eq!(pair.hinders(false), None);
}

#[test]
fn nothing_begins_on_a_cache_or_a_link_that_is_not_whole() {
    let pair = Pair::new();
    let [_, mut west] = pair.seen();
    west.shards[0].nodes[1].in_step = false;
    let to = &pair.west_has;
    let hindered = hindrance(&pair.west, Some(&west), None, to);
    assert!(matches!(hindered, Some(Hindrance::NotWhole(_))));
    let hindered = hindrance(&pair.west, None, None, to);
    assert!(matches!(hindered, Some(Hindrance::Unseen(_))));
    let mut changing = pair.west.clone();
    changing.lifecycle = Lifecycle::Updating;
    changing.maintenance = Maintenance::default();
    let hindered = hindrance(&changing, Some(&west), None, to);
    assert!(matches!(hindered, Some(Hindrance::Busy(_))));
    let mut unlinking = Pair::new();
    unlinking.link.phase = LinkPhase::UnlinkingSecondary;
    assert!(matches!(
        unlinking.hinders(false),
        Some(Hindrance::LinkBusy(..))
    ));
}
