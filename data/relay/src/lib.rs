//! The link's data path: one outbound per agent beside the geo-primaries, one inbound per shard
//! beside a geo-secondary.
//!
//! The outbound half follows the geo-primary's engine at the speed of its host, into memory and into
//! a journal on disk, and takes snapshots when one is needed. A session carries both to the inbound
//! half, which hands them to the geo-secondary's engine. Bytes, replication ID and offsets pass
//! unchanged. The three connections are independent: a network that is slow or away costs disk
//! beside the geo-primary; an engine that goes away resumes from the journal.
//!
//! Invariants: no byte is added to a stream or left out of it; nothing is acknowledged to the
//! geo-primary that the geo-secondary's engine has not applied; histories meet only where the
//! geo-primary's engine says that they do; a damaged frame ends its session before any of its bytes
//! is used; every buffer has a bound; peers are agents with certificates of this deployment, from
//! the region that the link names.
//!
//! It does not decide who is primary, and it opens no connection in the clear between regions.

#![warn(missing_docs)]

mod event;
mod identity;
mod inbound;
mod kept;
mod lag;
mod outbound;
mod pulse;
mod rate;
mod room;
mod socket;
mod status;
mod stream;
mod wan;

pub use event::{Event, Events};
pub use identity::{Credentials, Firewall, Peer, ShardKey, Source, SourceFacts};
pub use inbound::{Inbound, InboundAround};
pub use kept::{KeptError, KeptStream};
pub use lag::LagSpread;
pub use outbound::{Drain, Fence, FromGateway, Keepers, Kept, Outbound, Permission};
pub use socket::BindError;
pub use status::{Counters, InboundStatus, OutboundStatus, Phase, Traffic};
pub use wire::Barrier;
