//! An engine for one connection, as far as a session can tell it from a real one: Redis 7.0 and
//! Valkey 8.0 where they differ.

use std::{cell::RefCell, collections::BTreeMap, collections::BTreeSet, rc::Rc};

/// What all connections of a data set share.
#[derive(Default)]
pub(crate) struct Data {
    pub(crate) keys: BTreeMap<(u32, Vec<u8>), Vec<u8>>,
    /// Commands that changed something, as they ran.
    pub(crate) writes: Vec<Vec<Vec<u8>>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Make {
    Redis,
    Valkey,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    On,
    Off,
    SkipNext,
    Skip,
}

pub(crate) struct Engine {
    make: Make,
    data: Rc<RefCell<Data>>,
    /// Users with their passwords.
    users: Vec<(&'static str, &'static str)>,
    pub(crate) out: Vec<u8>,
    pub(crate) closed: bool,
    user: Option<&'static str>,
    resp3: bool,
    database: u32,
    pub(crate) name: Vec<u8>,
    multi: Option<Vec<Vec<Vec<u8>>>>,
    doomed: bool,
    watched: BTreeMap<(u32, Vec<u8>), Option<Vec<u8>>>,
    touched: bool,
    channels: [BTreeSet<Vec<u8>>; 3],
    mode: Mode,
    tracking: bool,
    monitor: bool,
    /// Said in the place of the next `EXEC`'s abort.
    failover: bool,
    /// Pushes that wait for the end of the command.
    deferred: Vec<u8>,
}

const VERBS: [(&str, &str); 3] = [
    ("subscribe", "unsubscribe"),
    ("psubscribe", "punsubscribe"),
    ("ssubscribe", "sunsubscribe"),
];

const KNOWN: [&str; 27] = [
    "auth",
    "hello",
    "reset",
    "quit",
    "multi",
    "exec",
    "discard",
    "watch",
    "unwatch",
    "subscribe",
    "unsubscribe",
    "psubscribe",
    "punsubscribe",
    "ssubscribe",
    "sunsubscribe",
    "ping",
    "echo",
    "get",
    "set",
    "select",
    "client",
    "publish",
    "shape",
    "monitor",
    "blpop",
    "config",
    "cluster",
];

impl Engine {
    pub(crate) fn new(
        make: Make,
        data: &Rc<RefCell<Data>>,
        users: &[(&'static str, &'static str)],
    ) -> Self {
        Self {
            make,
            data: Rc::clone(data),
            users: users.to_vec(),
            out: Vec::new(),
            closed: false,
            user: None,
            resp3: false,
            database: 0,
            name: Vec::new(),
            multi: None,
            doomed: false,
            watched: BTreeMap::new(),
            touched: false,
            channels: Default::default(),
            mode: Mode::On,
            tracking: false,
            monitor: false,
            failover: false,
            deferred: Vec::new(),
        }
    }

    /// What a carried connection finds at its new engine.
    pub(crate) fn fail_over(&mut self) {
        if self.multi.is_some() {
            self.doomed = true;
            self.failover = true;
        }
        self.touched |= !self.watched.is_empty();
        if self.resp3 && self.tracking {
            self.out
                .extend_from_slice(b">2\r\n$10\r\ninvalidate\r\n_\r\n");
        } else if !self.resp3 && self.channels[0].contains(&b"__redis__:invalidate"[..]) {
            self.out.extend_from_slice(
                b"*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*-1\r\n",
            );
        }
    }

    pub(crate) fn session(&self) -> String {
        format!(
            "{:?} db{} {:?} {:?} tracking {}",
            self.resp3, self.database, self.name, self.channels, self.tracking
        )
    }

    fn subscribed(&self) -> usize {
        self.channels.iter().map(BTreeSet::len).sum()
    }

    /// A message of somebody else.
    pub(crate) fn publish(&mut self, channel: &[u8], text: &[u8]) {
        let mut out = std::mem::take(&mut self.out);
        self.deliver(channel, text, &mut out);
        self.out = out;
    }

