//! One side of a link as a client meets it: connections, commands, and what its refusals mean.

use std::{sync::Arc, time::Duration};

use model::{CacheId, CacheName};
use redis::{
    Pipeline, RedisError, ServerError, ServerErrorKind, Value, aio::MultiplexedConnection,
};
use runtime::{chain, clock::Clock};
use tokio::sync::{Semaphore, SemaphorePermit};
use verify::{Command, Reply, Side};

use super::pace::Pace;
use crate::{
    failure::Failure,
    reach::{Reach, Unreachable},
    session::Session,
};

/// For any one answer. The engine itself may be busy with somebody else's command.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// Databases that are asked for at once; the engines have 16 unless told otherwise.
const DATABASES_AT_ONCE: u16 = 64;

/// Where a cache is reached, and with what.
pub(super) struct Door {
    pub(super) side: Side,
    pub(super) name: CacheName,
    reach: Reach,
    /// What shows how the link is, for people.
    watch: String,
}

/// Why a side did not answer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The connection broke; another may do better.
    Broken(String),
    /// Access keys do not allow the command here.
    NotAllowed(Failure),
    /// It will not.
    Failed(Failure),
}

impl Trouble {
    pub(super) fn into_failure(self) -> Failure {
        match self {
            Self::Broken(text) => Failure::new(text),
            Self::NotAllowed(failure) | Self::Failed(failure) => failure,
        }
    }
}

impl Door {
    /// Asks the control plane.
    pub(super) async fn find(session: &Session, id: &CacheId, side: Side) -> Result<Self, Failure> {
        let name = id.name.clone();
        let found = Reach::find(&session.management, id).await;
        let reach = found.map_err(|error| {
            let lost = matches!(error, Unreachable::NoAddress { .. });
            let failure = Failure::from(error);
            if !lost {
                return failure;
            }
            let show = session.command(&format!("cache show {name}"));
            failure.hint(format!("`{show}` says why"))
        })?;
        let watch = session.command(&format!("link watch {name}"));
        Ok(Self {
            side,
            name,
            reach,
            watch,
        })
    }

    /// `geo-primary `east`` for messages.
    pub(super) fn called(&self) -> String {
        let role = match self.side {
            Side::Primary => "geo-primary",
            Side::Secondary => "geo-secondary",
        };
        format!("the {role} `{}`", self.name)
    }

    /// Connects to one of its databases.
    pub(super) async fn open(self: &Arc<Self>, database: u16) -> Result<Visit, Trouble> {
        let connected = self.reach.connect(database, ANSWER_LIMIT).await;
        let connection = connected.map_err(|error| self.trouble(&error))?;
        let mut visit = Visit {
            door: Arc::clone(self),
            connection,
            engine: String::new(),
            large: Arc::new(Semaphore::new(1)),
        };
        // So that what is read here does not look used to the engine's eviction. Engines before
        // valkey 8 and redis 7.2 do not know it.
        let polite: Command = words(&["CLIENT", "NO-TOUCH", "ON"]);
        let _unknown = visit.raw(&[polite]).await?;
        visit.engine = match visit.info("server").await {
            Ok(info) => field(&info, "run_id").unwrap_or_default().to_owned(),
            // No other way tells one process from the next, so a cursor is worth nothing later.
            Err(Trouble::NotAllowed(_)) => format!("unknown at {}", Clock.now().0),
            Err(trouble) => return Err(trouble),
        };
        Ok(visit)
    }

    /// The databases that hold keys, with how many each.
    pub(super) async fn sizes(self: &Arc<Self>) -> Result<Vec<(u16, u64)>, Trouble> {
        let mut visit = self.open(0).await?;
        let mut found = Vec::new();
        for first in (0..u16::MAX).step_by(usize::from(DATABASES_AT_ONCE)) {
            let databases = first..first.saturating_add(DATABASES_AT_ONCE);
            let asked = databases
                .clone()
                .flat_map(|number| [words(&["SELECT", &number.to_string()]), words(&["DBSIZE"])]);
            let answers = visit.raw(&asked.collect::<Vec<_>>()).await?;
            for (number, pair) in databases.zip(answers.chunks(2)) {
                match pair {
                    [Value::Okay, Value::Int(size)] => {
                        let size = u64::try_from(*size).unwrap_or(0);
                        found.extend((size > 0).then_some((number, size)));
                    }
                    [Value::Okay, Value::ServerError(error)] => return Err(self.refused(error)),
                    // The first that is not there.
                    _ => return Ok(found),
                }
            }
        }
        Ok(found)
    }

    fn trouble(&self, error: &RedisError) -> Trouble {
        if let Ok(error) = ServerError::try_from(error.clone()) {
            return self.refused(&error);
        }
        let called = self.called();
        let at = &self.reach;
        let text = chain(error).to_string();
        if error.kind() == redis::ErrorKind::AuthenticationFailed {
            let failure = Failure::new(format!(
                "{called} at {at} does not take its access key: {text}"
            ));
            return Trouble::Failed(failure);
        }
        Trouble::Broken(format!("{called} at {at} does not answer: {text}"))
    }

    /// What an error of the engine means.
    fn refused(&self, error: &ServerError) -> Trouble {
        let called = self.called();
        let (code, details) = (error.code(), error.details().unwrap_or_default());
        let loading = match error.kind() {
            Some(ServerErrorKind::BusyLoading) => true,
            Some(ServerErrorKind::MasterDown) => true,
            Some(_) | None => false,
        };
        if loading {
            let failure = Failure::new(format!(
                "{called} is loading a full sync, or out of touch with its link ({code}); it can be compared when that is over"
            ));
            return Trouble::Failed(failure.hint(format!("`{}` shows how far it is", self.watch)));
        }
        let failure = Failure::new(format!("{called} refuses: {code} {details}"));
        if error.kind() == Some(ServerErrorKind::NoPerm) {
            return Trouble::NotAllowed(failure);
        }
        Trouble::Failed(failure)
    }
}

