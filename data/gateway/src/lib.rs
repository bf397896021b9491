//! The front door of a cache: where its clients connect, who may come in, and where they go.
//!
//! In: clients, over TLS or without, on the cache's direct endpoint and on the pair's geo endpoint;
//! connections that another region's gateway carries over; and an agent's word: [`Entry`],
//! [`Place`], [hold](Gateway::hold) and release. Out: for each client one connection to the engine that
//! leads, opened once the client has logged in, and [`GatewayStatus`].
//!
//! A connection is one task that owns both sockets. Bytes pass from the socket that was read to the
//! one that is written; what nobody takes is not read. Across a handoff, connections of the geo
//! endpoint are held at a command boundary and carried over with their session.
//!
//! Invariants: nobody gets past the order of firewall, number of clients, TLS, login; only canonical
//! requests reach an engine; a reply goes to the request that asked for it; a request is sent to
//! an engine once at most, and its client is told when its outcome is not known; a connection that
//! was carried over keeps its session or ends with an error; what somebody may cost who has not
//! logged in is bounded in time, number and bytes; a client that is slow slows its own engine
//! connection down and nothing else.
//!
//! It does not decide where the cache is led, start or configure engines, or issue certificates; what
//! a session is, `core/session` knows.

#![warn(missing_docs)]

mod accept;
mod alarm;
mod connection;
mod entry;
mod gateway;
mod house;
mod limits;
mod listener;
mod orders;
mod outgoing;
mod place;
mod pump;
mod roster;
mod scratch;
mod sentences;
mod status;
mod throttle;
mod ticket;
mod tunnel;
mod upstream;

pub use entry::{Entry, TokenRefused, Verified, Verify, Verifying};
pub use gateway::{Gateway, Held};
pub use limits::Limits;
pub use listener::{BindError, PrivateListener};
pub use place::{Endpoint, Place};
pub use status::{Connections, GatewayStatus, Passage, Refused};
pub use tunnel::{EnterError, Entrance};
pub use upstream::CLIENT_USER;
