//! Connections of the geo endpoint at the geo-secondary's gateway: they go over to the
//! geo-primary's.
//!
//! The near gateway has the client, its session and its login. The far one has the engine; it
//! passes bytes, and says when the cache is about to be led from elsewhere.

mod crossing;
mod entrance;
mod far;
mod frame;
mod near;
mod stream;

pub use entrance::{EnterError, Entrance};
pub(crate) use far::enter;
pub(crate) use frame::{Kind, RefusalCode, Refused};
pub(crate) use near::{Client, TunnelError, open};
pub(crate) use stream::{Heard, Tunnel};
