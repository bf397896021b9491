//! Exports, imports and flushes with real engines: what goes out comes back, a link is not disturbed
//! and follows, and whatever breaks an import leaves the data of before.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use rdb::fixture::Snapshot;
use redis::Connection;
use rustix::process::Signal;
use system::{Answer, Cache, Start, World, processes, waiting, with_both_engines};
use tempfile::TempDir;

with_both_engines! {
    what_is_exported_comes_back_by_an_import => round_trip;
    a_link_is_not_disturbed_and_follows => linked;
    files_of_old_engines_are_loaded => old_files;
    files_that_cannot_be_loaded_change_nothing => refused;
    several_files_are_put_together => several;
    an_agent_that_dies_begins_again_or_has_done_it => killed_agents;
    an_engine_that_dies_with_the_new_data_comes_back_with_them => killed_engines;
}

/// A world that may keep files in a directory.
struct Place {
    world: World,
    directory: TempDir,
}

impl Place {
    fn start(engine: &str, points: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let world = World::start(Start {
            engine: engine.to_owned(),
            more: vec![format!(
                "--transfer-directory={}",
                directory.path().display()
            )],
            points,
            ..Start::default()
        });
        Self { world, directory }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join(file)
    }

    fn url(&self, file: &str) -> String {
        format!("file://{}", self.path(file).display())
    }

    /// Writes a file there.
    fn put(&self, file: &str, bytes: &[u8]) -> String {
        let path = self.path(file);
        fs::copy(written(bytes).path(), &path).unwrap();
        self.url(file)
    }

    fn export(&self, cache: &Cache<'_>, prefix: &str) -> PathBuf {
        let to = format!("file://{}", self.directory.path().display());
        let name = cache.name();
        self.world
            .ok(&["cache", "export", name, "--to", &to, "--prefix", prefix]);
        self.path(&format!("{prefix}.rdb"))
    }

    fn import(&self, cache: &Cache<'_>, files: &[&str]) -> Answer {
        let mut words = vec!["cache", "import", cache.name(), "--yes"];
        words.extend(files);
        self.world.run(&words)
    }
}

fn written(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, bytes).unwrap();
    file
}

fn succeeded(answer: &Answer, world: &World) {
    assert_eq!(answer.code, 0, "{answer:?}\n{}", world.logs());
}

fn set(connection: &mut Connection, key: &str, value: &str) {
    redis::cmd("SET")
        .arg(key)
        .arg(value)
        .exec(connection)
        .unwrap();
}

fn get(connection: &mut Connection, key: &str) -> Option<String> {
    redis::cmd("GET").arg(key).query(connection).unwrap()
}

/// Some data of several kinds, in two databases.
fn fill(cache: &Cache<'_>) {
    let mut c = cache.connect();
    for n in 0..200 {
        set(&mut c, &format!("key:{n}"), &"value ".repeat(n));
    }
    for words in [
        "RPUSH list a b c",
        "HSET hash f v g w",
        "SADD set 1 2 3",
        "ZADD sorted 1.5 a 2 b",
        "XADD stream 1-1 f v",
        "SET expires later EX 100000",
        "SELECT 3",
        "SET elsewhere yes",
    ] {
        let mut words = words.split(' ');
        let mut command = redis::cmd(words.next().unwrap());
        command.arg(words.collect::<Vec<_>>()).exec(&mut c).unwrap();
    }
}