    fn deliver(&self, channel: &[u8], text: &[u8], out: &mut Vec<u8>) {
        if self.channels[0].contains(channel) {
            out.push(if self.resp3 { b'>' } else { b'*' });
            out.extend_from_slice(b"3\r\n");
            for word in [b"message", channel, text] {
                resp::write_bulk(out, word);
            }
        }
    }

    /// Somebody else's command, for a monitor.
    pub(crate) fn show(&mut self) {
        if self.monitor && self.mode == Mode::On {
            self.out
                .extend_from_slice(b"+1796126788.090993 [0 127.0.0.1:1] \"PING\"\r\n");
        }
    }

    fn say(&mut self, text: &[u8]) {
        if matches!(self.mode, Mode::On | Mode::SkipNext) {
            self.out.extend_from_slice(text);
        }
    }

    fn error(&mut self, text: &str) {
        self.say(format!("-{text}\r\n").as_bytes());
    }

    fn reject(&mut self, text: &str) {
        self.doomed |= self.multi.is_some();
        self.error(text);
    }

    pub(crate) fn run(&mut self, words: &[Vec<u8>]) {
        let lower: Vec<u8> = words[0].to_ascii_lowercase();
        let name = String::from_utf8_lossy(&lower).into_owned();
        self.command(&name, words);
        self.mode = match self.mode {
            Mode::SkipNext => Mode::Skip,
            Mode::Skip => Mode::On,
            Mode::On => Mode::On,
            Mode::Off => Mode::Off,
        };
        let deferred = std::mem::take(&mut self.deferred);
        self.out.extend_from_slice(&deferred);
    }

    fn command(&mut self, name: &str, words: &[Vec<u8>]) {
        match self.rejection(name, words) {
            None => self.control(name, words),
            // What is wrong with an `EXEC` ends the transaction.
            Some(why) if name == "exec" => {
                self.multi = None;
                self.unwatch();
                let why = why.strip_prefix("ERR ").unwrap_or(&why);
                self.error(&format!(
                    "EXECABORT Transaction discarded because of: {why}"
                ));
            }
            Some(why) => self.reject(&why),
        }
    }

    /// Why a command does not even reach a transaction.
    fn rejection(&self, name: &str, words: &[Vec<u8>]) -> Option<String> {
        // One that clients reach without a gateway knows nothing that is refused.
        let walled = self.users.iter().any(|(user, _)| *user == "default");
        let refused = walled && matches!(name, "config" | "cluster");
        // A session does not know what an engine does not know, and asks for the login first.
        if refused || (!KNOWN.contains(&name) && self.user.is_some()) {
            let mut line = b"ERR unknown command '".to_vec();
            line.extend_from_slice(&words[0]);
            line.extend_from_slice(b"', with args beginning with: ");
            for word in &words[1..] {
                line.extend_from_slice(&[b"'", &word[..], b"' "].concat());
            }
            return Some(String::from_utf8_lossy(&line).into_owned());
        }
        if self.user.is_none() && !matches!(name, "auth" | "hello" | "reset" | "quit") {
            return Some("NOAUTH Authentication required.".to_owned());
        }
        if name == "auth" && words.len() == 1 {
            return Some("ERR wrong number of arguments for 'auth' command".to_owned());
        }
        let verb = VERBS.iter().any(|(on, off)| [on, off].contains(&&name));
        let free = verb || matches!(name, "ping" | "quit" | "reset");
        if !self.resp3 && self.subscribed() > 0 && !free {
            let shown = if name == "client" {
                "client|reply"
            } else {
                name
            };
            return Some(format!(
                "ERR Can't execute '{shown}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
            ));
        }
        let valkey = self.make == Make::Valkey;
        if valkey && self.subscribed() == 0 && name.ends_with("unsubscribe") {
            return Some(format!(
                "NOSUB '{name}' command executed not in subscribed mode"
            ));
        }
        (valkey && self.multi.is_some() && matches!(name, "multi" | "watch"))
            .then(|| "ERR Command not allowed inside a transaction".to_owned())
    }

