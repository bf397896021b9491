use axum::http::StatusCode;
use model::{BUILT_IN_POLICIES, RegionDesired};
use serde_json::{Value, json};

use crate::harness::{Answer, World, region};

const ANNE: &str = "6f1c4f30-0000-4000-8000-00000000000a";
const BERT: &str = "6f1c4f30-0000-4000-8000-00000000000b";

impl World {
    fn policy_path(&self, name: &str) -> String {
        format!("{}/accessPolicies/{name}", self.cache("east"))
    }

    fn assignment_path(&self, name: &str) -> String {
        format!("{}/accessPolicyAssignments/{name}", self.cache("east"))
    }

    async fn policy(&self, name: &str, permissions: &str) -> Answer {
        let body = json!({"properties": {"permissions": permissions}});
        self.put(&self.policy_path(name), body).await
    }

    async fn assign(&self, name: &str, id: &str, policy: &str) -> Answer {
        let body = json!({"properties": {
            "objectId": id, "objectIdAlias": format!("alias of {name}"), "accessPolicyName": policy,
        }});
        self.put(&self.assignment_path(name), body).await
    }

    /// Lets tokens in.
    async fn with_tokens(&self) {
        let changed = self
            .patch(
                "east",
                json!({"redisConfiguration": {"aad-enabled": "true"}}),
            )
            .await;
        self.done(&changed).await;
    }
}

fn users(desired: &RegionDesired) -> Vec<(String, String)> {
    let users = desired.caches[0].door.users.iter();
    let pair = |user: &model::TokenUser| (user.object_id.clone(), user.permissions.clone());
    users.map(pair).collect()
}

#[tokio::test]
async fn a_policy_is_made_given_changed_and_taken_away() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, _west) = World::with_caches(dir.path()).await;
    world.with_tokens().await;
    let made = world.policy("My%20Policy", "+get ~a:*").await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    // No engine has anything to do for a policy that nobody has.
    world.done(&made).await;
    let id = format!(
        "{}/accessPolicies/My Policy",
        world.cache("east").replace("/redis/", "/Redis/")
    );
    let shown = json!({
        "id": id, "name": "My Policy", "type": "Microsoft.Cache/Redis/accessPolicies",
        "properties": {"provisioningState": "Succeeded", "type": "Custom", "permissions": "+get ~a:*"},
    });
    assert_eq!(made.body, shown);
    assert_eq!(world.get(&made.leads("location")).await.body, shown);

    east.set(|behaviour| behaviour.stuck = true);
    let given = world
        .assign("anne", &ANNE.to_uppercase(), "my policy")
        .await;
    assert_eq!(given.status, StatusCode::CREATED, "{given:?}");
    assert_eq!(
        given.body["properties"],
        json!({
            "provisioningState": "Updating", "objectId": ANNE, "objectIdAlias": "alias of anne",
            "accessPolicyName": "My Policy",
        })
    );
    world
        .told(&region("eastus"), |desired| {
            users(desired) == [(ANNE.to_owned(), "+get ~a:*".to_owned())]
        })
        .await;
    let running = world.get(&given.leads("azure-asyncoperation")).await;
    assert_eq!(running.body["status"], "InProgress");
    east.set(|behaviour| behaviour.stuck = false);
    world.done(&given).await;
    world
        .eventually("the assignment is settled", async || {
            let shown = world.get(&world.assignment_path("ANNE")).await;
            (shown.body["properties"]["provisioningState"] == "Succeeded").then_some(())
        })
        .await;

    let gone = world.delete(&world.assignment_path("anne")).await;
    assert_eq!(gone.status, StatusCode::ACCEPTED, "{gone:?}");
    world.done(&gone).await;
    world
        .told(&region("eastus"), |desired| users(desired).is_empty())
        .await;
    let gone = world.delete(&world.policy_path("my%20policy")).await;
    world.done(&gone).await;
    for path in [
        world.policy_path("my%20policy"),
        world.assignment_path("anne"),
    ] {
        assert_eq!(world.get(&path).await.status, StatusCode::NOT_FOUND);
        assert_eq!(world.delete(&path).await.status, StatusCode::NO_CONTENT);
    }
    world.stop().await;
}

#[tokio::test]
async fn a_change_of_a_policy_reaches_those_who_have_it_and_it_cannot_be_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    world.with_tokens().await;
    world.policy("My%20Policy", "+get ~a:*").await;
    let given = world.assign("anne", ANNE, "My Policy").await;
    world.done(&given).await;
    let changed = world.policy("my%20policy", "+@read ~b:* &news").await;
    assert_eq!(
        (changed.status, &changed.body["name"]),
        (StatusCode::OK, &json!("My Policy"))
    );
    world.done(&changed).await;
    world
        .told(&region("eastus"), |desired| {
            users(desired) == [(ANNE.to_owned(), "+@read ~b:* &news".to_owned())]
        })
        .await;
    let refused = world.delete(&world.policy_path("my%20policy")).await;
    assert_eq!(
        (refused.status, refused.code()),
        (StatusCode::CONFLICT, "Conflict")
    );
    assert!(
        refused
            .message()
            .contains("the assignment `anne` (alias of anne) has it"),
        "{refused:?}"
    );

    world.stop().await;
}

