//! A client and an engine that say anything, at a gateway that may move the connection at any time.

use model::Secret;
use resp::{Framed, Replied, ReplyFramer, Request, RequestFramer, RequestLimits, write_command};
use session::{Carried, Login, Passing, Policy, Refusal, Session, Spoken, Standing, Verdict};

use crate::{take, take_byte};

/// What must never be sent to an engine, whatever a client says.
const REFUSED: [&str; 17] = [
    "ACL",
    "BGREWRITEAOF",
    "BGSAVE",
    "CONFIG",
    "DEBUG",
    "FAILOVER",
    "MIGRATE",
    "MODULE",
    "PSYNC",
    "REPLCONF",
    "REPLICAOF",
    "SAVE",
    "SHUTDOWN",
    "SLAVEOF",
    "SYNC",
    "CLUSTER MEET",
    "CLUSTER RESET",
];

struct Gateway {
    session: Session,
    policy: Policy,
    requests: RequestFramer,
    replies: ReplyFramer,
    from_client: Vec<u8>,
    from_engine: Vec<u8>,
    /// The user of a login that was passed on.
    let_in: bool,
    checking: bool,
}

/// Each step is a byte that says what happens, and the bytes that come. Whatever they are, what is
/// refused does not reach the engine, nothing does before a login, and what is carried over is the
/// same session again.
pub fn session_machine(mut data: &[u8]) {
    let mode = take_byte(&mut data);
    let policy = Policy {
        login_required: mode & 1 == 0,
        standing: Standing::Serving,
    };
    let mut gateway = Gateway {
        session: Session::new(&policy),
        let_in: !policy.login_required,
        policy,
        requests: RequestFramer::new(RequestLimits {
            whole: 256,
            ..RequestLimits::AFTER_LOGIN
        }),
        replies: ReplyFramer::new(),
        from_client: Vec::new(),
        from_engine: Vec::new(),
        checking: false,
    };
    while !data.is_empty() {
        let step = take_byte(&mut data);
        let goes_on = match step & 7 {
            0..=2 => {
                let bytes = take(&mut data, usize::from(step >> 3) * 4 + 1);
                gateway.from_client.extend_from_slice(bytes);
                gateway.hear_client()
            }
            3 | 4 => {
                let bytes = take(&mut data, usize::from(step >> 3) * 4 + 1);
                gateway.from_engine.extend_from_slice(bytes);
                gateway.hear_engine()
            }
            5 => gateway.decide(step & 8 == 0),
            6 => gateway.carry(),
            _ if step & 8 == 0 => gateway.lose(),
            _ => {
                let geo_primary = "name".to_owned();
                gateway.session.stand(&match step & 16 {
                    0 => Standing::Serving,
                    _ => Standing::Syncing { geo_primary },
                });
                true
            }
        };
        if !goes_on {
            return;
        }
    }
}

impl Gateway {
    fn hear_client(&mut self) -> bool {
        while self.session.accepts() {
            let input = std::mem::take(&mut self.from_client);
            let Ok(framed) = self.requests.next(&input) else {
                return false;
            };
            let bytes = match framed {
                Framed::More => 0,
                Framed::Nothing { bytes } | Framed::Rest { bytes, .. } => bytes,
                Framed::Request(request) | Framed::Head(request) => {
                    self.judge(&request);
                    request.bytes().len()
                }
                Framed::Inline { bytes, words } => {
                    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
                    let mut array = Vec::new();
                    write_command(&mut array, &words);
                    let request = Request::parse(&array).expect("an array of bulks");
                    self.judge(&request);
                    bytes
                }
            };
            self.from_client = input.get(bytes..).unwrap_or_default().to_vec();
            if bytes == 0 {
                break;
            }
        }
        true
    }

    fn judge(&mut self, request: &Request<'_>) {
        match self.session.request(request) {
            Verdict::Pass => self.sent(request),
            Verdict::Forward(instead) => {
                let instead = Request::parse(&instead).expect("a canonical request");
                self.sent(&instead);
            }
            Verdict::Answer(text) => {
                assert!(self.session.is_idle());
                one_line(&text);
            }
            Verdict::Authenticate(_) => self.checking = true,
            Verdict::Close(text) => {
                one_line(&text);
                assert!(self.session.is_closing());
            }
        }
    }

