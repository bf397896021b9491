//! Promotions that lose: the count must be what the old primary has more, by key.

use std::collections::BTreeMap;

use ledger::{Kind, Score};

use crate::{
    pair::{Node, key, pair, start, until_more, workload},
    with_both_engines,
};

with_both_engines! {
    nothing_is_lost_without_a_failure => clean;
    a_promotion_behind_a_cut_link_loses_what_the_old_primary_has_more => cut;
    every_failover_of_an_epoch_is_counted_by_its_primary => twice;
    a_primary_that_nobody_fenced_loses_all_its_writes => stale;
}

const CLIENTS: usize = 12;

fn clean(program: &str) {
    let (primary, replica) = pair(program);
    let ledger = start(&workload(CLIENTS), &[&primary, &replica]);
    until_more(&ledger, 3_000);
    let score = ledger.settle(&primary.endpoint()).unwrap();
    let total = score.total();
    assert!(score.is_clean() && total.acknowledged >= 3_000, "{score:?}");
    assert_eq!(total.clients, CLIENTS as u64);
    assert_eq!((total.unknown(), total.refused), (0, 0));
    assert_eq!(score.lost, []);
    assert!(score.latency.p50_ms > 0.0 && score.latency.p99_ms >= score.latency.p50_ms);
}

fn clients() -> Vec<(Kind, String)> {
    let kinds = workload(CLIENTS).mix.kinds(CLIENTS).into_iter();
    let clients = kinds.enumerate();
    clients.map(|(at, kind)| (kind, key(kind, at))).collect()
}

fn counts(node: &Node) -> BTreeMap<(Kind, String), u64> {
    let clients = clients().into_iter();
    clients
        .map(|(kind, key)| {
            let count = node.count(kind, &key);
            ((kind, key), count)
        })
        .collect()
}

/// Compares the operations that the score calls lost with what one node has more.
fn assert_lost(
    score: &Score,
    more: &BTreeMap<(Kind, String), u64>,
    less: &BTreeMap<(Kind, String), u64>,
) {
    for (client, count) in more {
        let lost = score.lost.iter().filter(|lost| lost.key == client.1);
        let lost: Vec<_> = lost.map(|lost| (lost.first, lost.last)).collect();
        let expected = (less[client] < *count).then(|| (less[client] + 1, *count));
        assert!(
            lost.iter().eq(expected.iter()),
            "{client:?}: {lost:?}, not {expected:?}"
        );
    }
    let expected: u64 = more.iter().map(|(client, n)| n - less[client]).sum();
    assert_eq!(score.total().lost, expected);
    assert_eq!(score.lost_operations().count() as u64, expected);
}

fn cut(program: &str) {
    let (old, new) = pair(program);
    let ledger = start(&workload(CLIENTS), &[&old]);
    until_more(&ledger, 3_000);
    new.cut_off();
    let kept = counts(&new);
    until_more(&ledger, 3_000);
    new.run::<()>("REPLICAOF NO ONE");
    ledger.mark("failover");
    ledger.learn(vec![new.endpoint()]);
    until_more(&ledger, 3_000);
    let score = ledger.settle(&new.endpoint()).unwrap();
    assert_lost(&score, &counts(&old), &kept);
    let total = score.total();
    assert!(total.lost >= 2_000, "{total:?}");
    assert_eq!((total.violations(), total.unknown()), (0, 0), "{score:?}");
    let [loss] = &score.losses[..] else {
        panic!("{:?}", score.losses)
    };
    let [mark] = &score.marks[..] else {
        panic!("{:?}", score.marks)
    };
    assert_eq!(loss.lost, total.lost);
    assert_eq!(loss.primary.len(), 40, "{loss:?}");
    assert!(
        loss.from_ms < loss.until_ms && loss.until_ms <= mark.at_ms + 1_000,
        "{loss:?}"
    );
    assert!(mark.outage.ms > 0.0);
}

fn twice(program: &str) {
    let (first, second) = pair(program);
    let third = Node::start(program);
    let ledger = start(&workload(CLIENTS), &[&first]);
    for (old, new) in [(&first, &second), (&second, &third)] {
        new.follow(old);
        until_more(&ledger, 2_000);
        new.cut_off();
        until_more(&ledger, 500);
        new.run::<()>("REPLICAOF NO ONE");
        ledger.learn(vec![new.endpoint()]);
    }
    until_more(&ledger, 2_000);
    let score = ledger.settle(&third.endpoint()).unwrap();
    let total = score.total();
    assert_eq!(total.violations(), 0, "{score:?}");
    let by_primary: Vec<_> = score.losses.iter().map(|loss| loss.lost).collect();
    assert_eq!(by_primary.len(), 2, "{:?}", score.losses);
    assert_eq!(by_primary.iter().sum::<u64>(), total.lost);
    assert!(by_primary.iter().all(|lost| *lost > 100), "{by_primary:?}");
}

fn stale(program: &str) {
    let (old, new) = pair(program);
    let ledger = start(&workload(CLIENTS), &[&old, &new]);
    until_more(&ledger, 1_000);
    new.run::<()>("REPLICAOF NO ONE");
    let kept = counts(&new);
    until_more(&ledger, 1_000);
    let score = ledger.settle(&new.endpoint()).unwrap();
    assert_lost(&score, &counts(&old), &kept);
    assert!(score.total().lost > 500, "{score:?}");
    assert_eq!(score.total().violations(), 0, "{score:?}");
}
