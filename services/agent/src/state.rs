//! What an agent keeps on disk: the desired state it acts on, and a file for each cache.
//!
//! `agent.json` holds the last desired state; `caches/<uid>/cache.json` holds what the agent
//! decided for one cache (addresses, the engines' passwords) and must not forget (epoch,
//! who leads each shard). Both are JSON of mode 0600, replaced whole (`docs/format/agent.md`).

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use model::{
    CacheUid, Doors, Epoch, LinkId, OperationId, RegionDesired, Secret, TransferFigures,
    TransferOutcome, shard::ShardMemory,
};
use runtime::durable::{self, FileError};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::certificate::KeptServerCertificate;

/// Counts incompatible changes of all files but `cache.json`.
const VERSION: u32 = 1;
/// Counts those of `cache.json`.
const CACHE_VERSION: u32 = 2;

/// A state file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    /// The file system refused.
    #[error("keep the agent's state")]
    File(#[from] FileError),
    /// The content is not what this version writes.
    #[error(
        "{} is not a state file of this version; restore it, or remove it to start over without what it remembers",
        path.display()
    )]
    Content {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    /// A newer Godwit wrote it.
    #[error("{} was written by a newer version of Godwit (format {found}, this one knows {known})", path.display())]
    Newer {
        path: PathBuf,
        found: u32,
        known: u32,
    },
    /// The directory cannot be listed.
    #[error("list {}", path.display())]
    List {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// `agent.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AgentFile {
    version: u32,
    /// The desired state that the agent acts on.
    pub(crate) desired: Option<RegionDesired>,
    /// Where the outbound halves listen, kept over restarts so that the other side finds them.
    pub(crate) relay: Option<SocketAddr>,
}

/// `identity.json`: who the agent is to the other agents. One file, so that key and certificate
/// always belong together.
#[derive(Serialize, Deserialize)]
pub(crate) struct IdentityFile {
    version: u32,
    /// The private key, PKCS #8 PEM.
    pub(crate) key: Secret,
    /// The certificate for it, PEM.
    pub(crate) certificate: String,
    /// The authority that issued it, PEM.
    pub(crate) authority: String,
}

impl IdentityFile {
    pub(crate) fn new(key: Secret, certificate: String, authority: String) -> Self {
        Self {
            version: VERSION,
            key,
            certificate,
            authority,
        }
    }
}

/// `cache.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CacheFile {
    version: u32,
    /// The highest epoch seen.
    pub(crate) epoch: Epoch,
    /// Where clients connect, kept for good; every listener has its port, also those that are not
    /// open. `None` before they could be had.
    pub(crate) doors: Option<Doors>,
    /// Where clients reached the engine itself, before there was a gateway: the direct door without
    /// TLS is to be there.
    pub(crate) former: Option<SocketAddr>,
    /// Where the leading engine listens, for Godwit alone; `None` before the first start.
    pub(crate) service: Option<SocketAddr>,
    /// The password of Godwit's own user in the cache's engines.
    pub(crate) internal: Secret,
    /// The password of the users that clients are there.
    pub(crate) clients: Secret,
    /// The link in which the cache's data is known to be the link's.
    pub(crate) in_step_once: Option<LinkId>,
    /// By shard index.
    pub(crate) shards: Vec<ShardFile>,
    /// What came of the transfer that is asked for: it is done once.
    #[serde(default)]
    pub(crate) transfer: Option<TransferFile>,
}

/// A transfer in `cache.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TransferFile {
    /// The order's.
    pub(crate) id: OperationId,
    /// What is known of it before it has ended.
    pub(crate) figures: TransferFigures,
    /// How it ended.
    pub(crate) outcome: Option<TransferOutcome>,
}

/// One shard in `cache.json`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct ShardFile {
    /// What the planner must not forget.
    pub(crate) memory: ShardMemory,
    /// Where the inbound half listens, kept over restarts so that the engine finds it again.
    pub(crate) inbound: Option<SocketAddr>,
    /// The revision of settings and keys that each node has, by index.
    pub(crate) applied: Vec<u64>,
    /// The index of a node that loads a data set from outside, and is none of the shard's nodes yet:
    /// what an earlier run left of it is worth nothing.
    #[serde(default)]
    pub(crate) staging: Option<u8>,
}