/// A connection to one database. Clones share it.
#[derive(Clone)]
pub(super) struct Visit {
    pub(super) door: Arc<Door>,
    connection: MultiplexedConnection,
    /// The engine's process, as it names itself.
    pub(super) engine: String,
    large: Arc<Semaphore>,
}

/// Answers, and how many bytes they are.
pub(super) struct Answers {
    pub(super) replies: Vec<Reply>,
    pub(super) bytes: u64,
}

impl Visit {
    /// The right to read large values: what is remembered of them is bounded by their being few.
    pub(super) async fn large(&self) -> Option<SemaphorePermit<'_>> {
        self.large.acquire().await.ok()
    }

    /// Asks in one go. An answer that says that a key has changed is [`Reply::Gone`].
    pub(super) async fn ask(&self, commands: &[Command], pace: &Pace) -> Result<Answers, Trouble> {
        let side = self.door.side;
        pace.bytes(side).await;
        let values = self.clone().raw(commands).await?;
        let mut bytes = 0;
        let replies: Result<Vec<_>, _> = values
            .into_iter()
            .map(|value| self.reply(value, &mut bytes))
            .collect();
        pace.spent(side, bytes);
        let replies = replies?;
        if replies.len() != commands.len() {
            let called = self.door.called();
            return Err(Trouble::Broken(format!(
                "{called} left commands without an answer"
            )));
        }
        Ok(Answers { replies, bytes })
    }

    /// A section of `INFO`.
    pub(super) async fn info(&self, section: &str) -> Result<String, Trouble> {
        let values = self.clone().raw(&[words(&["INFO", section])]).await?;
        match values.into_iter().next() {
            Some(Value::BulkString(text)) => Ok(String::from_utf8_lossy(&text).into_owned()),
            Some(Value::ServerError(error)) => Err(self.door.refused(&error)),
            _ => Err(self.nonsense("INFO")),
        }
    }

    /// Its time of day, in milliseconds since the Unix epoch.
    pub(super) async fn time(&self) -> Result<u64, Trouble> {
        let values = self.clone().raw(&[words(&["TIME"])]).await?;
        let Some(Value::Array(parts)) = values.into_iter().next() else {
            return Err(self.nonsense("TIME"));
        };
        let [seconds, micros] = parts.as_slice() else {
            return Err(self.nonsense("TIME"));
        };
        let number = |value: &Value| {
            let Value::BulkString(text) = value else {
                return None;
            };
            str::from_utf8(text).ok()?.parse::<u64>().ok()
        };
        match (number(seconds), number(micros)) {
            (Some(seconds), Some(micros)) => Ok(seconds * 1_000 + micros / 1_000),
            (None, _) | (_, None) => Err(self.nonsense("TIME")),
        }
    }

    pub(super) fn nonsense(&self, what: &str) -> Trouble {
        let called = self.door.called();
        Trouble::Failed(Failure::new(format!(
            "the answer of {called} to {what} is not understood"
        )))
    }

    async fn raw(&mut self, commands: &[Command]) -> Result<Vec<Value>, Trouble> {
        let mut pipeline = Pipeline::with_capacity(commands.len());
        for command in commands {
            let mut one = redis::Cmd::new();
            one.arg(command.as_slice());
            pipeline.add_command(one);
        }
        let sent = self
            .connection
            .send_packed_commands(&pipeline, 0, commands.len())
            .await;
        sent.map_err(|error| self.door.trouble(&error))
    }

    fn reply(&self, value: Value, bytes: &mut u64) -> Result<Reply, Trouble> {
        match value {
            Value::Nil => Ok(Reply::Nil),
            Value::Int(number) => Ok(Reply::Number(number)),
            Value::BulkString(text) => {
                *bytes += u64::try_from(text.len()).unwrap_or(u64::MAX);
                Ok(Reply::Bytes(text))
            }
            Value::SimpleString(text) => Ok(Reply::Bytes(text.into_bytes())),
            Value::Okay => Ok(Reply::Bytes(b"OK".to_vec())),
            Value::Array(all) => {
                let all: Result<_, _> = all.into_iter().map(|one| self.reply(one, bytes)).collect();
                Ok(Reply::List(all?))
            }
            Value::ServerError(error) if is_gone(&error) => Ok(Reply::Gone),
            Value::ServerError(error) => Err(self.door.refused(&error)),
            Value::Map(_)
            | Value::Attribute { .. }
            | Value::Set(_)
            | Value::Double(_)
            | Value::Boolean(_)
            | Value::VerbatimString { .. }
            | Value::BigNumber(_)
            | Value::Push { .. }
            | _ => Err(self.nonsense("a command of the second protocol")),
        }
    }
}

/// The key, or its group, is not what it was a moment ago.
fn is_gone(error: &ServerError) -> bool {
    let no_such_key = || {
        error
            .details()
            .is_some_and(|text| text.contains("no such key"))
    };
    match error.code() {
        "WRONGTYPE" | "NOGROUP" => true,
        "ERR" => no_such_key(),
        _ => false,
    }
}

/// Makes a command of texts.
pub(super) fn words(words: &[&str]) -> Command {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

/// The value of a field of `INFO`.
pub(super) fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = info.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}
