use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use model::{Secret, Timestamp};
use runtime::clock::Clock;
use serde_json::{Value, json};
use tokens::{OwnKeys, TokenKey};

use crate::{
    harness::{AGENT_TOKEN, Answer, PRINCIPALS, Someone, World},
    records::SigningKeyRecord,
    store::Change,
};

const BASE: &str = "http://test.example:99";

/// Asks without a token.
async fn open(world: &World, method: &str, path: &str) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "test.example:99");
    world.send(request.body(Body::empty()).unwrap()).await
}

async fn keys(world: &World) -> Value {
    let path = format!("/{}/discovery/v2.0/keys", world.tenant());
    let answer = open(world, "GET", &path).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.body
}

#[tokio::test]
async fn the_deployment_says_that_it_is_a_cloud_in_both_shapes() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let now = open(&world, "GET", "/metadata/endpoints?api-version=2022-09-01").await;
    assert_eq!(now.status, StatusCode::OK);
    let cloud = &now.body;
    assert_eq!(cloud["resourceManager"], BASE);
    let authentication = &cloud["authentication"];
    // Without a slash at its end: Terraform adds one.
    assert_eq!(authentication["loginEndpoint"], BASE);
    assert_eq!(authentication["audiences"], json!([BASE]));
    assert_eq!(authentication["tenant"], "common");
    assert_eq!(authentication["identityProvider"], "AAD");
    assert!(
        cloud["microsoftGraphResourceId"]
            .as_str()
            .unwrap()
            .starts_with(BASE)
    );
    assert!(cloud["suffixes"].is_object() && cloud["name"] != "AzureStackCloud");
    for old in ["2019-05-01", "2020-06-01"] {
        let path = format!("/Metadata/Endpoints?API-version={old}");
        let answer = open(&world, "GET", &path).await;
        assert_eq!(answer.body, json!([cloud]), "{old}");
    }
    let wrong = open(&world, "POST", "/metadata/endpoints").await;
    assert_eq!(wrong.status, StatusCode::METHOD_NOT_ALLOWED);
    world.stop().await;
}

#[tokio::test]
async fn https_and_the_host_that_the_caller_used_are_in_what_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let encrypted = crate::listen::Arrival {
        encrypted: true,
        peer: None,
    };
    for (host, told) in [
        ("godwit.example:8443", "https://godwit.example:8443"),
        ("[::1]:8443", "https://[::1]:8443"),
        ("a\"b", "https://localhost"),
        ("a/b", "https://localhost"),
    ] {
        let request = Request::builder()
            .uri("/metadata/endpoints")
            .header("host", host)
            .extension(encrypted);
        let answer = world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.body["resourceManager"], told);
    }
    world.stop().await;
}

#[tokio::test]
async fn each_tenant_has_its_discovery_document_and_others_do_not_exist() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let tenant = world.tenant();
    for (path, issuer, token) in [
        (
            format!("/{tenant}/v2.0/.well-known/openid-configuration"),
            format!("{BASE}/{tenant}/v2.0"),
            format!("{BASE}/{tenant}/oauth2/v2.0/token"),
        ),
        (
            "/adfs/.well-known/openid-configuration".to_owned(),
            format!("{BASE}/adfs"),
            format!("{BASE}/adfs/oauth2/token"),
        ),
    ] {
        let answer = open(&world, "GET", &path).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        assert_eq!(answer.body["issuer"], issuer);
        assert_eq!(answer.body["token_endpoint"], token);
        let keys = answer.body["jwks_uri"].as_str().unwrap().to_owned();
        let keys = open(&world, "GET", keys.strip_prefix(BASE).unwrap()).await;
        // Nobody has signed in yet, so there is no key.
        assert_eq!(keys.body, json!({"keys": []}));
    }
    for other in ["common", "6f1c4f30-0000-4000-8000-000000000001"] {
        let path = format!("/{other}/v2.0/.well-known/openid-configuration");
        let answer = open(&world, "GET", &path).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert_eq!(answer.body["error"], "invalid_tenant");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_secret_brings_a_token_that_says_whose_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let someone = world.someone("ci", Some(("Reader", None))).await;
    let answer = world.try_sign_in(&someone).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.body["token_type"], "Bearer");
    assert_eq!(answer.body["expires_in"], 3600);
    let token = answer.body["access_token"].as_str().unwrap();
    let published = keys(&world).await;
    assert!(!published.to_string().contains("\"d\""), "{published}");
    let known = OwnKeys::read(&published).unwrap();
    let claims = known.claims(token, Clock.now()).unwrap();
    let tenant = world.tenant();
    assert_eq!(claims["oid"], someone.object);
    assert_eq!(claims["sub"], someone.object);
    assert_eq!(claims["appid"], someone.application);
    assert_eq!(claims["tid"], tenant);
    assert_eq!(claims["aud"], BASE);
    assert_eq!(claims["iss"], format!("{BASE}/{tenant}/v2.0"));
    let seconds = |name: &str| claims[name].as_u64().unwrap();
    assert_eq!(seconds("exp") - seconds("iat"), 3600);
    assert_eq!(seconds("nbf"), seconds("iat"));
    let asked = world.ask_as(token, "GET", "/subscriptions", None).await;
    assert_eq!(asked.status, StatusCode::OK, "{asked:?}");
    world.stop().await;
}

