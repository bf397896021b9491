//! How the management API is reached by more than plain HTTP on one machine.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use control::{ApiCertificate, ApiConfig};

/// Options about how others reach the management API.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct ApiArgs {
    /// Serve the management API at another address as well, which others may reach: https alone
    #[arg(long, value_name = "ADDRESS")]
    https: Option<SocketAddr>,
    /// Host name or address that the management API is reached by, for its certificate; repeat it
    /// for each [default: localhost, and the addresses that it listens at]
    #[arg(
        long = "api-name",
        value_name = "NAME",
        conflicts_with = "api_certificate"
    )]
    names: Vec<String>,
    /// File with the certificate that the management API shows and its chain (PEM), read again whenever
    /// it changes [default: one of the deployment's own authority, whose certificate is ca.pem in
    /// the data directory]
    #[arg(long, value_name = "FILE", requires = "api_key")]
    api_certificate: Option<PathBuf>,
    /// File with the private key of --api-certificate (PEM, unencrypted)
    #[arg(long, value_name = "FILE", requires = "api_certificate")]
    api_key: Option<PathBuf>,
}

impl ApiArgs {
    /// For a control plane in this process.
    pub(super) fn config(self) -> ApiConfig {
        let files = self.api_certificate.zip(self.api_key);
        ApiConfig {
            https: self.https,
            names: self.names,
            certificate: files.map(|(certificate, key)| ApiCertificate { certificate, key }),
        }
    }

    /// For one that is started as a process of its own.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = String> {
        let file = |name: &str, path: &Path| {
            let path = std::path::absolute(path).unwrap_or_else(|_odd| path.to_owned());
            format!("--{name}={}", path.display())
        };
        let https = self.https.map(|address| format!("--https={address}"));
        let names = self.names.iter().map(|name| format!("--api-name={name}"));
        let certificate = self.api_certificate.as_deref();
        let key = self.api_key.as_deref();
        https
            .into_iter()
            .chain(names)
            .chain(certificate.map(|path| file("api-certificate", path)))
            .chain(key.map(|path| file("api-key", path)))
    }

    /// The URL by which tools reach it that insist on https; `here` is where it listens for this
    /// machine, which takes both.
    pub(crate) fn url(&self, here: SocketAddr) -> String {
        let at = self.https.unwrap_or(here);
        let named = self.names.first().filter(|_| self.https.is_some());
        match named {
            Some(name) if name.contains(':') => format!("https://[{name}]:{}", at.port()),
            Some(name) => format!("https://{name}:{}", at.port()),
            None if at.ip().is_unspecified() => format!("https://localhost:{}", at.port()),
            None => format!("https://{at}"),
        }
    }

    /// Tells whether clients trust the deployment's own authority here.
    pub(crate) fn is_the_authoritys(&self) -> bool {
        self.api_certificate.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_told_the_url_that_the_certificate_is_for() {
        let here: SocketAddr = "127.0.0.1:8080".parse().unwrap();
        let url = |https: Option<&str>, name: Option<&str>| {
            let args = ApiArgs {
                https: https.map(|address| address.parse().unwrap()),
                names: name.map(ToOwned::to_owned).into_iter().collect(),
                ..ApiArgs::default()
            };
            args.url(here)
        };
        let name = Some("godwit.example");
        for (https, name, expected) in [
            (None, None, "https://127.0.0.1:8080"),
            (None, name, "https://127.0.0.1:8080"),
            (Some("0.0.0.0:8443"), None, "https://localhost:8443"),
            (Some("10.0.0.1:8443"), None, "https://10.0.0.1:8443"),
            (Some("[::]:8443"), name, "https://godwit.example:8443"),
            (
                Some("[::]:8443"),
                Some("2001:db8::1"),
                "https://[2001:db8::1]:8443",
            ),
        ] {
            assert_eq!(url(https, name), expected);
        }
    }
}
