use axum::http::StatusCode;
use serde_json::json;

use crate::harness::{Answer, PRINCIPALS, World, premium};

fn forbidden(answer: &Answer, action: &str) {
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{action}: {answer:?}");
    assert_eq!(answer.code(), "AuthorizationFailed");
    let message = answer.message();
    let expected =
        format!("does not have authorization to perform action '{action}' over scope '/");
    assert!(message.contains(&expected), "{message}");
}

/// A world with two agents, the groups `g` and `h`, and a cache in each: `east` in the first, `west`
/// in the other.
async fn two_groups(data: &std::path::Path) -> (World, String) {
    let (world, _, _) = World::with_agents(data).await;
    let group = format!("{}/resourcegroups/h", world.sub);
    world.put(&group, json!({"location": "westus"})).await;
    let west = format!("{group}/providers/Microsoft.Cache/redis/west");
    for (path, place) in [(world.cache("east"), "eastus"), (west.clone(), "westus")] {
        let made = world.put(&path, premium(place)).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        world.done(&made).await;
    }
    (world, west)
}

#[tokio::test]
async fn a_reader_sees_and_changes_nothing_and_gets_no_keys() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _, _) = World::with_caches(dir.path()).await;
    let someone = world.someone("reader", Some(("Reader", None))).await;
    let token = world.sign_in(&someone).await;
    let east = world.cache("east");
    for path in [
        east.clone(),
        format!("{east}/runtimeStatus"),
        format!("{east}/firewallRules"),
        format!("{east}/linkedServers"),
        format!("{}/resourceGroups/g", world.sub),
    ] {
        let answer = world.ask_as(&token, "GET", &path, None).await;
        assert_eq!(answer.status, StatusCode::OK, "{path} {answer:?}");
    }
    let before = world.revision();
    for (method, path, action) in [
        (
            "POST",
            format!("{east}/listKeys"),
            "Microsoft.Cache/redis/listKeys/action",
        ),
        (
            "POST",
            format!("{east}/regenerateKey"),
            "Microsoft.Cache/redis/regenerateKey/action",
        ),
        ("PUT", east.clone(), "Microsoft.Cache/redis/write"),
        ("PATCH", east.clone(), "Microsoft.Cache/redis/write"),
        ("DELETE", east.clone(), "Microsoft.Cache/redis/delete"),
        (
            "PUT",
            format!("{east}/linkedServers/west"),
            "Microsoft.Cache/redis/linkedServers/write",
        ),
        (
            "PUT",
            format!("{east}/firewallRules/r"),
            "Microsoft.Cache/redis/firewallRules/write",
        ),
        (
            "GET",
            format!("{east}/lostWrites/r/content"),
            "Microsoft.Cache/redis/lostWrites/content/read",
        ),
        (
            "GET",
            format!("{east}/writtenSince"),
            "Microsoft.Cache/redis/writtenSince/read",
        ),
        (
            "DELETE",
            format!("{}/resourceGroups/g", world.sub),
            "Microsoft.Resources/subscriptions/resourceGroups/delete",
        ),
    ] {
        let answer = world.ask_as(&token, method, &path, Some(json!({}))).await;
        if path.ends_with("content") {
            // Kinds and names take turns: what follows a name is a kind.
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{answer:?}");
            continue;
        }
        forbidden(&answer, action);
        assert!(answer.message().contains(&someone.object));
    }
    assert_eq!(world.revision(), before);
    world.stop().await;
}

