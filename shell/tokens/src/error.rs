//! Why a token is not believed, for the log: whoever presents one is told no more than that.

use model::Timestamp;

use crate::{Algorithm, LONGEST};

/// How much of a text from a token is shown.
const SHOWN: usize = 100;

/// A token that is not believed. Nothing of it is shown but names that it claims.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is too long to be looked at.
    #[error("the token has {bytes} bytes, more than {LONGEST}")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// It is not what a token is.
    #[error("the token is not a signed JWT in compact form")]
    Form,
    /// It is signed in a way that is not believed, or not at all.
    #[error(
        "the token's `alg` is `{presented}`; use RS256, RS384, RS512, PS256, PS384, PS512, ES256 or ES384"
    )]
    Algorithm {
        /// The way.
        presented: String,
    },
    /// Its header has extensions that must be understood, and are not.
    #[error("the token's header has critical extensions (`crit`), and none is known")]
    Critical,
    /// It does not say which key signed it.
    #[error("the token's header has no `kid`, so there is no telling which key signed it")]
    NoKeyId,
    /// It is of nobody whose tokens are believed.
    #[error("the token's issuer `{presented}` is not among the configured ones")]
    UnknownIssuer {
        /// Whose it says to be.
        presented: String,
    },
    /// The issuer has no such key.
    #[error("the token's key `{key}` is not among those of {issuer}")]
    UnknownKey {
        /// Its `kid`.
        key: String,
        /// The issuer.
        issuer: String,
    },
    /// The key is for another algorithm.
    #[error("the token is signed by {presented}, and its key is for {expected}")]
    OtherAlgorithm {
        /// The token's.
        presented: Algorithm,
        /// The key's.
        expected: Algorithm,
    },
    /// The issuer's keys cannot be had now.
    #[error("the keys of {issuer} cannot be had; the log says why, and they are asked for again")]
    NoKeys {
        /// The issuer.
        issuer: String,
    },
    /// The signature is not the key's.
    #[error("the token's signature is not that of the key that it names")]
    Signature,
    /// A claim is missing or odd.
    #[error("the token's claim `{0}` is missing, or not what it has to be")]
    Claim(&'static str),
    /// It is for somebody else.
    #[error("the token is not for this service: its `aud` is none of `{expected}`")]
    Audience {
        /// Whom it has to be for.
        expected: String,
    },
    /// Its time is over.
    #[error("the token expired {} s ago; get a new one, or compare the clocks", since(*.now, *.at))]
    Expired {
        /// When.
        at: Timestamp,
        /// What time it is.
        now: Timestamp,
    },
    /// Its time has not begun.
    #[error("the token is not valid for another {} s; compare the clocks", since(*.from, *.now))]
    NotYet {
        /// From when.
        from: Timestamp,
        /// What time it is.
        now: Timestamp,
    },
    /// It is another's.
    #[error("the token's `oid` is `{presented}`, not the object ID that was given with it")]
    OtherHolder {
        /// Whose it is.
        presented: String,
    },
}

impl TokenError {
    /// Tells whether the same token may be believed in a while.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NoKeys { .. } | Self::UnknownKey { .. } | Self::NotYet { .. } => true,
            Self::TooLong { .. }
            | Self::Form
            | Self::Algorithm { .. }
            | Self::Critical
            | Self::NoKeyId
            | Self::UnknownIssuer { .. }
            | Self::OtherAlgorithm { .. }
            | Self::Signature
            | Self::Claim(_)
            | Self::Audience { .. }
            | Self::Expired { .. }
            | Self::OtherHolder { .. } => false,
        }
    }
}

/// Whole seconds from `before` to `after`.
fn since(after: Timestamp, before: Timestamp) -> u64 {
    after.0.saturating_sub(before.0) / 1000
}

/// A text from outside, short and on one line.
pub(crate) fn shown(text: &str) -> String {
    let text: String = text.chars().take(SHOWN).collect();
    text.escape_debug().to_string()
}
