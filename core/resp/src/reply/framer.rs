//! Where each reply ends.

use memchr::memchr2;

use super::{
    DEPTH, HEAD_BYTES, Reply, ReplyKind,
    value::{NULL_BYTES, aggregate_kind, confirms, is_null, line_kind, number, scalar, text_kind},
};

/// What stands at the front of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replied<'a> {
    /// Nothing can be passed on yet: keep the input, and call again with the same bytes and more
    /// behind them.
    More,
    /// A part of a reply that is larger than [`HEAD_BYTES`], with what stands at its front.
    Part(Reply<'a>),
    /// A reply ends: all of it, or what follows its last part.
    Whole(Reply<'a>),
}

/// What an engine does not send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// A byte that no reply begins with.
    #[error("a reply of the engine begins with the byte {0}")]
    UnknownKind(u8),
    /// A length or a count that is not in its one spelling.
    #[error("a reply of the engine has a length or a count that is none")]
    BadNumber,
    /// A line or a text without CRLF where it ends.
    #[error("a reply of the engine does not end with CRLF")]
    NoLineEnd,
    /// A null, a boolean or an integer that is none.
    #[error("a reply of the engine is not what its first byte says")]
    BadScalar,
    /// Aggregates inside each other, deeper than is read.
    #[error("a reply of the engine nests deeper than {DEPTH}")]
    TooDeep,
    /// A push inside another reply that does not begin with its name.
    #[error("a push of the engine has no name")]
    NamelessPush,
}