#[tokio::test]
async fn every_spelling_of_what_a_token_is_for_is_understood() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let someone = world.someone("ci", Some(("Reader", None))).await;
    let tenant = world.tenant();
    let slash = format!("{BASE}/");
    let (double, single) = (format!("{BASE}//.default"), format!("{BASE}/.default"));
    for (path, name, value, audience) in [
        (
            format!("/{tenant}/oauth2/v2.0/token"),
            "scope",
            double.as_str(),
            slash.as_str(),
        ),
        (
            format!("/{}/OAuth2/v2.0/Token", tenant.to_uppercase()),
            "scope",
            &single,
            BASE,
        ),
        (
            format!("/{tenant}/oauth2/token"),
            "resource",
            &slash,
            &slash,
        ),
        ("/adfs/oauth2/token".to_owned(), "scope", &single, BASE),
        (
            format!("/{tenant}/oauth2/v2.0/token"),
            "scope",
            "openid https://management.azure.com/.default",
            "https://management.azure.com",
        ),
    ] {
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", someone.application.as_str()),
            ("client_secret", someone.secret.as_str()),
            (name, value),
        ];
        let answer = world.token_request(&path, &fields).await;
        assert_eq!(answer.status, StatusCode::OK, "{path} {answer:?}");
        let token = answer.body["access_token"].as_str().unwrap();
        let payload = URL_SAFE_NO_PAD
            .decode(token.split('.').nth(1).unwrap())
            .unwrap();
        let claims: Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(claims["aud"], audience);
        let asked = world.ask_as(token, "GET", "/tenants", None).await;
        assert_eq!(asked.status, StatusCode::OK, "{asked:?}");
        if path.ends_with("oauth2/token") {
            assert!(answer.body["expires_on"].is_string(), "{answer:?}");
        }
    }
    world.stop().await;
}

/// Fields of a request for a token, with the status and the error that they bring.
type Refused<'a> = (Vec<(&'a str, &'a str)>, u16, &'static str);

/// Fields that bring no token. The first three are those
/// of nobody.
fn refusals<'a>(id: &'a str, secret: &'a str) -> [Refused<'a>; 10] {
    const NOBODY: &str = "6f1c4f30-0000-4000-8000-000000000001";
    let grant = ("grant_type", "client_credentials");
    let scope = ("scope", "http://test.example:99/.default");
    let (client, secret) = (("client_id", id), ("client_secret", secret));
    let (nobody, by_name) = (("client_id", NOBODY), ("client_id", "ci"));
    let wrong = ("client_secret", "wrong");
    let password = ("grant_type", "password");
    let other = ("scope", "https://evil.test/.default");
    [
        (vec![grant, client, wrong, scope], 401, "invalid_client"),
        (vec![grant, nobody, secret, scope], 401, "invalid_client"),
        (vec![grant, by_name, secret, scope], 401, "invalid_client"),
        (vec![grant, client, scope], 400, "invalid_request"),
        (vec![grant, secret, scope], 400, "invalid_request"),
        (vec![client, secret, scope], 400, "invalid_request"),
        (
            vec![grant, grant, client, secret, scope],
            400,
            "invalid_request",
        ),
        (
            vec![password, client, secret, scope],
            400,
            "unsupported_grant_type",
        ),
        (vec![grant, client, secret], 400, "invalid_scope"),
        (vec![grant, client, secret, other], 400, "invalid_resource"),
    ]
}

