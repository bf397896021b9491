//! What passes: every shape of request and reply.

use model::EngineKind;

use crate::{
    client::command,
    rig::{Rig, until},
};

both!(
    requests_and_replies_pass_as_they_are,
    inline_commands_mean_what_they_mean_to_the_engine,
    a_pipeline_is_answered_in_its_order,
    bytes_may_come_one_at_a_time,
    large_values_pass_without_being_kept,
    subscribers_hear_messages_on_either_protocol,
    monitor_shows_what_others_do,
    reply_off_and_skip_are_heeded,
    tracked_keys_are_invalidated,
    blocking_commands_wait_and_are_served,
    transactions_run_as_the_engine_runs_them,
    refused_commands_do_not_reach_the_engine,
    a_client_that_has_said_everything_gets_every_answer,
    a_client_that_quits_is_let_go,
);

async fn requests_and_replies_pass_as_they_are(kind: EngineKind) {
    let rig = Rig::start(kind);
    let mut client = rig.client();
    client.say(b"*3\r\n$3\r\nsEt\r\n$3\r\n\r\na\r\n$2\r\n\0\xff\r\n");
    client.expect("+OK\r\n");
    client.say(b"*2\r\n$3\r\nGET\r\n$3\r\n\r\na\r\n");
    client.expect(b"$2\r\n\0\xff\r\n");
    client.say(command("GET nothing"));
    client.expect("$-1\r\n");
    client.say(command("LPUSH l 1 2 3"));
    client.expect(":3\r\n");
    client.say(command("LRANGE l 0 -1"));
    client.expect("*3\r\n$1\r\n3\r\n$1\r\n2\r\n$1\r\n1\r\n");
    client.say(command("NOSUCH thing"));
    client.expect("-ERR unknown command 'NOSUCH', with args beginning with: 'thing' \r\n");
    client.say(command("EVAL return{1,{2,{3}},false,{err='x'}} 0"));
    let nested = client.reply();
    assert!(nested.starts_with("[1 [2 [3]] (nil) -"), "{nested}");
    client.say(command("HELLO 3"));
    let hello = client.reply();
    assert!(hello.contains("proto 3"), "{hello}");
    client.say(command("GET nothing"));
    client.expect("_\r\n");
    client.say(command("HSET h f v"));
    client.expect(":1\r\n");
    client.say(command("HGETALL h"));
    client.expect("%1\r\n$1\r\nf\r\n$1\r\nv\r\n");
    client.say(command("DEBUG PROTOCOL double"));
    let refused = client.reply();
    assert!(
        refused.starts_with("-ERR unknown command 'DEBUG'"),
        "{refused}"
    );
}

async fn inline_commands_mean_what_they_mean_to_the_engine(kind: EngineKind) {
    let rig = Rig::start(kind);
    let mut client = rig.stranger();
    client.say("PING\r\nAUTH canary-key-one\r\n\r\n\n*0\r\n*-5\r\nPING\nset a \"x\\x41\\n\"\r\nGET 'a'\r\n");
    client.expect("-NOAUTH Authentication required.\r\n+OK\r\n+PONG\r\n+OK\r\n$3\r\nxA\n\r\n");
    client.say("GET \"a\r\n");
    client.expect("-ERR Protocol error: unbalanced quotes in request\r\n");
    assert_eq!(client.rest(), "");
}

async fn a_pipeline_is_answered_in_its_order(kind: EngineKind) {
    let rig = Rig::start(kind);
    let mut client = rig.client();
    let mut requests = Vec::new();
    let mut replies = Vec::new();
    for number in 0..20_000 {
        requests.extend(command(&format!("ECHO token-{number}")));
        let text = format!("token-{number}");
        replies.extend(format!("${}\r\n{text}\r\n", text.len()).into_bytes());
        if number % 997 == 0 {
            requests.extend(command("CONFIG GET maxclients"));
            replies.extend(
                b"-ERR unknown command 'CONFIG', with args beginning with: 'GET' 'maxclients' \r\n",
            );
        }
    }
    // A client that reads nothing before it has said everything.
    client.say(requests);
    client.expect(replies);
    assert_eq!(rig.status().refused.protocol, 0);
}

async fn bytes_may_come_one_at_a_time(kind: EngineKind) {
    let rig = Rig::start(kind);
    let mut client = rig.stranger();
    let requests = [
        command("HELLO 3 AUTH default canary-key-one SETNAME slow"),
        command("SET a b"),
        b"GET a\r\n".to_vec(),
        command("CLIENT GETNAME"),
    ];
    for byte in requests.concat() {
        client.say([byte]);
    }
    assert!(client.reply().contains("proto 3"));
    client.expect("+OK\r\n$1\r\nb\r\n$4\r\nslow\r\n");
}

