//! What keeps `godwit up` from starting, and what it says then.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    fs::{self, File},
    io::{self, Write as _},
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    process::Command,
};

use system::{Start, World};

#[test]
fn a_missing_engine_is_named_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let said = World::refused_to_start(&data, &["--engine", "/nonexistent/valkey-server"]);
    assert!(said.contains("/nonexistent/valkey-server"), "{said}");
    let said = World::refused_to_start(&data, &["--engine", "memcached"]);
    assert!(said.contains("memcached"), "{said}");
}

const SCRIPT: &[u8] = b"#!/bin/sh\necho 'Redis server v=6.0.16 sha=0 malloc=libc bits=64'\n";

#[test]
fn an_engine_that_is_too_old_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let old = dir.path().join("redis-server");
    File::create(&old).unwrap().write_all(SCRIPT).unwrap();
    fs::set_permissions(&old, fs::Permissions::from_mode(0o755)).unwrap();
    let engine = old.to_str().unwrap();
    let said = World::refused_to_start(&dir.path().join("data"), &["--engine", engine]);
    assert!(said.contains("6.0.16") && said.contains("7.0"), "{said}");
}

#[test]
fn a_taken_port_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = dir.path().join("data");
    let said = World::refused_to_start(&data, &["--listen", &address]);
    assert!(
        said.contains(&address) && said.contains("stop it"),
        "{said}"
    );
    let said = World::refused_to_start(&data, &["--listen", "0.0.0.0:0"]);
    assert!(said.contains("loopback"), "{said}");
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    File::create(&file).unwrap();
    let said = World::refused_to_start(&file.join("data"), &[]);
    assert!(
        said.contains("file/data") && said.contains("writable"),
        "{said}"
    );
}

#[test]
fn a_directory_has_one_user() {
    let world = World::with("redis");
    let said = World::refused_to_start(&world.data(), &[]);
    assert!(said.contains("in use"), "{said}");
}

#[test]
fn a_full_disk_refuses_the_request_and_heals() {
    let mount = tempfile::tempdir().unwrap();
    let small = Small::mount(mount.path());
    let world = World::start(Start {
        engine: "redis".to_owned(),
        within: Some(small.0.clone()),
        ..Start::default()
    });
    world.create("east", "eastus");
    let fill = small.0.join("fill");
    let full = io::copy(&mut io::repeat(0), &mut File::create(&fill).unwrap());
    assert_eq!(full.unwrap_err().kind(), io::ErrorKind::StorageFull);
    let said = world.refused(&["cache", "create", "west", "--location", "westus"]);
    assert!(said.contains("full") || said.contains("room"), "{said}");
    let client = world.cache("east").client();
    redis::cmd("SET")
        .arg("k")
        .arg("v")
        .exec(&mut client.get_connection().unwrap())
        .unwrap();
    let listed = world.ok(&["cache", "list"]).json();
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
    fs::remove_file(&fill).unwrap();
    world.create("west", "westus");
    world.ok(&["link", "create", "east", "west", "--yes"]);
}

/// A file system of 48 MB.
struct Small(std::path::PathBuf);

impl Small {
    fn mount(at: &std::path::Path) -> Self {
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=48m", "tmpfs"])
            .arg(at)
            .status()
            .unwrap();
        assert!(done.success(), "mounting a small file system needs root");
        Self(at.to_owned())
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _left = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
