//! What every process needs around a core: owned tasks, a clock, dice, files that survive a power
//! cut, tracing, and points where a test can have it die. It decides nothing.

pub mod blocking;
pub mod clock;
pub mod crash;
pub mod dice;
pub mod durable;
mod error_chain;
pub mod lanes;
pub mod simulated;
pub mod tasks;
pub mod telemetry;

pub use error_chain::chain;