/// Bytes of the process that are in memory, at most so far.
fn high_water() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.unwrap().trim().trim_end_matches(" kB");
    number.parse::<u64>().unwrap() << 10
}

async fn large_values_pass_without_being_kept(kind: EngineKind) {
    const SIZE: usize = 200 << 20;
    let rig = Rig::start(kind);
    let mut client = rig.client();
    let before = high_water();
    let chunk: Vec<u8> = (0..1 << 20)
        .map(|at: u32| at.to_le_bytes()[1] ^ 0x5a)
        .collect();
    client.say(format!("*3\r\n$3\r\nSET\r\n$1\r\nx\r\n${SIZE}\r\n"));
    for _ in 0..SIZE / chunk.len() {
        client.say(&chunk);
    }
    client.say("\r\n");
    client.say(command("STRLEN x"));
    client.expect(format!("+OK\r\n:{SIZE}\r\n"));
    client.say(command("GET x"));
    client.expect(format!("${SIZE}\r\n"));
    for _ in 0..SIZE / chunk.len() {
        let mut read = 0;
        let mut found = vec![0; chunk.len()];
        while read < found.len() {
            read += client.read(&mut found[read..]);
        }
        assert!(found == chunk);
    }
    client.expect("\r\n");
    let grown = high_water() - before;
    assert!(grown < 32 << 20, "{grown} bytes more");
    assert_eq!(client.run("PING"), "PONG");
}

async fn subscribers_hear_messages_on_either_protocol(kind: EngineKind) {
    let rig = Rig::start(kind);
    let (mut two, mut three, mut other) = (rig.client(), rig.client(), rig.client());
    assert!(three.run("HELLO 3").contains("proto 3"));
    two.send("SUBSCRIBE a b");
    two.expect(
        "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n",
    );
    three.send("PSUBSCRIBE a*");
    assert_eq!(three.reply(), ">[psubscribe a* 1]");
    assert_eq!(other.run("PUBLISH a hello"), "2");
    assert_eq!(two.reply(), "[message a hello]");
    assert_eq!(three.reply(), ">[pmessage a* a hello]");
    assert_eq!(two.run("PING x"), "[pong x]");
    let refused = two.run("GET a");
    assert!(refused.starts_with("-ERR Can't execute 'get'"), "{refused}");
    // Its own message may come before its own reply.
    three.send("PUBLISH ab self");
    let mut heard = [three.reply(), three.reply()];
    heard.sort();
    assert_eq!(heard, ["1", ">[pmessage a* ab self]"]);
    assert_eq!(three.run("SET k v"), "OK");
    two.send("UNSUBSCRIBE");
    let mut ended = [two.reply(), two.reply()].map(|reply| reply[..15].to_owned());
    ended.sort();
    assert_eq!(ended, ["[unsubscribe a ", "[unsubscribe b "]);
    assert_eq!(two.run("GET k"), "v");
}

async fn monitor_shows_what_others_do(kind: EngineKind) {
    let rig = Rig::start(kind);
    let (mut watcher, mut other) = (rig.client(), rig.client());
    assert_eq!(watcher.run("MONITOR"), "OK");
    assert_eq!(other.run("SET watched 1"), "OK");
    let line = watcher.reply();
    assert!(line.ends_with("\"SET\" \"watched\" \"1\""), "{line}");
    assert_eq!(other.run("GET watched"), "1");
    let line = watcher.reply();
    assert!(line.ends_with("\"GET\" \"watched\""), "{line}");
}

async fn reply_off_and_skip_are_heeded(kind: EngineKind) {
    let rig = Rig::start(kind);
    let mut client = rig.client();
    let words = [
        "CLIENT REPLY SKIP",
        "SET a 1",
        "GET a",
        "CLIENT REPLY OFF",
        "SET a 2",
        "CONFIG GET x",
        "GET a",
        "CLIENT REPLY ON",
        "GET a",
    ];
    client.say(words.map(command).concat());
    client.expect("$1\r\n1\r\n+OK\r\n$1\r\n2\r\n");
}

async fn tracked_keys_are_invalidated(kind: EngineKind) {
    let rig = Rig::start(kind);
    let (mut tracking, mut other) = (rig.client(), rig.client());
    assert!(tracking.run("HELLO 3").contains("proto 3"));
    assert_eq!(tracking.run("CLIENT TRACKING ON"), "OK");
    assert_eq!(tracking.run("GET k"), "(nil)");
    assert_eq!(other.run("SET k v"), "OK");
    assert_eq!(tracking.reply(), ">[invalidate [k]]");
    assert_eq!(tracking.run("GET k"), "v");
}

