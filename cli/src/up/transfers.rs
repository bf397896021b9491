//! What exports and imports of `godwit up` may use.

use std::path::PathBuf;

/// Directories for every agent. S3-compatible storage is as the environment says, which agents have
/// from here.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Transfers {
    /// Directory below which exports may be written and imports read (`file://…`); repeat it for more
    /// [default: none]. S3-compatible storage is as AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
    /// AWS_REGION and AWS_ENDPOINT_URL of the environment say
    #[arg(long = "transfer-directory", value_name = "DIRECTORY")]
    directories: Vec<PathBuf>,
}

impl Transfers {
    /// What an agent is started with.
    pub(super) fn arguments(&self) -> impl Iterator<Item = String> {
        self.directories.iter().map(|path| {
            let path = std::path::absolute(path).unwrap_or_else(|_odd| path.clone());
            format!("--transfer-directory={}", path.display())
        })
    }
}
