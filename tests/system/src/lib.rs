//! Runs the real `godwit` binary with real engines and asks it what a user would ask.
//!
//! Everything a test starts listens on loopback, on ports that the system picked, in a directory
//! of the test's own, and is gone when [`World`] is dropped.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod api;
pub mod cache;
pub mod crashes;
mod names;
mod package;
mod points;
pub mod processes;
pub mod scoring;
pub mod waiting;
mod wan;
mod world;

pub use cache::Cache;
pub use package::Package;
pub use points::Points;
pub use wan::Wan;
pub use world::{Answer, Start, World};

/// Makes a test for each engine out of a function that takes the engine's name.
#[macro_export]
macro_rules! with_both_engines {
    ($($(#[$doc:meta])* $name:ident => $run:ident;)*) => {
        $(
            mod $name {
                $(#[$doc])*
                #[test]
                fn valkey() {
                    super::$run("valkey");
                }

                $(#[$doc])*
                #[test]
                fn redis() {
                    super::$run("redis");
                }
            }
        )*
    };
}
