//! Requests of clients as a gateway passes them on: views into the caller's buffer, nothing copied.
//!
//! The engines read requests leniently: they skip the two bytes behind a CR or behind a bulk
//! whatever they are, and wait for ever for a line that holds a NUL. Two readers that disagree
//! about where a request ends can be played against each other, so what is not in its one spelling
//! is refused here (networking.c, `processMultibulkBuffer` and `processInlineBuffer`).

mod error;
mod framer;
mod header;
mod inline;

pub use error::RequestError;
pub use framer::{Framed, RequestFramer};

pub(crate) use header::{Header, read_header};

/// How large requests may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    /// Arguments of one request, its name among them.
    pub arguments: u32,
    /// Bytes of one argument.
    pub bulk: u64,
    /// Bytes of a header or of an inline command, without its line end.
    pub line: usize,
    /// Bytes of the largest request that is handed out as a whole; larger ones are passed on while
    /// they arrive.
    pub whole: usize,
    /// Whether what is too large is refused because nobody logged in: the engines say so.
    pub unauthenticated: bool,
}

impl RequestLimits {
    /// What the engines take from a client that has not logged in: 10 arguments of 16 KiB. A
    /// request is then smaller than the 1 MB that they let such a client's buffer grow to.
    pub const BEFORE_LOGIN: Self = Self {
        arguments: 10,
        bulk: 16_384,
        line: 65_536,
        whole: 65_536,
        unauthenticated: true,
    };

    /// What the engines take from others, as they come: arguments of 512 MiB. Of arguments they
    /// take 2^31 - 1, and have memory for each; here 2^20 are enough.
    pub const AFTER_LOGIN: Self = Self {
        arguments: 1_048_576,
        bulk: 536_870_912,
        line: 65_536,
        whole: 65_536,
        unauthenticated: false,
    };

    /// Bytes that a caller's buffer needs at most: with so many, [`RequestFramer::next`] does not
    /// ask for more.
    #[must_use]
    pub const fn buffer(&self) -> usize {
        self.whole + self.line + 2
    }
}

/// A request, or the front of one: an array of bulks in its one spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    bytes: &'a [u8],
    name: &'a [u8],
    count: u32,
}

impl<'a> Request<'a> {
    /// Reads a whole request that `bytes` are, and nothing more. `None`: they are not one.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let limits = RequestLimits {
            whole: usize::MAX,
            ..RequestLimits::AFTER_LOGIN
        };
        match RequestFramer::new(limits).next(bytes) {
            Ok(Framed::Request(request)) if request.bytes.len() == bytes.len() => Some(request),
            Ok(_) | Err(_) => None,
        }
    }

    /// The bytes as they came, which may be passed on as they are. Of a
    /// [`Head`](Framed::Head) they end where the first argument that is not whole begins.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Arguments that the request has, its name among them. A [`Head`](Framed::Head) announces
    /// more than it holds.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count as usize
    }

    /// The command's name as it came: letters in any case, any bytes.
    #[must_use]
    pub const fn name(&self) -> &'a [u8] {
        self.name
    }

    /// An argument; 0 is the name. `None`: there is none, or the [`Head`](Framed::Head) ends
    /// before it. Walks from the front.
    #[must_use]
    pub fn argument(&self, index: usize) -> Option<&'a [u8]> {
        self.arguments().nth(index)
    }

    /// The arguments from the front, the name first; of a [`Head`](Framed::Head) those it holds.
    #[must_use]
    pub fn arguments(&self) -> Arguments<'a> {
        let rest = match read_header(self.bytes, b'*') {
            Header::Is { bytes, .. } => self.bytes.get(bytes..).unwrap_or_default(),
            Header::Partial | Header::Other => &[],
        };
        Arguments { rest }
    }
}

/// The arguments of a [`Request`].
#[derive(Debug, Clone)]
pub struct Arguments<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Arguments<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let Header::Is { number, bytes } = read_header(self.rest, b'$') else {
            return None;
        };
        let body = self.rest.get(bytes..)?;
        let (argument, rest) = body.split_at_checked(usize::try_from(number).ok()?)?;
        self.rest = rest.strip_prefix(b"\r\n")?;
        Some(argument)
    }
}

#[cfg(test)]
mod tests;
