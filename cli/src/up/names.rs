//! Where `godwit up` answers for the caches' names.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    path::Path,
};

use runtime::durable;

use crate::talk::Talk;

/// Where names are answered when nobody chooses.
const DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 5353);
/// The file that tells other terminals where they are.
const ENDPOINT: &str = "names-endpoint";

/// Options about names.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct NamesArgs {
    /// Where to answer DNS questions for the caches' names [default: 127.0.0.1:5353, or another port
    /// when that is taken]
    #[arg(long, value_name = "ADDRESS", conflicts_with = "no_dns")]
    dns: Option<SocketAddr>,
    /// Do not answer DNS questions
    #[arg(long)]
    no_dns: bool,
}

impl NamesArgs {
    /// Where to answer; `None`: nowhere.
    pub(super) fn address(self, talk: &Talk) -> Option<SocketAddr> {
        if self.no_dns {
            return None;
        }
        if let Some(chosen) = self.dns {
            return Some(chosen);
        }
        if is_free(DEFAULT) {
            return Some(DEFAULT);
        }
        talk.say(&format!(
            "{DEFAULT} is taken (multicast DNS has that port, too), so names are answered at another port; --dns chooses one"
        ));
        Some(SocketAddr::new(DEFAULT.ip(), 0))
    }
}

/// Tells whether nothing listens there. Another failure is for the DNS server to tell.
fn is_free(address: SocketAddr) -> bool {
    let taken = |error: io::Error| error.kind() == io::ErrorKind::AddrInUse;
    !UdpSocket::bind(address).is_err_and(taken) && !TcpListener::bind(address).is_err_and(taken)
}

/// Tells other terminals where names are answered.
pub(super) fn write_endpoint(data: &Path, address: Option<SocketAddr>) -> anyhow::Result<()> {
    let path = data.join(ENDPOINT);
    match address {
        Some(address) => durable::write_durable(&path, address.to_string().as_bytes())?,
        None => durable::remove_if_there(&path)?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_free_when_it_is_for_both() {
        let free: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let tcp = TcpListener::bind(free).unwrap();
        assert!(!is_free(tcp.local_addr().unwrap()));
        let udp = UdpSocket::bind(free).unwrap();
        assert!(!is_free(udp.local_addr().unwrap()));
        let address = udp.local_addr().unwrap();
        drop(udp);
        assert!(is_free(address));
    }

    #[test]
    fn other_terminals_find_the_present_address_or_none() {
        let dir = tempfile::tempdir().unwrap();
        write_endpoint(dir.path(), Some(DEFAULT)).unwrap();
        let file = dir.path().join("names-endpoint");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "127.0.0.1:5353");
        write_endpoint(dir.path(), None).unwrap();
        write_endpoint(dir.path(), None).unwrap();
        assert!(!file.exists());
    }
}
