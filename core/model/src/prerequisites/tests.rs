use super::*;
use crate::{EngineKind, LinkId, Sku, samples::cache};

const VALKEY: EngineVersion = EngineVersion {
    kind: EngineKind::Valkey,
    major: 8,
    minor: 0,
    patch: 1,
};
const REDIS: EngineVersion = EngineVersion {
    kind: EngineKind::Redis,
    major: 7,
    minor: 0,
    patch: 15,
};

fn check(change: impl FnOnce(&mut CacheRecord, &mut CacheRecord)) -> Vec<Unmet> {
    let (mut p, mut s) = (cache("east", "eastus"), cache("west", "westus"));
    change(&mut p, &mut s);
    let side = |cache| Side {
        cache,
        engine: Some(VALKEY),
    };
    unmet_for_link(side(&p), side(&s))
}

#[test]
fn two_alike_premium_caches_can_be_linked() {
    assert_eq!(check(|_, _| {}), []);
}

#[test]
fn a_larger_secondary_can_be_linked_but_not_failed_over_to() {
    let (p, mut s) = (cache("east", "eastus"), cache("west", "westus"));
    s.spec.sku = Sku::new(Tier::Premium, 2).unwrap();
    let (p, s) = (
        Side {
            cache: &p,
            engine: Some(VALKEY),
        },
        Side {
            cache: &s,
            engine: Some(VALKEY),
        },
    );
    assert_eq!(unmet_for_link(p, s), []);
    assert!(matches!(unmet_for_link(s, p)[..], [Unmet::Smaller { .. }]));
    assert!(matches!(
        unmet_for_failover(p, s)[..],
        [Unmet::Unequal { .. }]
    ));
}

#[test]
fn each_thing_that_is_missing_has_its_own_sentence() {
    let basic = Sku::new(Tier::Basic, 6).unwrap();
    let cases: Vec<(Vec<Unmet>, &str)> = vec![
        (
            check(|p, s| s.id = p.id.clone()),
            "cannot be linked to itself",
        ),
        (
            check(|_, s| {
                s.id.subscription = "5d0c4f30-0000-4000-8000-000000000002".parse().unwrap();
            }),
            "same subscription",
        ),
        (check(|_, s| s.spec.sku = basic), "only Premium"),
        (
            check(|p, _| p.lifecycle = Lifecycle::Creating),
            "not running",
        ),
        (check(|p, _| p.spec.replicas = 2), "exactly one"),
        (
            check(|_, s| {
                s.spec
                    .configuration
                    .insert("rdb-backup-enabled".into(), "True".into());
            }),
            "persistence is enabled",
        ),
        (
            check(|_, s| s.spec.shards = Some(1)),
            "same number of shards",
        ),
        (
            check(|p, s| {
                let set = |cache: &mut CacheRecord, n: &str| {
                    cache
                        .spec
                        .configuration
                        .insert("databases".into(), n.into());
                };
                set(p, "8");
                set(s, "4");
            }),
            "as many databases",
        ),
        (
            check(|_, s| {
                s.spec
                    .configuration
                    .insert("aof-backup-enabled".into(), "true".into());
            }),
            "persistence is enabled",
        ),
        (
            check(|p, _| p.link = Some(LinkId::new("l"))),
            "already linked",
        ),
    ];
    for (unmet, sentence) in cases {
        let [only] = &unmet[..] else {
            panic!("{sentence}: {unmet:?}")
        };
        assert!(only.to_string().contains(sentence), "{only}");
    }
}

#[test]
fn engines_must_be_interchangeable_in_both_directions() {
    let (p, s) = (cache("east", "eastus"), cache("west", "westus"));
    for (one, other) in [(VALKEY, REDIS), (REDIS, VALKEY)] {
        let unmet = unmet_for_link(
            Side {
                cache: &p,
                engine: Some(one),
            },
            Side {
                cache: &s,
                engine: Some(other),
            },
        );
        assert_eq!(
            unmet,
            [Unmet::Engine {
                primary: one,
                secondary: other
            }]
        );
    }
    let unknown = unmet_for_link(
        Side {
            cache: &p,
            engine: Some(VALKEY),
        },
        Side {
            cache: &s,
            engine: None,
        },
    );
    assert_eq!(unknown, [Unmet::EngineUnknown(s.id)]);
}
