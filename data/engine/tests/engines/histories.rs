//! Replication as a handoff uses it, and data sets that outlive a stop.

use std::{fs, time::Duration};

use engine::{CLIENT_USER, EngineRole, ListenError, Node, NodeConfig, StopHow};
use tokio::time::{Instant, sleep};

use crate::support::{GRACE, House, client, eventually, programs, set};

#[tokio::test]
async fn a_replica_follows_is_promoted_and_the_old_primary_follows_it() {
    for program in programs().await {
        let house = House::new();
        let config = house.config("n0");
        let first = Node::start(&program, &config).await.unwrap();
        let replica = house.replica("n1", first.address());
        let second = Node::start(&program, &replica).await.unwrap();
        in_step(&first, &second).await;
        let mut writer = client(&first, CLIENT_USER, &config.clients).await.unwrap();
        set(&mut writer, "k", "v").await;
        in_step(&first, &second).await;
        let seen = second.replication().await.unwrap();
        assert!(
            matches!(seen.role, EngineRole::Replica { upstream, link_up: true, sync_in_progress: false, .. }
                if upstream == first.address())
        );
        let followers = first.replication().await.unwrap().replicas;
        assert_eq!(followers.len(), 1);
        assert_eq!(followers[0].address, second.address());
        assert_eq!(followers[0].state, "online");

        // Fence, promote, reverse: one partial resync, no full one.
        first.follow("127.0.0.1:1".parse().unwrap()).await.unwrap();
        let fenced = first.replication().await.unwrap();
        eventually("applied", async || {
            second.replication().await.unwrap().offset == fenced.offset
        })
        .await;
        second.stand_alone().await.unwrap();
        first.follow(second.address()).await.unwrap();
        in_step(&second, &first).await;
        let promoted = second.replication().await.unwrap();
        assert_eq!(promoted.role, EngineRole::Primary);
        assert_eq!(promoted.replid2, Some(fenced.replid));
        assert_eq!(promoted.second_offset, Some(fenced.offset.advanced(1)));
        let info = second.info().await.unwrap();
        assert_eq!((info.full_syncs, info.partial_syncs), (0, 1));
        for node in [first, second] {
            node.stop(StopHow::Discard, GRACE).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_write_pause_holds_the_offset_still_and_resuming_lets_it_go() {
    for program in programs().await {
        let house = House::new();
        let config = house.config("n0");
        let first = Node::start(&program, &config).await.unwrap();
        let second = Node::start(&program, &house.replica("n1", first.address()))
            .await
            .unwrap();
        in_step(&first, &second).await;
        let mut admin = house.admin(&first, &config).await;
        let mut fast = redis::cmd("CONFIG");
        fast.arg("SET").arg("repl-ping-replica-period").arg(1);
        fast.query_async::<()>(&mut admin).await.unwrap();
        let before = first.replication().await.unwrap().offset;
        eventually("pings move the offset", async || {
            first.replication().await.unwrap().offset > before
        })
        .await;

        first.pause_writes(Duration::from_secs(30)).await.unwrap();
        let mut writer = client(&first, CLIENT_USER, &config.clients).await.unwrap();
        let mut command = redis::cmd("SET");
        command.arg("k").arg("v");
        let write = command.query_async::<()>(&mut writer);
        let mut write = std::pin::pin!(write);
        let still = first.replication().await.unwrap().offset;
        let until = Instant::now() + Duration::from_millis(2500);
        while Instant::now() < until {
            tokio::select! {
                done = &mut write => panic!("written in a pause: {done:?}"),
                () = sleep(Duration::from_millis(50)) => {}
            }
            assert_eq!(first.replication().await.unwrap().offset, still);
        }
        first.resume_writes().await.unwrap();
        write.await.unwrap();
        assert!(first.replication().await.unwrap().offset > still);
        assert_eq!(ping_period(&mut admin).await, "10");

        // One that runs out by itself leaves nothing behind either, nor does one before a fence.
        first.pause_writes(Duration::from_millis(1)).await.unwrap();
        first.info().await.unwrap();
        eventually("pings are back", async || {
            first.info().await.unwrap();
            ping_period(&mut admin.clone()).await == "10"
        })
        .await;
        first
            .pause_writes(Duration::from_millis(100))
            .await
            .unwrap();
        assert_eq!(ping_period(&mut admin).await, "2147483647");
        first.follow("127.0.0.1:1".parse().unwrap()).await.unwrap();
        assert_eq!(ping_period(&mut admin).await, "10");
        for node in [first, second] {
            node.stop(StopHow::Discard, GRACE).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_listener_moves_and_stays_where_it_is_when_it_cannot() {
    for program in programs().await {
        let house = House::new();
        // Addresses of its own, as other tests pick ports meanwhile.
        let address = "127.0.0.77:0".parse().unwrap();
        let config = NodeConfig {
            address,
            ..house.config("n0")
        };
        let node = Node::start(&program, &config).await.unwrap();
        let before = node.address();
        let taken = std::net::TcpListener::bind("127.0.0.78:0").unwrap();
        let taken = (taken.local_addr().unwrap(), taken);

        let error = node.listen_on(taken.0).await.unwrap_err();
        assert!(matches!(error, ListenError::Taken { .. }), "{error}");
        assert!(
            error.to_string().contains(&std::process::id().to_string()),
            "{error}"
        );
        let error = node
            .listen_on("192.0.2.1:7000".parse().unwrap())
            .await
            .unwrap_err();
        assert!(matches!(error, ListenError::Unusable { .. }), "{error}");
        assert_eq!(node.address(), before);
        client(&node, CLIENT_USER, &config.clients).await.unwrap();

        drop(taken.1);
        let mut open = client(&node, CLIENT_USER, &config.clients).await.unwrap();
        // A process that another test forks just now may hold the listener for a moment more.
        eventually("moves", async || node.listen_on(taken.0).await.is_ok()).await;
        assert_eq!(node.address(), taken.0);
        set(&mut open, "k", "v").await;
        client(&node, CLIENT_USER, &config.clients).await.unwrap();
        assert!(std::net::TcpStream::connect(before).is_err());

        // An agent that starts anew knows.
        drop(node);
        let node = Node::adopt(&config).await.unwrap().unwrap();
        assert_eq!(node.address(), taken.0);
        node.stop(StopHow::Discard, GRACE).await.unwrap();
    }
}

#[tokio::test]
async fn a_primary_s_saved_data_set_goes_on_in_its_history() {
    for program in programs().await {
        let house = House::new();
        let config = house.config("n0");
        let first = Node::start(&program, &config).await.unwrap();
        let second = Node::start(&program, &house.replica("n1", first.address()))
            .await
            .unwrap();
        in_step(&first, &second).await;
        let mut writer = client(&first, CLIENT_USER, &config.clients).await.unwrap();
        for n in 0..100 {
            set(&mut writer, &format!("k{n}"), "v").await;
        }
        in_step(&first, &second).await;
        let before = first.replication().await.unwrap();
        let at = first.address();
        let stopped = first.stop(StopHow::SaveSnapshot, GRACE).await.unwrap();
        assert!(stopped.snapshot_saved, "{stopped:?}");
        assert!(house.path("n0").join("saved.rdb").exists());

        let again = NodeConfig {
            address: at,
            load_saved: true,
            ..config
        };
        let first = Node::start(&program, &again).await.unwrap();
        eventually("loaded", async || !first.info().await.unwrap().loading).await;
        let after = first.replication().await.unwrap();
        assert_eq!(
            after.replid2,
            Some(before.replid),
            "the old history is known"
        );
        in_step(&first, &second).await;
        let info = first.info().await.unwrap();
        assert_eq!(
            (info.keys, info.full_syncs, info.partial_syncs),
            (100, 0, 1)
        );
        no_data_set_is_left(&house, "n0");
        for node in [first, second] {
            node.stop(StopHow::Discard, GRACE).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_replica_s_saved_data_set_goes_on_in_its_history() {
    for program in programs().await {
        let house = House::new();
        let config = house.config("n0");
        let first = Node::start(&program, &config).await.unwrap();
        let replica = house.replica("n1", first.address());
        let second = Node::start(&program, &replica).await.unwrap();
        in_step(&first, &second).await;
        let mut writer = client(&first, CLIENT_USER, &config.clients).await.unwrap();
        set(&mut writer, "before", "v").await;
        in_step(&first, &second).await;
        let stopped = second.stop(StopHow::SaveSnapshot, GRACE).await.unwrap();
        assert!(stopped.snapshot_saved, "{stopped:?}");
        set(&mut writer, "meanwhile", "v").await;

        let replica = NodeConfig {
            load_saved: true,
            ..replica
        };
        let second = Node::start(&program, &replica).await.unwrap();
        in_step(&first, &second).await;
        let info = first.info().await.unwrap();
        assert_eq!((info.full_syncs, info.partial_syncs), (1, 1));
        assert_eq!(second.info().await.unwrap().keys, 2);
        no_data_set_is_left(&house, "n1");
        for node in [first, second] {
            node.stop(StopHow::Discard, GRACE).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_data_set_is_loaded_once_and_never_by_accident() {
    for program in programs().await {
        let house = House::new();
        let config = house.config("n0");
        let saved = NodeConfig {
            load_saved: true,
            ..config.clone()
        };
        let keys = async |node: &Node| node.info().await.unwrap().keys;

        let node = Node::start(&program, &config).await.unwrap();
        let mut writer = client(&node, CLIENT_USER, &config.clients).await.unwrap();
        set(&mut writer, "k", "v").await;
        node.stop(StopHow::SaveSnapshot, GRACE).await.unwrap();
        let node = Node::start(&program, &saved).await.unwrap();
        assert_eq!(keys(&node).await, 1);
        crate::support::signal(node.pid(), rustix::process::Signal::KILL);
        node.exited().await;
        // After a crash there is nothing to load, even when asked to.
        let node = Node::start(&program, &saved).await.unwrap();
        assert_eq!(keys(&node).await, 0);

        let mut writer = client(&node, CLIENT_USER, &config.clients).await.unwrap();
        set(&mut writer, "k", "v").await;
        node.stop(StopHow::SaveSnapshot, GRACE).await.unwrap();
        let node = Node::start(&program, &config).await.unwrap();
        assert_eq!(keys(&node).await, 0);
        node.stop(StopHow::Discard, GRACE).await.unwrap();
        no_data_set_is_left(&house, "n0");
    }
}

#[tokio::test]
async fn a_node_that_is_stopped_while_it_loads_keeps_its_data_set() {
    const KEYS: u64 = 10_000;
    for program in programs().await {
        let house = House::new();
        let config = house.config("n0");
        let node = Node::start(&program, &config).await.unwrap();
        let mut writer = client(&node, CLIENT_USER, &config.clients).await.unwrap();
        let mut fill = redis::cmd("EVAL");
        let script = "for n = 1, ARGV[1] do redis.call('SET', n, n) end";
        fill.arg(script)
            .arg(0)
            .arg(KEYS)
            .query_async::<()>(&mut writer)
            .await
            .unwrap();
        node.stop(StopHow::SaveSnapshot, GRACE).await.unwrap();

        let saved = NodeConfig {
            load_saved: true,
            ..config
        };
        let slow = house.loading_slowly(&program);
        let node = Node::start(&slow, &saved).await.unwrap();
        assert!(node.info().await.unwrap().loading);
        let stopped = node.stop(StopHow::SaveSnapshot, GRACE).await.unwrap();
        assert!(stopped.snapshot_saved, "{stopped:?}");

        let node = Node::start(&slow, &saved).await.unwrap();
        assert!(node.info().await.unwrap().loading);
        assert!(house.path("n0").join("saved.rdb").exists());
        // Taken over meanwhile, it is removed all the same.
        drop(node);
        let node = Node::adopt(&saved).await.unwrap().unwrap();
        eventually("loaded", async || !node.info().await.unwrap().loading).await;
        assert_eq!(node.info().await.unwrap().keys, KEYS);
        no_data_set_is_left(&house, "n0");
        node.stop(StopHow::Discard, GRACE).await.unwrap();
    }
}

#[tokio::test]
async fn a_paused_engine_saves_all_the_same() {
    for program in programs().await {
        let house = House::new();
        let config = house.config("n0");
        let node = Node::start(&program, &config).await.unwrap();
        let mut writer = client(&node, CLIENT_USER, &config.clients).await.unwrap();
        set(&mut writer, "k", "v").await;
        let mut pause = redis::cmd("CLIENT");
        pause.arg("PAUSE").arg(1_800_000).arg("ALL");
        pause.query_async::<()>(&mut writer).await.unwrap();
        let stopped = node.stop(StopHow::SaveSnapshot, GRACE).await.unwrap();
        assert!(stopped.snapshot_saved, "{stopped:?}");
        let saved = NodeConfig {
            load_saved: true,
            ..config
        };
        let node = Node::start(&program, &saved).await.unwrap();
        assert_eq!(node.info().await.unwrap().keys, 1);
        node.stop(StopHow::Discard, GRACE).await.unwrap();
    }
}

async fn in_step(primary: &Node, replica: &Node) {
    eventually("in step", async || {
        let above = primary.replication().await.unwrap();
        let below = replica.replication().await.unwrap();
        let up = matches!(below.role, EngineRole::Replica { link_up: true, .. });
        up && (above.replid, above.offset) == (below.replid, below.offset)
    })
    .await;
}

fn no_data_set_is_left(house: &House, node: &str) {
    let entries = fs::read_dir(house.path(node))
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = entries
        .filter(|name| name.to_string_lossy().ends_with(".rdb"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

async fn ping_period(admin: &mut redis::aio::MultiplexedConnection) -> String {
    let mut get = redis::cmd("CONFIG");
    get.arg("GET").arg("repl-ping-replica-period");
    get.query_async::<(String, String)>(admin).await.unwrap().1
}
