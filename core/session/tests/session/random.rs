//! Random clients, random schedules: through a gateway a client hears what it hears from an engine.

use proptest::prelude::*;
use resp::{Replied, ReplyFramer};
use session::Uncarriable;

use crate::{
    engine::{Engine, Make},
    gateway::{Gateway, KEY, command},
};

/// What happens next.
#[derive(Debug, Clone)]
enum Event {
    /// The client sends one of [`COMMANDS`].
    Send(usize),
    Read,
    Run,
    /// So many bytes of replies arrive.
    Replies(usize),
    Decide,
    /// Somebody publishes, if nothing is outstanding.
    Publish,
    /// The connection is moved, if nothing is outstanding.
    Carry,
}

const COMMANDS: &[&[&str]] = &[
    &["PING"],
    &["ECHO", "token"],
    &["GET", "a"],
    &["SET", "a", "1"],
    &["SET", "a", "2"],
    &["SHAPE", "t", "0"],
    &["SHAPE", "t", "1"],
    &["SHAPE", "t", "2"],
    &["SHAPE", "t", "3"],
    &["SHAPE", "t", "4"],
    &["SHAPE", "t", "5"],
    &["SHAPE", "t", "6"],
    &["SHAPE", "t", "7"],
    &["SHAPE", "t", "8"],
    &["SHAPE", "t", "9"],
    &["SELECT", "0"],
    &["SELECT", "3"],
    &["SELECT", "99"],
    &["CLIENT", "SETNAME", "me"],
    &["CLIENT", "GETNAME"],
    &["CLIENT", "TRACKING", "ON"],
    &["MULTI"],
    &["MULTI"],
    &["EXEC"],
    &["EXEC"],
    &["DISCARD"],
    &["WATCH", "a"],
    &["WATCH", "a", "b"],
    &["UNWATCH"],
    &["BLPOP", "l", "0"],
    &["PUBLISH", "a", "m"],
    &["CONFIG", "GET", "x"],
    &["config"],
    &["CLUSTER", "RESET"],
    &["NOSUCH", "command"],
    // Not inside a transaction, where a session is stricter than an engine or stops to follow.
    &["SUBSCRIBE", "a"],
    &["SUBSCRIBE", "b", "a", "__redis__:invalidate"],
    &["PSUBSCRIBE", "p", "q"],
    &["SSUBSCRIBE", "s"],
    &["UNSUBSCRIBE"],
    &["UNSUBSCRIBE", "a", "x"],
    &["PUNSUBSCRIBE"],
    &["SUNSUBSCRIBE"],
    &["CLIENT", "REPLY", "ON"],
    &["CLIENT", "REPLY", "ON"],
    &["CLIENT", "REPLY", "OFF"],
    &["CLIENT", "REPLY", "SKIP"],
    &["AUTH", KEY],
    &["AUTH", "1234-object", "token"],
    &["AUTH", "wrong"],
    &["AUTH"],
    &["HELLO"],
    &["HELLO", "2"],
    &["HELLO", "3"],
    &["HELLO", "3", "AUTH", "default", KEY, "SETNAME", "him"],
    &["HELLO", "2", "AUTH", "default", "wrong"],
    &["HELLO", "9"],
    &["RESET"],
];
const ANYWHERE: usize = 35;

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..COMMANDS.len()).prop_map(Event::Send),
        3 => (0..ANYWHERE).prop_map(Event::Send),
        4 => Just(Event::Read),
        4 => Just(Event::Run),
        4 => prop_oneof![1..40usize, Just(5000)].prop_map(Event::Replies),
        2 => Just(Event::Decide),
        1 => Just(Event::Publish),
        1 => Just(Event::Carry),
    ]
}

fn make() -> impl Strategy<Value = Make> {
    prop_oneof![Just(Make::Redis), Just(Make::Valkey)]
}

/// A client of a gateway, and its twin at an engine that knows the keys.
struct Twins {
    gateway: Gateway,
    engine: Engine,
    /// What the client sent and the gateway has not read.
    sent: std::collections::VecDeque<Vec<Vec<u8>>>,
    transaction: bool,
}

impl Twins {
    fn new(make: Make) -> Self {
        let gateway = Gateway::new(make);
        let users = [("default", KEY), ("1234-object", "token")];
        // The same data, written by the gateway's engine alone: both run each command.
        let engine = Engine::new(make, &Default::default(), &users);
        let mut twins = Self {
            gateway,
            engine,
            sent: Default::default(),
            transaction: false,
        };
        twins.send(&["AUTH", KEY]);
        twins.finish();
        twins
    }

    fn send(&mut self, words: &[&str]) {
        match words[0] {
            "MULTI" => self.transaction = true,
            "EXEC" | "DISCARD" | "RESET" => self.transaction = false,
            _ => {}
        }
        self.gateway.send(&command(words));
        let words = words.iter().map(|word| word.as_bytes().to_vec());
        self.sent.push_back(words.collect());
    }