async fn blocking_commands_wait_and_are_served(kind: EngineKind) {
    let rig = Rig::start(kind);
    let (mut waiting, mut other) = (rig.client(), rig.client());
    waiting.say([command("BLPOP q 0"), command("ECHO behind")].concat());
    until("it waits", || rig.node.info("blocked_clients") == "1").await;
    assert_eq!(other.run("RPUSH q x"), "1");
    assert_eq!(waiting.reply(), "[q x]");
    assert_eq!(waiting.reply(), "behind");
    // Whoever goes away while it waits takes nothing along.
    waiting.send("BLPOP q 0");
    until("it waits", || rig.node.info("blocked_clients") == "1").await;
    drop(waiting);
    until("it is gone", || rig.node.info("blocked_clients") == "0").await;
    assert_eq!(other.run("RPUSH q y"), "1");
    assert_eq!(other.run("LLEN q"), "1");
}

async fn transactions_run_as_the_engine_runs_them(kind: EngineKind) {
    let rig = Rig::start(kind);
    let (mut client, mut other) = (rig.client(), rig.client());
    let words = ["MULTI", "SET a 1", "INCR a", "EXEC"];
    client.say(words.map(command).concat());
    client.expect("+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:2\r\n");
    client.say(["WATCH a", "MULTI", "INCR a"].map(command).concat());
    client.expect("+OK\r\n+OK\r\n+QUEUED\r\n");
    assert_eq!(other.run("SET a 9"), "OK");
    assert_eq!(client.run("EXEC"), "(nil)");
    // What is refused dooms it, as what the engine refuses does.
    client.say(
        ["MULTI", "CONFIG GET x", "SET a 7", "EXEC"]
            .map(command)
            .concat(),
    );
    assert_eq!(client.reply(), "OK");
    assert!(client.reply().starts_with("-ERR unknown command"));
    assert_eq!(client.reply(), "QUEUED");
    assert!(client.reply().starts_with("-EXECABORT"));
    assert_eq!(client.run("GET a"), "9");
}

async fn refused_commands_do_not_reach_the_engine(kind: EngineKind) {
    let rig = Rig::start(kind);
    let mut client = rig.client();
    let calls = || rig.node.run("INFO commandstats");
    for name in [
        "ACL WHOAMI",
        "acl list",
        "CoNfIg SET maxclients 1",
        "BGSAVE",
        "BGREWRITEAOF",
        "SAVE",
        "SHUTDOWN",
        "DEBUG SLEEP 1",
        "MIGRATE 127.0.0.1 1 k 0 1",
        "REPLICAOF NO ONE",
        "SLAVEOF NO ONE",
        "REPLCONF ACK 1",
        "PSYNC ? -1",
        "SYNC",
        "CLUSTER FORGET x",
    ] {
        for request in [command(name), format!("{name}\r\n").into_bytes()] {
            client.say(request);
            let reply = client.reply();
            assert!(
                reply.starts_with("-ERR unknown command '"),
                "{name}: {reply}"
            );
        }
    }
    assert_eq!(client.run("PING"), "PONG");
    let calls = calls();
    for never in [
        "config|",
        "bgsave",
        "shutdown",
        "debug",
        "psync",
        "sync:",
        "replicaof",
    ] {
        assert!(
            !calls.contains(&format!("cmdstat_{never}")),
            "{never} in {calls}"
        );
    }
}

async fn a_client_that_has_said_everything_gets_every_answer(kind: EngineKind) {
    let rig = Rig::start(kind);
    let mut client = rig.client();
    assert_eq!(client.run("SETRANGE big 3000000 x"), "3000001");
    client.say([command("GET big"), command("GET big"), command("PING")].concat());
    client.finish();
    let rest = client.rest();
    assert_eq!(rest.len(), 2 * (3_000_001 + 12) + 7);
    assert!(rest.ends_with("+PONG\r\n"));
    until("nobody is left", || rig.status().connections.total() == 0).await;
    until("the engine knows", || rig.node.connections() == 0).await;
    let mut stranger = rig.stranger();
    stranger.say("PING\r\n");
    stranger.finish();
    assert_eq!(stranger.rest(), "-NOAUTH Authentication required.\r\n");
}

async fn a_client_that_quits_is_let_go(kind: EngineKind) {
    let rig = Rig::start(kind);
    let mut client = rig.client();
    client.say("SET a b\r\nQUIT\r\nGET a\r\n");
    assert_eq!(client.rest(), "+OK\r\n+OK\r\n");
    let mut stranger = rig.stranger();
    stranger.say("QUIT\r\nPING\r\n");
    assert_eq!(stranger.rest(), "+OK\r\n");
}
