use std::{net::SocketAddr, path::Path, sync::Arc};

use axum::{Router, extract::State, http::StatusCode, routing::post};
use model::{Secret, Timestamp};
use parking_lot::Mutex;
use runtime::tasks::Tasks;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    Config, WebhookConfig,
    activity::tests::refusal,
    harness::{World, config},
};

/// What a receiver was sent, and how many more of it it refuses.
#[derive(Default)]
struct Receiver {
    taken: Mutex<Vec<Value>>,
    refuses: Mutex<u32>,
    attempts: Mutex<u32>,
}

impl Receiver {
    async fn start(tasks: &Tasks) -> (Arc<Self>, SocketAddr) {
        let receiver = Arc::new(Self::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new()
            .route("/hook", post(take))
            .with_state(Arc::clone(&receiver));
        tasks.spawn("receiver", async move {
            axum::serve(listener, app).await.unwrap();
        });
        (receiver, address)
    }

    /// The operations that were taken, in order.
    fn names(&self) -> Vec<String> {
        let taken = self.taken.lock();
        let names = taken
            .iter()
            .map(|event| event["data"]["operationName"]["value"].as_str());
        names.map(|name| name.unwrap().to_owned()).collect()
    }
}

async fn take(State(receiver): State<Arc<Receiver>>, body: String) -> StatusCode {
    *receiver.attempts.lock() += 1;
    let mut refuses = receiver.refuses.lock();
    if *refuses > 0 {
        *refuses -= 1;
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    let event = serde_json::from_str(&body).unwrap();
    receiver.taken.lock().push(event);
    StatusCode::OK
}

fn with_hook(data: &Path, address: SocketAddr) -> Config {
    Config {
        webhook: Some(WebhookConfig {
            url: Secret::new(format!("http://{address}/hook")),
            secret: Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            authority: None,
        }),
        ..config(data)
    }
}

impl World {
    async fn make_group(&self, name: &str) {
        let path = format!("{}/resourcegroups/{name}", self.sub);
        let made = self.put(&path, json!({"location": "eastus"})).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    }
}

fn groups(receiver: &Receiver) -> Vec<String> {
    let taken = receiver.taken.lock();
    let groups = taken
        .iter()
        .map(|event| event["data"]["resourceGroupName"].as_str());
    groups.map(|group| group.unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_webhook_is_told_everything_in_order_through_failures_and_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let tasks = Tasks::new();
    let (receiver, address) = Receiver::start(&tasks).await;
    let world = World::start_as(with_hook(dir.path(), address)).await;
    let cursor = async || world.plane.history.cursor("webhook").await.unwrap();
    world.eventually("it has begun", cursor).await;
    world.make_group("g1").await;
    world
        .until("the first is told", || groups(&receiver) == ["g1"])
        .await;
    *receiver.refuses.lock() = 2;
    world.make_group("g2").await;
    world.make_group("g3").await;
    world
        .until("the rest is told", || {
            groups(&receiver) == ["g1", "g2", "g3"]
        })
        .await;
    let told = world.plane.webhook.as_ref().unwrap().told();
    assert_eq!((told.delivered, told.failures, told.failing), (3, 2, false));
    {
        let taken = receiver.taken.lock();
        assert_eq!(taken[0]["type"], "godwit.activity.operation");
        assert_eq!(taken[0]["timestamp"], taken[0]["data"]["eventTimestamp"]);
    }
    *receiver.refuses.lock() = u32::MAX;
    world.make_group("g4").await;
    let before = *receiver.attempts.lock();
    world
        .until("it is tried", || *receiver.attempts.lock() > before)
        .await;
    world.stop().await;

    // It goes on with what was not taken, and repeats nothing that was.
    *receiver.refuses.lock() = 0;
    let world = World::start_as(with_hook(dir.path(), address)).await;
    world
        .until("the last is told", || {
            groups(&receiver) == ["g1", "g2", "g3", "g4"]
        })
        .await;
    world.stop().await;
    assert!(tasks.stop(std::time::Duration::from_secs(10)).await);
}

#[tokio::test]
async fn what_is_too_old_is_given_up_and_that_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let tasks = Tasks::new();
    let (receiver, address) = Receiver::start(&tasks).await;
    *receiver.refuses.lock() = 1;
    let world = World::start_as(with_hook(dir.path(), address)).await;
    let cursor = async || world.plane.history.cursor("webhook").await.unwrap();
    world.eventually("it has begun", cursor).await;
    // Both happened long ago; the receiver refuses once.
    let old = ["a", "b"].map(|name| refusal(name, "Conflict"));
    assert!(
        world
            .plane
            .history
            .add_records(old.to_vec(), Timestamp(1))
            .await
    );
    let names = ["Godwit.Cache/webhook/giveUp"];
    world
        .until("it is told", || receiver.names() == names)
        .await;
    let told = world.plane.webhook.as_ref().unwrap().told();
    assert_eq!(told.given_up, 2);
    let text = receiver.taken.lock()[0]["data"]["description"].to_string();
    assert!(
        text.contains("2 records") && !text.contains("/hook"),
        "{text}"
    );
    world.stop().await;
    assert!(tasks.stop(std::time::Duration::from_secs(10)).await);
}
