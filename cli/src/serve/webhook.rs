//! `--webhook`: who is told what the activity log tells.

use std::path::PathBuf;

use anyhow::Context as _;
use model::Secret;
use runtime::durable::read_if_there;

/// Options of whoever starts a control plane.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Webhook")]
pub(crate) struct WebhookArgs {
    /// Send what the activity log tells to this URL, signed as Standard Webhooks has it (https, or
    /// http on this machine)
    #[arg(long, value_name = "URL", requires = "webhook_secret_file")]
    webhook: Option<String>,
    /// File with the secret that messages are signed with: `whsec_` and base64, or other text of 24
    /// characters or more
    #[arg(long, value_name = "FILE", requires = "webhook")]
    webhook_secret_file: Option<PathBuf>,
    /// File with the certificates (PEM) that the webhook is verified by, instead of those that the
    /// system trusts
    #[arg(long, value_name = "FILE", requires = "webhook")]
    webhook_ca: Option<PathBuf>,
}

impl WebhookArgs {
    /// Reads the files that are named.
    pub(crate) fn read(&self) -> anyhow::Result<Option<control::WebhookConfig>> {
        let (Some(url), Some(secret)) = (&self.webhook, &self.webhook_secret_file) else {
            return Ok(None);
        };
        let authority = self.webhook_ca.as_ref().map(|path| {
            read_if_there(path)?.with_context(|| format!("there is no file {}", path.display()))
        });
        Ok(Some(control::WebhookConfig {
            url: Secret::new(url),
            secret: super::read_token(secret)?,
            authority: authority.transpose()?,
        }))
    }

    /// The same options for a control plane that is started from here; the files must be there.
    pub(crate) fn arguments(&self) -> anyhow::Result<Vec<String>> {
        self.read()?;
        let mut arguments = Vec::new();
        arguments.extend(self.webhook.as_ref().map(|url| format!("--webhook={url}")));
        let files = [
            ("webhook-secret-file", &self.webhook_secret_file),
            ("webhook-ca", &self.webhook_ca),
        ];
        for (name, path) in files {
            if let Some(path) = path {
                let path = std::path::absolute(path)
                    .with_context(|| format!("find the file {}", path.display()))?;
                arguments.push(format!("--{name}={}", path.display()));
            }
        }
        Ok(arguments)
    }
}
