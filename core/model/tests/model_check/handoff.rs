//! A link under every order of events: the real record, the real planner and the real memories, in a world
//! that is no bigger than it has to be.
//!
//! The world: two sides with one engine a shard, one agent each, a control plane, and what is under way
//! between them. An engine is its role, its position, whether its clients are paused, its gate, and the writes
//! that it has, in order; each write is one byte. Reading the engine, the journal and the network are one
//! step (`Pump`), and what was sent is taken by the other engine in another (`Take`). What may be
//! missing behind a fence (bytes that the fenced engine gave nobody, a torn journal) is a choice of its own.
//! A crash takes the memory; to be down for long is the same as not being given a turn. Clocks do not exist:
//! the deadline passes at any moment, and so does the pause of clients run out.

pub(crate) mod agent;
pub(crate) mod control;
pub(crate) mod model;
pub(crate) mod mutation;
pub(crate) mod promises;
pub(crate) mod relay;
pub(crate) mod state;
pub(crate) mod step;
