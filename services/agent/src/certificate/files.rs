//! The operator's own certificate, taken up again whenever its files change.

use std::{io, path::Path, time::Duration};

use model::Secret;
use runtime::{chain, clock::Clock};
use tls::{FrontTls, ServerCertificate, ServerCertificateError};
use tokio::{fs::File, io::AsyncReadExt as _, time::sleep};

use super::CertificateFiles;

/// Between two looks at the files.
const PERIOD: Duration = Duration::from_secs(5);
/// More than any chain of certificates has.
const LONGEST: u64 = 1 << 20;

/// The files are of no use; the certificate before goes on.
#[derive(Debug, thiserror::Error)]
enum FilesError {
    #[error("read {}", path.display())]
    Read {
        path: std::path::PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("use {} with the key in {}", files.certificate.display(), files.key.display())]
    Content {
        files: CertificateFiles,
        #[source]
        source: ServerCertificateError,
    },
}

/// What a look at the files found, to tell the next one from it.
#[derive(PartialEq, Eq)]
enum Seen {
    Nothing,
    Unreadable(String),
    Content(Content),
}

#[derive(Clone)]
struct Content {
    chain: String,
    key: Secret,
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        self.chain == other.chain && self.key.matches(other.key.reveal())
    }
}

impl Eq for Content {}

/// Follows the files.
pub(crate) struct Follower {
    files: CertificateFiles,
    front: FrontTls,
    seen: Seen,
}

impl Follower {
    pub(super) fn new(files: CertificateFiles, front: FrontTls) -> Self {
        Self {
            files,
            front,
            seen: Seen::Nothing,
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            sleep(PERIOD).await;
            self.look().await;
        }
    }

    /// Reads the files, and takes up what is new in them. Whatever is wrong is told once; a
    /// certificate that was written before its key is right at the next look.
    pub(super) async fn look(&mut self) {
        let seen = match read(&self.files).await {
            Ok(content) => Seen::Content(content),
            Err(error) => Seen::Unreadable(chain(&error).to_string()),
        };
        if seen == self.seen {
            return;
        }
        match &seen {
            Seen::Nothing => {}
            Seen::Unreadable(why) => self.complain(why),
            Seen::Content(content) => match self.take(content) {
                Ok(certificate) => tell(&certificate),
                Err(error) => self.complain(&chain(&error).to_string()),
            },
        }
        self.seen = seen;
    }

    fn take(&self, content: &Content) -> Result<ServerCertificate, FilesError> {
        let certificate = ServerCertificate::from_pem(&content.chain, &content.key);
        let certificate = certificate.map_err(|source| FilesError::Content {
            files: self.files.clone(),
            source,
        })?;
        self.front.set_certificate(certificate.clone());
        Ok(certificate)
    }

    fn complain(&self, why: &str) {
        if self.front.certificate().is_some() {
            tracing::error!(
                error = why,
                "the certificate for clients cannot be exchanged; the one before is shown on"
            );
        } else {
            tracing::error!(
                error = why,
                "there is no certificate for clients, so none can connect by TLS; put it right, and it is taken up"
            );
        }
    }
}

fn tell(certificate: &ServerCertificate) {
    let validity = certificate.validity();
    tracing::info!(
        names = certificate.names().join(", "),
        expires_ms = validity.until.0,
        "clients are shown the operator's certificate"
    );
    if !validity.covers(Clock.now()) {
        tracing::error!(
            "the operator's certificate is not valid by this host's clock, so clients refuse it"
        );
    }
}

async fn read(files: &CertificateFiles) -> Result<Content, FilesError> {
    let chain = read_text(&files.certificate).await?;
    let key = Secret::new(read_text(&files.key).await?);
    Ok(Content { chain, key })
}

async fn read_text(path: &Path) -> Result<String, FilesError> {
    let failed = |source| FilesError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).await.map_err(failed)?;
    let mut text = String::new();
    let mut beginning = file.take(LONGEST);
    beginning.read_to_string(&mut text).await.map_err(failed)?;
    Ok(text)
}

#[cfg(test)]
mod tests;
