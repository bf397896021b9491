//! What agents speak within TLS.

use std::fmt;

/// A protocol between agents; the one who dials says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// A link's stream, `godwit/1` (`docs/format/wire.md`).
    Relay,
    /// Clients' connections that one region's gateway carries to the other's, `godwit-gateway/1`.
    Gateway,
}

impl Protocol {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Relay, Self::Gateway];

    /// Its name in the handshake (RFC 7301).
    #[must_use]
    pub const fn alpn(self) -> &'static [u8] {
        self.name().as_bytes()
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Relay => "godwit/1",
            Self::Gateway => "godwit-gateway/1",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
