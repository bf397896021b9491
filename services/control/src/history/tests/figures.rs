//! Figures are kept by the minute and by the hour, once, and for as long as is said.

use model::{Cell, Figure, Figures, Series};
use proptest::prelude::*;
use rusqlite::Connection;

use super::*;

const LAG: Series = Series::of_shard(Figure::GeoConnectivityLag, 0);

fn figures(value: f64) -> Figures {
    [(LAG, Cell::one(value))].into_iter().collect()
}

fn part(sequence: u64, minute: u64, value: f64) -> SampledPart {
    SampledPart {
        sequence,
        cache: CacheUid::new("c"),
        minute,
        figures: figures(value),
    }
}

fn report(boot: u64, parts: Vec<SampledPart>) -> SampledReport {
    let region = region("eastus");
    SampledReport {
        region,
        boot,
        parts,
    }
}

fn at(minute: u64) -> Timestamp {
    Timestamp(minute * 60_000)
}

async fn cell(history: &History, from: u64, to: u64, now: u64) -> Option<Cell> {
    let uid = CacheUid::new("c");
    let spans = history.figures(&uid, from, to, at(now)).await.unwrap();
    let mut sum = Figures::default();
    for figures in spans.values() {
        sum.merge(figures);
    }
    sum.get(&LAG)
}

#[tokio::test]
async fn a_minute_that_is_kept_twice_is_added_up() {
    let dir = tempfile::tempdir().unwrap();
    for value in [1.0, 5.0] {
        let history = open(&dir).await;
        let caches = BTreeMap::from([(CacheUid::new("c"), figures(value))]);
        assert!(history.add_minute(100, caches).await.is_empty());
        history.close().await;
    }
    let history = open(&dir).await;
    let kept = cell(&history, 100, 101, 200).await.unwrap();
    assert_eq!(
        (kept.count, kept.average(), kept.min, kept.max),
        (2, 3.0, 1.0, 5.0)
    );
    assert_eq!(cell(&history, 101, 200, 200).await, None);
}

#[tokio::test]
async fn what_an_agent_tells_again_is_kept_once_also_by_the_next_process() {
    let dir = tempfile::tempdir().unwrap();
    let history = open(&dir).await;
    let news = history.add_sampled(report(u64::MAX, vec![part(1, 100, 1.0), part(2, 101, 2.0)]));
    assert_eq!(news.await.unwrap().len(), 2);
    history.close().await;
    let history = open(&dir).await;
    let again = history.add_sampled(report(u64::MAX, vec![part(2, 101, 2.0), part(3, 101, 4.0)]));
    assert_eq!(again.await.unwrap().len(), 1);
    // The next run of the agent counts from 1.
    let next = history.add_sampled(report(7, vec![part(1, 101, 8.0)]));
    assert_eq!(next.await.unwrap().len(), 1);
    let kept = cell(&history, 100, 102, 200).await.unwrap();
    assert_eq!((kept.count, kept.total), (4, 15.0));
}

#[tokio::test]
async fn minutes_are_kept_for_two_days_and_hours_for_a_month() {
    let dir = tempfile::tempdir().unwrap();
    let history = open(&dir).await;
    let minutes = [6_000, 6_059, 6_060];
    let parts = (1..).zip(minutes);
    let parts = parts.map(|(sequence, minute)| part(sequence, minute, 1.0));
    let kept = history.add_sampled(report(1, parts.collect())).await;
    assert_eq!(kept.unwrap().len(), 3);
    let spans = async |now: u64| {
        history.prune(at(now)).await;
        let uid = CacheUid::new("c");
        let spans = history.figures(&uid, 0, 10_000, at(now)).await;
        spans.unwrap().into_keys().collect::<Vec<_>>()
    };
    assert_eq!(spans(7_000).await, minutes);
    // The hour that has begun to go is told as a whole.
    let present = 6_001 + MINUTES_KEPT;
    assert_eq!(spans(present).await, [6_000, 6_060]);
    assert_eq!(
        cell(&history, 6_000, 6_060, present).await.unwrap().count,
        2
    );
    assert_eq!(spans(6_000 + HOURS_KEPT).await, [6_000, 6_060]);
    assert_eq!(spans(6_061 + HOURS_KEPT + HOUR).await, [0_u64; 0]);
}

