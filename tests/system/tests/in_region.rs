//! Trouble inside a region stays there: the link goes on by partial resyncs, at the same epoch, and no
//! write is lost that a replica had.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use redis::Client;
use rustix::process::Signal;
use system::{Cache, World, processes, waiting, with_both_engines};

with_both_engines! {
    the_leading_engine_of_the_geo_primary_dies_under_load => primary_engine;
    the_leading_engine_of_the_geo_secondary_dies_under_load => secondary_engine;
    each_agent_is_killed_under_load => agents;
    replicas_that_hang_do_not_keep_the_roles_from_changing => hung_replicas;
}

/// Half a round trip between the regions: a region's own replica is always ahead of the other region.
const LATENCY_MS: u64 = 15;

/// A client that writes, one key after another, and remembers which writes a replica had.
struct Writer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<u64>>,
}

impl Writer {
    fn start(client: Client) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let (mut safe, mut connection) = (Vec::new(), None);
            for n in 0.. {
                if asked.load(Ordering::Relaxed) {
                    break;
                }
                let Some(open) = &mut connection else {
                    let limit = Duration::from_millis(500);
                    connection = client.get_connection_with_timeout(limit).ok();
                    if let Some(open) = &connection {
                        open.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
                    } else {
                        thread::sleep(Duration::from_millis(5));
                    }
                    continue;
                };
                let mut write = || {
                    redis::cmd("SET").arg(name(n)).arg(n).exec(open)?;
                    redis::cmd("WAIT").arg(1).arg(1_000).query::<u64>(open)
                };
                match write() {
                    Ok(0) => {}
                    Ok(_) => safe.push(n),
                    Err(_) => connection = None,
                }
            }
            safe
        });
        Self { stop, thread }
    }

    /// Stops it, and checks that everything that a replica had is there.
    fn settle(self, survivor: &Cache<'_>) {
        self.stop.store(true, Ordering::Relaxed);
        let safe = self.thread.join().unwrap();
        let mut connection = survivor.connect();
        let there = |n: &u64| {
            let value: Option<u64> = redis::cmd("GET").arg(name(*n)).query(&mut connection)?;
            Ok::<_, redis::RedisError>(value == Some(*n))
        };
        let mut there = there;
        let lost: Vec<&u64> = safe.iter().filter(|n| !there(n).unwrap()).collect();
        assert!(
            lost.is_empty(),
            "{} of {} are lost: {lost:?}",
            lost.len(),
            safe.len()
        );
        assert!(safe.len() > 20, "only {} writes", safe.len());
    }
}

fn name(n: u64) -> String {
    format!("w{n}")
}

fn linked(engine: &str) -> World {
    let world = World::over_a_wan(engine);
    for region in ["eastus", "westus"] {
        world.wan_to(region).set(LATENCY_MS, 0, None);
    }
    world
}

fn epoch(world: &World) -> u64 {
    waiting::until("the link tells its epoch", || {
        world.link()?["epoch"].as_u64()
    })
}

fn until_equal(east: &Cache<'_>, west: &Cache<'_>) {
    waiting::until_true("both sides hold the same", || {
        east.try_contents()
            .is_some_and(|there| Some(there) == west.try_contents())
    });
}

/// Nothing of it was a matter of the link.
fn untroubled(world: &World, before: u64) {
    assert_eq!(epoch(world), before, "{}", world.logs());
    let full_syncs = world.events("FullSyncStarted");
    assert_eq!(full_syncs.len(), 1, "{full_syncs:?} {}", world.logs());
}

fn primary_engine(engine: &str) {
    let world = linked(engine);
    let (east, west) = world.linked_pair();
    world.until_healthy();
    let before = epoch(&world);
    let nodes = east.until_whole();
    let writer = Writer::start(east.client());
    processes::signal(nodes[0], Signal::KILL);
    waiting::until_true("the replica leads", || {
        east.nodes().is_some_and(|now| now[0] == nodes[1])
    });
    world.until_healthy();
    waiting::until_true("it is told", || world.events("RegionFailover").len() == 1);
    writer.settle(&east);
    until_equal(&east, &west);
    untroubled(&world, before);
}

fn secondary_engine(engine: &str) {
    let world = linked(engine);
    let (east, west) = world.linked_pair();
    world.until_healthy();
    let before = epoch(&world);
    let nodes = west.until_whole();
    let writer = Writer::start(east.client());
    processes::signal(nodes[0], Signal::KILL);
    waiting::until_true("the replica leads", || {
        west.nodes().is_some_and(|now| now[0] == nodes[1])
    });
    world.until_healthy();
    waiting::until_true("it is told", || world.events("RegionFailover").len() == 1);
    writer.settle(&east);
    until_equal(&east, &west);
    untroubled(&world, before);
}

fn agents(engine: &str) {
    let world = linked(engine);
    let (east, west) = world.linked_pair();
    world.until_healthy();
    let before = epoch(&world);
    let nodes = (east.until_whole(), west.until_whole());
    let full_syncs = (east.info("sync_full"), west.info("sync_full"));
    let writer = Writer::start(east.client());
    for region in ["eastus", "westus"] {
        world.kill_agent(region);
        world.until_healthy();
    }
    writer.settle(&east);
    until_equal(&east, &west);
    untroubled(&world, before);
    assert_eq!((east.until_whole(), west.until_whole()), nodes);
    assert_eq!((east.info("sync_full"), west.info("sync_full")), full_syncs);
    assert_eq!(world.events("RegionFailover"), Vec::<String>::new());
}

fn hung_replicas(engine: &str) {
    let world = World::with(engine);
    let (east, west) = world.linked_pair();
    let replicas = [east.until_whole()[1], west.until_whole()[1]];
    world.until_healthy();
    redis::cmd("SET")
        .arg("key")
        .arg(1)
        .exec(&mut east.connect())
        .unwrap();
    for pid in replicas {
        processes::freeze(pid);
    }
    // Of the three seconds, an agent that waited for one of them would spend all on a single look each.
    world.ok(&["failover", "west", "--abort-after", "3s"]);
    for pid in replicas {
        processes::signal(pid, Signal::CONT);
    }
    world.until_healthy();
    assert_eq!([east.until_whole()[1], west.until_whole()[1]], replicas);
    until_equal(&east, &west);
    untroubled(&world, 2);
}