fn round_trip(engine: &str) {
    let place = Place::start(engine, false);
    let world = &place.world;
    let cache = world.create("one", "eastus");
    fill(&cache);
    let before = cache.contents();
    let file = place.export(&cache, "nightly");
    assert!(fs::metadata(&file).unwrap().len() > 1_000);

    world.ok(&["cache", "flush", "one", "--yes"]);
    assert_eq!(cache.contents(), []);
    let mut stays = cache.connect();
    set(&mut stays, "later", "gone with the import");

    let imported = place.import(&cache, &[&place.url("nightly.rdb")]);
    succeeded(&imported, world);
    assert!(imported.talk.contains("imported 207 keys"), "{imported:?}");
    assert_eq!(get(&mut stays, "later"), None, "a connection goes along");
    assert_eq!(cache.contents(), before);
    set(&mut stays, "new", "taken");
    cache.until_whole();
    assert_eq!(get(&mut cache.connect(), "new").as_deref(), Some("taken"));

    // Again, so that an index that was given up is taken once more.
    succeeded(&place.import(&cache, &[&place.url("nightly.rdb")]), world);
    assert_eq!(cache.contents(), before);
    cache.until_whole();
    let agent = world.data().join("agents");
    let left = |name: &str| find(&agent, name);
    assert_eq!(left("import.rdb"), Vec::<PathBuf>::new());
    assert_eq!(left("transfer"), Vec::<PathBuf>::new());
}

/// Files and directories of a name below a directory.
fn find(directory: &Path, name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_name() == name {
            found.push(entry.path());
        } else if entry.path().is_dir() {
            found.extend(find(&entry.path(), name));
        }
    }
    found
}

fn linked(engine: &str) {
    let place = Place::start(engine, false);
    let world = &place.world;
    let (east, west) = world.linked_pair();
    fill(&east);
    waiting::until_true("west follows", || west.contents() == east.contents());
    let before = east.contents();
    let syncs = || world.link().unwrap()["shards"][0]["fullSyncsStarted"].clone();
    let started = syncs();
    let (one, two) = (place.export(&east, "east"), place.export(&west, "west"));
    for file in [one, two] {
        assert!(fs::metadata(file).unwrap().len() > 1_000);
    }
    assert_eq!(syncs(), started, "an export costs no full sync");
    world.until_healthy();

    let refused = world.refused(&["cache", "import", "west", "--yes", &place.url("east.rdb")]);
    assert!(
        refused.contains("it is the geo-secondary of a link"),
        "{refused}"
    );
    let refused = world.refused(&["cache", "flush", "west", "--yes"]);
    assert!(
        refused.contains("it is the geo-secondary of a link"),
        "{refused}"
    );

    world.ok(&["cache", "flush", "east", "--yes"]);
    waiting::until_true("west is empty too", || west.contents().is_empty());
    set(&mut east.connect(), "own", "gone with the import");
    // What the secondary had is as good as what the primary had.
    succeeded(&place.import(&east, &[&place.url("west.rdb")]), world);
    assert_eq!(east.contents(), before);
    waiting::until_true("west has the imported data", || {
        west.try_contents().as_ref() == Some(&before)
    });
    world.until_healthy();
    set(&mut east.connect(), "after", "the import");
    waiting::until_true("west follows again", || {
        get(&mut west.connect(), "after").as_deref() == Some("the import")
    });
    world.ok(&["failover", "west"]);
    assert_eq!(world.primary(), "west");
    assert_eq!(
        get(&mut west.connect(), "after").as_deref(),
        Some("the import")
    );
}

/// What an engine of this version could have left.
fn old(version: u16) -> Snapshot {
    Snapshot::new(version)
        .string(b"string", b"text")
        .list(b"list", &[b"a", b"b"])
        .short_list(b"short list", &[b"c", b"d", b"e"])
        .set(b"set", &[b"one", b"two"])
        .number_set(b"numbers", &[-3, 0, 7])
        .hash(b"hash", &[(b"f", b"v")])
        .short_hash(b"short hash", &[(b"f", b"v"), (b"g", b"w")])
        .zipmap(b"zipmap", &[(b"f", b"v")])
        .expires(4_102_444_800_000)
        .string(b"expires", b"in 2100")
        .expires(1_000)
        .string(b"expired", b"long ago")
}

