//! Where connections go, by role and by what is seen.

use model::{
    AccessKeys, CacheId, CacheUid, EngineSettings, Epoch, FrontDoor, LinkId, Presence, Rejoin,
    ReplicationDesired, ReplicationSettings, Standing,
};

use super::*;

fn engine() -> SocketAddr {
    "127.0.0.1:7001".parse().unwrap()
}

fn relay() -> SocketAddr {
    "192.0.2.1:7700".parse().unwrap()
}

fn id(name: &str) -> CacheId {
    CacheId {
        subscription: "00000000-0000-0000-0000-000000000001".parse().unwrap(),
        group: "g".parse().unwrap(),
        name: name.parse().unwrap(),
    }
}

fn order(role: GeoRole) -> CacheDesired {
    let key = || Secret::new("k");
    let linked = role.link().is_some();
    CacheDesired {
        uid: CacheUid::new("u"),
        id: id("east"),
        revision: 1,
        epoch: Epoch(1),
        presence: Presence::Present,
        role,
        replication: linked.then(|| ReplicationDesired {
            peer: "westus".parse().unwrap(),
            peer_cache: id("west"),
            settings: ReplicationSettings::default(),
        }),
        shards: 1,
        replicas: 1,
        settings: EngineSettings {
            maxmemory_bytes: 1,
            maxmemory_policy: "noeviction".to_owned(),
            maxclients: 1,
            databases: 16,
            notify_keyspace_events: String::new(),
        },
        keys: AccessKeys {
            primary: key(),
            secondary: key(),
        },
        door: FrontDoor::default(),
        transfer: None,
    }
}

fn link() -> LinkId {
    LinkId::new("l")
}

fn primary() -> CacheDesired {
    order(GeoRole::Primary {
        link: link(),
        standing: Standing::Founder,
        accept_empty: None,
    })
}

fn yielding() -> CacheDesired {
    order(GeoRole::Yielding {
        link: link(),
        attempt: 1,
    })
}

fn secondary() -> CacheDesired {
    order(GeoRole::Secondary {
        link: link(),
        source: Some(relay()),
        rejoin: Rejoin::Freely,
    })
}

/// What is seen of a cache whose engine follows.
fn following<'a>(
    order: &'a CacheDesired,
    standing: &'a ShardStanding,
    key: &'a Secret,
) -> Seen<'a> {
    Seen {
        order,
        standing,
        took_over: false,
        engine: Some(engine()),
        service: Some(engine()),
        may_write: false,
        has_data: true,
        client: key,
        zone: "zone.test",
        before: None,
        holds: false,
    }
}

/// What is seen of a cache whose engine takes writes.
fn writing<'a>(order: &'a CacheDesired, standing: &'a ShardStanding, key: &'a Secret) -> Seen<'a> {
    Seen {
        may_write: true,
        ..following(order, standing, key)
    }
}

fn at(writable: bool) -> Place {
    Place::Here {
        engine: engine(),
        client: Secret::new("c"),
        writable,
    }
}

fn here(writable: bool) -> Decision {
    go(at(writable))
}

fn place_of(decision: Decision) -> Option<Place> {
    match decision {
        Decision::Go(place) => Some(*place),
        Decision::Stay | Decision::Wait => None,
    }
}

fn is_nowhere(decision: Decision) -> bool {
    matches!(place_of(decision), Some(Place::Nowhere { .. }))
}

#[test]
fn a_cache_that_leads_is_led_to_once_it_takes_writes() {
    let key = Secret::new("c");
    for order in [primary(), order(GeoRole::Alone)] {
        let seen = writing(&order, &ShardStanding::Writable, &key);
        assert_eq!(place(seen), here(true));
        let seen = writing(&order, &ShardStanding::Unleased, &key);
        assert_eq!(place(seen), here(false));
        let seen = following(&order, &ShardStanding::Starting, &key);
        assert!(is_nowhere(place(seen)), "it may be a replica still");
        let promoted = Seen {
            took_over: true,
            ..seen
        };
        assert_eq!(place(promoted), here(true));
        let dead = Seen {
            engine: None,
            ..writing(&order, &ShardStanding::Writable, &key)
        };
        assert!(is_nowhere(place(dead)));
    }
}