/// `cache.json` of version 1: clients connected to the leading engine, with the access keys.
#[derive(Deserialize)]
struct CacheFileV1 {
    epoch: Epoch,
    service: Option<SocketAddr>,
    internal: Secret,
    in_step_once: Option<LinkId>,
    shards: Vec<ShardFile>,
}

impl CacheFileV1 {
    fn migrate(self, clients: Secret) -> CacheFile {
        CacheFile {
            former: self.service,
            epoch: self.epoch,
            in_step_once: self.in_step_once,
            shards: self.shards,
            ..CacheFile::new(self.internal, clients)
        }
    }
}

impl CacheFile {
    pub(crate) fn new(internal: Secret, clients: Secret) -> Self {
        Self {
            version: CACHE_VERSION,
            epoch: Epoch::default(),
            doors: None,
            former: None,
            service: None,
            internal,
            clients,
            in_step_once: None,
            shards: Vec::new(),
            transfer: None,
        }
    }
}

/// The agent's directory.
#[derive(Debug, Clone)]
pub(crate) struct Directory(PathBuf);

impl Directory {
    /// The version of the files that are written.
    pub(crate) const VERSION: u32 = VERSION;

    pub(crate) fn open(path: &Path) -> Result<Self, StateError> {
        durable::make_directory(&path.join("caches"))?;
        Ok(Self(path.to_owned()))
    }

    pub(crate) fn root(&self) -> &Path {
        &self.0
    }

    /// A cache's own directory: its file and its nodes' working directories.
    pub(crate) fn cache(&self, uid: &CacheUid) -> PathBuf {
        self.0.join("caches").join(uid.as_str())
    }

    /// A node's working directory.
    pub(crate) fn node(&self, uid: &CacheUid, shard: u16, node: u8) -> PathBuf {
        self.cache(uid).join(format!("s{shard}n{node}"))
    }

    /// The files of a shard's link: journal, snapshots.
    pub(crate) fn link(&self, uid: &CacheUid, shard: u16) -> PathBuf {
        self.cache(uid).join(format!("s{shard}link"))
    }

    /// Files that are on their way in or out.
    pub(crate) fn transfer(&self, uid: &CacheUid) -> PathBuf {
        self.cache(uid).join("transfer")
    }

    /// Lost writes of a cache: they outlive its links, and go with it.
    pub(crate) fn lost(&self, uid: &CacheUid) -> PathBuf {
        self.cache(uid).join("lost")
    }

    fn cache_file(&self, uid: &CacheUid) -> PathBuf {
        self.cache(uid).join("cache.json")
    }

    pub(crate) fn read_agent(&self) -> Result<AgentFile, StateError> {
        let empty = AgentFile {
            version: VERSION,
            desired: None,
            relay: None,
        };
        Ok(read(&self.0.join("agent.json"))?.unwrap_or(empty))
    }

    pub(crate) fn write_agent(&self, file: &AgentFile) -> Result<(), StateError> {
        write(&self.0.join("agent.json"), file)
    }

    pub(crate) fn read_identity(&self) -> Result<Option<IdentityFile>, StateError> {
        read(&self.0.join("identity.json"))
    }

    pub(crate) fn write_identity(&self, file: &IdentityFile) -> Result<(), StateError> {
        write(&self.0.join("identity.json"), file)
    }

    pub(crate) fn read_server_certificate(
        &self,
    ) -> Result<Option<KeptServerCertificate>, StateError> {
        read(&self.0.join("server-certificate.json"))
    }

    pub(crate) fn write_server_certificate(
        &self,
        file: &KeptServerCertificate,
    ) -> Result<(), StateError> {
        write(&self.0.join("server-certificate.json"), file)
    }

    /// Reads a cache's file; one of an earlier version becomes one of this version, which is not
    /// written yet, with `clients` as what it lacks.
    pub(crate) fn read_cache(
        &self,
        uid: &CacheUid,
        clients: impl FnOnce() -> Secret,
    ) -> Result<Option<CacheFile>, StateError> {
        let path = self.cache_file(uid);
        let Some((version, bytes)) = read_bytes(&path, CACHE_VERSION)? else {
            return Ok(None);
        };
        if version < CACHE_VERSION {
            let before: CacheFileV1 = parse(&path, &bytes)?;
            return Ok(Some(before.migrate(clients())));
        }
        parse(&path, &bytes).map(Some)
    }

