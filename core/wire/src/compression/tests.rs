//! What goes in comes out, whatever the data, the cuts and the levels; and nothing else comes out.

use bytes::{Bytes, BytesMut};
use model::Compression;
use proptest::prelude::*;
use zstd_safe::{CCtx, CParameter};

use super::*;
use crate::{DATA_BYTES, DataKind, Frame, FrameError, HEADER_BYTES, ToInbound, frame, take_frame};

/// Both ends of a connection.
struct Pair {
    compressor: Compressor,
    decompressor: Decompressor,
    out: Vec<u8>,
}

impl Pair {
    fn new(level: Compression) -> Self {
        Self {
            compressor: Compressor::new(level),
            decompressor: Decompressor::new(),
            out: Vec::new(),
        }
    }

    /// Sends `data` and checks that they arrive.
    fn send(&mut self, kind: DataKind, place: u64, data: &[u8]) -> FrameOutcome {
        self.out.clear();
        self.out.extend_from_slice(b"before");
        let outcome = self.compressor.frame(kind, place, data, &mut self.out);
        let sent = &self.out[6..];
        assert_eq!(&self.out[..6], b"before");
        assert_eq!((outcome.raw, outcome.sent), (data.len(), sent.len()));
        let frame = take(sent).unwrap();
        let opened = self.decompressor.open(frame).unwrap();
        let expected = match kind {
            DataKind::Snapshot => ToInbound::SnapshotData {
                at: place,
                bytes: Bytes::copy_from_slice(data),
            },
            DataKind::Stream => ToInbound::Stream {
                after: place,
                bytes: Bytes::copy_from_slice(data),
            },
        };
        assert!(ToInbound::read(opened).unwrap() == expected, "other data");
        outcome
    }

    fn send_all(&mut self, data: &[u8]) -> Vec<FrameOutcome> {
        data.chunks(DATA_BYTES)
            .map(|chunk| self.send(DataKind::Stream, 0, chunk))
            .collect()
    }
}

fn take(bytes: &[u8]) -> Result<Frame, FrameError> {
    let mut buffer = BytesMut::from(bytes);
    let frame = take_frame(&mut buffer)?.unwrap();
    assert!(buffer.is_empty(), "one frame");
    Ok(frame)
}

/// Bytes that nothing compresses.
fn random(count: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let numbers = std::iter::repeat_with(|| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    });
    let mut bytes: Vec<u8> = numbers
        .take(count / 8 + 1)
        .flat_map(u64::to_le_bytes)
        .collect();
    bytes.truncate(count);
    bytes
}

/// Bytes that compress well, and never repeat as a whole.
fn commands(count: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(count + 64);
    for number in 0_u64.. {
        if bytes.len() >= count {
            break;
        }
        let key = format!("counter:{:08}", number * 7919 % 100_000);
        bytes.extend_from_slice(format!("*2\r\n$4\r\nINCR\r\n$16\r\n{key}\r\n").as_bytes());
    }
    bytes.truncate(count);
    bytes
}

fn level() -> impl Strategy<Value = Compression> {
    prop_oneof![
        1 => Just(Compression::Off),
        4 => (1..=9_u8).prop_map(Compression::Level),
    ]
}

fn data() -> impl Strategy<Value = Vec<u8>> {
    let count = prop_oneof![
        4 => 0..200_usize,
        2 => 200..20_000_usize,
        1 => (DATA_BYTES - 70)..=DATA_BYTES
    ];
    (count, any::<u64>(), 0..3_u8).prop_map(|(count, seed, sort)| match sort {
        0 => random(count, seed),
        1 => commands(count),
        _ => {
            let mut half = commands(count / 2);
            half.extend_from_slice(&random(count - count / 2, seed));
            half
        }
    })
}

fn kind() -> impl Strategy<Value = DataKind> {
    prop_oneof![Just(DataKind::Snapshot), Just(DataKind::Stream)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn everything_arrives_whatever_the_levels(
        first in level(),
        steps in prop::collection::vec(
            (kind(), any::<u64>(), data(), prop::option::weighted(0.3, level())),
            1..24,
        ),
    ) {
        let mut pair = Pair::new(first);
        for (kind, place, data, level) in steps {
            if let Some(level) = level {
                pair.compressor.set_level(level);
            }
            pair.send(kind, place, &data);
        }
    }

    #[test]
    fn damage_is_an_error_or_changes_nothing_but_the_data(
        data in data(),
        at in any::<prop::sample::Index>(),
        bits in 1..=255_u8,
        cut in any::<prop::sample::Index>(),
    ) {
        let mut out = Vec::new();
        Compressor::new(Compression::Level(1)).frame(DataKind::Stream, 1, &data, &mut out);
        let payload = &out[HEADER_BYTES..];
        // The checksum is made to fit, as if the sender were at fault.
        let mut damaged = payload.to_vec();
        damaged[at.index(payload.len())] ^= bits;
        for block in [&damaged[..], &payload[..cut.index(payload.len())]] {
            if let Ok(opened) = Decompressor::new().open(crafted(block)) {
                prop_assert!(opened.payload.len() <= frame::PLACE_BYTES + DATA_BYTES);
            }
        }
    }

    #[test]
    fn any_bytes_are_survived(blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..4)) {
        let mut decompressor = Decompressor::new();
        for block in blocks {
            let mut payload = vec![0; frame::PLACE_BYTES];
            payload.extend_from_slice(&300_u32.to_le_bytes());
            payload.extend_from_slice(&block);
            if decompressor.open(crafted(&payload)).is_err() {
                break;
            }
        }
    }
}

