//! Keys that are asked for: discovered, changed, taken back, and out of reach.

use std::time::Duration;

use runtime::tasks::Tasks;
use serde_json::json;
use tokens::{
    AFTER_FAILURE, Algorithm, CALM, FRESH, LAST, TokenError, Verifier,
    testing::{SigningKey, TestIssuer},
};
use tokio::time::{advance, pause, resume};

use crate::rig::{HOLDER, HOUR, NOW};

struct World {
    tasks: Tasks,
    issuer: TestIssuer,
    old: SigningKey,
    new: SigningKey,
    verifier: Verifier,
}

impl World {
    async fn start() -> Self {
        let tasks = Tasks::new();
        let (old, new) = (
            SigningKey::new("old", Algorithm::Es256),
            SigningKey::new("new", Algorithm::Es256),
        );
        let issuer = TestIssuer::start(&tasks, &[&old]).await;
        let verifier = Verifier::new(&[issuer.rules()], tasks.clone());
        Self {
            tasks,
            issuer,
            old,
            new,
            verifier,
        }
    }

    async fn show(&self, key: &SigningKey) -> Result<(), TokenError> {
        let token = self.issuer.token(key, HOLDER, NOW, HOUR);
        self.verifier.verify(HOLDER, &token, NOW).await.map(drop)
    }

    /// Waits until nothing is fetched; it was that often by then.
    async fn fetched(&self, times: u32) {
        self.verifier.settled().await;
        assert_eq!(self.issuer.fetched(), times);
    }

    async fn stop(self) {
        assert!(self.tasks.stop(Duration::from_secs(5)).await);
    }
}

/// Lets time pass for whoever counts it, and for nobody on the network.
async fn pass(time: Duration) {
    pause();
    advance(time).await;
    resume();
}

fn is_unknown(error: &TokenError) -> bool {
    matches!(error, TokenError::UnknownKey { .. })
}

#[tokio::test]
async fn keys_are_discovered_once_for_many_tokens() {
    let world = World::start().await;
    let all = (0..20).map(|_| world.show(&world.old));
    for shown in futures_of(all).await {
        shown.unwrap();
    }
    assert_eq!(world.issuer.fetched(), 1);
    world.stop().await;
}

