//! What a preflight finds, one thing at a time.

mod access;

use psync::{Offset, Position};

use super::*;
use crate::{
    Away, CacheRecord, EngineKind, EngineVersion, Epoch, Fencing, LinkId, LinkObserved, LinkPhase,
    Member, NodeObserved, RoleKind, Secret, ShardIndex, Sku, Tier, samples::cache,
};

const ENGINE: EngineVersion = EngineVersion {
    kind: EngineKind::Valkey,
    major: 8,
    minor: 0,
    patch: 1,
};

/// A link, its two caches and what is seen of them, to be changed by a test.
struct Scene {
    link: LinkRecord,
    caches: (CacheRecord, CacheRecord),
    engines: (Option<EngineVersion>, Option<EngineVersion>),
    seen: (Option<CacheObserved>, Option<CacheObserved>),
    behind: Vec<Behind>,
    away: Away,
    limits: LagLimits,
    forced: bool,
    dials_from: Option<IpAddr>,
}

fn member(cache: &CacheRecord) -> Member {
    Member {
        uid: cache.uid.clone(),
        id: cache.id.clone(),
        region: cache.region.clone(),
    }
}

fn seen(cache: &CacheRecord, role: RoleKind, standing: ShardStanding) -> CacheObserved {
    let node = |index| NodeObserved {
        index,
        pid: Some(1),
        address: None,
        leads: index == 0,
        in_step: true,
    };
    CacheObserved {
        uid: cache.uid.clone(),
        settled_revision: 1,
        epoch: Epoch(1),
        role,
        doors: None,
        engine: Some(ENGINE),
        shards: vec![ShardObserved {
            shard: ShardIndex(0),
            standing,
            position: Some(Position::new("a".repeat(40).parse().unwrap(), Offset(9))),
            keys: 7,
            used_memory: 0,
            ops_per_second: 0,
            clients: 0,
            nodes: vec![node(0), node(1)],
            link: Some(LinkObserved::default()),
            fork: None,
        }],
        problem: None,
        lost_writes: vec![],
        handoff: None,
        transfer: None,
    }
}

impl Scene {
    fn healthy() -> Self {
        let (east, west) = (cache("east", "eastus"), cache("west", "westus"));
        let link = LinkRecord::begin(
            LinkId::new("l"),
            member(&east),
            member(&west),
            Epoch(1),
            Timestamp(0),
        );
        Self {
            link: LinkRecord {
                phase: LinkPhase::Linked,
                ..link
            },
            engines: (Some(ENGINE), Some(ENGINE)),
            seen: (
                Some(seen(&east, RoleKind::Primary, ShardStanding::Writable)),
                Some(seen(&west, RoleKind::Secondary, ShardStanding::Following)),
            ),
            behind: vec![Behind {
                shard: ShardIndex(0),
                bytes: Some(12),
                lag_ms: Some(3.0),
                as_of_ms: Some(400),
            }],
            away: Away::default(),
            limits: LagLimits::default(),
            forced: false,
            dials_from: None,
            caches: (east, west),
        }
    }

    /// Forced, with the primary's agent gone.
    fn forced() -> Self {
        let mut scene = Self::healthy();
        scene.forced = true;
        scene.seen.0 = None;
        scene.engines.0 = None;
        scene
    }

    fn find(&self) -> Vec<Finding> {
        preflight(&Preflight {
            link: &self.link,
            primary: Side {
                cache: &self.caches.0,
                engine: self.engines.0,
            },
            secondary: Side {
                cache: &self.caches.1,
                engine: self.engines.1,
            },
            seen: LinkSeen {
                primary: self.seen.0.as_ref(),
                secondary: self.seen.1.as_ref(),
                away: self.away,
            },
            behind: &self.behind,
            limits: self.limits,
            forced: self.forced,
            dials_from: self.dials_from,
            now: Timestamp(5),
        })
    }
}

