//! What becomes of a login that was checked.

use resp::write_command;

use crate::{
    Login, Refusal, Session, Spoken, Verdict,
    expect::{self, Expect, Silence},
    session::Checking,
    texts,
};

impl Session {
    /// The client may come in as this user of the engine. To be called once everything is
    /// answered. The bytes open the engine: its reply is the client's, and the client is in when
    /// it is a good one. Where the engine's connection is open as this user already, a login
    /// without a password says so.
    pub fn admitted(&mut self, login: Login<'_>) -> Spoken {
        let Some(checking) = self.checking.take() else {
            return Spoken::ToClient(Vec::new());
        };
        if let Some(refused) = self.forbidden(&checking) {
            return refused;
        }
        let user = login.user.as_bytes();
        let password = login.password.map(|password| password.reveal().as_bytes());
        let mut out = Vec::new();
        let name = match (checking, password) {
            (Checking::Auth, Some(password)) => {
                write_command(&mut out, &[b"AUTH", user, password]);
                None
            }
            (Checking::Auth, None) => {
                self.user = Some(login.user.into());
                return Spoken::ToClient(self.answer(texts::OK));
            }
            (Checking::Hello(hello), password) => {
                hello.write(&mut out, password.map(|password| (user, password)));
                hello.named()
            }
        };
        self.alone = true;
        let user = login.user.into();
        self.queue
            .push(Expect::Login(Box::new(expect::Login { user, name })));
        Spoken::ToEngine(out)
    }

    /// The client may not come in. Who was in before stays in.
    pub fn refused(&mut self, refusal: Refusal) -> Spoken {
        let Some(checking) = self.checking.take() else {
            return Spoken::ToClient(Vec::new());
        };
        if let Some(refused) = self.forbidden(&checking) {
            return refused;
        }
        let text = match refusal {
            Refusal::WrongPassword => texts::WRONGPASS,
            Refusal::TryAgain => texts::TRY_AGAIN,
        };
        Spoken::ToClient(self.answer(text))
    }

    /// What the client hears of an answer that is given here.
    fn answer(&mut self, text: &[u8]) -> Vec<u8> {
        match self.silence {
            Silence::On => text.to_vec(),
            Silence::Off => Vec::new(),
            Silence::Skip => {
                self.silence = Silence::On;
                Vec::new()
            }
        }
    }

    /// Where the engines take no login, or, inside a transaction, would check it later.
    fn forbidden(&mut self, checking: &Checking) -> Option<Spoken> {
        let text = if self.state.transaction.open {
            texts::NOT_IN_MULTI.to_vec()
        } else if self.state.is_subscriber() {
            let why = texts::not_as_subscriber(match checking {
                Checking::Auth => "auth",
                Checking::Hello(_) => "hello",
            });
            format!("-ERR {why}\r\n").into_bytes()
        } else {
            return None;
        };
        match self.instead(Expect::Say(text.into())) {
            Verdict::Forward(bytes) => Some(Spoken::ToEngine(bytes)),
            Verdict::Pass | Verdict::Answer(_) | Verdict::Authenticate(_) | Verdict::Close(_) => {
                None
            }
        }
    }
}
