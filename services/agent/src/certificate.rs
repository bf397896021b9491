//! What clients are shown: a certificate of the control plane's authority, or the operator's own.

mod files;
mod issued;

use std::path::PathBuf;

use client::Agents;
use model::Region;
use tls::FrontTls;

use crate::state::{Directory, StateError};

pub(crate) use issued::{KeptServerCertificate, Wanted};

/// The operator's own certificate for clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain in PEM, the server's own certificate first.
    pub certificate: PathBuf,
    /// Its private key in PEM, unencrypted.
    pub key: PathBuf,
}

/// Keeps a front provided with a certificate.
pub(crate) enum Keeper {
    /// With the operator's.
    Files(files::Follower),
    /// With the authority's.
    Issued(Box<issued::Keeper>),
}

impl Keeper {
    /// Shows what there is by now.
    pub(crate) async fn open(
        files: Option<CertificateFiles>,
        directory: &Directory,
        region: &Region,
        client: Agents,
        front: FrontTls,
    ) -> Result<Self, StateError> {
        match files {
            Some(files) => {
                let mut follower = files::Follower::new(files, front);
                follower.look().await;
                Ok(Self::Files(follower))
            }
            None => {
                let keeper = issued::Keeper::open(directory, region, client, front)?;
                Ok(Self::Issued(Box::new(keeper)))
            }
        }
    }

    /// Looks after the certificate for ever. `wanted` says what the authority's is to be for, once
    /// that is known.
    pub(crate) async fn run(self, wanted: impl Fn() -> Option<Wanted> + Send) {
        match self {
            Self::Files(follower) => follower.run().await,
            Self::Issued(keeper) => keeper.run(wanted).await,
        }
    }
}
