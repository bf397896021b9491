//! Data that engines keep on disk while they run.

use std::fs;

use engine::{Begun, CLIENT_USER, Node, NodeConfig, OnDisk, StartError, StopHow, offer_saved};
use rustix::process::Signal;

use crate::support::{GRACE, House, client, eventually, programs, set, signal};

async fn on_disk(node: &Node) -> OnDisk {
    node.info().await.unwrap().on_disk
}

#[tokio::test]
async fn a_snapshot_is_moved_where_it_belongs_and_loaded_as_often_as_wanted() {
    for program in programs().await {
        let house = House::new();
        let config = house.config("n0");
        let node = Node::start(&program, &config).await.unwrap();
        let mut writer = client(&node, CLIENT_USER, &config.clients).await.unwrap();
        set(&mut writer, "before", "1").await;
        assert_eq!(node.begin_snapshot().await.unwrap(), Begun::Yes);
        eventually("it is written", async || {
            let disk = on_disk(&node).await;
            !disk.saving && disk.save_ok
        })
        .await;
        set(&mut writer, "behind", "2").await;
        let kept = house.root().join("1.rdb");
        assert!(node.take_snapshot(&kept).unwrap());
        assert!(!node.take_snapshot(&kept).unwrap(), "it is moved");
        signal(node.pid(), Signal::KILL);
        node.exited().await;
        assert_eq!(node.failed_load(), None);

        let loads = NodeConfig {
            load_saved: true,
            ..config.clone()
        };
        for _ in 0..2 {
            offer_saved(&kept, &config.directory).unwrap();
            let node = Node::start(&program, &loads).await.unwrap();
            eventually("it is loaded", async || {
                node.info().await.unwrap().keys == 1
            })
            .await;
            signal(node.pid(), Signal::KILL);
            node.exited().await;
        }
        assert!(kept.exists());
    }
}

#[tokio::test]
async fn an_append_only_file_has_everything_whole_or_the_start_fails() {
    for program in programs().await {
        let house = House::new();
        let config = house.config("n0");
        let loads = NodeConfig {
            load_append_only: true,
            ..config.clone()
        };
        let error = Node::start(&program, &loads).await.unwrap_err();
        assert!(
            matches!(error, StartError::NoAppendOnly { .. }),
            "{error:?}"
        );

        let node = Node::start(&program, &config).await.unwrap();
        let mut writer = client(&node, CLIENT_USER, &config.clients).await.unwrap();
        set(&mut writer, "before", "1").await;
        assert!(!on_disk(&node).await.appends);
        for _ in 0..2 {
            node.keep_append_only(true).await.unwrap();
        }
        eventually("it is whole", async || {
            let disk = on_disk(&node).await;
            disk.appends && !disk.rewriting && disk.append_ok
        })
        .await;
        set(&mut writer, "behind", "2").await;
        signal(node.pid(), Signal::KILL);
        node.exited().await;
        let node = Node::start(&program, &loads).await.unwrap();
        eventually("it is loaded", async || {
            node.info().await.unwrap().keys == 2
        })
        .await;
        assert!(on_disk(&node).await.appends, "and it goes on with it");
        let mut writer = client(&node, CLIENT_USER, &config.clients).await.unwrap();
        set(&mut writer, "last", "3").await;
        let stopped = node.stop(StopHow::KeepAppendOnly, GRACE).await.unwrap();
        assert!(!stopped.snapshot_saved && stopped.not_saved.is_none());
        let node = Node::start(&program, &loads).await.unwrap();
        eventually("it is loaded", async || {
            node.info().await.unwrap().keys == 3
        })
        .await;
        node.keep_append_only(false).await.unwrap();
        assert!(!config.directory.join("appendonlydir").exists());
        node.stop(StopHow::Discard, GRACE).await.unwrap();
    }
}

#[tokio::test]
async fn a_start_that_wants_nothing_of_it_removes_an_append_only_file() {
    for program in programs().await {
        let house = House::new();
        let config = house.config("n0");
        let node = Node::start(&program, &config).await.unwrap();
        node.keep_append_only(true).await.unwrap();
        eventually("it is whole", async || !on_disk(&node).await.rewriting).await;
        let file = config.directory.join("appendonlydir");
        assert!(file.exists());
        signal(node.pid(), Signal::KILL);
        node.exited().await;
        let node = Node::start(&program, &config).await.unwrap();
        assert!(!file.exists());
        assert_eq!(node.info().await.unwrap().keys, 0);
        node.stop(StopHow::Discard, GRACE).await.unwrap();
    }
}

#[tokio::test]
async fn a_damaged_append_only_file_is_told_and_stays() {
    for program in programs().await {
        let house = House::new();
        let config = house.config("n0");
        let node = Node::start(&program, &config).await.unwrap();
        node.keep_append_only(true).await.unwrap();
        eventually("it is whole", async || !on_disk(&node).await.rewriting).await;
        signal(node.pid(), Signal::KILL);
        node.exited().await;
        let directory = config.directory.join("appendonlydir");
        let files = fs::read_dir(&directory).unwrap().flatten();
        let mut files = files.map(|entry| entry.path());
        let base = files.find(|path| path.to_string_lossy().contains("base"));
        let base = base.unwrap();
        let mut file = fs::File::create(&base).unwrap();
        std::io::Write::write_all(&mut file, b"REDIS0009 and then nonsense").unwrap();
        let loads = NodeConfig {
            load_append_only: true,
            ..config.clone()
        };
        let text = match Node::start(&program, &loads).await {
            Err(error) => error.to_string(),
            Ok(node) => {
                node.exited().await;
                node.failed_load().unwrap()
            }
        };
        assert!(!text.is_empty());
        assert!(base.exists());
    }
}
