use axum::{
    body::{Body, Bytes},
    http::{Request, StatusCode},
};
use futures_util::stream;
use model::{
    Asked, CacheObserved, DatabaseLoss, Epoch, LinkId, Receipt, ReportAnswer, ShardIndex,
    ShardStanding, Timestamp, Wanted,
};
use serde_json::{Value, json};

use crate::harness::{AGENT_TOKEN, Agent, Answer, World, position, region};

fn receipt(link: LinkId) -> Receipt {
    Receipt {
        cache: "east".parse().unwrap(),
        link,
        epoch: Epoch(7),
        shard: ShardIndex(0),
        from: position(100),
        to: position(150),
        file_bytes: 73,
        commands: 2,
        transactions: 1,
        keys: 2,
        databases: vec![DatabaseLoss {
            database: Some(0),
            commands: 2,
            keys: 2,
        }],
        first: Some(Timestamp(1_000)),
        last: None,
        end_is_known: true,
        missing: None,
        saved: Timestamp(2_000),
    }
}

impl World {
    /// Has east keep a receipt.
    async fn keep(&self, east: &Agent) {
        let receipt = receipt(self.the_link().id);
        east.set(|b| b.lost_writes = vec![receipt]);
        self.until("the receipt is told", || !self.kept().is_empty())
            .await;
    }

    fn kept(&self) -> Vec<Receipt> {
        let seen = self.plane.observations.seen();
        let uid = &self.the_link().primary.uid;
        let cache = seen.cache(&region("eastus"), uid);
        cache.map_or_else(Vec::new, |cache: &CacheObserved| cache.lost_writes.clone())
    }

    fn receipts(&self, rest: &str) -> String {
        format!("{}/lostWrites{rest}", self.cache("east"))
    }

    /// What the agent of east is asked for, once it is.
    async fn asked(&self) -> Asked {
        self.eventually("something is asked of the agent", async || {
            let seen = self.plane.observations.seen();
            let report = seen.last(&region("eastus")).unwrap().report.clone();
            let answer: ReportAnswer = self.report(&report).await;
            answer.asked.into_iter().next()
        })
        .await
    }

    async fn transfer(&self, rest: &str, body: Body) -> Answer {
        let request = Request::builder()
            .method("POST")
            .uri(format!("/agents/v1/transfers/{rest}"))
            .header("authorization", format!("Bearer {AGENT_TOKEN}"))
            .body(body)
            .unwrap();
        self.send(request).await
    }
}

#[tokio::test]
async fn receipts_are_shown_below_cache_and_link() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, _west) = World::with_link(dir.path()).await;
    let none = world.get(&world.receipts("")).await;
    assert_eq!(none.body, json!({"value": []}));
    world.keep(&east).await;
    let place = |offset| json!({"replid": "a".repeat(40), "offset": offset});
    let expected = json!({
        "name": "east-7", "cache": "east", "link": world.the_link().id, "region": "East US",
        "present": true, "epoch": 7, "shard": 0, "from": place(100), "to": place(150),
        "fileBytes": 73, "commands": 2, "transactions": 1, "keys": 2,
        "databases": [{"database": 0, "commands": 2, "keys": 2}],
        "first": "1970-01-01T00:00:01Z", "last": null, "endIsKnown": true, "missing": null,
        "saved": "1970-01-01T00:00:02Z",
    });
    let list = json!({"value": [expected]});
    assert_eq!(world.get(&world.receipts("")).await.body, list);
    let of_link = format!("{}/linkedServers/east/lostWrites", world.cache("west"));
    assert_eq!(world.get(&of_link).await.body, list);
    assert_eq!(world.get(&world.receipts("/EAST-7")).await.body, expected);
    let unknown = world.get(&world.receipts("/east-8")).await;
    assert_eq!(unknown.code(), "ResourceNotFound");
    let status = format!("{}/linkedServers/west/runtimeStatus", world.cache("east"));
    let status = world.get(&status).await.body;
    assert_eq!(status["lostWrites"], json!(["east-7"]));
    // The agent is gone, and what it told is known still.
    world.kill(&east, "eastus").await;
    let gone = world.get(&world.receipts("/east-7")).await.body;
    assert_eq!(gone["present"], false);
    let unseen = world.get(&world.receipts("/east-7/content")).await;
    assert_eq!(
        (unseen.status, unseen.code()),
        (StatusCode::CONFLICT, "AgentUnseen")
    );
    world.stop().await;
}

