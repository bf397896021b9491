//! What an agent is told at its start.

use std::{net::SocketAddr, num::NonZeroUsize, path::PathBuf};

use client::{Agents, BuildError};
use engine::EngineChoice;
use model::{Region, Secret};
use runtime::crash::Points;
use transfer::Allowed;

use crate::{Addresses, CertificateFiles};

/// An agent's configuration, read once.
#[derive(Debug, Clone)]
pub struct Config {
    /// The region that it serves.
    pub region: Region,
    /// Its directory: state, engines' working directories. Made when it is missing.
    pub data: PathBuf,
    /// The control plane's base URL.
    pub control: String,
    /// What is trusted beside the system's authorities when that is https: certificates in PEM.
    pub authority: Option<String>,
    /// The token that the control plane wants from agents.
    pub token: Secret,
    /// Which engine to run.
    pub engine: EngineChoice,
    /// Where to look for engine programs, in this order (the entries of `PATH`).
    pub search: Vec<PathBuf>,
    /// Where the caches' clients connect.
    pub addresses: Addresses,
    /// Where the other regions' agents reach the outbound halves; port 0 picks one and keeps it.
    pub relay: SocketAddr,
    /// Where they are told to reach them instead, when that is another address than the one that is
    /// listened on: a forwarded port, an emulated WAN.
    pub advertise: Option<SocketAddr>,
    /// What clients are shown; `None`: a certificate of the control plane's authority.
    pub certificate: Option<CertificateFiles>,
    /// Where whoever watches the agent may read its metrics, over plain HTTP and without a token;
    /// port 0 picks one. `None`: nowhere.
    pub metrics: Option<SocketAddr>,
    /// Full syncs that may go to one region at the same time.
    pub full_syncs: NonZeroUsize,
    /// What exports and imports may use on this host.
    pub transfers: Allowed,
    /// Where a test can have it die.
    pub crash: Points,
}

impl Config {
    /// A client of the control plane.
    pub(crate) fn client(&self) -> Result<Agents, BuildError> {
        let authority = self.authority.as_deref();
        Agents::trusting(&self.control, self.token.clone(), authority)
    }
}
