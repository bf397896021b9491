//! Operations of private endpoints.

use model::{Consent, Door, PrivateDoorObserved, PrivateEndpoint};

use super::*;

fn with_endpoint(consent: Consent) -> (CacheRecord, OperationRecord) {
    let record = CacheRecord {
        private_endpoints: vec![PrivateEndpoint {
            name: "Office".parse().unwrap(),
            address: None,
            resource: None,
            consent,
            description: String::new(),
            actions_required: String::new(),
        }],
        ..cache("east", "eastus")
    };
    let work = Work::PrivateEndpoint {
        cache: record.id.clone(),
        uid: record.uid.clone(),
        endpoint: "office".to_owned(),
    };
    (record, op(work))
}

/// What the agent sees of the endpoint: open, or not and why.
fn seen(record: &CacheRecord, open: bool, problem: Option<&str>) -> Seen {
    let mut cache = sees(record, 3, RoleKind::Alone, ShardStanding::Writable);
    let door = Door {
        ip: "127.9.9.1".parse().unwrap(),
        tls: 6380,
        plain: None,
    };
    cache.private_doors = vec![PrivateDoorObserved {
        name: "office".to_owned(),
        door: open.then_some(door),
        problem: problem.map(str::to_owned),
    }];
    Seen::just_now(vec![report("eastus", vec![cache])])
}

#[tokio::test]
async fn an_approved_endpoint_is_done_when_it_listens_and_a_rejected_one_when_it_does_not() {
    for (consent, done) in [(Consent::Approved, true), (Consent::Rejected, false)] {
        let (record, op) = with_endpoint(consent);
        let bench = Bench::new(Change::new().insert(&record).insert(&op)).await;
        let seen = |open| seen(&record, open, None);
        assert_eq!(bench.pass(&seen(!done), 20_000).await, 0, "{consent:?}");
        assert_eq!(bench.pass(&seen(done), 20_000).await, 1, "{consent:?}");
        assert!(matches!(bench.outcome(), Outcome::Succeeded { .. }));
    }
}

#[tokio::test]
async fn an_address_that_cannot_be_had_is_waited_for_a_while() {
    let (record, op) = with_endpoint(Consent::Approved);
    let bench = Bench::new(Change::new().insert(&record).insert(&op)).await;
    let seen = seen(&record, false, Some("no such address"));
    assert_eq!(bench.pass(&seen, 10_000).await, 0);
    assert_eq!(bench.pass(&seen, 10_001).await, 1);
    let Outcome::Failed { message, .. } = bench.outcome() else {
        panic!("not failed")
    };
    assert_eq!(message, "no such address");
}

#[tokio::test]
async fn an_endpoint_whose_agent_is_away_is_waited_for_a_minute() {
    let (record, op) = with_endpoint(Consent::Approved);
    let bench = Bench::new(Change::new().insert(&record).insert(&op)).await;
    assert_eq!(bench.pass(&Seen::just_now(vec![]), 60_000).await, 0);
    assert_eq!(bench.pass(&Seen::just_now(vec![]), 60_001).await, 1);
    assert!(
        matches!(bench.outcome(), Outcome::Failed { message, .. } if message.contains("does not report"))
    );
}
