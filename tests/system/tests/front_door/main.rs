//! The front door: who comes in, and that a failover is not noticed at the geo endpoint.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod admission;
mod boundaries;
mod failures;
mod load;