#[tokio::test]
async fn contents_are_piped_from_the_agent() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, _west) = World::with_link(dir.path()).await;
    world.keep(&east).await;
    let since = format!(
        "{}/writtenSince?shard=0&position={}:9",
        world.cache("east"),
        "b".repeat(40)
    );
    let lost_writes = Wanted::LostWrites {
        receipt: "east-7".to_owned(),
    };
    let lost_keys = Wanted::LostKeys {
        receipt: "east-7".to_owned(),
    };
    for (path, wanted) in [
        (world.receipts("/east-7/content"), Some(lost_writes)),
        (world.receipts("/east-7/keys"), Some(lost_keys)),
        (since, None),
    ] {
        let sent = async {
            let asked = world.asked().await;
            match wanted {
                Some(wanted) => assert_eq!(asked.what, wanted),
                None => assert!(matches!(asked.what, Wanted::WrittenSince { .. })),
            }
            assert_eq!(asked.cache, world.the_link().primary.uid);
            let pieces = (0..50).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(b"*1\r\n")));
            let body = Body::from_stream(stream::iter(pieces));
            world.transfer(&asked.id, body).await
        };
        let (got, sent) = tokio::join!(world.get(&path), sent);
        assert_eq!(sent.status, StatusCode::OK, "{sent:?}");
        assert_eq!(got.status, StatusCode::OK, "{got:?}");
        assert_eq!(got.header("content-type"), "application/octet-stream");
        assert_eq!(got.body, Value::String("*1\r\n".repeat(50)));
    }
    for bad in ["position=b", "position=b:1", "shard=x&position=b:1", ""] {
        let path = format!("{}/writtenSince?{bad}", world.cache("east"));
        let refused = world.get(&path).await;
        assert_eq!(
            refused.status,
            StatusCode::BAD_REQUEST,
            "{bad}: {refused:?}"
        );
    }
    let late = world.transfer("nobody", Body::empty()).await;
    assert_eq!(late.code(), "TransferNotFound");
    world.stop().await;
}

#[tokio::test]
async fn an_agent_s_refusal_is_passed_on_and_a_discard_waits_for_its_report() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, _west) = World::with_link(dir.path()).await;
    world.keep(&east).await;
    let refuse = async {
        let asked = world.asked().await;
        let why = json!({"why": "the disk does not answer"}).to_string();
        world
            .transfer(&format!("{}/refused", asked.id), Body::from(why))
            .await
    };
    let path = world.receipts("/east-7/content");
    let (got, refused) = tokio::join!(world.get(&path), refuse);
    assert_eq!(refused.status, StatusCode::OK, "{refused:?}");
    assert_eq!(got.status, StatusCode::CONFLICT, "{got:?}");
    assert!(
        got.message().contains("the disk does not answer"),
        "{}",
        got.message()
    );

    let discard = async {
        let asked = world.asked().await;
        let wanted = Wanted::Discard {
            receipt: "east-7".to_owned(),
        };
        assert_eq!(asked.what, wanted);
        let done = world.transfer(&asked.id, Body::empty()).await;
        assert_eq!(done.status, StatusCode::OK, "{done:?}");
        east.set(|b| b.lost_writes.clear());
    };
    let path = world.receipts("/east-7");
    let (gone, ()) = tokio::join!(world.delete(&path), discard);
    assert_eq!(gone.status, StatusCode::OK, "{gone:?}");
    assert!(world.kept().is_empty());
    assert_eq!(world.delete(&path).await.status, StatusCode::NOT_FOUND);
    world.stop().await;
}

#[tokio::test]
async fn people_have_to_say_what_may_be_lost_for_good_and_that_they_have_seen_it() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, _west) = World::with_link(dir.path()).await;
    let say = async |word: &str| {
        let path = format!("{}/linkedServers/west/{word}", world.cache("east"));
        world.ask("POST", &path, None).await
    };
    let nobody = say("acceptUnsaved").await;
    assert_eq!(nobody.status, StatusCode::CONFLICT, "{nobody:?}");
    let why = "the journal does not reach back".to_owned();
    east.set(|b| b.secondary = Some(ShardStanding::Unsaved { why }));
    let forced = world
        .fail_over("west", "east", json!({"force": true}))
        .await;
    world.done(&forced).await;
    let accepted = world
        .eventually("it asks", async || {
            let accepted = say("acceptUnsaved").await;
            (accepted.status == StatusCode::OK).then_some(accepted)
        })
        .await;
    assert_eq!(
        accepted.body["rejoin"]["why"],
        "the journal does not reach back"
    );
    let link = world.the_link();
    assert_eq!(link.accept_unsaved, Some(link.epoch));
    let fork = json!({
        "epoch": link.epoch,
        "positions": [{"replid": "a".repeat(40), "offset": 100}],
    });
    assert_eq!(accepted.body["fork"], fork);
    let acknowledged = say("acknowledgeAutoFailover").await;
    assert_eq!(acknowledged.status, StatusCode::OK);
    assert_eq!(acknowledged.body["autoFailover"], Value::Null);
    assert_eq!(acknowledged.body["lease"], json!({"heldMs": null}));
    world.stop().await;
}