/// Finds the ends of replies in bytes that are cut anywhere. The bytes stay with the caller, who
/// drops those that were handed out before the next call, and keeps everything after
/// [`Replied::More`].
///
/// Which replies come out, of which kind and with which front, does not depend on the cuts; how
/// large ones are divided does. A reply of [`HEAD_BYTES`] at most is never divided, and of a larger
/// one something is handed out as soon as there are 1 KiB. After an error the same error comes
/// again.
///
/// Inside another reply (`EXEC`'s, on RESP3) a push stands between the elements and is none of
/// them when it is a message: a transaction that publishes to its own connection. It is one when
/// it confirms a `SUBSCRIBE` or an `UNSUBSCRIBE` of the transaction; when one command has several
/// confirmations, the array ends early, and its other elements come as replies of their own.
#[derive(Debug, Clone)]
pub struct ReplyFramer {
    /// The aggregates around the value that is being read, the innermost last.
    pub(super) around: Vec<Level>,
    part: Part,
    /// Bytes of the input that are read and not handed out.
    scanned: usize,
    /// Some of the reply was handed out.
    passed: bool,
    /// The kind of the reply, once its attributes are over.
    kind: Option<ReplyKind>,
    /// Where in the input the reply begins behind its attributes, or goes on.
    begins: usize,
    front: [u8; HEAD_BYTES],
    /// Bytes of `front` that are filled; used when the reply does not come in one.
    filled: usize,
    failed: Option<ReplyError>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Level {
    missing: u64,
    /// Attributes, or a push inside another reply: no value of what is around it.
    beside: bool,
}

/// What stands where the framer is.
#[derive(Debug, Clone, Copy)]
enum Part {
    /// A value begins.
    Value,
    /// A line of any length goes on.
    Line,
    /// So many bytes of a text, then CRLF.
    Text(usize),
}

/// What was read.
enum Step {
    /// Something; more follows.
    On,
    /// A value, or the last of an aggregate.
    Value,
    /// Nothing, before more bytes come.
    Starved,
}

impl Default for ReplyFramer {
    fn default() -> Self {
        Self::new()
    }
}

impl ReplyFramer {
    /// Makes a framer at the beginning of a connection.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            around: Vec::new(),
            part: Part::Value,
            scanned: 0,
            passed: false,
            kind: None,
            begins: 0,
            front: [0; HEAD_BYTES],
            filled: 0,
            failed: None,
        }
    }

    /// Whether a part was handed out of a reply that has not ended: nothing else may be sent to
    /// where it went.
    #[must_use]
    pub const fn is_streaming(&self) -> bool {
        self.passed
    }

    /// Reads what stands at the front of `input`.
    pub fn next<'a>(&'a mut self, input: &'a [u8]) -> Result<Replied<'a>, ReplyError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        loop {
            let front = input.get(self.scanned..).unwrap_or_default();
            match self.step(front) {
                Ok(Step::On) => {}
                Ok(Step::Value) => {
                    if self.end_value() {
                        return Ok(self.whole(input));
                    }
                }
                Ok(Step::Starved) => break,
                Err(error) => {
                    self.failed = Some(error);
                    return Err(error);
                }
            }
        }
        if self.scanned == 0 || (!self.passed && self.scanned <= HEAD_BYTES) {
            return Ok(Replied::More);
        }
        Ok(self.some(input))
    }

    fn whole<'a>(&'a mut self, input: &'a [u8]) -> Replied<'a> {
        let bytes = std::mem::take(&mut self.scanned);
        let in_one = !std::mem::take(&mut self.passed);
        let head = if in_one {
            let reply = input.get(self.begins..bytes).unwrap_or_default();
            reply.get(..HEAD_BYTES).unwrap_or(reply)
        } else {
            self.remember(input, bytes);
            self.front.get(..self.filled).unwrap_or_default()
        };
        self.begins = 0;
        self.filled = 0;
        // Room for a script's reply is not kept for ever.
        if self.around.capacity() > 64 {
            self.around = Vec::new();
        }
        Replied::Whole(Reply {
            bytes,
            kind: self.kind.take().unwrap_or(ReplyKind::Attribute),
            head,
            in_one,
        })
    }

    fn some<'a>(&'a mut self, input: &'a [u8]) -> Replied<'a> {
        let bytes = std::mem::take(&mut self.scanned);
        self.passed = true;
        self.remember(input, bytes);
        self.begins = 0;
        Replied::Part(Reply {
            bytes,
            kind: self.kind.unwrap_or(ReplyKind::Attribute),
            head: self.front.get(..self.filled).unwrap_or_default(),
            in_one: false,
        })
    }

    /// Keeps of the reply's front what is about to be handed out.
    fn remember(&mut self, input: &[u8], bytes: usize) {
        if self.kind.is_none() {
            return;
        }
        let more = input.get(self.begins..bytes).unwrap_or_default();
        let room = self.front.get_mut(self.filled..).unwrap_or_default();
        let fits = more.len().min(room.len());
        for (to, from) in room.iter_mut().zip(more) {
            *to = *from;
        }
        self.filled += fits;
    }

    fn step(&mut self, front: &[u8]) -> Result<Step, ReplyError> {
        match self.part {
            Part::Value => match front {
                [] => Ok(Step::Starved),
                [kind, ..] => self.value(*kind, front),
            },
            Part::Line => self.line(front),
            Part::Text(left) => self.text(front, left),
        }
    }

    /// Reads the front of a value: its header, or all of a short one.
    fn value(&mut self, byte: u8, front: &[u8]) -> Result<Step, ReplyError> {
        let top = self.around.is_empty();
        let null = is_null(front);
        let (kind, step) = match byte {
            b'+' | b'-' | b'(' | b',' => {
                self.part = Part::Line;
                (line_kind(byte), Some((Step::On, 1)))
            }
            b':' | b'#' | b'_' => {
                let (kind, bytes) = scalar(byte, front)?;
                (kind, bytes.map(|bytes| (Step::Value, bytes)))
            }
            b'$' | b'*' if null != Some(false) => {
                (ReplyKind::Null, null.map(|_| (Step::Value, NULL_BYTES)))
            }
            b'$' | b'!' | b'=' => {
                let header = number(byte, front)?;
                let step = match header {
                    None => None,
                    Some((length, bytes)) => {
                        let Ok(length) = usize::try_from(length) else {
                            return Err(ReplyError::BadNumber);
                        };
                        self.part = Part::Text(length);
                        Some((Step::On, bytes))
                    }
                };
                (text_kind(byte), step)
            }
            b'*' | b'~' | b'%' | b'>' | b'|' => {
                let step = self.aggregate(byte, front, top)?;
                (aggregate_kind(byte), step)
            }
            other => return Err(ReplyError::UnknownKind(other)),
        };
        let Some((step, bytes)) = step else {
            return Ok(Step::Starved);
        };
        if top && kind != ReplyKind::Attribute {
            self.kind = Some(kind);
            self.begins = self.scanned;
        }
        self.scanned += bytes;
        Ok(step)
    }

    fn aggregate(
        &mut self,
        byte: u8,
        front: &[u8],
        top: bool,
    ) -> Result<Option<(Step, usize)>, ReplyError> {
        let Some((count, bytes)) = number(byte, front)? else {
            return Ok(None);
        };
        let paired = matches!(byte, b'%' | b'|');
        let beside = match byte {
            b'|' => true,
            b'>' if !top => {
                let behind = front.get(bytes..).unwrap_or_default();
                let Some(confirms) = confirms(behind)? else {
                    return Ok(None);
                };
                !confirms
            }
            _ => false,
        };
        if count == 0 {
            // Attributes that are none are not a value.
            let step = if beside { Step::On } else { Step::Value };
            return Ok(Some((step, bytes)));
        }
        if self.around.len() >= DEPTH {
            return Err(ReplyError::TooDeep);
        }
        self.around.push(Level {
            missing: if paired { count * 2 } else { count },
            beside,
        });
        Ok(Some((Step::On, bytes)))
    }

    fn line(&mut self, front: &[u8]) -> Result<Step, ReplyError> {
        let Some(at) = memchr2(b'\r', b'\n', front) else {
            self.scanned += front.len();
            return Ok(Step::Starved);
        };
        self.scanned += at;
        match front.get(at..) {
            Some([b'\r', b'\n', ..]) => {
                self.scanned += 2;
                self.part = Part::Value;
                Ok(Step::Value)
            }
            Some([b'\r']) => Ok(Step::Starved),
            Some(_) | None => Err(ReplyError::NoLineEnd),
        }
    }

    fn text(&mut self, front: &[u8], left: usize) -> Result<Step, ReplyError> {
        if front.len() < left {
            self.scanned += front.len();
            self.part = Part::Text(left - front.len());
            return Ok(Step::Starved);
        }
        self.scanned += left;
        match front.get(left..) {
            Some([b'\r', b'\n', ..]) => {
                self.scanned += 2;
                self.part = Part::Value;
                Ok(Step::Value)
            }
            Some([] | [_]) => {
                self.part = Part::Text(0);
                Ok(Step::Starved)
            }
            Some(_) | None => Err(ReplyError::NoLineEnd),
        }
    }

    /// Counts a value that is over, and the aggregates that are over with it. Whether the reply
    /// is.
    fn end_value(&mut self) -> bool {
        while let Some(level) = self.around.last_mut() {
            level.missing -= 1;
            if level.missing > 0 {
                return false;
            }
            let beside = level.beside;
            self.around.pop();
            if beside {
                return false;
            }
        }
        true
    }
}
