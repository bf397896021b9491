//! The certificate of the control plane's authority: kept on disk, asked for when there is none,
//! when it does not name every door, and in time before its end.

use std::{collections::BTreeSet, net::IpAddr, time::Duration};

use client::{Agents, RequestError};
use model::{Region, Secret, Timestamp};
use runtime::{chain, clock::Clock};
use serde::{Deserialize, Serialize};
use tls::{
    AgentKey, AuthorityCertificate, AuthorityError, FrontTls, Identity, IssuedCertificate,
    KeyError, ServerCertificate, ServerCertificateError, ServerCertificateRequest, ServerNames,
};
use tokio::time::{Instant, sleep};

use crate::state::{Directory, StateError};

/// Between two looks: a cache that is new has doors, and they are to be named soon.
const PERIOD: Duration = Duration::from_secs(1);
/// The first wait after a failure; it doubles up to [`LAST_RETRY`].
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(60);

/// The agent goes on with the certificate that it has.
#[derive(Debug, thiserror::Error)]
enum KeepError {
    #[error("ask the control plane for a certificate for clients")]
    Ask(#[from] RequestError),
    #[error("make a key for it")]
    Key(#[from] KeyError),
    #[error("use the certificate that the control plane issued")]
    Issued(#[from] ServerCertificateError),
    #[error("use the authority that came with it")]
    Authority(#[from] AuthorityError),
    #[error("it was issued by another authority than the agent's own certificate")]
    OtherAuthority,
    #[error("keep the certificate for clients")]
    State(#[from] StateError),
}

/// `server-certificate.json`: what clients are shown. One file, so that key and certificate always belong
/// together.
#[derive(Serialize, Deserialize)]
pub(crate) struct KeptServerCertificate {
    pub(crate) version: u32,
    /// The private key, PKCS #8 PEM.
    key: Secret,
    /// The certificate for it, PEM.
    certificate: String,
    /// The authority that issued it, PEM.
    authority: String,
}

impl KeptServerCertificate {
    fn new(key: &AgentKey, issued: &IssuedCertificate) -> Self {
        Self {
            version: Directory::VERSION,
            key: key.to_pem(),
            certificate: issued.certificate.clone(),
            authority: issued.authority.clone(),
        }
    }
}

/// Why a certificate is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    /// There is none.
    None,
    /// The agents' authority is another one than issued it.
    OtherAuthority,
    /// Less than a third of its time is left.
    NearlyOver,
    /// It does not name the zone, or not every door.
    Names,
}

/// What a certificate has to be for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The authority that the agent's own certificate is of.
    authority: AuthorityCertificate,
    /// Empty: the control plane has not said.
    zone: String,
    /// The addresses of the doors.
    addresses: BTreeSet<IpAddr>,
    /// Some of them are private endpoints.
    private: bool,
}

impl Wanted {
    /// `None` while the agent itself has no certificate.
    pub(crate) fn new(
        agent: &Identity,
        zone: &str,
        doors: impl IntoIterator<Item = IpAddr>,
    ) -> Option<Self> {
        Some(Self {
            authority: agent.certified()?.authority().clone(),
            zone: zone.to_owned(),
            addresses: ServerNames::certifiable(doors),
            private: false,
        })
    }

    /// The same, with the names of private endpoints if there are any.
    pub(crate) fn with_private_endpoints(self, private: bool) -> Self {
        Self { private, ..self }
    }
}

struct Held {
    certificate: ServerCertificate,
    authority: AuthorityCertificate,
}

impl Held {
    fn new(key: &AgentKey, issued: &IssuedCertificate) -> Result<Self, KeepError> {
        Ok(Self {
            certificate: ServerCertificate::issued(key, issued)?,
            authority: AuthorityCertificate::from_pem(&issued.authority)?,
        })
    }
}

/// Keeps a front provided with a certificate of the authority.
pub(crate) struct Keeper {
    front: FrontTls,
    directory: Directory,
    region: Region,
    client: Agents,
    held: Option<Held>,
    /// Failures in a row; the first one is told.
    failures: u32,
}

impl Keeper {
    /// Takes up what is on the disk. Another can be had: what is of no use there keeps nobody.
    pub(super) fn open(
        directory: &Directory,
        region: &Region,
        client: Agents,
        front: FrontTls,
    ) -> Result<Self, StateError> {
        let held = read(directory)?;
        if let Some(held) = &held {
            front.set_certificate(held.certificate.clone());
        }
        Ok(Self {
            front,
            directory: directory.clone(),
            region: region.clone(),
            client,
            held,
            failures: 0,
        })
    }

    pub(super) async fn run(mut self, wanted: impl Fn() -> Option<Wanted> + Send) {
        let mut not_before = Instant::now();
        loop {
            if Instant::now() >= not_before
                && let Some(wanted) = wanted()
            {
                match self.check(&wanted, Clock.now()).await {
                    Ok(()) => self.failures = 0,
                    Err(error) => {
                        self.complain(&error);
                        not_before = Instant::now() + pause(self.failures);
                        self.failures = self.failures.saturating_add(1);
                    }
                }
            }
            sleep(PERIOD).await;
        }
    }

    fn complain(&self, error: &KeepError) {
        if self.failures == 0 {
            tracing::warn!(
                error = %chain(error), has_one = self.held.is_some(),
                "there is no new certificate for clients; going on with what there is, and trying again"
            );
        }
    }

    /// Asks for a certificate if one is due, and shows it once it is on the disk.
    async fn check(&mut self, wanted: &Wanted, now: Timestamp) -> Result<(), KeepError> {
        let Some(due) = due(self.held.as_ref(), wanted, now) else {
            return Ok(());
        };
        let key = AgentKey::generate()?;
        let request = ServerCertificateRequest {
            region: self.region.clone(),
            addresses: wanted.addresses.iter().copied().collect(),
            request: key.request()?,
        };
        let issued = self.client.server_certificate(&request).await?;
        let held = Held::new(&key, &issued)?;
        if held.authority != wanted.authority {
            return Err(KeepError::OtherAuthority);
        }
        let kept = KeptServerCertificate::new(&key, &issued);
        self.directory.write_server_certificate(&kept)?;
        tracing::info!(
            ?due,
            names = held.certificate.names().join(", "),
            expires_ms = held.certificate.validity().until.0,
            "clients are shown a new certificate"
        );
        self.front.set_certificate(held.certificate.clone());
        self.held = Some(held);
        Ok(())
    }
}

fn due(held: Option<&Held>, wanted: &Wanted, now: Timestamp) -> Option<Due> {
    let Some(held) = held else {
        return Some(Due::None);
    };
    let certificate = &held.certificate;
    let is_named = certificate.covers_addresses(&wanted.addresses)
        && (wanted.zone.is_empty() || certificate.covers_zone(&wanted.zone))
        && (wanted.zone.is_empty()
            || !wanted.private
            || certificate.covers_private_endpoints(&wanted.zone));
    if held.authority != wanted.authority {
        Some(Due::OtherAuthority)
    } else if certificate.validity().is_nearly_over(now) {
        Some(Due::NearlyOver)
    } else if is_named {
        None
    } else {
        Some(Due::Names)
    }
}

fn pause(failures: u32) -> Duration {
    FIRST_RETRY
        .saturating_mul(2_u32.saturating_pow(failures))
        .min(LAST_RETRY)
}

fn read(directory: &Directory) -> Result<Option<Held>, StateError> {
    let kept = match directory.read_server_certificate() {
        Ok(kept) => kept,
        Err(error @ StateError::Content { .. }) => {
            tracing::warn!(error = %chain(&error), "asking for a new certificate for clients");
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let Some(kept) = kept else { return Ok(None) };
    let issued = IssuedCertificate {
        certificate: kept.certificate,
        authority: kept.authority,
    };
    let held = AgentKey::from_pem(&kept.key)
        .map_err(KeepError::from)
        .and_then(|key| Held::new(&key, &issued));
    match held {
        Ok(held) => Ok(Some(held)),
        Err(error) => {
            tracing::warn!(error = %chain(&error), "the certificate for clients on the disk is of no use; asking for a new one");
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests;
