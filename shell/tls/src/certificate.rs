//! What a certificate says, read strictly, before anybody believes it.

use std::{net::IpAddr, time::Duration};

use model::Timestamp;
use x509_cert::{
    Certificate,
    der::{self, DateTime, Decode as _},
    ext::pkix::{SubjectAltName, name::GeneralName},
};

use crate::Validity;

/// How much of a text from outside is shown.
const SHOWN: usize = 200;

/// The claims of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claims {
    /// The only name, when there is exactly one and it is a URI.
    pub(crate) uri: Option<String>,
    /// Every name, for people.
    names: Vec<String>,
    subject: String,
    issuer: String,
    /// When its time begins.
    pub(crate) not_before: Timestamp,
    /// When its time ends.
    pub(crate) not_after: Timestamp,
}

impl Claims {
    /// Reads a certificate in DER.
    pub(crate) fn read(der: &[u8]) -> Result<Self, der::Error> {
        let certificate = Certificate::from_der(der)?;
        let tbs = certificate.tbs_certificate();
        let alternatives: Option<(bool, SubjectAltName)> = tbs
            .get_extension()
            .map_err(|_twice_or_odd| der::ErrorKind::Failed)?;
        let names = alternatives.map_or_else(Vec::new, |(_critical, names)| names.0);
        let uri = match names.as_slice() {
            [GeneralName::UniformResourceIdentifier(uri)] => Some(uri.as_str().to_owned()),
            _ => None,
        };
        Ok(Self {
            uri,
            names: names.iter().map(shown_name).collect(),
            subject: shown(&tbs.subject().to_string()),
            issuer: shown(&tbs.issuer().to_string()),
            not_before: timestamp(tbs.validity().not_before.to_unix_duration()),
            not_after: timestamp(tbs.validity().not_after.to_unix_duration()),
        })
    }

    /// Every name, for people.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// When it is valid.
    pub(crate) fn validity(&self) -> Validity {
        Validity {
            from: self.not_before,
            until: self.not_after,
        }
    }

    /// Whose certificate it says to be, and whose signature it says to have, for people.
    pub(crate) fn describe(&self) -> String {
        let who = if self.names.is_empty() {
            self.subject.clone()
        } else {
            self.names.join(", ")
        };
        format!("{who}, issued by {}", self.issuer)
    }
}

fn shown_name(name: &GeneralName) -> String {
    match name {
        GeneralName::UniformResourceIdentifier(uri) => shown(uri.as_str()),
        GeneralName::DnsName(dns) => shown(&format!("DNS:{}", dns.as_str())),
        GeneralName::IpAddress(octets) => shown_ip(octets.as_bytes()),
        GeneralName::OtherName(_)
        | GeneralName::Rfc822Name(_)
        | GeneralName::DirectoryName(_)
        | GeneralName::EdiPartyName(_)
        | GeneralName::RegisteredId(_) => "a name of another kind".to_owned(),
    }
}

fn shown_ip(octets: &[u8]) -> String {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    let ip = v4.or_else(|_longer| <[u8; 16]>::try_from(octets).map(IpAddr::from));
    ip.map_or_else(
        |_odd| "an address of an odd length".to_owned(),
        |ip| format!("IP:{ip}"),
    )
}

fn shown(text: &str) -> String {
    let text: String = text.chars().take(SHOWN).collect();
    text.escape_debug().to_string()
}

fn timestamp(since: Duration) -> Timestamp {
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A time for people: `2026-01-31T12:00:00Z`.
pub(crate) fn shown_time(at: Timestamp) -> String {
    let since = Duration::from_secs(at.0 / 1000);
    DateTime::from_unix_duration(since)
        .map_or_else(|_too_far| format!("{} ms", at.0), |time| time.to_string())
}
