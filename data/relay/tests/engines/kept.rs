//! What a journal keeps, read beside the relay.

use model::EngineKind;
use psync::Offset;
use relay::{KeptError, KeptStream, Source};
use resp::{Kind, Piece, StreamLimits, StreamReader, Touch};

use crate::{
    node::facts_of,
    rig::{Rig, here, key, noise, source, write_some},
};

both! {
    a_promoted_engine_is_kept_from_its_promotion,
    what_is_kept_is_read_while_it_is_served_and_afterwards,
}

/// Everything behind an offset, with the kinds of its commands and the keys that it touches.
fn walk(stream: &mut KeptStream, after: Offset) -> (Offset, Vec<Kind>, Vec<Touch>) {
    let mut reader = StreamReader::new(StreamLimits::default(), None);
    let (mut kinds, mut touches) = (Vec::new(), Vec::new());
    let mut buffer = vec![0; 7000];
    let mut at = after;
    loop {
        let count = stream.read(at, &mut buffer).unwrap();
        if count == 0 {
            assert_eq!(reader.whole_to(), at.since(after));
            return (at, kinds, touches);
        }
        at = at.advanced(count as u64);
        let mut rest = &buffer[..count];
        while let Some(piece) = reader.next(&mut rest).unwrap() {
            match piece {
                Piece::Command(command) => kinds.push(command.kind),
                Piece::Touch(touch) => touches.push(touch),
            }
        }
    }
}

/// The new primary's side of a forced failover: whatever it took since is kept, although nobody
/// follows it.
async fn a_promoted_engine_is_kept_from_its_promotion(kind: EngineKind) {
    let rig = Rig::new(kind, &[]).await;
    rig.link();
    rig.until_streaming().await;
    write_some(&rig.primary, 0, 200);
    rig.until_equal().await;
    let fork = rig.secondary.position();
    rig.inbound.hold();
    rig.secondary.run("REPLICAOF NO ONE");
    write_some(&rig.secondary, 200, 200);
    let theirs = rig.other_outbound().await;
    let directory = rig.directory.path().join("their journal");
    let serving = Source {
        peer: here(),
        ..source(&rig.secondary, 2)
    };
    theirs.serve(key(), &directory, serving);
    rig.eventually("everything is kept", || {
        theirs.note_source(&key(), facts_of(rig.secondary.address).unwrap());
        let journaled = theirs.status(&key()).and_then(|status| status.journaled);
        journaled == Some(rig.secondary.position().offset)
    })
    .await;
    let mut stream = theirs.kept(&directory);
    let before = facts_of(rig.secondary.address).unwrap().before.unwrap();
    let (start, end) = stream.span().unwrap().unwrap();
    assert_eq!((start, end), (before, rig.secondary.position()));
    assert!(fork.offset >= before.offset);
    assert_eq!(stream.covers(&before).unwrap().unwrap().replid, end.replid);
    let (_, kinds, touches) = walk(&mut stream, start.offset);
    assert!(!kinds.contains(&Kind::Unknown));
    let float = Touch::Key {
        database: Some(0),
        key: b"float".to_vec(),
    };
    assert_eq!(touches.iter().filter(|touch| **touch == float).count(), 200);
    rig.stop().await;
}

async fn what_is_kept_is_read_while_it_is_served_and_afterwards(kind: EngineKind) {
    let rig = Rig::new(kind, &[("repl-ping-replica-period", "3600")]).await;
    rig.link();
    rig.until_streaming().await;
    rig.until_equal().await;
    let before = rig.primary.position();
    let mut stream = rig.outbound.kept(&rig.journal());
    let began = runtime::clock::Clock.now();
    write_some(&rig.primary, 0, 300);
    let mut large = rig.primary.client();
    large.send(&[b"SET", b"large", &noise(1, 5_000_000)]);
    assert_eq!(large.reply(), "OK");
    let patience = std::time::Duration::from_secs(30);
    rig.until_equal().await;
    let end = rig.outbound.caught_up(&rig.journal(), patience).await;
    assert_eq!(end, Some(rig.primary.position()));
    let (to, kinds, touches) = walk(&mut stream, before.offset);
    assert_eq!(to, rig.primary.position().offset);
    assert!(kinds.contains(&Kind::Multi) && kinds.contains(&Kind::Exec));
    assert!(!kinds.contains(&Kind::Unknown));
    let when = stream.when(before.offset).unwrap().unwrap();
    // A block may have begun with what came before.
    assert!(when.0 + 5000 > began.0, "{when:?} {began:?}");
    assert_eq!(stream.when(to).unwrap(), None);

    // The same handle, and another, when nobody serves it any more.
    rig.close_outbound().await;
    for mut stream in [stream, KeptStream::unserved(&rig.journal())] {
        assert_eq!(stream.span().unwrap().unwrap().1, rig.primary.position());
        assert_eq!(
            walk(&mut stream, before.offset),
            (to, kinds.clone(), touches.clone())
        );
    }
    assert_eq!(rig.outbound.caught_up(&rig.journal(), patience).await, None);
    let nowhere = rig.directory.path().join("nowhere");
    let absent = KeptStream::unserved(&nowhere).span();
    assert!(matches!(absent, Err(KeptError::Absent { .. })));
    assert!(!nowhere.exists());
    rig.stop().await;
}