    /// What is not queued, and the queue.
    fn control(&mut self, name: &str, words: &[Vec<u8>]) {
        match name {
            "multi" if self.multi.is_some() => self.error("ERR MULTI calls can not be nested"),
            "watch" if self.multi.is_some() => self.error("ERR WATCH inside MULTI is not allowed"),
            "multi" => {
                self.multi = Some(Vec::new());
                self.doomed = false;
                self.failover = false;
                self.say(b"+OK\r\n");
            }
            "exec" => self.exec(),
            "discard" => match self.multi.take() {
                Some(_) => {
                    self.unwatch();
                    self.say(b"+OK\r\n");
                }
                None => self.error("ERR DISCARD without MULTI"),
            },
            "quit" => {
                self.say(b"+OK\r\n");
                self.closed = true;
            }
            "reset" => {
                let fresh = Self::new(self.make, &self.data, &self.users);
                let out = std::mem::take(&mut self.out);
                *self = Self { out, ..fresh };
                self.say(b"+RESET\r\n");
            }
            _ => match &mut self.multi {
                Some(queue) => {
                    queue.push(words.to_vec());
                    self.say(b"+QUEUED\r\n");
                }
                None => self.execute(name, words),
            },
        }
    }

    fn unwatch(&mut self) {
        self.watched.clear();
        self.touched = false;
    }

    fn exec(&mut self) {
        let Some(queue) = self.multi.take() else {
            return self.error("ERR EXEC without MULTI");
        };
        let changed = self
            .watched
            .iter()
            .any(|(key, was)| self.data.borrow().keys.get(key) != was.as_ref());
        let touched = std::mem::take(&mut self.touched) || changed;
        self.unwatch();
        if std::mem::take(&mut self.doomed) {
            if std::mem::take(&mut self.failover) {
                return self.error("EXECABORT Transaction discarded because of a failover");
            }
            return self.error("EXECABORT Transaction discarded because of previous errors.");
        }
        if touched {
            return self.say(if self.resp3 { b"_\r\n" } else { b"*-1\r\n" });
        }
        self.say(format!("*{}\r\n", queue.len()).as_bytes());
        for words in queue {
            let name = String::from_utf8_lossy(&words[0]).to_ascii_lowercase();
            self.execute(&name, &words);
        }
    }

    fn execute(&mut self, name: &str, words: &[Vec<u8>]) {
        let arguments: Vec<&[u8]> = words[1..].iter().map(Vec::as_slice).collect();
        match (name, &arguments[..]) {
            ("auth", [password]) => self.auth(b"default", password),
            ("auth", [user, password]) => self.auth(user, password),
            ("auth", _) => self.error("ERR syntax error"),
            ("hello", _) => self.hello(&arguments),
            ("ping", []) if !self.resp3 && self.subscribed() > 0 => {
                self.say(b"*2\r\n$4\r\npong\r\n$0\r\n\r\n")
            }
            ("ping", _) => self.say(b"+PONG\r\n"),
            ("echo", [text]) => self.bulk(text),
            ("config" | "cluster", _) => self.say(b"+THE WALL IS BROKEN\r\n"),
            ("shape", [token, shape]) => {
                let text = shaped(token, shape, self.resp3);
                self.say(&text);
            }
            ("get", [key]) => {
                let value = self
                    .data
                    .borrow()
                    .keys
                    .get(&(self.database, key.to_vec()))
                    .cloned();
                match value {
                    Some(value) => self.bulk(&value),
                    None => self.say(if self.resp3 { b"_\r\n" } else { b"$-1\r\n" }),
                }
            }
            ("set", [key, value]) => {
                let mut data = self.data.borrow_mut();
                data.keys
                    .insert((self.database, key.to_vec()), value.to_vec());
                data.writes.push(words.to_vec());
                drop(data);
                self.say(b"+OK\r\n");
            }
            ("watch", keys) => {
                for key in keys {
                    let key = (self.database, key.to_vec());
                    let now = self.data.borrow().keys.get(&key).cloned();
                    self.watched.entry(key).or_insert(now);
                }
                self.say(b"+OK\r\n");
            }
            ("unwatch", _) => {
                self.unwatch();
                self.say(b"+OK\r\n");
            }
            ("select", [index]) => match str::from_utf8(index)
                .ok()
                .and_then(|text| text.parse().ok())
            {
                Some(index) if index < 16 => {
                    self.database = index;
                    self.say(b"+OK\r\n");
                }
                _ => self.error("ERR DB index is out of range"),
            },
            ("publish", [channel, text]) => {
                let mut push = Vec::new();
                self.deliver(channel, text, &mut push);
                let count = u8::from(!push.is_empty());
                if self.make == Make::Redis {
                    self.out.extend_from_slice(&push);
                } else {
                    self.deferred.extend_from_slice(&push);
                }
                self.say(format!(":{count}\r\n").as_bytes());
            }
            ("monitor", _) => {
                self.monitor = true;
                self.say(b"+OK\r\n");
            }
            ("blpop", _) => self.say(if self.resp3 { b"_\r\n" } else { b"*-1\r\n" }),
            ("client", _) => self.client(&arguments),
            (name, names) if name.ends_with("subscribe") => self.subscription(name, names),
            _ => self.reject(&format!(
                "ERR wrong number of arguments for '{name}' command"
            )),
        }
    }

