//! Inputs to begin with: what the two sides really say, and files as a journal leaves them.

use model::{Compression, Epoch, LinkId, ShardIndex};
use psync::{Framing, Offset, Position};
use wire::{
    Barrier, Compressor, DataKind, Heartbeat, Hello, Partial, Refusal, RefusalCode, SnapshotHead,
    ToInbound, ToOutbound, VERSION,
};

use crate::{journal_open, resp_seeds, session_machine, tokens_of_anybody};

const ID: &str = "0123456789abcdef0123456789abcdef01234567";

/// Inputs of every property, by its name.
#[must_use]
pub fn seeds() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    vec![
        ("journal_open", journal_open::seeds()),
        ("psync_primary_side", of_replicas()),
        ("psync_replica_side", of_primaries()),
        ("reply_frames", resp_seeds::replies()),
        ("request_frames", resp_seeds::requests()),
        ("session", session_machine::seeds()),
        ("tokens_of_anybody", tokens_of_anybody::seeds()),
        ("wire_frame", frames()),
    ]
}

/// Puts each of the modes before each of the inputs.
pub(crate) fn with_modes(modes: &[u8], inputs: impl IntoIterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
    let inputs: Vec<_> = inputs.into_iter().collect();
    let each = inputs.iter().flat_map(|input| {
        modes.iter().map(|mode| {
            let mut out = vec![*mode];
            out.extend_from_slice(input);
            out
        })
    });
    each.collect()
}

fn of_primaries() -> Vec<Vec<u8>> {
    let greeting = "+OK\r\n+PONG\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n";
    let silent = "+PONG\r\n+OK\r\n+OK\r\n+OK\r\n-ERR unknown option\r\n";
    let stream = "*1\r\n$4\r\nPING\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";
    let answers = [
        format!("+FULLRESYNC {ID} 41\r\n\n\n$9\r\nREDIS0011{stream}"),
        format!("+FULLRESYNC {ID} 0\r\n$0\r\n{stream}"),
        format!("+FULLRESYNC {ID} 41\r\n\n$EOF:{ID}\r\nREDIS0011 0123456789{ID}{stream}"),
        format!("+CONTINUE\r\n{stream}"),
        format!("+CONTINUE {ID}\r\n{stream}"),
        "-LOADING the data set is loading\r\n".to_owned(),
        "-NOMASTERLINK no link\r\n".to_owned(),
        "-ERR no\r\n".to_owned(),
        format!("+FULLRESYNC {ID} x\r\n"),
        format!("+FULLRESYNC {ID} 1\r\n$EOF:short\r\n"),
    ];
    let inputs = answers.iter().flat_map(|answer| {
        [greeting, silent].map(|greeting| format!("{greeting}{answer}").into_bytes())
    });
    let mut out = with_modes(&[0, 1, 2, 3 | 5 << 2, 63 << 2], inputs);
    out.push(b"\x00-NOAUTH\r\n".to_vec());
    out.push([&[3][..], &[b'+'; 1_100]].concat());
    out
}

fn of_replicas() -> Vec<Vec<u8>> {
    let login = "*3\r\n$4\r\nAUTH\r\n$3\r\ngeo\r\n$6\r\nsecret\r\n";
    let greeting = "*1\r\n$4\r\nPING\r\n*3\r\n$8\r\nREPLCONF\r\n$14\r\nlistening-port\r\n$4\r\n6379\r\n\
        *5\r\n$8\r\nREPLCONF\r\n$4\r\ncapa\r\n$3\r\neof\r\n$4\r\ncapa\r\n$6\r\npsync2\r\n";
    let ack = "*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$2\r\n42\r\n";
    let inputs = [
        format!("{login}{greeting}PSYNC ? -1\r\n\n\n{ack}{ack}"),
        format!("{login}{greeting}*3\r\n$5\r\nPSYNC\r\n$40\r\n{ID}\r\n$2\r\n42\r\n{ack}"),
        format!("{login}PSYNC {ID} 0\r\nPING\r\n"),
        format!("{greeting}PSYNC ? -1\r\n"),
        "AUTH geo wrong\r\nAUTH wrong\r\nAUTH secret\r\nPING\r\n".to_owned(),
        format!("{login}SYNC\r\nREPLCONF\r\nREPLCONF rdb-channel yes\r\nGET k\r\n"),
        "*-1\r\n*0\r\n\r\nPING \"a\\x41\" 'b'\r\n".to_owned(),
        "*1000000\r\n$1\r\nx\r\n".to_owned(),
        "*1\r\n$5000\r\nx".to_owned(),
        format!("{}\r\n", "x".repeat(300)),
    ];
    with_modes(&[0, 2, 16], inputs.map(String::into_bytes))
}

fn frames() -> Vec<Vec<u8>> {
    let replid = ID.parse().expect("40 hexadecimal characters");
    let position = Position::new(replid, Offset(77));
    let beat = Heartbeat {
        stamp: 1,
        echo: 2,
        held: 3,
        lag: Some(4),
    };
    let head = |framing| SnapshotHead {
        id: 9,
        from: 2,
        position,
        framing,
    };
    let to_inbound = [
        ToInbound::Continue(position),
        ToInbound::Snapshot(head(Framing::Length(5))),
        ToInbound::Snapshot(head(Framing::Eof(
            ID.parse().expect("40 letters and digits"),
        ))),
        ToInbound::SnapshotData {
            at: 2,
            bytes: "REDIS".into(),
        },
        ToInbound::SnapshotEnd,
        ToInbound::Stream {
            after: 77,
            bytes: "*1\r\n$4\r\nPING\r\n".into(),
        },
        ToInbound::Barrier(Barrier {
            attempt: 3,
            position,
        }),
        ToInbound::Heartbeat(beat),
        ToInbound::Refused(Refusal::new(RefusalCode::WrongEpoch, "it has epoch 4")),
    ];
    let hello = |have, partial| {
        ToOutbound::Hello(Hello {
            version: VERSION,
            link: LinkId::new("l-1"),
            shard: ShardIndex(2),
            epoch: Epoch(4),
            have,
            partial,
            keys_held: 1_000,
        })
    };
    let partial = Partial {
        snapshot: 9,
        bytes: 2,
    };
    let to_outbound = [
        hello(None, None),
        hello(Some(position), Some(partial)),
        ToOutbound::Received(Offset(80)),
        ToOutbound::Applied(Offset(79)),
        ToOutbound::Promoted {
            epoch: Epoch(5),
            position,
        },
        ToOutbound::Heartbeat(Heartbeat { lag: None, ..beat }),
    ];
    let mut inputs: Vec<Vec<u8>> = Vec::new();
    inputs.extend(to_inbound.iter().map(|message| message.encode().to_vec()));
    inputs.extend(to_outbound.iter().map(|message| message.encode().to_vec()));
    inputs.push(inputs.concat());
    inputs.push(compressed());
    with_modes(&[0, 1, 14], inputs)
}

/// Data frames of one connection, compressed as far as that pays.
fn compressed() -> Vec<u8> {
    let mut compressor = Compressor::new(Compression::Level(1));
    let mut out = Vec::new();
    let text = "*3\r\n$3\r\nSET\r\n$4\r\nkey1\r\n$5\r\nvalue\r\n".repeat(20);
    for (number, kind) in [DataKind::Snapshot, DataKind::Stream, DataKind::Stream]
        .into_iter()
        .enumerate()
    {
        compressor.frame(kind, number as u64, text.as_bytes(), &mut out);
    }
    out
}
