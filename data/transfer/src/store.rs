//! Object storage: what is written there is there whole or not at all.

use std::{io, path::Path as FilePath, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use model::{BlobPlace, SasRefused};
use object_store::{
    ClientOptions, Error, MultipartUpload, ObjectStore, ObjectStoreExt as _, RetryConfig,
    aws::AmazonS3Builder, azure::MicrosoftAzureBuilder, path::Path,
};
use tokio::{fs::File, io::AsyncReadExt as _, task::JoinSet};

use crate::{Progress, allowed::S3Settings, file::Chunks};

/// Bytes of a part at least, and parts at most: S3 takes 10,000 of them.
const PART: u64 = 8 << 20;
const PARTS: u64 = 9_000;
/// Parts that are under way at the same time, each in memory.
const AT_ONCE: usize = 4;
const CONNECTS_WITHIN: Duration = Duration::from_secs(10);
/// No byte for so long, and a request is given up and made again.
const SILENCE: Duration = Duration::from_secs(60);
const RETRIES: usize = 4;
const RETRIES_WITHIN: Duration = Duration::from_secs(60);

/// Storage that did not do as it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A blob, in the managed service's words.
    #[error(transparent)]
    Blob(#[from] SasRefused),
    /// S3-compatible storage.
    #[error("s3://{place} could not be used: {why}")]
    S3 {
        /// Bucket and key.
        place: String,
        /// Why, without what is secret.
        why: String,
    },
    /// The spooled file cannot be read back.
    #[error("read the spooled snapshot")]
    Spool(#[source] io::Error),
}

/// Where an object is, and how to get there.
pub(crate) struct Remote {
    store: Arc<dyn ObjectStore>,
    path: Path,
    shown: String,
    is_blob: bool,
    /// What never is in a text.
    secrets: Vec<String>,
}

/// TLS in the process is ring's.
fn provide_crypto() {
    // Somebody else may have, with the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn options() -> ClientOptions {
    ClientOptions::new()
        .with_allow_http(true)
        .with_connect_timeout(CONNECTS_WITHIN)
        .with_read_timeout(SILENCE)
        .with_timeout_disabled()
}

fn retries() -> RetryConfig {
    RetryConfig {
        max_retries: RETRIES,
        retry_timeout: RETRIES_WITHIN,
        ..RetryConfig::default()
    }
}

impl Remote {
    /// A blob: the place itself, or `file` in it.
    pub(crate) fn blob(place: &BlobPlace, file: Option<&str>) -> Result<Self, StoreError> {
        provide_crypto();
        let query = place.query.iter();
        let pairs: Vec<_> = query
            .clone()
            .map(|(name, value)| (name.clone(), value.reveal().to_owned()))
            .collect();
        let secrets = query
            .filter(|(name, _)| matches!(name.as_str(), "sig" | "skoid" | "sktid"))
            .map(|(_, value)| value.reveal().to_owned())
            .collect();
        let built = MicrosoftAzureBuilder::new()
            .with_account(&place.account)
            .with_container_name(&place.container)
            .with_endpoint(place.endpoint.clone())
            .with_sas_authorization(pairs)
            .with_allow_http(true)
            .with_client_options(options())
            .with_retry(retries())
            .build();
        let shown = joined(&place.to_string(), file);
        let store = built.map_err(|error| refused(true, &shown, &[], &error))?;
        Self::new(Arc::new(store), &place.path, file, shown, true, secrets)
    }

    /// An object of S3-compatible storage: `key`, or `file` below it.
    pub(crate) fn s3(
        settings: &S3Settings,
        bucket: &str,
        key: &str,
        file: Option<&str>,
    ) -> Result<Self, StoreError> {
        provide_crypto();
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(&settings.region)
            .with_access_key_id(&settings.access_key_id)
            .with_secret_access_key(settings.secret_access_key.reveal())
            .with_allow_http(true)
            .with_client_options(options())
            .with_retry(retries());
        let mut secrets = vec![settings.secret_access_key.reveal().to_owned()];
        if let Some(token) = &settings.session_token {
            builder = builder.with_token(token.reveal());
            secrets.push(token.reveal().to_owned());
        }
        if let Some(endpoint) = &settings.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        let shown = joined(
            &joined(bucket, Some(key).filter(|key| !key.is_empty())),
            file,
        );
        let built = builder.build();
        let store = built.map_err(|error| refused(false, &shown, &secrets, &error))?;
        Self::new(Arc::new(store), key, file, shown, false, secrets)
    }

    fn new(
        store: Arc<dyn ObjectStore>,
        path: &str,
        file: Option<&str>,
        shown: String,
        is_blob: bool,
        secrets: Vec<String>,
    ) -> Result<Self, StoreError> {
        let path = match (path, file) {
            ("", Some(file)) => file.to_owned(),
            (path, file) => joined(path, file),
        };
        let path = Path::parse(path).map_err(Error::from);
        let path = path.map_err(|error| refused(is_blob, &shown, &secrets, &error))?;
        Ok(Self {
            store,
            path,
            shown,
            is_blob,
            secrets,
        })
    }

    /// Where it is, without what opens it.
    pub(crate) fn shown(&self) -> String {
        if self.is_blob {
            self.shown.clone()
        } else {
            format!("s3://{}", self.shown)
        }
    }

    fn refused(&self, error: &Error) -> StoreError {
        refused(self.is_blob, &self.shown, &self.secrets, error)
    }

    /// Writes a file of so many bytes there. When this ends early, nothing is there that was not
    /// there before.
    pub(crate) async fn upload(
        &self,
        file: &FilePath,
        bytes: u64,
        progress: &Progress,
    ) -> Result<(), StoreError> {
        let mut file = File::open(file).await.map_err(StoreError::Spool)?;
        let begun = self.store.put_multipart(&self.path).await;
        let mut upload = begun.map_err(|error| self.refused(&error))?;
        let sent = self
            .send_parts(&mut file, bytes, &mut *upload, progress)
            .await;
        let done = match sent {
            Ok(()) => upload
                .complete()
                .await
                .map_err(|error| self.refused(&error)),
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            if let Err(left) = upload.abort().await {
                let why = self.refused(&left).to_string();
                tracing::warn!(why, "parts of an upload that was given up are left");
            }
            return Err(error);
        }
        Ok(())
    }

    async fn send_parts(
        &self,
        file: &mut File,
        bytes: u64,
        upload: &mut dyn MultipartUpload,
        progress: &Progress,
    ) -> Result<(), StoreError> {
        let part = PART.max(bytes.div_ceil(PARTS));
        let mut under_way = JoinSet::new();
        loop {
            let mut buffer = BytesMut::with_capacity(usize::try_from(part).unwrap_or(usize::MAX));
            let mut piece = (&mut *file).take(part);
            while piece
                .read_buf(&mut buffer)
                .await
                .map_err(StoreError::Spool)?
                > 0
            {}
            let buffer = buffer.freeze();
            if buffer.is_empty() {
                break;
            }
            while under_way.len() >= AT_ONCE {
                self.note_part(under_way.join_next().await, progress)?;
            }
            let length = buffer.len() as u64;
            let sending = upload.put_part(buffer.into());
            under_way.spawn(async move { sending.await.map(|()| length) });
        }
        while !under_way.is_empty() {
            self.note_part(under_way.join_next().await, progress)?;
        }
        Ok(())
    }

    fn note_part(
        &self,
        part: Option<Result<object_store::Result<u64>, tokio::task::JoinError>>,
        progress: &Progress,
    ) -> Result<(), StoreError> {
        match part {
            None => Ok(()),
            Some(Ok(Ok(bytes))) => {
                progress.advance(bytes);
                Ok(())
            }
            Some(Ok(Err(error))) => Err(self.refused(&error)),
            Some(Err(ended)) => Err(self.refused(&Error::from(ended))),
        }
    }

    /// Opens the object: its size, and its bytes to come.
    pub(crate) async fn open(self) -> Result<(u64, Download), StoreError> {
        let got = self.store.get(&self.path).await;
        let got = got.map_err(|error| self.refused(&error))?;
        let size = got.meta.size;
        let bytes = got.into_stream();
        Ok((size, Download { of: self, bytes }))
    }
}

/// An object's bytes, on their way.
pub(crate) struct Download {
    of: Remote,
    bytes: futures_util::stream::BoxStream<'static, object_store::Result<Bytes>>,
}

impl Download {
    /// Hands the bytes on. When the other end takes no more, it stops: the other end knows why.
    pub(crate) async fn run(mut self, to: Chunks, progress: &Progress) -> Result<(), StoreError> {
        while let Some(bytes) = self.bytes.next().await {
            let bytes = bytes.map_err(|error| self.of.refused(&error))?;
            progress.advance(bytes.len() as u64);
            if to.send(bytes).await.is_err() {
                break;
            }
        }
        Ok(())
    }
}

fn joined(folder: &str, file: Option<&str>) -> String {
    file.map_or_else(|| folder.to_owned(), |file| format!("{folder}/{file}"))
}

fn refused(is_blob: bool, shown: &str, secrets: &[String], error: &Error) -> StoreError {
    let why = without(reason(error), secrets);
    if is_blob {
        StoreError::Blob(SasRefused(format!("{why} ({shown}).")))
    } else {
        let place = shown.to_owned();
        StoreError::S3 { place, why }
    }
}

/// Why, in a few words: the storage's own code where it gives one.
fn reason(error: &Error) -> String {
    let told = error.to_string();
    let code = told
        .split_once("<Code>")
        .and_then(|(_, rest)| rest.split_once("</Code>"))
        .map(|(code, _)| code.chars().filter(char::is_ascii_alphanumeric).take(80));
    let code: Option<String> = code.map(Iterator::collect);
    let with_code = |what: &str| match &code {
        Some(code) => format!("{what} ({code})"),
        None => what.to_owned(),
    };
    match error {
        Error::NotFound { .. } => with_code("the storage has nothing there"),
        Error::PermissionDenied { .. } => with_code("the storage does not permit it"),
        Error::Unauthenticated { .. } => {
            with_code("the storage does not accept the signature or credentials")
        }
        Error::AlreadyExists { .. } | Error::Precondition { .. } => {
            with_code("something else is there, or is being written")
        }
        other => match code {
            Some(code) => format!("the storage answered {code}"),
            None => innermost(other),
        },
    }
}

/// The innermost error, which is about sockets and names.
fn innermost(error: &Error) -> String {
    let mut found: &dyn std::error::Error = error;
    while let Some(source) = found.source() {
        found = source;
    }
    let text: String = found.to_string().chars().take(300).collect();
    format!("the storage cannot be used: {text}")
}

fn without(text: String, secrets: &[String]) -> String {
    let hide = |text: String, secret: &String| match secret.len() {
        ..4 => text,
        _ => text.replace(secret.as_str(), "[secret]"),
    };
    secrets.iter().fold(text, hide)
}
