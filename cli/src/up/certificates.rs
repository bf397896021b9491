//! What the caches of `godwit up` show to clients, and what clients trust.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use client::Management;
use model::Secret;
use runtime::durable;

/// The file in the data directory that clients are given.
const FILE: &str = "ca.pem";

/// The operator's own certificate.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Certificates {
    /// File with the certificate that clients are shown and its chain (PEM), read again whenever it
    /// changes [default: one of the deployment's own authority, whose certificate is ca.pem in the
    /// data directory]
    #[arg(long, requires = "tls_key", env = "GODWIT_TLS_CERTIFICATE")]
    tls_certificate: Option<PathBuf>,
    /// File with the private key of --tls-certificate (PEM, unencrypted)
    #[arg(long, requires = "tls_certificate", env = "GODWIT_TLS_KEY")]
    tls_key: Option<PathBuf>,
}

impl Certificates {
    /// Tells whether clients trust [`FILE`] here.
    pub(super) fn are_the_authoritys(&self) -> bool {
        self.tls_certificate.is_none()
    }

    /// What a client of the caches is told: TLS, and whom to trust where that is not known to it.
    pub(super) fn client_flags(&self, data: &Path) -> String {
        if self.are_the_authoritys() {
            format!(" --tls --cacert {}", file(data).display())
        } else {
            " --tls".to_owned()
        }
    }

    /// What an agent is started with.
    pub(super) fn arguments(&self) -> impl Iterator<Item = String> {
        let certificate = self.tls_certificate.iter();
        let key = self.tls_key.iter();
        let option = |name, path: &PathBuf| {
            let path = std::path::absolute(path).unwrap_or_else(|_odd| path.clone());
            format!("--{name}={}", path.display())
        };
        certificate
            .map(move |path| option("tls-certificate", path))
            .chain(key.map(move |path| option("tls-key", path)))
    }
}

/// Where [`write()`] writes.
pub(super) fn file(data: &Path) -> PathBuf {
    data.join(FILE)
}

/// Keeps the authority's certificate in the data directory.
pub(super) async fn write(data: &Path, url: &str, token: &Secret) -> anyhow::Result<()> {
    let management = Management::new(url, token.clone())?;
    let pem = management.certificate_authority().await;
    let pem = pem.context("ask for the authority's certificate")?;
    let path = file(data);
    durable::write_durable(&path, pem.as_bytes())
        .with_context(|| format!("keep the authority's certificate in {}", path.display()))
}