#[tokio::test]
async fn a_contributor_does_all_but_rule() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _, _) = World::with_caches(dir.path()).await;
    let someone = world
        .someone("contributor", Some(("Contributor", None)))
        .await;
    let token = world.sign_in(&someone).await;
    let east = world.cache("east");
    let keys = world
        .ask_as(&token, "POST", &format!("{east}/listKeys"), None)
        .await;
    assert_eq!(keys.status, StatusCode::OK, "{keys:?}");
    let linked = format!("{east}/linkedServers/west");
    let body = Some(world.link_body("west", "Secondary"));
    let linked = world.ask_as(&token, "PUT", &linked, body).await;
    assert_eq!(linked.status, StatusCode::CREATED, "{linked:?}");
    let assignment = world.assignment(None, &world.plane.dice.guid());
    let body = Some(world.assignment_body(&someone, "Owner"));
    let given = world.ask_as(&token, "PUT", &assignment, body).await;
    forbidden(&given, "Microsoft.Authorization/roleAssignments/write");
    let roles = world.assignment(None, "");
    let listed = world
        .ask_as(&token, "GET", roles.trim_end_matches('/'), None)
        .await;
    assert_eq!(listed.body["value"].as_array().unwrap().len(), 1);
    for (method, path) in [
        ("GET", PRINCIPALS.to_owned()),
        ("POST", PRINCIPALS.to_owned()),
        ("DELETE", someone.path()),
    ] {
        let answer = world
            .ask_as(&token, method, &path, Some(json!({"name": "x"})))
            .await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{answer:?}");
    }
    world.stop().await;
}

#[tokio::test]
async fn an_owner_gives_and_takes_roles_where_they_are_owner() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    for group in ["g", "h"] {
        let path = format!("{}/resourcegroups/{group}", world.sub);
        world.put(&path, json!({"location": "eastus"})).await;
    }
    let owner = world.someone("owner", Some(("Owner", Some("g")))).await;
    let other = world.someone("other", None).await;
    let token = world.sign_in(&owner).await;
    let guid = || world.plane.dice.guid();
    let body = || Some(world.assignment_body(&other, "Contributor"));
    let (inside, id) = (Some("g"), guid());
    let given = world
        .ask_as(&token, "PUT", &world.assignment(inside, &id), body())
        .await;
    assert_eq!(given.status, StatusCode::CREATED, "{given:?}");
    for outside in [None, Some("h")] {
        let path = world.assignment(outside, &guid());
        let refused = world.ask_as(&token, "PUT", &path, body()).await;
        forbidden(&refused, "Microsoft.Authorization/roleAssignments/write");
    }
    // Not even by the path of the own group is another scope's assignment to be had.
    let everywhere = world.give(&other, "Reader", None).await;
    let path = world.assignment(inside, everywhere.body["name"].as_str().unwrap());
    let nothing = world.ask_as(&token, "DELETE", &path, None).await;
    assert_eq!(nothing.status, StatusCode::NO_CONTENT);
    assert_eq!(
        world.ask_as(&token, "GET", &path, None).await.status,
        StatusCode::NOT_FOUND
    );
    let kept = world.assignment(None, everywhere.body["name"].as_str().unwrap());
    assert_eq!(world.get(&kept).await.status, StatusCode::OK);
    let taken = world
        .ask_as(&token, "DELETE", &world.assignment(inside, &id), None)
        .await;
    assert_eq!(taken.status, StatusCode::OK);
    // Service principals belong to the whole deployment.
    let principals = world.ask_as(&token, "GET", PRINCIPALS, None).await;
    assert_eq!(principals.status, StatusCode::FORBIDDEN);
    let ruler = world.someone("ruler", Some(("Owner", None))).await;
    let token = world.sign_in(&ruler).await;
    let made = world
        .ask_as(&token, "POST", PRINCIPALS, Some(json!({"name": "new"})))
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    world.stop().await;
}

