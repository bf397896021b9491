use std::path::PathBuf;

use model::SubscriptionId;
use runtime::dice::Dice;
use rusqlite::Connection;

use super::*;
use crate::records::{GroupRecord, SubscriptionRecord};

fn sub() -> SubscriptionId {
    "5d0c4f30-0000-4000-8000-000000000001".parse().unwrap()
}

fn group(name: &str) -> GroupRecord {
    GroupRecord {
        subscription: sub(),
        name: name.parse().unwrap(),
        location: "eastus".parse().unwrap(),
        tags: [("k".to_owned(), "v".to_owned())].into(),
        deleting: false,
    }
}

async fn open(dir: &Path) -> Result<Store, OpenError> {
    Store::open(dir, &Dice::from_seed(1)).await
}

fn error(opened: Result<Store, OpenError>) -> OpenError {
    match opened {
        Ok(_) => panic!("opened"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_change_is_made_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await.unwrap();
    let revision = store
        .commit(Change::new().insert(&group("a")))
        .await
        .unwrap();
    let state = store.state();
    assert_eq!((state.revision, revision), (1, 1));
    let a = state.group(&sub(), &"A".parse().unwrap()).unwrap();
    assert_eq!((a.version(), &**a), (1, &group("a")));

    let both = Change::new().insert(&group("b")).insert(&group("a"));
    let conflict = store.commit(both).await.unwrap_err();
    assert!(matches!(conflict, CommitError::Conflict { key } if key.as_str().ends_with("/a")));
    assert_eq!(store.state().revision, 1);
    assert!(store.state().group(&sub(), &"b".parse().unwrap()).is_none());
}

#[tokio::test]
async fn whoever_read_an_older_version_loses() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await.unwrap();
    store
        .commit(Change::new().insert(&group("a")))
        .await
        .unwrap();
    let old = store
        .state()
        .group(&sub(), &"a".parse().unwrap())
        .unwrap()
        .clone();
    let going = GroupRecord {
        deleting: true,
        ..group("a")
    };
    let (one, other) = tokio::join!(
        store.commit(Change::new().replace(&old, &going)),
        store.commit(Change::new().remove(&old)),
    );
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    let stale = store.commit(Change::new().expect(&old)).await;
    assert!(matches!(stale, Err(CommitError::Conflict { .. })));
    // A record that is removed and made again has another version.
    if let Some(there) = store.state().group(&sub(), &old.name) {
        store.commit(Change::new().remove(there)).await.unwrap();
    }
    store
        .commit(Change::new().insert(&group("a")))
        .await
        .unwrap();
    let again = store.state().group(&sub(), &old.name).unwrap().version();
    assert!(again > old.version());
}

#[tokio::test]
async fn watchers_see_every_latest_revision() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await.unwrap();
    let mut watch = store.watch();
    assert!(!watch.has_changed().unwrap());
    for (n, name) in ["a", "b", "c"].iter().enumerate() {
        store
            .commit(Change::new().insert(&group(name)))
            .await
            .unwrap();
        watch.changed().await.unwrap();
        assert_eq!(watch.borrow_and_update().revision, n as u64 + 1);
    }
    let listed = store.state();
    let names: Vec<_> = listed
        .groups_behind(&sub(), None)
        .map(|g| g.name.to_string())
        .collect();
    assert_eq!(names, ["a", "b", "c"]);
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await.unwrap();
    store
        .commit(Change::new().insert(&group("a")))
        .await
        .unwrap();
    store
        .commit(Change::new().insert(&group("b")))
        .await
        .unwrap();
    let a = store
        .state()
        .group(&sub(), &"a".parse().unwrap())
        .unwrap()
        .clone();
    store.commit(Change::new().remove(&a)).await.unwrap();
    let id = store.id().clone();
    drop(store);
    let store = Store::open(dir.path(), &Dice::from_seed(2)).await.unwrap();
    assert_eq!((store.id(), store.state().revision), (&id, 3));
    let left: Vec<_> = store
        .state()
        .groups
        .iter()
        .map(|g| (g.name.to_string(), g.version()))
        .collect();
    assert_eq!(left, [("b".to_owned(), 2)]);
}

#[tokio::test]
async fn a_process_killed_in_the_middle_of_a_commit_leaves_the_state_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await.unwrap();
    store
        .commit(Change::new().insert(&group("a")))
        .await
        .unwrap();
    // What a killed process leaves: the files as they are while a transaction is half written.
    drop(store);
    let other = Connection::open(dir.path().join(FILE)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE; DELETE FROM records; UPDATE meta SET value = '9' WHERE name = 'revision';").unwrap();
    let copy = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    let found = open(copy.path()).await.unwrap();
    assert_eq!(found.state().revision, 1);
    assert!(found.state().group(&sub(), &"a".parse().unwrap()).is_some());
}

#[tokio::test]
async fn two_control_planes_cannot_have_one_store() {
    let dir = tempfile::tempdir().unwrap();
    let held = open(dir.path()).await.unwrap();
    let refused = error(open(dir.path()).await);
    assert!(
        refused
            .to_string()
            .contains("in use by another control plane"),
        "{refused}"
    );
    held.close().await;
    let late = held.commit(Change::new().insert(&group("a"))).await;
    assert!(matches!(late, Err(CommitError::Stopped)), "{late:?}");
    assert!(open(dir.path()).await.is_ok());
}

#[tokio::test]
async fn unusable_places_are_named_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    runtime::durable::write_durable(&file, b"x").unwrap();
    for place in [file, PathBuf::from("/proc/nowhere")] {
        let refused = error(open(&place).await).to_string();
        assert!(refused.contains(&place.display().to_string()), "{refused}");
        assert!(refused.contains("writable disk"), "{refused}");
    }
}

