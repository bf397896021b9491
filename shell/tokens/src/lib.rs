//! Tells whether a token lets its bearer in: `AUTH <object id> <JWT>`; and signs the tokens of this
//! deployment's own issuer.
//!
//! In: the issuers that are configured, an object ID with a token, and what time it is. Out: until
//! when the token lets in, or why it does not. For the own issuer: claims in, a token out
//! ([`TokenKey`]), and back ([`OwnKeys`]).
//!
//! Invariants:
//! - A token is believed when a key of the issuer that it names signed it, with the one algorithm
//!   that the key is for; when its `aud` is one of the issuer's, its time is now, and its `oid` is
//!   the object ID that was given with it.
//! - Keys come from the issuer's configuration alone. Whatever a token says of keys is not looked at.
//! - What can be read in two ways is refused: members that stand twice, other spellings of base64url,
//!   extensions that are critical.
//! - No token makes an issuer be asked more often than twice a minute.
//! - No token, and no claim but names, is in an error or a log; nor is a private key.
//!
//! It does not know users, permissions or caches, and it counts no attempts.

#![warn(missing_docs)]

mod algorithm;
mod claims;
mod error;
mod fetch;
mod issuer;
mod jws;
mod keys;
mod place;
mod signing;
mod strict;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod verifier;

pub use algorithm::{Algorithm, NotBelieved};
pub use claims::LEEWAY_MS;
pub use error::TokenError;
pub use issuer::{AFTER_FAILURE, CALM, FRESH, LAST};
pub use jws::LONGEST;
pub use keys::KeySetError;
pub use place::PlaceError;
pub use signing::{OwnKeys, SigningError, TokenKey, key_set};
pub use verifier::{IssuerError, Verified, Verifier, check};
