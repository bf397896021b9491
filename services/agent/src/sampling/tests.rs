//! What counters come to: growth, never less than nothing, and once.

use engine::{
    CommandCalls, EngineRole, NodeInfo, OnDisk, Processor, Reading, Replication, Writing,
};
use gateway::{Connections, Passage, Refused};
use model::{Cell, EngineBuild, EngineKind, EngineVersion, ErrorKind, Figure, Part, Series};
use psync::Offset;

use super::*;

const VERSION: EngineVersion = EngineVersion {
    kind: EngineKind::Valkey,
    major: 8,
    minor: 0,
    patch: 1,
};
const FIRST: Place = Place {
    shard: ShardIndex(0),
    node: 0,
    leads: true,
};
const SECOND: Place = Place { node: 1, ..FIRST };

fn reading(run: &str, hits: u64) -> Reading {
    Reading {
        info: NodeInfo {
            replication: Replication {
                role: EngineRole::Primary,
                replid: "a".repeat(40).parse().unwrap(),
                replid2: None,
                second_offset: None,
                offset: Offset(0),
                backlog_from: None,
                replicas: Vec::new(),
            },
            loading: false,
            keys: 5,
            only_database: Some(0),
            used_memory: 1 << 20,
            uncounted_memory: 0,
            maxmemory: 4 << 20,
            resident_memory: 2 << 20,
            connected_clients: 3,
            blocked_clients: 0,
            ops_per_second: 0,
            total_commands: 0,
            expired_keys: 0,
            evicted_keys: 0,
            keyspace_hits: hits,
            keyspace_misses: 2 * hits,
            full_syncs: 0,
            partial_syncs: 0,
            uptime_seconds: 1,
            run_id: run.to_owned(),
            version: VERSION,
            databases: vec![(0, 5)],
            loaded: None,
            on_disk: OnDisk::default(),
            engine: EngineBuild::new(VERSION, "abc"),
        },
        max_memory: 4 << 20,
        processor: Processor::default(),
        calls: CommandCalls {
            gets: 3 * hits,
            sets: 0,
        },
        fullest_output: 0,
        writing: Writing::default(),
    }
}

fn sample(reading: Reading, at: Instant) -> NodeSample {
    NodeSample {
        reading,
        at,
        unresponsive: 0,
    }
}

fn of(figure: Figure, place: Place) -> Series {
    Series {
        figure,
        shard: 0,
        part: Part::Node {
            index: place.node,
            leads: place.leads,
        },
    }
}

fn errors(kind: ErrorKind) -> Series {
    Series {
        figure: Figure::Errors,
        shard: 0,
        part: Part::Error(kind),
    }
}

/// Everything that a track has, summed up.
fn all(track: &mut Track) -> Figures {
    let mut sum = Figures::default();
    for (_, figures) in track.close(|_| true) {
        sum.merge(&figures);
    }
    sum
}

fn total(figures: &Figures, series: Series) -> Option<f64> {
    figures.get(&series).map(|cell| cell.total)
}

#[test]
fn counters_grow_from_the_first_look_on() {
    let mut track = Track::default();
    let start = Instant::now();
    let after = |seconds| start + Duration::from_secs(seconds);
    // What was counted before the agent looked is not of this minute.
    track.note_node(7, FIRST, &sample(reading("a", 100), start));
    track.note_node(7, FIRST, &sample(reading("a", 110), after(15)));
    track.note_node(8, FIRST, &sample(reading("a", 110), after(30)));
    track.note_node(8, FIRST, &sample(reading("a", 117), after(45)));
    let minutes: Vec<_> = track.close(|minute| minute == 7);
    assert_eq!(minutes.len(), 1);
    assert_eq!(total(&minutes[0].1, of(Figure::Hits, FIRST)), Some(10.0));
    let rest = all(&mut track);
    let hits = rest.get(&of(Figure::Hits, FIRST)).unwrap();
    assert_eq!(
        (hits.count, hits.total, hits.min, hits.max),
        (2, 7.0, 0.0, 7.0)
    );
    assert_eq!(total(&rest, of(Figure::Misses, FIRST)), Some(14.0));
    assert_eq!(total(&rest, of(Figure::Gets, FIRST)), Some(21.0));
    let share = rest.get(&of(Figure::UsedMemoryPercentage, FIRST)).unwrap();
    assert_eq!(share.max, 25.0);
    assert!(all(&mut track).is_empty(), "each is told once");
}

