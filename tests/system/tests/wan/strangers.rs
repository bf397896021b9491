//! The other end of the WAN is somebody else.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use system::{World, waiting, with_both_engines};

use crate::data::{fill, until_linked, until_same};

with_both_engines! {
    an_agent_of_another_deployment_is_not_followed_and_not_served => another_deployment;
    bytes_that_are_not_the_protocol_change_nothing => garbage;
}

fn agent_of(world: &World) -> String {
    world.wan_to("eastus").status()["to"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn another_deployment(engine: &str) {
    let (world, other) = (World::over_a_wan(engine), World::over_a_wan(engine));
    let (east, west) = world.linked_pair();
    fill(&east, "ours", 1 << 20);
    until_same(&world, &east, &west);
    let (their_east, their_west) = other.linked_pair();
    fill(&their_east, "theirs", 1 << 20);
    until_same(&other, &their_east, &their_west);

    // Names, regions and links are the same there; only the authority is another.
    let wan = world.wan_to("eastus");
    let (home, carried) = (agent_of(&world), wan.count("toClientBytes"));
    wan.act(&format!("/to?address={}", agent_of(&other)));
    wan.act("/cut");
    fill(&east, "meanwhile", 1 << 20);
    waiting::until("the link says that it does not trust the other end", || {
        let link = world.link()?;
        let why = link["shards"][0]["secondary"]["link"]["lastError"].as_str()?;
        (link["healthy"] == false && why.contains("certificate")).then_some(())
    });
    waiting::until("it was tried more than once", || {
        (wan.count("connections") > 5).then_some(())
    });
    let handshakes = wan.count("toClientBytes") - carried;
    assert!(
        handshakes < 256 << 10,
        "more than handshakes came: {handshakes}"
    );
    wan.act(&format!("/to?address={home}"));
    until_linked(&world);
    until_same(&world, &east, &west);
    until_same(&other, &their_east, &their_west);
    for world in [&world, &other] {
        assert_eq!(world.events("FullSyncStarted").len(), 1, "{}", world.logs());
    }
}

fn garbage(engine: &str) {
    let world = World::over_a_wan(engine);
    let (east, west) = world.linked_pair();
    let address = world.wan_to("eastus").address();
    for bytes in [
        &b"PSYNC ? -1\r\n"[..],
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        &[0; 4096],
        &[22, 3, 1, 255, 255, 1],
        b"",
    ] {
        let mut stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        // It may be reset before everything is written.
        let _reset = stream.write_all(bytes);
        let _gone = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _end = stream.read_to_end(&mut answer);
        assert!(answer.len() < 64, "{bytes:?}: {answer:?}");
    }
    fill(&east, "after", 1 << 20);
    until_same(&world, &east, &west);
    until_linked(&world);
    let link = world.link().unwrap();
    assert_eq!(link["shards"][0]["wire"]["reconnects"], 0, "{link}");
}
