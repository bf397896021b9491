//! Every message comes back, and nothing else is taken for one.

use model::{Epoch, LinkId, ShardIndex};
use proptest::prelude::*;
use psync::{Framing, Offset, Position};

use super::*;
use crate::{
    Barrier, Heartbeat, Hello, Partial, Refusal, RefusalCode, SnapshotHead, ToInbound, ToOutbound,
};

fn position() -> impl Strategy<Value = Position> {
    ("[0-9a-f]{40}", any::<u64>())
        .prop_map(|(id, offset)| Position::new(id.parse().unwrap(), Offset(offset)))
}

fn heartbeat() -> impl Strategy<Value = Heartbeat> {
    (any::<[u64; 3]>(), any::<Option<u64>>()).prop_map(|([stamp, echo, held], lag)| Heartbeat {
        stamp,
        echo,
        held,
        lag,
    })
}

fn framing() -> impl Strategy<Value = Framing> {
    prop_oneof![
        any::<u64>().prop_map(Framing::Length),
        "[0-9a-zA-Z]{40}".prop_map(|mark| Framing::Eof(mark.parse().unwrap())),
    ]
}

fn data() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from)
}

fn to_inbound() -> impl Strategy<Value = ToInbound> {
    prop_oneof![
        position().prop_map(ToInbound::Continue),
        (position(), framing()).prop_flat_map(|(position, framing)| {
            any::<(u64, u64)>().prop_map(move |(id, from)| {
                ToInbound::Snapshot(SnapshotHead {
                    id,
                    from,
                    position,
                    framing,
                })
            })
        }),
        (any::<u64>(), data()).prop_map(|(at, bytes)| ToInbound::SnapshotData { at, bytes }),
        Just(ToInbound::SnapshotEnd),
        (any::<u64>(), data()).prop_map(|(after, bytes)| ToInbound::Stream { after, bytes }),
        (any::<u64>(), position())
            .prop_map(|(attempt, position)| ToInbound::Barrier(Barrier { attempt, position })),
        heartbeat().prop_map(ToInbound::Heartbeat),
        "\\PC{0,60}".prop_map(|why| ToInbound::Refused(Refusal::new(RefusalCode::WrongEpoch, why))),
    ]
}

fn to_outbound() -> impl Strategy<Value = ToOutbound> {
    let hello = (
        any::<(u16, u16, u64, u64)>(),
        prop::option::of(position()),
        "[a-z0-9-]{0,40}",
    )
        .prop_map(|((version, shard, epoch, keys_held), have, link)| Hello {
            version,
            link: LinkId::new(link),
            shard: ShardIndex(shard),
            epoch: Epoch(epoch),
            have,
            partial: (keys_held % 2 == 0).then_some(Partial {
                snapshot: keys_held,
                bytes: epoch,
            }),
            keys_held,
        });
    prop_oneof![
        hello.prop_map(ToOutbound::Hello),
        any::<u64>().prop_map(|o| ToOutbound::Received(Offset(o))),
        any::<u64>().prop_map(|o| ToOutbound::Applied(Offset(o))),
        (any::<u64>(), position()).prop_map(|(epoch, position)| ToOutbound::Promoted {
            epoch: Epoch(epoch),
            position
        }),
        heartbeat().prop_map(ToOutbound::Heartbeat),
    ]
}

fn frames(chunks: &[&[u8]]) -> Result<Vec<Frame>, FrameError> {
    let (mut buffer, mut found) = (BytesMut::new(), Vec::new());
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        while let Some(frame) = take_frame(&mut buffer)? {
            found.push(frame);
        }
    }
    assert!(buffer.is_empty(), "bytes are left");
    Ok(found)
}