/// All at the same time.
async fn futures_of<F: Future<Output = Result<(), TokenError>>>(
    all: impl Iterator<Item = F>,
) -> Vec<Result<(), TokenError>> {
    let mut all: Vec<_> = all.map(Box::pin).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|cx| {
        all.retain_mut(|one| match one.as_mut().poll(cx) {
            std::task::Poll::Ready(shown) => {
                done.push(shown);
                false
            }
            std::task::Poll::Pending => true,
        });
        if all.is_empty() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    done
}

#[tokio::test]
async fn a_new_key_is_asked_for_and_both_count_while_both_are_published() {
    let world = World::start().await;
    world.show(&world.old).await.unwrap();
    world.issuer.publish(&[&world.old, &world.new]);
    // Too early to ask again.
    assert!(is_unknown(&world.show(&world.new).await.unwrap_err()));
    pass(CALM).await;
    world.show(&world.new).await.unwrap();
    world.show(&world.old).await.unwrap();
    assert_eq!(world.issuer.fetched(), 2);
    world.stop().await;
}

#[tokio::test]
async fn a_key_that_is_taken_back_counts_until_the_next_look() {
    let world = World::start().await;
    world.show(&world.old).await.unwrap();
    world.issuer.publish(&[&world.new]);
    world.show(&world.old).await.unwrap();
    pass(FRESH).await;
    // Still answered at once, and looked at meanwhile.
    world.show(&world.old).await.unwrap();
    world.fetched(2).await;
    assert!(is_unknown(&world.show(&world.old).await.unwrap_err()));
    world.show(&world.new).await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn unknown_keys_do_not_make_the_issuer_be_asked() {
    let world = World::start().await;
    world.show(&world.old).await.unwrap();
    for round in 1..=3 {
        for _ in 0..50 {
            let error = world.show(&world.new).await.unwrap_err();
            assert!(is_unknown(&error), "{error}");
        }
        assert!(
            world.issuer.fetched() <= round,
            "{}",
            world.issuer.fetched()
        );
        pass(CALM).await;
    }
    world.stop().await;
}

#[tokio::test]
async fn an_issuer_out_of_reach_is_bridged_for_a_day() {
    let world = World::start().await;
    world.show(&world.old).await.unwrap();
    world.issuer.break_with(Some(503));
    pass(FRESH).await;
    world.show(&world.old).await.unwrap();
    world.fetched(2).await;
    pass(LAST - FRESH - Duration::from_secs(60)).await;
    world.show(&world.old).await.unwrap();
    world.verifier.settled().await;
    pass(Duration::from_secs(61)).await;
    let error = world.show(&world.old).await.unwrap_err();
    assert!(matches!(error, TokenError::NoKeys { .. }), "{error}");
    assert!(error.is_transient());
    world.verifier.settled().await;
    world.issuer.break_with(None);
    pass(AFTER_FAILURE).await;
    world.show(&world.old).await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn who_gives_up_waiting_does_not_end_the_fetch() {
    let world = World::start().await;
    // Dropped at once, before there is an answer.
    let token = world.issuer.token(&world.old, HOLDER, NOW, HOUR);
    let mut asked = Box::pin(world.verifier.verify(HOLDER, &token, NOW));
    std::future::poll_fn(|cx| {
        let _pending = asked.as_mut().poll(cx);
        std::task::Poll::Ready(())
    })
    .await;
    drop(asked);
    world.show(&world.old).await.unwrap();
    assert_eq!(world.issuer.fetched(), 1);
    world.stop().await;
}

#[tokio::test]
async fn answers_that_are_not_the_issuers_are_refused() {
    let world = World::start().await;
    let name = world.issuer.name().to_owned();
    let keys = format!("{name}/keys");
    for document in [
        json!({}),
        json!([]),
        json!({"issuer": name}),
        json!({"issuer": format!("{name}/"), "jwks_uri": keys}),
        json!({"issuer": "https://other.test", "jwks_uri": keys}),
        json!({"issuer": name, "jwks_uri": "file:///etc/passwd"}),
        json!({"issuer": name, "jwks_uri": "http://keys.test/keys"}),
        json!({"issuer": name, "jwks_uri": 1}),
        json!({"issuer": name, "jwks_uri": keys, "pad": "x".repeat(300_000)}),
    ] {
        world.issuer.serve_document(document.clone());
        let fresh = Verifier::new(&[world.issuer.rules()], world.tasks.clone());
        let token = world.issuer.token(&world.old, HOLDER, NOW, HOUR);
        let error = fresh.verify(HOLDER, &token, NOW).await.unwrap_err();
        assert!(
            matches!(error, TokenError::NoKeys { .. }),
            "{document}: {error}"
        );
    }
    world.stop().await;
}

#[tokio::test]
async fn key_sets_that_are_none_leave_the_keys_before() {
    let world = World::start().await;
    world.show(&world.old).await.unwrap();
    for (count, bad) in (2..).zip(["", "{}", r#"{"keys":[]}"#, &"x".repeat(300_000)]) {
        world.issuer.serve_keys(bad.to_owned());
        pass(FRESH).await;
        world.show(&world.old).await.unwrap();
        world.fetched(count).await;
    }
    // A redirection is no answer: whoever redirects could be anybody.
    world.issuer.break_with(Some(302));
    pass(FRESH).await;
    world.show(&world.old).await.unwrap();
    world.verifier.settled().await;
    world.show(&world.old).await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn the_same_issuers_again_keep_their_keys() {
    let world = World::start().await;
    world.show(&world.old).await.unwrap();
    world.verifier.replace(&[world.issuer.rules()]);
    world.show(&world.old).await.unwrap();
    assert_eq!(world.issuer.fetched(), 1);
    let mut narrower = world.issuer.rules();
    narrower.audiences = vec!["else".to_owned()];
    world.verifier.replace(&[narrower]);
    let error = world.show(&world.old).await.unwrap_err();
    assert!(matches!(error, TokenError::Audience { .. }), "{error}");
    world.stop().await;
}
