use model::{Leads, PublishedName, PublishedNames, StoreId};

use super::*;

/// Names as a control plane publishes them; `-> other` is an alias.
pub(crate) fn published(generation: u64, names: &[(&str, &str)]) -> PublishedNames {
    let name = |(name, leads): &(&str, &str)| PublishedName {
        name: (*name).to_owned(),
        leads: match leads.strip_prefix("-> ") {
            Some(other) => Leads::Alias(other.to_owned()),
            None => Leads::Addresses(
                leads
                    .split_whitespace()
                    .map(|ip| ip.parse().unwrap())
                    .collect(),
            ),
        },
    };
    PublishedNames {
        store: StoreId::new("s"),
        generation,
        zone: "redis.example".to_owned(),
        ttl_seconds: 5,
        names: names.iter().map(name).collect(),
    }
}

/// A linked pair, and a cache that has no address yet.
pub(crate) fn linked() -> Zone {
    let names = published(
        7,
        &[
            ("east", "192.0.2.1 2001:db8::1"),
            ("east.geo", "192.0.2.2"),
            ("new", ""),
            ("west", "192.0.2.3"),
            ("west.geo", "-> east.geo"),
        ],
    );
    Zone::new(&names, &[], &["192.0.2.53".parse().unwrap()]).unwrap()
}

fn name(text: &str) -> Name {
    absolute(text).unwrap()
}

#[test]
fn names_are_found_in_any_case_and_whatever_their_labels_hold() {
    let zone = linked();
    let at = |text: &str| {
        zone.relative(&name(text))
            .map(|name| zone.node(&name).cloned())
    };
    assert_eq!(at("redis.example"), Some(Some(Node::Top)));
    assert_eq!(at("GEO.Redis.Example"), Some(Some(Node::Between)));
    assert_eq!(at("ns.redis.example"), Some(Some(Node::Between)));
    assert!(matches!(
        at("EAST.redis.example"),
        Some(Some(Node::Addresses { .. }))
    ));
    assert!(matches!(
        at("west.geo.redis.example"),
        Some(Some(Node::Alias(_)))
    ));
    assert_eq!(at("none.redis.example"), Some(None));
    // One label with a dot in it is not two.
    assert_eq!(at("east\\.geo.redis.example"), Some(None));
    assert_eq!(at("example"), None);
    assert_eq!(at("eastredis.example"), None);
}

#[test]
fn its_own_name_server_is_where_no_cache_can_be() {
    let zone = linked();
    let [Server::Within(own)] = zone.servers.as_slice() else {
        panic!("{:?}", zone.servers);
    };
    assert_eq!(own.join("."), "a.ns");
    assert!(matches!(zone.target(own), Some(Node::Addresses { v4, .. }) if v4.len() == 1));
}

#[test]
fn name_servers_within_the_zone_have_addresses_and_caches_keep_their_names() {
    let servers: Vec<NameServer> = [
        "ns1.example.net=192.0.2.9",
        "NS2.redis.example=192.0.2.8",
        "east.redis.example=192.0.2.7",
    ]
    .iter()
    .map(|text| text.parse().unwrap())
    .collect();
    let names = published(1, &[("east", "192.0.2.1")]);
    let zone = Zone::new(&names, &servers, &[]).unwrap();
    let within = |label: &str| Server::Within(vec![label.to_owned()]);
    assert_eq!(
        zone.servers,
        [
            Server::Elsewhere(name("ns1.example.net")),
            within("ns2"),
            within("east")
        ]
    );
    let v4 = |label: &str| match zone.target(&[label.to_owned()]) {
        Some(Node::Addresses { v4, .. }) => v4.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(v4("ns2"), [Ipv4Addr::new(192, 0, 2, 8)]);
    assert_eq!(v4("east"), [Ipv4Addr::new(192, 0, 2, 1)]);
}

#[test]
fn a_name_that_is_too_long_is_left_out_alone() {
    let long = "a".repeat(63);
    let names = published(1, &[(&long, "192.0.2.1"), ("east", "192.0.2.2")]);
    let names = PublishedNames {
        zone: [long.as_str(); 3].join(".") + ".example",
        ..names
    };
    let zone = Zone::new(&names, &[], &[]).unwrap();
    assert!(zone.target(&["east".to_owned()]).is_some());
    assert!(zone.target(&[long]).is_none());
}

#[test]
fn what_is_no_zone_is_refused() {
    for zone in ["", ".", "two..dots", "sp ace.example"] {
        let names = PublishedNames {
            zone: zone.to_owned(),
            ..published(1, &[])
        };
        assert!(Zone::new(&names, &[], &[]).is_err(), "{zone:?}");
    }
}

#[test]
fn serials_go_round() {
    let zone = Zone::new(&published((1 << 32) + 5, &[]), &[], &[]).unwrap();
    assert_eq!(zone.serial(), 5);
}
