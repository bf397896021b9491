use model::{Epoch, FirewallRule, LinkId, LinkObserved, RoleKind, ShardStanding, Timestamp};

use super::*;
use crate::{
    observations::tests::report,
    records::{
        AgentRecord,
        tests::{cache, member},
    },
    store::Store,
};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn agent(region: &str, relay: &str, peers: &[(&str, &str)]) -> AgentRecord {
    let pair = |(region, at): &(&str, &str)| (region.parse().unwrap(), ip(at));
    AgentRecord {
        region: region.parse().unwrap(),
        relay_address: Some(relay.parse().unwrap()),
        engine: None,
        peers: peers.iter().map(pair).collect(),
    }
}

/// A state in which `west` follows `east`, with these agents.
async fn state(agents: &[AgentRecord]) -> std::sync::Arc<State> {
    let dir = tempfile::tempdir().unwrap();
    let dice = runtime::dice::Dice::from_seed(1);
    let store = Store::open(dir.path(), &dice).await.unwrap();
    let (east, west) = (cache("east", "eastus"), cache("west", "westus"));
    let id = LinkId::new("l");
    let link = LinkRecord::begin(id, member(&east), member(&west), Epoch(1), Timestamp(0));
    let mut change = crate::store::Change::new();
    change = change.insert(&east).insert(&west).insert(&link);
    for agent in agents {
        change = change.insert(agent);
    }
    store.commit(change).await.unwrap();
    store.state()
}

#[tokio::test]
async fn an_agent_dials_from_where_it_was_seen_or_else_from_where_it_is_reached() {
    let state = state(&[
        agent("eastus", "192.0.2.1:7000", &[("westus", "198.51.100.2")]),
        agent("westus", "192.0.2.2:7000", &[]),
        agent("northeurope", "0.0.0.0:7000", &[]),
    ])
    .await;
    let from = |at: &str, of: &str| dials_from(&state, &at.parse().unwrap(), &of.parse().unwrap());
    assert_eq!(from("eastus", "westus"), Some(ip("198.51.100.2")));
    assert_eq!(from("westus", "eastus"), Some(ip("192.0.2.1")));
    assert_eq!(from("westus", "northeurope"), None);
    assert_eq!(from("westus", "japaneast"), None);
}

fn dialled_from(addresses: &[&str]) -> RegionObserved {
    let half = |at: &&str| LinkObserved {
        peer_address: Some(ip(at)),
        ..LinkObserved::default()
    };
    let mut east = report(
        "east",
        "eastus",
        RoleKind::Primary,
        ShardStanding::Writable,
        None,
    );
    let shard = east.caches[0].shards[0].clone();
    east.caches[0].shards = addresses
        .iter()
        .map(|at| model::ShardObserved {
            link: Some(half(at)),
            ..shard.clone()
        })
        .collect();
    east
}

#[tokio::test]
async fn what_was_seen_stays_known_until_something_else_is_seen() {
    let state = state(&[]).await;
    let west: Region = "westus".parse().unwrap();
    let seen = |known: &BTreeMap<Region, IpAddr>, at: &[&str]| {
        peers_seen(&state, known, &dialled_from(at))
    };
    let first = seen(&BTreeMap::new(), &["192.0.2.9", "192.0.2.8"]);
    assert_eq!(first, BTreeMap::from([(west.clone(), ip("192.0.2.8"))]));
    assert_eq!(seen(&first, &[]), first);
    assert_eq!(seen(&first, &["192.0.2.7", "192.0.2.8"]), first);
    let moved = seen(&first, &["192.0.2.7"]);
    assert_eq!(moved, BTreeMap::from([(west, ip("192.0.2.7"))]));
}

#[tokio::test]
async fn firewalls_are_warned_of_in_both_directions() {
    let state = state(&[
        agent("eastus", "192.0.2.1:7000", &[]),
        agent("westus", "192.0.2.2:7000", &[]),
    ])
    .await;
    let walled = |name, region, at: &str| {
        let mut walled = cache(name, region);
        walled.access.firewall = vec![FirewallRule::new("r", ip(at), ip(at)).unwrap()];
        walled
    };
    let said = |east: &CacheRecord, west: &CacheRecord| warnings(&state, east, west);
    let open = (cache("east", "eastus"), cache("west", "westus"));
    assert!(said(&open.0, &open.1).is_empty());
    let good = (
        walled("east", "eastus", "192.0.2.2"),
        walled("west", "westus", "192.0.2.1"),
    );
    assert!(said(&good.0, &good.1).is_empty());
    let bad = (
        walled("east", "eastus", "192.0.2.1"),
        walled("west", "westus", "192.0.2.2"),
    );
    assert_eq!(
        said(&bad.0, &bad.1),
        [
            "the firewall of `east` does not admit 192.0.2.2, from which `west` follows; add a rule for it",
            "the firewall of `west` does not admit 192.0.2.1, from which `east` would follow; add a rule for it",
        ]
    );
}
