//! Who may come in to a cache.

use serde_json::{Value, json};

use crate::fake::{Fake, OPERATION, accepted, cache, list, refused, says};

const ANNE: &str = "6f1c4f30-0000-4000-8000-00000000000a";

fn rule(name: &str, start: &str, end: &str) -> Value {
    json!({"name": name, "properties": {"startIP": start, "endIP": end}})
}

async fn with_rules(linked: &str, rules: impl IntoIterator<Item = Value>) -> Fake {
    Fake::start([
        list("GET /redis", [cache("a", linked)]),
        list("GET /redis/a/firewallRules", rules),
    ])
    .await
}

#[tokio::test]
async fn firewall_rules_are_listed() {
    let office = rule("office", "203.0.113.0", "203.0.113.255");
    let fake = with_rules(
        "",
        [office.clone(), rule("six", "2001:db8::1", "2001:db8::1")],
    )
    .await;
    let ran = fake.run(["cache", "firewall", "list", "a"]).await;
    let expected = "\
RULE    FROM         TO
office  203.0.113.0  203.0.113.255
six     2001:db8::1  2001:db8::1
";
    assert_eq!((ran.out.as_str(), ran.code), (expected, 0), "{}", ran.err);
    let ran = fake
        .run(["cache", "firewall", "list", "a", "-o", "json"])
        .await;
    let printed: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(printed[0], office);

    let fake = with_rules("", []).await;
    let ran = fake.run(["cache", "firewall", "list", "a"]).await;
    assert_eq!(
        ran.err,
        "`a` has no firewall rule: every address may connect\n"
    );
}

#[tokio::test]
async fn a_firewall_rule_is_set_and_what_it_keeps_apart_is_told() {
    let fake = with_rules("b", []).await;
    let made = rule("office", "10.0.0.1", "10.0.0.1");
    fake.also("PUT /redis/a/firewallRules/office", says(201, made))
        .await;
    let warning =
        "the firewall of `a` does not admit 192.0.2.7, from which `b` follows; add a rule for it";
    let status = says(200, json!({"warnings": [warning]}));
    fake.also("GET /redis/a/linkedServers/b/runtimeStatus", status)
        .await;
    let ran = fake
        .run(["cache", "firewall", "set", "a", "office", "10.0.0.1"])
        .await;
    let said =
        format!("10.0.0.1 may connect to `a`, and no other address any more\nwarning: {warning}\n");
    assert_eq!((ran.err, ran.code), (said, 0));
    let sent = fake.body("PUT /redis/a/firewallRules/office").await;
    assert_eq!(
        sent,
        json!({"properties": {"startIP": "10.0.0.1", "endIP": "10.0.0.1"}})
    );
    for bad in [["office", "10.0.0"], ["a/b", "10.0.0.1"]] {
        let ran = fake
            .run(["cache", "firewall", "set", "a", bad[0], bad[1]])
            .await;
        assert_eq!(ran.code, 64, "{}", ran.err);
    }
}

#[tokio::test]
async fn the_last_firewall_rule_opens_the_cache_when_it_goes() {
    let fake = with_rules("", [rule("Office", "10.0.0.1", "10.0.0.9")]).await;
    fake.also(
        "DELETE /redis/a/firewallRules/office",
        says(200, Value::Null),
    )
    .await;
    let ran = fake
        .run(["cache", "firewall", "delete", "a", "office"])
        .await;
    let said = "deleted `office`, the last rule of `a`: every address may connect\n";
    assert_eq!((ran.err.as_str(), ran.code), (said, 0));
    let ran = fake.run(["cache", "firewall", "delete", "a", "home"]).await;
    assert_eq!(ran.code, 3);
    assert!(
        ran.err.contains("`a` has no firewall rule `home`"),
        "{}",
        ran.err
    );
}

