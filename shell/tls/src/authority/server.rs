//! Certificates for what clients connect to.

use model::{Region, Timestamp};
use rcgen::ExtendedKeyUsagePurpose;
use runtime::dice::Dice;

use super::{Authority, IssueError, RequestedKey};
use crate::{
    AgentKey, HostNames, IssuedCertificate, KeyError, ServerCertificate, ServerCertificateError,
    ServerNames,
};

/// The control plane cannot certify itself.
#[derive(Debug, thiserror::Error)]
pub enum OwnCertificateError {
    /// There is no key.
    #[error("make the key of the control plane's certificate")]
    Key(#[from] KeyError),
    /// The authority does not issue it.
    #[error("issue the control plane's certificate")]
    Issue(#[from] IssueError),
    /// What was issued is of no use.
    #[error("use the control plane's certificate")]
    Use(#[from] ServerCertificateError),
}

impl Authority {
    /// Certifies the key of a request (PKCS #10 PEM) as that of the servers of `names`, which the
    /// agent of `region` runs, for thirty days. It is good for servers alone and names no agent. The
    /// names and extensions that the request asks for are ignored.
    pub fn issue_server(
        &self,
        region: &Region,
        names: &ServerNames,
        request: &str,
        now: Timestamp,
        dice: &Dice,
    ) -> Result<IssuedCertificate, IssueError> {
        let key = RequestedKey::read(request)?;
        let mut params = self.params(now, dice)?;
        params.distinguished_name = super::common_name(&format!("caches in {region}"));
        params.subject_alt_names = names.alternatives().map_err(IssueError::Sign)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params, &key)
    }

    /// Makes a key and certifies it as that of the control plane itself, which is reached by `names`,
    /// for thirty days. Key and certificate stay in this process's memory.
    pub fn certify_own(
        &self,
        names: &HostNames,
        now: Timestamp,
        dice: &Dice,
    ) -> Result<ServerCertificate, OwnCertificateError> {
        let own = AgentKey::generate()?;
        let key = RequestedKey::read(&own.request()?)?;
        let mut params = self.params(now, dice)?;
        params.distinguished_name = super::common_name("Godwit control plane");
        params.subject_alt_names = names.alternatives().map_err(IssueError::Sign)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let issued = self.sign(params, &key)?;
        Ok(ServerCertificate::issued(&own, &issued)?)
    }
}
