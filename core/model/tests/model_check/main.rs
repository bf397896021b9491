//! The handoff, forced failovers and leases under every order of events, exhaustively. See
//! `docs/adr/0014-checked-handoff.md` for what is searched and what is left out.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod handoff;
mod intern;
mod lease;
#[cfg(test)]
mod planted;
mod search;
#[cfg(test)]
mod searches;

pub(crate) use handoff::{
    model::{Bounds, Handoff},
    state::Left,
};
pub(crate) use lease::Leased;
pub(crate) use search::search;
