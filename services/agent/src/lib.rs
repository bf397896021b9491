//! One host's share of a region: it runs the engines of its caches, the halves of their links, and
//! reports what it sees.
//!
//! In: the region's desired state from the control plane, kept on disk, so that the agent goes on
//! without the control plane and after a restart. Out: engine processes in their roles, relayed
//! bytes, observed state, and one question (may the secondary be promoted?) that the control plane
//! answers.
//!
//! Invariants:
//! - What the agent acts on is on its disk first; an older generation, a lower epoch or another
//!   store is refused.
//! - What a shard must not forget (a fence, a promotion, who leads) is on disk before the engines
//!   are told; `model::shard` plans every step.
//! - Where a link asks for leases, a geo-primary takes writes only while one is held: the engine is
//!   told when it ends, and refuses by itself when nothing acknowledges to it.
//! - Engines survive a killed agent and are adopted by the next one; an orderly stop saves each
//!   leader's data set and leaves no process behind.
//!
//! It does not decide who is primary, and it never removes a cache because it is not mentioned.

mod addresses;
mod cache;
mod certificate;
mod config;
mod identity;
mod leases;
mod lost_writes;
mod metrics;
mod region;
mod reporter;
mod state;
mod switchboard;

pub use addresses::Addresses;
pub use certificate::CertificateFiles;
pub use config::Config;
pub use metrics::MetricsError;
pub use region::{Agent, BuildError};
pub use transfer::{Allowed, S3Settings};
