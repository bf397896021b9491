//! A gateway in memory: one client, one session, one engine.

use std::{cell::RefCell, rc::Rc};

use model::Secret;
use resp::{Framed, Replied, ReplyFramer, Request, RequestFramer, RequestLimits};
use session::{
    Carried, Login, Passing, Policy, Refusal, Session, Spoken, Standing, Uncarriable, Verdict,
};

use crate::engine::{Data, Engine, Make};

pub(crate) const KEY: &str = "access-key";
pub(crate) const USERS: [(&str, &str); 2] =
    [("godwit-client", "generated"), ("1234-object", "generated")];

pub(crate) struct Gateway {
    pub(crate) session: Session,
    pub(crate) data: Rc<RefCell<Data>>,
    make: Make,
    requests: RequestFramer,
    replies: ReplyFramer,
    pub(crate) engine: Engine,
    engine_requests: RequestFramer,
    /// Bytes of the client that were not read.
    input: Vec<u8>,
    /// Bytes on their way to the engine.
    pub(crate) upstream: Vec<u8>,
    /// What the client got.
    pub(crate) output: Vec<u8>,
    pub(crate) closed: bool,
    pub(crate) broken: bool,
    /// Credentials that are being checked: whether they are right.
    checking: Option<Option<&'static str>>,
}

pub(crate) fn policy() -> Policy {
    Policy {
        login_required: true,
        standing: Standing::Serving,
    }
}

pub(crate) fn secret() -> Secret {
    Secret::new("generated")
}

impl Gateway {
    pub(crate) fn new(make: Make) -> Self {
        let data = Rc::new(RefCell::new(Data::default()));
        Self {
            session: Session::new(&policy()),
            engine: Engine::new(make, &data, &USERS),
            data,
            make,
            requests: RequestFramer::new(RequestLimits::AFTER_LOGIN),
            replies: ReplyFramer::new(),
            engine_requests: RequestFramer::new(RequestLimits::AFTER_LOGIN),
            input: Vec::new(),
            upstream: Vec::new(),
            output: Vec::new(),
            closed: false,
            broken: false,
            checking: None,
        }
    }

