//! A client that says exactly what it is told to.

use std::{
    fmt,
    io::{self, BufRead as _, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Client {
    stream: BufReader<Box<dyn Wire>>,
    tcp: TcpStream,
}

trait Wire: Read + Write + Send {}
impl<T: Read + Write + Send> Wire for T {}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::over(dial(address))
    }

    fn over(tcp: TcpStream) -> Self {
        let stream: Box<dyn Wire> = Box::new(tcp.try_clone().unwrap());
        Self {
            stream: BufReader::new(stream),
            tcp,
        }
    }

    /// What whoever listens there answers last, if somebody does.
    pub(crate) fn ask(address: SocketAddr, requests: &[&str]) -> io::Result<String> {
        let mut client = Self::over(TcpStream::connect(address)?);
        for request in requests {
            client.try_say(command(request))?;
        }
        let replies = client.replies(requests.len())?;
        Ok(replies.last().cloned().unwrap_or_default())
    }

    /// Over TLS, to the host of this name. The error is why there is none.
    pub(crate) fn encrypted(
        address: SocketAddr,
        config: &Arc<ClientConfig>,
        name: &str,
    ) -> io::Result<Self> {
        let mut tcp = dial(address);
        let (mut tls, socket) = begin(config, name, &tcp);
        while tls.is_handshaking() {
            tls.complete_io(&mut tcp)?;
        }
        let stream: Box<dyn Wire> = Box::new(StreamOwned::new(tls, socket));
        Ok(Self {
            stream: BufReader::new(stream),
            tcp,
        })
    }

    /// Sends bytes as they are.
    pub(crate) fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_say(bytes).unwrap();
    }

    pub(crate) fn try_say(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        let stream = self.stream.get_mut();
        stream.write_all(bytes.as_ref())?;
        stream.flush()
    }

    /// Sends words apart by spaces, as a command.
    pub(crate) fn send(&mut self, words: &str) {
        self.say(command(words));
    }

    /// Sends words, and reads one reply.
    pub(crate) fn run(&mut self, words: &str) -> String {
        self.send(words);
        self.reply()
    }

    /// One reply as text: aggregates in brackets, errors with their sign.
    pub(crate) fn reply(&mut self) -> String {
        self.try_reply().unwrap()
    }

    pub(crate) fn try_reply(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let Some(line) = line.strip_suffix("\r\n") else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        let (sign, rest) = line.split_at(1);
        let count = || rest.parse::<usize>();
        Ok(match (sign, count()) {
            ("$" | "=", Ok(length)) => {
                let mut bytes = vec![0; length + 2];
                self.stream.read_exact(&mut bytes)?;
                bytes.truncate(length);
                String::from_utf8_lossy(&bytes).into_owned()
            }
            ("*" | "~" | ">", Ok(count)) => {
                let push = if sign == ">" { ">" } else { "" };
                format!("{push}[{}]", self.replies(count)?.join(" "))
            }
            ("%", Ok(count)) => format!("{{{}}}", self.replies(2 * count)?.join(" ")),
            ("$" | "*", Err(_)) | ("_", _) => "(nil)".to_owned(),
            ("+" | ":" | "#" | ",", _) => rest.to_owned(),
            _ => line.to_owned(),
        })
    }

    pub(crate) fn replies(&mut self, count: usize) -> io::Result<Vec<String>> {
        (0..count).map(|_| self.try_reply()).collect()
    }

    /// Reads exactly these bytes.
    pub(crate) fn expect(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        let mut found = vec![0; bytes.len()];
        if let Err(error) = self.stream.read_exact(&mut found) {
            panic!(
                "{error} in the place of {}, after {}",
                bytes.escape_ascii(),
                found.escape_ascii()
            );
        }
        assert_eq!(
            found.escape_ascii().to_string(),
            bytes.escape_ascii().to_string()
        );
    }

    /// Everything until the connection ends.
    pub(crate) fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                panic!("it did not end after {}", rest.escape_ascii())
            }
            Err(error) => rest.extend_from_slice(format!("<{}>", error.kind()).as_bytes()),
        }
        String::from_utf8_lossy(&rest).into_owned()
    }

    /// Sends nothing more.
    pub(crate) fn finish(&self) {
        self.tcp.shutdown(Shutdown::Write).unwrap();
    }

    /// Reads bytes as they come.
    pub(crate) fn read(&mut self, bytes: &mut [u8]) -> usize {
        self.stream.read(bytes).unwrap()
    }

    /// Nothing is there to be read, and nothing comes while others are answered.
    pub(crate) fn hears_nothing(&mut self) {
        let heard = self.stream.buffer().escape_ascii().to_string();
        assert_eq!(heard, "");
        self.tcp.set_nonblocking(true).unwrap();
        let peeked = self.tcp.peek(&mut [0]);
        self.tcp.set_nonblocking(false).unwrap();
        assert_eq!(
            peeked.map_err(|error| error.kind()),
            Err(io::ErrorKind::WouldBlock)
        );
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tcp.fmt(f)
    }
}

fn begin(config: &Arc<ClientConfig>, name: &str, tcp: &TcpStream) -> (ClientConnection, TcpStream) {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let tls = ClientConnection::new(Arc::clone(config), name).unwrap();
    (tls, tcp.try_clone().unwrap())
}

fn dial(address: SocketAddr) -> TcpStream {
    let tcp = TcpStream::connect(address).unwrap();
    tcp.set_nodelay(true).unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    tcp.set_write_timeout(Some(PATIENCE)).unwrap();
    tcp
}

/// Words apart by spaces, as the array that a command is.
pub(crate) fn command(words: &str) -> Vec<u8> {
    let words: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
    let mut bytes = Vec::new();
    resp::write_command(&mut bytes, &words);
    bytes
}