#[tokio::test]
async fn whoever_does_not_get_a_token_is_told_in_oauth_s_shape() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let someone = world.someone("ci", None).await;
    let path = format!("/{}/oauth2/v2.0/token", world.tenant());
    let mut descriptions = Vec::new();
    for (fields, status, error) in refusals(&someone.application, &someone.secret) {
        let answer = world.token_request(&path, &fields).await;
        assert_eq!(answer.status.as_u16(), status, "{fields:?} {answer:?}");
        assert_eq!(answer.body["error"], error, "{fields:?} {answer:?}");
        let description = answer.body["error_description"].as_str().unwrap();
        assert!(!description.contains(&someone.secret), "{description}");
        descriptions.push(description.to_owned());
    }
    // Nobody learns which clients there are.
    assert!(descriptions[0] == descriptions[1] && descriptions[1] == descriptions[2]);
    world.stop().await;
}

#[tokio::test]
async fn what_is_no_request_for_a_token_is_told_in_oauth_s_shape_too() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let path = format!("/{}/oauth2/v2.0/token", world.tenant());
    let grant = ("grant_type", "client_credentials");
    let elsewhere = "/6f1c4f30-0000-4000-8000-000000000001/oauth2/v2.0/token";
    let answer = world.token_request(elsewhere, &[grant]).await;
    assert_eq!(answer.body["error"], "invalid_tenant");
    let long = "x".repeat(20 << 10);
    let answer = world
        .token_request(&path, &[grant, ("client_id", &long)])
        .await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{answer:?}");
    assert_eq!(answer.body["error"], "invalid_request");
    let json = Request::builder().method("POST").uri(&path);
    let json = json.header("content-type", "application/json");
    let answer = world.send(json.body(Body::from("{}")).unwrap()).await;
    assert_eq!(answer.body["error"], "invalid_request");
    world.stop().await;
}

#[tokio::test]
async fn whoever_fails_too_often_has_to_wait_and_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let (someone, other) = (
        world.someone("a", None).await,
        world.someone("b", None).await,
    );
    let wrong = Someone {
        secret: "wrong".to_owned(),
        ..someone.clone()
    };
    for _ in 0..10 {
        let answer = world.try_sign_in(&wrong).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    for who in [&wrong, &someone] {
        let answer = world.try_sign_in(who).await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{answer:?}");
        let seconds: u64 = answer.header("retry-after").parse().unwrap();
        assert!((1..=60).contains(&seconds));
    }
    world.sign_in(&other).await;
    world.stop().await;
}

/// The key that signs, taken out of the store.
fn signing_key(world: &World) -> TokenKey {
    let state = world.plane.store.state();
    let record = state.signing_keys.iter().next().unwrap();
    TokenKey::new(&record.id, &record.private).unwrap()
}

