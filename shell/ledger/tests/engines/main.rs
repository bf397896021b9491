//! The ledger with real engines and no Godwit: it must find what is planted, all of it and no more.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod encrypted;
mod losing;
mod pair;
mod planting;
mod running;

/// Makes a test for each engine out of a function that takes the engine's program.
macro_rules! with_both_engines {
    ($($name:ident => $run:ident;)*) => {
        $(
            mod $name {
                #[test]
                fn valkey() {
                    super::$run("valkey-server");
                }

                #[test]
                fn redis() {
                    super::$run("redis-server");
                }
            }
        )*
    };
}
pub(crate) use with_both_engines;
