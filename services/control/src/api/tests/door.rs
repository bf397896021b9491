use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use serde_json::json;

use crate::harness::{AGENT_TOKEN, TOKEN, World, premium};

#[tokio::test]
async fn tokens_open_their_own_door_only() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let attempts = [
        ("/subscriptions?api-version=2022-12-01", None),
        (
            "/subscriptions?api-version=2022-12-01",
            Some("Bearer wrong"),
        ),
        ("/subscriptions?api-version=2022-12-01", Some(AGENT_TOKEN)),
        ("/no/such/route?api-version=2022-12-01", None),
        (
            "/subscriptions?api-version=2022-12-01",
            Some("Basic management-token"),
        ),
        (
            "/agents/v1/desired?region=eastus",
            Some("Bearer management-token"),
        ),
    ];
    for (path, token) in attempts {
        let mut request = Request::builder().uri(path);
        if let Some(token) = token {
            let token = token.replace(AGENT_TOKEN, &format!("Bearer {AGENT_TOKEN}"));
            request = request.header("authorization", token);
        }
        let answer = world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path} {token:?}");
        assert_eq!(answer.code(), "AuthenticationFailed");
        let challenge = answer.header("www-authenticate");
        assert!(
            challenge.starts_with("Bearer authorization_uri=\"http"),
            "{challenge}"
        );
        assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
    }
    world.stop().await;
}

#[tokio::test]
async fn every_answer_has_the_api_s_headers() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    for path in ["/subscriptions", "/no/such/route"] {
        let request = Request::builder()
            .uri(format!("{path}?api-version=2022-12-01"))
            .header("authorization", format!("bearer {TOKEN}"))
            .header("x-ms-client-request-id", "mine")
            .header("x-ms-correlation-request-id", "ours");
        let answer = world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.header("x-ms-client-request-id"), "mine");
        assert_eq!(answer.header("x-ms-correlation-request-id"), "ours");
        assert_eq!(answer.header("x-ms-request-id").len(), 36);
        assert_eq!(answer.header("cache-control"), "no-cache");
        assert_eq!(
            answer.header("content-type"),
            "application/json; charset=utf-8"
        );
    }
    world.stop().await;
}

#[tokio::test]
async fn unknown_routes_methods_and_versions_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let none = world.get("/planets/mars").await;
    assert_eq!(
        (none.status, none.code()),
        (StatusCode::NOT_FOUND, "NotFound")
    );
    let wrong = world.ask("POST", "/subscriptions", None).await;
    assert_eq!(wrong.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(wrong.code(), "MethodNotAllowed");
    let old = format!("{}?api-version=1999-01-01", world.cache("a"));
    let old = world.get(&old).await;
    assert_eq!(
        (old.status, old.code()),
        (StatusCode::BAD_REQUEST, "NoRegisteredProviderFound")
    );
    let request = Request::builder()
        .uri("/subscriptions")
        .header("authorization", format!("Bearer {TOKEN}"));
    let missing = world.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(missing.code(), "MissingApiVersionParameter");
    world.stop().await;
}

#[tokio::test]
async fn bodies_that_are_not_json_or_too_long_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_agents(dir.path()).await;
    let before = world.revision();
    let path = world.cache("a");
    let broken = world
        .ask_raw("PUT", &path, b"{\"location\":\n oops}".to_vec())
        .await;
    assert_eq!(
        (broken.status, broken.code()),
        (StatusCode::BAD_REQUEST, "InvalidRequestContent")
    );
    assert!(
        broken.message().contains("line 2 column 2"),
        "{}",
        broken.message()
    );
    let list = world.put(&path, json!([1])).await;
    assert!(
        list.message().contains("a list; it takes an object"),
        "{}",
        list.message()
    );
    let long = vec![b' '; (1 << 20) + 1];
    let long = world.ask_raw("PUT", &path, long).await;
    assert_eq!(long.status, StatusCode::PAYLOAD_TOO_LARGE);
    let deep = format!("{}1{}", "[".repeat(1_000), "]".repeat(1_000));
    assert_eq!(
        world.ask_raw("PUT", &path, deep.into_bytes()).await.code(),
        "InvalidRequestContent"
    );
    assert_eq!(world.revision(), before);
    world.stop().await;
}

#[tokio::test]
async fn any_spelling_of_a_path_leads_to_the_resource() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_agents(dir.path()).await;
    let path = format!(
        "{}/RESOURCEGROUPS/G/Providers/MICROSOFT.cache/REDIS/MyCache",
        world
            .sub
            .to_uppercase()
            .replace("/SUBSCRIPTIONS", "/Subscriptions")
    );
    let made = world.put(&path, premium("East US")).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let id = format!(
        "{}/resourceGroups/g/providers/Microsoft.Cache/Redis/MyCache",
        world.sub
    );
    assert_eq!(made.body["id"], id);
    world.done(&made).await;
    let shown = world.get(&world.cache("MYCACHE")).await;
    assert_eq!(shown.body["name"], "MyCache");
    assert_eq!(shown.body["properties"]["hostName"], "mycache.zone.test");
    let op = made.leads("azure-asyncoperation");
    assert_eq!(world.get(&op.to_lowercase()).await.status, StatusCode::OK);
    world.stop().await;
}

#[tokio::test]
async fn a_tls_proxy_is_believed_about_the_scheme() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_agents(dir.path()).await;
    let request = Request::builder()
        .method("PUT")
        .uri(format!("{}?api-version=2024-11-01", world.cache("a")))
        .header("host", "arm.example:8443")
        .header("x-forwarded-proto", "https")
        .header("authorization", format!("Bearer {TOKEN}"));
    let body = Body::from(premium("eastus").to_string());
    let made = world.send(request.body(body).unwrap()).await;
    let url = made.header("azure-asyncoperation");
    assert!(
        url.starts_with("https://arm.example:8443/subscriptions/"),
        "{url}"
    );
    world.stop().await;
}

#[tokio::test]
async fn a_path_that_is_no_text_is_refused_in_the_api_s_own_words() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    for name in ["%ff", "a%c3%28", "%ED%A0%80"] {
        let path = format!("{}/resourcegroups/{name}", world.sub);
        let answer = world.get(&path).await;
        assert_eq!(answer.code(), "InvalidRequestUri", "{answer:?}");
    }
    world.stop().await;
}
