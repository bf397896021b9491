//! The binary against a control plane that says what it is told to say: what is printed where, and
//! with which exit code.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "commands/access.rs"]
mod access;
#[path = "commands/failovers.rs"]
mod failovers;
#[path = "commands/fake.rs"]
mod fake;
#[path = "commands/links.rs"]
mod links;
#[path = "commands/lost_writes.rs"]
mod lost_writes;
#[path = "commands/replay.rs"]
mod replay;
#[path = "commands/sign_in.rs"]
mod sign_in;

use fake::{Fake, OPERATION, accepted, cache, link, list, refused, says};
use serde_json::{Value, json};

#[tokio::test]
async fn lists_caches_with_their_roles() {
    let fake = Fake::start([
        list("GET /redis", [cache("a", "b"), cache("b", "a")]),
        (
            "GET /redis/a/runtimeStatus".into(),
            says(200, status("Primary", 6401)),
        ),
        (
            "GET /redis/b/runtimeStatus".into(),
            refused(500, "InternalError", "oh"),
        ),
    ])
    .await;
    let ran = fake.run(["cache", "list"]).await;
    let expected = "\
NAME  GROUP    REGION   SIZE        STATE      ROLE         LINKED WITH  ENDPOINT
a     default  East US  Premium P1  Succeeded  geo-primary  b            127.0.0.1:6401
b     default  East US  Premium P1  Succeeded  -            a            -
";
    assert_eq!(
        (ran.out.as_str(), ran.err.as_str(), ran.code),
        (expected, "", 0)
    );
}

#[tokio::test]
async fn json_is_the_resource_of_the_api() {
    let fake = Fake::start([list("GET /redis", [cache("a", "")])]).await;
    let ran = fake.run(["cache", "list", "--output", "json"]).await;
    let printed: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(printed, json!([cache("a", "")]));
}

#[tokio::test]
async fn creates_a_cache_and_its_default_group_and_prints_no_key() {
    let created = json!({"properties": {"accessKeys": {"primaryKey": "hunter2"}}});
    let fake = Fake::start([
        list("GET /redis", []),
        (
            "GET /resourcegroups/default".into(),
            refused(404, "ResourceGroupNotFound", "no"),
        ),
        (
            "PUT /resourcegroups/default".into(),
            says(201, json!({"name": "default"})),
        ),
        ("PUT /redis/a".into(), accepted(201, created)),
        (
            OPERATION.into(),
            progress("Creating", "the engines of `a` to be ready"),
        ),
        (OPERATION.into(), says(200, json!({"status": "Succeeded"}))),
        ("GET /redis/a".into(), says(200, cache("a", ""))),
        (
            "GET /redis/a/runtimeStatus".into(),
            says(200, status("Alone", 6401)),
        ),
    ])
    .await;
    let ran = fake
        .run(["cache", "create", "a", "-l", "eastus", "--tag", "team=web"])
        .await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(
        ran.err.starts_with(
            "creating `a`: Creating, waiting for the engines of `a` to be ready\ncreated `a` ("
        ),
        "{}",
        ran.err
    );
    assert!(ran.out.contains("connect    REDISCLI_AUTH="), "{}", ran.out);
    assert!(!format!("{}{}", ran.out, ran.err).contains("hunter2"));
    let sent = fake.body("PUT /redis/a").await;
    assert_eq!(
        sent,
        json!({
            "location": "eastus", "tags": {"team": "web"},
            "properties": {"sku": {"name": "Premium", "family": "P", "capacity": 1}},
        })
    );
    let ran = fake
        .run([
            "cache",
            "create",
            "b",
            "-l",
            "eastus",
            "--no-wait",
            "-o",
            "json",
        ])
        .await;
    assert_eq!(ran.code, 3, "the fake does not take `b`");
}

#[tokio::test]
async fn an_unawaited_creation_prints_no_key_either() {
    let created = json!({"properties": {"accessKeys": {"primaryKey": "hunter2"}}});
    let fake = Fake::start([
        list("GET /redis", []),
        (
            "GET /resourcegroups/default".into(),
            says(200, json!({"name": "default"})),
        ),
        ("PUT /redis/a".into(), accepted(201, created)),
    ])
    .await;
    let ran = fake
        .run([
            "cache",
            "create",
            "a",
            "-l",
            "eastus",
            "--no-wait",
            "-o",
            "json",
        ])
        .await;
    let printed: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(printed, json!({"properties": {"accessKeys": null}}));
}

