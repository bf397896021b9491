//! The authoritative DNS server of a deployment's zone.
//!
//! In: the names that the control plane publishes ([`client::Names`]), and questions over UDP and
//! TCP. Out: answers; and, where the names are to be in a server that somebody runs already,
//! RFC 2136 updates of it, signed with TSIG.
//!
//! **Invariants.** Names change by generations, as a whole; an older generation, or one of another
//! store, is refused. A generation is on the disk before it is answered from, so that a restart
//! does not bring back what was replaced; without the control plane the last one is served for as
//! long as it takes. A question that cannot be understood costs one small answer or none. Over UDP
//! no answer is larger than three times its question. An update touches only records that this
//! server put there.
//!
//! **What it does not do.** It resolves nothing for others, transfers no zone, signs nothing with
//! DNSSEC, and takes no updates.

#![warn(missing_docs)]
#![deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used)]

mod answer;
mod config;
mod follow;
mod kept;
mod metrics;
mod rate;
mod run;
mod sealed;
mod serve;
mod served;
mod tally;
mod update;
mod zone;

pub use config::{Config, NameServer, ParseNameServerError};
pub use kept::LoadError;
pub use metrics::MetricsError;
pub use run::{BuildError, Dns, build};
pub use update::{KeyError, TsigKey, UpdateConfig};
