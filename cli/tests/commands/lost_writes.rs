//! Receipts of lost writes: listed, shown, downloaded, discarded.

use serde_json::{Value, json};

use crate::{
    fake::{Fake, cache, list, refused, says},
    linked,
};

pub(crate) const RECEIPT: &str = "GET /redis/a/lostWrites/a-7";

/// A receipt of `a`, whose commands are so many bytes.
pub(crate) fn receipt(file_bytes: usize) -> Value {
    let position = |offset: u64| json!({"replid": "0".repeat(40), "offset": offset});
    json!({
        "name": "a-7", "cache": "a", "link": "l", "region": "eastus", "epoch": 7, "shard": 0,
        "from": position(100), "to": position(400), "fileBytes": file_bytes, "commands": 5,
        "transactions": 1, "keys": 3,
        "databases": [{"database": 0, "commands": 4, "keys": 2}, {"database": 3, "commands": 1, "keys": 1}],
        "first": "2026-03-01T12:00:00Z", "last": "2026-03-01T12:00:09Z", "endIsKnown": true,
        "missing": null, "saved": "2026-03-01T12:05:00Z", "present": true,
    })
}

async fn holding(file: &[u8]) -> Fake {
    let fake = Fake::start(linked()).await;
    fake.also(RECEIPT, says(200, receipt(file.len()))).await;
    fake.holds(&format!("{RECEIPT}/content"), file).await;
    fake
}

#[tokio::test]
async fn receipts_are_listed_of_all_caches_or_of_a_link() {
    let fake = Fake::start(linked()).await;
    let (_, one) = list("", [receipt(2048)]);
    let (_, none) = list("", []);
    fake.also("GET /redis/a/lostWrites", one.clone()).await;
    fake.also("GET /redis/b/lostWrites", none).await;
    fake.also("GET /redis/a/linkedServers/b/lostWrites", one)
        .await;
    let expected = "\
RECEIPT  REGION  COMMANDS  KEYS  SIZE      FIRST                 LAST                  REMARK
a-7      eastus  5         3     2.00 KiB  2026-03-01T12:00:00Z  2026-03-01T12:00:09Z  -
";
    for command in [
        vec!["lost-writes", "list"],
        vec!["lost-writes", "list", "b"],
    ] {
        let ran = fake.run(command).await;
        assert_eq!((ran.out.as_str(), ran.code), (expected, 0), "{}", ran.err);
    }
    let ran = fake.run(["lost-writes", "list", "-ojson"]).await;
    let printed: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(printed, json!([receipt(2048)]));
}

#[tokio::test]
async fn a_cache_without_a_link_has_its_receipts_all_the_same() {
    let (listed, none) = list("GET /redis", [cache("a", "")]);
    let fake = Fake::start([
        (listed, none),
        list("GET /redis/a/linkedServers", []),
        list("GET /redis/a/lostWrites", []),
    ])
    .await;
    let ran = fake.run(["lost-writes", "list", "a"]).await;
    let told = "no lost writes wait for anybody\n";
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", told));
}

#[tokio::test]
async fn a_receipt_is_shown_with_what_is_missing() {
    let fake = Fake::start(linked()).await;
    let mut broken = receipt(2048);
    broken["endIsKnown"] = json!(false);
    broken["missing"] = json!("the journal of `a` begins behind the fork");
    broken["databases"] = json!([{"database": null, "commands": 5, "keys": 3}]);
    fake.also(RECEIPT, says(200, broken.clone())).await;
    let ran = fake.run(["lost-writes", "show", "a-7"]).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    for words in [
        "commands      5\n",
        "end           not known: the engine was gone",
        "missing       the journal of `a` begins behind the fork\n",
        "\nDATABASE   COMMANDS  KEYS\nnot known  5         3\n",
    ] {
        assert!(ran.out.contains(words), "{words}: {}", ran.out);
    }
    let ran = fake.run(["lost-writes", "show", "a-7", "-ojson"]).await;
    let printed: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(printed, broken);
}

#[tokio::test]
async fn an_unknown_receipt_ends_with_3_and_a_slip_with_64() {
    let fake = Fake::start(linked()).await;
    fake.also(
        "GET /redis/a/lostWrites/a-8",
        refused(404, "ResourceNotFound", "no"),
    )
    .await;
    for command in ["show", "download", "replay", "discard"] {
        let ran = fake.run(["lost-writes", command, "a-8"]).await;
        assert_eq!(ran.code, 3, "{command}: {}", ran.err);
        let words = "error: there are no lost writes `a-8`\n\nhint: `godwit lost-writes list a";
        assert!(ran.err.starts_with(words), "{}", ran.err);
        let ran = fake.run(["lost-writes", command, "a"]).await;
        assert_eq!(ran.code, 64, "{command}: {}", ran.err);
    }
    assert!(fake.writes().await.is_empty());
}