#[tokio::test]
async fn the_minutes_of_an_earlier_version_are_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    open(&dir).await.close().await;
    let connection = Connection::open(file(&dir)).unwrap();
    connection
        .execute_batch(
            r#"CREATE TABLE minutes (cache TEXT NOT NULL, minute INTEGER NOT NULL, value TEXT NOT NULL,
                   PRIMARY KEY (cache, minute)) WITHOUT ROWID;
               INSERT INTO minutes VALUES
                   ('c', 100, '{"GeoReplicationConnectivityLag":{"0":{"count":60,"total":30.0,"min":0.0,"max":1.0}}}'),
                   ('c', 101, 'what is this')"#,
        )
        .unwrap();
    drop(connection);
    let history = open(&dir).await;
    let kept = cell(&history, 0, 200, 200).await.unwrap();
    assert_eq!((kept.count, kept.total), (60, 30.0));
    history.close().await;
    let history = open(&dir).await;
    assert_eq!(cell(&history, 0, 200, 200).await.unwrap().count, 60);
}

#[tokio::test]
async fn figures_that_cannot_be_kept_are_given_back() {
    let dir = tempfile::tempdir().unwrap();
    let history = open(&dir).await;
    let blocker = Connection::open(file(&dir)).unwrap();
    blocker
        .execute_batch("ALTER TABLE figures RENAME TO gone")
        .unwrap();
    let caches = BTreeMap::from([(CacheUid::new("c"), figures(1.0))]);
    assert_eq!(history.add_minute(100, caches.clone()).await, caches);
    let told = history.add_sampled(report(1, vec![part(1, 100, 1.0)]));
    assert!(told.await.is_err(), "the agent has to tell it again");
    blocker
        .execute_batch("ALTER TABLE gone RENAME TO figures")
        .unwrap();
    let told = history.add_sampled(report(1, vec![part(1, 100, 1.0)]));
    assert_eq!(told.await.unwrap().len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Whatever is sampled, and in whatever parts it is told: each hour is what its samples come to.
    #[test]
    fn hours_are_the_sums_of_their_minutes(
        samples in prop::collection::vec((0_u64..300, 0_u32..1_000_000), 1..120),
        cut in 1_usize..20,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (fine, coarse) = runtime.block_on(async {
            let history = open(&dir).await;
            for (sequence, samples) in (1..).zip(samples.chunks(cut)) {
                let parts = samples.iter().map(|(minute, value)| part(sequence, *minute, f64::from(*value)));
                history.add_sampled(report(sequence, parts.collect())).await.unwrap();
            }
            let uid = CacheUid::new("c");
            let fine = history.figures(&uid, 0, 300, at(300)).await.unwrap();
            let coarse = history.figures(&uid, 0, 300, at(MINUTES_KEPT + 600)).await.unwrap();
            (fine, coarse)
        });
        for hour in 0..5 {
            let mut direct = Cell::default();
            for (minute, value) in &samples {
                if minute / HOUR == hour {
                    direct.add(Cell::whole(u64::from(*value)));
                }
            }
            let mut minutes = Cell::default();
            for (_, figures) in fine.range(hour * HOUR..(hour + 1) * HOUR) {
                minutes.add(figures.get(&LAG).unwrap_or_default());
            }
            let rolled = coarse.get(&(hour * HOUR)).and_then(|figures| figures.get(&LAG));
            prop_assert_eq!(minutes, direct);
            prop_assert_eq!(rolled.unwrap_or_default(), direct);
        }
    }
}
