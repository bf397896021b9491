use futures_util::{TryStreamExt as _, stream};

use super::*;

fn wanted() -> Wanted {
    Wanted::LostWrites {
        receipt: "east-7".to_owned(),
    }
}

fn ask(transfers: &Transfers, id: &str) -> Option<Awaited> {
    let region = "eastus".parse().unwrap();
    transfers.ask(id.to_owned(), &region, &CacheUid::new("c"), wanted())
}

fn bytes(text: &'static str) -> io::Result<Bytes> {
    Ok(Bytes::from_static(text.as_bytes()))
}

#[tokio::test]
async fn a_body_goes_through_piece_by_piece_and_whole() {
    let transfers = Transfers::new();
    let awaited = ask(&transfers, "t").unwrap();
    let asked = transfers.asked_of(&"eastus".parse().unwrap());
    assert_eq!((asked.len(), asked[0].id.as_str()), (1, "t"));
    assert!(transfers.asked_of(&"westus".parse().unwrap()).is_empty());
    let sending = transfers.take("t").unwrap();
    assert!(transfers.take("t").is_none(), "once");
    assert!(transfers.asked_of(&"eastus".parse().unwrap()).is_empty());
    let pieces = awaited.body().await.unwrap();
    let body = (0..100).map(|_| bytes("abc"));
    let all = async {
        let all: Vec<_> = pieces.into_stream().try_collect().await.unwrap();
        all.concat()
    };
    let (sent, all) = tokio::join!(sending.run(stream::iter(body)), all);
    assert_eq!((sent, all.len()), (Sent::Whole, 300));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_not_taken_for_the_whole() {
    let transfers = Transfers::new();
    let awaited = ask(&transfers, "t").unwrap();
    let sending = transfers.take("t").unwrap();
    let pieces = awaited.body().await.unwrap();
    let body = [bytes("abc"), Err(io::Error::other("the disk"))];
    assert_eq!(sending.run(stream::iter(body)).await, Sent::BrokenOff);
    let all: Result<Vec<_>, _> = pieces.into_stream().try_collect().await;
    assert!(all.is_err());
    // The agent's request that ends with its connection, too.
    let awaited = ask(&transfers, "u").unwrap();
    drop(transfers.take("u").unwrap());
    let pieces = awaited.body().await.unwrap();
    assert!(!pieces.whole().await);
}

#[tokio::test]
async fn who_goes_away_ends_the_other_s_side() {
    let transfers = Transfers::new();
    let awaited = ask(&transfers, "t").unwrap();
    let sending = transfers.take("t").unwrap();
    drop(awaited.body().await.unwrap());
    let endless = stream::pending::<io::Result<Bytes>>();
    assert_eq!(sending.run(endless).await, Sent::NobodyWaits);
    // Before it has begun.
    drop(ask(&transfers, "u").unwrap());
    assert!(transfers.take("u").is_none());
    assert!(!transfers.refuse("u", "gone".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_begin_or_stands_still_is_given_up() {
    let transfers = Transfers::new();
    let unseen = ask(&transfers, "t").unwrap().body().await;
    assert_eq!(unseen.err(), Some(NoBody::Unseen));
    assert!(transfers.take("t").is_none());
    let awaited = ask(&transfers, "u").unwrap();
    let sending = transfers.take("u").unwrap();
    let pieces = awaited.body().await.unwrap();
    let endless = stream::pending::<io::Result<Bytes>>();
    assert_eq!(sending.run(endless).await, Sent::BrokenOff);
    drop(pieces);
    // A client that takes nothing.
    let awaited = ask(&transfers, "v").unwrap();
    let sending = transfers.take("v").unwrap();
    let pieces = awaited.body().await.unwrap();
    let body = stream::repeat_with(|| bytes("abc"));
    assert_eq!(sending.run(body).await, Sent::NobodyWaits);
    assert!(!pieces.whole().await, "it is not whole");
}

#[tokio::test]
async fn a_few_go_on_at_a_time_and_a_refusal_is_an_answer() {
    let transfers = Transfers::new();
    let mut all: Vec<_> = (0..AT_ONCE)
        .map(|n| ask(&transfers, &format!("t{n}")).unwrap())
        .collect();
    assert!(ask(&transfers, "more").is_none());
    assert!(transfers.refuse("t0", "there is no such receipt".to_owned()));
    let refused = all.remove(0).body().await;
    let why = "there is no such receipt".to_owned();
    assert_eq!(refused.err(), Some(NoBody::Refused(why)));
    let more = ask(&transfers, "more").unwrap();
    let sending = transfers.take("more").unwrap();
    assert!(ask(&transfers, "another").is_none(), "it still goes on");
    drop((more, sending));
    assert!(ask(&transfers, "another").is_some());
}
