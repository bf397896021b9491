//! Requests: what is passed on, what is sent in its place, what is answered here.

use model::Secret;
use resp::Request;

use crate::{
    Credentials, Session, Verdict,
    change::{self, Change, Client},
    expect::{Abort, Expect, Silence},
    login::{self, Auth, Malformed},
    session::Checking,
    table::{self, Command, Verb},
    texts,
};

impl Session {
    /// Says what to do with a request, and expects its reply. To be called only while the session
    /// [`accepts`](Self::accepts) requests. Of a request that is larger than
    /// [`whole`](resp::RequestLimits::whole) its head is enough; unless the verdict is
    /// [`Verdict::Pass`], its rest is to be dropped.
    pub fn request(&mut self, request: &Request<'_>) -> Verdict {
        let Some(command) = table::command(request.name()) else {
            return self.refuse_unknown(request);
        };
        if command == Command::Plain
            && self.is_logged_in()
            && self.sentence.is_none()
            && self.state.unknown.is_none()
        {
            self.ahead.data = true;
            self.queue.push_plain();
            return Verdict::Pass;
        }
        if is_refused(command, request) && !self.spares(command, request) {
            return self.refuse_unknown(request);
        }
        if !self.is_logged_in() {
            return self.before_login(command, request);
        }
        if !command.is_free() {
            if self.sentence.is_some() {
                return self.instead(Expect::Sentence);
            }
            self.ahead.data = true;
        }
        match command {
            Command::Plain
            | Command::Free
            | Command::Refused
            | Command::Cluster
            | Command::Script => self.pass(Expect::Plain),
            Command::Blocking => self.pass_blocking(),
            Command::BlockingRead if change::may_wait(request) => self.pass_blocking(),
            Command::BlockingRead => self.pass(Expect::Plain),
            Command::Auth => self.auth(request),
            Command::Hello => self.hello(request),
            Command::Reset if self.state.replies_are_unknown() => self.close_unpaired(),
            Command::Reset => self.pass_alone(Expect::Reset),
            Command::Quit => {
                self.closing = true;
                self.pass_alone(Expect::Quit)
            }
            Command::Multi => self.multi(request),
            Command::Exec => self.exec(request),
            Command::Discard => self.discard(request),
            Command::Watch => self.pass(Expect::Watch),
            Command::Unwatch if self.watch_is_broken() => self.pass_alone(Expect::Unwatch),
            Command::Unwatch => self.pass(Expect::Unwatch),
            Command::Subscription(verb) => self.pass(confirmations(verb, request)),
            Command::Monitor => self.pass(Expect::Monitor),
            Command::Select => {
                let change = change::database(request);
                self.pass(change.map_or(Expect::Plain, |change| Expect::Change(Box::new(change))))
            }
            Command::ReadOnly => self.pass(Expect::Change(Box::new(Change::ReadOnly(true)))),
            Command::ReadWrite => self.pass(Expect::Change(Box::new(Change::ReadOnly(false)))),
            Command::Client => self.client(request),
        }
    }

    /// Expects a reply, as long as replies are told apart.
    fn expect(&mut self, expect: Expect) {
        if !self.state.replies_are_unknown() {
            self.queue.push(expect);
        }
    }

    fn pass(&mut self, expect: Expect) -> Verdict {
        self.expect(expect);
        Verdict::Pass
    }

    fn pass_alone(&mut self, expect: Expect) -> Verdict {
        self.alone = !self.state.replies_are_unknown();
        self.pass(expect)
    }

    /// Inside a transaction it only queues.
    fn pass_blocking(&mut self) -> Verdict {
        if self.ahead.transaction {
            self.pass(Expect::Blocking)
        } else {
            self.pass_alone(Expect::Blocking)
        }
    }

    /// Sends what no engine knows, so that the answer comes in its turn and a transaction fails.
    pub(crate) fn instead(&mut self, expect: Expect) -> Verdict {
        self.expect(expect);
        Verdict::Forward(texts::REFUSED.to_vec())
    }

    /// Whoever administers the engine through the gateway may do what clients may not.
    fn spares(&self, command: Command, request: &Request<'_>) -> bool {
        let may = command == Command::Cluster
            || command == Command::Refused && !table::makes_a_replica(request.name());
        self.administration && may
    }

    fn refuse_unknown(&mut self, request: &Request<'_>) -> Verdict {
        let text = texts::unknown_command(request);
        if self.is_logged_in() {
            self.instead(Expect::Say(text.into()))
        } else {
            Verdict::Answer(text)
        }
    }

    fn refuse(&mut self, malformed: Malformed) -> Verdict {
        if self.is_logged_in() {
            self.expect(Expect::Plain);
            Verdict::Forward(malformed.instead)
        } else {
            Verdict::Answer(malformed.answer)
        }
    }

    /// What the engines do for a client that has not logged in: nothing.
    fn before_login(&mut self, command: Command, request: &Request<'_>) -> Verdict {
        match command {
            Command::Auth => self.auth(request),
            Command::Hello => self.hello(request),
            Command::Quit => {
                self.closing = true;
                Verdict::Close(texts::OK.to_vec())
            }
            Command::Reset if request.count() > 1 => Verdict::Answer(texts::wrong_arity("reset")),
            Command::Reset => Verdict::Answer(texts::RESET.to_vec()),
            Command::Exec if request.count() == 1 => Verdict::Answer(texts::NOAUTH_EXEC.to_vec()),
            Command::Plain
            | Command::Free
            | Command::Refused
            | Command::Blocking
            | Command::BlockingRead
            | Command::Multi
            | Command::Exec
            | Command::Discard
            | Command::Watch
            | Command::Unwatch
            | Command::Subscription(_)
            | Command::Monitor
            | Command::Select
            | Command::ReadOnly
            | Command::ReadWrite
            | Command::Client
            | Command::Cluster
            | Command::Script => Verdict::Answer(texts::NOAUTH.to_vec()),
        }
    }