#[test]
fn an_engine_that_began_anew_counts_from_its_beginning() {
    let mut track = Track::default();
    let start = Instant::now();
    let after = |seconds| start + Duration::from_secs(seconds);
    track.note_node(7, FIRST, &sample(reading("a", 1_000), start));
    track.note_node(7, FIRST, &sample(reading("b", 5), after(15)));
    // And one whose statistics were set to zero.
    track.note_node(7, FIRST, &sample(reading("b", 2), after(30)));
    let sum = all(&mut track);
    let hits = sum.get(&of(Figure::Hits, FIRST)).unwrap();
    assert_eq!((hits.total, hits.min), (7.0, 2.0));
}

#[test]
fn a_node_that_takes_over_goes_on_with_its_own_counters() {
    let mut track = Track::default();
    let start = Instant::now();
    let after = |seconds| start + Duration::from_secs(seconds);
    let follows = Place {
        leads: false,
        ..SECOND
    };
    track.note_standing(FIRST, false);
    track.note_node(7, FIRST, &sample(reading("a", 1_000), start));
    track.note_node(7, follows, &sample(reading("z", 3), start));
    track.note_node(7, FIRST, &sample(reading("a", 1_010), after(15)));
    track.note_node(7, follows, &sample(reading("z", 3), after(15)));
    track.note_standing(SECOND, false);
    let led = sample(reading("z", 9), after(30));
    track.note_node(7, SECOND, &led);
    track.note_errors(7, ShardIndex(0), &led);
    let sum = all(&mut track);
    assert_eq!(total(&sum, of(Figure::Hits, FIRST)), Some(10.0));
    assert_eq!(total(&sum, of(Figure::Hits, follows)), Some(0.0));
    assert_eq!(total(&sum, of(Figure::Hits, SECOND)), Some(6.0));
    assert_eq!(total(&sum, errors(ErrorKind::Failover)), Some(1.0));
    // A scrape shows the node that leads alone.
    let shown = track.exposed(Duration::from_secs(60)).unwrap();
    assert_eq!(shown.totals[&(Figure::Hits, 0, "")], 16.0);
}

#[test]
fn load_is_the_share_of_the_time_between_two_samples_of_one_process() {
    let mut track = Track::default();
    let start = Instant::now();
    let worked = |run: &str, seconds: f64| Reading {
        processor: Processor {
            process: seconds,
            main_thread: seconds / 2.0,
        },
        ..reading(run, 0)
    };
    let after = |seconds| start + Duration::from_secs(seconds);
    track.note_node(7, FIRST, &sample(worked("a", 1.0), start));
    track.note_node(7, FIRST, &sample(worked("a", 11.0), after(10)));
    track.note_node(7, FIRST, &sample(worked("b", 99.0), after(20)));
    let sum = all(&mut track);
    let load = sum.get(&of(Figure::ServerLoad, FIRST)).unwrap();
    assert_eq!((load.count, load.max), (1, 50.0));
    let all_of_it = sum.get(&of(Figure::ProcessorTime, FIRST)).unwrap();
    assert!((0.0..=100.0).contains(&all_of_it.max), "{all_of_it:?}");
}

fn status(commands: u64, bytes: u64) -> GatewayStatus {
    GatewayStatus {
        connections: Connections {
            direct_tls: 4,
            geo_plain: 2,
            ..Connections::default()
        },
        tunnelled: 1,
        by_token: 2,
        encrypted: Passage {
            created: commands,
            closed: 0,
        },
        refused: Refused {
            login: 9,
            token: commands,
            ..Refused::default()
        },
        commands,
        bytes_in: bytes,
        bytes_out: 2 * bytes,
        ..GatewayStatus::default()
    }
}

