//! What two gateways say to each other (`docs/format/gateway.md`).

use std::{net::SocketAddr, sync::Arc};

use model::CacheId;

use crate::entry::{Which, Who};

/// The version of the protocol.
pub(crate) const VERSION: u16 = 1;
/// Bytes of a frame's header: its kind, and its length.
pub(crate) const HEADER: usize = 5;
/// Bytes of a number.
pub(crate) const NUMBER: usize = 4;
/// The most bytes of a client that a frame carries: with the header, one record of TLS.
pub(crate) const DATA: usize = (16 << 10) - HEADER;
/// The most bytes of any other frame.
pub(crate) const WORDS: usize = 4096;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Near to far, first: who is carried over, and to which cache.
    Enter,
    /// Far to near, first: the engine is open.
    Entered,
    /// Far to near, first and last: it is not, and why.
    Refused,
    /// Bytes of the client, or of the engine.
    Data,
    /// Far to near: send no request any more, and say when everything is answered.
    Hold,
    /// Near to far: everything that was sent is answered, and nothing more is sent.
    Held,
    /// Far to near: send requests again.
    Release,
    /// Far to near: the cache is led from elsewhere.
    Moved,
}

impl Kind {
    pub(crate) const fn byte(self) -> u8 {
        match self {
            Self::Enter => 1,
            Self::Entered => 2,
            Self::Refused => 3,
            Self::Data => 4,
            Self::Hold => 5,
            Self::Held => 6,
            Self::Release => 7,
            Self::Moved => 8,
        }
    }

    const fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Enter,
            2 => Self::Entered,
            3 => Self::Refused,
            4 => Self::Data,
            5 => Self::Hold,
            6 => Self::Held,
            7 => Self::Release,
            8 => Self::Moved,
            _ => return None,
        })
    }

    const fn most(self) -> usize {
        match self {
            Self::Enter | Self::Refused => WORDS,
            Self::Data => DATA,
            Self::Held => NUMBER,
            Self::Entered | Self::Hold | Self::Release | Self::Moved => 0,
        }
    }
}

/// The other gateway says something that is not in the protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("a frame of kind {0} is not known; the other side may be newer")]
    Kind(u8),
    #[error("a frame of kind {kind} has {length} bytes")]
    Length { kind: u8, length: u32 },
    #[error("a frame of kind {0:?} came where another one should")]
    Unexpected(Kind),
    #[error(
        "the other side speaks version {0} of the protocol between gateways, this one {VERSION}"
    )]
    Version(u16),
    #[error("the words of a frame cannot be read")]
    Words,
}

pub(crate) fn header(kind: Kind, length: usize) -> [u8; HEADER] {
    let [a, b, c, d] = u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    [kind.byte(), a, b, c, d]
}

pub(crate) fn read_header(header: [u8; HEADER]) -> Result<(Kind, usize), FrameError> {
    let [byte, a, b, c, d] = header;
    let length = u32::from_le_bytes([a, b, c, d]);
    let kind = Kind::of(byte).ok_or(FrameError::Kind(byte))?;
    match usize::try_from(length) {
        Ok(fits) if fits <= kind.most() => Ok((kind, fits)),
        Ok(_) | Err(_) => Err(FrameError::Length { kind: byte, length }),
    }
}

/// Who is carried over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Enter {
    /// To which cache.
    pub(crate) cache: CacheId,
    /// As whom the near gateway let the client in.
    pub(crate) who: Who,
    /// From where the client came.
    pub(crate) client: SocketAddr,
    /// It came in by a private endpoint.
    pub(crate) private: bool,
}

/// The word that says so; without it the client came in by a public door.
const PRIVATE: &str = "private";

impl Enter {
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut out = VERSION.to_le_bytes().to_vec();
        let mut word = |text: &str| {
            let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(text.as_bytes());
        };
        word(&self.cache.to_string());
        word(&self.client.to_string());
        // An access key is nobody in particular.
        match &self.who {
            Who::Key(_) => word(""),
            Who::User(object_id) => word(object_id),
        }
        if self.private {
            word(PRIVATE);
        }
        out
    }

    pub(crate) fn read(bytes: &[u8]) -> Result<Self, FrameError> {
        let (version, mut rest) = bytes.split_first_chunk().ok_or(FrameError::Words)?;
        let version = u16::from_le_bytes(*version);
        if version != VERSION {
            return Err(FrameError::Version(version));
        }
        let cache = word(&mut rest)?.parse();
        let cache = cache.map_err(|_odd| FrameError::Words)?;
        let client = word(&mut rest)?.parse();
        let client = client.map_err(|_odd| FrameError::Words)?;
        let who = match word(&mut rest)? {
            "" => Who::Key(Which::Primary),
            object_id => Who::User(Arc::from(object_id)),
        };
        // Earlier releases say no more, and know no more.
        let more = !rest.is_empty();
        if more && word(&mut rest)? != PRIVATE {
            return Err(FrameError::Words);
        }
        let read = Self {
            cache,
            who,
            client,
            private: more,
        };
        rest.is_empty().then_some(read).ok_or(FrameError::Words)
    }
}