    fn subscription(&mut self, name: &str, names: &[&[u8]]) {
        let kind = VERBS
            .iter()
            .position(|(on, off)| [on, off].contains(&&name))
            .unwrap();
        let begins = VERBS[kind].0 == name;
        if names.is_empty() && begins {
            return self.reject(&format!(
                "ERR wrong number of arguments for '{name}' command"
            ));
        }
        let all: Vec<Vec<u8>> = self.channels[kind].iter().cloned().collect();
        let mut names: Vec<Option<&[u8]>> = names.iter().map(|name| Some(*name)).collect();
        if names.is_empty() {
            names = all.iter().map(|name| Some(&name[..])).collect();
            if names.is_empty() {
                names.push(None);
            }
        }
        for channel in names {
            match channel {
                Some(channel) if begins => drop(self.channels[kind].insert(channel.to_vec())),
                Some(channel) => drop(self.channels[kind].remove(channel)),
                None => {}
            }
            let total = match kind {
                2 => self.channels[2].len(),
                _ => self.channels[0].len() + self.channels[1].len(),
            };
            self.out.push(if self.resp3 { b'>' } else { b'*' });
            self.out.extend_from_slice(b"3\r\n");
            resp::write_bulk(&mut self.out, name.as_bytes());
            match channel {
                Some(channel) => resp::write_bulk(&mut self.out, channel),
                None if self.resp3 => resp::write_null(&mut self.out),
                None => resp::write_null_bulk(&mut self.out),
            }
            self.out
                .extend_from_slice(format!(":{total}\r\n").as_bytes());
        }
    }

    fn bulk(&mut self, text: &[u8]) {
        let mut out = Vec::new();
        resp::write_bulk(&mut out, text);
        self.say(&out);
    }

    fn find(&self, user: &[u8], password: &[u8]) -> Option<&'static str> {
        let found = self
            .users
            .iter()
            .find(|(name, _)| name.as_bytes() == user)?;
        (found.1.as_bytes() == password).then_some(found.0)
    }

    fn auth(&mut self, user: &[u8], password: &[u8]) {
        match self.find(user, password) {
            Some(user) => {
                self.user = Some(user);
                self.say(b"+OK\r\n");
            }
            None => self.error("WRONGPASS invalid username-password pair or user is disabled."),
        }
    }

