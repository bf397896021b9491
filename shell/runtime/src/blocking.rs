//! Work that blocks on a disk, away from the threads that must not wait.

use tokio::task::spawn_blocking;

use crate::simulated;

/// The runtime is ending, and whether the work was done is not known.
#[derive(Debug, thiserror::Error)]
#[error("the process is ending")]
pub struct Ended;

/// Does `work` on a thread that may block, and waits for it. It is done as a whole, also when
/// nobody waits any more. (In a simulation it is done at once, on the spot.)
pub async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Ended> {
    if simulated::is_on() {
        return Ok(work());
    }
    spawn_blocking(work).await.map_err(|_ends| Ended)
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn work_is_done_and_its_result_comes_back() {
        assert_eq!(super::run(|| 2 + 2).await.unwrap(), 4);
    }
}
