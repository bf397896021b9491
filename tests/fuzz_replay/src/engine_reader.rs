//! How the engines read requests, step by step as they do it (networking.c of Redis 7.0.15 and of
//! Valkey 8.0.1: `processInputBuffer`, `processMultibulkBuffer`, `processInlineBuffer`;
//! `string2ll`; `sdssplitargs`), with what they overlook. The names are theirs.
//!
//! Valkey 8.0.1 takes what follows a line of blanks for inline, even an array; Redis does not, and
//! it is not done here: such a line is never passed on.

/// What an engine makes of its input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Read {
    /// A command; `end` counts all bytes of the connection up to its end.
    Command { argv: Vec<Vec<u8>>, end: usize },
    /// Nothing to do, and no reply.
    Empty { end: usize },
    /// An error reply, and the end of the connection.
    Refused(Vec<u8>),
    /// The end of the connection without a word.
    Closed,
}

/// A connection's input at an engine.
#[derive(Debug)]
pub(crate) struct EngineReader {
    querybuf: Vec<u8>,
    qb_pos: usize,
    reqtype: Option<ReqType>,
    multibulklen: i64,
    bulklen: i64,
    argv: Vec<Vec<u8>>,
    auth_required: bool,
    inline_max_size: usize,
    closed: bool,
}

#[derive(Debug, Clone, Copy)]
enum ReqType {
    Inline,
    Multibulk,
}

/// `C_ERR`: more bytes are needed, or the connection is over.
struct Stop;

const PROTO_MAX_BULK_LEN: i64 = 512 * 1024 * 1024;

impl EngineReader {
    pub(crate) fn new(auth_required: bool, inline_max_size: usize) -> Self {
        Self {
            querybuf: Vec::new(),
            qb_pos: 0,
            reqtype: None,
            multibulklen: 0,
            bulklen: -1,
            argv: Vec::new(),
            auth_required,
            inline_max_size,
            closed: false,
        }
    }

    /// Reads one byte more: what an engine makes of a line that does not end depends on its cuts,
    /// and this is the finest.
    pub(crate) fn read(&mut self, byte: u8, out: &mut Vec<Read>) {
        self.querybuf.push(byte);
        while !self.closed && self.qb_pos < self.querybuf.len() {
            let reqtype = *self
                .reqtype
                .get_or_insert(match self.querybuf[self.qb_pos] {
                    b'*' => ReqType::Multibulk,
                    _ => ReqType::Inline,
                });
            let processed = match reqtype {
                ReqType::Inline => self.process_inline_buffer(out),
                ReqType::Multibulk => self.process_multibulk_buffer(out),
            };
            if processed.is_err() {
                break;
            }
            self.process_command(out);
        }
    }

    fn process_command(&mut self, out: &mut Vec<Read>) {
        self.reqtype = None;
        self.multibulklen = 0;
        self.bulklen = -1;
        let end = self.qb_pos;
        let argv = std::mem::take(&mut self.argv);
        let Some(name) = argv.first() else {
            out.push(Read::Empty { end });
            return;
        };
        // strcasecmp
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        if name.eq_ignore_ascii_case(b"host:") || name.eq_ignore_ascii_case(b"post") {
            out.push(Read::Closed);
            self.closed = true;
            return;
        }
        out.push(Read::Command { argv, end });
    }

    fn refuse(&mut self, words: &[u8], out: &mut Vec<Read>) -> Stop {
        let mut answer = b"-ERR Protocol error: ".to_vec();
        // sdsmapchars(s, "\r\n", "  ", 2)
        answer.extend(words.iter().map(|byte| match byte {
            b'\r' | b'\n' => b' ',
            other => *other,
        }));
        answer.extend_from_slice(b"\r\n");
        out.push(Read::Refused(answer));
        self.closed = true;
        Stop
    }

    fn unread(&self) -> usize {
        self.querybuf.len() - self.qb_pos
    }

    /// `strchr(c->querybuf + c->qb_pos, wanted)`, which stops at a NUL.
    fn strchr(&self, wanted: u8) -> Option<usize> {
        let text = &self.querybuf[self.qb_pos..];
        let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
        let at = text.iter().position(|byte| *byte == wanted);
        at.map(|at| self.qb_pos + at)
    }

    fn process_inline_buffer(&mut self, out: &mut Vec<Read>) -> Result<(), Stop> {
        let Some(newline) = self.strchr(b'\n') else {
            if self.unread() > self.inline_max_size {
                return Err(self.refuse(b"too big inline request", out));
            }
            return Err(Stop);
        };
        let mut querylen = newline - self.qb_pos;
        let mut linefeed_chars = 1;
        if querylen > 0 && self.querybuf[newline - 1] == b'\r' {
            querylen -= 1;
            linefeed_chars += 1;
        }
        let aux = &self.querybuf[self.qb_pos..self.qb_pos + querylen];
        let Some(argv) = sdssplitargs(aux) else {
            return Err(self.refuse(b"unbalanced quotes in request", out));
        };
        self.qb_pos += querylen + linefeed_chars;
        self.argv = argv;
        Ok(())
    }