    /// A gateway whose client is in.
    pub(crate) fn logged_in(make: Make) -> Self {
        let mut gateway = Self::new(make);
        assert_eq!(gateway.say(&["AUTH", KEY]), "+OK\r\n");
        gateway
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// Sends a command and gives what came back once all was done.
    pub(crate) fn say(&mut self, words: &[&str]) -> String {
        self.send(&command(words));
        self.settle()
    }

    /// Does everything there is to do, and takes what the client got.
    pub(crate) fn settle(&mut self) -> String {
        while self.read_request()
            || self.run_engine()
            || self.take_replies(usize::MAX)
            || self.decide()
        {}
        self.taken()
    }

    pub(crate) fn taken(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.output)).into_owned()
    }

    /// Reads one request of the client.
    pub(crate) fn read_request(&mut self) -> bool {
        if !self.session.accepts() || self.closed {
            return false;
        }
        let (bytes, words) = match self.requests.next(&self.input).unwrap() {
            Framed::More => return false,
            Framed::Nothing { bytes } => (bytes, None),
            Framed::Request(request) => (request.bytes().len(), Some(request.bytes().to_vec())),
            Framed::Inline { bytes, words } => {
                let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
                let mut request = Vec::new();
                resp::write_command(&mut request, &words);
                (bytes, Some(request))
            }
            Framed::Head(_) | Framed::Rest { .. } => panic!("a large request"),
        };
        self.input.drain(..bytes);
        let Some(bytes) = words else { return true };
        match self.session.request(&Request::parse(&bytes).unwrap()) {
            Verdict::Pass => self.upstream.extend_from_slice(&bytes),
            Verdict::Forward(instead) => self.upstream.extend_from_slice(&instead),
            Verdict::Answer(text) => {
                assert!(self.session.is_idle());
                self.output.extend_from_slice(&text);
            }
            Verdict::Authenticate(who) => {
                let right = match who.user.as_deref() {
                    None | Some("default") if who.secret.matches(KEY) => Some("godwit-client"),
                    Some("1234-object") if who.secret.matches("token") => Some("1234-object"),
                    _ => None,
                };
                self.checking = Some(right);
            }
            Verdict::Close(text) => {
                self.output.extend_from_slice(&text);
                self.closed = true;
            }
        }
        true
    }

    /// Ends the check of a login, if there is one and its time has come.
    pub(crate) fn decide(&mut self) -> bool {
        if !self.session.is_idle() {
            return false;
        }
        let Some(right) = self.checking.take() else {
            return false;
        };
        let spoken = match right {
            Some(user) => self.session.admitted(Login {
                user,
                password: Some(&secret()),
            }),
            None => self.session.refused(Refusal::WrongPassword),
        };
        match spoken {
            Spoken::ToEngine(bytes) => self.upstream.extend_from_slice(&bytes),
            Spoken::ToClient(bytes) => self.output.extend_from_slice(&bytes),
        }
        true
    }

    /// Lets the engine run one command.
    pub(crate) fn run_engine(&mut self) -> bool {
        let words: Vec<Vec<u8>> = match self.engine_requests.next(&self.upstream).unwrap() {
            Framed::Request(request) => {
                let words = request.arguments().map(<[u8]>::to_vec).collect();
                let bytes = request.bytes().len();
                self.upstream.drain(..bytes);
                words
            }
            Framed::More => return false,
            Framed::Nothing { .. }
            | Framed::Inline { .. }
            | Framed::Head(_)
            | Framed::Rest { .. } => panic!("not a command in its one spelling"),
        };
        assert!(!self.engine.closed, "{words:?} after QUIT");
        self.engine.run(&words);
        true
    }

    /// Takes replies out of so many bytes.
    pub(crate) fn take_replies(&mut self, most: usize) -> bool {
        let mut some = false;
        loop {
            let input = &self.engine.out[..most.min(self.engine.out.len())];
            let (bytes, passing) = match self.replies.next(input).unwrap() {
                Replied::More => return some,
                Replied::Part(part) => (part.bytes(), self.session.part(&part)),
                Replied::Whole(reply) => (reply.bytes(), self.session.reply(&reply)),
            };
            some = true;
            let bytes: Vec<u8> = self.engine.out.drain(..bytes).collect();
            match passing {
                Passing::Forward => self.output.extend_from_slice(&bytes),
                Passing::Swallow => {}
                Passing::Replace(text) => self.output.extend_from_slice(&text),
                Passing::Broken(_) => self.broken = true,
            }
            if most != usize::MAX {
                return some;
            }
        }
    }

    /// Goes on at a new engine of the same data set, through the wire.
    pub(crate) fn carry(&mut self) -> Result<(), Uncarriable> {
        let carried = self.session.carry()?;
        let received = through_the_wire(&carried);
        let user = self.session.user().map(str::to_owned);
        self.connect_again();
        if let Some(user) = user {
            let login = Login {
                user: &user,
                password: Some(&secret()),
            };
            let bytes = self.session.enter(login, &received);
            self.upstream.extend_from_slice(&bytes);
        }
        let notice = self.session.moved();
        self.output.extend_from_slice(&notice);
        Ok(())
    }

    /// Loses the engine with everything that is under way.
    pub(crate) fn connect_again(&mut self) {
        self.engine = Engine::new(self.make, &self.data, &USERS);
        self.engine_requests = RequestFramer::new(RequestLimits::AFTER_LOGIN);
        self.replies = ReplyFramer::new();
        self.upstream.clear();
    }

    /// Whether the connection may be moved right now.
    pub(crate) fn is_movable(&self) -> bool {
        self.session.is_idle() && self.checking.is_none() && !self.closed
    }

    /// Whether a part of a reply has been passed on.
    pub(crate) fn is_streaming(&self) -> bool {
        self.replies.is_streaming()
    }

    /// What a dead engine leaves to be said.
    pub(crate) fn lose(&mut self) -> String {
        self.connect_again();
        loop {
            let said = self.session.lost(100);
            if said.is_empty() && self.session.is_idle() {
                return self.taken();
            }
            self.output.extend_from_slice(&said);
        }
    }
}

pub(crate) fn command(words: &[&str]) -> Vec<u8> {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    let mut out = Vec::new();
    resp::write_command(&mut out, &words);
    out
}

fn through_the_wire(carried: &Carried) -> Carried {
    let sent = serde_json::to_string(carried).unwrap();
    let received: Carried = serde_json::from_str(&sent).unwrap();
    assert_eq!(received, *carried);
    received
}
