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
        let value = value(self.value_bytes);
        let mut batch = Vec::new();
        let mut unanswered = 0;
        let mut numbers = numbers.peekable();
        while numbers.peek().is_some() {
            batch.clear();
            let mut count = 0;
            for number in numbers.by_ref().take(BATCH) {
                let key = key(number % self.keys);
                encode(&mut batch, &[b"SET", key.as_bytes(), &value]);
                count += 1;
            }
            client.send(&batch)?;
            expect_ok(&mut client, unanswered)?;
            unanswered = count;
        }
        expect_ok(&mut client, unanswered)
    }

    /// Bytes of all different keys and their values.
    pub(crate) fn data_bytes(&self) -> u64 {
        self.keys * (key(0).len() + self.value_bytes) as u64
    }
}

fn expect_ok(client: &mut Client, count: usize) -> anyhow::Result<()> {
    for _ in 0..count {
        let reply = client.reply()?;
        ensure!(
            reply == Reply::Text(b"OK".to_vec()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_the_size_that_was_asked_for() {
        assert_eq!([0, 1, 100, 5000].map(|n| value(n).len()), [0, 1, 100, 5000]);
    }

    #[test]
    fn the_data_set_counts_each_key_once() {
        let load = Load {
            writes: 30,
            keys: 10,
            value_bytes: 100,
        };
        assert_eq!(load.data_bytes(), 10 * 114);
    }
}
