//! Who may log in to an engine: every test runs against valkey and redis.

use engine::{CLIENT_USER, Node, StopHow};
use model::{Secret, TokenUser};
use redis::{Value, aio::MultiplexedConnection};

use crate::support::{GRACE, House, client, programs};

const OWNER: &str = "6c1f2f0e-0000-4000-8000-000000000001";
const READER: &str = "6c1f2f0e-0000-4000-8000-000000000002";

fn user(object_id: &str, permissions: &str) -> TokenUser {
    TokenUser {
        object_id: object_id.to_owned(),
        permissions: permissions.to_owned(),
    }
}

/// The word that the refusal of a command begins with.
async fn refusal(client: &mut MultiplexedConnection, line: &str) -> Option<String> {
    let answer = words(line).query_async::<Value>(client).await;
    let error = answer.err()?;
    Some(error.code().unwrap_or("ERR").to_owned())
}

#[tokio::test]
async fn nobody_comes_in_as_default_with_or_without_a_password() {
    for program in programs().await {
        let house = House::new();
        let config = house.config("n0");
        let node = Node::start(&program, &config).await.unwrap();
        let mut hidden = client(&node, CLIENT_USER, &config.clients).await.unwrap();
        assert_eq!(refusal(&mut hidden, "PING").await, None);
        for (user, password) in [
            ("default", &config.clients),
            ("default", &Secret::new("")),
            (CLIENT_USER, &Secret::new("another")),
        ] {
            assert!(client(&node, user, password).await.is_err(), "{user}");
        }
        let open = redis::Client::open(format!("redis://{}", node.address())).unwrap();
        let mut open = open.get_multiplexed_async_connection().await.unwrap();
        let refused = refusal(&mut open, "GET k").await.unwrap();
        assert!(refused.contains("NOAUTH"), "{refused}");
        node.stop(StopHow::Discard, GRACE).await.unwrap();
    }
}

#[tokio::test]
async fn clients_are_kept_from_administration() {
    for program in programs().await {
        let house = House::new();
        let config = house.config("n0");
        let node = Node::start(&program, &config).await.unwrap();
        let mut client = client(&node, CLIENT_USER, &config.clients).await.unwrap();
        let denied = [
            "ACL WHOAMI",
            "BGREWRITEAOF",
            "BGSAVE",
            "CLUSTER MEET 127.0.0.1 1",
            "CLUSTER RESET",
            "CONFIG GET masterauth",
            "DEBUG JMAP",
            "FAILOVER",
            "MIGRATE 127.0.0.1 1 k 0 10",
            "MODULE LIST",
            "PSYNC ? -1",
            "REPLCONF capa eof",
            "REPLICAOF NO ONE",
            "SAVE",
            "SHUTDOWN NOSAVE",
            "SLAVEOF NO ONE",
            "SYNC",
        ];
        for line in denied {
            let command = words(line);
            let refused = command.query_async::<Value>(&mut client).await.unwrap_err();
            // The engine refuses DEBUG before it looks at permissions.
            let denied = refused.code() == Some("NOPERM") || line.starts_with("DEBUG");
            assert!(denied, "{line}: {refused}");
        }
        // Nor by way of a script.
        let script = "return redis.call('CONFIG', 'GET', 'masterauth')";
        let mut eval = redis::cmd("EVAL");
        eval.arg(script).arg(0);
        let refused = eval.query_async::<Value>(&mut client).await.unwrap_err();
        assert!(!format!("{refused}").contains("internal"), "{refused}");

        for line in [
            "SET k v",
            "CLIENT PAUSE 1 WRITE",
            "CLIENT UNPAUSE",
            "FLUSHALL",
            "INFO",
            "MONITOR",
        ] {
            let command = words(line);
            command.query_async::<Value>(&mut client).await.unwrap();
        }
        node.stop(StopHow::Discard, GRACE).await.unwrap();
    }
}

#[tokio::test]
async fn cluster_reads_are_for_clients() {
    for program in programs().await {
        let house = House::new();
        let config = house.config("n0");
        let node = Node::start(&program, &config).await.unwrap();
        let mut client = client(&node, CLIENT_USER, &config.clients).await.unwrap();
        let mut command = redis::cmd("CLUSTER");
        command.arg("INFO");
        // Not refused for want of permission: this engine is not a cluster's.
        let refused = command.query_async::<Value>(&mut client).await.unwrap_err();
        assert!(
            refused.to_string().contains("cluster support disabled"),
            "{refused}"
        );
        node.stop(StopHow::Discard, GRACE).await.unwrap();
    }
}

