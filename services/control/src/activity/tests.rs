use std::net::IpAddr;

use model::Timestamp;

use super::record::{Asked, Kind, Record, Refusal, Status, Who};

/// A refusal of a cache of that name.
pub(crate) fn refusal(name: &str, code: &str) -> Record {
    Record {
        id: format!("id-{name}"),
        kind: Kind::Refusal,
        at: Timestamp(1),
        caller: Some(Who {
            id: "operator".to_owned(),
            name: "operator".to_owned(),
        }),
        operation: "Microsoft.Cache/redis/delete".to_owned(),
        resource: format!(
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Cache/Redis/{name}"
        ),
        other: None,
        status: Status::Failed,
        correlation: "c".to_owned(),
        long_running: None,
        http_status: Some(409),
        refusal: Some(Refusal {
            code: code.to_owned(),
            message: "No.".to_owned(),
        }),
        request: None,
        changes: Vec::new(),
        count: 1,
        text: None,
        link: None,
    }
}

/// A request of nobody from there.
pub(crate) fn unauthenticated(from: IpAddr) -> Record {
    Record {
        kind: Kind::Unauthenticated,
        caller: None,
        resource: String::new(),
        request: Some(Asked {
            from: Some(from),
            method: "GET".to_owned(),
            path: String::new(),
            id: "r".to_owned(),
            client_id: None,
        }),
        ..refusal("x", "AuthenticationFailed")
    }
}

#[test]
fn a_record_returns_as_it_was_and_knows_its_place() {
    let record = unauthenticated("203.0.113.9".parse().unwrap());
    let text = serde_json::to_string(&record).unwrap();
    assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
    let record = refusal("demo", "Conflict");
    assert_eq!((record.subscription(), record.group()), ("s", "g"));
    assert_eq!(record.provider(), "Microsoft.Cache");
    assert_eq!(unauthenticated("::1".parse().unwrap()).subscription(), "");
}