proptest! {
    #[test]
    fn messages_to_an_inbound_come_back(
        messages in prop::collection::vec(to_inbound(), 1..6),
        cut in 1usize..90,
    ) {
        let bytes: Vec<u8> = messages.iter().flat_map(ToInbound::encode).collect();
        let found = frames(&bytes.chunks(cut).collect::<Vec<_>>()).unwrap();
        let read: Vec<_> = found.into_iter().map(|f| ToInbound::read(f).unwrap()).collect();
        prop_assert_eq!(read, messages);
    }

    #[test]
    fn messages_to_an_outbound_come_back(
        messages in prop::collection::vec(to_outbound(), 1..6),
        cut in 1usize..90,
    ) {
        let bytes: Vec<u8> = messages.iter().flat_map(ToOutbound::encode).collect();
        let found = frames(&bytes.chunks(cut).collect::<Vec<_>>()).unwrap();
        let read: Vec<_> = found.into_iter().map(|f| ToOutbound::read(f).unwrap()).collect();
        prop_assert_eq!(read, messages);
    }

    #[test]
    fn a_changed_payload_byte_is_noticed(message in to_inbound(), at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut bytes = message.encode().to_vec();
        prop_assume!(bytes.len() > HEADER_BYTES);
        let at = HEADER_BYTES + at.index(bytes.len() - HEADER_BYTES);
        bytes[at] ^= 1 << bit;
        let result = take_frame(&mut BytesMut::from(&bytes[..]));
        prop_assert!(matches!(result, Err(FrameError::BadChecksum { .. })), "{:?}", result);
    }

    #[test]
    fn payloads_have_one_length(message in to_outbound(), extra in 1usize..4) {
        // Whatever is cut off or added, with a right checksum, is refused.
        let frame = frames(&[&message.encode()]).unwrap().remove(0);
        let longer = [&frame.payload[..], &vec![0; extra]].concat();
        let longer = Frame { kind: frame.kind, payload: longer.into(), compressed: false };
        prop_assert!(ToOutbound::read(longer).is_err());
        let shorter = frame.payload.slice(..frame.payload.len() - 1);
        let shorter = Frame { kind: frame.kind, payload: shorter, compressed: false };
        prop_assert!(ToOutbound::read(shorter).is_err());
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), kind in 0u8..14) {
        let mut buffer = BytesMut::from(&bytes[..]);
        let _either = take_frame(&mut buffer);
        if let Some(kind) = Kind::from_number(kind) {
            let frame = Frame { kind, payload: bytes.into(), compressed: false };
            let _either = (ToInbound::read(frame.clone()), ToOutbound::read(frame));
        }
    }
}

#[test]
fn headers_are_checked_before_the_payload_comes() {
    let good = ToOutbound::Applied(Offset(1)).encode().to_vec();
    let with = |at: usize, value: u8| {
        let mut bytes = good[..HEADER_BYTES].to_vec();
        bytes[at] = value;
        take_frame(&mut BytesMut::from(&bytes[..]))
    };
    assert_eq!(with(0, good[0]), Ok(None));
    assert_eq!(with(4, 0), Err(FrameError::UnknownKind(0)));
    assert_eq!(with(4, 13), Err(FrameError::UnknownKind(13)));
    for at in [5, 6, 7, 12, 13, 14, 15] {
        assert!(
            matches!(with(at, 1), Err(FrameError::ReservedSet { .. })),
            "{at}"
        );
    }
    assert!(matches!(with(3, 0x7f), Err(FrameError::TooLong { .. })));
}

#[test]
fn the_largest_data_frame_passes_and_one_byte_more_does_not() {
    let data = vec![7; DATA_BYTES];
    let mut buffer = BytesMut::from(&data_header(DataKind::Stream, 9, &data)[..]);
    buffer.extend_from_slice(&data);
    let frame = take_frame(&mut buffer).unwrap().unwrap();
    let bytes = Bytes::from(data);
    assert_eq!(
        ToInbound::read(frame),
        Ok(ToInbound::Stream { after: 9, bytes })
    );
    let too_long = header(Kind::Stream, 0, PLACE_BYTES + DATA_BYTES + 1, 0);
    let result = take_frame(&mut BytesMut::from(&too_long[..]));
    assert!(matches!(result, Err(FrameError::TooLong { .. })));
}

#[test]
fn each_side_sends_its_own_kinds() {
    let up = frames(&[&ToOutbound::Applied(Offset(1)).encode()]).unwrap();
    let result = ToInbound::read(up[0].clone());
    assert_eq!(result, Err(FrameError::WrongDirection { kind: "applied" }));
    let down = frames(&[&ToInbound::SnapshotEnd.encode()]).unwrap();
    assert!(ToOutbound::read(down[0].clone()).is_err());
}

#[test]
fn long_reasons_are_cut_between_characters() {
    let refusal = Refusal::new(RefusalCode::Fenced, "é".repeat(600));
    let frame = frames(&[&ToInbound::Refused(refusal).encode()])
        .unwrap()
        .remove(0);
    let read = ToInbound::read(frame).unwrap();
    assert!(matches!(read, ToInbound::Refused(r) if r.why == "é".repeat(512)));
}

#[test]
fn the_bytes_are_those_of_the_format_document() {
    let bytes = ToOutbound::Applied(Offset(258)).encode();
    assert_eq!(
        bytes[..8],
        [8, 0, 0, 0, 11, 0, 0, 0],
        "length, kind, flags, reserved"
    );
    assert_eq!(
        bytes[8..12],
        crc32c::crc32c(&bytes[16..]).to_le_bytes(),
        "checksum"
    );
    assert_eq!(bytes[12..], [0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0]);
}
