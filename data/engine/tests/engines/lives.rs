//! How engines begin, are taken over, and end when something is wrong.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use engine::{
    AdoptError, CLIENT_USER, CommandError, Failure, Node, NodeConfig, StartError, StopHow,
    find_orphans, stop_orphan,
};
use model::Secret;
use rustix::process::Signal;

use crate::support::{GRACE, House, client, eventually, programs, set, signal};

#[tokio::test]
async fn an_engine_outlives_its_handle_and_is_adopted() {
    for program in programs().await {
        let house = House::new();
        let config = house.config("n0");
        assert!(Node::adopt(&config).await.unwrap().is_none());
        let node = Node::start(&program, &config).await.unwrap();
        let (pid, address) = (node.pid(), node.address());
        let error = Node::start(&program, &config).await.unwrap_err();
        assert!(matches!(error, StartError::AlreadyRuns { pid: runs, .. } if runs == pid));
        node.pause_writes(Duration::from_millis(1)).await.unwrap();
        drop(node);

        let node = Node::adopt(&config).await.unwrap().unwrap();
        assert_eq!((node.pid(), node.address()), (pid, address));
        assert_eq!(node.version(), program.version);
        // What a handoff that died left is put right.
        let mut admin = house.admin(&node, &config).await;
        let mut get = redis::cmd("CONFIG");
        get.arg("GET").arg("repl-ping-replica-period");
        let period = get
            .query_async::<(String, String)>(&mut admin)
            .await
            .unwrap()
            .1;
        assert_eq!(period, "10");
        node.stop(StopHow::Discard, GRACE).await.unwrap();
        assert!(Node::adopt(&config).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn an_engine_of_another_process_is_adopted_without_a_record() {
    for program in programs().await {
        let house = House::new();
        let config = house.config("n0");
        let node = Node::start(&program, &config).await.unwrap();
        node.stop(StopHow::Discard, GRACE).await.unwrap();
        start_elsewhere(&program.path, &config.directory);
        eventually("it runs", async || !find_orphans(house.root()).is_empty()).await;

        let node = Node::adopt(&config).await.unwrap().unwrap();
        assert_eq!(node.version(), program.version);
        let mut writer = client(&node, CLIENT_USER, &config.clients).await.unwrap();
        set(&mut writer, "k", "v").await;
        signal(node.pid(), Signal::KILL);
        tokio::time::timeout(Duration::from_millis(200), node.exited())
            .await
            .unwrap();
        assert!(node.has_exited());
        assert!(Node::adopt(&config).await.unwrap().is_none());
        assert!(!config.directory.join("node.json").exists());
    }
}

#[tokio::test]
async fn an_engine_with_another_password_or_none_is_not_adopted() {
    for program in programs().await {
        let house = House::new();
        let config = house.config("n0");
        let node = Node::start(&program, &config).await.unwrap();
        let mut other = config.clone();
        other.internal.password = Secret::new("another");
        let error = Node::adopt(&other).await.unwrap_err();
        assert!(
            matches!(&error, AdoptError::Silent { pid, source: CommandError::Stranger { .. }, .. }
                if *pid == node.pid()),
            "{error:?}"
        );

        // One that hangs is told by its process ID, and can be stopped.
        signal(node.pid(), Signal::STOP);
        let error = Node::adopt(&config).await.unwrap_err();
        assert!(matches!(error, AdoptError::Silent { .. }), "{error:?}");
        let orphans = find_orphans(house.root());
        assert_eq!(orphans.len(), 1);
        assert_eq!(
            orphans[0].directory,
            config.directory.canonicalize().unwrap()
        );
        stop_orphan(&orphans[0], Duration::from_millis(200))
            .await
            .unwrap();
        assert!(node.has_exited());
        assert!(find_orphans(house.root()).is_empty());
        stop_orphan(&orphans[0], Duration::from_millis(200))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_recorded_process_id_that_is_now_another_s_is_left_alone() {
    for program in programs().await {
        let house = House::new();
        let config = house.config("n0");
        let node = Node::start(&program, &config).await.unwrap();
        let record = fs::read_to_string(config.directory.join("node.json")).unwrap();
        let engine_pid = node.pid().to_string();
        node.stop(StopHow::Discard, GRACE).await.unwrap();
        let mut stranger = Command::new("sleep").arg("60").spawn().unwrap();
        let record = record.replace(&engine_pid, &stranger.id().to_string());
        let mut file = fs::File::create(config.directory.join("node.json")).unwrap();
        std::io::Write::write_all(&mut file, record.as_bytes()).unwrap();

        assert!(Node::adopt(&config).await.unwrap().is_none());
        assert!(stranger.try_wait().unwrap().is_none(), "the stranger lives");
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }
}

#[tokio::test]
async fn an_address_that_is_taken_is_told_with_who_has_it() {
    for program in programs().await {
        let house = House::new();
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = other.local_addr().unwrap();
        let config = NodeConfig {
            address,
            ..house.config("n0")
        };
        let error = Node::start(&program, &config).await.unwrap_err();
        assert!(
            matches!(&error, StartError::Failed { failure, .. }
                if matches!(**failure, Failure::AddressTaken { .. })),
            "{error:?}"
        );
        let text = error.to_string();
        let pid = format!("pid {}", std::process::id());
        assert!(
            text.contains(&address.to_string()) && text.contains(&pid),
            "{text}"
        );
        assert!(find_orphans(house.root()).is_empty());

        drop(other);
        // A process that another test forks just now may hold the listener for a moment more.
        eventually("starts", async || {
            Node::start(&program, &config).await.is_ok()
        })
        .await;
        let node = Node::adopt(&config).await.unwrap().unwrap();
        assert_eq!(node.address(), address);
        node.stop(StopHow::Discard, GRACE).await.unwrap();
    }
}

#[tokio::test]
async fn a_start_that_fails_says_why() {
    for program in programs().await {
        let house = House::new();
        let mut config = house.config("n0");
        config.settings.maxmemory_policy = "sometimes".to_owned();
        let error = Node::start(&program, &config).await.unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("refuses its configuration") && text.contains("sometimes"),
            "{text}"
        );

        let elsewhere = "192.0.2.1:7000".parse().unwrap();
        let config = NodeConfig {
            address: elsewhere,
            ..house.config("n1")
        };
        let error = Node::start(&program, &config).await.unwrap_err();
        assert!(
            error.to_string().contains("address of this host"),
            "{error}"
        );

        let config = NodeConfig {
            load_saved: true,
            ..house.config("n2")
        };
        fs::create_dir(&config.directory).unwrap();
        let mut saved = fs::File::create(config.directory.join("saved.rdb")).unwrap();
        std::io::Write::write_all(&mut saved, b"REDIS0009 and then nonsense").unwrap();
        let error = Node::start(&program, &config).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("cannot load the saved data set"), "{text}");
        assert!(find_orphans(house.root()).is_empty());
    }
}

#[tokio::test]
async fn a_full_disk_does_not_keep_an_engine_from_stopping() {
    for program in programs().await {
        let house = House::new();
        let small = SmallDisk::mount(&house.path("disk"));
        let config = NodeConfig {
            directory: small.0.join("n0"),
            ..house.config("n0")
        };
        let node = Node::start(&program, &config).await.unwrap();
        let mut writer = client(&node, CLIENT_USER, &config.clients).await.unwrap();
        // More than the disk holds, when it is written as it is.
        node.compress_snapshots(false).await.unwrap();
        for n in 0..8 {
            set(&mut writer, &format!("k{n}"), &"x".repeat(1 << 20)).await;
        }
        let stopped = node.stop(StopHow::SaveSnapshot, GRACE).await.unwrap();
        assert!(!stopped.snapshot_saved && node.has_exited());
        let why = stopped.not_saved.unwrap();
        assert!(why.contains("full disk"), "{why}");

        // Not even an agent's own small files fit.
        let full = Command::new("sh")
            .args(["-c", "cat /dev/zero > filler"])
            .current_dir(&small.0)
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(!full.success());
        let error = Node::start(&program, &config).await.unwrap_err();
        assert!(matches!(error, StartError::File { .. }), "{error:?}");
        fs::remove_file(small.0.join("filler")).unwrap();
        let node = Node::start(&program, &config).await.unwrap();
        assert_eq!(node.info().await.unwrap().keys, 0);
        node.stop(StopHow::Discard, GRACE).await.unwrap();
    }
}

#[tokio::test]
async fn an_engine_that_hangs_is_killed() {
    for program in programs().await {
        let house = House::new();
        let node = Node::start(&program, &house.config("n0")).await.unwrap();
        signal(node.pid(), Signal::STOP);
        let stopped = node
            .stop(StopHow::SaveSnapshot, Duration::from_millis(300))
            .await
            .unwrap();
        assert!(!stopped.snapshot_saved && node.has_exited());
    }
}

/// Starts an engine that is nobody's child.
fn start_elsewhere(program: &Path, directory: &Path) {
    let started = Command::new("sh")
        .args(["-c", "\"$0\" engine.conf >/dev/null 2>&1 &"])
        .arg(program)
        .current_dir(directory)
        .status();
    assert!(started.unwrap().success());
}

/// A file system of 4 MiB.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Self {
        fs::create_dir(at).unwrap();
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
            .arg(at);
        assert!(
            mount.status().unwrap().success(),
            "this test mounts a file system: it needs root"
        );
        Self(at.to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        for orphan in find_orphans(&self.0) {
            signal(orphan.pid, Signal::KILL);
        }
        // Lazily: an engine that was killed just now may still be leaving.
        let _unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
