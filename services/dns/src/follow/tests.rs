use model::Secret;
use tokio::sync::watch;

use super::*;
use crate::{kept::Loaded, served::Served, zone::tests::published};

fn follower(directory: &std::path::Path) -> (Follower, Served) {
    let (publish, receiver) = watch::channel(None);
    let follower = Follower {
        client: Names::new("http://127.0.0.1:1", Secret::new("t")).unwrap(),
        kept: Kept::within(directory),
        publish,
        servers: Vec::new(),
        own: Vec::new(),
        tally: Arc::default(),
    };
    (follower, Served(receiver))
}

fn generation(served: &Served) -> Option<u64> {
    Some(served.present()?.names.generation)
}

#[tokio::test]
async fn a_generation_is_on_the_disk_and_then_served() {
    let dir = tempfile::tempdir().unwrap();
    let (follower, served) = follower(dir.path());
    assert_eq!(generation(&served), None);
    let first = published(7, &[("east", "192.0.2.1")]);
    follower.take(first.clone()).await.unwrap();
    assert_eq!(generation(&served), Some(7));
    assert_eq!(follower.kept.load().unwrap(), Loaded::Whole(first));
}

#[tokio::test]
async fn an_older_generation_and_another_store_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (follower, served) = follower(dir.path());
    follower.take(published(7, &[])).await.unwrap();
    let older = follower.take(published(6, &[("east", "192.0.2.1")])).await;
    assert!(matches!(older, Err(TakeError::Older { known: 7, told: 6 })));
    let strange = PublishedNames {
        store: StoreId::new("other"),
        ..published(9, &[])
    };
    let strange = follower.take(strange).await.unwrap_err();
    assert!(strange.to_string().contains("other"), "{strange}");
    assert_eq!(generation(&served), Some(7));
    assert!(matches!(follower.kept.load().unwrap(), Loaded::Whole(names) if names.generation == 7));
}

#[tokio::test]
async fn another_time_to_live_of_the_same_generation_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let (follower, served) = follower(dir.path());
    follower.take(published(7, &[])).await.unwrap();
    let slower = PublishedNames {
        ttl_seconds: 60,
        ..published(7, &[])
    };
    follower.take(slower).await.unwrap();
    assert_eq!(served.present().unwrap().zone.ttl, 60);
}

#[tokio::test]
async fn a_full_disk_does_not_keep_the_old_names_alive() {
    let dir = tempfile::tempdir().unwrap();
    let (follower, served) = follower(&dir.path().join("not there"));
    follower.take(published(7, &[])).await.unwrap();
    assert_eq!(generation(&served), Some(7));
}
