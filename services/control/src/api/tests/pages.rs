use axum::http::StatusCode;
use model::CacheRecord;
use serde_json::json;

use crate::{
    harness::{Answer, World},
    records::tests::cache,
    store::Change,
};

const SUB: &str = "5d0c4f30-0000-4000-8000-000000000001";

impl World {
    /// Puts caches into the group `g` as if they had been made.
    async fn stocked(&self, names: &[&str]) {
        let mut change = Change::new();
        for name in names {
            change = change.insert(&self.made(name));
        }
        self.plane.store.commit(change).await.unwrap();
    }

    fn made(&self, name: &str) -> CacheRecord {
        let mut record = cache(name, "eastus");
        record.id.subscription = self.sub.rsplit('/').next().unwrap().parse().unwrap();
        record
    }

    fn everything(&self) -> String {
        format!("{}/providers/Microsoft.Cache/redis", self.sub)
    }
}

fn names(answer: &Answer) -> Vec<&str> {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let values = answer.body["value"].as_array().unwrap().iter();
    values
        .map(|value| value["name"].as_str().unwrap())
        .collect()
}

/// The path and query of the next page.
fn next(answer: &Answer) -> String {
    let url = answer.body["nextLink"].as_str().unwrap();
    url.strip_prefix("http://test.example:99")
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_list_goes_on_behind_the_last_one_shown_whatever_comes_and_goes() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_agents(dir.path()).await;
    world.stocked(&["a", "B", "c", "d", "e"]).await;
    let first = world.get(&format!("{}?$top=2", world.everything())).await;
    assert_eq!(names(&first), ["a", "B"]);
    // One before the place, the one at the place, and one behind it change.
    let state = world.plane.store.state();
    let found = |name: &str| state.cache(&world.made(name).id).unwrap().clone();
    let change = Change::new().remove(&found("a")).remove(&found("b"));
    world.plane.store.commit(change).await.unwrap();
    world.stocked(&["aa", "dd"]).await;
    let second = world.get(&next(&first)).await;
    assert_eq!(names(&second), ["c", "d"]);
    let third = world.get(&next(&second)).await;
    assert_eq!(names(&third), ["dd", "e"]);
    assert!(third.body.get("nextLink").is_none());
    world.stop().await;
}

#[tokio::test]
async fn every_list_of_many_has_pages() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_agents(dir.path()).await;
    world.stocked(&["a", "b", "c"]).await;
    for group in ["h", "h.2"] {
        let path = format!("{}/resourcegroups/{group}", world.sub);
        world.put(&path, json!({"location": "eastus"})).await;
    }
    for list in [
        world.everything(),
        format!(
            "{}/resourceGroups/g/providers/Microsoft.Cache/redis",
            world.sub
        ),
        format!("{}/resources", world.sub),
        format!("{}/resourceGroups/g/resources", world.sub),
        format!("{}/resourceGroups", world.sub),
    ] {
        let whole = world.get(&list).await;
        assert_eq!(names(&whole).len(), 3, "{list}");
        assert!(whole.body.get("nextLink").is_none());
        let mut page = world.get(&format!("{list}?%24TOP=1")).await;
        let mut seen = Vec::new();
        loop {
            seen.extend(names(&page).into_iter().map(str::to_owned));
            if page.body.get("nextLink").is_none() {
                break;
            }
            page = world.get(&next(&page)).await;
        }
        assert_eq!(seen, names(&whole), "{list}");
    }
    for top in ["0", "-1", "many"] {
        let refused = world
            .get(&format!("{}?$top={top}", world.everything()))
            .await;
        assert_eq!(refused.code(), "InvalidQuery", "{top}");
    }
    let nobody = format!("/subscriptions/{SUB}/resourceGroups");
    assert_eq!(world.get(&nobody).await.status, StatusCode::NOT_FOUND);
    world.stop().await;
}
