//! Where snapshots are kept: a folder beside the agent, S3-compatible storage, a blob container.

use std::fmt;

use percent_encoding::percent_decode_str;

use crate::Secret;

/// Where snapshots are kept, or one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// `file:///…`: a folder or a file beside the agent, which its operator must have allowed.
    Local {
        /// An absolute path without `.`, `..` and empty parts.
        path: String,
    },
    /// `s3://bucket/…`, with the agent's own credentials.
    S3 {
        /// The bucket.
        bucket: String,
        /// What is behind it; may be empty.
        key: String,
    },
    /// `https://account.blob.…/container/…?…`: a container or a blob with a shared access signature.
    Blob(BlobPlace),
}

/// A container or a blob.
#[derive(Clone, PartialEq, Eq)]
pub struct BlobPlace {
    /// Scheme, host and port, and the account where that is part of the path.
    pub endpoint: String,
    /// The account.
    pub account: String,
    /// The container.
    pub container: String,
    /// The blob, or what the names of blobs begin with; may be empty.
    pub path: String,
    /// The query, by name and value.
    pub query: Vec<(String, Secret)>,
}

/// A text that is no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAPlace {
    /// It begins with something else than a scheme that is known.
    #[error(
        "it is none of file:///folder, s3://bucket/folder and https://account.blob.host/container?signature"
    )]
    Scheme,
    /// A path that is not plain.
    #[error(
        "its path must be absolute, without `.`, `..`, empty parts, a host, a query or control characters"
    )]
    Path,
    /// Something is wrong with the bucket or the path in it.
    #[error(
        "it takes the form s3://bucket/folder, with a bucket of lower-case letters, digits, `-` and `.`"
    )]
    Bucket,
    /// It names no account or container.
    #[error(
        "it takes the form https://account.blob.host/container, or http://address:port/account/container"
    )]
    Container,
}

impl Place {
    /// Reads a URL. Errors do not show it: it may hold a signature.
    pub fn parse(url: &str) -> Result<Self, NotAPlace> {
        let (scheme, rest) = url.split_once("://").ok_or(NotAPlace::Scheme)?;
        match scheme.to_ascii_lowercase().as_str() {
            "file" => local(rest),
            "s3" => bucket(rest),
            "http" => blob("http", rest).map(Self::Blob),
            "https" => blob("https", rest).map(Self::Blob),
            _ => Err(NotAPlace::Scheme),
        }
    }

    /// It names a file, and not what holds files alone.
    #[must_use]
    pub fn names_a_file(&self) -> bool {
        let path = match self {
            Self::Local { path } => path,
            Self::S3 { key, .. } => key,
            Self::Blob(blob) => &blob.path,
        };
        !path.is_empty()
    }
}

impl fmt::Display for Place {
    /// Without what opens it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local { path } => write!(f, "file://{path}"),
            Self::S3 { bucket, key } => write!(f, "s3://{}", joined(bucket, key)),
            Self::Blob(blob) => blob.fmt(f),
        }
    }
}

impl fmt::Display for BlobPlace {
    /// Without its query.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}",
            self.endpoint,
            joined(&self.container, &self.path)
        )
    }
}

impl fmt::Debug for BlobPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobPlace({self})")
    }
}

impl BlobPlace {
    /// A value of the query.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.reveal())
    }
}

fn joined(container: &str, path: &str) -> String {
    if path.is_empty() {
        container.to_owned()
    } else {
        format!("{container}/{path}")
    }
}

fn local(rest: &str) -> Result<Place, NotAPlace> {
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if path.contains(['?', '#']) {
        return Err(NotAPlace::Path);
    }
    let path = decoded(path).ok_or(NotAPlace::Path)?;
    let path = path.strip_prefix('/').ok_or(NotAPlace::Path)?;
    let path = path.strip_suffix('/').unwrap_or(path);
    if !is_plain(path) {
        return Err(NotAPlace::Path);
    }
    Ok(Place::Local {
        path: format!("/{path}"),
    })
}

fn bucket(rest: &str) -> Result<Place, NotAPlace> {
    if rest.contains(['?', '#']) {
        return Err(NotAPlace::Bucket);
    }
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    let key = decoded(key.strip_suffix('/').unwrap_or(key)).ok_or(NotAPlace::Bucket)?;
    let keyed = key.is_empty() || is_plain(&key);
    if bucket.is_empty() || bucket.len() > 63 || !bucket.chars().all(plain) || !keyed {
        return Err(NotAPlace::Bucket);
    }
    Ok(Place::S3 {
        bucket: bucket.to_owned(),
        key,
    })
}

