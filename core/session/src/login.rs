//! `AUTH` and `HELLO`: read here, never passed on as they came.

use resp::Request;

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

/// Reads `HELLO [version [AUTH user password] [SETNAME name]]` (networking.c, `helloCommand`). The
/// error is what the engines answer.
pub(crate) fn hello(request: &Request<'_>) -> Result<Hello, Vec<u8>> {
    let mut hello = Hello::default();
    if request.count() == 1 {
        return Ok(hello);
    }
    let text = request.argument(1).unwrap_or_default();
    match resp::number(text.strip_prefix(b"-").unwrap_or(text)) {
        Some(version @ 2..=3) if !text.starts_with(b"-") => {
            hello.version = u8::try_from(version).ok();
        }
        Some(_) => return Err(texts::NOPROTO.to_vec()),
        None => return Err(texts::BAD_VERSION.to_vec()),
    }
    let mut arguments = request.arguments().skip(2);
    while let Some(option) = arguments.next() {
        let wrong = || texts::hello_option(option);
        if is_word(option, "AUTH") {
            let user = arguments.next().ok_or_else(wrong)?;
            let password = arguments.next().ok_or_else(wrong)?;
            hello.login = Some((user.to_vec(), password.to_vec()));
        } else if is_word(option, "SETNAME") {
            let name = arguments.next().ok_or_else(wrong)?;
            if !name.iter().all(u8::is_ascii_graphic) {
                return Err(texts::BAD_NAME.to_vec());
            }
            hello.name = Some(name.to_vec());
        } else {
            return Err(wrong());
        }
    }
    if request.arguments().count() < request.count() {
        // More than is read at once is no login.
        return Err(texts::SYNTAX.to_vec());
    }
    Ok(hello)
}

/// What `AUTH` says.
pub(crate) struct Auth<'a> {
    pub(crate) user: Option<&'a [u8]>,
    pub(crate) password: &'a [u8],
}

/// Reads `AUTH [user] password`. The error is what the engines answer.
pub(crate) fn auth<'a>(request: &Request<'a>) -> Result<Auth<'a>, Vec<u8>> {
    let mut arguments = request.arguments().skip(1);
    match (request.count(), arguments.next(), arguments.next()) {
        (1, ..) => Err(texts::wrong_arity("auth")),
        (2, Some(password), None) => Ok(Auth {
            user: None,
            password,
        }),
        (3, Some(user), Some(password)) => Ok(Auth {
            user: Some(user),
            password,
        }),
        (2 | 3, ..) => Err(texts::WRONGPASS.to_vec()),
        (..) => Err(texts::SYNTAX.to_vec()),
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
        resp::write_command(out, &words);
    }
}

/// A user or a password as text.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
