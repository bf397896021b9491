//! The agents' decisions and the real control plane on a simulated network, from one seed.
//!
//! The control plane is the deployed one: its store, reconciler, leases and APIs, served over turmoil's
//! network. The agents are the real planner and the real lease around model engines. Messages are
//! late or lost, hosts are cut off and killed, clocks run apart; then all that ends, and the link has
//! to come to rest. The same seed gives the same run, line by line.
//!
//! It does not run the relay, the journal or real engines (`tests/system` does), and nodes have no
//! replica here (`core/model/tests/simulation` has them).

#![expect(
    clippy::expect_used,
    reason = "a simulation ends where something is not as it must be"
)]

mod agent;
mod checks;
mod clients;
mod disk;
mod engine;
mod faults;
mod http;
mod ledger;
mod lines;
mod machine;
mod operator;
mod run;
mod scenario;
mod trace;

pub use run::{Outcome, run};
