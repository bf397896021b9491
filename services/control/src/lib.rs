//! The control plane: remembers what was asked for, and moves caches and links towards it.
//!
//! In: the management API, in the managed service's shape ([`docs/api.md`]), and the agents'
//! reports. Out: for each region the desired state that its agent runs. In between: a store of
//! versioned records ([`docs/format/store.md`]) and a reconciler. Beside them: a history of who did
//! what, of events, of what links sent, and a day of metrics, to be read by people and by dashboards.
//!
//! **Invariants.** Everything that must not be forgotten is in the store; what agents report is
//! not. Nothing is decided by the history. Every write is one compare-and-swap, and a request that is refused writes nothing. A
//! generation of desired state never goes back. Whether a handoff is promoted or given up is
//! decided by one write of the link's record.
//!
//! **What it does not do.** It never talks to an engine, and no data goes through it: when it is
//! gone, caches serve and links replicate. It serves plain HTTP on loopback only, and https anywhere.
//! It does not run two at a time: the store's directory has one holder.
//!
//! [`docs/api.md`]: ../../../docs/api.md
//! [`docs/format/store.md`]: ../../../docs/format/store.md

#![warn(missing_docs)]

mod activity;
mod admission;
mod api;
mod behind;
mod ca;
mod chronicle;
mod config;
mod desired;
mod egress;
mod geo_metrics;
mod handoff;
#[cfg(test)]
mod harness;
mod history;
mod latest;
mod listen;
mod metrics;
mod names;
mod notifier;
mod observations;
mod plane;
mod principal;
mod reconciler;
mod records;
mod run;
mod store;
mod transfers;
mod view;

pub use ca::AuthorityFileError;
pub use config::{
    ApiCertificate, ApiConfig, Config, DEFAULT_TTL_SECONDS, DEFAULT_ZONE, NamesConfig,
    WebhookConfig,
};
pub use listen::CertificateError;
pub use run::{BuildError, Control, Opened, build, open};
pub use store::OpenError;