#[tokio::test]
async fn creating_what_exists_is_refused_before_anything_is_sent() {
    let fake = Fake::start([list("GET /redis", [cache("a", "")])]).await;
    let ran = fake.run(["cache", "create", "A", "-l", "eastus"]).await;
    assert_eq!(ran.code, 1);
    assert!(
        ran.err
            .starts_with("error: there is a cache `A` already, in group `default`\n\nhint: "),
        "{}",
        ran.err
    );
    assert!(fake.writes().await.is_empty());
}

#[tokio::test]
async fn an_unknown_cache_ends_with_3_and_the_names_there_are() {
    let fake = Fake::start([list("GET /redis", [cache("a", "")])]).await;
    for command in [
        ["cache", "show", "x"],
        ["link", "show", "x"],
        ["cache", "keys", "x"],
    ] {
        let ran = fake.run(command).await;
        assert_eq!((ran.code, ran.out.as_str()), (3, ""));
        assert!(
            ran.err.starts_with(
                "error: there is no cache `x`\n\nhint: there are `a`; `godwit cache list"
            ),
            "{}",
            ran.err
        );
    }
}

#[tokio::test]
async fn only_the_key_that_is_asked_for_is_printed() {
    let keys = json!({"primaryKey": "key-1", "secondaryKey": "key-2"});
    let fake = Fake::start([
        list("GET /redis", [cache("a", "")]),
        ("POST /redis/a/listKeys".into(), says(200, keys.clone())),
        ("POST /redis/a/regenerateKey".into(), says(200, keys)),
    ])
    .await;
    let ran = fake
        .run(["cache", "keys", "a", "--show", "secondary"])
        .await;
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("key-2\n", ""));
    let ran = fake.run(["cache", "keys", "a"]).await;
    assert_eq!(ran.out, "primary    key-1\nsecondary  key-2\n");
    let ran = fake.run(["cache", "regenerate-key", "a", "primary"]).await;
    assert_eq!((ran.out.as_str(), ran.code), ("", 0));
    assert!(!ran.err.contains("key-1"), "{}", ran.err);
    assert_eq!(
        fake.body("POST /redis/a/regenerateKey").await,
        json!({"keyType": "Primary"})
    );
}

#[tokio::test]
async fn failover_names_the_cache_that_becomes_primary() {
    let fake = Fake::start(linked()).await;
    fake.also(failovers::PREFLIGHT, says(200, failovers::possible()))
        .await;
    fake.also("PUT /redis/b/linkedServers/a", accepted(200, json!({})))
        .await;
    fake.also(OPERATION, progress("HandingOff", "`a` to stop its writes"))
        .await;
    fake.also(OPERATION, says(200, json!({"status": "Succeeded"})))
        .await;
    let ran = fake.run(["failover", "b"]).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(
        ran.err
            .contains("failing over to `b`: HandingOff, waiting for `a` to stop its writes\n"),
        "{}",
        ran.err
    );
    assert!(
        ran.err
            .contains("`b` is the geo-primary now, and `a` follows it ("),
        "{}",
        ran.err
    );
    let sent = fake.body("PUT /redis/b/linkedServers/a").await;
    assert_eq!(sent["properties"]["serverRole"], "Secondary");
    assert_eq!(sent["properties"]["linkedRedisCacheLocation"], "East US");
}

#[tokio::test]
async fn failover_to_the_primary_says_what_to_type() {
    let fake = Fake::start(linked()).await;
    let ran = fake.run(["failover", "a"]).await;
    assert_eq!(ran.code, 1);
    let expected = format!(
        "error: `a` is the geo-primary already\n\nhint: to make `b` the geo-primary: `godwit failover b --endpoint {}`\n",
        fake.url()
    );
    assert_eq!(ran.err, expected);
    assert!(fake.writes().await.is_empty());
}

