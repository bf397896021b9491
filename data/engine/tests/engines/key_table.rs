//! Where commands have their keys, as the engines say it and as `resp` finds them.

use std::collections::BTreeSet;

use engine::{Node, StopHow};
use redis::Value;
use resp::{Kind, Piece, StreamLimits, StreamReader, Touch, write_command};

use crate::support::{GRACE, House, programs};

/// Every command that writes, in the forms that differ in their keys.
const SAMPLES: &[&str] = &[
    "APPEND k v",
    "BITFIELD k SET u8 0 1",
    "BITOP AND d a b",
    "BITOP NOT d a",
    "BLMOVE a b LEFT RIGHT 0",
    "BLMPOP 0 2 a b LEFT",
    "BLPOP a b 0",
    "BRPOP a 0",
    "BRPOPLPUSH a b 0",
    "BZMPOP 0 1 a MIN COUNT 2",
    "BZPOPMAX a b 0",
    "BZPOPMIN a 0",
    "COPY a b",
    "COPY a b DB 1 REPLACE",
    "DECR k",
    "DECRBY k 2",
    "DEL a b c",
    "EXPIRE k 9",
    "EXPIREAT k 9 NX",
    "FLUSHALL SYNC",
    "FLUSHDB ASYNC",
    "FUNCTION DELETE f",
    "FUNCTION FLUSH",
    "FUNCTION LOAD code",
    "FUNCTION RESTORE payload",
    "GEOADD k 1 2 m",
    "GEORADIUS k 1 2 3 m",
    "GEORADIUS k 1 2 3 m COUNT 5 STORE d",
    "GEORADIUS k 1 2 3 m STOREDIST d",
    "GEORADIUSBYMEMBER k m 3 m",
    "GEORADIUSBYMEMBER k STORE 3 m",
    "GEORADIUSBYMEMBER k m 3 m ASC STORE d",
    "GEOSEARCHSTORE d s FROMMEMBER m BYRADIUS 3 m",
    "GETDEL k",
    "GETEX k PERSIST",
    "GETSET k v",
    "HDEL k f g",
    "HINCRBY k f 1",
    "HINCRBYFLOAT k f 1",
    "HMSET k f v",
    "HSET k f v g w",
    "HSETNX k f v",
    "INCR k",
    "INCRBY k 1",
    "INCRBYFLOAT k 1",
    "LINSERT k BEFORE a b",
    "LMOVE a b LEFT LEFT",
    "LMPOP 2 a b LEFT",
    "LPOP k",
    "LPUSH k a b",
    "LPUSHX k a",
    "LREM k 0 a",
    "LSET k 0 a",
    "LTRIM k 0 1",
    "MIGRATE h 1 k 0 9 COPY",
    "MIGRATE h 1  0 9 REPLACE KEYS a b",
    "MOVE k 1",
    "MSET a 1 b 2",
    "MSETNX a 1 b 2",
    "PERSIST k",
    "PEXPIRE k 9",
    "PEXPIREAT k 9",
    "PFADD k a",
    "PFDEBUG TODENSE k",
    "PFMERGE d a b",
    "PSETEX k 9 v",
    "RENAME a b",
    "RENAMENX a b",
    "RESTORE k 0 payload REPLACE",
    "RESTORE-ASKING k 0 payload",
    "RPOP k",
    "RPOPLPUSH a b",
    "RPUSH k a",
    "RPUSHX k a",
    "SADD k a",
    "SDIFFSTORE d a b",
    "SET k v EX 9",
    "SETBIT k 1 1",
    "SETEX k 9 v",
    "SETNX k v",
    "SETRANGE k 0 v",
    "SINTERSTORE d a b",
    "SMOVE a b m",
    "SORT k",
    "SORT k BY w LIMIT 0 9 GET store ASC STORE d",
    "SPOP k 2",
    "SREM k a",
    "SUNIONSTORE d a b",
    "SWAPDB 0 1",
    "UNLINK a b",
    "XACK k g 1-1",
    "XADD k * f v",
    "XAUTOCLAIM k g c 0 0",
    "XCLAIM k g c 0 1-1",
    "XDEL k 1-1",
    "XGROUP CREATE k g $",
    "XGROUP CREATECONSUMER k g c",
    "XGROUP DELCONSUMER k g c",
    "XGROUP DESTROY k g",
    "XGROUP SETID k g $",
    "XREADGROUP GROUP g c COUNT 1 STREAMS a b > >",
    "XSETID k 1-1",
    "XTRIM k MAXLEN 1",
    "ZADD k 1 m",
    "ZDIFFSTORE d 2 a b",
    "ZINCRBY k 1 m",
    "ZINTERSTORE d 2 a b AGGREGATE MAX",
    "ZMPOP 2 a b MAX",
    "ZPOPMAX k",
    "ZPOPMIN k 2",
    "ZRANGESTORE d s 0 1",
    "ZREM k m",
    "ZREMRANGEBYLEX k a b",
    "ZREMRANGEBYRANK k 0 1",
    "ZREMRANGEBYSCORE k 0 1",
    "ZUNIONSTORE d 2 a b WEIGHTS 1 2",
    // No writes by their flags.
    "EVAL code 2 a b c",
    "EVALSHA hash 0 a",
    "FCALL f 1 a b",
    "PFCOUNT a b",
];

