//! The signatures that are believed (RFC 7518, 3.1), and no others: no `none`, no shared secrets.

use std::{fmt, str::FromStr};

use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, EcdsaVerificationAlgorithm,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
};

/// A signature algorithm, by its name in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
}

/// What verifies an algorithm's signatures.
pub(crate) enum Method {
    Rsa(&'static RsaParameters),
    /// With the octets of a coordinate of the curve.
    Ec(&'static EcdsaVerificationAlgorithm, usize),
}

impl Algorithm {
    /// Every one.
    pub const ALL: [Self; 8] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
    ];

    /// Its name in a header.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
        }
    }

    pub(crate) fn method(self) -> Method {
        match self {
            Self::Rs256 => Method::Rsa(&RSA_PKCS1_2048_8192_SHA256),
            Self::Rs384 => Method::Rsa(&RSA_PKCS1_2048_8192_SHA384),
            Self::Rs512 => Method::Rsa(&RSA_PKCS1_2048_8192_SHA512),
            Self::Ps256 => Method::Rsa(&RSA_PSS_2048_8192_SHA256),
            Self::Ps384 => Method::Rsa(&RSA_PSS_2048_8192_SHA384),
            Self::Ps512 => Method::Rsa(&RSA_PSS_2048_8192_SHA512),
            Self::Es256 => Method::Ec(&ECDSA_P256_SHA256_FIXED, 32),
            Self::Es384 => Method::Ec(&ECDSA_P384_SHA384_FIXED, 48),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is none of the algorithms'.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no signature algorithm of that name is believed")]
pub struct NotBelieved;

impl FromStr for Algorithm {
    type Err = NotBelieved;

    /// Letter by letter: `rs256` is another name.
    fn from_str(name: &str) -> Result<Self, NotBelieved> {
        let mut all = Self::ALL.into_iter();
        all.find(|algorithm| algorithm.name() == name)
            .ok_or(NotBelieved)
    }
}