#[tokio::test]
async fn a_failover_that_is_given_up_fails_with_its_reason() {
    let fake = Fake::start(linked()).await;
    let error =
        json!({"code": "FailoverAborted", "message": "`b` did not apply every write in time"});
    fake.also(failovers::PREFLIGHT, says(200, failovers::possible()))
        .await;
    fake.also("PUT /redis/b/linkedServers/a", accepted(200, json!({})))
        .await;
    fake.also(
        OPERATION,
        says(200, json!({"status": "Failed", "error": error})),
    )
    .await;
    let ran = fake.run(["failover", "b"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert_eq!(ran.err, "error: `b` did not apply every write in time\n");
}

#[tokio::test]
async fn linking_without_a_terminal_needs_a_yes() {
    let fake = Fake::start([
        list("GET /redis", [cache("a", ""), cache("b", "")]),
        list("GET /redis/a/linkedServers", []),
        (
            "PUT /redis/a/linkedServers/b".into(),
            accepted(201, json!({})),
        ),
        (OPERATION.into(), says(200, json!({"status": "Succeeded"}))),
        (
            "GET /redis/a/linkedServers/b".into(),
            says(200, link("a", "b", "Secondary")),
        ),
    ])
    .await;
    let ran = fake.run(["link", "create", "a", "b"]).await;
    assert_eq!(ran.code, 64);
    assert!(
        ran.err.starts_with(
            "error: all data of `b` is erased and replaced by that of `a`, and nobody is there"
        ),
        "{}",
        ran.err
    );
    assert!(fake.writes().await.is_empty());
    let ran = fake.run(["link", "create", "a", "b", "--yes"]).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(
        ran.out.starts_with("geo-primary    a\ngeo-secondary  b\n"),
        "{}",
        ran.out
    );
}

#[tokio::test]
async fn linking_the_other_way_round_is_not_a_failover_by_accident() {
    let fake = Fake::start(linked()).await;
    let ran = fake.run(["link", "create", "b", "a", "--yes"]).await;
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains("`b` follows `a`") && ran.err.contains("`godwit failover b"),
        "{}",
        ran.err
    );
    let again = fake.run(["link", "create", "a", "b", "--yes"]).await;
    assert_eq!(
        (again.code, again.err.as_str()),
        (0, "`b` follows `a` already\n")
    );
    assert!(fake.writes().await.is_empty());
}

#[tokio::test]
async fn a_refusal_of_the_control_plane_is_told_in_its_words() {
    let fake = Fake::start([
        list("GET /redis", [cache("a", ""), cache("b", "")]),
        list("GET /redis/a/linkedServers", []),
        (
            "PUT /redis/a/linkedServers/b".into(),
            refused(
                400,
                "InvalidRequestBody",
                "Cannot create geo-replication link, since `b` is not Premium.",
            ),
        ),
    ])
    .await;
    let ran = fake.run(["link", "create", "a", "b", "-y"]).await;
    assert_eq!(
        (ran.code, ran.err.as_str()),
        (
            1,
            "error: Cannot create geo-replication link, since `b` is not Premium.\n"
        )
    );
}

#[tokio::test]
async fn a_linked_cache_is_not_deleted() {
    let fake = Fake::start(linked()).await;
    let ran = fake.run(["cache", "delete", "a", "--yes"]).await;
    assert_eq!(ran.code, 1);
    assert!(
        ran.err
            .contains("hint: unlink it first: `godwit link delete a"),
        "{}",
        ran.err
    );
    assert!(fake.writes().await.is_empty());
}

#[tokio::test]
async fn watch_once_prints_one_table() {
    let fake = Fake::start(linked()).await;
    let ran = fake.run(["link", "watch", "b", "--once"]).await;
    let expected = "\
a (geo-primary) -> b (geo-secondary): Succeeded, healthy, epoch 1
SHARD  PRIMARY   SECONDARY  LAG     BEHIND  APPLIED  RAW -> WIRE  RECEIVED > JOURNALED > SHIPPED > APPLIED
0      Writable  Following  0.8 ms  14 B    -        -            114 > 114 > 114 > 100
";
    assert_eq!(
        (ran.out.as_str(), ran.err.as_str(), ran.code),
        (expected, "", 0)
    );
}

#[tokio::test]
async fn a_reader_that_goes_away_is_no_failure() {
    let fake = Fake::start([list("GET /redis", [cache("a", "")])]).await;
    for form in ["table", "json"] {
        let ran = fake.run_unread(["cache", "list", "-o", form]).await;
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{form}");
    }
}

#[tokio::test]
async fn wrong_command_lines_end_with_64_and_help_with_0() {
    let fake = Fake::start([]).await;
    for wrong in [
        vec!["cache", "create", "a"],
        vec!["nonsense"],
        vec!["failover", "not_a_name"],
    ] {
        let ran = fake.run(wrong.clone()).await;
        assert_eq!((ran.code, ran.out.as_str()), (64, ""), "{wrong:?}");
    }
    let help = fake.run(["--help"]).await;
    assert_eq!(help.code, 0);
    assert!(
        help.out.contains("godwit failover demo-west") && help.out.contains("Exit codes:"),
        "{}",
        help.out
    );
}

#[tokio::test]
async fn a_wrong_token_and_an_absent_control_plane_come_with_advice() {
    let fake = Fake::start([]).await;
    let ran = fake
        .run_with(["cache", "list"], &[("GODWIT_TOKEN", "wrong-hunter2")])
        .await;
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains("hint: use the token of the control plane"),
        "{}",
        ran.err
    );
    assert!(!ran.err.contains("hunter2"), "{}", ran.err);
    let nowhere = [("GODWIT_ENDPOINT", "http://127.0.0.1:1")];
    let ran = fake.run_with(["cache", "list"], &nowhere).await;
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.starts_with(
            "error: nothing listens at http://127.0.0.1:1; is `godwit up` running?\n\nhint: "
        ),
        "{}",
        ran.err
    );
}