    fn process_multibulk_buffer(&mut self, out: &mut Vec<Read>) -> Result<(), Stop> {
        if self.multibulklen == 0 {
            let Some(newline) = self.strchr(b'\r') else {
                if self.unread() > self.inline_max_size {
                    return Err(self.refuse(b"too big mbulk count string", out));
                }
                return Err(Stop);
            };
            if newline + 2 > self.querybuf.len() {
                return Err(Stop);
            }
            let count = string2ll(&self.querybuf[self.qb_pos + 1..newline]);
            let count = match count {
                Some(count) if count <= i64::from(i32::MAX) => count,
                Some(_) | None => return Err(self.refuse(b"invalid multibulk length", out)),
            };
            if count > 10 && self.auth_required {
                return Err(self.refuse(b"unauthenticated multibulk length", out));
            }
            self.qb_pos = newline + 2;
            if count <= 0 {
                return Ok(());
            }
            self.multibulklen = count;
        }
        while self.multibulklen > 0 {
            if self.bulklen == -1 {
                self.read_bulk_length(out)?;
            }
            let bulklen = usize::try_from(self.bulklen).unwrap_or(0);
            if self.unread() < bulklen + 2 {
                return Err(Stop);
            }
            let argument = &self.querybuf[self.qb_pos..self.qb_pos + bulklen];
            self.argv.push(argument.to_vec());
            self.qb_pos += bulklen + 2;
            self.bulklen = -1;
            self.multibulklen -= 1;
        }
        Ok(())
    }

    fn read_bulk_length(&mut self, out: &mut Vec<Read>) -> Result<(), Stop> {
        let Some(newline) = self.strchr(b'\r') else {
            if self.unread() > self.inline_max_size {
                return Err(self.refuse(b"too big bulk count string", out));
            }
            return Err(Stop);
        };
        if newline + 2 > self.querybuf.len() {
            return Err(Stop);
        }
        let first = self.querybuf[self.qb_pos];
        if first != b'$' {
            let words = [b"expected '$', got '", &[first][..], b"'"].concat();
            return Err(self.refuse(&words, out));
        }
        let length = string2ll(&self.querybuf[self.qb_pos + 1..newline]);
        let length = match length {
            Some(length) if (0..=PROTO_MAX_BULK_LEN).contains(&length) => length,
            Some(_) | None => return Err(self.refuse(b"invalid bulk length", out)),
        };
        if length > 16_384 && self.auth_required {
            return Err(self.refuse(b"unauthenticated bulk length", out));
        }
        self.qb_pos = newline + 2;
        self.bulklen = length;
        Ok(())
    }
}

/// `string2ll` (util.c): digits with at most a minus, the first one not 0 but in `0` itself.
fn string2ll(text: &[u8]) -> Option<i64> {
    if text == b"0" {
        return Some(0);
    }
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if !matches!(digits.first(), Some(b'1'..=b'9')) {
        return None;
    }
    let mut value: u64 = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value
            .checked_mul(10)?
            .checked_add(u64::from(digit - b'0'))?;
    }
    if negative {
        (value <= 1 << 63).then(|| 0i64.wrapping_sub_unsigned(value))
    } else {
        i64::try_from(value).ok()
    }
}

/// `sdssplitargs` (sds.c), over a text that ends with a NUL.
fn sdssplitargs(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let at = |p: usize| line.get(p).copied().unwrap_or(0);
    let isspace = |byte: u8| matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r');
    let mut p = 0;
    let mut argv = Vec::new();
    loop {
        while at(p) != 0 && isspace(at(p)) {
            p += 1;
        }
        if at(p) == 0 {
            return Some(argv);
        }
        let mut inq = false;
        let mut insq = false;
        let mut done = false;
        let mut current = Vec::new();
        while !done {
            if inq {
                if at(p) == b'\\'
                    && at(p + 1) == b'x'
                    && at(p + 2).is_ascii_hexdigit()
                    && at(p + 3).is_ascii_hexdigit()
                {
                    let hex = std::str::from_utf8(&line[p + 2..p + 4]).expect("digits are text");
                    current.push(u8::from_str_radix(hex, 16).expect("two digits are a byte"));
                    p += 3;
                } else if at(p) == b'\\' && at(p + 1) != 0 {
                    p += 1;
                    current.push(match at(p) {
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        b'b' => 0x08,
                        b'a' => 0x07,
                        other => other,
                    });
                } else if at(p) == b'"' {
                    if at(p + 1) != 0 && !isspace(at(p + 1)) {
                        return None;
                    }
                    done = true;
                } else if at(p) == 0 {
                    return None;
                } else {
                    current.push(at(p));
                }
            } else if insq {
                if at(p) == b'\\' && at(p + 1) == b'\'' {
                    p += 1;
                    current.push(b'\'');
                } else if at(p) == b'\'' {
                    if at(p + 1) != 0 && !isspace(at(p + 1)) {
                        return None;
                    }
                    done = true;
                } else if at(p) == 0 {
                    return None;
                } else {
                    current.push(at(p));
                }
            } else {
                match at(p) {
                    b' ' | b'\n' | b'\r' | b'\t' | 0 => done = true,
                    b'"' => inq = true,
                    b'\'' => insq = true,
                    other => current.push(other),
                }
            }
            if at(p) != 0 {
                p += 1;
            }
        }
        argv.push(current);
    }
}
