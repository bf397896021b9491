//! What `/proc` tells of processes and listeners.

use std::{
    fmt, fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
};

/// A process as it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// When it started, in clock ticks since the host did (`starttime`, proc_pid_stat(5)).
    pub(crate) start_ticks: u64,
    /// `false` for one that has ended and was not reaped yet.
    pub(crate) lives: bool,
}

/// Looks a process up; `None`: there is none.
pub(crate) fn standing(pid: u32) -> Option<Standing> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is a name in brackets that may hold anything; fields count from there.
    let (_, fields) = text.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?;
    Some(Standing {
        start_ticks: fields.nth(18)?.parse().ok()?,
        lives: !matches!(state, "Z" | "X" | "x"),
    })
}

/// The working directory, without links.
pub(crate) fn cwd(pid: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/cwd")).ok()
}

/// The file name of the program it runs.
pub(crate) fn program_name(pid: u32) -> Option<String> {
    let path = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    Some(path.file_name()?.to_string_lossy().into_owned())
}

/// Every process ID there is.
pub(crate) fn processes() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

/// Who listens at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// This process.
    Known {
        /// Its process ID.
        pid: u32,
        /// Its name.
        name: String,
    },
    /// A process that this one may not look into, or that is gone by now.
    Unknown,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known { pid, name } => write!(f, "{name} (pid {pid})"),
            Self::Unknown => f.write_str("another process"),
        }
    }
}

/// Finds out who listens at `address`, or at its port on every address.
pub(crate) fn holder_of(address: SocketAddr) -> Holder {
    let listeners = ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .flat_map(|file| {
            let text = fs::read_to_string(file).unwrap_or_default();
            text.lines()
                .skip(1)
                .filter_map(listener)
                .collect::<Vec<_>>()
        });
    let sockets: Vec<String> = listeners
        .filter(|(at, _)| {
            let everywhere = at.ip().is_unspecified() || address.ip().is_unspecified();
            at.port() == address.port() && (everywhere || at.ip() == address.ip())
        })
        .map(|(_, inode)| format!("socket:[{inode}]"))
        .collect();
    if sockets.is_empty() {
        return Holder::Unknown;
    }
    let holds = |pid: &u32| {
        let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else {
            return false;
        };
        files.flatten().any(|file| {
            let target = fs::read_link(file.path()).unwrap_or_default();
            sockets.iter().any(|socket| Path::new(socket) == target)
        })
    };
    processes()
        .into_iter()
        .find(holds)
        .map_or(Holder::Unknown, |pid| Holder::Known {
            pid,
            name: fs::read_to_string(format!("/proc/{pid}/comm"))
                .unwrap_or_default()
                .trim()
                .to_owned(),
        })
}

/// Reads a line of `/proc/net/tcp`: the address and the inode, when it is a listener.
fn listener(line: &str) -> Option<(SocketAddr, u64)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    if *fields.get(3)? != "0A" {
        return None;
    }
    let (ip, port) = fields.get(1)?.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let inode = fields.get(9)?.parse().ok()?;
    Some((SocketAddr::new(address(ip)?, port), inode))
}

/// Addresses are printed as 32-bit words of the host's byte order.
fn address(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let text = hex.get(at * 8..at * 8 + 8)?;
        Some(u32::from_str_radix(text, 16).ok()?.to_ne_bytes())
    };
    if hex.len() == 8 {
        return Some(Ipv4Addr::from(word(0)?).into());
    }
    let mut bytes = [0; 16];
    for (at, four) in bytes.chunks_exact_mut(4).enumerate() {
        four.copy_from_slice(&word(at)?);
    }
    let ip = Ipv6Addr::from(bytes);
    Some(ip.to_ipv4_mapped().map_or_else(|| ip.into(), Into::into))
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, process};

    use super::*;

    #[test]
    fn this_process_is_found_as_the_holder_of_its_port() {
        for at in ["127.0.0.1:0", "[::1]:0"] {
            // A host may have no IPv6.
            let Ok(listener) = TcpListener::bind(at) else {
                continue;
            };
            let holder = holder_of(listener.local_addr().unwrap());
            assert!(
                matches!(holder, Holder::Known { pid, .. } if pid == process::id()),
                "{holder}"
            );
        }
    }

    #[test]
    fn this_process_lives() {
        let standing = standing(process::id()).unwrap();
        assert!(standing.lives && standing.start_ticks > 0);
        assert!(super::standing(u32::MAX).is_none());
    }
}
