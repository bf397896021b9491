//! What a survivor holds of one client's keys.

use std::time::Duration;

use crate::{
    connection::{AskError, Connection},
    kind::Kind,
    memory::Memory,
    ranges::Ranges,
    reply::Reply,
};

/// How long a survivor may take to answer.
pub(crate) const READ_LIMIT: Duration = Duration::from_secs(60);
/// Entries of a list that are read at once.
const WINDOW: u64 = 10_000;

/// What is there.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// The numbers in the list.
    pub(crate) present: Ranges,
    /// Numbers that are there again.
    pub(crate) doubled: Vec<u64>,
    /// Numbers that stand behind a greater one.
    pub(crate) disordered: Vec<u64>,
    /// What is no number of anybody's.
    pub(crate) foreign: Vec<String>,
    /// Entries of the list.
    pub(crate) length: i64,
    /// Of a counter or a register.
    pub(crate) value: u64,
    /// Of a transfer's accounts.
    pub(crate) accounts: [i64; 2],
}

/// The keys of one client, and what they are.
pub(crate) struct Keys {
    kind: Kind,
    key: String,
    accounts: [String; 2],
}

impl Keys {
    pub(crate) fn of(memory: &Memory) -> Self {
        Self {
            kind: memory.kind,
            key: memory.key(),
            accounts: memory.accounts(),
        }
    }

    pub(crate) async fn read(&self, survivor: &mut Connection) -> Result<Reading, AskError> {
        let mut reading = Reading::default();
        match self.kind {
            Kind::Sequence | Kind::Pipeline => reading.list(survivor, &self.key).await?,
            Kind::Transfer => {
                reading.list(survivor, &self.key).await?;
                for (key, account) in self.accounts.iter().zip(&mut reading.accounts) {
                    match text(survivor, key).await?.map(|text| text.parse()) {
                        None => {}
                        Some(Ok(number)) => *account = number,
                        Some(Err(_no_number)) => reading.foreign.push(key.clone()),
                    }
                }
            }
            Kind::Counter | Kind::Register => match text(survivor, &self.key).await? {
                None => {}
                Some(text) => match text.parse() {
                    Ok(number) => reading.value = number,
                    Err(_no_number) => reading.foreign.push(text),
                },
            },
        }
        Ok(reading)
    }
}

impl Reading {
    async fn list(&mut self, survivor: &mut Connection, key: &str) -> Result<(), AskError> {
        let mut from = 0;
        loop {
            let window = [from, from + WINDOW - 1].map(|index| index.to_string());
            let [first, last] = window.each_ref().map(String::as_bytes);
            let words = [b"LRANGE", key.as_bytes(), first, last];
            let Reply::Array(entries) = survivor.ask("LRANGE", &words).await? else {
                return Err(AskError::Foreign { command: "LRANGE" });
            };
            let count = entries.len() as u64;
            for entry in entries {
                let Reply::Text(entry) = entry else {
                    return Err(AskError::Foreign { command: "LRANGE" });
                };
                self.entry(&entry);
            }
            if count < WINDOW {
                return Ok(());
            }
            from += count;
        }
    }

    fn entry(&mut self, entry: &[u8]) {
        self.length += 1;
        let Some(n) = resp::number(entry) else {
            self.foreign
                .push(String::from_utf8_lossy(entry).into_owned());
            return;
        };
        let greatest = self.present.last();
        if !self.present.insert(n) {
            self.doubled.push(n);
        } else if greatest.is_some_and(|greatest| greatest > n) {
            self.disordered.push(n);
        }
    }
}

async fn text(survivor: &mut Connection, key: &str) -> Result<Option<String>, AskError> {
    match survivor.ask("GET", &[b"GET", key.as_bytes()]).await? {
        Reply::Nil => Ok(None),
        Reply::Text(text) => Ok(Some(String::from_utf8_lossy(&text).into_owned())),
        Reply::Status(_) | Reply::Integer(_) | Reply::Array(_) | Reply::Error(_) => {
            Err(AskError::Foreign { command: "GET" })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_tells_doubles_disorder_and_strangers() {
        let mut reading = Reading::default();
        for entry in ["1", "2", "4", "3", "2", "x", "6"] {
            reading.entry(entry.as_bytes());
        }
        assert!(reading.present.numbers().eq([1, 2, 3, 4, 6]));
        assert_eq!(reading.doubled, [2]);
        assert_eq!(reading.disordered, [3]);
        assert_eq!(reading.foreign, ["x"]);
        assert_eq!(reading.length, 7);
    }
}