    fn sent(&self, request: &Request<'_>) {
        assert!(self.let_in, "before a login");
        let word = |index| {
            let word = request.argument(index).unwrap_or_default();
            let word = word.split(|byte| *byte == 0).next().unwrap_or_default();
            String::from_utf8_lossy(word).to_ascii_uppercase()
        };
        let (name, first) = (word(0), word(1));
        let both = format!("{name} {first}");
        assert!(
            !REFUSED.contains(&name.as_str()) && !REFUSED.contains(&both.as_str()),
            "{both}"
        );
        // A login is the gateway's to say, and `CLIENT REPLY` the session's to play.
        assert!(
            name != "AUTH" || request.count() == 1 || first.is_empty(),
            "{both}"
        );
        assert!(
            name != "HELLO"
                || (2..)
                    .map_while(|at| request.argument(at))
                    .all(|option| !option.eq_ignore_ascii_case(b"AUTH"))
                || request.count() == 3
        );
        assert!(both != "CLIENT REPLY" || word(2) != "OFF" || request.count() != 3);
    }

    fn hear_engine(&mut self) -> bool {
        loop {
            let Ok(replied) = self.replies.next(&self.from_engine) else {
                return false;
            };
            let (bytes, passing) = match replied {
                Replied::More => return true,
                Replied::Part(part) => (part.bytes(), self.session.part(&part)),
                Replied::Whole(reply) => {
                    let before = self.session.outstanding();
                    let passing = self.session.reply(&reply);
                    assert!(self.session.outstanding() <= before);
                    (reply.bytes(), passing)
                }
            };
            self.from_engine.drain(..bytes);
            match passing {
                Passing::Forward | Passing::Swallow => {}
                Passing::Replace(text) => one_line(&text),
                Passing::Broken(_) => return false,
            }
            self.let_in = self.session.is_logged_in();
        }
    }

    fn decide(&mut self, right: bool) -> bool {
        if !self.session.is_idle() || !std::mem::take(&mut self.checking) {
            return true;
        }
        let password = Secret::new("generated");
        let spoken = if right {
            self.session.admitted(Login {
                user: "user",
                password: Some(&password),
            })
        } else {
            self.session.refused(Refusal::WrongPassword)
        };
        match spoken {
            Spoken::ToEngine(bytes) => assert!(Request::parse(&bytes).is_some()),
            Spoken::ToClient(bytes) => assert!(bytes.is_empty() || bytes.ends_with(b"\r\n")),
        }
        true
    }

    fn carry(&mut self) -> bool {
        let Ok(carried) = self.session.carry() else {
            return true;
        };
        let sent = serde_json::to_string(&carried).expect("it can be written");
        let received: Carried = serde_json::from_str(&sent).expect("it can be read");
        assert_eq!(received, carried);
        let far = Session::resume(&self.policy, &received);
        assert_eq!(far.carry().as_ref(), Ok(&carried));
        if self.session.user().is_some() {
            self.replies = ReplyFramer::new();
            self.from_engine.clear();
            let login = Login {
                user: "user",
                password: None,
            };
            self.session.enter(login, &carried);
            self.session.moved();
        }
        true
    }

    fn lose(&mut self) -> bool {
        if self.replies.is_streaming() {
            return false;
        }
        self.replies = ReplyFramer::new();
        self.from_engine.clear();
        while !self.session.lost(1000).is_empty() {}
        assert!(self.session.is_idle() && self.session.outstanding() == 0);
        true
    }
}

/// What is said in the engine's place is one line, or a null.
fn one_line(text: &[u8]) {
    assert!(text.ends_with(b"\r\n") && text.iter().filter(|byte| **byte == b'\n').count() == 1);
}

