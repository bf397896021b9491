//! The session of one client: what its requests may do, which reply answers which request, and
//! what has to be built up where the connection goes on at another engine.
//!
//! In: the requests of a client and the replies of an engine, framed by `resp`. Out: what is to be
//! passed on, what is to be said in its place, and whether the connection can be moved.
//!
//! A gateway connects one client to one engine and feeds everything that passes into one
//! [`Session`]:
//!
//! - While the session [`accepts`](Session::accepts) requests, each goes through
//!   [`request`](Session::request), whose [`Verdict`] says what is sent to the engine. What is
//!   refused is sent as a command that no engine knows, and the engine's error is replaced by the
//!   right one: so it comes in its turn, and dooms a transaction as it should.
//! - Each reply goes through [`reply`](Session::reply) (the parts of large ones through
//!   [`part`](Session::part) before), whose [`Passing`] says what the client sees of it.
//! - `AUTH` and `HELLO … AUTH` never reach the engine as the client said them: the gateway checks
//!   them ([`Verdict::Authenticate`]) and calls [`admitted`](Session::admitted) or
//!   [`refused`](Session::refused) once everything before is answered.
//! - To move a connection that is [`idle`](Session::is_idle): [`carry`](Session::carry), connect,
//!   send what [`enter`](Session::enter) gives, and say to the client what
//!   [`moved`](Session::moved) gives. Where the engine is lost with something outstanding,
//!   [`lost`](Session::lost) answers it first. Nothing is ever sent twice.
//!
//! What is known of a session follows from the engine's replies, never from requests alone: a
//! `SELECT` that is refused selects nothing. `CLIENT REPLY` is played by the session, so that every
//! request has a reply here and "nothing is outstanding" is a fact. Where replies cannot be told
//! apart any more, which takes a `SUBSCRIBE` or a `HELLO` inside a transaction, bytes pass on as
//! they are and the connection cannot be moved.
//!
//! Where a client hears something else than from an engine: before a login, commands that no engine
//! knows are answered with `NOAUTH` (and `HELLO`'s `NOAUTH` is Valkey's); a login inside a
//! transaction is refused and dooms it; `CLIENT REPLY` inside a transaction changes nothing;
//! `SCRIPT DEBUG` and names that hold a NUL are unknown; `CLIENT CAPA` is heard and not obeyed.
//!
//! Commands inside scripts and functions are not seen here: that a script does not run what is
//! refused is the engine's part, by the rules of its user.

#![warn(missing_docs)]
#![deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used)]

mod admission;
mod carried;
mod carry;
mod change;
mod expect;
mod login;
mod reply;
mod request;
mod session;
mod state;
mod subscriptions;
mod table;
mod texts;
mod verdict;

pub use carried::{Carried, CarriedError, Name};
pub use carry::Uncarriable;
pub use session::{Policy, Session, Standing};
pub use verdict::{Boundary, Broken, Credentials, Login, Passing, Refusal, Spoken, Verdict};
