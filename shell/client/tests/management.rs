//! The management client against a control plane that says what it is told to say.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::Response,
};
use client::{BuildError, Management, RequestError, Sight, WaitError, replication::SettingsChange};
use model::{CacheId, Compression, Secret};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Mutex};

const A: &str = "/subscriptions/5d0c4f30-0000-4000-8000-000000000001/resourceGroups/g/providers/Microsoft.Cache/Redis/a";
const OPERATION: &str =
    "/subscriptions/s/providers/Microsoft.Cache/locations/East%20US/asyncOperations/op-1";

/// Status, headers and body of one answer.
type Says = (u16, Vec<(&'static str, String)>, Value);

/// Answers by method and path; the last one is given again and again.
type Script = Arc<Mutex<BTreeMap<String, VecDeque<Says>>>>;

#[tokio::test]
async fn an_operation_is_followed_to_its_end() {
    let accepted = vec![
        (
            "azure-asyncoperation",
            format!("https://elsewhere.invalid{OPERATION}?api-version=2024-11-01"),
        ),
        ("location", "https://elsewhere.invalid/wrong".to_owned()),
    ];
    let progress = json!({"phase": "Syncing", "waitingFor": "`b` to load the full sync", "bytesDone": 5, "bytesTotal": 10});
    let management = serve([
        (
            format!("PUT {A}/linkedServers/b"),
            (201, accepted, json!({"name": "b"})),
        ),
        (
            format!("GET {OPERATION}"),
            says(
                200,
                json!({"name": "op-1", "status": "InProgress", "properties": progress}),
            ),
        ),
        (
            format!("GET {OPERATION}"),
            says(503, json!({"error": {"code": "Busy", "message": "later"}})),
        ),
        (
            format!("GET {OPERATION}"),
            says(
                200,
                json!({"name": "op-1", "status": "Succeeded", "properties": null}),
            ),
        ),
    ])
    .await;
    let (a, b) = (id("a"), id("b"));
    let started = management.put_link(&a, &b, "westus").await.unwrap();
    assert_eq!(started.json["name"], "b");
    let ticket = started.ticket.unwrap();
    assert_eq!(ticket.id(), "op-1");
    let (mut phases, mut outages) = (Vec::new(), 0);
    management
        .wait(&ticket, |sight| match sight {
            Sight::Progress(operation) => phases.push(operation.properties.clone()),
            Sight::Outage(_) => outages += 1,
        })
        .await
        .unwrap();
    assert_eq!((phases.len(), outages), (1, 1));
    assert_eq!(phases[0].phase.as_deref(), Some("Syncing"));
    assert_eq!(
        (phases[0].bytes_done, phases[0].bytes_total),
        (Some(5), Some(10))
    );
}

#[tokio::test]
async fn an_operation_that_fails_brings_its_reason() {
    let accepted = vec![("azure-asyncoperation", OPERATION.to_owned())];
    let error =
        json!({"code": "FailoverAborted", "message": "`b` did not apply every write in time"});
    let management = serve([
        (
            format!("PUT {A}/linkedServers/b"),
            (200, accepted, json!({})),
        ),
        (
            format!("GET {OPERATION}"),
            says(200, json!({"status": "Failed", "error": error})),
        ),
    ])
    .await;
    let started = management
        .put_link(&id("a"), &id("b"), "westus")
        .await
        .unwrap();
    let failed = management
        .wait(&started.ticket.unwrap(), |_| ())
        .await
        .unwrap_err();
    let WaitError::Failed { code, message } = failed else {
        panic!("{failed:?}");
    };
    assert_eq!(code, "FailoverAborted");
    assert_eq!(message, "`b` did not apply every write in time");
}

#[tokio::test]
async fn an_operation_nobody_knows_is_not_taken_for_a_success() {
    let accepted = vec![("azure-asyncoperation", OPERATION.to_owned())];
    let management = serve([(format!("DELETE {A}"), (202, accepted, Value::Null))]).await;
    let started = management.delete_cache(&id("a")).await.unwrap();
    assert_eq!(started.json, Value::Null);
    let error = management
        .wait(&started.ticket.unwrap(), |_| ())
        .await
        .unwrap_err();
    assert!(matches!(error, WaitError::Untold(_)), "{error:?}");
}

#[tokio::test]
async fn a_location_is_polled_until_it_is_no_longer_202() {
    let accepted = vec![("location", "/results/1".to_owned())];
    let management = serve([
        (format!("DELETE {A}"), (202, accepted, Value::Null)),
        (
            "GET /results/1".to_owned(),
            says(202, json!({"status": "InProgress"})),
        ),
        (
            "GET /results/1".to_owned(),
            says(200, json!({"status": "Succeeded"})),
        ),
    ])
    .await;
    let started = management.delete_cache(&id("a")).await.unwrap();
    let mut looks = 0;
    management
        .wait(&started.ticket.unwrap(), |_| looks += 1)
        .await
        .unwrap();
    assert_eq!(looks, 1);
}

#[tokio::test]
async fn what_is_done_at_once_has_no_ticket() {
    let own = vec![("location", A.to_owned())];
    let management = serve([
        (format!("DELETE {A}"), says(204, Value::Null)),
        (format!("PATCH {A}"), (200, own, json!({"name": "a"}))),
    ])
    .await;
    assert_eq!(
        management.delete_cache(&id("a")).await.unwrap().ticket,
        None
    );
    let patched = management
        .update_cache(&id("a"), &Default::default())
        .await
        .unwrap();
    assert_eq!(patched.ticket, None);
}

#[tokio::test]
async fn refusals_carry_status_code_and_message() {
    let management = serve([(
        format!("GET {A}"),
        says(
            404,
            json!({"error": {"code": "ResourceNotFound", "message": "no `a`", "target": null}}),
        ),
    )])
    .await;
    let error = management.cache(&id("a")).await.unwrap_err();
    assert!(error.is_not_found() && !error.is_outage());
    assert_eq!(
        (error.status(), error.code()),
        (Some(404), Some("ResourceNotFound"))
    );
    assert_eq!(error.to_string(), "no `a`");
}

#[tokio::test]
async fn something_else_on_the_port_is_named_as_such() {
    let management = serve([(format!("GET {A}"), says(200, json!(["hello"])))]).await;
    let error = management.cache(&id("a")).await.unwrap_err();
    assert!(matches!(error, RequestError::Foreign { .. }), "{error:?}");
    assert!(
        error
            .to_string()
            .ends_with("is that a godwit control plane?"),
        "{error}"
    );
}

#[tokio::test]
async fn lists_are_read_to_the_last_page() {
    let base = A.trim_end_matches("/Redis/a").to_owned() + "/redis";
    let cache = |name: &str| json!({"id": id(name).to_string(), "name": name});
    let management = serve([
        (
            format!("GET {base}"),
            says(
                200,
                json!({"value": [cache("a")], "nextLink": "http://elsewhere.invalid/more?token=x"}),
            ),
        ),
        (
            "GET /more".to_owned(),
            says(200, json!({"value": [cache("b")]})),
        ),
    ])
    .await;
    let a = id("a");
    let listed = management
        .caches(&a.subscription, Some(&a.group))
        .await
        .unwrap();
    let names: Vec<_> = listed
        .body
        .iter()
        .map(|cache| cache.name.to_string())
        .collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(listed.json.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_link_is_set_resumed_and_told_of() {
    let link = format!("{A}/linkedServers/b");
    let settings = json!({"id": "x", "compression": "off", "rateLimit": 1_000_000, "new": 1});
    let event = json!({"number": 7, "kind": "Stalled", "text": "why", "shard": null});
    let management = serve([
        (
            format!("GET {link}/replicationSettings"),
            says(200, settings.clone()),
        ),
        (
            format!("PATCH {link}/replicationSettings"),
            says(200, settings),
        ),
        (
            format!("POST {link}/acceptEmptySource"),
            says(200, json!({"state": "Unhealthy", "epoch": 5})),
        ),
        (
            format!("GET {link}/events"),
            says(200, json!({"value": [event]})),
        ),
    ])
    .await;
    let (a, b) = (id("a"), id("b").name);
    let shown = management.link_settings(&a, &b).await.unwrap().body;
    assert_eq!(shown.rate_limit, Some(1_000_000));
    let change = SettingsChange {
        compression: Some(Compression::Off),
        ..SettingsChange::default()
    };
    let changed = management.change_link_settings(&a, &b, &change).await;
    assert_eq!(changed.unwrap().body, shown);
    let resumed = management.accept_empty_source(&a, &b).await.unwrap().body;
    assert_eq!(resumed.epoch, Some(5));
    let events = management.link_events(&a, &b, Some(3), 10).await.unwrap();
    assert_eq!((events.body[0].number, events.body[0].shard), (7, None));
    assert_eq!(events.json[0]["kind"], "Stalled");
}

#[test]
fn a_token_does_not_travel_in_the_clear() {
    let error = Management::new("http://example.invalid", Secret::new("t")).unwrap_err();
    assert!(matches!(error, BuildError::Plaintext { .. }), "{error}");
}

fn id(name: &str) -> CacheId {
    format!("{}/{name}", A.trim_end_matches("/a"))
        .parse()
        .unwrap()
}

fn says(status: u16, body: Value) -> Says {
    (status, Vec::new(), body)
}

async fn serve(answers: impl IntoIterator<Item = (String, Says)>) -> Management {
    let script = Script::default();
    for (request, answer) in answers {
        script
            .lock()
            .await
            .entry(request)
            .or_default()
            .push_back(answer);
    }
    let app = Router::new().fallback(answer).with_state(script);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    spawn(async move { axum::serve(listener, app).await.unwrap() });
    Management::new(&url, Secret::new("t")).unwrap()
}

async fn answer(State(script): State<Script>, request: Request) -> Response<Body> {
    let key = format!("{} {}", request.method(), request.uri().path());
    let mut script = script.lock().await;
    let (status, headers, body) = match script.get_mut(&key) {
        Some(queue) if queue.len() > 1 => queue.pop_front().unwrap(),
        Some(queue) => queue.front().cloned().unwrap(),
        None => says(
            404,
            json!({"error": {"code": "NotFound", "message": format!("no {key}")}}),
        ),
    };
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    response.body(Body::from(body)).unwrap()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the fake ends with the test's runtime"
)]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}
