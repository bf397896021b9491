//! What the API's listeners show to clients: a certificate of the deployment's own authority, or the
//! operator's; exchanged while connections go on.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use model::Secret;
use runtime::chain;
use tls::{
    FrontError, FrontTls, HostNames, OwnCertificateError, ServerCertificate, ServerCertificateError,
};
use tokio::{fs::File, io::AsyncReadExt as _, time::sleep};

use crate::{ApiCertificate, plane::Plane};

/// Between two looks at the operator's files.
const LOOK: Duration = Duration::from_secs(5);
/// Between two looks at the time that is left to an own certificate.
const RENEWAL_LOOK: Duration = Duration::from_secs(3600);
/// More than any chain of certificates has.
const LONGEST: u64 = 1 << 20;

/// The API's listeners have nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// TLS cannot be set up.
    #[error("set up https for the management API")]
    Front(#[from] FrontError),
    /// The authority does not issue one.
    #[error("certify the management API")]
    Own(#[from] OwnCertificateError),
    /// A file cannot be read.
    #[error("read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the attempt met.
        #[source]
        source: io::Error,
    },
    /// The operator's files are of no use.
    #[error("use {} with the key in {}", files.certificate.display(), files.key.display())]
    Files {
        /// The files.
        files: ApiCertificate,
        /// What is wrong with them.
        #[source]
        source: ServerCertificateError,
    },
}

/// What is shown, and where it comes from.
pub(crate) struct Certificates {
    front: FrontTls,
    source: Source,
}

enum Source {
    Own(HostNames),
    Files(ApiCertificate),
}

impl Certificates {
    /// Has a first certificate: the operator's if there are `files`, else one for `names`.
    pub(crate) async fn new(
        plane: &Plane,
        names: HostNames,
        files: Option<ApiCertificate>,
    ) -> Result<Self, CertificateError> {
        let source = match files {
            Some(files) => Source::Files(files),
            None => Source::Own(names),
        };
        let front = FrontTls::new()?;
        let certificates = Self { front, source };
        let first = certificates.next(plane).await?;
        certificates.front.set_certificate(first);
        Ok(certificates)
    }

    /// What accepts clients with it.
    pub(crate) fn front(&self) -> FrontTls {
        self.front.clone()
    }

    async fn next(&self, plane: &Plane) -> Result<ServerCertificate, CertificateError> {
        match &self.source {
            Source::Own(names) => {
                let now = plane.clock.now();
                Ok(plane.authority.certify_own(names, now, &plane.dice)?)
            }
            Source::Files(files) => {
                let chain = read(&files.certificate).await?;
                let key = Secret::new(read(&files.key).await?);
                let read = ServerCertificate::from_pem(&chain, &key);
                read.map_err(|source| CertificateError::Files {
                    files: files.clone(),
                    source,
                })
            }
        }
    }

    /// Exchanges it for ever, when its files are others or its time is running out.
    pub(crate) async fn follow(self, plane: Arc<Plane>) {
        let mut told = None;
        loop {
            let due = match &self.source {
                Source::Own(_) => {
                    sleep(RENEWAL_LOOK).await;
                    let shown = self.front.certificate();
                    let now = plane.clock.now();
                    shown.is_none_or(|shown| shown.validity().is_nearly_over(now))
                }
                Source::Files(_) => {
                    sleep(LOOK).await;
                    true
                }
            };
            if !due {
                continue;
            }
            match self.next(&plane).await {
                Ok(next) => {
                    self.show(next);
                    told = None;
                }
                Err(error) => {
                    let why = chain(&error).to_string();
                    if told.as_ref() != Some(&why) {
                        tracing::error!(
                            error = why,
                            "The certificate of the management API cannot be exchanged; the one before is shown on"
                        );
                    }
                    told = Some(why);
                }
            }
        }
    }

    fn show(&self, next: ServerCertificate) {
        let shown = self.front.certificate();
        if shown.is_some_and(|shown| shown.is_same(&next)) {
            return;
        }
        tracing::info!(
            names = next.names().join(", "),
            expires_ms = next.validity().until.0,
            "The management API shows another certificate"
        );
        self.front.set_certificate(next);
    }
}

async fn read(path: &PathBuf) -> Result<String, CertificateError> {
    let failed = |source| CertificateError::Read {
        path: path.clone(),
        source,
    };
    let file = File::open(path).await.map_err(failed)?;
    let mut text = String::new();
    let mut beginning = file.take(LONGEST);
    beginning.read_to_string(&mut text).await.map_err(failed)?;
    Ok(text)
}