#[tokio::test]
async fn policies_are_listed_set_and_deleted() {
    let policy = |name: &str, kind: &str, permissions: &str| {
        json!({"name": name, "properties": {
            "provisioningState": "Succeeded", "type": kind, "permissions": permissions,
        }})
    };
    let mine = policy("my policy", "Custom", "+get ~a:*");
    let fake = Fake::start([
        list("GET /redis", [cache("a", "")]),
        list(
            "GET /redis/a/accessPolicies",
            [
                policy("Data Owner", "BuiltIn", "+@all allkeys"),
                mine.clone(),
            ],
        ),
        (
            "PUT /redis/a/accessPolicies/my%20policy".into(),
            accepted(201, mine),
        ),
        (
            "DELETE /redis/a/accessPolicies/my%20policy".into(),
            accepted(202, Value::Null),
        ),
        (OPERATION.into(), says(200, json!({"status": "Succeeded"}))),
    ])
    .await;
    let ran = fake.run(["cache", "policy", "list", "a"]).await;
    let expected = "\
POLICY      KIND      STATE      PERMISSIONS
Data Owner  built in  Succeeded  +@all allkeys
my policy   custom    Succeeded  +get ~a:*
";
    assert_eq!((ran.out.as_str(), ran.code), (expected, 0), "{}", ran.err);
    let ran = fake
        .run(["cache", "policy", "set", "a", "my policy", "+get ~a:*"])
        .await;
    assert_eq!(
        (ran.err.as_str(), ran.code),
        ("`my policy` permits: +get ~a:*\n", 0)
    );
    let sent = fake.body("PUT /redis/a/accessPolicies/my%20policy").await;
    assert_eq!(sent, json!({"properties": {"permissions": "+get ~a:*"}}));
    let ran = fake
        .run(["cache", "policy", "delete", "a", "my policy"])
        .await;
    assert_eq!(ran.err, "`a` has no access policy `my policy`\n");
    let before = fake.writes().await.len();
    let ran = fake
        .run(["cache", "policy", "set", "a", "mine", "+get on"])
        .await;
    assert_eq!(ran.code, 64);
    assert!(
        ran.err.contains("`on` says how a user logs in"),
        "{}",
        ran.err
    );
    assert_eq!(fake.writes().await.len(), before, "nothing was sent");
}

#[tokio::test]
async fn somebody_is_let_in_and_out() {
    let given = json!({"name": "web", "properties": {
        "provisioningState": "Succeeded", "objectId": ANNE, "objectIdAlias": "Web",
        "accessPolicyName": "Data Reader",
    }});
    let fake = Fake::start([
        list("GET /redis", [cache("a", "")]),
        list("GET /redis/a/accessPolicyAssignments", [given.clone()]),
        (
            "PUT /redis/a/accessPolicyAssignments/web".into(),
            accepted(201, given),
        ),
        (
            "DELETE /redis/a/accessPolicyAssignments/web".into(),
            refused(409, "Conflict", "The cache `a` is being deleted."),
        ),
        (OPERATION.into(), says(200, json!({"status": "Succeeded"}))),
    ])
    .await;
    let ran = fake.run(["cache", "access", "list", "a"]).await;
    let expected = format!(
        "\
ASSIGNMENT  OBJECT ID                             ALIAS  POLICY       STATE
web         {ANNE}  Web    Data Reader  Succeeded
"
    );
    assert_eq!((ran.out, ran.code), (expected, 0), "{}", ran.err);
    let ran = fake
        .run([
            "cache",
            "access",
            "set",
            "a",
            "web",
            ANNE,
            "Data Reader",
            "--alias",
            "Web",
        ])
        .await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(
        ran.err.starts_with(
            "`Web` comes in to `a` by `Data Reader`\nwarning: `a` takes no tokens yet"
        ),
        "{}",
        ran.err
    );
    let sent = fake.body("PUT /redis/a/accessPolicyAssignments/web").await;
    assert_eq!(
        sent["properties"],
        json!({"objectId": ANNE, "objectIdAlias": "Web", "accessPolicyName": "Data Reader"})
    );
    let ran = fake.run(["cache", "access", "delete", "a", "web"]).await;
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("is being deleted"), "{}", ran.err);
}

#[tokio::test]
async fn how_clients_come_in_is_part_of_a_cache() {
    let fake = Fake::start([
        list("GET /redis", [cache("a", "")]),
        ("PATCH /redis/a".into(), accepted(200, cache("a", ""))),
        (OPERATION.into(), says(200, json!({"status": "Succeeded"}))),
        ("GET /redis/a".into(), says(200, cache("a", ""))),
    ])
    .await;
    let ran = fake
        .run([
            "cache",
            "update",
            "a",
            "--enable-non-ssl-port",
            "--minimum-tls-version",
            "1.3",
            "--public-network-access",
            "disabled",
            "--disable-access-keys=false",
        ])
        .await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(
        fake.body("PATCH /redis/a").await,
        json!({"properties": {
            "enableNonSslPort": true, "minimumTlsVersion": "1.3",
            "publicNetworkAccess": "Disabled", "disableAccessKeyAuthentication": false,
        }})
    );
    let ran = fake
        .run(["cache", "update", "a", "--minimum-tls-version", "1.1"])
        .await;
    assert_eq!(ran.code, 64, "{}", ran.err);
    let ran = fake.run(["cache", "update", "a"]).await;
    assert_eq!(ran.code, 64, "{}", ran.err);
}