#[tokio::test]
async fn users_of_tokens_have_their_policys_rights_less_what_is_blocked() {
    for program in programs().await {
        let house = House::new();
        let config = house.config("n0");
        let node = Node::start(&program, &config).await.unwrap();
        let reader = "+@read +@connection +cluster|info allkeys";
        let users = [user(OWNER, "+@all allkeys"), user(READER, reader)];
        assert_eq!(node.admit(&config.clients, &users).await.unwrap(), []);

        let mut owner = client(&node, OWNER, &config.clients).await.unwrap();
        for line in ["SET k v", "FLUSHALL", "SUBSCRIBE news", "CLUSTER SLOTS"] {
            let refused = refusal(&mut owner, line).await.unwrap_or_default();
            assert!(!refused.contains("NOPERM"), "{line}: {refused}");
        }
        let mut owner = client(&node, OWNER, &config.clients).await.unwrap();
        for line in ["CONFIG GET port", "ACL WHOAMI", "CLUSTER MEET 127.0.0.1 1"] {
            let refused = refusal(&mut owner, line).await.unwrap();
            assert!(refused.contains("NOPERM"), "{line}: {refused}");
        }
        let mut reader = client(&node, READER, &config.clients).await.unwrap();
        assert_eq!(refusal(&mut reader, "GET k").await, None);
        for line in ["SET k v", "CLUSTER SLOTS", "CLUSTER MEET 127.0.0.1 1"] {
            let refused = refusal(&mut reader, line).await.unwrap();
            assert!(refused.contains("NOPERM"), "{line}: {refused}");
        }
        node.stop(StopHow::Discard, GRACE).await.unwrap();
    }
}

#[tokio::test]
async fn a_changed_policy_counts_for_open_connections_and_a_removed_one_ends_them() {
    for program in programs().await {
        let house = House::new();
        let config = house.config("n0");
        let node = Node::start(&program, &config).await.unwrap();
        let admit = async |users: &[TokenUser]| node.admit(&config.clients, users).await.unwrap();
        admit(&[user(OWNER, "+@all ~*"), user(READER, "+@read ~*")]).await;
        let mut owner = client(&node, OWNER, &config.clients).await.unwrap();
        let mut reader = client(&node, READER, &config.clients).await.unwrap();
        let mut hidden = client(&node, CLIENT_USER, &config.clients).await.unwrap();
        assert_eq!(refusal(&mut owner, "SET k v").await, None);

        admit(&[user(OWNER, "+@read ~*")]).await;
        let refused = refusal(&mut owner, "SET k v").await.unwrap();
        assert!(refused.contains("NOPERM"), "{refused}");
        assert!(refusal(&mut reader, "GET k").await.is_some());
        assert!(client(&node, READER, &config.clients).await.is_err());
        assert_eq!(refusal(&mut hidden, "SET k v").await, None);
        node.stop(StopHow::Discard, GRACE).await.unwrap();
    }
}

#[tokio::test]
async fn permissions_that_the_engine_refuses_are_told_and_let_nobody_in() {
    for program in programs().await {
        let house = House::new();
        let config = house.config("n0");
        let node = Node::start(&program, &config).await.unwrap();
        node.admit(&config.clients, &[user(OWNER, "+@all ~*")])
            .await
            .unwrap();
        let wrong = [
            user(OWNER, "+@all +nosuchcommand ~*"),
            user("godwit", "+@all ~*"),
            user("default", "+@all ~*"),
            user(READER, "+@read ~* nopass"),
        ];
        let refused = node.admit(&config.clients, &wrong).await.unwrap();
        let refused: Vec<&str> = refused.iter().map(|one| one.object_id.as_str()).collect();
        assert_eq!(refused, [OWNER, "godwit", "default", READER]);
        for name in [OWNER, READER, "default"] {
            assert!(client(&node, name, &config.clients).await.is_err());
        }
        node.info().await.unwrap();
        node.stop(StopHow::Discard, GRACE).await.unwrap();
    }
}

fn words(line: &str) -> redis::Cmd {
    let mut command = redis::Cmd::new();
    for word in line.split(' ') {
        command.arg(word);
    }
    command
}
