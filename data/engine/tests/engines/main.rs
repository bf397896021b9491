//! Real engines, both makes: each test starts its own on loopback and leaves none behind.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod finding;
mod histories;
mod keeping;
mod key_table;
mod lives;
mod nodes;
mod support;
mod users;