fn blob(scheme: &str, rest: &str) -> Result<BlobPlace, NotAPlace> {
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (host, path) = rest.split_once('/').ok_or(NotAPlace::Container)?;
    let path = decoded(path.strip_suffix('/').unwrap_or(path)).ok_or(NotAPlace::Container)?;
    if host.is_empty() || host.contains(['@', '#', '\\']) || !is_plain(&path) {
        return Err(NotAPlace::Container);
    }
    // Storage that is reached by an address or a short name has the account in its path.
    let name = host.rsplit_once(':').map_or(host, |(name, _port)| name);
    let is_address = name.starts_with('[') || name.chars().all(|c| c.is_ascii_digit() || c == '.');
    let (endpoint, account, path) = if is_address || !name.contains('.') {
        let (account, path) = path.split_once('/').ok_or(NotAPlace::Container)?;
        let endpoint = format!("{scheme}://{host}/{account}");
        (endpoint, account.to_owned(), path)
    } else {
        let account = name.split('.').next().unwrap_or_default();
        let endpoint = format!("{scheme}://{host}");
        (endpoint, account.to_owned(), path.as_str())
    };
    let (container, path) = path.split_once('/').unwrap_or((path, ""));
    if account.is_empty() || container.is_empty() {
        return Err(NotAPlace::Container);
    }
    Ok(BlobPlace {
        endpoint,
        account,
        container: container.to_owned(),
        path: path.to_owned(),
        query: pairs(query).ok_or(NotAPlace::Container)?,
    })
}

fn pairs(query: &str) -> Option<Vec<(String, Secret)>> {
    let each = query.split('&').filter(|pair| !pair.is_empty());
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decoded(name)?, Secret::new(decoded(value)?)))
    };
    each.map(pair).collect()
}

fn decoded(text: &str) -> Option<String> {
    let text = percent_decode_str(text).decode_utf8().ok()?;
    let plain = !text.chars().any(char::is_control);
    plain.then(|| text.into_owned())
}

fn is_plain(path: &str) -> bool {
    path.split('/')
        .all(|part| !matches!(part, "" | "." | "..") && !part.contains('\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: &str) -> String {
        Place::parse(url).map_or_else(|error| format!("{error:?}"), |place| place.to_string())
    }

    #[test]
    fn places_are_read_and_shown_without_what_opens_them() {
        for (url, place) in [
            ("file:///srv/backups", "file:///srv/backups"),
            ("file:///srv/my%20backups/", "file:///srv/my backups"),
            ("file://localhost/srv", "file:///srv"),
            ("s3://bucket", "s3://bucket"),
            ("S3://my-bucket/a/b/", "s3://my-bucket/a/b"),
            (
                "https://acc.blob.core.windows.net/box?sv=2022&sig=hunter2",
                "https://acc.blob.core.windows.net/box",
            ),
            (
                "http://127.0.0.1:10000/devstoreaccount1/box/a%2Bb.rdb?sig=hunter2",
                "http://127.0.0.1:10000/devstoreaccount1/box/a+b.rdb",
            ),
        ] {
            assert_eq!(shown(url), place);
            assert!(!format!("{:?}", Place::parse(url)).contains("hunter2"));
        }
    }

    #[test]
    fn nothing_leads_out_of_its_folder() {
        for bad in [
            "file://host/srv",
            "file:///",
            "file:///srv/../etc",
            "file:///srv/%2e%2e/etc",
            "file:///srv//x",
            "file:///srv/./x",
            "file:///srv/a%00b",
            "file:///srv?x",
            "file:srv",
        ] {
            assert!(Place::parse(bad).is_err(), "{bad}");
        }
        for bad in [
            "s3://",
            "s3://UPPER/x",
            "s3://b/../x",
            "s3://b//x",
            "ftp://x/y",
            "/srv",
            "",
        ] {
            assert!(Place::parse(bad).is_err(), "{bad}");
        }
        for bad in [
            "https://host.example",
            "https://host.example/",
            "https://user@host.example/box",
            "http://127.0.0.1:1/account",
            "https://a.example/box/../other",
        ] {
            assert!(Place::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn accounts_are_found_in_hosts_and_in_paths() {
        let blob = |url| match Place::parse(url) {
            Ok(Place::Blob(blob)) => blob,
            other => panic!("{other:?}"),
        };
        let hosted = blob("https://acc.blob.core.windows.net/box/x/y.rdb?sig=a%2Bb%3D&se=1");
        assert_eq!(hosted.account, "acc");
        assert_eq!(
            (hosted.container.as_str(), hosted.path.as_str()),
            ("box", "x/y.rdb")
        );
        assert_eq!(hosted.query("sig"), Some("a+b="));
        let local = blob("http://localhost:10000/dev/box");
        assert_eq!(
            (local.account.as_str(), local.container.as_str()),
            ("dev", "box")
        );
        assert!(!Place::Blob(local).names_a_file());
    }
}