#[test]
fn whoever_is_there_stays_while_something_is_settled() {
    let (key, order, at) = (Secret::new("c"), primary(), at(true));
    for standing in [ShardStanding::Starting, ShardStanding::Silent] {
        let seen = Seen {
            before: Some(&at),
            ..writing(&order, &standing, &key)
        };
        assert_eq!(place(seen), Decision::Stay);
    }
}

#[test]
fn a_handoff_that_is_given_up_holds_until_writes_are_taken_again() {
    let (key, order, before) = (Secret::new("c"), primary(), at(true));
    for standing in [
        ShardStanding::Yielded { attempt: 1 },
        ShardStanding::Starting,
    ] {
        let seen = Seen {
            before: Some(&before),
            holds: true,
            ..following(&order, &standing, &key)
        };
        assert_eq!(place(seen), Decision::Stay);
        let resumed = Seen {
            took_over: true,
            ..seen
        };
        assert_eq!(place(resumed), here(true));
    }
}

#[test]
fn a_handoff_leaves_everybody_where_they_are_until_it_has_ended() {
    let (key, order, at) = (Secret::new("c"), yielding(), at(true));
    let starting = ShardStanding::Starting;
    let seen = Seen {
        before: Some(&at),
        ..writing(&order, &starting, &key)
    };
    assert_eq!(place(seen), here(true), "it is not fenced yet");
    let held = Seen {
        holds: true,
        ..seen
    };
    assert_eq!(place(held), Decision::Stay);
    let fenced = Seen {
        may_write: false,
        ..held
    };
    assert_eq!(place(fenced), Decision::Stay);
    let started_again = Seen {
        before: None,
        holds: false,
        ..fenced
    };
    assert!(is_nowhere(place(started_again)));
}

#[test]
fn a_geo_secondary_leads_over_to_the_other_side() {
    let (key, order) = (Secret::new("c"), secondary());
    for standing in [ShardStanding::Following, ShardStanding::Cut] {
        let there = place_of(place(following(&order, &standing, &key)));
        let Some(Place::There {
            relay: to, cache, ..
        }) = there
        else {
            panic!("{there:?}");
        };
        assert_eq!((to, cache), (relay(), id("west")));
    }
}

#[test]
fn an_engine_that_lost_the_right_to_take_writes_is_not_led_to() {
    let (key, order) = (Secret::new("c"), secondary());
    let doing = String::new();
    for standing in [
        ShardStanding::Starting,
        ShardStanding::Rejoining { doing },
        ShardStanding::Following,
    ] {
        let said = place_of(place(writing(&order, &standing, &key)));
        assert!(matches!(said, Some(Place::Syncing { .. })), "{said:?}");
    }
}

#[test]
fn a_full_sync_is_said_unless_old_data_are_wanted() {
    let (key, mut order) = (Secret::new("c"), secondary());
    let syncing = ShardStanding::Syncing;
    let said = place_of(place(following(&order, &syncing, &key)));
    let Some(Place::Syncing {
        geo_primary_name, ..
    }) = said
    else {
        panic!("{said:?}");
    };
    assert_eq!(geo_primary_name, "west.zone.test");
    if let Some(link) = &mut order.replication {
        link.settings.secondary_reads = SecondaryReads::Stale;
    }
    let stale = following(&order, &syncing, &key);
    assert!(matches!(place_of(place(stale)), Some(Place::There { .. })));
    let never = Seen {
        has_data: false,
        ..stale
    };
    assert!(matches!(
        place_of(place(never)),
        Some(Place::Syncing { .. })
    ));
}

#[test]
fn without_a_known_geo_primary_there_is_nowhere_to_go() {
    let key = Secret::new("c");
    let unknown = order(GeoRole::Secondary {
        link: link(),
        source: None,
        rejoin: Rejoin::Freely,
    });
    let seen = following(&unknown, &ShardStanding::Cut, &key);
    assert!(is_nowhere(place(seen)));
    let seen = writing(&unknown, &ShardStanding::Cut, &key);
    assert_eq!(place(seen), Decision::Wait);
}
