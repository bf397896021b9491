//! What the agent's operator lets transfers use.

use std::{
    io,
    path::{Component, Path, PathBuf},
};

use model::Secret;
use runtime::durable;

/// What transfers may use on this host.
#[derive(Debug, Clone, Default)]
pub struct Allowed {
    /// Directories below which files may be read and written; none: no local files.
    pub directories: Vec<PathBuf>,
    /// How S3-compatible storage is reached; `None`: not at all.
    pub s3: Option<S3Settings>,
}

/// How S3-compatible storage is reached.
#[derive(Debug, Clone)]
pub struct S3Settings {
    /// The URL of the storage; `None`: Amazon's, of the region.
    pub endpoint: Option<String>,
    /// The region.
    pub region: String,
    /// Who it is that asks.
    pub access_key_id: String,
    /// What proves it.
    pub secret_access_key: Secret,
    /// What proves it for a while, beside that.
    pub session_token: Option<Secret>,
}

/// A place that is not to be used.
#[derive(Debug, thiserror::Error)]
pub enum NotAllowed {
    /// No directory is allowed.
    #[error(
        "file://{path} cannot be used: the operator of this region's agent allows no directory for transfers (`--transfer-directory`)"
    )]
    NoDirectory {
        /// The path.
        path: String,
    },
    /// It is in none of those that are allowed.
    #[error(
        "file://{path} cannot be used: it is not below a directory that the operator of this region's agent allows for transfers ({allowed})"
    )]
    Elsewhere {
        /// The path.
        path: String,
        /// Those that are.
        allowed: String,
    },
    /// The file system refuses.
    #[error("file://{path} cannot be used")]
    Unusable {
        /// The path.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There are no credentials for S3.
    #[error(
        "s3://{bucket} cannot be used: the agent of this region has no credentials for S3-compatible storage (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in its environment)"
    )]
    NoS3 {
        /// The bucket.
        bucket: String,
    },
}

impl Allowed {
    /// The directory at `path`, made where it is missing.
    pub(crate) fn folder(&self, path: &str) -> Result<PathBuf, NotAllowed> {
        let wanted = PathBuf::from(path);
        let root = self.root_of(&wanted, path)?;
        let unusable = |source| NotAllowed::Unusable {
            path: path.to_owned(),
            source,
        };
        // What is there already must not lead out by a symbolic link.
        let there = wanted.ancestors().find(|part| part.exists());
        let there = there.unwrap_or(Path::new("/")).canonicalize();
        self.stays_within(&there.map_err(unusable)?, &root, path)?;
        durable::make_directory(&wanted).map_err(|error| unusable(io::Error::other(error)))?;
        let made = wanted.canonicalize().map_err(unusable)?;
        self.stays_within(&made, &root, path)?;
        Ok(made)
    }

    /// The file at `path`.
    pub(crate) fn file(&self, path: &str) -> Result<PathBuf, NotAllowed> {
        let wanted = PathBuf::from(path);
        let root = self.root_of(&wanted, path)?;
        let found = wanted
            .canonicalize()
            .map_err(|source| NotAllowed::Unusable {
                path: path.to_owned(),
                source,
            })?;
        self.stays_within(&found, &root, path)?;
        Ok(found)
    }

    /// The allowed directory that a path says it is in, as the file system calls it.
    fn root_of(&self, wanted: &Path, path: &str) -> Result<PathBuf, NotAllowed> {
        if self.directories.is_empty() {
            let path = path.to_owned();
            return Err(NotAllowed::NoDirectory { path });
        }
        let plain = wanted
            .components()
            .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
        let roots = self.directories.iter();
        let mut roots = roots.filter_map(|root| Some((root, root.canonicalize().ok()?)));
        roots
            .find(|(root, real)| plain && (wanted.starts_with(root) || wanted.starts_with(real)))
            .map(|(_, real)| real)
            .ok_or_else(|| self.elsewhere(path))
    }

    fn stays_within(&self, found: &Path, root: &Path, path: &str) -> Result<(), NotAllowed> {
        if found.starts_with(root) {
            return Ok(());
        }
        Err(self.elsewhere(path))
    }

    fn elsewhere(&self, path: &str) -> NotAllowed {
        let each = self
            .directories
            .iter()
            .map(|root| root.display().to_string());
        NotAllowed::Elsewhere {
            path: path.to_owned(),
            allowed: each.collect::<Vec<_>>().join(", "),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn files_are_found_below_allowed_directories_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, outside) = (dir.path().join("in"), dir.path().join("out"));
        for each in [&inside, &outside] {
            std::fs::create_dir(each).unwrap();
        }
        symlink(&outside, inside.join("way-out")).unwrap();
        let allowed = Allowed {
            directories: vec![inside.clone()],
            s3: None,
        };
        let folder = |path: &Path| allowed.folder(path.to_str().unwrap());
        assert!(folder(&inside.join("new/deep")).unwrap().is_dir());
        assert!(folder(&inside).is_ok());
        for bad in [
            outside.clone(),
            inside.join("way-out"),
            inside.join("way-out/new"),
            inside.join("../out"),
            dir.path().join("in-not"),
            PathBuf::from("/"),
        ] {
            let refused = folder(&bad).unwrap_err();
            assert!(
                matches!(refused, NotAllowed::Elsewhere { .. }),
                "{bad:?}: {refused}"
            );
        }
        assert!(!outside.join("new").exists());
        let file = |path: &Path| allowed.file(path.to_str().unwrap());
        std::fs::File::create(outside.join("a.rdb")).unwrap();
        symlink(outside.join("a.rdb"), inside.join("a.rdb")).unwrap();
        assert!(file(&inside.join("a.rdb")).is_err());
        assert!(matches!(
            file(&inside.join("absent")),
            Err(NotAllowed::Unusable { .. })
        ));
    }

    #[test]
    fn nothing_local_is_used_unless_the_operator_says_so() {
        let refused = Allowed::default().folder("/tmp").unwrap_err();
        assert!(
            refused.to_string().contains("--transfer-directory"),
            "{refused}"
        );
    }
}
