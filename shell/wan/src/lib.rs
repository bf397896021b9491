//! A WAN in a box: a TCP proxy that is as slow, as narrow and as unreliable as it is told to be.
//!
//! It carries connections from those who dial it (clients) to one address (the server), and what
//! it carries arrives later, no faster than a rate, or not at all: connections are cut, stand
//! still, or are not let in. [`Wan`] is the handle; [`control`] offers the same over HTTP.
//!
//! Invariants: the bytes of a connection arrive in their order and unchanged, or the connection
//! ends with a reset; no byte arrives earlier than the latency allows, nor more of them than the
//! rate does; what is on the way is bounded, and a full way stops the sender through its own TCP.
//!
//! It works on connections, not on packets: nothing is lost, doubled or reordered below TCP, a
//! congestion window does not open slowly, and what the kernels of both ends buffer comes on top
//! of what is on the way. It knows nothing of what it carries.

mod connection;
pub mod control;
mod gate;
mod handle;
mod pace;
mod trip;
mod weather;

pub use handle::{BindError, Carried, Wan};
pub use weather::{Direction, Weather};