    fn auth(&mut self, request: &Request<'_>) -> Verdict {
        match login::auth(request) {
            Ok(Auth { user, password }) => {
                self.authenticate(Checking::Auth, user.map(login::text), login::text(password))
            }
            Err(malformed) => self.refuse(malformed),
        }
    }

    fn hello(&mut self, request: &Request<'_>) -> Verdict {
        match login::hello(request) {
            Ok(mut hello) => match hello.login.take() {
                Some((user, password)) => {
                    let (user, password) = (login::text(&user), login::text(&password));
                    self.authenticate(Checking::Hello(hello), Some(user), password)
                }
                None if self.is_logged_in() => self.pass(Expect::Hello(hello.named())),
                None => Verdict::Answer(texts::NOAUTH_HELLO.to_vec()),
            },
            Err(malformed) => self.refuse(malformed),
        }
    }

    fn authenticate(
        &mut self,
        checking: Checking,
        user: Option<String>,
        password: String,
    ) -> Verdict {
        if self.state.replies_are_unknown() {
            return self.close_unpaired();
        }
        self.checking = Some(checking);
        Verdict::Authenticate(Credentials {
            user,
            secret: Secret::new(password),
        })
    }

    /// What needs replies that are told apart is not done any more.
    fn close_unpaired(&mut self) -> Verdict {
        self.closing = true;
        Verdict::Close(texts::NOT_PAIRED.to_vec())
    }

    fn multi(&mut self, request: &Request<'_>) -> Verdict {
        if request.count() > 1 {
            return self.pass(Expect::Plain);
        }
        self.ahead.data &= self.ahead.transaction;
        self.ahead.transaction = true;
        self.pass(Expect::Multi)
    }

    /// Whatever is wrong with it, it ends the transaction.
    fn exec(&mut self, request: &Request<'_>) -> Verdict {
        let data = self.ahead.data && self.ahead.transaction;
        self.ahead.transaction = false;
        self.alone |= self.watch_is_broken();
        if request.count() > 1 {
            self.pass(Expect::Exec)
        } else if self.watch_is_broken() {
            self.abort(Abort::Watch)
        } else if data && self.sentence.is_some() {
            self.abort(Abort::Syncing)
        } else {
            self.pass(Expect::Exec)
        }
    }

    fn discard(&mut self, request: &Request<'_>) -> Verdict {
        if request.count() > 1 {
            return self.pass(Expect::Plain);
        }
        self.ahead.transaction = false;
        self.alone |= self.watch_is_broken();
        self.pass(Expect::Discard)
    }

    fn abort(&mut self, why: Abort) -> Verdict {
        self.expect(Expect::Abort(why));
        Verdict::Forward(texts::DISCARD.to_vec())
    }

    fn client(&mut self, request: &Request<'_>) -> Verdict {
        match change::client(request) {
            Client::Plain => self.pass(Expect::Aside),
            Client::Change(change) => self.pass(Expect::Change(Box::new(change))),
            Client::Silence(_) if self.state.replies_are_unknown() => self.close_unpaired(),
            Client::Silence(silence) => {
                self.expect(Expect::Silence(silence));
                match silence {
                    Silence::On => Verdict::Pass,
                    Silence::Off | Silence::Skip => Verdict::Forward(texts::REPLY_ON.to_vec()),
                }
            }
            Client::Capabilities => {
                self.expect(Expect::Aside);
                Verdict::Forward(texts::NO_CAPA.to_vec())
            }
        }
    }
}

/// Whether a command is refused with all or with these of its subcommands.
fn is_refused(command: Command, request: &Request<'_>) -> bool {
    let subcommand = |refused: fn(&[u8]) -> bool| request.argument(1).is_some_and(refused);
    match command {
        Command::Refused => true,
        Command::Cluster => subcommand(|word| !table::cluster_asks(word)),
        Command::Script => {
            subcommand(|word| word.contains(&0) || word.eq_ignore_ascii_case(b"DEBUG"))
        }
        Command::Client => subcommand(|word| word.contains(&0)),
        Command::Plain
        | Command::Free
        | Command::Blocking
        | Command::BlockingRead
        | Command::Auth
        | Command::Hello
        | Command::Reset
        | Command::Quit
        | Command::Multi
        | Command::Exec
        | Command::Discard
        | Command::Watch
        | Command::Unwatch
        | Command::Subscription(_)
        | Command::Monitor
        | Command::Select
        | Command::ReadOnly
        | Command::ReadWrite => false,
    }
}

/// One confirmation for each name; without names, one for each subscription, or one that there is
/// none.
fn confirmations(verb: Verb, request: &Request<'_>) -> Expect {
    let names = request.count() - 1;
    match u32::try_from(names) {
        Ok(0) if verb.begins => Expect::Plain,
        Ok(0) => Expect::Confirm(verb, None),
        Ok(names) => Expect::Confirm(verb, Some(names)),
        Err(_) => Expect::Plain,
    }
}