/// A compressed frame with this payload and the checksum that fits it.
fn crafted(payload: &[u8]) -> Frame {
    let mut out = vec![0; HEADER_BYTES];
    out.extend_from_slice(payload);
    frame::finish_compressed(DataKind::Stream, 0, &mut out);
    take(&out).unwrap()
}

/// A compressed frame that announces `length` bytes and brings `data`, compressed by itself.
fn announcing(length: u32, data: &[u8], window_log: u32) -> Frame {
    let mut stream = CCtx::create();
    stream
        .set_parameter(CParameter::WindowLog(window_log))
        .unwrap();
    stream
        .set_parameter(CParameter::ContentSizeFlag(false))
        .unwrap();
    let mut block = Vec::with_capacity(zstd_safe::compress_bound(data.len()));
    stream.compress2(&mut block, data).unwrap();
    let mut payload = vec![0; frame::PLACE_BYTES];
    payload.extend_from_slice(&length.to_le_bytes());
    payload.extend_from_slice(&block);
    crafted(&payload)
}

fn problem(frame: Frame) -> String {
    Decompressor::new().open(frame).unwrap_err().to_string()
}

#[test]
fn small_frames_are_compressed_by_what_went_before() {
    let mut pair = Pair::new(Compression::Level(1));
    let session = br#"SET session:1 {"user":"ada","roles":["admin"],"locale":"en-GB","cart":[]}"#;
    let first = pair.send(DataKind::Stream, 0, session);
    let second = pair.send(DataKind::Stream, 0, session);
    assert!(
        second.sent < first.sent && second.sent < session.len(),
        "{second:?}"
    );
    // Raw frames between do not make the two ends disagree.
    pair.send(DataKind::Stream, 0, b"PING");
    assert!(pair.send(DataKind::Stream, 0, session).sent < first.sent);
}

#[test]
fn nothing_is_compressed_that_is_off_or_tiny() {
    let mut pair = Pair::new(Compression::Off);
    let zeros = [0; 1000];
    let raw = HEADER_BYTES + frame::PLACE_BYTES;
    assert_eq!(
        pair.send(DataKind::Stream, 0, &zeros).sent,
        zeros.len() + raw
    );
    pair.compressor.set_level(Compression::Level(3));
    assert_eq!(pair.send(DataKind::Stream, 0, &zeros[..63]).sent, 63 + raw);
    assert!(pair.send(DataKind::Stream, 0, &zeros).sent < 100);
}

#[test]
fn every_level_goes_through_much_more_than_a_window() {
    let mut data = commands(6 << 20);
    data.extend_from_slice(&random(300 << 10, 5));
    data.extend_from_slice(&commands(3 << 20));
    for level in 1..=9 {
        let mut pair = Pair::new(Compression::Level(level));
        let sent: usize = pair
            .send_all(&data)
            .iter()
            .map(|outcome| outcome.sent)
            .sum();
        assert!(sent < data.len() / 3, "level {level}: {sent}");
    }
}

#[test]
fn random_data_cost_next_to_nothing() {
    let mut pair = Pair::new(Compression::Level(1));
    let data = random(20 << 20, 9);
    let outcomes = pair.send_all(&data);
    let sent: usize = outcomes.iter().map(|outcome| outcome.sent).sum();
    assert!(sent * 1000 < data.len() * 1001, "{sent} of {}", data.len());
    let tried: usize = outcomes
        .iter()
        .filter(|outcome| !outcome.bypassed)
        .map(|o| o.raw)
        .sum();
    assert_eq!(tried, (1 << 20) + (256 << 10));
}

#[test]
fn bypassing_ends_when_data_compress_again() {
    let mut pair = Pair::new(Compression::Level(1));
    pair.send_all(&random(2 << 20, 1));
    assert!(pair.compressor.is_bypassing());
    let outcomes = pair.send_all(&commands(16 << 20));
    let bypassed: usize = outcomes
        .iter()
        .filter(|outcome| outcome.bypassed)
        .map(|o| o.raw)
        .sum();
    assert_eq!(bypassed, 15 << 20);
    assert!(!pair.compressor.is_bypassing());
}

