use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use runtime::clock::Clock;
use serde_json::{Value, json};
use tls::{
    AgentKey, AuthorityCertificate, CERTIFICATE_DAYS, Certified, IssuedCertificate, KnownAuthority,
    ServerCertificate,
};

use crate::harness::{AGENT_TOKEN, Answer, TOKEN, World, region};

async fn ask(world: &World, method: &str, path: &str, token: &str, body: &Value) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(format!("/agents/v1/{path}"))
        .header("authorization", format!("Bearer {token}"));
    let body = Body::from(serde_json::to_vec(body).unwrap());
    world.send(request.body(body).unwrap()).await
}

async fn certificate(world: &World, region: &str, request: &str) -> Answer {
    let body = json!({"region": region, "request": request});
    ask(world, "POST", "certificates", AGENT_TOKEN, &body).await
}

async fn server_certificate(world: &World, addresses: &Value, request: &str) -> Answer {
    let body = json!({"region": "eastus", "addresses": addresses, "request": request});
    ask(world, "POST", "server-certificates", AGENT_TOKEN, &body).await
}

async fn authority(world: &World) -> AuthorityCertificate {
    let known = ask(world, "GET", "authority", AGENT_TOKEN, &Value::Null).await;
    assert_eq!(known.status, StatusCode::OK, "{known:?}");
    let known: KnownAuthority = serde_json::from_value(known.body).unwrap();
    AuthorityCertificate::from_pem(&known.authority).unwrap()
}

fn issued(answer: Answer) -> IssuedCertificate {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    serde_json::from_value(answer.body).unwrap()
}

#[tokio::test]
async fn an_agents_key_is_certified_as_its_regions() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let known = authority(&world).await;
    assert_eq!(known.store(), world.plane.store.id());
    let key = AgentKey::generate().unwrap();
    let answer = certificate(&world, "East US", &key.request().unwrap()).await;
    let certified = Certified::new(&key, issued(answer)).unwrap();
    assert_eq!(*certified.region(), region("eastus"));
    assert_eq!(*certified.authority(), known);
    let (validity, now) = (certified.validity(), Clock.now());
    assert!(validity.covers(now));
    let days = (validity.until.0 - now.0).div_ceil(24 * 60 * 60 * 1000);
    assert_eq!(days, CERTIFICATE_DAYS);
    world.stop().await;
    // The next control plane over the same store has the same authority.
    let world = World::start(dir.path()).await;
    assert_eq!(authority(&world).await, known);
    world.stop().await;
}

#[tokio::test]
async fn the_names_that_a_request_asks_for_are_ignored() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let key = rcgen::KeyPair::generate().unwrap();
    let wanted = ["root".to_owned(), "godwit.example".to_owned()];
    let mut params = rcgen::CertificateParams::new(wanted).unwrap();
    let store = world.plane.store.id();
    let name = format!("godwit://{store}/regions/westus");
    params.subject_alt_names = vec![rcgen::SanType::URI(name.try_into().unwrap())];
    let request = params.serialize_request(&key).unwrap().pem().unwrap();
    let answer = certificate(&world, "eastus", &request).await;
    let key = AgentKey::from_pem(&model::Secret::new(key.serialize_pem())).unwrap();
    let certified = Certified::new(&key, issued(answer)).unwrap();
    assert_eq!(*certified.region(), region("eastus"));
    world.stop().await;
}

#[tokio::test]
async fn what_is_no_request_of_an_agent_of_here_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let request = AgentKey::generate().unwrap().request().unwrap();
    let elsewhere = certificate(&world, "japaneast", &request).await;
    assert_eq!(elsewhere.status, StatusCode::NOT_FOUND);
    assert_eq!(elsewhere.code(), "RegionNotFound");
    let other = AgentKey::generate().unwrap().to_pem();
    for bad in ["", "x", other.reveal(), &request.replace("\n-----END", "")] {
        let answer = certificate(&world, "eastus", bad).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{bad:?}");
        assert_eq!(answer.code(), "InvalidCertificateRequest");
        assert!(answer.message().contains("is not a PKCS #10 request"));
    }
    let nothing = ask(&world, "POST", "certificates", AGENT_TOKEN, &json!({})).await;
    assert_eq!(nothing.status, StatusCode::BAD_REQUEST);
    let long = certificate(&world, "eastus", &"x".repeat(70_000)).await;
    assert_eq!(long.status, StatusCode::PAYLOAD_TOO_LARGE);
    world.stop().await;
}

