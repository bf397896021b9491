//! The way to a region's agent: `godwit wan`, a process of its own, told what to be by its control
//! port.

use std::{
    io::{BufRead as _, BufReader},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{api, processes, world::godwit};

/// What those who dial the region's agent go through. Bytes "to the client" are the ones that a
/// geo-primary in that region sends.
pub struct Wan {
    process: Child,
    address: SocketAddr,
    control: String,
}

impl Wan {
    /// A way to `to`, without properties.
    pub(crate) fn start(to: SocketAddr) -> Self {
        let mut process = Command::new(godwit())
            .args(["wan", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"])
            .arg(format!("--to={to}"))
            .arg(format!("--parent={}", std::process::id()))
            .env("GODWIT_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut line = |begin: &str| {
            let line = lines.next().unwrap().unwrap();
            let rest = line.strip_prefix(begin);
            rest.unwrap_or_else(|| panic!("not {begin:?}: {line}"))
                .to_owned()
        };
        let control = line("control ");
        let address = line("ready ").parse().unwrap();
        Self {
            process,
            address,
            control,
        }
    }

    /// Where it is dialled.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    fn ask(&self, request: (&str, &str), body: Option<&Value>) -> Value {
        let answer = api::exchange(&self.control, request, "", body);
        let (code, body) = answer.unwrap_or_else(|| panic!("{request:?}: no answer"));
        assert_eq!(code, 200, "{request:?}: {body}");
        body
    }

    /// What `godwit wan` tells of itself.
    pub fn status(&self) -> Value {
        self.ask(("GET", "/status"), None)
    }

    /// One of its counters.
    pub fn count(&self, name: &str) -> u64 {
        let status = self.status();
        let count = status[name].as_u64();
        count.unwrap_or_else(|| panic!("no {name} in {status}"))
    }

    /// Does one of the things that need no body, such as `/cut` or `/one-way?direction=to-client`.
    pub fn act(&self, path: &str) {
        self.ask(("POST", path), None);
    }

    /// Sets latency, jitter and rate.
    pub fn set(&self, latency_ms: u64, jitter_ms: u64, bytes_per_second: Option<u64>) {
        let settings = json!({
            "latencyMs": latency_ms,
            "jitterMs": jitter_ms,
            "rateBytesPerSecond": bytes_per_second,
        });
        self.ask(("POST", "/settings"), Some(&settings));
    }

    /// Ends everything that goes through, and lets nothing in until `/accept`.
    pub fn go_down(&self) {
        self.act("/refuse");
        self.act("/cut");
    }
}

impl Drop for Wan {
    fn drop(&mut self) {
        processes::signal(self.process.id(), Signal::KILL);
        let _status = self.process.wait();
    }
}

/// Ports below those that the system gives out by itself, so that nobody takes one between its
/// choice and its use but another test that looks for one.
const PORTS: std::ops::Range<u16> = 22_000..31_000;

/// An address on loopback that is free.
pub(crate) fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let count = PORTS.len() as u64;
    for _ in 0..1_000 {
        // Test processes that run at once begin at different places.
        let begin = u64::from(std::process::id()) * 97;
        let step = u64::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = PORTS.start + u16::try_from((begin + step) % count).unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no port of {PORTS:?} is free")
}
