//! A workload that keeps score: clients that write to a pair of caches, remember every answer,
//! and find out afterwards what became of each write.
//!
//! [`Ledger::start`] starts many clients, each with keys of its own and one operation on its way
//! (or one pipeline, or one transaction). A client writes to whichever endpoint takes writes: when
//! one refuses (`READONLY`, `NOREPLICAS`, `LOADING`, …), closes the connection or does not answer
//! in time, the client goes to the other after a few milliseconds. There are several [`Kind`]s of
//! clients, because what one cannot see another can. [`Ledger::settle`] stops them and reads what
//! a survivor holds; the [`Score`] says of every operation whether it was
//!
//! - **acknowledged** and is there, or acknowledged and **lost**;
//! - of **unknown** outcome, because nobody answered: it may be there or not, both are fine;
//! - **refused** with an error: it must not be there.
//!
//! What must never be is counted as a violation: **doubled**, **phantom** (there and never sent),
//! **disordered**, a **hole** (lost although a later one that the same primary acknowledged is
//! there: what an asynchronous replica may lose is only ever a suffix), **refused and present**,
//! **torn** (a part of a transaction). It also says for how long nobody's write was acknowledged,
//! overall and behind each moment that was marked.
//!
//! Invariants: an operation is sent once, and never again whatever happens to it; a connection
//! that failed is thrown away; an operation is *refused* only when the engine itself answered it
//! with an error, and *unknown* from the first byte sent to the answer. Every claim is certain:
//! what a write of unknown outcome can explain is not called lost or doubled. Operations are kept
//! as ranges with a byte each for the moment of the acknowledgement; [`Ledger::checkpoint`] drops
//! what it has checked, here and in the caches.
//!
//! A counter's increments have no names, so what it calls lost are values, and they are at least so
//! many. An engine whose client connections outlive a change of roles and back without any refusal
//! counts as one primary.
//!
//! It does not start, promote or break anything, and it does not decide what may be lost: its
//! callers do.

pub mod blocking;
mod connection;
mod counter;
mod directory;
mod history;
mod kind;
mod latency;
mod memory;
mod pulse;
mod ranges;
mod reading;
mod register;
mod reply;
mod score;
mod survey;
mod workload;
mod writer;

pub use connection::{AskError, Endpoint};
pub use directory::LookUp;
pub use kind::{Kind, Mix, ParseMixError};
pub use latency::Latency;
pub use pulse::Sight;
pub use score::{Flaw, Gap, Loss, Lost, Mark, Score, Tally, Violation};
pub use workload::{Ledger, SettleError, Settled, Workload};
