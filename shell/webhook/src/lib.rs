//! Tells somebody's HTTP endpoint of something, signed, as Standard Webhooks has it
//! (<https://www.standardwebhooks.com>, version 1.0.0).
//!
//! In: an endpoint with its secret, and messages, each with an ID that stays the same however often it
//! is sent. Out: one attempt to deliver it, and what came of it.
//!
//! Invariants: every attempt ends within its time limit; an endpoint is HTTPS and verified, or on
//! this machine; its URL, which may hold a secret itself, is in no error and no log but for scheme,
//! host and port; nothing is followed to another place.
//!
//! It does not retry, order or remember anything: that is its caller's.

#![warn(missing_docs)]

mod endpoint;
mod signature;

pub use endpoint::{BuildError, DeliveryError, Endpoint, Message};
pub use signature::{SecretError, SigningKey};
