//! `INFO` as real engines print it.

use super::*;

const PRIMARY: &str = "# Replication\r\nrole:master\r\nconnected_slaves:2\r\n\
slave0:ip=127.0.0.1,port=45456,state=online,offset=1400,lag=1,type=replica\r\n\
slave1:ip=::1,port=45457,state=wait_bgsave,offset=0,lag=-1\r\n\
master_failover_state:no-failover\r\n\
master_replid:41bc45f68636c0cc9b65f89a7de84fbb9c8c1c96\r\n\
master_replid2:0000000000000000000000000000000000000000\r\n\
master_repl_offset:1414\r\nsecond_repl_offset:-1\r\nrepl_backlog_active:1\r\n";

const NEVER_IN_STEP: &str = "# Replication\r\nrole:slave\r\nmaster_host:127.0.0.1\r\n\
master_port:1\r\nmaster_link_status:down\r\nmaster_last_io_seconds_ago:-1\r\n\
master_sync_in_progress:0\r\nslave_read_repl_offset:1\r\nslave_repl_offset:1\r\n\
connected_slaves:0\r\nmaster_replid:304f79d3e6ea79a42e863e4afbedc5a202eec802\r\n\
master_replid2:41bc45f68636c0cc9b65f89a7de84fbb9c8c1c96\r\n\
master_repl_offset:0\r\nsecond_repl_offset:15\r\n";

#[test]
fn a_primary_tells_its_offset_and_its_replicas() {
    let seen = Replication::parse(PRIMARY).unwrap();
    assert_eq!(
        (&seen.role, seen.offset),
        (&EngineRole::Primary, Offset(1414))
    );
    assert_eq!((seen.replid2, seen.second_offset), (None, None));
    let [first, second] = seen.replicas.as_slice() else {
        panic!("{:?}", seen.replicas)
    };
    assert_eq!((first.offset, first.lag_seconds), (Offset(1400), Some(1)));
    assert_eq!(
        (second.address, second.lag_seconds),
        ("[::1]:45457".parse().unwrap(), None)
    );
}

#[test]
fn a_replica_that_was_never_in_step_holds_nothing() {
    let seen = Replication::parse(NEVER_IN_STEP).unwrap();
    assert_eq!(seen.offset, Offset(0));
    assert_eq!(seen.second_offset, Some(Offset(15)));
    assert!(seen.replid2.is_some());
    assert!(matches!(
        seen.role,
        EngineRole::Replica { link_up: false, .. }
    ));
}

#[test]
fn a_replica_tells_what_it_has_applied() {
    let text = NEVER_IN_STEP
        .replace("slave_repl_offset:1\r", "slave_repl_offset:990\r")
        .replace("master_repl_offset:0", "master_repl_offset:990");
    assert_eq!(Replication::parse(&text).unwrap().offset, Offset(990));
}

#[test]
fn what_is_missing_or_odd_is_named() {
    let error = Replication::parse("role:master\r\n").unwrap_err();
    assert_eq!(error, InfoError::Missing("master_repl_offset"));
    let error = Replication::parse(&PRIMARY.replace(":1414", ":many")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "INFO says `many` as `master_repl_offset`"
    );
    let error = Replication::parse(&PRIMARY.replace("role:master", "role:guest")).unwrap_err();
    assert!(error.to_string().contains("guest"));
}

#[test]
fn keys_are_summed_over_databases_alone() {
    let text =
        "db0:keys=3,expires=1,avg_ttl=5\r\ndb12:keys=4,expires=0,avg_ttl=0\r\ndbx:keys=9\r\n";
    assert_eq!(Fields::new(text).keys(), 7);
    assert_eq!(Fields::new(text).only_database(), None);
    let one = "db0:keys=0,expires=0\r\ndb12:keys=4,expires=0,avg_ttl=0\r\n";
    assert_eq!(Fields::new(one).only_database(), Some(12));
}

#[test]
fn valkey_is_known_by_its_own_version() {
    let valkey = "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1\r\n";
    assert_eq!(
        Fields::new(valkey).version().unwrap().to_string(),
        "valkey 8.0.1"
    );
    let redis = "redis_version:7.0.15\r\n";
    assert_eq!(
        Fields::new(redis).version().unwrap().to_string(),
        "redis 7.0.15"
    );
}
