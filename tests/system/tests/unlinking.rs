//! Unlinking: both caches keep the data and take writes, and can be linked again.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use system::{World, waiting, with_both_engines};

with_both_engines! {
    both_caches_keep_their_data_and_take_writes => unlink;
}

fn unlink(engine: &str) {
    let world = World::with(engine);
    let (east, west) = world.linked_pair();
    redis::cmd("SET")
        .arg("kept")
        .arg("yes")
        .exec(&mut east.connect())
        .unwrap();
    waiting::until_true("the write arrives", || west.contents() == east.contents());
    world.ok(&["link", "delete", "east", "west"]);
    assert!(world.link().is_none());
    for cache in [&east, &west] {
        let mut c = cache.connect();
        let kept: String = redis::cmd("GET").arg("kept").query(&mut c).unwrap();
        assert_eq!(kept, "yes");
        redis::cmd("SET")
            .arg("own")
            .arg(cache.name())
            .exec(&mut c)
            .unwrap();
    }
    assert_ne!(west.contents(), east.contents());
    let mut e = east.connect();
    let own: String = redis::cmd("GET").arg("own").query(&mut e).unwrap();
    assert_eq!(own, "east");

    // The other way round now: west's data win.
    world.ok(&["link", "create", "west", "east", "--yes"]);
    assert_eq!(west.contents(), east.contents());
    let own: String = redis::cmd("GET")
        .arg("own")
        .query(&mut east.connect())
        .unwrap();
    assert_eq!(own, "west");

    world.ok(&["link", "delete", "west", "east"]);
    world.ok(&["cache", "delete", "east", "--yes"]);
    world.ok(&["cache", "delete", "west", "--yes"]);
    assert_eq!(
        world.ok(&["cache", "list"]).json().as_array().map(Vec::len),
        Some(0)
    );
    waiting::until_true("no engine is left", || {
        system::processes::working_below(&world.data().join("agents")).is_empty()
    });
}
