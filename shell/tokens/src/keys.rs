//! An issuer's public keys (RFC 7517), each with the one algorithm that it is for.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{RsaPublicKeyComponents, UnparsedPublicKey};
use serde_json::{Map, Value};

use crate::{Algorithm, algorithm::Method, strict};

/// More keys than this no issuer has at a time.
const KEYS: usize = 64;
/// The octets of the shortest RSA modulus that is believed: 2048 bits.
const MODULUS: usize = 256;

/// A text that is no set of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// It is something else.
    #[error("it is no JSON Web Key Set: an object with the member `keys`, a list")]
    Form,
    /// There are too many.
    #[error("it has more than {KEYS} keys")]
    TooMany,
    /// No key can be used.
    #[error(
        "it has no usable key: one for signatures, with a `kid`, RSA of 2048 bits or more, or EC on P-256 or P-384"
    )]
    Empty,
}

/// The keys of an issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeySet(Vec<Key>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    id: String,
    algorithm: Algorithm,
    public: Public,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Public {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Ec { point: Vec<u8> },
}

/// What a key says to a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Good,
    Bad,
    /// There is a key of that ID, and it is for another algorithm.
    OtherAlgorithm(Algorithm),
    /// There is no key of that ID.
    Unknown,
}

impl KeySet {
    /// Reads a JSON Web Key Set. Keys that are for something else, or of a kind that is not
    /// believed, are passed over, and so is a second one of the same ID.
    pub(crate) fn read(text: &[u8]) -> Result<Self, KeySetError> {
        let set = strict::object(text).ok_or(KeySetError::Form)?;
        let Some(Value::Array(all)) = set.get("keys") else {
            return Err(KeySetError::Form);
        };
        if all.len() > KEYS {
            return Err(KeySetError::TooMany);
        }
        let mut keys: Vec<Key> = Vec::new();
        for key in all.iter().filter_map(Value::as_object) {
            if let Some(key) = Key::read(key)
                && keys.iter().all(|known| known.id != key.id)
            {
                keys.push(key);
            }
        }
        if keys.is_empty() {
            return Err(KeySetError::Empty);
        }
        Ok(Self(keys))
    }

    /// Asks the key `id` about a signature.
    pub(crate) fn verify(
        &self,
        id: &str,
        algorithm: Algorithm,
        signed: &[u8],
        signature: &[u8],
    ) -> Verdict {
        let Some(key) = self.0.iter().find(|key| key.id == id) else {
            return Verdict::Unknown;
        };
        if key.algorithm != algorithm {
            return Verdict::OtherAlgorithm(key.algorithm);
        }
        if key.signed(signed, signature) {
            Verdict::Good
        } else {
            Verdict::Bad
        }
    }
}

impl Key {
    fn read(key: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| key.get(name).map(Value::as_str);
        if !matches!(text("use"), None | Some(Some("sig"))) || !may_verify(key.get("key_ops")) {
            return None;
        }
        let id = text("kid")??.to_owned();
        let octets = |name: &str| URL_SAFE_NO_PAD.decode(text(name)??).ok();
        let (usual, public) = match (text("kty")??, text("crv")) {
            ("RSA", _) => {
                let n = without_zeros(octets("n")?);
                let e = without_zeros(octets("e")?);
                if n.len() < MODULUS {
                    return None;
                }
                (Algorithm::Rs256, Public::Rsa { n, e })
            }
            ("EC", Some(Some(curve))) => {
                let usual = match curve {
                    "P-256" => Algorithm::Es256,
                    "P-384" => Algorithm::Es384,
                    _ => return None,
                };
                let point = [&[4_u8][..], &octets("x")?, &octets("y")?].concat();
                (usual, Public::Ec { point })
            }
            _ => return None,
        };
        // Without a word of its own a key is for what is usual for its kind.
        let algorithm = match text("alg") {
            None => usual,
            Some(name) => name?.parse().ok()?,
        };
        let fits = match (algorithm.method(), &public) {
            (Method::Rsa(_), Public::Rsa { .. }) => true,
            (Method::Ec(_, length), Public::Ec { point }) => {
                algorithm == usual && point.len() == 1 + 2 * length
            }
            (Method::Rsa(_), Public::Ec { .. }) | (Method::Ec(..), Public::Rsa { .. }) => false,
        };
        fits.then_some(Self {
            id,
            algorithm,
            public,
        })
    }

    fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        match (self.algorithm.method(), &self.public) {
            (Method::Rsa(parameters), Public::Rsa { n, e }) => {
                let key = RsaPublicKeyComponents { n, e };
                key.verify(parameters, message, signature).is_ok()
            }
            (Method::Ec(algorithm, _), Public::Ec { point }) => {
                let key = UnparsedPublicKey::new(algorithm, point);
                key.verify(message, signature).is_ok()
            }
            (Method::Rsa(_), Public::Ec { .. }) | (Method::Ec(..), Public::Rsa { .. }) => false,
        }
    }
}

fn may_verify(operations: Option<&Value>) -> bool {
    match operations {
        None => true,
        Some(operations) => operations
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one == "verify")),
    }
}

/// Some issuers write a sign octet before the number.
fn without_zeros(octets: Vec<u8>) -> Vec<u8> {
    let zeros = octets.iter().take_while(|octet| **octet == 0).count();
    octets.into_iter().skip(zeros).collect()
}
