//! Where an issuer's documents may be fetched from.

use std::net::IpAddr;

use reqwest::Url;

/// An address of an issuer or of its keys that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// It is none.
    #[error("`{0}` is not a URL such as https://login.example/tenant/v2.0")]
    Url(String),
    /// Whoever is in between could give out keys of their own.
    #[error("refuse to fetch keys from {0}: use https, or http on loopback")]
    Plaintext(String),
}

/// A URL that documents are fetched from: `https`, or `http` on loopback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place(Url);

impl Place {
    pub(crate) fn parse(text: &str) -> Result<Self, PlaceError> {
        let bad = || PlaceError::Url(crate::error::shown(text));
        let url = Url::parse(text).map_err(|_no_url| bad())?;
        let host = url.host_str().ok_or_else(bad)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad());
        }
        match url.scheme() {
            "https" => Ok(Self(url)),
            "http" if is_loopback(host) => Ok(Self(url)),
            "http" => Err(PlaceError::Plaintext(url.into())),
            _ => Err(bad()),
        }
    }

    /// Where the discovery document of an issuer is (OpenID Connect Discovery 1.0, 4.1).
    pub(crate) fn discovery(issuer: &str) -> Result<Self, PlaceError> {
        let Self(url) = Self::parse(issuer)?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(PlaceError::Url(crate::error::shown(issuer)));
        }
        let base = issuer.strip_suffix('/').unwrap_or(issuer);
        Self::parse(&format!("{base}/.well-known/openid-configuration"))
    }

    pub(crate) fn url(&self) -> &Url {
        &self.0
    }

    /// Tells whether there is nothing between this process and the place.
    pub(crate) fn is_here(&self) -> bool {
        self.0.scheme() == "http"
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_below_the_issuer() {
        for (issuer, at) in [
            (
                "https://a.test",
                "https://a.test/.well-known/openid-configuration",
            ),
            (
                "https://a.test/",
                "https://a.test/.well-known/openid-configuration",
            ),
            (
                "https://a.test/t/v2.0",
                "https://a.test/t/v2.0/.well-known/openid-configuration",
            ),
            (
                "http://127.0.0.1:1/x/",
                "http://127.0.0.1:1/x/.well-known/openid-configuration",
            ),
            (
                "http://[::1]:1",
                "http://[::1]:1/.well-known/openid-configuration",
            ),
        ] {
            assert_eq!(Place::discovery(issuer).unwrap().url().as_str(), at);
        }
    }

    #[test]
    fn keys_come_from_nowhere_else() {
        for bad in [
            "",
            "a.test",
            "file:///etc/passwd",
            "ftp://a.test",
            "https://user@a.test",
            "https://a.test?x",
            "https://a.test#x",
        ] {
            assert!(
                matches!(Place::discovery(bad), Err(PlaceError::Url(_))),
                "{bad}"
            );
        }
        for plain in [
            "http://a.test",
            "http://10.0.0.1",
            "http://localhost.a.test",
        ] {
            let refused = Place::discovery(plain);
            assert!(matches!(refused, Err(PlaceError::Plaintext(_))), "{plain}");
        }
    }
}
