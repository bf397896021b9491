//! What is refused, in every form it can be said in.

use resp::{Framed, RequestFramer, RequestLimits};
use session::Verdict;

use crate::{
    engine::Make,
    gateway::{Gateway, command},
};

/// Each with arguments that would make it work.
const REFUSED: [&[&str]; 29] = [
    &["ACL", "WHOAMI"],
    &["BGREWRITEAOF"],
    &["BGSAVE"],
    &["CLUSTER", "MEET", "1.2.3.4", "1"],
    &["CLUSTER", "RESET", "HARD"],
    &["CLUSTER", "SETSLOT", "1", "STABLE"],
    &["CLUSTER", "FAILOVER", "TAKEOVER"],
    &["CLUSTER", "ADDSLOTS", "1"],
    &["CLUSTER", "REPLICATE", "x"],
    &["CLUSTER", "INFO\0"],
    &["CLUSTER", "RESET\0"],
    &["CONFIG", "SET", "dir", "/"],
    &["CONFIG"],
    &["DEBUG", "SLEEP", "0"],
    &["FAILOVER"],
    &["MIGRATE", "h", "1", "k", "0", "1"],
    &["MODULE", "LOAD", "/x"],
    &["PSYNC", "?", "-1"],
    &["REPLCONF", "ACK", "1"],
    &["REPLICAOF", "NO", "ONE"],
    &["SAVE"],
    &["SCRIPT", "DEBUG", "SYNC"],
    &["SCRIPT", "DEBUG\0", "SYNC"],
    &["SHUTDOWN"],
    &["SLAVEOF", "NO", "ONE"],
    &["SYNC"],
    &["CONFIG\0", "SET", "dir", "/"],
    &["CLIENT\0", "REPLY", "OFF"],
    &["CLIENT", "REPLY\0", "OFF"],
];

fn in_each_case(words: &[&str]) -> [Vec<String>; 3] {
    let mixed = |word: &str| {
        let letters = word.chars().enumerate();
        letters
            .map(|(at, letter)| {
                if at % 2 == 0 {
                    letter.to_ascii_lowercase()
                } else {
                    letter
                }
            })
            .collect::<String>()
    };
    [
        words.iter().map(|word| (*word).to_owned()).collect(),
        words.iter().map(|word| word.to_lowercase()).collect(),
        words.iter().map(|word| mixed(word)).collect(),
    ]
}

/// As the engines say it, who print an argument up to a NUL.
fn unknown(words: &[&str]) -> String {
    let shown = |word: &str| word.split('\0').next().unwrap().to_owned();
    let arguments: String = words[1..]
        .iter()
        .map(|word| format!("'{}' ", shown(word)))
        .collect();
    format!(
        "-ERR unknown command '{}', with args beginning with: {arguments}\r\n",
        shown(words[0])
    )
}

#[test]
fn refused_commands_are_unknown_in_every_case() {
    let mut gateway = Gateway::logged_in(Make::Valkey);
    for words in REFUSED.iter().flat_map(|words| in_each_case(words)) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        assert_eq!(gateway.say(&words), unknown(&words));
    }
}

#[test]
fn they_are_unknown_in_pipelines_and_byte_by_byte() {
    let mut gateway = Gateway::logged_in(Make::Redis);
    for words in REFUSED {
        let bytes = [
            command(&["ECHO", "1"]),
            command(words),
            command(&["ECHO", "2"]),
        ]
        .concat();
        for byte in bytes {
            gateway.send(&[byte]);
            while gateway.read_request() {}
        }
        assert_eq!(
            gateway.settle(),
            format!("$1\r\n1\r\n{}$1\r\n2\r\n", unknown(words))
        );
    }
}

#[test]
fn they_are_unknown_inline() {
    let mut gateway = Gateway::logged_in(Make::Redis);
    for words in REFUSED {
        if words.iter().any(|word| word.contains('\0')) {
            let escaped = words
                .iter()
                .map(|word| format!("\"{}\"", word.replace('\0', "\\x00")));
            gateway.send(format!("{}\r\n", escaped.collect::<Vec<_>>().join(" ")).as_bytes());
        } else {
            gateway.send(format!("  {}\r\n", words.join(" ")).as_bytes());
        }
        assert_eq!(gateway.settle(), unknown(words));
    }
}