#[tokio::test]
async fn keys_are_found_where_the_engines_have_them() {
    for program in programs().await {
        let house = House::new();
        let config = house.config("n0");
        let node = Node::start(&program, &config).await.unwrap();
        let mut admin = house.admin(&node, &config).await;
        let mut untried = write_commands(&mut admin).await;
        assert!(untried.len() > 90, "{untried:?}");
        for sample in SAMPLES {
            let words: Vec<&str> = sample.split(' ').collect();
            untried.remove(&words[0].to_lowercase());
            let group = words.get(..2).map(|words| words.join("|").to_lowercase());
            untried.remove(&group.unwrap_or_default());
            let mut asked = redis::cmd("COMMAND");
            asked.arg("GETKEYS").arg(&words);
            let told = match asked.query_async::<BTreeSet<String>>(&mut admin).await {
                Ok(keys) => keys,
                Err(error) if error.to_string().contains("no key arguments") => BTreeSet::new(),
                Err(error) => panic!("{sample}: {error}"),
            };
            assert_eq!(found(sample, &words), told, "{sample}");
        }
        assert_eq!(untried, BTreeSet::new(), "of {}", program.version);
        node.stop(StopHow::Discard, GRACE).await.unwrap();
    }
}

/// The keys that the reader of streams finds, in whichever database.
fn found(sample: &str, words: &[&str]) -> BTreeSet<String> {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    let mut bytes = Vec::new();
    write_command(&mut bytes, &words);
    let mut reader = StreamReader::new(StreamLimits::default(), Some(0));
    let mut rest = bytes.as_slice();
    let mut keys = BTreeSet::new();
    while let Some(piece) = reader.next(&mut rest).unwrap() {
        match piece {
            Piece::Touch(Touch::Key { key, .. }) => {
                keys.insert(String::from_utf8(key).unwrap());
            }
            Piece::Touch(Touch::Database(_) | Touch::Everything) => {}
            Piece::Command(command) => assert_eq!(command.kind, Kind::Write, "{sample}"),
        }
    }
    keys
}

/// The names of all commands with the flag `write`; of groups as `xgroup|create`.
async fn write_commands(admin: &mut redis::aio::MultiplexedConnection) -> BTreeSet<String> {
    let all: Vec<Value> = redis::cmd("COMMAND").query_async(admin).await.unwrap();
    let mut names = BTreeSet::new();
    for command in &all {
        add_writes(command, &mut names);
    }
    names
}

fn add_writes(command: &Value, names: &mut BTreeSet<String>) {
    let Value::Array(fields) = command else {
        panic!("{command:?}");
    };
    let text = |value: &Value| redis::from_redis_value::<String>(value.clone()).unwrap();
    let list = |value: Option<&Value>| match value {
        Some(Value::Array(items)) => items.clone(),
        Some(_) | None => Vec::new(),
    };
    let parts = list(fields.get(9));
    if parts.is_empty() && list(fields.get(2)).iter().any(|flag| text(flag) == "write") {
        names.insert(text(&fields[0]));
    }
    for part in &parts {
        add_writes(part, names);
    }
}
