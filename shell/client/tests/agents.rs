//! The agents' client against a control plane of a few lines.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use axum::{
    Json, Router,
    extract::Query,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use client::{Agents, RequestError};
use model::{
    LinkId, PromotionAnswer, PromotionRequest, Region, RegionChanges, RegionDesired,
    RegionObserved, ReportAnswer, Secret, StoreId,
};
use serde::Deserialize;
use tokio::net::TcpListener;

#[derive(Deserialize)]
struct Asked {
    region: Region,
    after: Option<u64>,
    wait_ms: u64,
    changes: Option<bool>,
}

async fn desired(headers: HeaderMap, Query(asked): Query<Asked>) -> Result<Response, StatusCode> {
    if headers.get("authorization").unwrap() != "Bearer t" {
        return Err(StatusCode::UNAUTHORIZED);
    }
    assert_eq!(asked.region.as_str(), "eastus");
    assert!([0, 20_000].contains(&asked.wait_ms));
    match (asked.after, asked.changes) {
        (None, None) => Ok(Json(told(7)).into_response()),
        (Some(7), None) => Err(StatusCode::NO_CONTENT),
        (Some(7), Some(true)) => Ok(changes(7, 9)),
        // Not what it was asked for.
        (Some(9), Some(true)) => Ok(changes(8, 10)),
        (after, _) => panic!("asked after {after:?}"),
    }
}

fn told(generation: u64) -> RegionDesired {
    RegionDesired {
        store: StoreId::new("s"),
        generation,
        zone: "redis.example".to_owned(),
        issuers: Vec::new(),
        caches: Vec::new(),
    }
}

fn changes(since: u64, generation: u64) -> Response {
    let changes = RegionChanges {
        store: StoreId::new("s"),
        generation,
        since,
        caches: Vec::new(),
    };
    (StatusCode::PARTIAL_CONTENT, Json(changes)).into_response()
}

async fn promote(Json(request): Json<PromotionRequest>) -> Json<PromotionAnswer> {
    Json(PromotionAnswer {
        promoted: request.attempt == 3,
    })
}

async fn report(Json(observed): Json<RegionObserved>) -> Json<ReportAnswer> {
    assert_eq!(observed.generation, 7);
    Json(ReportAnswer::default())
}

#[tokio::test]
async fn desired_tells_news_from_no_news() {
    let agents = serve().await;
    let region = "eastus".parse().unwrap();
    let wait = Duration::from_secs(20);
    let news = agents.desired(&region, None, wait).await.unwrap().unwrap();
    assert_eq!(news.generation, 7);
    let none = agents.desired(&region, Some(7), wait).await.unwrap();
    assert_eq!(none, None);
}

#[tokio::test]
async fn changes_are_taken_in_and_everything_is_asked_for_where_they_do_not_fit() {
    let agents = serve().await;
    let region = "eastus".parse().unwrap();
    let wait = Duration::from_secs(20);
    let after = async |generation| {
        let known = told(generation);
        let news = agents.desired_after(&region, &known, wait).await;
        news.unwrap().unwrap()
    };
    assert_eq!(after(7).await, told(9));
    assert_eq!(after(9).await, told(7));
}

#[tokio::test]
async fn promote_brings_the_decision() {
    let agents = serve().await;
    let mut request = PromotionRequest {
        link: LinkId::new("l"),
        attempt: 3,
        barriers: Vec::new(),
    };
    assert!(agents.promote(&request).await.unwrap().promoted);
    request.attempt = 2;
    assert!(!agents.promote(&request).await.unwrap().promoted);
}

#[tokio::test]
async fn report_is_taken() {
    let agents = serve().await;
    let observed = RegionObserved {
        region: "eastus".parse().unwrap(),
        generation: 7,
        relay_address: None,
        engine: None,
        problem: None,
        caches: Vec::new(),
        events: Vec::new(),
    };
    agents.report(&observed).await.unwrap();
}

#[tokio::test]
async fn an_absent_control_plane_is_an_outage_with_advice() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let agents = Agents::new(&url, Secret::new("hunter2")).unwrap();
    let region = "eastus".parse().unwrap();
    let error = agents
        .desired(&region, None, Duration::ZERO)
        .await
        .unwrap_err();
    assert!(
        matches!(error, RequestError::NothingListens { .. }),
        "{error:?}"
    );
    assert!(error.is_outage());
    assert_eq!(
        error.to_string(),
        format!("nothing listens at {url}; is `godwit up` running?")
    );
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_wrong_token_is_refused_and_no_outage() {
    let agents = serve_with_token("wrong").await;
    let region = "eastus".parse().unwrap();
    let error = agents
        .desired(&region, None, Duration::from_secs(20))
        .await
        .unwrap_err();
    assert_eq!(error.status(), Some(401));
    assert!(!error.is_outage(), "{error:?}");
}

async fn serve() -> Agents {
    serve_with_token("t").await
}

async fn serve_with_token(token: &str) -> Agents {
    let app = Router::new()
        .route("/agents/v1/desired", get(desired))
        .route("/agents/v1/promotions", post(promote))
        .route("/agents/v1/report", post(report));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    spawn(async move { axum::serve(listener, app).await.unwrap() });
    Agents::new(&url, Secret::new(token)).unwrap()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the fake ends with the test's runtime"
)]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}
