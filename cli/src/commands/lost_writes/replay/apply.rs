//! Commands on their way to the present geo-primary, as any client sends them: in batches, so that
//! a bounded number waits for answers, and with each answer looked at.

use std::{collections::VecDeque, time::Duration};

use redis::{Cmd, Pipeline, RedisError, RedisResult, Value, aio::MultiplexedConnection};
use resp::Touch;

use super::{
    super::escaped,
    reading::{Found, Write},
};
use crate::{failure::Failure, reach::Reach};

/// Commands that wait for their answers at most.
const COMMANDS: usize = 512;
/// Bytes that do.
const BYTES: usize = 1 << 20;
/// For a batch's answers; a geo-primary that hands over may make writes wait for a while.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);
/// As many refusals are shown.
const SHOWN: usize = 10;
/// Answers that say that the whole cache takes no writes, whatever the command.
const REFUSES_ALL: [&str; 8] = [
    "READONLY",
    "NOREPLICAS",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "NOAUTH",
    "CLUSTERDOWN",
    "OOM",
];

/// Where commands go.
#[derive(Debug)]
pub(super) struct Door<'a> {
    pub(super) name: &'a str,
    pub(super) reach: &'a Reach,
}

/// How it went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Applied {
    /// Commands that were taken.
    pub(super) commands: u64,
    /// Commands that were refused.
    pub(super) refused: u64,
    /// The first of these refusals.
    pub(super) shown: Vec<String>,
}

/// What an answer is to.
enum Sent {
    Select,
    Multi,
    /// A command, by its name and its first key.
    Command(String),
    /// The end of a transaction of so many answers.
    Exec,
}

/// Sends what it is given in order.
pub(super) struct Applier<'a> {
    door: &'a Door<'a>,
    connection: MultiplexedConnection,
    stop_on_error: bool,
    batch: Pipeline,
    sent: VecDeque<Sent>,
    bytes: usize,
    database: Option<u32>,
    /// The commands of the transaction whose answers are being read.
    queued: Vec<Option<String>>,
    pub(super) applied: Applied,
}

impl<'a> Applier<'a> {
    pub(super) async fn connect(door: &'a Door<'a>, stop_on_error: bool) -> Result<Self, Failure> {
        let connected = door.reach.connect(0, ANSWER_LIMIT).await;
        Ok(Self {
            connection: connected.map_err(|error| door.failed(&error))?,
            door,
            stop_on_error,
            batch: batch(),
            sent: VecDeque::new(),
            bytes: 0,
            database: None,
            queued: Vec::new(),
            applied: Applied::default(),
        })
    }

    /// Takes the next piece of the receipt, and sends the batch when it is large enough.
    pub(super) async fn take(&mut self, found: Found) -> Result<(), Failure> {
        let ends_unit = match found {
            Found::Multi { .. } => {
                self.push(redis::cmd("MULTI"), Sent::Multi, 0);
                false
            }
            Found::Exec { .. } => {
                self.push(redis::cmd("EXEC"), Sent::Exec, 0);
                true
            }
            Found::Write(write) => {
                self.write(&write);
                !write.inside
            }
        };
        // One unit at a time, so that nothing behind a refusal is applied.
        let full = self.sent.len() >= COMMANDS || self.bytes >= BYTES;
        if full || (self.stop_on_error && ends_unit) {
            self.flush().await?;
        }
        Ok(())
    }

    fn write(&mut self, write: &Write) {
        if write.database.is_some() && write.database != self.database {
            self.database = write.database;
            let mut select = redis::cmd("SELECT");
            select.arg(write.database.unwrap_or_default());
            self.push(select, Sent::Select, 0);
        }
        let mut command = Cmd::new();
        let mut bytes = 0;
        for word in &write.words {
            command.arg(&word[..]);
            bytes += word.len();
        }
        self.push(command, Sent::Command(named(write)), bytes);
    }

    fn push(&mut self, command: Cmd, sent: Sent, bytes: usize) {
        self.batch.add_command(command);
        self.sent.push_back(sent);
        self.bytes += bytes;
    }

