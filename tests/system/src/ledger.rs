//! A workload that keeps score: clients that append numbers to lists, one at a time, and remember
//! which ones were acknowledged. A failed append is of unknown outcome and never repeated.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use redis::{Client, Connection};

/// A running workload.
pub struct Ledger {
    stop: Arc<AtomicBool>,
    writers: Vec<JoinHandle<Score>>,
}

/// What one writer remembers.
#[derive(Debug)]
struct Score {
    list: String,
    acknowledged: Vec<u64>,
    unknown: Vec<u64>,
}

impl Ledger {
    /// Starts `writers` clients that write to whichever of the caches accepts writes.
    pub fn start(writers: usize, caches: &[Client]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let writers = (0..writers)
            .map(|index| {
                let (stop, caches) = (Arc::clone(&stop), caches.to_vec());
                thread::spawn(move || write(index, &caches, &stop))
            })
            .collect();
        Self { stop, writers }
    }

    /// Stops the writers and checks every write against what `survivor` holds. Gives the number of
    /// acknowledged writes.
    pub fn settle(self, survivor: &mut Connection) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let mut total = 0;
        for writer in self.writers {
            let score = writer.join().unwrap();
            let present: Vec<u64> = redis::cmd("LRANGE")
                .arg(&score.list)
                .arg(0)
                .arg(-1)
                .query(survivor)
                .unwrap();
            check(&score, &present);
            total += score.acknowledged.len() as u64;
        }
        total
    }
}

fn check(score: &Score, present: &[u64]) {
    let list = &score.list;
    assert!(
        present.windows(2).all(|pair| pair[0] < pair[1]),
        "{list}: disorder or doubles"
    );
    let lost: Vec<_> = score
        .acknowledged
        .iter()
        .filter(|n| present.binary_search(n).is_err())
        .collect();
    assert!(
        lost.is_empty(),
        "{list}: {} acknowledged writes are lost: {lost:?}",
        lost.len()
    );
    for n in present {
        let known = score.acknowledged.binary_search(n).is_ok() || score.unknown.contains(n);
        assert!(known, "{list}: {n} was never sent, or was refused");
    }
}

fn write(index: usize, caches: &[Client], stop: &AtomicBool) -> Score {
    let mut score = Score {
        list: format!("ledger:{index}"),
        acknowledged: vec![],
        unknown: vec![],
    };
    let mut turn = 0;
    let mut connection = None;
    let mut next = 1_u64;
    while !stop.load(Ordering::Relaxed) {
        let Some(open) = &mut connection else {
            let client = &caches[turn % caches.len()];
            turn += 1;
            connection = client
                .get_connection_with_timeout(Duration::from_millis(500))
                .ok();
            if let Some(open) = &connection {
                open.set_read_timeout(Some(Duration::from_secs(20)))
                    .unwrap();
            } else {
                thread::sleep(Duration::from_millis(5));
            }
            continue;
        };
        let n = next;
        next += 1;
        let answer: redis::RedisResult<u64> =
            redis::cmd("RPUSH").arg(&score.list).arg(n).query(open);
        match answer {
            Ok(_) => score.acknowledged.push(n),
            Err(error) => {
                // An error that the engine sent is a refusal; anything else leaves it open.
                let refused = error.code().is_some();
                if !refused {
                    score.unknown.push(n);
                }
                connection = None;
                thread::sleep(Duration::from_millis(2));
            }
        }
    }
    score
}