#[tokio::test]
async fn agents_alone_may_ask() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let request = AgentKey::generate().unwrap().request().unwrap();
    let body = json!({"region": "eastus", "request": request});
    for token in [TOKEN, "wrong", ""] {
        for (method, path) in [
            ("POST", "certificates"),
            ("POST", "server-certificates"),
            ("GET", "authority"),
        ] {
            let answer = ask(&world, method, path, token, &body).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
            assert!(answer.message().contains("the agents' token"));
        }
    }
    world.stop().await;
}

#[tokio::test]
async fn servers_are_certified_for_the_zone_and_the_agents_addresses() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let key = rcgen::KeyPair::generate().unwrap();
    // Whatever the request asks for, the zone is the control plane's.
    let wanted = ["www.example.com".to_owned(), "*.other.test".to_owned()];
    let params = rcgen::CertificateParams::new(wanted).unwrap();
    let request = params.serialize_request(&key).unwrap().pem().unwrap();
    let addresses = json!(["127.77.0.1", "::1", "127.77.0.1"]);
    let issued = issued(server_certificate(&world, &addresses, &request).await);
    let key = AgentKey::from_pem(&model::Secret::new(key.serialize_pem())).unwrap();
    let certificate = ServerCertificate::issued(&key, &issued).unwrap();
    let named = [
        "DNS:*.zone.test",
        "DNS:*.geo.zone.test",
        "DNS:*.privatelink.zone.test",
        "IP:127.77.0.1",
        "IP:::1",
    ];
    assert_eq!(certificate.names(), named);
    assert!(certificate.validity().covers(Clock.now()));
    Certified::new(&key, issued).unwrap_err();
    world.stop().await;
}

#[tokio::test]
async fn addresses_that_are_not_one_hosts_are_not_certified() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let request = AgentKey::generate().unwrap().request().unwrap();
    let many: Vec<_> = (0..513)
        .map(|n| format!("10.0.{}.{}", n / 250, n % 250 + 1))
        .collect();
    for bad in [json!(["0.0.0.0"]), json!(["224.0.0.1"]), json!(many)] {
        let answer = server_certificate(&world, &bad, &request).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{bad}");
        assert_eq!(answer.code(), "InvalidCertificateRequest");
    }
    for malformed in [
        json!(["zone.test"]),
        json!(["10.0.0.1/8"]),
        json!("10.0.0.1"),
    ] {
        let answer = server_certificate(&world, &malformed, &request).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{malformed}");
    }
    world.stop().await;
}

#[tokio::test]
async fn clients_are_told_what_to_trust() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let path = "/providers/Godwit.Cache/certificateAuthority?api-version=2024-11-01";
    let request = |token: &str| {
        let request = Request::builder().uri(path);
        let request = request.header("authorization", format!("Bearer {token}"));
        request.body(Body::empty()).unwrap()
    };
    let answer = tower::ServiceExt::oneshot(world.service.clone(), request(TOKEN));
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], "application/x-pem-file");
    let body = axum::body::to_bytes(answer.into_body(), 1 << 20)
        .await
        .unwrap();
    let pem = std::str::from_utf8(&body).unwrap();
    assert!(!pem.contains("PRIVATE"), "{pem}");
    let shown = AuthorityCertificate::from_pem(pem).unwrap();
    assert_eq!(shown, authority(&world).await);
    let refused = world.send(request("wrong")).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    world.stop().await;
}