#[tokio::test]
async fn built_in_policies_are_always_there_and_nobody_writes_them() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    world.policy("mine", "+get").await;
    let listed = world
        .get(&format!("{}/accessPolicies", world.cache("east")))
        .await;
    let shown: Vec<_> = listed.body["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|policy| {
            (
                policy["name"].as_str().unwrap(),
                policy["properties"]["type"].as_str().unwrap(),
                policy["properties"]["permissions"].as_str().unwrap(),
            )
        })
        .collect();
    let mut expected: Vec<_> = BUILT_IN_POLICIES
        .iter()
        .map(|(name, permissions)| (*name, "BuiltIn", *permissions))
        .collect();
    expected.push(("mine", "Custom", "+get"));
    assert_eq!(shown, expected);
    let before = world.revision();
    for name in ["Data%20Owner", "data%20reader"] {
        let path = world.policy_path(name);
        assert_eq!(world.get(&path).await.status, StatusCode::OK);
        let refused = [world.policy(name, "+get").await, world.delete(&path).await];
        for refused in refused {
            assert_eq!(refused.status, StatusCode::CONFLICT, "{refused:?}");
            assert!(refused.message().contains("is built in"), "{refused:?}");
        }
    }
    assert_eq!(world.revision(), before);
    world.stop().await;
}

#[tokio::test]
async fn what_cannot_be_given_is_refused_by_its_field_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    world.assign("bert", BERT, "Data Reader").await;
    let before = world.revision();
    for (body, why) in [
        (
            json!({"properties": {}}),
            "`properties.permissions` is missing",
        ),
        (
            json!({"properties": {"permissions": "+get on"}}),
            "`on` says how a user logs in",
        ),
        (
            json!({"properties": {"permissions": "+@everything"}}),
            "names no category",
        ),
        (
            json!({"properties": {"permissions": "+get\n>x"}}),
            "control character",
        ),
        (
            json!({"properties": {"permissions": "+get", "keys": "*"}}),
            "`properties.keys` is not known",
        ),
    ] {
        let refused = world.put(&world.policy_path("p"), body).await;
        assert_eq!(
            (refused.status, refused.code()),
            (StatusCode::BAD_REQUEST, "InvalidRequestBody"),
            "{refused:?}"
        );
        assert!(refused.message().contains(why), "{why}: {refused:?}");
    }
    let of = |field: &str, value: Value| {
        let mut body = json!({"properties": {"objectId": ANNE, "objectIdAlias": "anne", "accessPolicyName": "Data Owner"}});
        body["properties"][field] = value;
        body
    };
    for (body, status, why) in [
        (
            of("objectId", json!("anne")),
            400,
            "`anne` is not a valid object ID",
        ),
        (
            of("objectId", json!(null)),
            400,
            "`properties.objectId` is missing",
        ),
        (
            of("objectIdAlias", json!(null)),
            400,
            "`properties.objectIdAlias` is missing",
        ),
        (of("objectIdAlias", json!("a\nb")), 400, "printable"),
        (
            of("accessPolicyName", json!("Nobody")),
            400,
            "has no access policy `Nobody`",
        ),
        (
            of("objectId", json!(BERT)),
            409,
            "by the assignment `bert` already",
        ),
    ] {
        let refused = world.put(&world.assignment_path("anne"), body).await;
        assert_eq!(refused.status.as_u16(), status, "{refused:?}");
        assert!(refused.message().contains(why), "{why}: {refused:?}");
    }
    for path in [
        world.assignment_path("with%20space"),
        world.policy_path("-p"),
    ] {
        let refused = world.put(&path, of("permissions", json!("+get"))).await;
        assert_eq!(refused.code(), "InvalidResourceName", "{refused:?}");
    }
    assert_eq!(world.revision(), before);
    world.stop().await;
}

#[tokio::test]
async fn nobody_comes_in_with_a_token_before_tokens_are_let_in() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    let given = world.assign("anne", ANNE, "Data Owner").await;
    assert_eq!(given.body["properties"]["provisioningState"], "Succeeded");
    world.done(&given).await;
    let told = world.plane.desired.of(&region("eastus")).unwrap();
    assert!(users(&told).is_empty());
    world.with_tokens().await;
    world
        .told(&region("eastus"), |desired| users(desired).len() == 1)
        .await;
    world.stop().await;
}

#[tokio::test]
async fn what_the_engines_refuse_fails_with_their_words_until_they_take_it() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, _west) = World::with_caches(dir.path()).await;
    world.with_tokens().await;
    let problem = format!("the access policy of {ANNE} is not taken by the engine");
    east.set(|behaviour| behaviour.problem = Some(problem.clone()));
    world.policy("mine", "+nothing").await;
    let given = world.assign("anne", ANNE, "mine").await;
    let ended = world.ended(&given).await;
    assert_eq!(ended.body["status"], "Failed");
    assert_eq!(ended.body["error"]["message"], problem);
    let is = async |path: String, state: &str| {
        world
            .eventually(state, async || {
                let shown = world.get(&path).await;
                (shown.body["properties"]["provisioningState"] == state).then_some(())
            })
            .await;
    };
    is(world.assignment_path("anne"), "Failed").await;
    is(world.policy_path("mine"), "Failed").await;
    // Somebody else's assignment is no business of that.
    let other = world.assign("bert", BERT, "Data Reader").await;
    world.done(&other).await;
    east.set(|behaviour| behaviour.problem = None);
    is(world.assignment_path("anne"), "Succeeded").await;
    is(world.policy_path("mine"), "Succeeded").await;
    world.stop().await;
}