    pub(crate) fn write_cache(&self, uid: &CacheUid, file: &CacheFile) -> Result<(), StateError> {
        durable::make_directory(&self.cache(uid))?;
        write(&self.cache_file(uid), file)
    }

    /// Removes a cache's directory; an absent one is fine.
    pub(crate) fn remove_cache(&self, uid: &CacheUid) -> io::Result<()> {
        match fs::remove_dir_all(self.cache(uid)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// The caches that have a directory here.
    pub(crate) fn caches(&self) -> Result<Vec<CacheUid>, StateError> {
        let path = self.0.join("caches");
        let failed = |source| StateError::List {
            path: path.clone(),
            source,
        };
        let mut found = Vec::new();
        for entry in fs::read_dir(&path).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            found.push(CacheUid::new(name.to_string_lossy()));
        }
        found.sort();
        Ok(found)
    }
}

#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, StateError> {
    match read_bytes(path, VERSION)? {
        Some((_, bytes)) => parse(path, &bytes).map(Some),
        None => Ok(None),
    }
}

/// A file's bytes and its version, which is at most `known`.
fn read_bytes(path: &Path, known: u32) -> Result<Option<(u32, Vec<u8>)>, StateError> {
    let Some(bytes) = durable::read_if_there(path)? else {
        return Ok(None);
    };
    let Versioned { version } = parse(path, &bytes)?;
    if version > known {
        return Err(StateError::Newer {
            path: path.to_owned(),
            found: version,
            known,
        });
    }
    Ok(Some((version, bytes)))
}

fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, StateError> {
    serde_json::from_slice(bytes).map_err(|source| StateError::Content {
        path: path.to_owned(),
        source,
    })
}

fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), StateError> {
    let content = |source| StateError::Content {
        path: path.to_owned(),
        source,
    };
    let bytes = serde_json::to_vec_pretty(value).map_err(content)?;
    durable::write_durable(path, &bytes)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_back_as_they_were_written() {
        let dir = tempfile::tempdir().unwrap();
        let directory = Directory::open(dir.path()).unwrap();
        let uid = CacheUid::new("u1");
        let read = || directory.read_cache(&uid, || Secret::new("new")).unwrap();
        assert_eq!(read(), None);
        let mut file = CacheFile::new(Secret::new("s"), Secret::new("c"));
        file.epoch = Epoch(7);
        file.shards.push(ShardFile::default());
        directory.write_cache(&uid, &file).unwrap();
        assert_eq!(read(), Some(file));
        assert_eq!(directory.caches().unwrap(), std::slice::from_ref(&uid));
        directory.remove_cache(&uid).unwrap();
        directory.remove_cache(&uid).unwrap();
        assert_eq!(directory.caches().unwrap(), []);
    }

    #[test]
    fn a_caches_file_of_version_1_keeps_where_clients_connected() {
        let dir = tempfile::tempdir().unwrap();
        let directory = Directory::open(dir.path()).unwrap();
        let uid = CacheUid::new("u1");
        let before = r#"{"version":1,"epoch":7,"service":"127.70.0.1:6379","internal":"i",
            "in_step_once":null,"shards":[]}"#;
        durable::make_directory(&directory.cache(&uid)).unwrap();
        durable::write_durable(&directory.cache_file(&uid), before.as_bytes()).unwrap();
        let file = directory.read_cache(&uid, || Secret::new("new")).unwrap();
        let file = file.unwrap();
        assert_eq!(file.former, "127.70.0.1:6379".parse().ok());
        assert_eq!((file.service, file.epoch), (None, Epoch(7)));
        assert!(file.internal.matches("i") && file.clients.matches("new"));
        directory.write_cache(&uid, &file).unwrap();
        let again = directory.read_cache(&uid, || Secret::new("newer"));
        assert_eq!(again.unwrap(), Some(file));
    }

    #[test]
    fn foreign_and_newer_files_are_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let directory = Directory::open(dir.path()).unwrap();
        let path = dir.path().join("agent.json");
        durable::write_durable(&path, b"{\"version\":99}").unwrap();
        let error = directory.read_agent().unwrap_err().to_string();
        assert!(
            error.contains("agent.json") && error.contains("99"),
            "{error}"
        );
        durable::write_durable(&path, b"torn").unwrap();
        assert!(
            directory
                .read_agent()
                .unwrap_err()
                .to_string()
                .contains("agent.json")
        );
    }
}
