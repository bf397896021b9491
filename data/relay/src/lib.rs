//! The link's data path: one outbound per agent beside the geo-primaries, one inbound per shard
//! beside a geo-secondary.
//!
//! One connection of the geo-secondary's engine is one WAN session is one connection to the
//! geo-primary's engine. Bytes, replication ID and offsets pass unchanged; what a link needs to
//! resume lives in the engines. When any of the three connections breaks, the session ends as a
//! whole: the engine dials again by itself and says what it holds. The one exception is the fence
//! of a handoff, see [`Outbound::fence`].
//!
//! Invariants: no byte is added to a stream or left out of it; nothing is acknowledged to the
//! geo-primary that the geo-secondary's engine has not applied; a damaged frame ends its session
//! before any of its bytes is used; every buffer has a bound, and a side that is slow is felt by
//! the side that sends.
//!
//! It does not decide who is primary, does not encrypt, and keeps nothing on disk.

#![warn(missing_docs)]

mod identity;
mod inbound;
mod lag;
mod outbound;
mod pulse;
mod socket;
mod status;
mod wan;

pub use identity::{Credentials, Peer, ShardKey, Source};
pub use inbound::Inbound;
pub use outbound::{Fence, Outbound};
pub use socket::BindError;
pub use status::{Counters, InboundStatus, OutboundStatus, Phase};
pub use wire::Barrier;