/// Checks that a change of a scene is found.
fn finds(
    mut scene: Scene,
    change: impl FnOnce(&mut Scene),
    level: Level,
    code: FindingCode,
    words: &str,
) {
    change(&mut scene);
    let findings = scene.find();
    let found = findings.iter().find(|finding| finding.code == code);
    let found = found.unwrap_or_else(|| panic!("{code}: {findings:?}"));
    assert_eq!(found.level, level, "{found:?}");
    assert!(found.message.contains(words), "{}", found.message);
    assert!(found.message.ends_with('.'), "{}", found.message);
    assert!(!found.message.ends_with(".."), "{}", found.message);
}

fn standing(side: &mut Option<CacheObserved>, standing: ShardStanding) {
    side.as_mut().unwrap().shards[0].standing = standing;
}

#[test]
fn a_healthy_link_is_found_healthy() {
    let findings = Scene::healthy().find();
    let found: Vec<_> = findings.iter().map(|one| (one.level, one.code)).collect();
    let expected = [
        (Level::Ok, FindingCode::AgentsHeard),
        (Level::Ok, FindingCode::InStep),
        (Level::Ok, FindingCode::CachesMatch),
        (Level::Ok, FindingCode::Lag),
    ];
    assert_eq!(found, expected, "{findings:?}");
}

#[test]
fn what_keeps_a_planned_failover_up_is_a_blocker() {
    use FindingCode as Code;

    let blocks = |change: fn(&mut Scene), code, words| {
        finds(Scene::healthy(), change, Level::Blocker, code, words);
    };
    blocks(
        |s| s.caches.1.spec.sku = Sku::new(Tier::Premium, 2).unwrap(),
        Code::SizeDiffers,
        "Both caches must be the same size",
    );
    blocks(
        |s| s.engines.1 = Some(EngineVersion { minor: 1, ..ENGINE }),
        Code::EngineDiffers,
        "the same engine and version",
    );
    blocks(
        |s| s.engines.1 = None,
        Code::EngineUnknown,
        "`west` is not known",
    );
    blocks(
        |s| s.seen.0 = None,
        Code::PrimaryUnseen,
        "The agent of the geo-primary `east`",
    );
    blocks(
        |s| s.seen.1 = None,
        Code::SecondaryUnseen,
        "`west` does not report",
    );
    blocks(
        |s| standing(&mut s.seen.1, ShardStanding::Cut),
        Code::NotInStep,
        "`west` is not in step",
    );
    blocks(
        |s| standing(&mut s.seen.1, ShardStanding::Syncing),
        Code::FullSync,
        "wait until it is done",
    );
    blocks(
        |s| s.link.phase = LinkPhase::Syncing,
        Code::LinkBusy,
        "The link is Syncing",
    );
    blocks(
        |s| s.limits.ms = Some(2),
        Code::LagAboveLimit,
        "shard 0 is 3.0 ms behind",
    );
    blocks(
        |s| s.limits.bytes = Some(11),
        Code::LagAboveLimit,
        "shard 0 is 12 bytes behind",
    );
}

