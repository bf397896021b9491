//! `AUTH` and `HELLO`: read here, never passed on as they came.

use resp::{Request, write_command};

use crate::{
    change::Kept,
    texts::{self, is_word},
};

/// What `HELLO` asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) version: Option<u8>,
    pub(crate) login: Option<(Vec<u8>, Vec<u8>)>,
    pub(crate) name: Option<Vec<u8>>,
}

/// A login that is none.
pub(crate) struct Malformed {
    /// What the engines answer.
    pub(crate) answer: Vec<u8>,
    /// What makes an engine answer that by itself, whatever state the connection is in. No secret
    /// is left in it.
    pub(crate) instead: Vec<u8>,
}

impl Malformed {
    fn new(answer: &[u8], instead: &[&[u8]]) -> Self {
        let mut request = Vec::new();
        write_command(&mut request, instead);
        Self {
            answer: answer.to_vec(),
            instead: request,
        }
    }

    fn option(version: &[u8], option: &[u8]) -> Self {
        let shown = texts::c_string(option);
        let shown = shown.get(..OPTION_BYTES).unwrap_or(shown);
        Self::new(&texts::hello_option(shown), &[b"HELLO", version, shown])
    }

    /// More than is read at once.
    fn too_large() -> Self {
        Self::new(texts::SYNTAX, &[b"AUTH", b"", b"", b""])
    }
}

/// Of an option that is none, so many bytes are shown.
const OPTION_BYTES: usize = 128;

/// Reads `HELLO [version [AUTH user password] [SETNAME name]]` (networking.c, `helloCommand`).
pub(crate) fn hello(request: &Request<'_>) -> Result<Hello, Malformed> {
    let mut hello = Hello::default();
    if request.count() == 1 {
        return Ok(hello);
    }
    let Some(text) = request.argument(1) else {
        return Err(Malformed::too_large());
    };
    match resp::number(text.strip_prefix(b"-").unwrap_or(text)) {
        Some(version @ 2..=3) if !text.starts_with(b"-") => {
            hello.version = u8::try_from(version).ok();
        }
        Some(_) => return Err(Malformed::new(texts::NOPROTO, &[b"HELLO", b"0"])),
        None => return Err(Malformed::new(texts::BAD_VERSION, &[b"HELLO", b"x"])),
    }
    let mut arguments = request.arguments().skip(2);
    while let Some(option) = arguments.next() {
        let wrong = || Malformed::option(text, option);
        if is_word(option, "AUTH") {
            let user = arguments.next().ok_or_else(wrong)?;
            let password = arguments.next().ok_or_else(wrong)?;
            hello.login = Some((user.to_vec(), password.to_vec()));
        } else if is_word(option, "SETNAME") {
            let name = arguments.next().ok_or_else(wrong)?;
            if !name.iter().all(u8::is_ascii_graphic) {
                let instead: [&[u8]; 4] = [b"HELLO", text, b"SETNAME", b" "];
                return Err(Malformed::new(texts::BAD_NAME, &instead));
            }
            hello.name = Some(name.to_vec());
        } else {
            return Err(wrong());
        }
    }
    if request.arguments().count() < request.count() {
        return Err(Malformed::too_large());
    }
    Ok(hello)
}

/// What `AUTH` says.
pub(crate) struct Auth<'a> {
    pub(crate) user: Option<&'a [u8]>,
    pub(crate) password: &'a [u8],
}

/// Reads `AUTH [user] password`.
pub(crate) fn auth<'a>(request: &Request<'a>) -> Result<Auth<'a>, Malformed> {
    let mut arguments = request.arguments().skip(1);
    match (request.count(), arguments.next(), arguments.next()) {
        (1, ..) => Err(Malformed::new(&texts::wrong_arity("auth"), &[b"AUTH"])),
        (2, Some(password), None) => Ok(Auth {
            user: None,
            password,
        }),
        (3, Some(user), Some(password)) => Ok(Auth {
            user: Some(user),
            password,
        }),
        (..) => Err(Malformed::too_large()),
    }
}

impl Hello {
    /// The name that the connection gets, if it gets one.
    pub(crate) fn named(&self) -> Option<Kept> {
        self.name.as_deref().map(Kept::of)
    }

    /// Writes the command, with this login in it or none.
    pub(crate) fn write(&self, out: &mut Vec<u8>, login: Option<(&[u8], &[u8])>) {
        let version = self.version.map(|version| [b'0' + version]);
        let mut words: Vec<&[u8]> = vec![b"HELLO"];
        words.extend(version.as_ref().map(<[u8; 1]>::as_slice));
        if let Some((user, password)) = login {
            words.extend([b"AUTH", user, password]);
        }
        if let Some(name) = &self.name {
            words.extend([b"SETNAME", name.as_slice()]);
        }
        write_command(out, &words);
    }
}

/// A user or a password as text.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
