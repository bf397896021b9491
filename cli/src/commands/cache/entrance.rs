//! Options of `godwit cache create` and `godwit cache update` that say how clients come in.

use clap::{Args, ValueEnum};
use client::CacheChange;

/// How clients come in.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "How clients come in")]
pub(super) struct Entrance {
    /// Listen without TLS, too (`=false`: with TLS alone)
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "true")]
    enable_non_ssl_port: Option<bool>,
    /// The lowest version of TLS that is spoken
    #[arg(long, value_name = "VERSION", value_parser = ["1.2", "1.3"])]
    minimum_tls_version: Option<String>,
    /// Let clients connect, or nobody
    #[arg(long, value_enum, value_name = "ACCESS")]
    public_network_access: Option<PublicAccess>,
    /// Take tokens alone; needs `--set aad-enabled=true` (`=false`: access keys, too)
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "true")]
    disable_access_keys: Option<bool>,
}

/// `publicNetworkAccess`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PublicAccess {
    /// Clients may connect, as far as the firewall admits them.
    Enabled,
    /// Nobody may connect.
    Disabled,
}

impl Entrance {
    /// The IDs of its options.
    pub(super) const OPTIONS: [&'static str; 4] = [
        "enable_non_ssl_port",
        "minimum_tls_version",
        "public_network_access",
        "disable_access_keys",
    ];

    /// Adds what was said to a change.
    pub(super) fn add_to(self, change: &mut CacheChange) {
        change.enable_non_ssl_port = self.enable_non_ssl_port;
        change.minimum_tls_version = self.minimum_tls_version;
        change.public_network_access = self
            .public_network_access
            .map(|access| access == PublicAccess::Enabled);
        change.disable_access_keys = self.disable_access_keys;
    }
}