fn old_files(engine: &str) {
    let place = Place::start(engine, false);
    let cache = place.world.create("one", "eastus");
    for version in 6..=9 {
        let mut bytes = old(version).finish();
        // As page blobs are.
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        let file = place.put(&format!("v{version}.rdb"), &bytes);
        succeeded(&place.import(&cache, &[&file]), &place.world);
        let mut c = cache.connect();
        let list: Vec<String> = redis::cmd("LRANGE")
            .arg(&["short list", "0", "-1"])
            .query(&mut c)
            .unwrap();
        assert_eq!(list, ["c", "d", "e"], "version {version}");
        let numbers: Vec<i64> = redis::cmd("SORT").arg("numbers").query(&mut c).unwrap();
        assert_eq!(numbers, [-3, 0, 7]);
        for hash in ["hash", "short hash", "zipmap"] {
            let value: String = redis::cmd("HGET").arg(&[hash, "f"]).query(&mut c).unwrap();
            assert_eq!(value, "v", "{hash} of version {version}");
        }
        assert_eq!(get(&mut c, "expires").as_deref(), Some("in 2100"));
        assert_eq!(get(&mut c, "expired"), None);
    }
}

fn refused(engine: &str) {
    let place = Place::start(engine, false);
    let world = &place.world;
    let cache = world.create("one", "eastus");
    fill(&cache);
    let before = cache.contents();
    let whole = old(9).finish();
    let mut changed = whole.clone();
    changed[30] ^= 1;
    // A list that says that it has more than there is, with a checksum that is right.
    let mut torn = whole[..9].to_vec();
    torn.extend(b"\xfe\x00\x01\x01k\x05\x01a\xff");
    torn.extend(rdb::crc64(0, &torn).to_le_bytes());
    for (name, bytes, says) in [
        ("newer", old(99).finish(), "RDB version 99"),
        ("cut", whole[..whole.len() - 20].to_vec(), "cut off"),
        ("changed", changed, "checksum is wrong"),
        ("text", b"not a snapshot at all".to_vec(), "no RDB file"),
        ("torn", torn, "the files cannot be loaded"),
        ("empty", Snapshot::new(9).finish(), "hold no key"),
    ] {
        let file = place.put(&format!("{name}.rdb"), &bytes);
        let answer = place.import(&cache, &[&file]);
        assert_ne!(answer.code, 0, "{name}: {answer:?}");
        assert!(answer.talk.contains(says), "{name}: {answer:?}");
        assert!(
            answer.talk.contains("the cache has the data of before"),
            "{answer:?}"
        );
    }
    let absent = place.import(&cache, &[&place.url("absent.rdb")]);
    assert!(absent.talk.contains("absent.rdb"), "{absent:?}");
    let elsewhere = place.import(&cache, &["file:///etc/passwd"]);
    assert!(
        elsewhere.talk.contains("not below a directory"),
        "{elsewhere:?}"
    );
    let elsewhere = world.refused(&[
        "cache",
        "export",
        "one",
        "--to",
        "file:///etc",
        "--prefix",
        "a",
    ]);
    assert!(elsewhere.contains("not below a directory"), "{elsewhere}");
    assert_eq!(cache.contents(), before);
    // The agent's log tells of each, and of nothing else.
    waiting::until_true("nothing of them is left", || {
        processes::working_below(&world.data()).len() == 2
    });
}

fn several(engine: &str) {
    let place = Place::start(engine, false);
    let cache = place.world.create("one", "eastus");
    let one = Snapshot::new(9)
        .string(b"both", b"one")
        .string(b"first", b"yes");
    let two = Snapshot::new(9)
        .string(b"both", b"two")
        .database(3)
        .list(b"elsewhere", &[b"a"])
        .database(40)
        .string(b"beyond", b"the limit");
    let one = place.put("one.rdb", &one.finish());
    let two = place.put("two.rdb", &two.finish());
    let both = place.import(&cache, &[&one, &two]);
    succeeded(&both, &place.world);
    assert!(
        both.talk.contains("database 40 with 1 keys was left out"),
        "{both:?}"
    );
    let mut c = cache.connect();
    assert_eq!(get(&mut c, "both").as_deref(), Some("two"));
    assert_eq!(get(&mut c, "first").as_deref(), Some("yes"));
    let keys: u64 = redis::cmd("DBSIZE").query(&mut c).unwrap();
    assert_eq!(keys, 2);
    redis::cmd("SELECT").arg(3).exec(&mut c).unwrap();
    let keys: u64 = redis::cmd("DBSIZE").query(&mut c).unwrap();
    assert_eq!(keys, 1);

    // One file with a database that the cache does not have.
    let alone = place.import(&cache, &[&two]);
    succeeded(&alone, &place.world);
    assert!(
        alone.talk.contains("database 40 with 1 keys was left out"),
        "{alone:?}"
    );
    assert_eq!(get(&mut cache.connect(), "first"), None);
}