#[tokio::test]
async fn a_damaged_store_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let garbage = vec![b'x'; 8192];
    let path = dir.path().join(FILE);
    runtime::durable::write_durable(&path, &garbage).unwrap();
    let refused = error(open(dir.path()).await);
    assert!(matches!(refused, OpenError::Damaged { .. }), "{refused:?}");
    assert_eq!(std::fs::read(&path).unwrap(), garbage);
}

#[tokio::test]
async fn newer_formats_and_unknown_records_are_refused() {
    let spoil = |statement: &'static str| async move {
        let dir = tempfile::tempdir().unwrap();
        drop(open(dir.path()).await.unwrap());
        let raw = Connection::open(dir.path().join(FILE)).unwrap();
        raw.execute_batch(statement).unwrap();
        drop(raw);
        error(open(dir.path()).await)
    };
    let newer = spoil("UPDATE meta SET value = '2' WHERE name = 'format'").await;
    assert!(
        matches!(
            newer,
            OpenError::Newer {
                found: 2,
                known: 1,
                ..
            }
        ),
        "{newer:?}"
    );
    for row in [
        "INSERT INTO records VALUES ('planet/mars', 1, '{}')",
        "INSERT INTO records VALUES ('group/s/g', 1, '{}')",
        "INSERT INTO records VALUES ('agent/westus', 1, '{\"region\":\"eastus\",\"relay_address\":null,\"engine\":null}')",
    ] {
        let found = spoil(row).await;
        assert!(
            matches!(found, OpenError::Record { .. }),
            "{row}: {found:?}"
        );
    }
}

#[tokio::test]
async fn a_full_disk_refuses_and_heals() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await.unwrap();
    let big = |name: &str| SubscriptionRecord {
        id: sub(),
        display_name: name.repeat(200_000),
        tenant: String::new(),
    };
    let limit = |pages| {
        store
            .inner
            .open
            .lock()
            .as_ref()
            .unwrap()
            .database
            .limit_pages(pages)
    };
    limit(8);
    let full = store
        .commit(Change::new().insert(&big("x")))
        .await
        .unwrap_err();
    assert!(matches!(full, CommitError::Full { .. }), "{full:?}");
    assert!(full.to_string().contains("disk is full"));
    assert_eq!(store.state().revision, 0);
    limit(100_000);
    assert_eq!(
        store.commit(Change::new().insert(&big("x"))).await.unwrap(),
        1
    );
}

#[tokio::test]
async fn the_files_are_their_owner_s_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("data")).await.unwrap();
    store
        .commit(Change::new().insert(&group("a")))
        .await
        .unwrap();
    for file in std::fs::read_dir(dir.path().join("data")).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?}", file.path());
    }
}

#[tokio::test]
async fn what_lies_between_two_states_is_found_without_the_states_between() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await.unwrap();
    let names: Vec<String> = (0..300).map(|n| format!("g{n:03}")).collect();
    let all = names
        .iter()
        .fold(Change::new(), |change, name| change.insert(&group(name)));
    store.commit(all).await.unwrap();
    let before = store.state();
    let found = |name: &str| {
        let name = name.parse().unwrap();
        store.state().group(&sub(), &name).unwrap().clone()
    };
    let going = |name: &str| GroupRecord {
        deleting: true,
        ..group(name)
    };
    for change in [
        Change::new().replace(&found("g007"), &going("g007")),
        Change::new().remove(&found("g100")),
        Change::new().insert(&group("new")),
        Change::new().insert(&group("fleeting")),
    ] {
        store.commit(change).await.unwrap();
    }
    // Written twice, and made and removed.
    let (twice, fleeting) = (found("g007"), found("fleeting"));
    let change = Change::new()
        .remove(&fleeting)
        .replace(&twice, &group("g007"));
    store.commit(change).await.unwrap();
    let after = store.state();
    let told: Vec<_> = after
        .groups
        .changes_since(&before.groups)
        .map(|Difference { old, new }| {
            let name = new.or(old).unwrap().name.to_string();
            (name, old.is_some(), new.is_some())
        })
        .collect();
    let expected = [
        ("g007", true, true),
        ("g100", true, false),
        ("new", false, true),
    ];
    let expected = expected.map(|(name, old, new)| (name.to_owned(), old, new));
    assert_eq!(told, expected);
    assert_eq!(after.groups.changes_since(&after.groups).count(), 0);
}

#[tokio::test]
async fn records_that_are_on_their_way_are_found_without_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await.unwrap();
    let both = Change::new().insert(&group("a")).insert(&group("b"));
    store.commit(both).await.unwrap();
    let restless = |state: &State| -> Vec<String> {
        let groups = state.groups.restless();
        groups.map(|group| group.name.to_string()).collect()
    };
    assert!(restless(&store.state()).is_empty());
    let going = GroupRecord {
        deleting: true,
        ..group("b")
    };
    let state = store.state();
    let old = state.group(&sub(), &going.name).unwrap();
    store
        .commit(Change::new().replace(old, &going))
        .await
        .unwrap();
    assert_eq!(restless(&store.state()), ["b"]);
    drop(store);
    let store = open(dir.path()).await.unwrap();
    assert_eq!(restless(&store.state()), ["b"], "after a restart as well");
    let state = store.state();
    let old = state.group(&sub(), &going.name).unwrap();
    store.commit(Change::new().remove(old)).await.unwrap();
    assert!(restless(&store.state()).is_empty());
}