/// Beginnings: what a client says (`c:`) and an engine answers (`e:`), and what happens between.
/// `<n>` stands for so many letters.
const STORIES: [&str; 22] = [
    "c:GET a|c:CONFIG|c:AUTH k|refuse|c:QUIT",
    "login|c:GET a|e:$1\r\nx\r\n|carry|e:+OK\r\n",
    "login|c:HELLO 3 SETNAME n|e:%1\r\n+proto\r\n:3\r\n|carry",
    "c:HELLO 3 AUTH u p|admit|e:%1\r\n+proto\r\n:3\r\n",
    "login|c:MULTI|c:SET a 1|e:+OK\r\n+QUEUED\r\n|carry|e:+OK\r\n-ERR\r\n|c:EXEC|e:-EXECABORT\r\n",
    "login|c:WATCH a|e:+OK\r\n|carry|c:MULTI|c:EXEC|e:+OK\r\n+OK\r\n",
    "login|c:SUBSCRIBE a|e:*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n|e:*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nm\r\n|carry|e:*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n",
    "login|c:UNSUBSCRIBE|e:*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n",
    "login|c:CLIENT REPLY OFF|e:+OK\r\n|c:GET a|e:$-1\r\n|carry",
    "login|c:CLIENT REPLY SKIP|c:BGSAVE|e:+OK\r\n-ERR\r\n",
    "login|c:CLIENT TRACKING ON BCAST PREFIX a|e:+OK\r\n|carry",
    "login|c:MONITOR|e:+OK\r\n+1.1 [0 x] \"PING\"\r\n|carry|c:RESET|e:+RESET\r\n",
    "login|c:BLPOP a 0|c:GET b|lose|carry|e:+OK\r\n",
    "login|c:MULTI|c:SUBSCRIBE a b|c:EXEC|e:+OK\r\n+QUEUED\r\n*1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n|c:CLIENT REPLY OFF",
    "login|c:MULTI|c:SELECT 3|c:EXEC|e:+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n|carry",
    "login|sync|c:GET a|c:MULTI|c:GET a|c:EXEC|e:-ERR\r\n+OK\r\n-ERR\r\n-EXECABORT\r\n",
    "login|c:config\0 get x|c:CLUSTER MEET|c:SCRIPT DEBUG|i:  \"\\x63onfig\" get x\r\n",
    "login|c:SELECT 1|c:CLIENT SETNAME n|c:CLIENT SETINFO LIB-NAME l|lose|carry",
    "login|c:SET a <400>|e:+OK\r\n|c:CONFIG <400>|e:-ERR\r\n",
    "login|c:AUTH a b|refuse|c:AUTH|c:HELLO 9 AUTH a b|e:-ERR\r\n-ERR\r\n",
    "login|c:GET a|e:*2\r\n$600\r\n<600>\r\n:1\r\n",
    "login|e:+OK\r\n",
];

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let each = STORIES.iter().flat_map(|story| {
        [0, 1].map(|mode| {
            let mut out = vec![mode];
            for part in story.split('|') {
                tell(part, &mut out);
            }
            out
        })
    });
    each.collect()
}

fn tell(part: &str, out: &mut Vec<u8>) {
    match part {
        "login" => ["c:AUTH key", "admit", "e:+OK\r\n"]
            .iter()
            .for_each(|part| tell(part, out)),
        "admit" => out.push(5),
        "refuse" => out.push(5 | 8),
        "carry" => out.push(6),
        "lose" => out.push(7),
        "sync" => out.push(7 | 8 | 16),
        said => {
            let (from, text) = said.split_once(':').expect("a part of a story");
            let text = spelled_out(text);
            let bytes = match from {
                "c" => {
                    let words: Vec<&[u8]> = text.split(' ').map(str::as_bytes).collect();
                    let mut bytes = Vec::new();
                    write_command(&mut bytes, &words);
                    bytes
                }
                _ => text.into_bytes(),
            };
            let step = if from == "e" { 3 } else { 0 };
            say(step, &bytes, out);
        }
    }
}

/// Writes `x`s where `<n>` stands.
fn spelled_out(text: &str) -> String {
    let Some((before, (count, behind))) = text
        .split_once('<')
        .and_then(|(before, rest)| Some((before, rest.split_once('>')?)))
    else {
        return text.to_owned();
    };
    let count = count.parse().expect("a count");
    format!("{before}{}{behind}", "x".repeat(count))
}

/// Cuts what is said into steps, whose lengths are one more than a multiple of four.
fn say(step: u8, bytes: &[u8], out: &mut Vec<u8>) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let fours = ((rest.len() - 1) / 4).min(31);
        let (front, behind) = rest.split_at(fours * 4 + 1);
        out.push(step | (u8::try_from(fours).expect("at most 31") << 3));
        out.extend_from_slice(front);
        rest = behind;
    }
}
