//! Both sides of the engines' replication protocol.

use psync::{
    Command, Event, Framing, Handshake, Login, Offset, Position, PrimarySide, ProtocolError,
    ReplicaSide, SourceError,
};

use crate::take_byte;

const ID: &str = "0123456789abcdef0123456789abcdef01234567";

/// What a primary sends means the same however it is cut; stream and snapshot bytes are handed on
/// one by one, and the position counts them. The first byte chooses pieces and what is held.
pub fn psync_replica_side(data: &[u8]) {
    let mut input = data;
    let mode = take_byte(&mut input);
    let have = (mode & 1 != 0).then(|| Position::new(id(), Offset(41)));
    let login = (mode & 2 != 0).then(|| Login::new("geo", "secret"));
    let handshake = Handshake {
        login,
        address: [127, 0, 0, 1].into(),
        port: 6379,
        version: "8.0.1".to_owned(),
        have,
        snapshot_only: false,
    };
    let whole = follow(&handshake, input, input.len());
    let piece = usize::from(mode >> 2) + 1;
    assert_eq!(whole, follow(&handshake, input, piece), "cut into {piece}");
}

/// Events, with bytes that follow each other put together.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Continued(Position),
    FullSync(Position),
    Begins(Framing),
    Snapshot(Vec<u8>),
    Ends,
    Stream(Vec<u8>),
}

type Followed = (Vec<Seen>, Vec<u8>, Result<Option<Position>, SourceError>);

fn follow(handshake: &Handshake, input: &[u8], piece: usize) -> Followed {
    let mut side = ReplicaSide::new(handshake);
    let mut seen = Vec::new();
    let mut sent = Vec::new();
    let mut failure = None;
    'all: for piece in input.chunks(piece.max(1)) {
        let mut rest = piece;
        loop {
            let event = side.handle_bytes(&mut rest);
            while let Some(command) = side.next_command() {
                sent.extend_from_slice(&command);
            }
            match event {
                Ok(Some(event)) => note(&mut seen, &event),
                Ok(None) => break,
                Err(error) => {
                    failure = Some(error);
                    break 'all;
                }
            }
        }
        assert!(rest.is_empty(), "{} bytes are left", rest.len());
    }
    check(&seen, side.position());
    (seen, sent, failure.map_or_else(|| Ok(side.position()), Err))
}

fn note(seen: &mut Vec<Seen>, event: &Event<'_>) {
    match (event, seen.last_mut()) {
        (Event::StreamBytes(more), Some(Seen::Stream(bytes)))
        | (Event::SnapshotBytes(more), Some(Seen::Snapshot(bytes))) => {
            bytes.extend_from_slice(more);
        }
        (Event::StreamBytes(bytes), _) => seen.push(Seen::Stream(bytes.to_vec())),
        (Event::SnapshotBytes(bytes), _) => seen.push(Seen::Snapshot(bytes.to_vec())),
        (Event::Continued(position), _) => seen.push(Seen::Continued(*position)),
        (Event::FullSync(position), _) => seen.push(Seen::FullSync(*position)),
        (Event::SnapshotBegins(framing), _) => seen.push(Seen::Begins(*framing)),
        (Event::SnapshotEnds, _) => seen.push(Seen::Ends),
    }
}

/// Checks that events come in their order, and that every byte is counted.
fn check(seen: &[Seen], position: Option<Position>) {
    let mut expected = None;
    let mut framing = None;
    let mut payload = Vec::new();
    for (number, event) in seen.iter().enumerate() {
        match event {
            Seen::Continued(start) | Seen::FullSync(start) => {
                assert_eq!(number, 0);
                expected = Some(*start);
            }
            Seen::Begins(announced) => {
                assert!(matches!(seen.get(number - 1), Some(Seen::FullSync(_))));
                framing = Some(*announced);
            }
            Seen::Snapshot(bytes) => payload.clone_from(bytes),
            Seen::Ends => match framing {
                Some(Framing::Length(length)) => assert_eq!(payload.len() as u64, length),
                Some(Framing::Eof(mark)) => {
                    assert!(payload.ends_with(mark.as_str().as_bytes()));
                }
                None => panic!("a snapshot ends that did not begin"),
            },
            Seen::Stream(bytes) => {
                assert_eq!(number, seen.len() - 1);
                let start = expected.expect("a stream follows an answer");
                let offset = start.offset.advanced(bytes.len() as u64);
                expected = Some(Position::new(start.replid, offset));
            }
        }
    }
    assert_eq!(position, expected);
}

/// What a replica sends means the same however it is cut, and nobody follows who did not log in.
/// The first byte chooses pieces.
pub fn psync_primary_side(data: &[u8]) {
    let mut input = data;
    let mode = take_byte(&mut input);
    let whole = serve(input, input.len());
    let piece = usize::from(mode) + 1;
    assert_eq!(whole, serve(input, piece), "cut into {piece}");
    let followed = whole
        .0
        .iter()
        .position(|command| matches!(command, Command::Follow(_)));
    if let Some(at) = followed {
        let welcome = Command::Reply("+OK\r\n".into());
        assert!(whole.0[..at].contains(&welcome), "{:?}", whole.0);
        assert!(String::from_utf8_lossy(input).contains("secret"));
    }
}

fn serve(input: &[u8], piece: usize) -> (Vec<Command>, Result<(), ProtocolError>) {
    let mut side = PrimarySide::new(Login::new("geo", "secret"));
    let mut commands = Vec::new();
    let mut result = Ok(());
    for piece in input.chunks(piece.max(1)) {
        result = side.handle_bytes(piece);
        while let Some(command) = side.next_command() {
            commands.push(command);
        }
        if result.is_err() {
            break;
        }
    }
    (commands, result)
}

fn id() -> psync::ReplicationId {
    ID.parse().expect("40 hexadecimal characters")
}
