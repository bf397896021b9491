//! The caches' names in DNS: they follow a failover, and stay when the control plane is away.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use rustix::process::Signal;
use system::{Start, World, processes, waiting, with_both_engines};

with_both_engines! {
    geo_names_follow_every_failover_and_never_go_back => follow;
    names_are_answered_while_the_control_plane_is_away => outage;
}

fn follow(engine: &str) {
    let world = World::with(engine);
    let (east, west) = world.linked_pair();
    let first = waiting::until("the names lead somewhere", || world.named_primary());
    assert_eq!(first, "east");
    let done = AtomicBool::new(false);
    let seen = thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut seen = vec![first];
            while !done.load(Ordering::SeqCst) {
                if let Some(now) = world.named_primary()
                    && seen.last() != Some(&now)
                {
                    seen.push(now);
                }
            }
            seen
        });
        for round in 1..=4 {
            let to = if round % 2 == 1 { &west } else { &east };
            world.ok(&["failover", to.name()]);
            waiting::until_true("the names lead to the new geo-primary", || {
                world.named_primary() == Some(to.name())
            });
        }
        done.store(true, Ordering::SeqCst);
        watch.join().unwrap()
    });
    assert_eq!(seen, ["east", "west", "east", "west", "east"]);

    assert_eq!(
        world.dig("west.geo", "A").unwrap(),
        "west.geo CNAME east.geo, east.geo A 127.0.0.1"
    );
    assert_eq!(world.dig("west", "A").unwrap(), "west A 127.0.0.1");
    assert_eq!(world.dig("west", "AAAA").unwrap(), "");
    world.ok(&["link", "delete", "east", "west"]);
    waiting::until_true("the geo names are gone", || {
        world.dig("east.geo", "A").as_deref() == Some("NXDOMAIN")
    });
    world.ok(&["cache", "delete", "west", "--yes"]);
    waiting::until_true("the direct name is gone", || {
        world.dig("west", "A").as_deref() == Some("NXDOMAIN")
    });
    assert_eq!(world.dig("east", "A").unwrap(), "east A 127.0.0.1");
}

fn outage(engine: &str) {
    let mut world = World::with(engine);
    world.linked_pair();
    waiting::until_true("the names lead somewhere", || {
        world.named_primary() == Some("east")
    });
    let control = world.control_pid();
    world.hold_up();
    processes::signal(control, Signal::KILL);
    waiting::until_true("the control plane is gone", || {
        !processes::is_alive(control)
    });
    for _ in 0..5 {
        assert_eq!(world.named_primary(), Some("east"));
    }
    world.release_up();
    world.until_healthy();
    world.ok(&["failover", "west"]);
    waiting::until_true("the names are followed again", || {
        world.named_primary() == Some("west")
    });
    world.kill_dns();
    waiting::until_true("the DNS server answers again, at the same place", || {
        world.named_primary() == Some("west")
    });
    // And through a stop and a start of everything.
    world.down();
    world.up();
    assert_eq!(world.named_primary(), Some("west"));
}

#[test]
fn without_dns_nothing_answers_and_nothing_says_so() {
    let world = World::start(Start {
        engine: "redis".to_owned(),
        more: vec!["--no-dns".to_owned()],
        ..Start::default()
    });
    assert!(!world.data().join("names-endpoint").exists());
    assert!(fs::read_dir(world.data()).unwrap().count() > 0);
}