    /// The twin's engine runs what the gateway reads.
    fn read(&mut self) -> bool {
        let read = self.gateway.read_request();
        if read {
            let words = self.sent.pop_front().unwrap();
            self.engine.run(&words);
        }
        read
    }

    fn finish(&mut self) {
        while self.read()
            || self.gateway.run_engine()
            || self.gateway.take_replies(usize::MAX)
            || self.gateway.decide()
        {}
        assert!(self.sent.is_empty() && self.gateway.session.is_idle());
        assert!(!self.gateway.broken);
    }

    fn carry(&mut self) {
        match self.gateway.carry() {
            Ok(()) => self.engine.fail_over(),
            Err(Uncarriable::Monitor) => {}
            Err(error) => panic!("{error}"),
        }
    }

    fn step(&mut self, event: &Event) {
        match event {
            Event::Send(at) if self.transaction && *at >= ANYWHERE => {}
            Event::Send(at) => self.send(COMMANDS[*at]),
            Event::Read => drop(self.read()),
            Event::Run => drop(self.gateway.run_engine()),
            Event::Replies(most) => drop(self.gateway.take_replies(*most)),
            Event::Decide => drop(self.gateway.decide()),
            Event::Publish if self.gateway.is_movable() => {
                self.engine.publish(b"a", b"message");
                self.gateway.engine.publish(b"a", b"message");
            }
            Event::Carry if self.gateway.is_movable() && self.gateway.engine.out.is_empty() => {
                self.carry();
            }
            Event::Publish | Event::Carry => {}
        }
    }
}

/// A reply to each request, and nothing else: what the client hears, in order.
fn split(mut bytes: &[u8]) -> Vec<String> {
    let mut framer = ReplyFramer::new();
    let mut replies = Vec::new();
    let mut reply = Vec::new();
    loop {
        let (taken, whole) = match framer.next(bytes).unwrap() {
            Replied::More => break,
            Replied::Part(part) => (part.bytes(), false),
            Replied::Whole(whole) => (whole.bytes(), true),
        };
        let (front, rest) = bytes.split_at(taken);
        bytes = rest;
        reply.extend_from_slice(front);
        if whole {
            replies.push(String::from_utf8(std::mem::take(&mut reply)).unwrap());
        }
    }
    assert!(bytes.is_empty() && reply.is_empty());
    replies
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 1000,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_client_hears_what_it_hears_from_an_engine(
        make in make(),
        events in proptest::collection::vec(event(), 1..120),
    ) {
        let mut twins = Twins::new(make);
        for event in &events {
            twins.step(event);
        }
        twins.finish();
        let heard = String::from_utf8(std::mem::take(&mut twins.gateway.output)).unwrap();
        let direct = String::from_utf8(std::mem::take(&mut twins.engine.out)).unwrap();
        prop_assert_eq!(heard, direct);
        prop_assert_eq!(twins.engine.session(), twins.gateway.engine.session());
    }

    /// Every reply goes to the request that asked, and nothing runs twice, however often the
    /// engine dies.
    #[test]
    fn nothing_is_answered_wrongly_or_run_twice(
        make in make(),
        events in proptest::collection::vec((0..9u8, 0..10u8, 1..60usize), 1..150),
    ) {
        let mut gateway = Gateway::logged_in(make);
        let mut asked: Vec<(bool, String)> = Vec::new();
        for (event, shape, most) in events {
            match event {
                0 | 1 => {
                    let token = format!("token-{}", asked.len());
                    gateway.send(&command(&["SHAPE", &token, &shape.to_string()]));
                    asked.push((false, if shape == 8 { String::new() } else { token }));
                }
                2 => {
                    let token = format!("token-{}", asked.len());
                    gateway.send(&command(&["SET", "a", &token]));
                    asked.push((true, token));
                }
                3 | 4 => drop(gateway.read_request()),
                5 => drop(gateway.run_engine()),
                6 | 7 => drop(gateway.take_replies(most)),
                _ if shape == 0 && !gateway.is_streaming() => {
                    let heard = std::mem::take(&mut gateway.output);
                    let said = gateway.lose();
                    gateway.output = [heard, said.into_bytes()].concat();
                    gateway.carry().unwrap();
                }
                _ => drop(gateway.run_engine()),
            }
        }
        let heard = gateway.settle();
        let replies = split(heard.as_bytes());
        prop_assert_eq!(replies.len(), asked.len());
        let writes = gateway.data.borrow().writes.clone();
        for ((write, token), reply) in asked.iter().zip(&replies) {
            let unknown = reply.starts_with("-ERR the outcome of this command is unknown");
            let runs = writes.iter().filter(|words| words[2] == token.as_bytes()).count();
            if *write {
                prop_assert!(runs <= 1 && (unknown || (reply == "+OK\r\n" && runs == 1)), "{reply}");
            } else {
                prop_assert!(unknown || reply.contains(token.as_str()), "{token}: {reply}");
            }
        }
    }
}