#[test]
fn they_doom_a_transaction() {
    for make in [Make::Redis, Make::Valkey] {
        let mut gateway = Gateway::logged_in(make);
        for words in REFUSED {
            gateway.send(&command(&["MULTI"]));
            gateway.send(&command(&["SET", "a", "b"]));
            gateway.send(&command(words));
            gateway.send(&command(&["EXEC"]));
            let abort = "-EXECABORT Transaction discarded because of previous errors.\r\n";
            assert_eq!(
                gateway.settle(),
                format!("+OK\r\n+QUEUED\r\n{}{abort}", unknown(words))
            );
        }
        assert!(gateway.data.borrow().writes.is_empty());
    }
}

#[test]
fn they_are_unknown_to_subscribers_too() {
    let mut gateway = Gateway::logged_in(Make::Valkey);
    gateway.say(&["SUBSCRIBE", "a"]);
    for words in REFUSED {
        assert_eq!(gateway.say(words), unknown(words));
    }
}

#[test]
fn none_of_their_bytes_reach_the_engine() {
    for words in REFUSED {
        let mut gateway = Gateway::logged_in(Make::Valkey);
        let bytes = command(words);
        let mut framer = RequestFramer::new(RequestLimits::AFTER_LOGIN);
        let Ok(Framed::Request(request)) = framer.next(&bytes) else {
            panic!("{words:?}");
        };
        let verdict = gateway.session.request(&request);
        assert_eq!(
            verdict,
            Verdict::Forward(command(&["GODWIT-REFUSED"])),
            "{words:?}"
        );
    }
}

#[test]
fn what_only_asks_passes() {
    let mut gateway = Gateway::logged_in(Make::Valkey);
    for words in [
        &["CLUSTER", "SLOTS"][..],
        &["cluster", "nodes"],
        &["CLUSTER"],
        &["SCRIPT", "LOAD", "x"],
        &["COMMAND", "DOCS"],
        &["CLIENT", "PAUSE", "1000"],
        &["CLIENT", "UNPAUSE"],
        &["CLIENT", "KILL", "ID", "1"],
        &["FLUSHALL"],
        &["SUBSTR", "config", "0", "1"],
        &["EVAL", "return redis.call('config', 'get', 'x')", "0"],
    ] {
        let bytes = command(words);
        let verdict = gateway
            .session
            .request(&resp::Request::parse(&bytes).unwrap());
        assert_eq!(verdict, Verdict::Pass, "{words:?}");
    }
}

#[test]
fn long_names_and_arguments_are_cut_as_engines_cut_them() {
    let mut gateway = Gateway::logged_in(Make::Redis);
    let table = [
        (
            vec!["ACL".to_owned(), "x".repeat(200), "y".to_owned()],
            format!("'{}' ", "x".repeat(128)),
        ),
        (
            vec!["ACL".to_owned(), "x".repeat(120), "y".repeat(8)],
            format!("'{}' 'yyyyy' ", "x".repeat(120)),
        ),
        (
            vec!["ACL".to_owned(), "a\r\nb".to_owned()],
            "'a  b' ".to_owned(),
        ),
        (vec!["ACL".to_owned()], String::new()),
    ];
    for (words, arguments) in table {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let answer =
            format!("-ERR unknown command 'ACL', with args beginning with: {arguments}\r\n");
        assert_eq!(gateway.say(&words), answer);
    }
}

/// What would send a client to an address that is not for it is not asked of the engine.
#[test]
fn capabilities_are_not_passed_on() {
    let mut gateway = Gateway::logged_in(Make::Valkey);
    gateway.send(&command(&["CLIENT", "CAPA", "redirect"]));
    gateway.read_request();
    assert_eq!(gateway.upstream, command(&["CLIENT", "CAPA", "none"]));
    assert_eq!(gateway.settle(), "+OK\r\n");
}
