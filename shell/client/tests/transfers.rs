//! What agents send when they are asked for it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io;

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Path, State},
    routing::post,
};
use client::Agents;
use model::Secret;
use serde_json::Value;
use tokio::{net::TcpListener, sync::mpsc};

/// What came: of which transfer, and what; nothing when the body broke off.
type Came = (String, Option<String>);

async fn transfer(State(came): State<mpsc::Sender<Came>>, Path(id): Path<String>, body: Body) {
    // The head is here before any byte of the body.
    came.send((id.clone(), Some("begun".to_owned())))
        .await
        .unwrap();
    let body = axum::body::to_bytes(body, usize::MAX).await.ok();
    let body = body.map(|body| String::from_utf8(body.to_vec()).unwrap());
    came.send((id, body)).await.unwrap();
}

async fn refused(
    State(came): State<mpsc::Sender<Came>>,
    Path(id): Path<String>,
    Json(refusal): Json<Value>,
) {
    let why = refusal["why"].as_str().map(str::to_owned);
    came.send((id, why)).await.unwrap();
}

#[tokio::test]
async fn a_body_is_sent_as_it_is_made() {
    let (agents, mut came) = serve().await;
    let (pieces, body) = mpsc::channel(1);
    let making = async {
        let begun = came.recv().await;
        for piece in ["one ", "two"] {
            pieces
                .send(Ok(Bytes::from_static(piece.as_bytes())))
                .await
                .unwrap();
        }
        drop(pieces);
        (begun, came.recv().await)
    };
    let (sent, (begun, whole)) = tokio::join!(agents.transfer("t-1", body), making);
    sent.unwrap();
    let of = |text: &str| Some(("t-1".to_owned(), Some(text.to_owned())));
    assert_eq!((begun, whole), (of("begun"), of("one two")));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_not_taken_for_whole() {
    let (agents, mut came) = serve().await;
    let (pieces, body) = mpsc::channel(1);
    let making = async {
        pieces.send(Ok(Bytes::from_static(b"half"))).await.unwrap();
        // A body that fails before anything is sent is not heard of at all.
        let begun = came.recv().await;
        let broken = io::Error::other("the disk failed");
        pieces.send(Err(broken)).await.unwrap();
        begun
    };
    let (sent, begun) = tokio::join!(agents.transfer("t-2", body), making);
    assert!(sent.unwrap_err().is_outage());
    assert!(begun.is_some());
    assert_eq!(came.recv().await, Some(("t-2".to_owned(), None)));
}

#[tokio::test]
async fn a_refusal_says_why() {
    let (agents, mut came) = serve().await;
    agents.refuse_transfer("t-3", "it is gone").await.unwrap();
    let expected = ("t-3".to_owned(), Some("it is gone".to_owned()));
    assert_eq!(came.recv().await, Some(expected));
}

async fn serve() -> (Agents, mpsc::Receiver<Came>) {
    let (came, taken) = mpsc::channel(8);
    let app = Router::new()
        .route("/agents/v1/transfers/{id}", post(transfer))
        .route("/agents/v1/transfers/{id}/refused", post(refused))
        .with_state(came);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    spawn(async move { axum::serve(listener, app).await.unwrap() });
    (Agents::new(&url, Secret::new("t")).unwrap(), taken)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the fake ends with the test's runtime"
)]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}
