//! What a DNS server is started with.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    str::FromStr,
};

use model::Secret;

use crate::UpdateConfig;

/// What a DNS server is started with: read once, by the command line.
#[derive(Debug, Clone)]
pub struct Config {
    /// The directory of what it keeps; made when it is not there.
    pub data: PathBuf,
    /// Where it answers, over UDP and over TCP. Port 0 takes one that is free for both.
    pub listen: Vec<SocketAddr>,
    /// The control plane's URL.
    pub control: String,
    /// What is trusted beside the system's authorities when that is https: certificates in PEM.
    pub authority: Option<String>,
    /// What the control plane wants to see: its token for names.
    pub token: Secret,
    /// The zone's name servers, as its parent names them; none: one of its own name.
    pub name_servers: Vec<NameServer>,
    /// Equal answers in a second to one network (/24, /56) over UDP; 0: as many as are asked for.
    pub answers_per_second: u32,
    /// Where whoever watches the server may read its metrics, over plain HTTP and without a token;
    /// port 0 picks one. `None`: nowhere.
    pub metrics: Option<SocketAddr>,
    /// The server that the names are put into, too.
    pub update: Option<UpdateConfig>,
}

/// A name server of the zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameServer {
    /// Its name.
    pub name: String,
    /// Its addresses: to be told when its name is within the zone.
    pub addresses: Vec<IpAddr>,
}

/// A text that is no name server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("write it as NAME or NAME=ADDRESS, such as ns1.example.com=192.0.2.1")]
pub struct ParseNameServerError;

impl FromStr for NameServer {
    type Err = ParseNameServerError;

    /// `NAME`, or `NAME=ADDRESS,…`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, addresses) = text.split_once('=').unwrap_or((text, ""));
        if name.is_empty() || (addresses.is_empty() && text.contains('=')) {
            return Err(ParseNameServerError);
        }
        let addresses = addresses.split(',').filter(|one| !one.is_empty());
        let addresses: Result<_, _> = addresses.map(str::parse).collect();
        Ok(Self {
            name: name.to_owned(),
            addresses: addresses.map_err(|_not_one| ParseNameServerError)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_server_is_a_name_perhaps_with_addresses() {
        let server = |text: &str| text.parse::<NameServer>();
        let there = server("ns1.example.com=192.0.2.1,::1").unwrap();
        assert_eq!(there.name, "ns1.example.com");
        assert_eq!(there.addresses.len(), 2);
        assert!(server("ns1.example.com").unwrap().addresses.is_empty());
        for bad in ["", "=192.0.2.1", "ns1=", "ns1=here"] {
            assert_eq!(server(bad), Err(ParseNameServerError), "{bad}");
        }
    }
}