#[test]
fn clients_are_those_of_the_gateway_that_an_engine_here_serves() {
    let mut track = Track::default();
    let start = Instant::now();
    // A gateway counts from its opening, and so does this.
    track.note_clients(7, FIRST, &status(10, 100), start);
    let later = start + Duration::from_secs(10);
    track.note_clients(7, FIRST, &status(40, 700), later);
    track.note_errors(7, ShardIndex(0), &sample(reading("a", 0), later));
    let sum = all(&mut track);
    let seen = |figure| sum.get(&of(figure, FIRST)).unwrap();
    assert_eq!(seen(Figure::Clients).max, 5.0);
    assert_eq!(seen(Figure::TokenClients).max, 2.0);
    assert_eq!(seen(Figure::Commands).total, 40.0);
    assert_eq!(seen(Figure::OperationsPerSecond), Cell::one(3.0));
    assert_eq!(seen(Figure::BytesWritten), Cell::one(60.0));
    assert_eq!(seen(Figure::BytesRead), Cell::one(120.0));
    let created = Series {
        figure: Figure::ConnectionsCreated,
        shard: 0,
        part: Part::Connections { encrypted: true },
    };
    assert_eq!(sum.get(&created), Some(Cell::one(3.0)));
    assert_eq!(total(&sum, errors(ErrorKind::TokenRefused)), Some(40.0));
}

#[test]
fn losses_are_told_when_they_happen_and_not_when_they_are_found() {
    let mut track = Track::default();
    track.note_receipts(2);
    track.note_standing(FIRST, false);
    let told = |track: &mut Track| {
        track.note_errors(7, ShardIndex(0), &sample(reading("a", 0), Instant::now()));
        total(&all(track), errors(ErrorKind::Dataloss))
    };
    assert_eq!(told(&mut track), Some(0.0), "they were there before");
    track.note_receipts(1);
    track.note_receipts(2);
    assert_eq!(told(&mut track), Some(1.0));
    for _ in 0..3 {
        track.note_standing(FIRST, true);
    }
    assert_eq!(told(&mut track), Some(1.0));
}

fn pace(every: u64, tell: u64) -> SamplingPace {
    SamplingPace {
        every: Duration::from_secs(every),
        tell: Duration::from_secs(tell),
    }
}

fn note(sampling: &Sampling, minute: u64) {
    let mut inner = sampling.inner.lock();
    let track = inner.tracks.entry(CacheUid::new("c")).or_default();
    track.note_node(minute, FIRST, &sample(reading("a", 1), Instant::now()));
}

fn at(minute: u64, second: u64) -> Timestamp {
    Timestamp(minute * MINUTE_MS + second * 1_000)
}

#[test]
fn a_minute_is_told_once_when_it_is_over() {
    let sampling = Sampling::new(pace(10, 60), 1);
    assert_eq!(
        sampling.minute(at(8, 4)),
        7,
        "what was since the sample before"
    );
    assert_eq!(sampling.minute(at(8, 6)), 8);
    note(&sampling, 7);
    note(&sampling, 8);
    sampling.close(at(8, 5), false);
    assert_eq!(
        sampling.waiting(10),
        [],
        "its last sample may be on the way"
    );
    sampling.close(at(8, 7), false);
    let [part] = &sampling.waiting(10)[..] else {
        panic!("{:?}", sampling.waiting(10))
    };
    assert_eq!((part.minute, part.sequence), (7, 1));
    sampling.close(at(8, 59), false);
    assert_eq!(sampling.waiting(10).len(), 1);
    sampling.close(at(8, 59), true);
    assert_eq!(
        sampling.waiting(10).len(),
        2,
        "an agent that stops tells all"
    );
    sampling.taken(1);
    let left = sampling.waiting(10);
    assert_eq!((left.len(), left[0].sequence), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn an_open_minute_is_told_in_parts_when_that_is_asked_for() {
    let sampling = Sampling::new(pace(1, 2), 1);
    note(&sampling, 8);
    sampling.close(at(8, 1), false);
    assert_eq!(sampling.waiting(10), []);
    tokio::time::advance(Duration::from_secs(2)).await;
    sampling.close(at(8, 3), false);
    note(&sampling, 8);
    tokio::time::advance(Duration::from_secs(2)).await;
    sampling.close(at(8, 5), false);
    let parts = sampling.waiting(10);
    let minutes: Vec<_> = parts.iter().map(|part| part.minute).collect();
    assert_eq!(minutes, [8, 8]);
}

#[test]
fn what_nobody_takes_is_given_up_after_an_hour() {
    let sampling = Sampling::new(pace(15, 60), 1);
    for minute in 1..=200 {
        note(&sampling, minute);
        sampling.close(at(minute + 1, 30), false);
    }
    let waiting = sampling.waiting(usize::MAX);
    assert_eq!(waiting.len(), 60);
    assert_eq!(waiting.last().unwrap().minute, 200);
    assert_eq!(
        waiting[0].sequence, 141,
        "the numbers tell that some are missing"
    );
}
