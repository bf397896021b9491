//! A geo-primary that comes back empty while nobody could tell anybody.

use rustix::process::Signal;
use system::{World, processes, waiting, with_both_engines};

use crate::data::{fill, until_linked, until_same};

with_both_engines! {
    an_empty_primary_behind_a_cut_wipes_nothing => wipes_nothing;
}

fn wipes_nothing(engine: &str) {
    let world = World::over_a_wan(engine);
    let (east, west) = world.linked_pair();
    fill(&east, "precious", 2 << 20);
    until_same(&world, &east, &west);
    let keys: u64 = redis::cmd("DBSIZE").query(&mut west.connect()).unwrap();
    world.wan_to("eastus").go_down();
    let nodes = east.until_whole();
    for pid in nodes {
        processes::signal(pid, Signal::KILL);
    }
    world.kill_agent("eastus");
    world.wan_to("eastus").act("/accept");
    waiting::until("the link says that the source is lost", || {
        world.link().filter(|link| link["state"] == "SourceLost")
    });
    let held: u64 = redis::cmd("DBSIZE").query(&mut west.connect()).unwrap();
    assert_eq!(held, keys);
    world.ok(&["failover", "west"]);
    until_linked(&world);
    until_same(&world, &west, &east);
    let held: u64 = redis::cmd("DBSIZE").query(&mut east.connect()).unwrap();
    assert_eq!(held, keys);
}
