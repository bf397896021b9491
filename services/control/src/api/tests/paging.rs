//! Long lists and filters.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Answer, World, premium};

impl World {
    /// Every page of a list, to the last one.
    async fn pages(&self, first: &str) -> Vec<Value> {
        let mut pages = Vec::new();
        let mut next = first.to_owned();
        loop {
            let page = self.get(&next).await;
            assert_eq!(page.status, StatusCode::OK, "{page:?}");
            pages.push(page.body["value"].clone());
            let Some(link) = page.body["nextLink"].as_str() else {
                return pages;
            };
            let rest = link.strip_prefix("http://test.example:99");
            next = rest.unwrap_or_else(|| panic!("{link}")).to_owned();
        }
    }
}

fn names(page: &Value) -> Vec<&str> {
    let all = page.as_array().unwrap().iter();
    all.map(|one| one["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn lists_are_read_page_by_page_to_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    for name in ["A1", "b", "c"] {
        let made = world.put(&world.cache(name), premium("eastus")).await;
        world.done(&made).await;
    }
    let by_group = format!(
        "{}/resourceGroups/g/providers/Microsoft.Cache/redis",
        world.sub
    );
    let by_subscription = format!("{}/providers/Microsoft.Cache/redis", world.sub);
    let resources = format!("{}/resources", world.sub);
    let in_group = format!("{}/resourceGroups/g/resources", world.sub);
    for list in [by_group, by_subscription, resources, in_group] {
        let pages = world.pages(&format!("{list}?$top=2")).await;
        let pages: Vec<_> = pages.iter().map(names).collect();
        assert_eq!(
            pages,
            [vec!["A1", "b"], vec!["c", "east"], vec!["west"]],
            "{list}"
        );
        assert_eq!(world.pages(&list).await.len(), 1);
        for odd in ["0", "-1", "many"] {
            let refused = world.get(&format!("{list}?$top={odd}")).await;
            assert_eq!(refused.code(), "InvalidQuery", "{refused:?}");
        }
    }
    // A page goes on where it was, also when what it ended with is gone.
    let candidates = format!("{}/linkCandidates?$top=3", world.cache("east"));
    let pages = world.pages(&candidates).await;
    assert_eq!(pages.iter().map(|page| names(page).len()).sum::<usize>(), 4);
    world.stop().await;
}

#[tokio::test]
async fn resources_are_filtered_as_command_lines_ask() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    let tags = json!({"tags": {"team": "web"}});
    world
        .ask("PATCH", &world.cache("east"), Some(tags.clone()))
        .await;
    let group = format!("{}/resourcegroups/g", world.sub);
    world.ask("PATCH", &group, Some(tags)).await;
    let ask = async |path: &str, filter: &str| -> Answer {
        let filter = filter.replace(' ', "%20").replace('\'', "%27");
        world
            .get(&format!("{}/{path}?$filter={filter}", world.sub))
            .await
    };
    for (filter, found) in [
        (
            "resourceType eq 'Microsoft.Cache/redis'",
            vec!["east", "west"],
        ),
        (
            "resourceType eq 'Microsoft.Network/virtualNetworks'",
            vec![],
        ),
        ("name eq 'WEST'", vec!["west"]),
        (
            "resourceGroup eq 'G' and location eq 'westus'",
            vec!["west"],
        ),
        ("tagName eq 'team' and tagValue eq 'web'", vec!["east"]),
    ] {
        let listed = ask("resources", filter).await;
        assert_eq!(names(&listed.body["value"]), found, "{filter}");
    }
    let odd = ask("resources", "colour eq 'red'").await;
    assert_eq!(
        (odd.status, odd.code()),
        (StatusCode::BAD_REQUEST, "InvalidQuery")
    );
    let groups = ask("resourcegroups", "tagname eq 'team' and tagvalue eq 'web'").await;
    assert_eq!(names(&groups.body["value"]), ["g"]);
    let none = ask("resourcegroups", "tagname eq 'other'").await;
    assert_eq!(none.body["value"], json!([]));
    // What Terraform asks before it deletes a group.
    let expand = format!("{group}/resources?$expand=provisioningState%2CcreatedTime&$top=500");
    let seen = world.get(&expand).await.body;
    assert_eq!(seen["value"][0]["provisioningState"], "Succeeded");
    assert!(seen["value"][0]["createdTime"].is_string(), "{seen}");
    assert_eq!(seen["value"][0]["type"], "Microsoft.Cache/Redis");
    let odd = world
        .get(&format!("{group}/resources?$expand=everything"))
        .await;
    assert_eq!(odd.code(), "InvalidQuery");
    world.stop().await;
}