    fn hello(&mut self, arguments: &[&[u8]]) {
        let mut resp3 = self.resp3;
        let (mut user, mut name) = (None, None);
        match arguments.first().copied() {
            None => {}
            Some(b"2") => resp3 = false,
            Some(b"3") => resp3 = true,
            Some(b"0" | b"4" | b"9") => return self.error("NOPROTO unsupported protocol version"),
            Some(_) => return self.error("ERR Protocol version is not an integer or out of range"),
        }
        let mut at = 1;
        while at < arguments.len() {
            match (
                arguments[at].to_ascii_uppercase().as_slice(),
                &arguments[at + 1..],
            ) {
                (b"AUTH", [who, password, ..]) => {
                    user = Some((who.to_vec(), password.to_vec()));
                    at += 3;
                }
                (b"SETNAME", [b" ", ..]) => {
                    return self.error(
                        "ERR Client names cannot contain spaces, newlines or special characters.",
                    );
                }
                (b"SETNAME", [text, ..]) => {
                    name = Some(text.to_vec());
                    at += 2;
                }
                _ => {
                    let option = String::from_utf8_lossy(arguments[at]);
                    return self.error(&format!("ERR Syntax error in HELLO option '{option}'"));
                }
            }
        }
        if let Some((who, password)) = user {
            match self.find(&who, &password) {
                Some(user) => self.user = Some(user),
                None => {
                    return self
                        .error("WRONGPASS invalid username-password pair or user is disabled.");
                }
            }
        }
        if self.user.is_none() {
            return self.error("NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time");
        }
        self.name = name.unwrap_or_else(|| self.name.clone());
        self.resp3 = resp3;
        self.say(if resp3 {
            b"%1\r\n$5\r\nproto\r\n:3\r\n"
        } else {
            b"*2\r\n$5\r\nproto\r\n:2\r\n"
        });
    }

    fn client(&mut self, arguments: &[&[u8]]) {
        let upper: Vec<Vec<u8>> = arguments
            .iter()
            .map(|word| word.to_ascii_uppercase())
            .collect();
        let upper: Vec<&[u8]> = upper.iter().map(Vec::as_slice).collect();
        match &upper[..] {
            [b"REPLY", b"ON"] => {
                self.mode = Mode::On;
                self.say(b"+OK\r\n");
            }
            [b"REPLY", b"OFF"] => self.mode = Mode::Off,
            [b"REPLY", b"SKIP"] if self.mode != Mode::Off => self.mode = Mode::SkipNext,
            [b"REPLY", b"SKIP"] => {}
            [b"SETNAME", _] => {
                self.name = arguments[1].to_vec();
                self.say(b"+OK\r\n");
            }
            [b"TRACKING", on, ..] => {
                self.tracking = *on == b"ON";
                self.say(b"+OK\r\n");
            }
            [b"NO-EVICT" | b"CAPA" | b"SETINFO" | b"CACHING", ..] => self.say(b"+OK\r\n"),
            [b"GETNAME"] => {
                let name = self.name.clone();
                self.bulk(&name);
            }
            _ => self.error("ERR syntax error"),
        }
    }
}

/// A reply of some shape that holds a token.
fn shaped(token: &[u8], shape: &[u8], resp3: bool) -> Vec<u8> {
    let token = String::from_utf8_lossy(token);
    let bulk = format!("${}\r\n{token}\r\n", token.len());
    let text = match shape {
        b"0" => format!("+{token}\r\n"),
        b"1" => format!("-ERR {token}\r\n"),
        b"2" => format!("*3\r\n$7\r\nmessage\r\n{bulk}:1\r\n"),
        b"3" => format!("*2\r\n*2\r\n{bulk}$-1\r\n*-1\r\n"),
        b"4" => format!("${}\r\n{}{token}\r\n", 2000 + token.len(), "x".repeat(2000)),
        b"5" => format!("*300\r\n{}", bulk.repeat(300)),
        b"6" if resp3 => format!("%2\r\n{bulk}#t\r\n{bulk}~1\r\n{bulk}"),
        b"7" if resp3 => format!("|1\r\n{bulk}:1\r\n*1\r\n,1.5\r\n"),
        b"8" => "*0\r\n".to_owned(),
        b"9" => format!("*3\r\n$9\r\nsubscribe\r\n{bulk}:1\r\n"),
        _ => bulk,
    };
    text.into_bytes()
}
