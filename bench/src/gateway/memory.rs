//! What a connection that does nothing costs a proxy.

use std::{fs, net::Ipv4Addr};

use anyhow::{Context as _, ensure};
use serde::Serialize;
use tls::{ClientStream, Trust};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    runtime::Handle,
};

use super::{
    certificates::{Certificates, NAME},
    ways::{KEY, Rig, Way},
};
use crate::client::encode;

/// Memory of a proxy for each connection.
#[derive(Debug, Serialize)]
pub(crate) struct PerConnection {
    pub(crate) way: Way,
    pub(crate) tls: bool,
    pub(crate) connections: usize,
    /// Resident memory that it grew by, for each connection, in units of 1000 bytes.
    pub(crate) kilobytes: f64,
}

/// What is measured.
pub(crate) const ALL: [(Way, bool); 4] = [
    (Way::Haproxy, false),
    (Way::Haproxy, true),
    (Way::Gateway, false),
    (Way::Gateway, true),
];

/// Opens connections that log in, ask once, and then say nothing.
pub(crate) fn measure(
    runtime: &Handle,
    rig: &Rig,
    certificates: &Certificates,
    way: Way,
    tls: bool,
    connections: usize,
) -> anyhow::Result<PerConnection> {
    let pem = fs::read_to_string(&certificates.authority)?;
    let server = Trust::from_pem(&pem)?.in_server(NAME)?;
    let resident = || -> anyhow::Result<u64> {
        let proxy = rig.proxy(way)?.context("no proxy is in the way")?;
        Ok(proxy.resident_bytes)
    };
    let before = resident()?;
    let port = rig.port(way, tls);
    let open = async {
        let mut all = Vec::new();
        for _ in 0..connections {
            let tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
            let mut stream = if tls {
                server.connect(tcp).await?
            } else {
                ClientStream::plain(tcp)
            };
            for words in [&[&b"AUTH"[..], KEY.as_bytes()][..], &[b"PING"]] {
                let mut out = Vec::new();
                encode(&mut out, words);
                stream.write_all(&out).await?;
                stream.flush().await?;
                let mut answer = [0; 64];
                let length = stream.read(&mut answer).await?;
                ensure!(
                    answer.starts_with(b"+"),
                    "answered {}",
                    String::from_utf8_lossy(answer.get(..length).unwrap_or_default())
                );
            }
            all.push(stream);
        }
        anyhow::Ok(all)
    };
    let open = runtime.block_on(open)?;
    let grown = resident()?.saturating_sub(before);
    drop(open);
    Ok(PerConnection {
        way,
        tls,
        connections,
        kilobytes: grown as f64 / connections as f64 / 1e3,
    })
}