fn claims_of(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

async fn refused(world: &World, token: &str) -> Answer {
    let answer = world.ask_as(token, "GET", "/subscriptions", None).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{answer:?}");
    let challenge = answer.header("www-authenticate");
    let authority = format!("Bearer authorization_uri=\"{BASE}/{}\"", world.tenant());
    assert!(challenge.starts_with(&authority), "{challenge}");
    assert!(!answer.message().contains(token));
    answer
}

#[tokio::test]
async fn tokens_that_are_over_foreign_unsigned_or_for_others_let_nobody_in() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let someone = world.someone("ci", Some(("Owner", None))).await;
    let token = world.sign_in(&someone).await;
    let key = signing_key(&world);
    let good = claims_of(&token);
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        key.sign(&claims).unwrap()
    };
    let same = with("extra", json!(1));
    assert_eq!(
        world
            .ask_as(&same, "GET", "/subscriptions", None)
            .await
            .status,
        StatusCode::OK
    );
    let now = Clock.now().0 / 1000;
    for (bad, code) in [
        (with("exp", json!(now - 61)), "ExpiredAuthenticationToken"),
        (with("nbf", json!(now + 120)), "InvalidAuthenticationToken"),
        (
            with("aud", json!(format!("{BASE}/graph"))),
            "InvalidAuthenticationTokenAudience",
        ),
        (
            with("aud", json!("https://redis.azure.com")),
            "InvalidAuthenticationTokenAudience",
        ),
        (with("aud", json!([BASE])), "InvalidAuthenticationToken"),
        (with("iss", json!("nothing")), "InvalidAuthenticationToken"),
        (
            with("oid", json!(someone.application)),
            "InvalidAuthenticationToken",
        ),
        (
            with("appid", json!(someone.object)),
            "InvalidAuthenticationToken",
        ),
        (with("tid", json!("another")), "InvalidAuthenticationToken"),
        (
            with("godwit_secret", json!(someone.object)),
            "InvalidAuthenticationToken",
        ),
        (
            with("godwit_secret", Value::Null),
            "InvalidAuthenticationToken",
        ),
    ] {
        assert_eq!(refused(&world, &bad).await.code(), code, "{bad}");
    }
    let kid = keys(&world).await["keys"][0]["kid"]
        .as_str()
        .unwrap()
        .to_owned();
    let foreign = TokenKey::new(kid.clone(), &TokenKey::generate().unwrap()).unwrap();
    refused(&world, &foreign.sign(&good).unwrap()).await;
    let unknown = TokenKey::new("another", &TokenKey::generate().unwrap()).unwrap();
    refused(&world, &unknown.sign(&good).unwrap()).await;
    let parts: Vec<&str> = token.split('.').collect();
    let header = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    for algorithm in ["none", "None", "HS256"] {
        let header = header(json!({"alg": algorithm, "kid": kid, "typ": "JWT"}));
        for signature in ["", parts[2]] {
            refused(&world, &format!("{header}.{}.{signature}", parts[1])).await;
        }
    }
    for odd in ["a.b.c", "..", &format!("{}.{}.", parts[0], parts[1])] {
        refused(&world, odd).await;
    }
    // It opens no other door.
    let agents = Request::builder()
        .uri("/agents/v1/desired?region=eastus")
        .header("authorization", format!("Bearer {token}"));
    let answer = world.send(agents.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    refused(&world, AGENT_TOKEN).await;
    world.stop().await;
}

#[tokio::test]
async fn a_token_ends_with_its_principal_and_with_its_secret() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let someone = world.someone("ci", Some(("Reader", None))).await;
    let first = world.sign_in(&someone).await;
    let reset = format!("{}/reset", someone.path());
    let kept = world.ask("POST", &reset, Some(json!({"keep": true}))).await;
    let second = Someone::read(&kept);
    assert_ne!(second.secret, someone.secret);
    let by_second = world.sign_in(&second).await;
    for token in [&first, &by_second] {
        let answer = world.ask_as(token, "GET", "/subscriptions", None).await;
        assert_eq!(answer.status, StatusCode::OK);
    }
    world.sign_in(&someone).await;
    let third = Someone::read(&world.ask("POST", &reset, None).await);
    for token in [&first, &by_second] {
        refused(&world, token).await;
    }
    for old in [&someone, &second] {
        assert_eq!(world.try_sign_in(old).await.body["error"], "invalid_client");
    }
    let token = world.sign_in(&third).await;
    let gone = world.delete(&someone.path()).await;
    assert_eq!(gone.status, StatusCode::OK);
    refused(&world, &token).await;
    assert_eq!(
        world.try_sign_in(&third).await.body["error"],
        "invalid_client"
    );
    assert_eq!(world.plane.store.state().role_assignments.iter().count(), 0);
    world.stop().await;
}

#[tokio::test]
async fn keys_change_and_tokens_of_the_last_one_are_good_until_they_are_over() {
    const DAY: u64 = 24 * 60 * 60 * 1000;
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let someone = world.someone("ci", Some(("Reader", None))).await;
    let first = world.sign_in(&someone).await;
    let age = async |days: u64| {
        let state = world.plane.store.state();
        let aged = state
            .signing_keys
            .iter()
            .fold(Change::new(), |change, key| {
                let record = SigningKeyRecord {
                    created: Timestamp(key.created.0 - days * DAY),
                    ..SigningKeyRecord::clone(key)
                };
                change.replace(key, &record)
            });
        world.plane.store.commit(aged).await.unwrap();
    };
    let count = || world.plane.store.state().signing_keys.iter().count();
    let kid = |token: &str| {
        let header = URL_SAFE_NO_PAD
            .decode(token.split('.').next().unwrap())
            .unwrap();
        let header: Value = serde_json::from_slice(&header).unwrap();
        header["kid"].as_str().unwrap().to_owned()
    };
    age(7).await;
    // The next key is known to all before it signs.
    let before = world.sign_in(&someone).await;
    assert_eq!((count(), kid(&before)), (2, kid(&first)));
    age(1).await;
    let after = world.sign_in(&someone).await;
    assert_ne!(kid(&after), kid(&first));
    // By now the first key has signed nothing for a day, and is gone; it would have been kept for
    // as long as a token lasts.
    assert_eq!(count(), 1);
    let answer = world.ask_as(&after, "GET", "/subscriptions", None).await;
    assert_eq!(answer.status, StatusCode::OK);
    refused(&world, &first).await;
    world.stop().await;
}

