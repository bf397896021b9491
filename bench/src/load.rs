//! A fixed amount of pipelined writes over several connections.

use std::{ops::Range, thread};

use anyhow::{bail, ensure};

use crate::client::{Client, Endpoint, Reply, encode};

const CONNECTIONS: u64 = 4;
/// Writes that a connection sends at once; it has two such batches on the way.
const BATCH: usize = 128;

/// What is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// How many writes.
    pub(crate) writes: u64,
    /// How many different keys they go to, in turn.
    pub(crate) keys: u64,
    /// Bytes of each value.
    pub(crate) value_bytes: usize,
    /// What they are.
    pub(crate) content: Content,
}

/// What values are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// The same text in every value.
    Text,
    /// Web sessions as applications keep them: JSON, a third of it random.
    Sessions,
    /// Bytes that nothing compresses.
    Random,
    /// None: the writes count (`INCR`).
    Counters,
}

impl Content {
    /// The value of the write with this number.
    fn value(self, number: u64, bytes: usize) -> Vec<u8> {
        match self {
            Self::Text | Self::Counters => value(bytes),
            Self::Sessions => {
                let mut text = session(number).into_bytes();
                text.resize(bytes, b' ');
                text
            }
            Self::Random => (0..)
                .flat_map(|part| scramble(number ^ scramble(part)).to_le_bytes())
                .take(bytes)
                .collect(),
        }
    }
}

impl Load {
    /// Writes everything and waits for every acknowledgement.
    pub(crate) fn run(&self, to: &Endpoint) -> anyhow::Result<()> {
        let share = self.writes.div_ceil(CONNECTIONS);
        thread::scope(|scope| {
            let writers: Vec<_> = (0..CONNECTIONS)
                .map(|index| {
                    let begin = (index * share).min(self.writes);
                    let end = (begin + share).min(self.writes);
                    scope.spawn(move || self.write(to, begin..end))
                })
                .collect();
            for writer in writers {
                match writer.join() {
                    Ok(written) => written?,
                    Err(_panic) => bail!("a writer of the load panicked"),
                }
            }
            Ok(())
        })
    }

    fn write(&self, to: &Endpoint, numbers: Range<u64>) -> anyhow::Result<()> {
        let mut client = to.connect()?;
        let text = value(self.value_bytes);
        let mut batch = Vec::new();
        let mut unanswered = 0;
        let mut numbers = numbers.peekable();
        while numbers.peek().is_some() {
            batch.clear();
            let mut count = 0;
            for number in numbers.by_ref().take(BATCH) {
                let key = key(number % self.keys);
                let own = match self.content {
                    Content::Text | Content::Counters => None,
                    Content::Sessions | Content::Random => {
                        Some(self.content.value(number, self.value_bytes))
                    }
                };
                let value = own.as_ref().unwrap_or(&text);
                match self.content {
                    Content::Counters => encode(&mut batch, &[b"INCR", key.as_bytes()]),
                    Content::Text | Content::Sessions | Content::Random => {
                        encode(&mut batch, &[b"SET", key.as_bytes(), value]);
                    }
                }
                count += 1;
            }
            client.send(&batch)?;
            expect_done(&mut client, unanswered)?;
            unanswered = count;
        }
        expect_done(&mut client, unanswered)
    }

    /// Bytes of all different keys and their values.
    pub(crate) fn data_bytes(&self) -> u64 {
        self.keys * (key(0).len() + self.value_bytes) as u64
    }
}

fn expect_done(client: &mut Client, count: usize) -> anyhow::Result<()> {
    for _ in 0..count {
        let reply = client.reply()?;
        ensure!(
            matches!(reply, Reply::Text(_)),
            "a write was answered with {reply:?}"
        );
    }
    Ok(())
}

fn key(number: u64) -> String {
    format!("key:{number:010}")
}

/// Text that does not repeat within a kilobyte.
pub(crate) fn value(bytes: usize) -> Vec<u8> {
    (0_usize..)
        .flat_map(|n| (n * 7919 % 1000).to_string().into_bytes())
        .take(bytes)
        .collect()
}

fn session(number: u64) -> String {
    let random = scramble(number);
    let (token, csrf) = (scramble(random), scramble(!random));
    let language = match random % 4 {
        0 => "en-GB",
        1 => "de-DE",
        2 => "fr-FR",
        _ => "ja-JP",
    };
    format!(
        r#"{{"userId":{},"token":"{token:016x}{csrf:016x}","csrf":"{:016x}","locale":"{language}","roles":["customer"],"cart":{{"items":{},"currency":"EUR"}},"lastSeen":{},"address":"10.{}.{}.{}","agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"}}"#,
        random % 10_000_000,
        token ^ csrf,
        token % 20,
        1_750_000_000 + csrf % 10_000_000,
        token % 250,
        csrf % 250,
        random % 250,
    )
}

/// Numbers that look random, each from its own (splitmix64).
fn scramble(number: u64) -> u64 {
    let z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_the_size_that_was_asked_for() {
        assert_eq!([0, 1, 100, 5000].map(|n| value(n).len()), [0, 1, 100, 5000]);
    }

    #[test]
    fn contents_have_their_size_and_differ_where_they_should() {
        for content in [Content::Text, Content::Sessions, Content::Random] {
            let (one, two) = (content.value(1, 320), content.value(2, 320));
            assert_eq!((one.len(), two.len()), (320, 320));
            assert_eq!(one == two, content == Content::Text);
            assert_eq!(one, content.value(1, 320));
        }
        // Nothing of a session is cut off.
        assert!(session(7).len() <= 320, "{}", session(7).len());
    }

    #[test]
    fn the_data_set_counts_each_key_once() {
        let load = Load {
            writes: 30,
            keys: 10,
            value_bytes: 100,
            content: Content::Text,
        };
        assert_eq!(load.data_bytes(), 10 * 114);
    }
}
