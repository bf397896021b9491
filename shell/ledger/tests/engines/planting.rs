//! Flaws planted by hand, each of which must be found, once.

use ledger::{Flaw, Kind, Score, Tally, Workload};

use crate::{
    pair::{Node, key, only, pair, ran, start, until_more},
    with_both_engines,
};

with_both_engines! {
    a_doubled_write_is_found => doubled;
    a_hole_is_found => hole;
    a_list_that_is_gone_is_a_hole_although_its_client_wrote_nothing_later => vanished;
    a_torn_transaction_is_found => torn;
    disorder_is_found => disorder;
    what_nobody_sent_is_found => phantom;
    a_refused_write_that_is_there_is_found => refused;
    a_register_that_went_back_is_found => back;
}

/// Runs clients of one kind, plants something, and settles.
fn planted(program: &str, kind: Kind, plant: impl FnOnce(&Node, &str)) -> (Score, Tally) {
    let node = Node::start(program);
    let ledger = ran(&only(kind), &node);
    plant(&node, &key(kind, 0));
    let score = ledger.settle(&node.endpoint()).unwrap();
    let tally = score.total();
    (score, tally)
}

fn clean(acknowledged: u64) -> Tally {
    Tally {
        clients: 2,
        acknowledged,
        ..Tally::default()
    }
}

/// Compares everything but how long it took.
fn assert_tally(score: &Score, expected: Tally) {
    let found = Tally {
        latency: expected.latency,
        ..score.total()
    };
    assert_eq!(found, expected, "{score:?}");
}

fn doubled(program: &str) {
    for kind in [Kind::Sequence, Kind::Pipeline] {
        let (score, tally) = planted(program, kind, |node, key| {
            node.run::<()>(&format!("RPUSH {key} 17"));
            node.run::<()>(&format!("LINSERT {key} BEFORE 40 39"));
        });
        assert_tally(
            &score,
            Tally {
                doubled: 2,
                ..clean(tally.acknowledged)
            },
        );
        let shown: Vec<_> = score
            .violations
            .iter()
            .map(|v| (v.flaw, v.found.as_str()))
            .collect();
        assert_eq!(shown, [(Flaw::Doubled, "39"), (Flaw::Doubled, "17")]);
    }
    let (score, tally) = planted(program, Kind::Counter, |node, key| {
        node.run::<()>(&format!("INCRBY {key} 2"));
    });
    assert_tally(
        &score,
        Tally {
            doubled: 2,
            ..clean(tally.acknowledged)
        },
    );
}

fn hole(program: &str) {
    for kind in [Kind::Sequence, Kind::Pipeline, Kind::Transfer] {
        let (score, tally) = planted(program, kind, |node, key| {
            node.run::<()>(&format!("LREM {key} 1 17"));
            node.run::<()>(&format!("LREM {key} 1 19"));
        });
        let torn = if kind == Kind::Transfer { 2 } else { 0 };
        let expected = Tally {
            lost: 2,
            holes: 2,
            torn,
            ..clean(tally.acknowledged)
        };
        assert_tally(&score, expected);
        let lost: Vec<_> = score.lost_operations().collect();
        let key = key(kind, 0);
        assert_eq!(lost, [(key.as_str(), 17), (key.as_str(), 19)]);
    }
}

fn vanished(program: &str) {
    let (score, tally) = planted(program, Kind::Sequence, |node, key| {
        node.run::<()>(&format!("DEL {key}"));
    });
    assert!(
        tally.lost > 100 && tally.lost < tally.acknowledged,
        "{score:?}"
    );
    // The last ones may have come after the last one that is known to be there.
    assert!(tally.holes > 0 && tally.holes <= tally.lost, "{tally:?}");
    assert_eq!(tally.violations(), tally.holes);
}

fn torn(program: &str) {
    let (score, tally) = planted(program, Kind::Transfer, |node, key| {
        node.run::<()>(&format!("INCR {key}:to"));
    });
    assert_tally(
        &score,
        Tally {
            torn: 1,
            ..clean(tally.acknowledged)
        },
    );
    let (score, tally) = planted(program, Kind::Transfer, |node, key| {
        // The last transaction without its entry in the journal.
        node.run::<()>(&format!("RPOP {key}"));
    });
    assert_eq!((tally.lost, tally.torn), (1, 1), "{score:?}");
}

fn disorder(program: &str) {
    let (score, tally) = planted(program, Kind::Sequence, |node, key| {
        node.run::<()>(&format!("LREM {key} 1 17"));
        node.run::<()>(&format!("LINSERT {key} AFTER 19 17"));
    });
    assert_tally(
        &score,
        Tally {
            disordered: 1,
            ..clean(tally.acknowledged)
        },
    );
}

fn phantom(program: &str) {
    let (score, tally) = planted(program, Kind::Sequence, |node, key| {
        node.run::<()>(&format!("RPUSH {key} 99999999 stranger"));
    });
    assert_tally(
        &score,
        Tally {
            phantom: 2,
            ..clean(tally.acknowledged)
        },
    );
    let (score, tally) = planted(program, Kind::Register, |node, key| {
        node.run::<()>(&format!("SET {key} 99999999"));
    });
    assert_tally(
        &score,
        Tally {
            phantom: 1,
            ..clean(tally.acknowledged)
        },
    );
}

fn refused(program: &str) {
    let (primary, replica) = pair(program);
    let plants = [
        (Kind::Sequence, "LPUSH KEY 1", Flaw::RefusedPresent),
        (Kind::Register, "SET KEY 1", Flaw::RefusedPresent),
        // Increments have no names, and the refused one was before the acknowledged ones.
        (Kind::Counter, "INCR KEY", Flaw::Doubled),
    ];
    for (kind, plant, flaw) in plants {
        primary.run::<()>("FLUSHALL");
        let load = Workload {
            clients: 1,
            ..only(kind)
        };
        // The client's first write is refused, and a later one is taken by the other.
        let ledger = start(&load, &[&replica, &primary]);
        until_more(&ledger, 10);
        ledger.stop().unwrap();
        let sight = ledger.sight();
        assert!(sight.refused >= 1 && sight.trouble.unwrap().contains("READONLY"));
        primary.run::<()>(&plant.replace("KEY", &key(kind, 0)));
        let score = ledger.settle(&primary.endpoint()).unwrap();
        let found: Vec<_> = score.violations.iter().map(|one| one.flaw).collect();
        assert_eq!(found, [flaw], "{score:?}");
        assert_eq!(score.total().violations(), 1, "{score:?}");
    }
}

fn back(program: &str) {
    let (score, tally) = planted(program, Kind::Register, |node, key| {
        node.run::<()>(&format!("DECRBY {key} 3"));
    });
    assert_tally(
        &score,
        Tally {
            lost: 3,
            ..clean(tally.acknowledged)
        },
    );
}