#[test]
fn what_is_learnt_of_a_snapshot_is_not_held_against_the_stream() {
    let mut pair = Pair::new(Compression::Level(1));
    for chunk in random(2 << 20, 1).chunks(DATA_BYTES) {
        pair.send(DataKind::Snapshot, 0, chunk);
    }
    assert!(pair.compressor.is_bypassing());
    let outcome = pair.send(DataKind::Stream, 0, &commands(1000));
    assert!(!outcome.bypassed && outcome.sent < 500, "{outcome:?}");
}

#[test]
fn more_or_less_than_announced_is_refused() {
    let zeros = vec![0; DATA_BYTES + 1];
    let fits = announcing(1000, &zeros[..1000], 20);
    assert!(Decompressor::new().open(fits).is_ok());
    for more in [1001, DATA_BYTES + 1] {
        assert!(
            problem(announcing(1000, &zeros[..more], 20)).contains("more data than it announces")
        );
    }
    assert!(problem(announcing(1000, &zeros[..999], 20)).contains("less data than it announces"));
    let announced = u32::try_from(DATA_BYTES).unwrap() + 1;
    assert!(
        problem(announcing(announced, &zeros, 20)).contains("more data than a frame may bring")
    );
    assert!(problem(announcing(u32::MAX, &zeros, 20)).contains("more data than a frame may bring"));
}

#[test]
fn a_bomb_brings_no_more_than_one_frame() {
    let bomb = vec![0; 200 << 20];
    let frame = announcing(DATA_BYTES.try_into().unwrap(), &bomb, 21);
    assert!(
        frame.payload.len() < 32 << 10,
        "{} bytes",
        frame.payload.len()
    );
    assert!(problem(frame).contains("more data than it announces"));
}

#[test]
fn a_large_window_is_refused_before_it_is_made() {
    let data = vec![1; 100_000];
    assert!(
        Decompressor::new()
            .open(announcing(100_000, &data, 21))
            .is_ok()
    );
    // The size is unknown when the header is written, so the header asks for the whole window.
    let mut stream = CCtx::create();
    stream.set_parameter(CParameter::WindowLog(27)).unwrap();
    let mut block = Vec::with_capacity(zstd_safe::compress_bound(data.len()));
    let mut input = zstd_safe::InBuffer::around(&data);
    let mut output = zstd_safe::OutBuffer::around(&mut block);
    let flush = zstd_safe::zstd_sys::ZSTD_EndDirective::ZSTD_e_flush;
    assert_eq!(
        stream.compress_stream2(&mut output, &mut input, flush),
        Ok(0)
    );
    let mut payload = vec![0; frame::PLACE_BYTES];
    payload.extend_from_slice(&100_000_u32.to_le_bytes());
    payload.extend_from_slice(&block);
    assert!(problem(crafted(&payload)).contains("damaged"));
}

#[test]
fn a_compressed_frame_is_never_read_as_it_is() {
    let mut out = Vec::new();
    Compressor::new(Compression::Level(1)).frame(DataKind::Stream, 0, &[7; 500], &mut out);
    let refused = ToInbound::read(take(&out).unwrap()).unwrap_err();
    assert!(refused.to_string().contains("was not opened"), "{refused}");
}

#[test]
fn a_frame_that_is_left_out_is_noticed_or_changes_what_follows() {
    let mut compressor = Compressor::new(Compression::Level(1));
    let mut frames = [Vec::new(), Vec::new()];
    for (out, data) in frames.iter_mut().zip([commands(5000), commands(9000)]) {
        compressor.frame(DataKind::Stream, 0, &data, out);
    }
    let second = Decompressor::new().open(take(&frames[1]).unwrap());
    assert!(second.is_err(), "the zstd frame's header is in the first");
}

#[test]
fn the_flag_belongs_to_data_alone() {
    let mut heartbeat = ToInbound::Heartbeat(crate::Heartbeat::default())
        .encode()
        .to_vec();
    heartbeat[5] = 1;
    let reserved = FrameError::ReservedSet { kind: "heartbeat" };
    assert_eq!(take(&heartbeat).unwrap_err(), reserved);
    let mut out = Vec::new();
    Compressor::new(Compression::Level(1)).frame(DataKind::Snapshot, 0, &[7; 500], &mut out);
    assert_eq!(out[5], 1);
    for flags in [2, 3, 128] {
        out[5] = flags;
        let kind = "snapshot data";
        assert_eq!(take(&out).unwrap_err(), FrameError::ReservedSet { kind });
    }
}

#[test]
fn both_ends_may_move_between_threads() {
    fn is_send<T: Send + std::fmt::Debug>(_value: &T) {}
    is_send(&Compressor::new(Compression::Off));
    is_send(&Decompressor::new());
}