#[tokio::test]
async fn contents_go_to_a_new_file_that_nobody_else_can_read() {
    use std::os::unix::fs::PermissionsExt as _;

    let file = b"*1\r\n$4\r\nPING\r\n\xff";
    let fake = holding(file).await;
    let directory = tempfile::tempdir().unwrap();
    let to = directory.path().join("lost.aof");
    let named = to.to_str().unwrap();
    let command = ["lost-writes", "download", "a-7", "--to", named];
    let ran = fake.run(command).await;
    assert_eq!((ran.out.as_str(), ran.code), ("", 0), "{}", ran.err);
    assert_eq!(std::fs::read(&to).unwrap(), file);
    let mode = std::fs::metadata(&to).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = fake.run(command).await;
    assert_eq!(again.code, 64);
    assert!(again.err.contains("is there already"), "{}", again.err);
    let names: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(names.len(), 1);
}

#[tokio::test]
async fn contents_and_keys_go_to_a_pipe() {
    let fake = holding(b"commands").await;
    fake.holds(&format!("{RECEIPT}/keys"), "keys").await;
    let ran = fake
        .run(["lost-writes", "download", "a-7", "--to", "-"])
        .await;
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("commands", ""));
    let command = ["lost-writes", "download", "a-7", "--to", "-", "--keys"];
    let ran = fake.run(command).await;
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("keys", ""));
}

#[tokio::test]
async fn a_download_that_breaks_off_leaves_no_file() {
    let fake = Fake::start(linked()).await;
    fake.also(RECEIPT, says(200, receipt(100))).await;
    fake.holds(&format!("{RECEIPT}/content"), "half").await;
    let directory = tempfile::tempdir().unwrap();
    let to = directory.path().join("lost.aof");
    let command = [
        "lost-writes",
        "download",
        "a-7",
        "--to",
        to.to_str().unwrap(),
    ];
    let ran = fake.run(command).await;
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("4 bytes of `a-7` came"), "{}", ran.err);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn lost_writes_are_discarded_at_a_word_alone() {
    const DELETE: &str = "DELETE /redis/a/lostWrites/a-7";
    let fake = holding(b"").await;
    fake.also(DELETE, says(200, json!({}))).await;
    let ran = fake.run(["lost-writes", "discard", "a-7"]).await;
    assert_eq!(ran.code, 64);
    let words = "`a-7` is the only copy of 5 commands on 3 keys";
    assert!(ran.err.contains(words), "{}", ran.err);
    assert!(fake.writes().await.is_empty());
    let ran = fake.run(["lost-writes", "discard", "a-7", "--yes"]).await;
    assert_eq!((ran.code, ran.err.as_str()), (0, "`a-7` is discarded\n"));
    assert_eq!(fake.writes().await, [DELETE]);
}

#[tokio::test]
async fn what_could_not_be_saved_is_given_up_at_a_word_alone() {
    const ACCEPT: &str = "POST /redis/a/linkedServers/b/acceptUnsaved";
    let mut answers = linked();
    answers.retain(|(request, _)| !request.ends_with("/runtimeStatus"));
    let status = json!({
        "phase": "Creating", "state": "Unhealthy", "healthy": false, "primary": "a", "secondary": "b",
        "rejoin": {"why": "the journal ends early"},
    });
    answers.push((
        "GET /redis/a/linkedServers/b/runtimeStatus".to_owned(),
        says(200, status.clone()),
    ));
    answers.push((ACCEPT.to_owned(), says(200, status)));
    let fake = Fake::start(answers).await;
    let ran = fake.run(["link", "resume", "b", "--accept-unsaved"]).await;
    assert_eq!(ran.code, 64);
    let words = "could not be saved of that (the journal ends early), will be lost for good";
    assert!(ran.err.contains(words), "{}", ran.err);
    assert!(fake.writes().await.is_empty());
    let ran = fake
        .run(["link", "resume", "b", "--accept-unsaved", "--yes"])
        .await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(fake.writes().await, [ACCEPT]);
    let both = [
        "link",
        "resume",
        "b",
        "--accept-unsaved",
        "--accept-empty-source",
    ];
    assert_eq!(fake.run(both).await.code, 64);
}
