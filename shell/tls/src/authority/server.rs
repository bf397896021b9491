//! Certificates for what clients connect to.

use model::{Region, Timestamp};
use rcgen::ExtendedKeyUsagePurpose;
use runtime::dice::Dice;

use super::{Authority, IssueError, RequestedKey};
use crate::{IssuedCertificate, ServerNames};

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
}
