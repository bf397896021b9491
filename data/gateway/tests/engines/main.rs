//! The gateway before real engines, of both makes.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

/// Makes two tests of each function: one for each make of engine.
macro_rules! both {
    ($($name:ident),* $(,)?) => {
        mod valkey {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(model::EngineKind::Valkey).await;
            })*
        }
        mod redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(model::EngineKind::Redis).await;
            })*
        }
    };
}

mod client;
mod entering;
mod hold;
mod hostile;
mod node;
mod passing;
mod private;
mod rig;
mod slow;
mod tunnels;
