//! Lag: how old a write is when the geo-secondary has applied it, now and of late.

mod meter;
mod window;

pub use window::LagSpread;

pub(crate) use meter::LagMeter;
pub(crate) use window::Window;
