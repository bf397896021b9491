//! The agent's certificate: kept on disk, asked for when there is none, renewed in time.

use std::time::Duration;

use client::{Agents, RequestError};
use model::{Region, StoreId, Timestamp};
use runtime::{chain, clock::Clock};
use tls::{
    AgentKey, AuthorityCertificate, AuthorityError, CertificateRequest, Certified, CertifiedError,
    Identity, IssuedCertificate, KeyError,
};
use tokio::time::{sleep, timeout};

use crate::state::{Directory, IdentityFile, StateError};

/// Between two looks at the certificate and at the control plane's authority.
const PERIOD: Duration = Duration::from_secs(60);
/// How long a start waits for the control plane.
const SETTLE: Duration = Duration::from_secs(5);
/// The first wait after a failure; it doubles up to [`PERIOD`].
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// The agent goes on with the certificate that it has.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeepError {
    #[error("ask the control plane for the agent's certificate")]
    Ask(#[from] RequestError),
    #[error("read the control plane's authority")]
    Authority(#[from] AuthorityError),
    #[error("make the agent's key")]
    Key(#[from] KeyError),
    #[error("use the certificate that the control plane issued")]
    Issued(#[from] CertifiedError),
    #[error(
        "the control plane issued a certificate for the agent of `{found}` in answer to that of `{asked}`"
    )]
    Region { found: Region, asked: Region },
    #[error(
        "the control plane has the authority of store {found}, and this agent belongs to store {known}; give the old store back, or start the agent with an empty directory"
    )]
    OtherStore { found: StoreId, known: StoreId },
    #[error("keep the agent's certificate")]
    State(#[from] StateError),
}

/// Why a certificate is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    /// There is none.
    None,
    /// The control plane has another authority than the one that issued it.
    OtherAuthority,
    /// Less than a third of its time is left.
    NearlyOver,
}

fn due(held: Option<&Certified>, trusted: &AuthorityCertificate, now: Timestamp) -> Option<Due> {
    match held {
        None => Some(Due::None),
        Some(held) if held.authority() != trusted => Some(Due::OtherAuthority),
        Some(held) if held.validity().is_nearly_over(now) => Some(Due::NearlyOver),
        Some(_) => None,
    }
}

/// Keeps the agent's [`Identity`] provided with a certificate.
pub(crate) struct Keeper {
    identity: Identity,
    directory: Directory,
    client: Agents,
    /// The store that the agent follows, as far as it has met one.
    store: Option<StoreId>,
    /// Failures in a row; the first one is told.
    failures: u32,
}

impl Keeper {
    /// Takes up what is on the disk. Without a certificate the identity is vacant at first.
    pub(crate) fn open(
        directory: &Directory,
        region: &Region,
        store: Option<StoreId>,
        client: Agents,
    ) -> Result<Self, StateError> {
        let identity = match read(directory, region, store.as_ref())? {
            Some(certified) => Identity::new(certified),
            None => Identity::vacant(region.clone()),
        };
        Ok(Self {
            identity,
            directory: directory.clone(),
            client,
            store,
            failures: 0,
        })
    }

    /// The identity; it is the same one after every renewal.
    pub(crate) fn identity(&self) -> Identity {
        self.identity.clone()
    }

    /// Looks once, before the first connection: so an agent that is started again trusts nobody
    /// whom its control plane no longer does. It does not wait long for a silent control plane.
    pub(crate) async fn settle(&mut self) {
        if timeout(SETTLE, self.look(Clock.now())).await.is_err() {
            tracing::debug!("the control plane is slow; the certificate on the disk goes on");
        }
    }

    /// Looks after the certificate for ever.
    pub(crate) async fn run(mut self) {
        loop {
            self.look(Clock.now()).await;
            sleep(pause(self.failures)).await;
        }
    }

    async fn look(&mut self, now: Timestamp) {
        let Err(error) = self.check(now).await else {
            self.failures = 0;
            return;
        };
        if self.failures == 0 {
            let expires = self.identity.expires().map(|at| at.0);
            tracing::warn!(
                error = %chain(&error), expires_ms = expires,
                "the agent's certificate is not looked after; going on with what it has, and trying again"
            );
        }
        self.failures = self.failures.saturating_add(1);
    }

    /// Asks for a certificate if one is due, and puts it to use once it is on the disk.
    async fn check(&self, now: Timestamp) -> Result<(), KeepError> {
        let trusted = self.client.authority().await?;
        let trusted = AuthorityCertificate::from_pem(&trusted.authority)?;
        let held = self.identity.certified();
        let known = held.as_ref().map(Certified::store).or(self.store.as_ref());
        if let Some(known) = known.filter(|known| *known != trusted.store()) {
            return Err(KeepError::OtherStore {
                found: trusted.store().clone(),
                known: known.clone(),
            });
        }
        let Some(due) = due(held.as_ref(), &trusted, now) else {
            return Ok(());
        };
        let certified = self.ask().await?;
        self.directory.write_identity(&file(&certified))?;
        let validity = certified.validity();
        tracing::info!(
            ?due,
            expires_ms = validity.until.0,
            "the agent has a new certificate"
        );
        if !validity.covers(now) {
            tracing::error!(
                "the new certificate is not valid by this host's clock; compare it with the control plane's"
            );
        }
        self.identity.replace(certified);
        Ok(())
    }

    /// A new key, certified. An old key is never certified again.
    async fn ask(&self) -> Result<Certified, KeepError> {
        let key = AgentKey::generate()?;
        let region = self.identity.region();
        let request = CertificateRequest {
            region: region.clone(),
            request: key.request()?,
        };
        let issued = self.client.certificate(&request).await?;
        let certified = Certified::new(&key, issued)?;
        if certified.region() != region {
            return Err(KeepError::Region {
                found: certified.region().clone(),
                asked: region.clone(),
            });
        }
        Ok(certified)
    }
}

fn pause(failures: u32) -> Duration {
    match failures.checked_sub(1) {
        None => PERIOD,
        Some(more) => FIRST_RETRY
            .saturating_mul(2_u32.saturating_pow(more))
            .min(PERIOD),
    }
}

fn file(certified: &Certified) -> IdentityFile {
    let issued = certified.issued();
    IdentityFile::new(
        certified.key().clone(),
        issued.certificate.clone(),
        issued.authority.clone(),
    )
}

/// The certificate on the disk, if it is of use: another can be had, so a damaged one does not
/// keep the agent from starting.
fn read(
    directory: &Directory,
    region: &Region,
    store: Option<&StoreId>,
) -> Result<Option<Certified>, StateError> {
    let kept = match directory.read_identity() {
        Ok(kept) => kept,
        Err(error @ StateError::Content { .. }) => {
            tracing::warn!(error = %chain(&error), "asking for a new certificate");
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let Some(kept) = kept else { return Ok(None) };
    let issued = IssuedCertificate {
        certificate: kept.certificate,
        authority: kept.authority,
    };
    let certified = AgentKey::from_pem(&kept.key)
        .map_err(CertifiedError::from)
        .and_then(|key| Certified::new(&key, issued));
    match certified {
        Ok(certified) if certified.region() != region => {
            tracing::warn!(found = %certified.region(), "the certificate on the disk is another region's; asking for a new one");
            Ok(None)
        }
        Ok(certified) if store.is_some_and(|store| store != certified.store()) => {
            tracing::warn!(found = %certified.store(), "the certificate on the disk is another store's; asking for a new one");
            Ok(None)
        }
        Ok(certified) => Ok(Some(certified)),
        Err(error) => {
            tracing::warn!(error = %chain(&error), "the certificate on the disk is of no use; asking for a new one");
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests;
