//! Lost writes applied to real engines of both kinds, with receipts that the fake serves.

use std::{net::TcpListener, process::Stdio, time::Duration};

use redis::{Client, Connection, IntoConnectionInfo as _, RedisConnectionInfo};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::sleep,
};

use crate::{
    fake::{Fake, Ran, refused, says},
    linked,
    lost_writes::{RECEIPT, receipt},
};

const KEY: &str = "hunter2";
const SINCE: &str = "GET /redis/a/writtenSince";
const REPLAY: [&str; 4] = ["lost-writes", "replay", "a-7", "--yes"];

/// An engine that is the geo-primary's.
struct Engine {
    port: u16,
    #[expect(dead_code, reason = "held for its process")]
    process: Child,
    #[expect(dead_code, reason = "held for its files")]
    directory: TempDir,
}

impl Engine {
    async fn start(program: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        loop {
            // Somebody else may take the port in between; then another one is tried.
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = free.local_addr().unwrap().port();
            drop(free);
            let mut process = Command::new(program)
                .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
                .args(["--save", "", "--appendonly", "no", "--requirepass", KEY])
                .current_dir(directory.path())
                .stdout(Stdio::null())
                .kill_on_drop(true)
                .spawn()
                .unwrap();
            while process.try_wait().unwrap().is_none() {
                if client(port, KEY).get_connection().is_ok() {
                    return Self {
                        port,
                        process,
                        directory,
                    };
                }
                sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// The answer to a command in a database, as text.
    fn ask(&self, database: u32, command: &str) -> String {
        let mut connection: Connection = client(self.port, KEY).get_connection().unwrap();
        redis::cmd("SELECT")
            .arg(database)
            .exec(&mut connection)
            .unwrap();
        let mut words = redis::Cmd::new();
        words.arg(command.split(' ').collect::<Vec<_>>());
        words.query(&mut connection).unwrap()
    }
}

fn client(port: u16, key: &str) -> Client {
    let login = RedisConnectionInfo::default().set_password(key);
    let info = ("127.0.0.1", port).into_connection_info().unwrap();
    Client::open(info.set_redis_settings(login)).unwrap()
}

fn resp(commands: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for command in commands {
        let words: Vec<_> = command.split(' ').map(str::as_bytes).collect();
        resp::write_command(&mut bytes, &words);
    }
    bytes
}

/// A list of keys: database and name, apart by a space.
fn keys(keys: &[&str]) -> Vec<u8> {
    resp(keys)
}

/// The geo-primary `a`, which is the engine, and a receipt of these commands.
async fn world(engine: &Engine, commands: &[&str], lost: &[&str], since: &[&str]) -> Fake {
    let fake = Fake::start(linked()).await;
    let content = resp(commands);
    fake.also(RECEIPT, says(200, receipt(content.len()))).await;
    fake.holds(&format!("{RECEIPT}/content"), content).await;
    fake.holds(&format!("{RECEIPT}/keys"), keys(lost)).await;
    fake.holds(SINCE, keys(since)).await;
    let status = json!({"role": "Primary", "endpoint": {"host": "127.0.0.1", "port": engine.port}});
    fake.also("GET /redis/a/runtimeStatus", says(200, status))
        .await;
    let pair = json!({"primaryKey": KEY, "secondaryKey": "other"});
    fake.also("POST /redis/a/listKeys", says(200, pair)).await;
    fake
}

async fn replay(fake: &Fake, more: &[&str]) -> Ran {
    let ran = fake.run(REPLAY.iter().chain(more).copied()).await;
    assert!(!format!("{}{}", ran.out, ran.err).contains(KEY));
    ran
}

const COMMANDS: [&str; 9] = [
    "SELECT 0",
    "SET a 1",
    "RPUSH list one two",
    "SELECT 3",
    "MULTI",
    "SET b 2",
    "INCR count",
    "EXEC",
    "DEL gone",
];
const LOST: [&str; 5] = ["0 a", "0 list", "3 b", "3 count", "3 gone"];

async fn both() -> [Engine; 2] {
    [
        Engine::start("valkey-server").await,
        Engine::start("redis-server").await,
    ]
}

#[tokio::test]
async fn everything_is_applied_in_its_database_and_transaction() {
    for engine in both().await {
        engine.ask(3, "SET gone x");
        let fake = world(&engine, &COMMANDS, &LOST, &[]).await;
        let ran = replay(&fake, &[]).await;
        assert_eq!(ran.code, 0, "{}", ran.err);
        let expected = "\
DATABASE  TO APPLY  KEYS  SKIPPED
0         2         2     0
3         3         3     0
";
        assert_eq!(ran.out, expected);
        assert!(ran.err.contains("`a` has taken 5 commands"), "{}", ran.err);
        assert_eq!(engine.ask(0, "GET a"), "1");
        assert_eq!(engine.ask(0, "LLEN list"), "2");
        assert_eq!(engine.ask(3, "GET b"), "2");
        assert_eq!(engine.ask(3, "GET count"), "1");
        assert_eq!(engine.ask(3, "EXISTS gone"), "0");
        let stats = engine.ask(0, "INFO commandstats");
        assert!(stats.contains("cmdstat_exec:calls=1"), "{stats}");
    }
}

#[tokio::test]
async fn a_dry_run_touches_nothing() {
    let engine = Engine::start("valkey-server").await;
    let fake = world(&engine, &COMMANDS, &LOST, &["3 b"]).await;
    let ran = replay(&fake, &["--dry-run", "--only-missing"]).await;
    let expected = "\
1 of the 5 keys were written there since
DATABASE  WOULD APPLY  KEYS  SKIPPED
0         2            2     0
3         1            1     2
database 3: skipped 2 on keys that were written there since
";
    assert_eq!((ran.out.as_str(), ran.code), (expected, 0), "{}", ran.err);
    assert_eq!(engine.ask(0, "DBSIZE"), "0");
    assert!(fake.writes().await.is_empty());
    let ran = replay(&fake, &["--dry-run", "--only-missing", "-ojson"]).await;
    let printed: Value = serde_json::from_str(&ran.out).unwrap();
    let expected = json!({
        "receipt": "a-7", "cache": "a", "dryRun": true, "transactions": 0,
        "databases": [
            {"database": 0, "commands": 2, "keys": 2, "skipped": {}},
            {"database": 3, "commands": 1, "keys": 1, "skipped": {"WrittenSince": 2}},
        ],
        "writtenSince": {"keys": 5, "written": 1},
        "applied": null, "refused": null, "refusals": [],
    });
    assert_eq!(printed, expected);
}

#[tokio::test]
async fn keys_that_were_written_since_are_left_alone() {
    for engine in both().await {
        engine.ask(0, "SET a newer");
        engine.ask(3, "SET count 40");
        let fake = world(&engine, &COMMANDS, &LOST, &["0 a", "3 count", "3 a"]).await;
        let ran = replay(&fake, &["--only-missing"]).await;
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert_eq!(engine.ask(0, "GET a"), "newer");
        assert_eq!(engine.ask(0, "LLEN list"), "2");
        assert_eq!(engine.ask(3, "GET count"), "40");
        let b = engine.ask(3, "EXISTS b");
        assert_eq!(b, "0", "a transaction is applied whole or not at all");
    }
}

#[tokio::test]
async fn what_an_earlier_replay_wrote_keeps_a_second_one_from_beginning() {
    let engine = Engine::start("valkey-server").await;
    let fake = world(&engine, &COMMANDS, &LOST, &[]).await;
    assert_eq!(replay(&fake, &[]).await.code, 0);
    fake.holds(SINCE, keys(&LOST)).await;
    let ran = replay(&fake, &[]).await;
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    for words in [
        "5 of the 5 keys of `a-7` have been written to `a` since it took over",
        "nothing was applied",
        "--only-missing",
    ] {
        assert!(ran.err.contains(words), "{}", ran.err);
    }
    assert_eq!(engine.ask(0, "LLEN list"), "2");
    let ran = replay(&fake, &["--only-missing"]).await;
    assert!(
        ran.err.contains("all 5 commands are skipped"),
        "{}",
        ran.err
    );
    assert_eq!(replay(&fake, &["--again"]).await.code, 0);
    assert_eq!(engine.ask(0, "LLEN list"), "4");
}

#[tokio::test]
async fn a_primary_that_does_not_remember_is_not_written_to() {
    let engine = Engine::start("valkey-server").await;
    let fake = Fake::start(linked()).await;
    let content = resp(&COMMANDS);
    fake.also(RECEIPT, says(200, receipt(content.len()))).await;
    fake.also(
        SINCE,
        refused(
            409,
            "JournalOutrun",
            "the journal of `a` begins behind that",
        ),
    )
    .await;
    for more in [vec![], vec!["--only-missing"], vec!["--dry-run"]] {
        let ran = replay(&fake, &more).await;
        assert_eq!(ran.code, 1);
        for words in [
            "error: the journal of `a` begins",
            "--again replays all of it",
        ] {
            assert!(ran.err.contains(words), "{}", ran.err);
        }
    }
    assert_eq!(engine.ask(0, "DBSIZE"), "0");
    assert!(fake.writes().await.is_empty());
}

#[tokio::test]
async fn refusals_are_counted_and_stop_nothing_unless_asked_to() {
    let commands = [
        "SELECT 0",
        "SET before 1",
        "RPUSH odd\x1b[2Jkey one",
        "MULTI",
        "RPUSH odd\x1b[2Jkey two",
        "SET inside 1",
        "EXEC",
        "NONSENSE key secret-value",
        "SET behind 1",
    ];
    let lost = ["0 before", "0 odd\x1b[2Jkey", "0 inside", "0 behind"];
    for engine in both().await {
        engine.ask(0, "SET odd\x1b[2Jkey x");
        let fake = world(&engine, &commands, &lost, &[]).await;
        let ran = replay(&fake, &[]).await;
        assert_eq!(ran.code, 1);
        assert!(ran.out.contains("\nrefused 3, such as\n"), "{}", ran.out);
        let shown = "  RPUSH \"odd\\x1b[2Jkey\": WRONGTYPE Operation against a key";
        assert!(ran.out.contains(shown), "{}", ran.out);
        assert!(
            ran.err.contains("refused 3 of the 6 commands"),
            "{}",
            ran.err
        );
        for text in [&ran.out, &ran.err] {
            assert!(!text.contains('\x1b') && !text.contains("secret"), "{text}");
        }
        assert_eq!(engine.ask(0, "EXISTS before inside behind"), "3");
        engine.ask(0, "DEL before inside behind");
        let ran = replay(&fake, &["--stop-on-error"]).await;
        assert_eq!(ran.code, 1);
        assert_eq!(engine.ask(0, "EXISTS before"), "1");
        assert_eq!(engine.ask(0, "EXISTS inside behind"), "0");
        assert!(ran.err.contains("`a` has taken 1 commands"), "{}", ran.err);
    }
}

#[tokio::test]
async fn a_cache_that_takes_no_writes_ends_a_replay() {
    let engine = Engine::start("valkey-server").await;
    engine.ask(0, "CONFIG SET min-replicas-to-write 1");
    let fake = world(&engine, &COMMANDS, &LOST, &[]).await;
    let ran = replay(&fake, &[]).await;
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains("`a` takes no such writes now: NOREPLICAS"),
        "{}",
        ran.err
    );
    assert_eq!(engine.ask(0, "DBSIZE"), "0");
}

#[tokio::test]
async fn databases_are_emptied_only_when_that_is_said() {
    let engine = Engine::start("valkey-server").await;
    let commands = ["SELECT 0", "SET a 1", "FLUSHDB", "SET b 1"];
    let fake = world(&engine, &commands, &["0 a", "0 b", "0"], &[]).await;
    engine.ask(0, "SET mine 1");
    let ran = replay(&fake, &[]).await;
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("--flushes skip"), "{}", ran.err);
    assert_eq!(engine.ask(0, "DBSIZE"), "1");
    assert_eq!(replay(&fake, &["--flushes", "skip"]).await.code, 0);
    assert_eq!(engine.ask(0, "EXISTS a b mine"), "3");
    assert_eq!(replay(&fake, &["--flushes", "apply"]).await.code, 0);
    assert_eq!(engine.ask(0, "EXISTS a b mine"), "1");
}

#[tokio::test]
async fn commands_of_an_unknown_database_need_one() {
    let engine = Engine::start("valkey-server").await;
    let commands = ["SET a 1", "SELECT 3", "SET b 1"];
    let content = resp(&commands);
    let mut unsure = receipt(content.len());
    unsure["databases"] = json!([{"database": null, "commands": 1, "keys": 1}]);
    let fake = Fake::start(linked()).await;
    fake.also(RECEIPT, says(200, unsure)).await;
    let ran = replay(&fake, &[]).await;
    assert_eq!(ran.code, 64);
    assert!(ran.err.contains("--database"), "{}", ran.err);
    let known = world(&engine, &commands, &["0 a"], &[]).await;
    let ran = replay(&known, &["--database", "5"]).await;
    assert_eq!(ran.code, 64);
    let unsure = unsure_of(&engine, &content).await;
    let ran = replay(&unsure, &["--database", "5"]).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(engine.ask(5, "GET a"), "1");
    assert_eq!(engine.ask(3, "GET b"), "1");
}

/// As [`world`], with a receipt that does not say where its first command was.
async fn unsure_of(engine: &Engine, content: &[u8]) -> Fake {
    let mut unsure = receipt(content.len());
    unsure["databases"] = json!([{"database": null, "commands": 1, "keys": 1}]);
    let fake = Fake::start(linked()).await;
    fake.also(RECEIPT, says(200, unsure)).await;
    fake.holds(&format!("{RECEIPT}/content"), content).await;
    fake.holds(&format!("{RECEIPT}/keys"), keys(&["0 a"])).await;
    fake.holds(SINCE, "").await;
    let status = json!({"endpoint": {"host": "127.0.0.1", "port": engine.port}});
    fake.also("GET /redis/a/runtimeStatus", says(200, status))
        .await;
    let pair = json!({"primaryKey": KEY, "secondaryKey": "other"});
    fake.also("POST /redis/a/listKeys", says(200, pair)).await;
    fake
}

#[tokio::test]
async fn a_large_receipt_goes_in_batches() {
    let engine = Engine::start("valkey-server").await;
    let mut commands = vec!["SELECT 1".to_owned()];
    commands.extend((0..2_000).map(|n| format!("SET key:{n} {}", "x".repeat(2_000))));
    let lost: Vec<_> = (0..2_000).map(|n| format!("1 key:{n}")).collect();
    let commands: Vec<_> = commands.iter().map(String::as_str).collect();
    let lost: Vec<_> = lost.iter().map(String::as_str).collect();
    let fake = world(&engine, &commands, &lost, &[]).await;
    let ran = replay(&fake, &[]).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(engine.ask(1, "DBSIZE"), "2000");
    assert_eq!(engine.ask(1, "STRLEN key:1999"), "2000");
}

#[tokio::test]
async fn a_replay_without_a_terminal_needs_a_yes_and_a_whole_file() {
    let engine = Engine::start("valkey-server").await;
    let fake = world(&engine, &COMMANDS, &LOST, &[]).await;
    let ran = fake.run(["lost-writes", "replay", "a-7"]).await;
    assert_eq!(ran.code, 64);
    let words = "5 commands of `a-7` are applied to `a`, and nobody is there";
    assert!(ran.err.contains(words), "{}", ran.err);
    let cut = resp(&COMMANDS);
    let cut = &cut[..cut.len() - 3];
    fake.holds(&format!("{RECEIPT}/content"), cut).await;
    let ran = replay(&fake, &[]).await;
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains("in the middle of a command"),
        "{}",
        ran.err
    );
    assert_eq!(engine.ask(0, "DBSIZE"), "0");
}
