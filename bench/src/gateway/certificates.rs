//! An authority and one server's certificate, in the files that each program wants.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// The name that the certificate proves.
pub(crate) const NAME: &str = "bench.godwit.test";

/// Files.
pub(crate) struct Certificates {
    /// The authority's certificate.
    pub(crate) authority: PathBuf,
    /// The server's.
    pub(crate) chain: PathBuf,
    /// Its key.
    pub(crate) key: PathBuf,
    /// Both in one, as HAProxy wants them.
    pub(crate) both: PathBuf,
}

impl Certificates {
    pub(crate) fn create(directory: &Path) -> anyhow::Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "bench");
        let key = KeyPair::generate()?;
        let authority = params.self_signed(&key)?.pem();
        let issuer = Issuer::new(params, key);
        let own = KeyPair::generate()?;
        let mut params = CertificateParams::new([NAME.to_owned()])?;
        // One with its issuer's name would pass for its own issuer.
        params.distinguished_name.push(DnType::CommonName, NAME);
        let chain = params.signed_by(&own, &issuer)?.pem();
        let key = own.serialize_pem();
        let file = |name: &str, text: &str| -> anyhow::Result<PathBuf> {
            let path = directory.join(name);
            let written = File::create(&path).and_then(|mut file| file.write_all(text.as_bytes()));
            written.with_context(|| format!("write {}", path.display()))?;
            Ok(path)
        };
        Ok(Self {
            authority: file("ca.pem", &authority)?,
            chain: file("chain.pem", &chain)?,
            key: file("key.pem", &key)?,
            both: file("both.pem", &format!("{chain}{key}"))?,
        })
    }
}
