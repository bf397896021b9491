//! Commands that change what an engine keeps of a connection.

use resp::Request;

use crate::{
    expect::Silence,
    texts::{c_string, is_word},
};

/// The longest name of a connection, a library or a prefix that is kept.
pub(crate) const NAME_BYTES: usize = 1024;
/// Prefixes of tracked keys that are kept.
pub(crate) const PREFIXES: usize = 64;

/// What a command changes once the engine has said `OK`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Database(u32),
    Name(Kept),
    LibraryName(Kept),
    LibraryVersion(Kept),
    NoEvict(bool),
    NoTouch(bool),
    ReadOnly(bool),
    Tracking(Option<Box<Asked>>),
    /// For the next command alone.
    Caching(bool),
}

/// A name as far as it is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Kept {
    /// There is none: the engines take an empty one for that.
    #[default]
    Nothing,
    Text(Box<[u8]>),
    TooLong,
}

impl Kept {
    pub(crate) fn of(name: &[u8]) -> Self {
        if name.is_empty() {
            Self::Nothing
        } else if name.len() > NAME_BYTES {
            Self::TooLong
        } else {
            Self::Text(name.into())
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Nothing | Self::TooLong => 0,
        }
    }
}

/// What `CLIENT TRACKING ON` asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) broadcast: bool,
    pub(crate) opt_in: bool,
    pub(crate) opt_out: bool,
    pub(crate) no_loop: bool,
    /// To another connection.
    pub(crate) redirected: bool,
    pub(crate) prefixes: Vec<Box<[u8]>>,
    /// There were more, or longer ones.
    pub(crate) too_many: bool,
}

impl Change {
    /// Bytes that are kept beside the change itself.
    pub(crate) fn bytes(&self) -> usize {
        let size = size_of::<Self>();
        let more = match self {
            Self::Name(name) | Self::LibraryName(name) | Self::LibraryVersion(name) => name.bytes(),
            Self::Tracking(Some(asked)) => {
                let prefixes = asked.prefixes.iter().map(|prefix| prefix.len() + 16);
                size_of::<Asked>() + prefixes.sum::<usize>()
            }
            Self::Database(_)
            | Self::NoEvict(_)
            | Self::NoTouch(_)
            | Self::ReadOnly(_)
            | Self::Tracking(None)
            | Self::Caching(_) => 0,
        };
        size + more
    }
}

/// What a subcommand of `CLIENT` is.
pub(crate) enum Client {
    /// Nothing to a session.
    Plain,
    Change(Change),
    Silence(Silence),
    /// `CAPA`: with `redirect` the engine of a geo-secondary would name an address that is none
    /// of the client's.
    Capabilities,
}

pub(crate) fn client(request: &Request<'_>) -> Client {
    let mut arguments = request.arguments().skip(1);
    let Some(subcommand) = arguments.next() else {
        return Client::Plain;
    };
    let count = request.count();
    let first = arguments.next();
    let is = |word: &str| subcommand.eq_ignore_ascii_case(word.as_bytes());
    if is("REPLY") {
        let silence = first.filter(|_| count == 3).and_then(silence);
        silence.map_or(Client::Plain, Client::Silence)
    } else if is("SETNAME") {
        Client::Change(Change::Name(kept(first)))
    } else if is("SETINFO") {
        let value = kept(arguments.next());
        match first {
            Some(attribute) if is_word(attribute, "LIB-NAME") => {
                Client::Change(Change::LibraryName(value))
            }
            Some(attribute) if is_word(attribute, "LIB-VER") => {
                Client::Change(Change::LibraryVersion(value))
            }
            Some(_) | None => Client::Plain,
        }
    } else if is("NO-EVICT") {
        switched(first, Change::NoEvict)
    } else if is("NO-TOUCH") {
        switched(first, Change::NoTouch)
    } else if is("CACHING") {
        match first {
            Some(word) if is_word(word, "YES") => Client::Change(Change::Caching(true)),
            Some(word) if is_word(word, "NO") => Client::Change(Change::Caching(false)),
            Some(_) | None => Client::Plain,
        }
    } else if is("TRACKING") {
        tracking(request)
    } else if is("CAPA") && count > 2 {
        Client::Capabilities
    } else {
        Client::Plain
    }
}

/// The database that `SELECT` names. `None`: the engine will refuse it.
pub(crate) fn database(request: &Request<'_>) -> Option<Change> {
    let index = resp::number(request.argument(1).filter(|_| request.count() == 2)?)?;
    u32::try_from(index).ok().map(Change::Database)
}

fn silence(word: &[u8]) -> Option<Silence> {
    [
        ("ON", Silence::On),
        ("OFF", Silence::Off),
        ("SKIP", Silence::Skip),
    ]
    .into_iter()
    .find(|(name, _)| is_word(word, name))
    .map(|(_, silence)| silence)
}

fn switched(word: Option<&[u8]>, change: fn(bool) -> Change) -> Client {
    match word {
        Some(word) if is_word(word, "ON") => Client::Change(change(true)),
        Some(word) if is_word(word, "OFF") => Client::Change(change(false)),
        Some(_) | None => Client::Plain,
    }
}

fn tracking(request: &Request<'_>) -> Client {
    let mut arguments = request.arguments().skip(2);
    match arguments.next() {
        Some(word) if is_word(word, "ON") => {}
        Some(word) if is_word(word, "OFF") => return Client::Change(Change::Tracking(None)),
        Some(_) | None => return Client::Plain,
    }
    let mut asked = Asked {
        too_many: request.arguments().count() < request.count(),
        ..Asked::default()
    };
    while let Some(option) = arguments.next() {
        if is_word(option, "BCAST") {
            asked.broadcast = true;
        } else if is_word(option, "OPTIN") {
            asked.opt_in = true;
        } else if is_word(option, "OPTOUT") {
            asked.opt_out = true;
        } else if is_word(option, "NOLOOP") {
            asked.no_loop = true;
        } else if is_word(option, "REDIRECT") {
            // To 0 is to nobody else.
            asked.redirected = arguments.next() != Some(b"0");
        } else if is_word(option, "PREFIX") {
            let prefix = arguments.next().filter(|prefix| prefix.len() <= NAME_BYTES);
            match prefix.map(Into::into) {
                Some(prefix) if asked.prefixes.len() < PREFIXES => asked.prefixes.push(prefix),
                Some(_) | None => asked.too_many = true,
            }
        } else {
            return Client::Plain;
        }
    }
    Client::Change(Change::Tracking(Some(Box::new(asked))))
}

/// A name of a request; what is missing was too long to be looked at.
fn kept(name: Option<&[u8]>) -> Kept {
    name.map_or(Kept::TooLong, Kept::of)
}

/// Whether a read of a stream may wait: `BLOCK` stands before `STREAMS`.
pub(crate) fn may_wait(request: &Request<'_>) -> bool {
    let options = request.arguments().skip(1).take(9);
    options
        .take_while(|word| !is_word(word, "STREAMS"))
        .any(|word| c_string(word).eq_ignore_ascii_case(b"BLOCK"))
}