    /// Sends what waits and reads its answers.
    pub(super) async fn flush(&mut self) -> Result<(), Failure> {
        if self.sent.is_empty() {
            return Ok(());
        }
        let batch = std::mem::replace(&mut self.batch, batch());
        self.bytes = 0;
        let answers: RedisResult<Vec<RedisResult<Value>>> =
            batch.query_async(&mut self.connection).await;
        let answers = answers.map_err(|error| self.broken(&error))?;
        for answer in answers {
            let Some(sent) = self.sent.pop_front() else {
                break;
            };
            self.answered(sent, answer)?;
        }
        if self.stop_on_error && self.applied.refused > 0 {
            let name = self.door.name;
            return Err(Failure::new(format!(
                "stopped at the first command that `{name}` refused"
            )));
        }
        Ok(())
    }

    fn answered(&mut self, sent: Sent, answer: RedisResult<Value>) -> Result<(), Failure> {
        let queued = |answer: &RedisResult<Value>| matches!(answer, Ok(Value::SimpleString(text)) if text == "QUEUED");
        match sent {
            Sent::Multi => {
                answer.map_err(|error| self.refuses_all(&error))?;
            }
            Sent::Select if queued(&answer) => self.queued.push(None),
            Sent::Select => {
                answer.map_err(|error| self.refuses_all(&error))?;
            }
            Sent::Command(named) if queued(&answer) => self.queued.push(Some(named)),
            Sent::Command(named) => self.count(named, answer)?,
            Sent::Exec => self.executed(answer)?,
        }
        Ok(())
    }

    fn executed(&mut self, answer: RedisResult<Value>) -> Result<(), Failure> {
        let queued = std::mem::take(&mut self.queued);
        match answer {
            Ok(Value::Array(answers)) => {
                let all = queued.into_iter().zip(answers);
                for (named, answer) in all {
                    if let Some(named) = named {
                        self.count(named, answer.extract_error())?;
                    }
                }
            }
            Ok(_) => {}
            Err(error) => {
                for named in queued.into_iter().flatten() {
                    self.count(named, Err(error.clone()))?;
                }
            }
        }
        Ok(())
    }

    fn count(&mut self, named: String, answer: RedisResult<Value>) -> Result<(), Failure> {
        let Err(error) = answer else {
            self.applied.commands += 1;
            return Ok(());
        };
        if error.code().is_some_and(|code| REFUSES_ALL.contains(&code)) {
            return Err(self.refuses_all(&error));
        }
        self.applied.refused += 1;
        if self.applied.shown.len() < SHOWN {
            let why = words(&error);
            self.applied.shown.push(format!("{named}: {why}"));
        }
        Ok(())
    }

    fn refuses_all(&self, error: &RedisError) -> Failure {
        Failure::new(format!(
            "`{}` takes no such writes now: {}",
            self.door.name,
            words(error)
        ))
    }

    fn broken(&self, error: &RedisError) -> Failure {
        let waiting = self.sent.len();
        Failure::new(format!(
            "the connection to `{}` failed with {waiting} commands on their way, of which nobody knows whether they were applied: {}",
            self.door.name,
            words(error)
        ))
    }
}

impl Door<'_> {
    fn failed(&self, error: &RedisError) -> Failure {
        let Self { name, reach } = self;
        Failure::new(format!(
            "connect to `{name}` at {reach}: {}",
            words(error)
        ))
        .hint("a replay goes to the cache as any client does: its address has to be reachable from here")
    }
}

fn batch() -> Pipeline {
    let mut batch = Pipeline::new();
    batch.ignore_errors();
    batch
}

/// A command for people: its name and the first key that it touches.
fn named(write: &Write) -> String {
    let name = write.words.first().map_or(&b""[..], |word| &word[..]);
    let mut text = escaped(name).to_ascii_uppercase();
    let key = write.touches.iter().find_map(|touch| match touch {
        Touch::Key { key, .. } => Some(key),
        Touch::Database(_) | Touch::Everything => None,
    });
    if let Some(key) = key {
        text.push_str(&format!(" \"{}\"", escaped(key)));
    }
    text
}

/// An engine's words without what may be values: engines repeat the arguments of commands that
/// they do not know.
fn words(error: &RedisError) -> String {
    let text = match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        (Some(code), None) => code.to_owned(),
        (None, Some(detail)) => detail.to_owned(),
        (None, None) => error.to_string(),
    };
    let end = text.find(", with args").unwrap_or(text.len());
    let kept = text.get(..end).unwrap_or_default();
    let kept: String = kept
        .trim_end_matches(['.', '\r', '\n'])
        .chars()
        .take(160)
        .collect();
    kept.escape_debug().to_string()
}