#[tokio::test]
async fn a_groups_role_reaches_no_other_group_and_lists_show_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let (world, west) = two_groups(dir.path()).await;
    let someone = world.someone("team", Some(("Owner", Some("G")))).await;
    let token = world.sign_in(&someone).await;
    let ask = async |method: &str, path: &str| world.ask_as(&token, method, path, None).await;
    assert_eq!(
        ask("GET", &world.cache("east")).await.status,
        StatusCode::OK
    );
    assert_eq!(
        ask("POST", &format!("{}/listKeys", world.cache("east")))
            .await
            .status,
        StatusCode::OK
    );
    for (method, path) in [
        ("GET", west.clone()),
        ("POST", format!("{west}/listKeys")),
        ("DELETE", west.clone()),
        ("GET", format!("{}/resourceGroups/h", world.sub)),
        ("GET", format!("{}/resourceGroups/h/resources", world.sub)),
        (
            "GET",
            west.replace("/resourcegroups/h/", "/resourcegroups/%68/"),
        ),
        (
            "GET",
            west.replace("/resourcegroups/h/", "//resourcegroups//H//"),
        ),
        ("GET", "/metrics".to_owned()),
        ("GET", "/providers/Godwit.Cache/names".to_owned()),
    ] {
        let answer = ask(method, &path).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} {answer:?}");
    }
    let names = |answer: &Answer| {
        let all = answer.body["value"].as_array().unwrap().iter();
        all.map(|one| one["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    for (path, seen) in [
        (format!("{}/resourcegroups", world.sub), "g"),
        (format!("{}/resources", world.sub), "east"),
        (
            format!("{}/providers/Microsoft.Cache/redis", world.sub),
            "east",
        ),
    ] {
        let answer = ask("GET", &path).await;
        assert_eq!(names(&answer), [seen], "{path}");
        assert_eq!(names(&world.get(&path).await).len(), 2, "{path}");
    }
    let subscriptions = ask("GET", "/subscriptions").await;
    assert_eq!(subscriptions.body["value"].as_array().unwrap().len(), 1);
    let stranger = world.someone("stranger", None).await;
    let token = world.sign_in(&stranger).await;
    for path in ["/subscriptions", "/tenants"] {
        let answer = world.ask_as(&token, "GET", path, None).await;
        assert_eq!(answer.body["value"], json!([]), "{path}");
    }
    let answer = world.ask_as(&token, "GET", &world.sub, None).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    world.stop().await;
}

#[tokio::test]
async fn linking_with_a_cache_of_another_group_needs_a_role_there_too() {
    let dir = tempfile::tempdir().unwrap();
    let (world, west) = two_groups(dir.path()).await;
    let someone = world
        .someone("team", Some(("Contributor", Some("g"))))
        .await;
    let token = world.sign_in(&someone).await;
    let body = json!({"properties": {
        "linkedRedisCacheId": west, "linkedRedisCacheLocation": "westus", "serverRole": "Secondary",
    }});
    for other in ["west", "WEST", "%77est"] {
        let link = format!("{}/linkedServers/{other}", world.cache("east"));
        for (method, path) in [
            ("PUT", link.clone()),
            ("DELETE", link.clone()),
            ("PATCH", format!("{link}/replicationSettings")),
            ("POST", format!("{link}/acceptEmptySource")),
        ] {
            let answer = world
                .ask_as(&token, method, &path, Some(body.clone()))
                .await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} {answer:?}");
            assert_eq!(answer.code(), "LinkedAuthorizationFailed");
            assert!(answer.message().contains("resourceGroups/h/"), "{answer:?}");
        }
    }
    world.give(&someone, "Contributor", Some("h")).await;
    let link = format!("{}/linkedServers/west", world.cache("east"));
    let linked = world.ask_as(&token, "PUT", &link, Some(body)).await;
    assert_eq!(linked.status, StatusCode::CREATED, "{linked:?}");
    world.stop().await;
}

#[tokio::test]
async fn a_role_that_is_taken_away_is_gone_at_once_and_goes_with_its_group() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let group = format!("{}/resourcegroups/g", world.sub);
    world.put(&group, json!({"location": "eastus"})).await;
    let someone = world.someone("ci", None).await;
    let token = world.sign_in(&someone).await;
    let given = world.give(&someone, "Reader", Some("g")).await;
    let may = async || world.ask_as(&token, "GET", &group, None).await.status;
    assert_eq!(may().await, StatusCode::OK);
    let id = given.body["name"].as_str().unwrap();
    world.delete(&world.assignment(Some("g"), id)).await;
    assert_eq!(may().await, StatusCode::FORBIDDEN);
    world.give(&someone, "Reader", Some("g")).await;
    let gone = world.delete(&group).await;
    world.done(&gone).await;
    assert_eq!(world.plane.store.state().role_assignments.iter().count(), 0);
    world.put(&group, json!({"location": "eastus"})).await;
    assert_eq!(may().await, StatusCode::FORBIDDEN);
    world.stop().await;
}

