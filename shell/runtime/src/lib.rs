//! What every process needs around a core: owned tasks, a clock, dice, files that survive a power
//! cut, and tracing. It decides nothing.

pub mod blocking;
pub mod clock;
pub mod dice;
pub mod durable;
mod error_chain;
pub mod simulated;
pub mod tasks;
pub mod telemetry;

pub use error_chain::chain;
