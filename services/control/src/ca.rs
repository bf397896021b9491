//! The authority that certifies the agents, in a file beside the store (`docs/format/store.md`).

use std::path::{Path, PathBuf};

use model::{Secret, StoreId, Timestamp};
use runtime::durable::{self, FileError};
use tls::{Authority, AuthorityError};

/// The file that holds certificate and key.
const FILE: &str = "authority.pem";
/// The file beside it that holds the certificate alone, for whoever has to trust it.
const CERTIFICATE_FILE: &str = "ca.pem";
/// How long before its end an authority is complained of.
const WARN_MS: u64 = 180 * 24 * 60 * 60 * 1000;

/// The certificate authority cannot be read or made.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityFileError {
    /// The file system refused.
    #[error("keep the certificate authority beside the store")]
    File(#[from] FileError),
    /// There is none, and none can be made.
    #[error("make the certificate authority of the store {store}")]
    Make {
        /// The store.
        store: StoreId,
        /// Why not.
        #[source]
        source: AuthorityError,
    },
    /// The file is damaged.
    #[error(
        "{} does not hold a certificate authority; restore it, or remove it to have a new one made (links stand still until every agent has a certificate of the new one)",
        path.display()
    )]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: AuthorityError,
    },
    /// The file came from another data directory.
    #[error(
        "{} is the certificate authority of the store {found}, and this store is {store}; restore the right one, or remove it to have a new one made",
        path.display()
    )]
    OtherStore {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        found: StoreId,
        /// The store in the same directory.
        store: StoreId,
    },
}

/// Reads the authority of `store` in the data directory; makes it when there is none. Its certificate
/// is there as a file of its own afterwards.
pub(crate) fn open(
    data: &Path,
    store: &StoreId,
    now: Timestamp,
) -> Result<Authority, AuthorityFileError> {
    let authority = read_or_make(data, store, now)?;
    let (path, pem) = (data.join(CERTIFICATE_FILE), authority.certificate_pem());
    if durable::read_if_there(&path)?.as_deref() != Some(pem.as_bytes()) {
        durable::write_durable(&path, pem.as_bytes())?;
    }
    Ok(authority)
}

fn read_or_make(
    data: &Path,
    store: &StoreId,
    now: Timestamp,
) -> Result<Authority, AuthorityFileError> {
    let path = data.join(FILE);
    let Some(bytes) = durable::read_if_there(&path)? else {
        return make(&path, store, now);
    };
    let pem = Secret::new(String::from_utf8_lossy(&bytes));
    let authority = Authority::from_pem(&pem).map_err(|source| AuthorityFileError::Content {
        path: path.clone(),
        source,
    })?;
    let found = authority.certificate().store();
    if found != store {
        return Err(AuthorityFileError::OtherStore {
            path,
            found: found.clone(),
            store: store.clone(),
        });
    }
    if authority.certificate().expires() < now.plus_ms(WARN_MS) {
        tracing::warn!(
            path = %path.display(),
            "The certificate authority expires soon; remove its file and start the control plane again to have a new one made"
        );
    }
    Ok(authority)
}

fn make(path: &Path, store: &StoreId, now: Timestamp) -> Result<Authority, AuthorityFileError> {
    let authority = Authority::create(store, now).map_err(|source| AuthorityFileError::Make {
        store: store.clone(),
        source,
    })?;
    durable::write_durable(path, authority.to_pem().reveal().as_bytes())?;
    tracing::info!(path = %path.display(), "Made a certificate authority for the agents");
    Ok(authority)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use runtime::chain;

    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn refusal(data: &Path, store: &StoreId) -> String {
        chain(&open(data, store, NOW).unwrap_err()).to_string()
    }

    #[test]
    fn it_is_made_once_and_is_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let store = StoreId::new("s1");
        let made = open(dir.path(), &store, NOW).unwrap();
        let path = dir.path().join(FILE);
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let found = open(dir.path(), &store, NOW).unwrap();
        assert_eq!(found.certificate(), made.certificate());
        let told = || durable::read_if_there(&dir.path().join(CERTIFICATE_FILE)).unwrap();
        assert_eq!(told().unwrap(), made.certificate_pem().as_bytes());
        // Who removes it gets another.
        durable::remove_if_there(&path).unwrap();
        let next = open(dir.path(), &store, NOW).unwrap();
        assert_ne!(next.certificate(), made.certificate());
        assert_eq!(told().unwrap(), next.certificate_pem().as_bytes());
    }

    #[test]
    fn what_is_not_this_stores_authority_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path(), &StoreId::new("s1"), NOW).unwrap();
        let path = dir.path().join(FILE);
        let before = durable::read_if_there(&path).unwrap();
        let refused = refusal(dir.path(), &StoreId::new("s2"));
        assert!(refused.contains("authority.pem"), "{refused}");
        assert!(
            refused.contains("store s1, and this store is s2"),
            "{refused}"
        );
        assert_eq!(durable::read_if_there(&path).unwrap(), before);
        for damaged in [&b""[..], b"\xff\xfe", b"torn"] {
            durable::write_durable(&path, damaged).unwrap();
            let refused = refusal(dir.path(), &StoreId::new("s1"));
            assert!(refused.contains("authority.pem does not hold"), "{refused}");
        }
    }
}
