//! What happens while it runs: answers that never come, outages, checkpoints.

use std::{sync::Arc, time::Duration};

use ledger::{Kind, Mix, Workload};
use rustix::process::Signal;

use crate::{
    pair::{Node, only, pair, start, until, until_more, workload},
    with_both_engines,
};

with_both_engines! {
    what_nobody_answered_is_neither_lost_nor_sent_again => unanswered;
    what_came_too_late_to_be_answered_is_known_to_be_there => late;
    an_outage_is_measured_behind_its_mark => outage;
    checkpoints_forget_what_is_checked_and_keep_what_is_lost => checkpoints;
    clients_that_find_nobody_ask_where_the_caches_are => asking;
    hundreds_of_clients_follow_a_failover => many;
}

fn unanswered(program: &str) {
    let node = Node::start(program);
    let ledger = start(&workload(12), &[&node]);
    until_more(&ledger, 1_000);
    // A paused engine drops the command of a client that is gone.
    node.run::<()>("CLIENT PAUSE 60000 WRITE");
    until("every client waits", || {
        let info: String = node.run("INFO clients");
        info.contains("blocked_clients:12")
    });
    node.run::<()>("CLIENT KILL TYPE normal SKIPME yes");
    node.run::<()>("CLIENT UNPAUSE");
    until_more(&ledger, 1_000);
    let score = ledger.settle(&node.endpoint()).unwrap();
    let total = score.total();
    assert!(score.is_clean(), "{score:?}");
    // One of each client, and two pipelines of 50.
    assert!(
        total.unknown() >= 12 && total.unknown_present == 0,
        "{total:?}"
    );
}

fn late(program: &str) {
    let node = Node::start(program);
    let load = Workload {
        answer_limit: Duration::from_millis(200),
        ..workload(6)
    };
    let ledger = start(&load, &[&node]);
    until_more(&ledger, 1_000);
    // It reads what was sent to it only after its clients have gone.
    node.signal(Signal::STOP);
    until("every client gave up", || ledger.sight().unknown >= 6);
    node.signal(Signal::CONT);
    until_more(&ledger, 1_000);
    let score = ledger.settle(&node.endpoint()).unwrap();
    assert!(score.is_clean(), "{score:?}");
    assert!(score.total().unknown_present > 0, "{score:?}");
}

fn outage(program: &str) {
    let node = Node::start(program);
    let ledger = start(&workload(4), &[&node]);
    ledger.mark("before");
    until_more(&ledger, 100);
    ledger.mark("pause 1");
    node.run::<()>("CLIENT PAUSE 400 WRITE");
    until_more(&ledger, 100);
    ledger.mark("after");
    until_more(&ledger, 100);
    let score = ledger.settle(&node.endpoint()).unwrap();
    assert!(score.worst_outage("pause").ms >= 390.0, "{:?}", score.marks);
    assert!(score.outage.ms >= score.worst_outage("pause").ms);
    assert_eq!(score.marks.len(), 3);
}

fn checkpoints(program: &str) {
    let node = Node::start(program);
    let mut ledger = start(&workload(12), &[&node]);
    let mut acknowledged = 0;
    for round in 1..=4 {
        until_more(&ledger, 500);
        if round == 2 {
            // Whoever reads the list next finds it short.
            node.run::<()>("LPOP ledger:sequence:0:g1");
        }
        let score = ledger.checkpoint(&node.endpoint()).unwrap();
        let total = score.total();
        assert!(total.acknowledged >= acknowledged + 500, "{total:?}");
        acknowledged = total.acknowledged;
        let lost = u64::from(round >= 2);
        assert_eq!(
            (total.lost, total.holes, total.violations()),
            (lost, lost, lost)
        );
    }
    until("what is checked is removed", || {
        let keys: Vec<String> = node.run("KEYS *");
        !keys.is_empty() && keys.iter().all(|key| key.contains(":g4"))
    });
    let score = ledger.settle(&node.endpoint()).unwrap();
    assert_eq!((score.total().lost, score.total().clients), (1, 12));
    assert!(score.total().acknowledged >= acknowledged);
}

fn asking(program: &str) {
    let (one, other) = (Node::start(program), Node::start(program));
    let known = vec![other.endpoint()];
    let load = Workload {
        look_up: Some(Arc::new(move || {
            let known = known.clone();
            Box::pin(async move { Some(known) })
        })),
        ..only(Kind::Sequence)
    };
    let ledger = start(&load, &[&one]);
    until_more(&ledger, 10);
    drop(one);
    until("the other is found", || {
        other.count(Kind::Sequence, "ledger:sequence:0") > 10
    });
    // The first is gone with all that it had.
    let score = ledger.settle(&other.endpoint()).unwrap();
    assert!(score.total().lost >= 10, "{score:?}");
    assert_eq!(score.total().violations(), 0, "{score:?}");
}

fn many(program: &str) {
    let (one, other) = pair(program);
    let load = Workload {
        mix: Mix::default(),
        pace: Duration::from_millis(20),
        ..workload(400)
    };
    let ledger = start(&load, &[&one, &other]);
    until_more(&ledger, 5_000);
    ledger.mark("failover");
    one.run::<()>("FAILOVER");
    until_more(&ledger, 5_000);
    let score = ledger.settle(&other.endpoint()).unwrap();
    assert!(score.is_clean(), "{score:?}");
    assert_eq!(score.total().clients, 400);
}
