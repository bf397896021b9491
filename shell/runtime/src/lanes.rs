//! Threads on which connections stay: each with a scheduler of its own, so that the two sides of
//! a connection are served by one thread, no wake-up crosses over to another, and whoever is ready
//! is served in its turn.

use std::{
    fmt, io,
    num::NonZero,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::{CancellationToken, DropGuard};

/// So many tasks run, and so many sockets are heard, before it is looked again who is ready: a
/// burst of a thousand does not keep the first of the next one waiting.
const TURN: u16 = 64;

/// Some threads with a scheduler each. Clones are the same threads, which end with the last clone;
/// tasks that are still on them then are dropped.
#[derive(Clone, Default)]
pub struct Lanes(Arc<Inner>);

#[derive(Default)]
struct Inner {
    lanes: Vec<Lane>,
    /// Ends the threads when it is dropped.
    _ending: Option<DropGuard>,
}

struct Lane {
    scheduler: Handle,
    seats: Arc<AtomicUsize>,
}

/// A thread cannot be started, or has no poll descriptor.
#[derive(Debug, thiserror::Error)]
#[error("start a thread for connections; the system may limit threads or open files")]
pub struct LanesError(#[from] io::Error);

/// A place on a lane: it counts until it is dropped.
#[derive(Debug)]
pub struct Seat {
    /// `None`: wherever the caller is.
    scheduler: Option<Handle>,
    seats: Arc<AtomicUsize>,
}

impl Lanes {
    /// One for each processor that the process may use.
    ///
    /// # Errors
    ///
    /// As [`Lanes::start`].
    pub fn for_processors() -> Result<Self, LanesError> {
        Self::start(thread::available_parallelism().map_or(1, NonZero::get))
    }

    /// Starts `count` threads.
    ///
    /// # Errors
    ///
    /// When the system gives no thread, or no poll descriptor for one.
    pub fn start(count: usize) -> Result<Self, LanesError> {
        let ending = CancellationToken::new();
        let guard = ending.clone().drop_guard();
        let mut lanes = Vec::with_capacity(count);
        for number in 0..count {
            let scheduler = Builder::new_current_thread()
                .enable_io()
                .enable_time()
                .max_io_events_per_tick(TURN.into())
                .event_interval(TURN.into())
                .build()?;
            lanes.push(Lane {
                scheduler: scheduler.handle().clone(),
                seats: Arc::default(),
            });
            let ended = ending.clone();
            thread::Builder::new()
                .name(format!("lane-{number}"))
                .spawn(move || scheduler.block_on(ended.cancelled()))?;
        }
        Ok(Self(Arc::new(Inner {
            lanes,
            _ending: Some(guard),
        })))
    }

    /// A seat on the lane with the fewest; without lanes, where the caller is.
    #[must_use]
    pub fn seat(&self) -> Seat {
        let lanes = self.0.lanes.iter();
        let fewest = lanes.min_by_key(|lane| lane.seats.load(Ordering::Relaxed));
        let seats = fewest
            .map(|lane| Arc::clone(&lane.seats))
            .unwrap_or_default();
        seats.fetch_add(1, Ordering::Relaxed);
        Seat {
            scheduler: fewest.map(|lane| lane.scheduler.clone()),
            seats,
        }
    }
}

impl Seat {
    /// The lane's scheduler, to be entered while its tasks are started and its sockets are made.
    #[must_use]
    pub fn scheduler(&self) -> Option<Handle> {
        self.scheduler.clone()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seats = self
            .0
            .lanes
            .iter()
            .map(|lane| lane.seats.load(Ordering::Relaxed));
        f.debug_tuple("Lanes")
            .field(&seats.collect::<Vec<_>>())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tokio::sync::oneshot;

    use super::*;

    /// The name of the thread on which a task of this seat runs.
    async fn thread_of(seat: &Seat) -> Option<String> {
        let (tell, told) = oneshot::channel();
        let scheduler = seat.scheduler().unwrap_or_else(Handle::current);
        let task = async move { tell.send(thread::current().name().map(str::to_owned)) };
        drop(scheduler.spawn(task));
        told.await.unwrap()
    }

    #[tokio::test]
    async fn seats_are_dealt_to_the_lane_with_the_fewest() {
        let lanes = Lanes::start(3).unwrap();
        let mut seats: Vec<_> = (0..9).map(|_| lanes.seat()).collect();
        let mut taken = BTreeMap::<_, usize>::new();
        for seat in &seats {
            *taken.entry(thread_of(seat).await.unwrap()).or_default() += 1;
        }
        let names: Vec<_> = taken.keys().map(String::as_str).collect();
        assert_eq!(names, ["lane-0", "lane-1", "lane-2"]);
        assert!(taken.values().all(|&count| count == 3), "{taken:?}");
        let given_back = thread_of(&seats.remove(4)).await;
        assert_eq!(thread_of(&lanes.seat()).await, given_back);
    }

    #[tokio::test]
    async fn without_lanes_tasks_stay_where_they_are() {
        let seat = Lanes::default().seat();
        assert_eq!(thread_of(&seat).await.as_deref(), thread::current().name());
    }

    #[tokio::test]
    async fn tasks_end_with_the_last_clone() {
        let lanes = Lanes::start(1).unwrap();
        let (held, dropped) = oneshot::channel::<()>();
        let scheduler = lanes.seat().scheduler().unwrap();
        drop(scheduler.spawn(async move {
            std::future::pending::<()>().await;
            drop(held);
        }));
        drop(lanes.clone());
        drop(lanes);
        dropped.await.unwrap_err();
    }
}
