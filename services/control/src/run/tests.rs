use std::time::Duration;

use model::Secret;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::*;
use crate::harness::{AGENT_TOKEN, TOKEN, config};

async fn refusal(config: Config) -> String {
    match build(config, Clock, Dice::from_seed(1)).await {
        Ok(_) => panic!("built"),
        Err(error) => runtime::chain(&error).to_string(),
    }
}

#[tokio::test]
async fn what_cannot_be_served_safely_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut open = config(dir.path());
    open.listen = "0.0.0.0:0".parse().unwrap();
    let refused = refusal(open).await;
    assert!(
        refused.contains("loopback") && refused.contains("--https 0.0.0.0:0"),
        "{refused}"
    );
    let mut named = config(dir.path());
    named.api.names = vec!["https://godwit.example".to_owned()];
    let refused = refusal(named).await;
    assert!(
        refused.contains("`https://godwit.example` is neither"),
        "{refused}"
    );
    let mut same = config(dir.path());
    same.agent_token = Secret::new(TOKEN);
    assert!(refusal(same).await.contains("different"));
    let mut nowhere = config(dir.path());
    nowhere.regions.clear();
    assert!(refusal(nowhere).await.contains("no region"));
    let mut zoneless = config(dir.path());
    zoneless.zone = "Zone.test".to_owned();
    assert!(
        refusal(zoneless)
            .await
            .contains("`Zone.test` is no DNS zone")
    );
}

#[tokio::test]
async fn a_taken_address_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut wants = config(dir.path());
    wants.listen = taken.local_addr().unwrap();
    let refused = refusal(wants.clone()).await;
    assert!(refused.contains(&wants.listen.to_string()), "{refused}");
    assert!(refused.contains("something else listens"), "{refused}");
}

#[tokio::test]
async fn a_store_with_caches_elsewhere_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), &Dice::from_seed(1)).await.unwrap();
    let cache = crate::records::tests::cache("far", "japaneast");
    store.commit(Change::new().insert(&cache)).await.unwrap();
    drop(store);
    let refused = refusal(config(dir.path())).await;
    assert!(
        refused.contains("`far`") && refused.contains("`japaneast`"),
        "{refused}"
    );
}

async fn ask(address: SocketAddr, path: &str, token: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn serves_on_its_address_until_it_is_told_to_stop() {
    let dir = tempfile::tempdir().unwrap();
    let control = build(config(dir.path()), Clock, Dice::from_seed(1))
        .await
        .unwrap();
    let address = control.address();
    let plane = Arc::clone(&control.plane);
    let tasks = Tasks::new();
    tasks.spawn_until_done("control", control.run(tasks.child()));
    let answer = ask(address, "/subscriptions?api-version=2022-12-01", TOKEN).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("\"displayName\":\"Godwit\""), "{answer}");
    // A long poll that is under way does not keep it from stopping.
    let first = ask(address, "/agents/v1/desired?region=eastus", AGENT_TOKEN).await;
    assert!(first.contains("\"generation\":2"), "{first}");
    let mut idle = TcpStream::connect(address).await.unwrap();
    let poll = format!(
        "GET /agents/v1/desired?region=eastus&after=2&wait_ms=60000 HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {AGENT_TOKEN}\r\n\r\n"
    );
    idle.write_all(poll.as_bytes()).await.unwrap();
    let arrived = async {
        while plane.desired.polls(&config(dir.path()).regions[0]) == 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), arrived).await.unwrap();
    assert!(tasks.stop(Duration::from_secs(10)).await, "did not stop");
    let mut rest = String::new();
    idle.read_to_string(&mut rest).await.unwrap();
    assert!(
        rest.is_empty() || rest.starts_with("HTTP/1.1 204"),
        "{rest}"
    );
    // The store and the address are free again, and the subscription is the same.
    let before = first.split("\"store\":\"").nth(1).unwrap()[..36].to_owned();
    let again = build(config(dir.path()), Clock, Dice::from_seed(2))
        .await
        .unwrap();
    let plane = again.into_plane();
    assert_eq!(plane.store.id().as_str(), before);
    assert_eq!(plane.store.state().subscriptions.iter().count(), 1);
}
