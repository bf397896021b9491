//! Where the commands that engines propagate have their keys: those of Redis 7.0 and of Valkey 8.

/// Where a command names what it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// It names no key: functions and scripts.
    Nothing,
    /// Words `first..=last`, one in `step`; `last` counts from the end when it is below zero.
    Range { first: u64, last: i64, step: u64 },
    /// The word at `count` says how many keys follow it; the one at `also` is another.
    Counted { count: u64, also: Option<u64> },
    /// `key … STORE key`; behind `LIMIT` are two words, behind `GET` and `BY` one, of other sorts.
    Sort,
    /// `key … STORE key` or `STOREDIST key`.
    GeoStore,
    /// Half of the words behind `STREAMS`.
    Streams,
    /// The third word, and those behind `KEYS`.
    Migrate,
    /// `from to`, where `to` is in the database behind `DB`.
    Copy,
    /// `key database`: the key is in both.
    Move,
    /// Any key of the selected database.
    Database,
    /// Any key of the two databases that are named.
    TwoDatabases,
    /// Any key at all.
    Everything,
}

/// What a command is, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    Select,
    Multi,
    Exec,
    Ping,
    Control,
    Message,
    Write(Rule),
    Unknown,
}

/// The longest name that means anything.
pub(super) const NAME_BYTES: usize = 32;

const fn range(first: u64, last: i64, step: u64) -> Rule {
    Rule::Range { first, last, step }
}

/// Finds a name, in whichever case it is.
pub(super) fn named(name: &[u8]) -> Named {
    let mut upper = [0; NAME_BYTES];
    let Some(upper) = upper.get_mut(..name.len()) else {
        return Named::Unknown;
    };
    upper.copy_from_slice(name);
    upper.make_ascii_uppercase();
    match &*upper {
        b"SELECT" => Named::Select,
        b"MULTI" => Named::Multi,
        b"EXEC" => Named::Exec,
        b"PING" => Named::Ping,
        b"REPLCONF" => Named::Control,
        b"PUBLISH" | b"SPUBLISH" => Named::Message,
        other => rule(other).map_or(Named::Unknown, Named::Write),
    }
}

fn rule(name: &[u8]) -> Option<Rule> {
    Some(match name {
        b"APPEND" | b"BITFIELD" | b"DECR" | b"DECRBY" | b"EXPIRE" | b"EXPIREAT" | b"GEOADD"
        | b"GETDEL" | b"GETEX" | b"GETSET" | b"HDEL" | b"HINCRBY" | b"HINCRBYFLOAT" | b"HMSET"
        | b"HSET" | b"HSETNX" | b"INCR" | b"INCRBY" | b"INCRBYFLOAT" | b"LINSERT" | b"LPOP"
        | b"LPUSH" | b"LPUSHX" | b"LREM" | b"LSET" | b"LTRIM" | b"PERSIST" | b"PEXPIRE"
        | b"PEXPIREAT" | b"PFADD" | b"PSETEX" | b"RESTORE" | b"RESTORE-ASKING" | b"RPOP"
        | b"RPUSH" | b"RPUSHX" | b"SADD" | b"SET" | b"SETBIT" | b"SETEX" | b"SETNX"
        | b"SETRANGE" | b"SPOP" | b"SREM" | b"XACK" | b"XADD" | b"XAUTOCLAIM" | b"XCLAIM"
        | b"XDEL" | b"XSETID" | b"XTRIM" | b"ZADD" | b"ZINCRBY" | b"ZPOPMAX" | b"ZPOPMIN"
        | b"ZREM" | b"ZREMRANGEBYLEX" | b"ZREMRANGEBYRANK" | b"ZREMRANGEBYSCORE" => range(1, 1, 1),
        b"BLMOVE" | b"BRPOPLPUSH" | b"GEOSEARCHSTORE" | b"LMOVE" | b"RENAME" | b"RENAMENX"
        | b"RPOPLPUSH" | b"SMOVE" | b"ZRANGESTORE" => range(1, 2, 1),
        // PFCOUNT is no write, and is propagated when it renews what is cached beside the value.
        b"DEL" | b"PFCOUNT" | b"PFMERGE" | b"SDIFFSTORE" | b"SINTERSTORE" | b"SUNIONSTORE"
        | b"UNLINK" => range(1, -1, 1),
        b"BLPOP" | b"BRPOP" | b"BZPOPMAX" | b"BZPOPMIN" => range(1, -2, 1),
        b"MSET" | b"MSETNX" => range(1, -1, 2),
        b"PFDEBUG" | b"XGROUP" => range(2, 2, 1),
        b"BITOP" => range(2, -1, 1),
        b"LMPOP" | b"ZMPOP" => counted(1),
        b"BLMPOP" | b"BZMPOP" | b"EVAL" | b"EVALSHA" | b"FCALL" => counted(2),
        b"ZDIFFSTORE" | b"ZINTERSTORE" | b"ZUNIONSTORE" => Rule::Counted {
            count: 2,
            also: Some(1),
        },
        b"SORT" => Rule::Sort,
        b"GEORADIUS" | b"GEORADIUSBYMEMBER" => Rule::GeoStore,
        b"XREADGROUP" => Rule::Streams,
        b"MIGRATE" => Rule::Migrate,
        b"COPY" => Rule::Copy,
        b"MOVE" => Rule::Move,
        b"FLUSHDB" => Rule::Database,
        b"SWAPDB" => Rule::TwoDatabases,
        b"FLUSHALL" => Rule::Everything,
        b"FUNCTION" | b"SCRIPT" => Rule::Nothing,
        _ => return None,
    })
}

const fn counted(count: u64) -> Rule {
    Rule::Counted { count, also: None }
}
