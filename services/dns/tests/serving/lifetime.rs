//! What it serves from its start to its end, and after it.

use crate::{
    deployment::{Deployment, names},
    sockets::{gist, over_udp, question},
};

#[tokio::test(flavor = "multi_thread")]
async fn names_change_with_the_control_plane_and_stay_without_it() {
    let world = Deployment::start(names(1, "192.0.2.1")).await;
    let east = question(7, "east.redis.example");
    let server = world.server().await;
    world.publish(names(2, "192.0.2.2"));
    world.until_generation(server.address, 2).await;
    assert_eq!(gist(&over_udp(server.address, &east)).2, [192, 0, 2, 2]);
    world.take_control_away();
    assert_eq!(gist(&over_udp(server.address, &east)).2, [192, 0, 2, 2]);
    server.stop().await;

    // From the disk, without anybody to ask.
    let again = world.server().await;
    assert_eq!(gist(&over_udp(again.address, &east)).2, [192, 0, 2, 2]);
    // A control plane that comes back from an old copy changes nothing, one that goes on does.
    world.bring_control_back();
    world.publish(names(1, "192.0.2.9"));
    world.until_asked().await;
    assert_eq!(gist(&over_udp(again.address, &east)).2, [192, 0, 2, 2]);
    world.publish(names(3, "192.0.2.3"));
    world.until_generation(again.address, 3).await;
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_it_from_starting_is_named() {
    let world = Deployment::start(names(1, "192.0.2.1")).await;
    let server = world.server().await;
    let said = world.refused(|_| {}).await;
    assert!(said.contains("in use by another `godwit dns`"), "{said}");
    let elsewhere = tempfile::tempdir().unwrap();
    for (change, named) in [
        (server.address.to_string(), "stop it"),
        (String::new(), "at least one address"),
    ] {
        let said = world
            .refused(|config| {
                config.data = elsewhere.path().join("data");
                config.listen = change.parse().into_iter().collect();
            })
            .await;
        assert!(said.contains(named), "{said}");
    }
    let said = world
        .refused(|config| {
            config.data = elsewhere.path().join("data");
            config.name_servers = vec!["two..dots".parse().unwrap()];
        })
        .await;
    assert!(said.contains("two..dots"), "{said}");
    server.stop().await;
}
