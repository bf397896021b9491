//! Tokens that must not be believed, each with the reason, and their neighbours that must.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "attacks/rig.rs"]
mod rig;

#[path = "attacks/claims.rs"]
mod claims;
#[path = "attacks/headers.rs"]
mod headers;
#[path = "attacks/keys.rs"]
mod keys;
#[path = "attacks/rotation.rs"]
mod rotation;