fn killed_agents(engine: &str) {
    let place = Place::start(engine, true);
    let world = &place.world;
    let cache = world.create("one", "eastus");
    fill(&cache);
    let before = cache.contents();
    place.export(&cache, "backup");
    for point in ["Install:before", "Install:after"] {
        world.ok(&["cache", "flush", "one", "--yes"]);
        let point = format!("agent-eastus:{point}");
        world.points().arm(&point);
        succeeded(&place.import(&cache, &[&place.url("backup.rdb")]), world);
        assert!(!world.points().is_armed(&point), "the agent died there");
        assert_eq!(cache.contents(), before, "{point}");
        cache.until_whole();
    }
    // The control plane is killed while the import waits, and knows how it ended.
    world.ok(&["cache", "flush", "one", "--yes"]);
    let point = "agent-eastus:Install:before";
    world.points().hold(point);
    let url = place.url("backup.rdb");
    let mut import = world.spawn(&["cache", "import", "one", "--yes", &url]);
    waiting::until_true("the import is about to be installed", || {
        world.points().is_held(point)
    });
    world.kill_control();
    world.points().release(point);
    assert!(import.wait().unwrap().success());
    assert_eq!(cache.contents(), before);
}

fn killed_engines(engine: &str) {
    let place = Place::start(engine, true);
    let world = &place.world;
    let cache = world.create("one", "eastus");
    fill(&cache);
    let before = cache.contents();
    place.export(&cache, "backup");
    for point in ["Install:before", "FollowNode:before"] {
        world.ok(&["cache", "flush", "one", "--yes"]);
        let [leader, replica] = cache.until_whole();
        let point = format!("agent-eastus:{point}");
        world.points().hold(&point);
        let url = place.url("backup.rdb");
        let mut import = world.spawn(&["cache", "import", "one", "--yes", &url]);
        waiting::until_true("the import comes to the point", || {
            world.points().is_held(&point)
        });
        let engines = processes::working_below(&world.data());
        let mut others = engines.iter().map(|(pid, _)| *pid);
        let staged = others.find(|pid| ![leader, replica].contains(pid)).unwrap();
        processes::signal(staged, Signal::KILL);
        waiting::until_true("it is gone", || !processes::is_alive(staged));
        world.points().release(&point);
        assert!(import.wait().unwrap().success(), "{}", world.logs());
        assert_eq!(cache.contents(), before, "{point}");
        cache.until_whole();
    }
}

#[test]
fn an_engine_loads_what_an_older_one_wrote_and_refuses_a_newer_one() {
    let place = Place::start("eastus=redis,westus=valkey", false);
    let (redis, valkey) = (
        place.world.create("r", "eastus"),
        place.world.create("v", "westus"),
    );
    fill(&redis);
    place.export(&redis, "redis");
    succeeded(
        &place.import(&valkey, &[&place.url("redis.rdb")]),
        &place.world,
    );
    assert_eq!(valkey.contents().len(), redis.contents().len());
    place.export(&valkey, "valkey");
    let newer = place.import(&redis, &[&place.url("valkey.rdb")]);
    assert!(
        newer.talk.contains("it is RDB version 11") && newer.talk.contains("up to version 10"),
        "{newer:?}"
    );
}
