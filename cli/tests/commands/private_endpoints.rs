//! Private endpoints of a cache, and the caches that it can be linked with.

use serde_json::{Value, json};

use crate::fake::{Fake, OPERATION, accepted, cache, list, refused, says};

fn endpoint(name: &str, status: &str, port: Option<u16>) -> Value {
    json!({"name": name, "properties": {
        "provisioningState": "Succeeded", "hostName": "a.privatelink.zone.test",
        "privateLinkServiceConnectionState": {"status": status, "description": "for us"},
        "address": "10.0.0.9", "tlsPort": port, "plainPort": null,
    }})
}

#[tokio::test]
async fn private_endpoints_are_listed_with_where_they_listen() {
    let all = [
        endpoint("office", "Approved", Some(6380)),
        endpoint("hall", "Pending", None),
    ];
    let fake = Fake::start([
        list("GET /redis", [cache("a", "")]),
        list("GET /redis/a/privateEndpointConnections", all.clone()),
    ])
    .await;
    let ran = fake.run(["cache", "private-endpoint", "list", "a"]).await;
    let expected = "\
ENDPOINT  CONSENT   STATE      LISTENS                     NOTE
office    Approved  Succeeded  10.0.0.9, TLS on port 6380  for us
hall      Pending   Succeeded  nowhere                     for us
";
    assert_eq!((ran.out.as_str(), ran.code), (expected, 0), "{}", ran.err);
}

#[tokio::test]
async fn an_endpoint_is_added_and_told_where_it_listens() {
    let path = "GET /redis/a/privateEndpointConnections";
    let fake = Fake::start([list("GET /redis", [cache("a", "")]), list(path, [])]).await;
    let office = endpoint("office", "Approved", Some(6380));
    fake.also(
        "PUT /redis/a/privateEndpointConnections/office",
        accepted(201, office.clone()),
    )
    .await;
    fake.also(OPERATION, says(200, json!({"status": "Succeeded"})))
        .await;
    let (_, listed) = list(path, [office]);
    fake.also(path, listed).await;
    let add = [
        "cache",
        "private-endpoint",
        "add",
        "a",
        "office",
        "--address",
        "10.0.0.9",
    ];
    let ran = fake.run(add).await;
    let said =
        "`a` is reached at a.privatelink.zone.test by `office`, 10.0.0.9, TLS on port 6380\n";
    assert_eq!((ran.err.as_str(), ran.code), (said, 0));
    let sent = fake
        .body("PUT /redis/a/privateEndpointConnections/office")
        .await;
    let expected = json!({"properties": {
        "privateLinkServiceConnectionState": {"status": "Approved"}, "address": "10.0.0.9",
    }});
    assert_eq!(sent, expected);
}

#[tokio::test]
async fn what_a_linked_cache_refuses_is_said() {
    let fake = Fake::start([
        list("GET /redis", [cache("a", "b")]),
        list("GET /redis/a/privateEndpointConnections", []),
    ])
    .await;
    let why = "A private endpoint cannot be added to the cache `a`, since it is linked to `b`.";
    fake.also(
        "PUT /redis/a/privateEndpointConnections/late",
        refused(400, "InvalidRequestBody", why),
    )
    .await;
    let ran = fake
        .run(["cache", "private-endpoint", "add", "a", "late"])
        .await;
    assert!(
        ran.code == 1 && ran.err.contains(why.trim_end_matches('.')),
        "{}",
        ran.err
    );
    let ran = fake
        .run(["cache", "private-endpoint", "remove", "a", "late"])
        .await;
    assert!(
        ran.err.contains("`a` has no private endpoint `late`"),
        "{}",
        ran.err
    );
}

#[tokio::test]
async fn candidates_are_listed_with_everything_in_the_way() {
    let reason =
        |cache: Value, message: &str| json!({"code": "X", "cache": cache, "message": message});
    let answer = json!({
        "recommendedRegion": {"name": "westus", "displayName": "West US", "isInDeployment": true},
        "value": [
            {"name": "b", "location": "West US", "inRecommendedRegion": true, "isCompatible": true,
             "canFailOver": true, "sku": {"name": "Premium", "family": "P", "capacity": 1}},
            {"name": "c", "location": "East US", "isCompatible": false, "reasons": [
                reason(json!("c"), "This cache is already linked to another cache."),
                reason(Value::Null, "The secondary is smaller."),
            ]},
        ],
    });
    let fake = Fake::start([
        list("GET /redis", [cache("a", "")]),
        ("GET /redis/a/linkCandidates".to_owned(), says(200, answer)),
    ])
    .await;
    let ran = fake.run(["link", "candidates", "a"]).await;
    let expected = "\
CACHE  REGION     SIZE        CAN BE LINKED  IN THE WAY
b      West US *  Premium P1  yes
c      East US                no             `c`: This cache is already linked to another cache.
                                             The secondary is smaller.
";
    assert_eq!((ran.out.as_str(), ran.code), (expected, 0), "{}", ran.err);
    let said = "recommended region for the geo-secondary of `a` (*): West US\n";
    assert_eq!(ran.err, said);
}
