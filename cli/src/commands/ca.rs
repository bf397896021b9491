//! `godwit ca`.

use clap::Args;
use serde_json::json;

use crate::{arguments::Common, failure::Failure, session::management};

const AFTER_HELP: &str = "\
Examples:
  godwit ca > ca.pem
  valkey-cli --tls --cacert ca.pem -h 127.70.0.1 -p 6380
See docs/front-door/tls.md.";

/// Print the certificate that clients of the caches trust (PEM)
///
/// It is that of the deployment's own authority, which issues what the caches show. There is no
/// secret in it. Caches with certificates of your own (`--tls-certificate`) are another matter.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Ca {
    #[command(flatten)]
    common: Common,
}

impl Ca {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let pem = management(&self.common)?.certificate_authority().await?;
        let json = json!({ "certificate": pem });
        self.common.output.write(&json, || pem)
    }
}
