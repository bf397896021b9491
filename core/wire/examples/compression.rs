//! Measures what compression between the regions costs and brings: `cargo run --release -p wire
//! --example compression [FILE..]`. Each file (a snapshot, say) is measured beside generated
//! streams.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a program that measures and prints"
)]

use std::{env, fs, time::Instant};

use bytes::BytesMut;
use model::Compression;
use wire::{Compressor, DATA_BYTES, DataKind, Decompressor, take_frame};

/// Of a file this much is measured.
const FILE_BYTES: usize = 512 << 20;
const STREAM_BYTES: usize = 64 << 20;

fn main() {
    println!(
        "data                      frame  level    saved   ratio   compress   open   bypassed"
    );
    let mut dice = Dice(1);
    let sessions = sessions(&mut dice);
    let counters = counters(&mut dice);
    let random: Vec<u8> = (0..STREAM_BYTES / 8)
        .flat_map(|_| dice.next().to_le_bytes())
        .collect();
    for (name, data, frames) in [
        (
            "sessions (SET, JSON)",
            &sessions,
            [512, 16 << 10, DATA_BYTES],
        ),
        ("counters (INCR)", &counters, [40, 120, 16 << 10]),
        ("random bytes", &random, [512, 16 << 10, DATA_BYTES]),
    ] {
        for frame in frames {
            // Small frames cost more each, so fewer of them say enough.
            let bytes = if frame < 1024 {
                STREAM_BYTES / 8
            } else {
                STREAM_BYTES
            };
            let data = data.get(..bytes).unwrap_or(data);
            measure_all(name, DataKind::Stream, data, frame);
        }
    }
    for path in env::args().skip(1) {
        let mut file = fs::read(&path).unwrap();
        file.truncate(FILE_BYTES);
        let name = path.rsplit('/').next().unwrap_or(&path);
        measure_all(name, DataKind::Snapshot, &file, DATA_BYTES);
    }
}

fn measure_all(name: &str, kind: DataKind, data: &[u8], frame: usize) {
    for level in [1, 3, 6, 9] {
        measure(name, kind, data, frame, level);
    }
}

fn measure(name: &str, kind: DataKind, data: &[u8], frame: usize, level: u8) {
    let mut compressor = Compressor::new(Compression::Level(level));
    let mut sent = BytesMut::with_capacity(data.len() + data.len() / 2);
    let (mut out, mut bypassed) = (Vec::new(), 0);
    let began = Instant::now();
    for chunk in data.chunks(frame) {
        out.clear();
        let outcome = compressor.frame(kind, 0, chunk, &mut out);
        bypassed += if outcome.bypassed { outcome.raw } else { 0 };
        sent.extend_from_slice(&out);
    }
    let compressing = began.elapsed();
    let total = sent.len();
    let mut decompressor = Decompressor::new();
    let began = Instant::now();
    while let Some(taken) = take_frame(&mut sent).unwrap() {
        decompressor.open(taken).unwrap();
    }
    let opening = began.elapsed();
    let rate = |seconds: f64| data.len() as f64 / 1e6 / seconds;
    println!(
        "{name:24} {frame:>7} {level:>5} {:>7.1} % {:>6.2} {:>6.0} MB/s {:>6.0} MB/s {:>5.0} %",
        100.0 - 100.0 * total as f64 / data.len() as f64,
        data.len() as f64 / total as f64,
        rate(compressing.as_secs_f64()),
        rate(opening.as_secs_f64()),
        100.0 * bypassed as f64 / data.len() as f64,
    );
}

fn sessions(dice: &mut Dice) -> Vec<u8> {
    let mut out = Vec::with_capacity(STREAM_BYTES + 1024);
    while out.len() < STREAM_BYTES {
        let session = session(dice);
        let key = format!("session:{:016x}", dice.next() % 1_000_000);
        command(&mut out, &["SET", &key, &session, "PXAT", "1999999999999"]);
    }
    out
}

/// A web session as applications keep it: a few hundred bytes, a third of them random.
fn session(dice: &mut Dice) -> String {
    let languages = ["en-GB", "de-DE", "fr-FR", "ja-JP"];
    let language = languages[(dice.next() % 4) as usize];
    let (user, token, csrf) = (dice.next() % 10_000_000, dice.next(), dice.next());
    let (seen, items) = (1_750_000_000 + dice.next() % 10_000_000, dice.next() % 20);
    format!(
        "{{\"userId\":{user},\"token\":\"{token:016x}{csrf:016x}\",\"csrf\":\"{:016x}\",\"locale\":\"{language}\",\
         \"roles\":[\"customer\"],\"cart\":{{\"items\":{items},\"currency\":\"EUR\"}},\"lastSeen\":{seen},\
         \"address\":\"10.{}.{}.{}\",\"agent\":\"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\"}}",
        token ^ csrf,
        user % 256,
        seen % 256,
        items
    )
}

fn counters(dice: &mut Dice) -> Vec<u8> {
    let mut out = Vec::with_capacity(STREAM_BYTES + 64);
    while out.len() < STREAM_BYTES {
        command(
            &mut out,
            &["INCR", &format!("counter:{}", dice.next() % 100_000)],
        );
    }
    out
}

fn command(out: &mut Vec<u8>, arguments: &[&str]) {
    out.extend_from_slice(format!("*{}\r\n", arguments.len()).as_bytes());
    for argument in arguments {
        out.extend_from_slice(format!("${}\r\n{argument}\r\n", argument.len()).as_bytes());
    }
}

/// Numbers that look random (splitmix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