#[tokio::test]
async fn the_last_key_is_believed_while_the_next_one_signs() {
    const HOUR: u64 = 60 * 60 * 1000;
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let someone = world.someone("ci", Some(("Reader", None))).await;
    let first = world.sign_in(&someone).await;
    let now = Clock.now();
    // As it is an hour and a half after the next key was made.
    let next = SigningKeyRecord {
        id: "next".to_owned(),
        created: Timestamp(now.0 - HOUR * 3 / 2),
        private: TokenKey::generate().unwrap(),
    };
    let state = world.plane.store.state();
    let old = state.signing_keys.iter().next().unwrap();
    let aged = SigningKeyRecord {
        created: Timestamp(now.0 - 7 * 24 * HOUR),
        ..SigningKeyRecord::clone(old)
    };
    let change = Change::new().replace(old, &aged).insert(&next);
    world.plane.store.commit(change).await.unwrap();
    let second = world.sign_in(&someone).await;
    let keys = keys(&world).await;
    assert_eq!(keys["keys"].as_array().unwrap().len(), 2);
    for token in [&first, &second] {
        let answer = world.ask_as(token, "GET", "/subscriptions", None).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_secret_is_shown_once_and_kept_as_a_digest() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let someone = world.someone("My CI", None).await;
    let secret = Secret::new(&*someone.secret);
    let digest = crate::records::service_principal::digest(&secret);
    for path in [PRINCIPALS.to_owned(), someone.path()] {
        let answer = world.get(&path).await;
        let text = answer.body.to_string();
        assert!(
            text.contains("My CI") && text.contains(&someone.object),
            "{text}"
        );
        assert!(
            !text.contains(&someone.secret) && !text.contains(digest.reveal()),
            "{text}"
        );
    }
    let state = world.plane.store.state();
    let record = state.service_principals.iter().next().unwrap();
    let stored = serde_json::to_string(&**record).unwrap();
    assert!(!stored.contains(&someone.secret) && stored.contains(digest.reveal()));
    assert!(!format!("{record:?}").contains(digest.reveal()));
    world.stop().await;
}

#[tokio::test]
async fn names_of_service_principals_are_checked_and_unique() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let someone = world.someone("ci", None).await;
    for (name, status) in [
        (json!("CI"), StatusCode::CONFLICT),
        (json!(""), StatusCode::BAD_REQUEST),
        (json!("a\nb"), StatusCode::BAD_REQUEST),
        (json!("x".repeat(121)), StatusCode::BAD_REQUEST),
        (json!(1), StatusCode::BAD_REQUEST),
        (Value::Null, StatusCode::BAD_REQUEST),
    ] {
        let answer = world
            .ask("POST", PRINCIPALS, Some(json!({ "name": name })))
            .await;
        assert_eq!(answer.status, status, "{name} {answer:?}");
    }
    let reset = format!("{}/reset", someone.path());
    for _ in 1..4 {
        let kept = world.ask("POST", &reset, Some(json!({"keep": true}))).await;
        assert_eq!(kept.status, StatusCode::OK);
    }
    let many = world.ask("POST", &reset, Some(json!({"keep": true}))).await;
    assert_eq!(many.status, StatusCode::CONFLICT);
    let nobody = world
        .get(&format!("{PRINCIPALS}/{}", world.plane.dice.guid()))
        .await;
    assert_eq!(
        (nobody.status, nobody.code()),
        (StatusCode::NOT_FOUND, "ServicePrincipalNotFound")
    );
    assert_eq!(world.delete(&someone.path()).await.status, StatusCode::OK);
    assert_eq!(
        world.delete(&someone.path()).await.status,
        StatusCode::NO_CONTENT
    );
    world.stop().await;
}
