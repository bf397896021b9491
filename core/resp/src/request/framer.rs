//! Where each request begins and ends.

use memchr::{memchr, memchr2};

use super::{Header, Request, RequestError, RequestLimits, inline::split_words, read_header};

/// What stands at the front of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Framed<'a> {
    /// No whole request yet: keep the input, and call again with the same bytes and more behind
    /// them.
    More,
    /// `*0`, `*-5` or a line of nothing but blanks: to be dropped; no reply is due. It must not be
    /// passed on: Valkey 8.0.1 takes an array that follows a line of blanks for inline commands.
    Nothing {
        /// Bytes to drop off the front.
        bytes: usize,
    },
    /// A whole request; drop its [`bytes`](Request::bytes) off the front.
    Request(Request<'a>),
    /// An inline command, to be passed on as an array ([`write_command`](crate::write_command)).
    Inline {
        /// Bytes to drop off the front.
        bytes: usize,
        /// Its words, at least one.
        words: Vec<Vec<u8>>,
    },
    /// The front of a request that is larger than [`RequestLimits::whole`]: all arguments before
    /// the first that ends behind so many bytes, its name at least. Drop its
    /// [`bytes`](Request::bytes) off the front; [`Rest`](Framed::Rest) follows.
    Head(Request<'a>),
    /// More of the request that began with a [`Head`](Framed::Head), checked, to be passed on.
    Rest {
        /// Bytes to drop off the front, at least one.
        bytes: usize,
        /// The request ends with them.
        last: bool,
    },
}

/// Finds requests in bytes that are cut anywhere. The bytes stay with the caller, who drops what
/// was handed out off the front of its buffer before the next call, and keeps everything after
/// [`Framed::More`].
///
/// What comes out does not depend on the cuts, except for how a [`Rest`](Framed::Rest) is divided.
/// Each byte is looked at about once, however they come. After an error the same error comes
/// again.
#[derive(Debug, Clone)]
pub struct RequestFramer {
    /// Of the request that is being read.
    limits: RequestLimits,
    upcoming: RequestLimits,
    state: State,
    /// Bytes of the line that is being read in which its end was not found.
    searched: usize,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// A request begins at the front.
    Start,
    /// It begins at the front, and is read up to `at`, where an argument begins.
    Arguments(Arguments),
    /// Behind the head of a large one.
    Rest {
        missing: u32,
        part: Part,
    },
    Failed(RequestError),
}

#[derive(Debug, Clone, Copy)]
struct Arguments {
    count: u32,
    missing: u32,
    at: usize,
    name: (usize, usize),
}

/// What of an argument stands at the front.
#[derive(Debug, Clone, Copy)]
enum Part {
    Header,
    /// So many bytes.
    Body(usize),
    LineEnd,
}

impl RequestFramer {
    /// Makes a framer with these limits.
    #[must_use]
    pub const fn new(limits: RequestLimits) -> Self {
        Self {
            limits,
            upcoming: limits,
            state: State::Start,
            searched: 0,
        }
    }

    /// Changes the limits from the next request on: the one whose header is not read yet.
    pub const fn set_limits(&mut self, limits: RequestLimits) {
        self.upcoming = limits;
    }

    /// Whether a [`Framed::Head`] was handed out whose request has not ended: nothing else may be
    /// sent to where it went.
    #[must_use]
    pub const fn is_streaming(&self) -> bool {
        matches!(self.state, State::Rest { .. })
    }

    /// Reads what stands at the front of `input`. Allocates nothing but the words of inline
    /// commands.
    pub fn next<'a>(&mut self, input: &'a [u8]) -> Result<Framed<'a>, RequestError> {
        let framed = match self.state {
            State::Start => self.start(input),
            State::Arguments(arguments) => self.arguments(input, arguments),
            State::Rest { missing, part } => self.rest(input, missing, part),
            State::Failed(error) => Err(error),
        };
        if let Err(error) = framed {
            self.state = State::Failed(error);
        }
        framed
    }

    fn start<'a>(&mut self, input: &'a [u8]) -> Result<Framed<'a>, RequestError> {
        self.limits = self.upcoming;
        match read_header(input, b'*') {
            Header::Is { number, bytes } => self.begin(input, number, bytes),
            Header::Partial => Ok(Framed::More),
            Header::Other if input.first() == Some(&b'*') => self.odd_count(input),
            Header::Other => self.inline(input),
        }
    }

    fn begin<'a>(
        &mut self,
        input: &'a [u8],
        number: u64,
        bytes: usize,
    ) -> Result<Framed<'a>, RequestError> {
        self.searched = 0;
        let count = match u32::try_from(number) {
            Ok(count) if count <= self.limits.arguments => count,
            Ok(count) if self.limits.unauthenticated && i32::try_from(count).is_ok() => {
                return Err(RequestError::UnauthenticatedCount);
            }
            Ok(_) | Err(_) => return Err(RequestError::InvalidCount),
        };
        if count == 0 {
            return Ok(Framed::Nothing { bytes });
        }
        let arguments = Arguments {
            count,
            missing: count,
            at: bytes,
            name: (0, 0),
        };
        self.arguments(input, arguments)
    }

    /// An array header that is not in its one spelling: nothing when the number is negative.
    fn odd_count<'a>(&mut self, input: &'a [u8]) -> Result<Framed<'a>, RequestError> {
        let Some(end) = self.line_end(input, RequestError::EndlessCount)? else {
            return Ok(Framed::More);
        };
        let negative = input.get(1..end).is_some_and(is_negative);
        match input.get(end + 1) {
            None => Ok(Framed::More),
            Some(b'\n') if negative => {
                self.searched = 0;
                Ok(Framed::Nothing { bytes: end + 2 })
            }
            Some(_) => Err(RequestError::InvalidCount),
        }
    }

    fn arguments<'a>(
        &mut self,
        input: &'a [u8],
        mut arguments: Arguments,
    ) -> Result<Framed<'a>, RequestError> {
        let whole = self.limits.whole;
        while arguments.missing > 0 {
            let rest = input.get(arguments.at..).unwrap_or_default();
            let Some((length, header)) = self.length(rest)? else {
                self.state = State::Arguments(arguments);
                return Ok(Framed::More);
            };
            let begin = arguments.at + header;
            let end = begin.saturating_add(length);
            if end.saturating_add(2) > whole {
                return self.head(input, arguments);
            }
            match input.get(end..) {
                Some([b'\r', b'\n', ..]) => {}
                Some([] | [_]) | None => {
                    self.state = State::Arguments(arguments);
                    return Ok(Framed::More);
                }
                Some(_) => return Err(RequestError::NoLineEnd),
            }
            if arguments.missing == arguments.count {
                arguments.name = (begin, end);
            }
            arguments.at = end + 2;
            arguments.missing -= 1;
        }
        self.state = State::Start;
        request(input, arguments).map(Framed::Request)
    }

    fn head<'a>(
        &mut self,
        input: &'a [u8],
        arguments: Arguments,
    ) -> Result<Framed<'a>, RequestError> {
        if arguments.missing == arguments.count {
            return Err(RequestError::EndlessName);
        }
        self.state = State::Rest {
            missing: arguments.missing,
            part: Part::Header,
        };
        request(input, arguments).map(Framed::Head)
    }

    fn rest<'a>(
        &mut self,
        input: &'a [u8],
        mut missing: u32,
        mut part: Part,
    ) -> Result<Framed<'a>, RequestError> {
        let mut bytes = 0;
        loop {
            let front = input.get(bytes..).unwrap_or_default();
            let step = self.rest_step(front, part);
            // What was checked before an error goes on its way first.
            if bytes > 0 && step.is_err() {
                break;
            }
            let Some((next, used)) = step? else {
                break;
            };
            bytes += used;
            if matches!((part, next), (Part::LineEnd, Part::Header)) {
                missing -= 1;
            }
            part = next;
            if missing == 0 {
                self.state = State::Start;
                return Ok(Framed::Rest { bytes, last: true });
            }
        }
        self.state = State::Rest { missing, part };
        if bytes == 0 {
            return Ok(Framed::More);
        }
        Ok(Framed::Rest { bytes, last: false })
    }

    /// One step through an argument: what stands behind so many bytes.
    fn rest_step(
        &mut self,
        front: &[u8],
        part: Part,
    ) -> Result<Option<(Part, usize)>, RequestError> {
        match part {
            Part::Header => {
                let length = self.length(front)?;
                Ok(length.map(|(length, header)| (Part::Body(length), header)))
            }
            Part::Body(0) => Ok(Some((Part::LineEnd, 0))),
            Part::Body(_) if front.is_empty() => Ok(None),
            Part::Body(length) => {
                let used = length.min(front.len());
                Ok(Some((Part::Body(length - used), used)))
            }
            Part::LineEnd => match front {
                [b'\r', b'\n', ..] => Ok(Some((Part::Header, 2))),
                [] | [_] => Ok(None),
                _ => Err(RequestError::NoLineEnd),
            },
        }
    }

    /// Reads the header of an argument: its length, and the header's own. `None`: it is not whole.
    #[inline]
    fn length(&mut self, front: &[u8]) -> Result<Option<(usize, usize)>, RequestError> {
        match read_header(front, b'$') {
            Header::Is { number, bytes } => {
                self.searched = 0;
                if number > self.limits.bulk {
                    let told =
                        self.limits.unauthenticated && number <= RequestLimits::AFTER_LOGIN.bulk;
                    return Err(if told {
                        RequestError::UnauthenticatedLength
                    } else {
                        RequestError::InvalidLength
                    });
                }
                match usize::try_from(number) {
                    Ok(length) => Ok(Some((length, bytes))),
                    Err(_) => Err(RequestError::InvalidLength),
                }
            }
            Header::Partial => Ok(None),
            Header::Other => {
                let Some(end) = self.line_end(front, RequestError::EndlessLength)? else {
                    return Ok(None);
                };
                match front {
                    [b'$', ..] if front.len() > end + 1 => Err(RequestError::InvalidLength),
                    [other, ..] if front.len() > end + 1 => Err(RequestError::NotABulk(*other)),
                    _ => Ok(None),
                }
            }
        }
    }

    /// Looks for the CR of a header that is not in its one spelling.
    fn line_end(
        &mut self,
        line: &[u8],
        endless: RequestError,
    ) -> Result<Option<usize>, RequestError> {
        let limit = self.limits.line;
        let within = line.get(..=limit).unwrap_or(line);
        let searched = self.searched.min(within.len());
        let found = memchr(b'\r', within.get(searched..).unwrap_or_default());
        if let Some(at) = found {
            return Ok(Some(searched + at));
        }
        if line.len() > limit {
            return Err(endless);
        }
        self.searched = line.len();
        Ok(None)
    }

    fn inline<'a>(&mut self, input: &'a [u8]) -> Result<Framed<'a>, RequestError> {
        let limit = self.limits.line;
        let within = input.get(..=limit).unwrap_or(input);
        let searched = self.searched.min(within.len());
        let found = memchr2(b'\n', b'\0', within.get(searched..).unwrap_or_default());
        let Some(at) = found.map(|at| searched + at) else {
            if input.len() > limit {
                return Err(RequestError::EndlessInline);
            }
            self.searched = input.len();
            return Ok(Framed::More);
        };
        let line = input.get(..at).unwrap_or_default();
        if input.get(at) == Some(&b'\0') {
            return Err(RequestError::InlineNul);
        }
        self.searched = 0;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let words = split_words(line).ok_or(RequestError::UnbalancedQuotes)?;
        let bytes = at + 1;
        let Some(name) = words.first() else {
            return Ok(Framed::Nothing { bytes });
        };
        refuse_cross_protocol(name)?;
        Ok(Framed::Inline { bytes, words })
    }
}

/// The request or the front of one that has been read.
fn request(input: &[u8], arguments: Arguments) -> Result<Request<'_>, RequestError> {
    let (begin, end) = arguments.name;
    let name = input.get(begin..end).unwrap_or_default();
    refuse_cross_protocol(name)?;
    Ok(Request {
        bytes: input.get(..arguments.at).unwrap_or_default(),
        name,
        count: arguments.count,
    })
}

/// The engines compare names as C strings, in any case (server.c, `processCommand`).
#[inline]
fn refuse_cross_protocol(name: &[u8]) -> Result<(), RequestError> {
    if name.eq_ignore_ascii_case(b"POST") || name.eq_ignore_ascii_case(b"Host:") {
        return Err(RequestError::CrossProtocol);
    }
    Ok(())
}

/// A number below zero in its one spelling.
fn is_negative(text: &[u8]) -> bool {
    let [b'-', b'1'..=b'9', ..] = text else {
        return false;
    };
    str::from_utf8(text).is_ok_and(|text| text.parse::<i64>().is_ok())
}