/// Takes a text off the front.
fn word<'a>(rest: &mut &'a [u8]) -> Result<&'a str, FrameError> {
    let (length, behind) = rest.split_first_chunk().ok_or(FrameError::Words)?;
    let length = usize::from(u16::from_le_bytes(*length));
    let (word, behind) = behind.split_at_checked(length).ok_or(FrameError::Words)?;
    *rest = behind;
    str::from_utf8(word).map_err(|_odd| FrameError::Words)
}

/// Why the far gateway does not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefusalCode {
    /// The cache is not led from there, not there at all, or its engine does not answer: it may
    /// be soon.
    NotNow,
    /// Who is carried over may not come in.
    NotAdmitted,
    /// There are as many clients as may be.
    Clients,
}

/// A refusal, with a sentence for the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: RefusalCode,
    pub(crate) why: String,
}

impl Refused {
    pub(crate) fn write(&self) -> Vec<u8> {
        let code = match self.code {
            RefusalCode::NotNow => 1,
            RefusalCode::NotAdmitted => 2,
            RefusalCode::Clients => 3,
        };
        let why = self.why.as_bytes();
        [&[code], why.get(..WORDS - 1).unwrap_or(why)].concat()
    }

    pub(crate) fn read(bytes: &[u8]) -> Result<Self, FrameError> {
        let (code, why) = bytes.split_first().ok_or(FrameError::Words)?;
        let code = match code {
            1 => RefusalCode::NotNow,
            2 => RefusalCode::NotAdmitted,
            3 => RefusalCode::Clients,
            _ => return Err(FrameError::Words),
        };
        let why = String::from_utf8_lossy(why).into_owned();
        Ok(Self { code, why })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache() -> CacheId {
        "/subscriptions/5d0c4f30-0000-4000-8000-000000000001/resourceGroups/g/providers/Microsoft.Cache/Redis/demo"
            .parse()
            .unwrap()
    }

    #[test]
    fn who_enters_is_read_as_it_is_written() {
        for who in [Who::Key(Which::Primary), Who::User(Arc::from("ab-1"))] {
            for (client, private) in [("192.0.2.1:5", false), ("[2001:db8::1]:65535", true)] {
                let enter = Enter {
                    cache: cache(),
                    who: who.clone(),
                    client: client.parse().unwrap(),
                    private,
                };
                let bytes = enter.write();
                assert_eq!(Enter::read(&bytes).unwrap(), enter);
                for cut in 0..bytes.len() {
                    // Without its last word it is one who came in by a public door.
                    let whole = private && cut + 2 + PRIVATE.len() == bytes.len();
                    assert_eq!(Enter::read(&bytes[..cut]).is_ok(), whole, "{cut}");
                }
                assert!(Enter::read(&[bytes, vec![0]].concat()).is_err());
            }
        }
    }

    #[test]
    fn refusals_are_read_as_they_are_written() {
        for code in [
            RefusalCode::NotNow,
            RefusalCode::NotAdmitted,
            RefusalCode::Clients,
        ] {
            let why = "because".to_owned();
            let refused = Refused { code, why };
            assert_eq!(Refused::read(&refused.write()).unwrap(), refused);
        }
        assert!(Refused::read(b"").is_err() && Refused::read(b"\x09x").is_err());
    }

    #[test]
    fn headers_with_odd_lengths_are_refused() {
        for kind in (0..=u8::MAX).filter_map(Kind::of) {
            let most = kind.most();
            assert_eq!(read_header(header(kind, most)), Ok((kind, most)));
            assert!(read_header(header(kind, most + 1)).is_err(), "{kind:?}");
        }
        assert_eq!(read_header([9, 0, 0, 0, 0]), Err(FrameError::Kind(9)));
        assert_eq!(read_header([0; 5]), Err(FrameError::Kind(0)));
    }
}
