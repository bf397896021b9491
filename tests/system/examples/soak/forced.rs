//! Forced failovers of every kind, each with its own writers, its receipts and its return.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use ledger::{Mix, Workload};
use runtime::dice::Dice;
use serde_json::Value;
use system::{Cache, Start, World, scoring, waiting};

use crate::{now, table::Row};

const CLIENTS: usize = 4;

/// An operation that writes a number to a list.
type Writes = BTreeSet<(String, u64)>;

/// What befalls the geo-primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    /// It is fine, and so is the network.
    Alive,
    /// The network between the regions is cut.
    Cut,
    /// Its agent is killed while the network is cut; its engines take writes on.
    AgentGone,
    /// Its agent and its engines are killed, some seconds after the last write.
    RegionGone,
}

const FATES: [Fate; 4] = [Fate::Alive, Fate::Cut, Fate::AgentGone, Fate::RegionGone];

pub(crate) fn run(engine: &str, times: usize, until: Instant) -> Vec<Row> {
    let mut rows: BTreeMap<Fate, Row> = BTreeMap::new();
    let world = World::start(Start {
        engine: engine.to_owned(),
        wan: true,
        ..Start::default()
    });
    let (east, west) = world.linked_pair();
    for round in 0..times {
        if now() >= until {
            break;
        }
        // East and west take turns with each fate.
        let fate = FATES[(round / 2) % FATES.len()];
        let (old, new) = if round % 2 == 0 {
            (&east, &west)
        } else {
            (&west, &east)
        };
        let row = rows.entry(fate).or_insert_with(|| Row {
            what: format!("forced, {fate:?}"),
            engine: engine.to_owned(),
            may_lose: true,
            ..Row::default()
        });
        one(&world, fate, old, new, round as u64, row);
        if round % 10 == 9 {
            println!("{engine}: {} forced failovers", round + 1);
        }
    }
    rows.into_values().collect()
}

fn region(cache: &Cache<'_>) -> &'static str {
    if cache.name() == "east" {
        "eastus"
    } else {
        "westus"
    }
}

fn one(world: &World, fate: Fate, old: &Cache<'_>, new: &Cache<'_>, round: u64, row: &mut Row) {
    old.until_whole();
    new.until_whole();
    world.until_healthy();
    let workload = Workload {
        pace: Duration::from_millis(1),
        mix: "sequence=3,pipeline=1".parse::<Mix>().unwrap(),
        prefix: format!("soak:{round}"),
        ..Workload::new(CLIENTS, Dice::from_seed(round))
    };
    // Without its agent, nobody reaches an engine through the gateway.
    let endpoints = match fate {
        Fate::AgentGone => vec![old.engine_login(), new.engine_login()],
        Fate::Alive | Fate::Cut | Fate::RegionGone => vec![old.login(), new.login()],
    };
    let ledger = scoring::start_at(&workload, endpoints);
    scoring::until_more(&ledger, 200);
    waiting::until_true("something has crossed", || {
        new.status()["shards"][0]["keys"].as_u64() > Some(0)
    });
    strike(world, fate, old, &ledger);
    ledger.mark("forced");
    world.ok(&["failover", new.name(), "--force", "--yes"]);
    if fate != Fate::RegionGone {
        scoring::until_more(&ledger, 200);
    }
    row.failovers += 1;
    // The old region comes back.
    world.wan_to(region(old)).act("/accept");
    if matches!(fate, Fate::AgentGone | Fate::RegionGone) {
        world.release_up();
    }
    waiting::until_true("the former primary is back", || {
        world.link().is_some_and(|link| {
            link["healthy"] == true
                && link["provisioningState"] == "Succeeded"
                && link["primary"] == new.name()
        })
    });
    let score = scoring::settle(ledger, new);
    let lost: Writes = score
        .lost_operations()
        .map(|(key, number)| (key.to_owned(), number))
        .collect();
    let saved = saved(world, old);
    let total = score.total();
    row.acknowledged += total.acknowledged;
    row.lost += total.lost;
    row.violations += total.violations();
    row.unaccounted += lost.difference(&saved).count() as u64;
    let extra = saved.difference(&lost).count() as u64;
    // What nobody was told of may have been written all the same.
    row.false_receipts += extra.saturating_sub(total.unknown());
    if fate != Fate::RegionGone {
        row.outages
            .extend(score.marks.iter().map(|mark| mark.outage.ms));
    }
}

fn strike(world: &World, fate: Fate, old: &Cache<'_>, ledger: &ledger::blocking::Ledger) {
    match fate {
        Fate::Alive => {}
        Fate::Cut => {
            world.wan_to(region(old)).go_down();
            scoring::until_more(ledger, 200);
        }
        Fate::AgentGone => {
            world.wan_to(region(old)).go_down();
            scoring::until_more(ledger, 100);
            world.hold_up();
            world.take_agent_away(region(old));
            scoring::until_more(ledger, 100);
        }
        Fate::RegionGone => {
            world.wan_to(region(old)).go_down();
            scoring::until_more(ledger, 200);
            ledger.stop().unwrap();
            world.until_journaled(old);
            world.hold_up();
            world.take_region_away(region(old));
        }
    }
}

/// What the receipts of a former primary hold; they are discarded.
fn saved(world: &World, old: &Cache<'_>) -> Writes {
    let path = format!("{}/lostWrites", old.id());
    let answer = waiting::until("the receipts", || world.get(&path));
    let receipts = answer["value"].as_array().unwrap().clone();
    let mut writes = Writes::new();
    for receipt in receipts {
        assert_eq!(receipt["missing"], Value::Null, "{receipt}");
        let name = receipt["name"].as_str().unwrap();
        let file = world.data().join(format!("{name}.resp"));
        let to = file.to_str().unwrap();
        world.ok(&["lost-writes", "download", name, "--to", to]);
        writes.extend(pushed(&std::fs::read(&file).unwrap()));
        world.ok(&["lost-writes", "discard", name, "--yes"]);
    }
    writes
}

/// The numbers that were pushed to lists, in a file of commands.
fn pushed(file: &[u8]) -> Writes {
    let text = String::from_utf8_lossy(file);
    let mut words = text.split("\r\n");
    let mut writes = Writes::new();
    while let Some(head) = words.next() {
        let Some(count) = head.strip_prefix('*').and_then(|n| n.parse::<usize>().ok()) else {
            continue;
        };
        let command: Vec<&str> = (0..count)
            .filter_map(|_| {
                words.next()?;
                words.next()
            })
            .collect();
        if let ["RPUSH", key, numbers @ ..] = &command[..] {
            let numbers = numbers.iter().map(|number| number.parse().unwrap());
            writes.extend(numbers.map(|number: u64| ((*key).to_owned(), number)));
        }
    }
    writes
}
