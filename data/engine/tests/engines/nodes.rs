//! Nodes as real engines: every test runs against valkey and redis.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    time::Duration,
};

use crate::support::{GRACE, House, client, eventually, programs};
use engine::{CLIENT_USER, CommandError, EngineRole, Node, StopHow};

#[tokio::test]
async fn a_node_starts_tells_about_itself_and_stops() {
    for program in programs().await {
        let house = House::new();
        let node = Node::start(&program, &house.config("n0")).await.unwrap();
        assert_ne!(node.address().port(), 0);

        let info = node.info().await.unwrap();
        assert_eq!((info.loading, info.keys), (false, 0));
        assert_eq!(info.version, program.version);
        assert_eq!(info.replication.role, EngineRole::Primary);
        // The resident memory is looked at by the engine now and then.
        assert!(info.used_memory > 0);
        assert_eq!(
            node.replication().await.unwrap().replid,
            info.replication.replid
        );

        let stopped = node.stop(StopHow::Discard, GRACE).await.unwrap();
        assert!(!stopped.snapshot_saved && node.has_exited());
        let left = fs::read_dir(house.path("n0"))
            .unwrap()
            .map(|e| e.unwrap().file_name());
        let left: Vec<_> = left.map(|name| name.into_string().unwrap()).collect();
        assert!(
            !left.iter().any(|n| n == "node.json" || n == "engine.sock"),
            "{left:?}"
        );
        let error = node.info().await.unwrap_err();
        assert!(matches!(error, CommandError::Exited { .. }), "{error}");
        // Once more is fine.
        node.stop(StopHow::Discard, GRACE).await.unwrap();
    }
}

#[tokio::test]
async fn files_are_private_and_no_secret_is_on_the_command_line() {
    for program in programs().await {
        let house = House::new();
        let config = house.config("n0");
        let node = Node::start(&program, &config).await.unwrap();
        let directory = house.path("n0");
        assert_eq!(
            directory.metadata().unwrap().permissions().mode() & 0o777,
            0o700
        );
        for name in ["engine.conf", "node.json", "engine.out"] {
            let mode = directory.join(name).metadata().unwrap().mode() & 0o777;
            assert_eq!(mode, 0o600, "{name}");
        }
        let line = fs::read(format!("/proc/{}/cmdline", node.pid())).unwrap();
        let line = String::from_utf8_lossy(&line).into_owned();
        let log = fs::read_to_string(directory.join("engine.log")).unwrap();
        let secrets = [&config.clients, &config.internal.password];
        for secret in secrets {
            assert!(!line.contains(secret.reveal()) && !log.contains(secret.reveal()));
        }
        // A group of its own: a Ctrl-C at this terminal does not reach it.
        let stat = fs::read_to_string(format!("/proc/{}/stat", node.pid())).unwrap();
        let group = stat
            .rsplit_once(')')
            .unwrap()
            .1
            .split_whitespace()
            .nth(2)
            .unwrap();
        assert_eq!(group, node.pid().to_string());
        node.stop(StopHow::Discard, GRACE).await.unwrap();
    }
}

#[tokio::test]
async fn settings_reach_a_running_engine_all_or_none() {
    for program in programs().await {
        let house = House::new();
        let config = house.config("n0");
        let node = Node::start(&program, &config).await.unwrap();
        let mut settings = config.settings.clone();
        settings.maxmemory_bytes = 77 << 20;
        settings.maxmemory_policy = "allkeys-lfu".to_owned();
        settings.maxclients = 123;
        settings.notify_keyspace_events = "KEA".to_owned();
        node.apply(&settings).await.unwrap();
        let mut admin = house.admin(&node, &config).await;
        let get = async |admin: &mut redis::aio::MultiplexedConnection, name: &str| {
            let mut command = redis::cmd("CONFIG");
            command.arg("GET").arg(name);
            command
                .query_async::<(String, String)>(admin)
                .await
                .unwrap()
                .1
        };
        assert_eq!(get(&mut admin, "maxmemory").await, (77 << 20).to_string());
        assert_eq!(get(&mut admin, "maxmemory-policy").await, "allkeys-lfu");
        assert_eq!(get(&mut admin, "maxclients").await, "155");
        assert_eq!(get(&mut admin, "notify-keyspace-events").await, "AKE");
        let limits = get(&mut admin, "client-output-buffer-limit").await;
        assert!(limits.contains("slave 268435456 0 0"), "{limits}");

        settings.maxmemory_bytes = 5 << 20;
        settings.maxmemory_policy = "sometimes".to_owned();
        let refused = node.apply(&settings).await.unwrap_err();
        assert!(
            refused.to_string().contains("maxmemory-policy"),
            "{refused}"
        );
        assert_eq!(get(&mut admin, "maxmemory").await, (77 << 20).to_string());
        node.stop(StopHow::Discard, GRACE).await.unwrap();
    }
}

#[tokio::test]
async fn a_killed_engine_is_noticed_within_200_ms_and_leaves_no_zombie() {
    for program in programs().await {
        let house = House::new();
        let node = Node::start(&program, &house.config("n0")).await.unwrap();
        assert!(!node.has_exited());
        crate::support::signal(node.pid(), rustix::process::Signal::KILL);
        tokio::time::timeout(Duration::from_millis(200), node.exited())
            .await
            .unwrap();
        assert!(node.has_exited());
        assert!(!std::path::Path::new(&format!("/proc/{}", node.pid())).exists());
        let stopped = node.stop(StopHow::SaveSnapshot, GRACE).await.unwrap();
        assert!(!stopped.snapshot_saved && stopped.not_saved.is_some());
    }
}

#[tokio::test]
async fn a_directory_too_deep_for_a_socket_address_works() {
    for program in programs().await {
        let house = House::new();
        let deep = format!("{}/n0", "d".repeat(120));
        let node = Node::start(&program, &house.config(&deep)).await.unwrap();
        node.info().await.unwrap();
        let adopted = Node::adopt(&house.config(&deep)).await.unwrap().unwrap();
        assert_eq!(adopted.pid(), node.pid());
        node.stop(StopHow::Discard, GRACE).await.unwrap();
    }
}

#[tokio::test]
async fn a_paused_engine_is_told_from_a_dead_one_and_nothing_is_carried_out_later() {
    for program in programs().await {
        let house = House::new();
        let config = house.config("n0");
        let node = Node::start(&program, &config).await.unwrap();
        let mut client = client(&node, CLIENT_USER, &config.clients).await.unwrap();
        let mut pause = redis::cmd("CLIENT");
        pause.arg("PAUSE").arg(2500).arg("ALL");
        pause.query_async::<()>(&mut client).await.unwrap();

        let error = node
            .follow("127.0.0.1:1".parse().unwrap())
            .await
            .unwrap_err();
        assert!(matches!(error, CommandError::Silent { .. }), "{error}");
        assert!(error.to_string().contains("CLIENT PAUSE"), "{error}");
        assert!(error.may_have_happened() && !node.has_exited());

        eventually("answers again", async || node.info().await.is_ok()).await;
        // What was not answered in time is not done now.
        assert_eq!(node.replication().await.unwrap().role, EngineRole::Primary);
        node.stop(StopHow::Discard, GRACE).await.unwrap();
    }
}
