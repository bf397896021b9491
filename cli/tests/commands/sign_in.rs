//! Who signs in, and what they may do.

use serde_json::{Value, json};

use crate::fake::{Fake, list, refused, says};

const PRINCIPALS: &str = "/providers/Godwit.Cache/servicePrincipals";
const APPLICATION: &str = "6f1c4f30-0000-4000-8000-00000000000a";
const OBJECT: &str = "6f1c4f30-0000-4000-8000-00000000000b";
const SUBSCRIPTION: &str = "/subscriptions/5d0c4f30-0000-4000-8000-000000000001";
const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";
const ROLES: &str = "/providers/Microsoft.Authorization/roleAssignments";

fn principal() -> Value {
    json!({
        "name": "ci", "appId": APPLICATION, "objectId": OBJECT, "tenantId": "tenant",
        "createdAt": "2026-01-01T00:00:00Z", "secrets": [],
    })
}

fn with_secret() -> Value {
    let mut principal = principal();
    principal["secret"] = "hunter2".into();
    principal
}

fn role(id: &str, scope: &str) -> Value {
    json!({"name": id, "properties": {
        "roleDefinitionId": format!("{SUBSCRIPTION}/x/{READER}"), "principalId": OBJECT,
        "scope": scope,
    }})
}

#[tokio::test]
async fn a_secret_is_data_and_what_to_do_with_it_is_talk() {
    let fake = Fake::start([(format!("POST {PRINCIPALS}"), says(201, with_secret()))]).await;
    let ran = fake.run(["sp", "create", "ci"]).await;
    let expected = format!(
        "\
name            ci
application ID  {APPLICATION}
object ID       {OBJECT}
tenant          tenant
secret          hunter2
"
    );
    assert_eq!((ran.out, ran.code), (expected, 0), "{}", ran.err);
    assert!(
        ran.err.contains("az login --service-principal"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("https://127.0.0.1:"), "{}", ran.err);
    assert!(!ran.err.contains("hunter2"), "{}", ran.err);
    assert_eq!(
        fake.body(&format!("POST {PRINCIPALS}")).await,
        json!({"name": "ci"})
    );
    let ran = fake.run(["sp", "create", "ci", "-o", "json"]).await;
    let printed: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        (&printed["secret"], ran.err.as_str()),
        (&json!("hunter2"), "")
    );
}

#[tokio::test]
async fn a_role_in_a_group_that_is_not_there_makes_nobody() {
    let group = "GET /resourceGroups/none";
    let missing = refused(404, "ResourceGroupNotFound", "there is no such group");
    let fake = Fake::start([
        (group.to_owned(), missing),
        (format!("POST {PRINCIPALS}"), says(201, with_secret())),
    ])
    .await;
    let ran = fake
        .run(["sp", "create", "ci", "--role", "reader", "--group", "none"])
        .await;
    assert_eq!((ran.out.as_str(), ran.code), ("", 3), "{}", ran.err);
    assert_eq!(fake.writes().await, Vec::<String>::new());
}

#[tokio::test]
async fn principals_go_by_name_and_by_both_ids() {
    let reset = format!("POST {PRINCIPALS}/{APPLICATION}/reset");
    let fake = Fake::start([
        list(&format!("GET {PRINCIPALS}"), [principal()]),
        (reset.clone(), says(200, with_secret())),
    ])
    .await;
    for who in ["CI", APPLICATION, OBJECT] {
        let ran = fake.run(["sp", "reset", who, "--keep"]).await;
        assert!(ran.out.contains("hunter2"), "{}", ran.err);
    }
    assert_eq!(fake.body(&reset).await, json!({"keep": true}));
    let ran = fake.run(["sp", "show", "nobody"]).await;
    assert_eq!(ran.code, 3);
    assert!(
        ran.err.contains("there is no service principal `nobody`"),
        "{}",
        ran.err
    );
    let ran = fake.run(["sp", "delete", "ci"]).await;
    assert!(ran.code == 64 && ran.err.contains("--yes"), "{}", ran.err);
}

#[tokio::test]
async fn roles_are_given_listed_and_taken_where_the_group_says() {
    let in_group = format!("{SUBSCRIPTION}/resourceGroups/team");
    let roles = format!("/resourceGroups/team{ROLES}");
    let (one, other) = (role("r1", SUBSCRIPTION), role("r2", &in_group));
    let fake = Fake::start([
        list(&format!("GET {PRINCIPALS}"), [principal()]),
        list(&format!("GET {roles}"), [one.clone(), other]),
        list(&format!("GET {ROLES}"), [one]),
        (format!("DELETE {roles}/r2"), says(200, json!({}))),
    ])
    .await;
    let ran = fake.run(["role", "list", "ci", "--group", "team"]).await;
    let expected = format!(
        "\
WHO  ROLE    WHERE
ci   Reader  {SUBSCRIPTION}
ci   Reader  {in_group}
"
    );
    assert_eq!(ran.out, expected, "{}", ran.err);
    let ran = fake
        .run(["role", "remove", "ci", "reader", "--group", "team"])
        .await;
    assert_eq!(ran.err, format!("`ci` is no longer Reader of {in_group}\n"));
    assert_eq!(fake.writes().await, [format!("DELETE {roles}/r2")]);
    let ran = fake.run(["role", "remove", "ci", "Owner"]).await;
    assert!(
        ran.code == 3 && ran.err.contains("is not Owner of"),
        "{}",
        ran.err
    );
    let ran = fake.run(["role", "assign", "ci", "King"]).await;
    assert!(
        ran.code == 64 && ran.err.contains("Reader, Contributor or Owner"),
        "{}",
        ran.err
    );
}