#[tokio::test]
async fn assignments_are_checked_listed_and_unique() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let group = format!("{}/resourcegroups/g", world.sub);
    world.put(&group, json!({"location": "eastus"})).await;
    let one = world.someone("one", None).await;
    let id = world.plane.dice.guid();
    let path = world.assignment(None, &id);
    let made = world
        .put(&path, world.assignment_body(&one, "Reader"))
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    assert_eq!(made.body["properties"]["scope"], world.sub);
    let again = world
        .put(&path, world.assignment_body(&one, "Reader"))
        .await;
    assert_eq!(again.status, StatusCode::OK);
    for (path, body, status, code) in [
        (
            path.clone(),
            world.assignment_body(&one, "Owner"),
            409,
            "RoleAssignmentUpdateNotPermitted",
        ),
        (
            world.assignment(None, &world.plane.dice.guid()),
            world.assignment_body(&one, "Reader"),
            409,
            "RoleAssignmentExists",
        ),
        (
            world.assignment(None, "no-guid"),
            world.assignment_body(&one, "Owner"),
            400,
            "InvalidRoleAssignmentId",
        ),
        (
            world.assignment(Some("nowhere"), &world.plane.dice.guid()),
            world.assignment_body(&one, "Owner"),
            404,
            "ResourceGroupNotFound",
        ),
        (
            world.assignment(None, &world.plane.dice.guid()),
            json!({"properties": {"roleDefinitionId": "x", "principalId": one.object}}),
            404,
            "RoleDefinitionDoesNotExist",
        ),
        (
            world.assignment(None, &world.plane.dice.guid()),
            json!({"properties": {
                "roleDefinitionId": model::Role::Owner.guid(), "principalId": one.application,
            }}),
            400,
            "PrincipalNotFound",
        ),
    ] {
        let answer = world.put(&path, body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (status, code),
            "{answer:?}"
        );
    }
    world.stop().await;
}

#[tokio::test]
async fn assignments_are_listed_where_they_hold() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let group = format!("{}/resourcegroups/g", world.sub);
    world.put(&group, json!({"location": "eastus"})).await;
    world.someone("one", Some(("Reader", None))).await;
    let two = world.someone("two", None).await;
    world.give(&two, "Owner", Some("g")).await;
    let count = async |group: Option<&str>, filter: &str| {
        let path = world.assignment(group, "");
        let path = format!("{}{filter}", path.trim_end_matches('/'));
        world.get(&path).await.body["value"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(count(None, "").await, 2);
    assert_eq!(count(Some("g"), "").await, 2);
    assert_eq!(count(None, "?$filter=atScope()").await, 1);
    let theirs = format!("?$filter=principalId%20eq%20'{}'", two.object);
    assert_eq!(count(None, &theirs).await, 1);
    let nobodys = format!("?$filter=assignedTo('{}')", two.application);
    assert_eq!(count(None, &nobodys).await, 0);
    world.stop().await;
}

#[tokio::test]
async fn the_three_roles_are_defined_at_every_scope() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let someone = world.someone("ci", Some(("Reader", None))).await;
    let token = world.sign_in(&someone).await;
    for scope in ["", &world.sub] {
        let all = format!("{scope}/providers/Microsoft.Authorization/roleDefinitions");
        let listed = world.ask_as(&token, "GET", &all, None).await;
        assert_eq!(listed.body["value"].as_array().unwrap().len(), 3);
        let filtered = format!("{all}?$filter=roleName%20eq%20'contributor'");
        let listed = world.ask_as(&token, "GET", &filtered, None).await;
        let found = listed.body["value"].as_array().unwrap();
        assert_eq!(found.len(), 1, "{listed:?}");
        assert_eq!(found[0]["properties"]["roleName"], "Contributor");
        let one = format!("{all}/{}", found[0]["name"].as_str().unwrap());
        let shown = world.ask_as(&token, "GET", &one, None).await;
        assert_eq!(shown.body, found[0]);
    }
    world.stop().await;
}