#[tokio::test]
async fn a_newcomer_needs_no_options_beside_godwit_up() {
    let fake = Fake::start([list("GET /redis", [])]).await;
    let data = tempfile::tempdir().unwrap();
    let kept = data.path().join("godwit-data");
    runtime::durable::make_directory(&kept).unwrap();
    runtime::durable::write_durable(&kept.join("token"), b"t").unwrap();
    runtime::durable::write_durable(&kept.join("endpoint"), fake.url().as_bytes()).unwrap();
    let ran = fake.run_in(data.path(), ["cache", "list"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{}", ran.err);
    assert_eq!(
        ran.err,
        "there is no cache yet; `godwit cache create NAME --location REGION` makes one\n"
    );
    let empty = tempfile::tempdir().unwrap();
    let ran = fake.run_in(empty.path(), ["cache", "list"]).await;
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.starts_with(
            "error: no token: ./godwit-data/token is not there\n\nhint: start `godwit up` here"
        ),
        "{}",
        ran.err
    );
}

/// Two linked caches, `a` geo-primary and `b` geo-secondary.
fn linked() -> Vec<(String, fake::Says)> {
    let half =
        |standing: &str| json!({"standing": standing, "position": {"replid": "x", "offset": 100}});
    let status = json!({
        "phase": "Linked", "state": "Healthy", "healthy": true, "epoch": 1, "reasons": [],
        "provisioningState": "Succeeded", "primary": "a", "secondary": "b",
        "replicationSettings": settings("1", Value::Null),
        "shards": [{
            "bytesBehind": 14, "lagMs": 0.8,
            "offsets": {"received": 114, "journaled": 114, "shipped": 114, "applied": 100},
            "primary": half("Writable"), "secondary": half("Following"),
        }],
    });
    vec![
        list("GET /redis", [cache("a", "b"), cache("b", "a")]),
        list("GET /redis/a/linkedServers", [link("a", "b", "Secondary")]),
        list("GET /redis/b/linkedServers", [link("b", "a", "Primary")]),
        (
            "GET /redis/a/linkedServers/b".into(),
            says(200, link("a", "b", "Secondary")),
        ),
        (
            "GET /redis/b/linkedServers/a".into(),
            says(200, link("b", "a", "Secondary")),
        ),
        (
            "GET /redis/a/linkedServers/b/runtimeStatus".into(),
            says(200, status),
        ),
    ]
}

/// Settings of a link as the API answers them.
fn settings(compression: &str, rate: Value) -> Value {
    json!({
        "source": "replica", "compression": compression, "rateLimit": rate,
        "journal": "1073741824", "secondaryReads": "refused",
    })
}

fn status(role: &str, port: u16) -> Value {
    json!({
        "role": role, "epoch": 1, "engine": "valkey 8.0.1", "settled": true, "msSinceReport": 10,
        "endpoint": {"host": "127.0.0.1", "port": port}, "shards": [], "problem": null,
    })
}

fn progress(phase: &str, waiting_for: &str) -> fake::Says {
    let properties = json!({"phase": phase, "waitingFor": waiting_for, "bytesDone": null});
    says(
        200,
        json!({"status": "InProgress", "properties": properties, "error": null}),
    )
}

#[tokio::test]
async fn what_clients_trust_is_printed_as_a_file() {
    const PEM: &str = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n";
    let fake = Fake::start([]).await;
    let path = "GET /providers/Godwit.Cache/certificateAuthority";
    fake.holds(path, PEM).await;
    let ran = fake.run(["ca"]).await;
    assert_eq!((ran.out.as_str(), ran.err.as_str(), ran.code), (PEM, "", 0));
    let ran = fake.run(["ca", "--output", "json"]).await;
    let printed: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(printed, json!({ "certificate": PEM }));
}
