//! What exports and imports may use on an agent's host.

use std::path::PathBuf;

use agent::{Allowed, S3Settings};
use anyhow::{Context as _, bail};
use model::Secret;

/// Options of an agent. The credentials come by the environment: everybody on a host can see command
/// lines.
#[derive(Debug, clap::Args)]
pub(crate) struct TransferArgs {
    /// Directory below which exports may be written and imports read (`file://…`); repeat it for more
    /// [default: none]
    #[arg(long = "transfer-directory", value_name = "DIRECTORY")]
    directories: Vec<PathBuf>,
    /// URL of S3-compatible storage [default: Amazon's]. The credentials are AWS_ACCESS_KEY_ID,
    /// AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN of the environment
    #[arg(long, value_name = "URL", env = "AWS_ENDPOINT_URL")]
    s3_endpoint: Option<String>,
    /// Region of that storage
    #[arg(
        long,
        value_name = "REGION",
        env = "AWS_REGION",
        default_value = "us-east-1"
    )]
    s3_region: String,
    #[arg(long, hide = true, env = "AWS_ACCESS_KEY_ID", hide_env_values = true)]
    s3_access_key_id: Option<String>,
    #[arg(
        long,
        hide = true,
        env = "AWS_SECRET_ACCESS_KEY",
        hide_env_values = true
    )]
    #[arg(value_parser = secret)]
    s3_secret_access_key: Option<Secret>,
    #[arg(long, hide = true, env = "AWS_SESSION_TOKEN", hide_env_values = true)]
    #[arg(value_parser = secret)]
    s3_session_token: Option<Secret>,
}

fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text))
}

impl TransferArgs {
    /// What the agent may use.
    pub(super) fn allowed(self) -> anyhow::Result<Allowed> {
        for directory in &self.directories {
            let found = directory.canonicalize();
            let found = found.with_context(|| {
                format!("use {} for transfers (make it first)", directory.display())
            })?;
            if !found.is_dir() || found.parent().is_none() {
                bail!(
                    "{} is not a directory that can be allowed for transfers; name one, below `/`",
                    directory.display()
                );
            }
        }
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        let credentials = self.s3_access_key_id.zip(self.s3_secret_access_key);
        Ok(Allowed {
            directories: self.directories.into_iter().map(absolute).collect(),
            s3: credentials.map(|(access_key_id, secret_access_key)| S3Settings {
                endpoint: self.s3_endpoint,
                region: self.s3_region,
                access_key_id,
                secret_access_key,
                session_token: self.s3_session_token,
            }),
        })
    }
}
