//! What engines are asked and what they answer.

/// A command: its name and its arguments.
pub type Command = Vec<Vec<u8>>;

/// An answer in the second version of the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Nothing.
    Nil,
    /// A number.
    Number(i64),
    /// A string of either kind.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Self>),
    /// The key has become another, or is gone, since it was last looked at.
    Gone,
}

/// An engine answered something that its documentation does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the answer to {command} is not {expected}")]
pub struct Unexpected {
    /// The command.
    pub command: &'static str,
    /// What the answer should have been.
    pub expected: &'static str,
}

/// Makes a command of words.
pub(crate) fn command(words: &[&[u8]]) -> Command {
    words.iter().map(|word| word.to_vec()).collect()
}

/// Reads the answers of one command.
#[derive(Clone, Copy)]
pub(crate) struct Reader(pub(crate) &'static str);

impl Reader {
    pub(crate) fn not(self, expected: &'static str) -> Unexpected {
        Unexpected {
            command: self.0,
            expected,
        }
    }

    pub(crate) fn bytes(self, reply: Reply) -> Result<Vec<u8>, Unexpected> {
        match reply {
            Reply::Bytes(bytes) => Ok(bytes),
            Reply::Number(number) => Ok(number.to_string().into_bytes()),
            Reply::Nil | Reply::List(_) | Reply::Gone => Err(self.not("a string")),
        }
    }

    pub(crate) fn number(self, reply: Reply) -> Result<i64, Unexpected> {
        let text = match reply {
            Reply::Number(number) => return Ok(number),
            Reply::Bytes(bytes) => bytes,
            Reply::Nil | Reply::List(_) | Reply::Gone => return Err(self.not("a number")),
        };
        let number = str::from_utf8(&text)
            .ok()
            .and_then(|text| text.parse().ok());
        number.ok_or_else(|| self.not("a number"))
    }

    /// A number that counts something.
    pub(crate) fn count(self, reply: Reply) -> Result<u64, Unexpected> {
        u64::try_from(self.number(reply)?).map_err(|_negative| self.not("a count"))
    }

    pub(crate) fn list(self, reply: Reply) -> Result<Vec<Reply>, Unexpected> {
        match reply {
            Reply::List(list) => Ok(list),
            // What an empty list was before there were empty lists.
            Reply::Nil => Ok(Vec::new()),
            Reply::Number(_) | Reply::Bytes(_) | Reply::Gone => Err(self.not("a list")),
        }
    }

    /// A list of so many things.
    pub(crate) fn exactly<const N: usize>(self, reply: Reply) -> Result<[Reply; N], Unexpected> {
        let list = self.list(reply)?;
        list.try_into()
            .map_err(|_other| self.not("a list of its usual length"))
    }

    /// A cursor, and what was found on the way to it.
    pub(crate) fn scanned(self, reply: Reply) -> Result<(u64, Vec<Reply>), Unexpected> {
        let [cursor, found] = self.exactly(reply)?;
        let cursor = self.bytes(cursor)?;
        let cursor = str::from_utf8(&cursor)
            .ok()
            .and_then(|text| text.parse().ok());
        Ok((
            cursor.ok_or_else(|| self.not("a cursor"))?,
            self.list(found)?,
        ))
    }

    /// The value of `name` in a list of names and values.
    pub(crate) fn named(self, fields: &mut Vec<Reply>, name: &str) -> Result<Reply, Unexpected> {
        let mut found = None;
        let mut all = std::mem::take(fields).into_iter();
        while let (Some(field), Some(value)) = (all.next(), all.next()) {
            if matches!(&field, Reply::Bytes(bytes) if bytes == name.as_bytes()) {
                found = Some(value);
            } else {
                fields.extend([field, value]);
            }
        }
        found.ok_or_else(|| self.not("a list with the fields it should have"))
    }
}

/// Reads the answer to `SCAN`: the next cursor and keys.
pub fn scanned(reply: Reply) -> Result<(u64, Vec<Vec<u8>>), Unexpected> {
    let reader = Reader("SCAN");
    let (cursor, found) = reader.scanned(reply)?;
    let keys: Result<_, _> = found.into_iter().map(|key| reader.bytes(key)).collect();
    Ok((cursor, keys?))
}