#[test]
fn what_clients_would_notice_is_found_by_name() {
    use FindingCode as Code;

    let warns = |change: fn(&mut Scene), code, words| {
        finds(Scene::healthy(), change, Level::Warning, code, words);
    };
    warns(
        |s| s.caches.1.spec.enable_non_ssl_port = true,
        Code::NonSslPortDiffers,
        "is false on `east` and true on `west`",
    );
    warns(
        |s| s.caches.0.spec.minimum_tls_version = Some("1.2".to_owned()),
        Code::MinimumTlsVersionDiffers,
        "is 1.2 on `east` and not set on `west`",
    );
    warns(
        |s| {
            let policy = ("maxmemory-policy".to_owned(), "allkeys-lru".to_owned());
            s.caches.1.spec.configuration.extend([policy]);
        },
        Code::ConfigurationDiffers,
        "`maxmemory-policy` is `volatile-lru` on `east` and `allkeys-lru` on `west`",
    );
    warns(
        |s| s.seen.1.as_mut().unwrap().shards[0].nodes[1].in_step = false,
        Code::ReplicaMissing,
        "has 1 of 2 nodes in step",
    );
    warns(
        |s| {
            let half = s.seen.0.as_mut().unwrap().shards[0].link.as_mut().unwrap();
            half.stalled = Some("14 bytes wait".to_owned());
        },
        Code::Stalled,
        "Shard 0 is stalled: 14 bytes wait",
    );
    warns(
        |s| s.caches.0.lifecycle = Lifecycle::Updating,
        Code::CacheBusy,
        "`east` is Updating",
    );
    finds(
        Scene::healthy(),
        |s| s.caches.1.keys.primary = Secret::new("other"),
        Level::Advice,
        Code::AccessKeysDiffer,
        "The access keys of `west`",
    );
    finds(
        Scene::healthy(),
        |s| s.link.last_auto = Some(Timestamp(1)),
        Level::Advice,
        Code::AutoFailoverUnseen,
        "acknowledges",
    );
    // A default that is written down is no difference.
    let mut same = Scene::healthy();
    let policy = ("maxmemory-policy".to_owned(), "volatile-lru".to_owned());
    same.caches.1.spec.configuration.extend([policy]);
    assert!(same.find().iter().all(|finding| finding.level == Level::Ok));
}

#[test]
fn a_forced_failover_is_told_with_its_price() {
    use FindingCode as Code;

    let nothing = |_: &mut Scene| {};
    finds(
        Scene::forced(),
        nothing,
        Level::Warning,
        Code::KnownLoss,
        "12 bytes (3.0 ms) of what `east` took were missing in `west` by a report of 400 ms ago",
    );
    finds(
        Scene::forced(),
        nothing,
        Level::Warning,
        Code::NotFenced,
        "`fencing` is `none`",
    );
    finds(
        Scene::forced(),
        |s| s.behind[0].bytes = None,
        Level::Warning,
        Code::LossUnknown,
        "in shard 0 is missing in `west` is not known",
    );
    finds(
        Scene::forced(),
        |s| s.behind.clear(),
        Level::Warning,
        Code::LossUnknown,
        "no agent has reported",
    );
    finds(
        Scene::healthy(),
        |s| s.forced = true,
        Level::Warning,
        Code::PrimaryAlive,
        "a planned failover loses none",
    );
    finds(
        Scene::forced(),
        |s| s.caches.1.spec.sku = Sku::new(Tier::Premium, 2).unwrap(),
        Level::Warning,
        Code::SizeDiffers,
        "same size",
    );
    finds(
        Scene::forced(),
        |s| s.seen.1.as_mut().unwrap().shards[0].keys = 0,
        Level::Blocker,
        Code::NothingWhole,
        "no complete copy",
    );
    let blocked = Scene::forced().find();
    assert!(
        blocked
            .iter()
            .all(|finding| finding.level != Level::Blocker),
        "{blocked:?}"
    );
}

#[test]
fn what_keeps_the_old_primary_from_taking_writes_is_told_before_a_forced_failover() {
    use FindingCode as Code;

    let leased = |s: &mut Scene| s.link.settings.fencing = Fencing::Lease;
    finds(
        Scene::forced(),
        leased,
        Level::Ok,
        Code::LeaseWait,
        "takes over at once",
    );
    let waits = |s: &mut Scene| {
        leased(s);
        s.away.lease_left_ms = 700;
    };
    finds(
        Scene::forced(),
        waits,
        Level::Ok,
        Code::LeaseWait,
        "700 ms from now",
    );
    let untold = |s: &mut Scene| {
        leased(s);
        s.link.lease_untold = true;
    };
    finds(
        Scene::forced(),
        untold,
        Level::Warning,
        Code::LeaseUntold,
        "may not know yet",
    );
}
