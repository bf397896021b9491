//! Keys that sign: made anew, but for RSA, of which there are two for ever.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    rand::SystemRandom,
    rsa::PublicKeyComponents,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        EcdsaSigningAlgorithm, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
        RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
    },
};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject as _};
use serde_json::{Value, json};

use crate::Algorithm;

/// Nobody's keys: they were made for this file. The library that signs makes none of this kind.
const RSA: [&str; 2] = [include_str!("rsa-one.pem"), include_str!("rsa-two.pem")];

/// A private key with its public half.
pub struct SigningKey {
    id: String,
    algorithm: Algorithm,
    pair: Pair,
    public: Value,
}

enum Pair {
    Rsa(Box<RsaKeyPair>, &'static dyn RsaEncoding),
    Ec(Box<EcdsaKeyPair>, &'static str),
}

impl SigningKey {
    /// A key of that ID for `algorithm`: a new one, or for RSA always the same.
    #[must_use]
    pub fn new(id: &str, algorithm: Algorithm) -> Self {
        Self::make(id, algorithm, 0)
    }

    /// Another key than [`SigningKey::new`] makes.
    #[must_use]
    pub fn other(id: &str, algorithm: Algorithm) -> Self {
        Self::make(id, algorithm, 1)
    }

    fn make(id: &str, algorithm: Algorithm, which: usize) -> Self {
        let rsa = |encoding| Pair::Rsa(Box::new(rsa(RSA.get(which).unwrap_or(&""))), encoding);
        let pair = match algorithm {
            Algorithm::Rs256 => rsa(&RSA_PKCS1_SHA256),
            Algorithm::Rs384 => rsa(&RSA_PKCS1_SHA384),
            Algorithm::Rs512 => rsa(&RSA_PKCS1_SHA512),
            Algorithm::Ps256 => rsa(&RSA_PSS_SHA256),
            Algorithm::Ps384 => rsa(&RSA_PSS_SHA384),
            Algorithm::Ps512 => rsa(&RSA_PSS_SHA512),
            Algorithm::Es256 => ec(&ECDSA_P256_SHA256_FIXED_SIGNING, "P-256"),
            Algorithm::Es384 => ec(&ECDSA_P384_SHA384_FIXED_SIGNING, "P-384"),
        };
        let mut public = match &pair {
            Pair::Rsa(pair, _) => {
                let parts = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({"kty": "RSA", "n": encoded(&parts.n), "e": encoded(&parts.e)})
            }
            Pair::Ec(pair, curve) => {
                let point = pair.public_key().as_ref().get(1..).unwrap_or_default();
                let (x, y) = point.split_at(point.len() / 2);
                json!({"kty": "EC", "crv": curve, "x": encoded(x), "y": encoded(y)})
            }
        };
        if let Some(members) = public.as_object_mut() {
            members.insert("kid".to_owned(), id.into());
            members.insert("alg".to_owned(), algorithm.name().into());
            members.insert("use".to_owned(), "sig".into());
        }
        Self {
            id: id.to_owned(),
            algorithm,
            pair,
            public,
        }
    }

    /// Its public half, a JSON Web Key.
    #[must_use]
    pub fn public(&self) -> &Value {
        &self.public
    }

    /// The header of what it signs.
    #[must_use]
    pub fn header(&self) -> Value {
        json!({"typ": "JWT", "alg": self.algorithm.name(), "kid": self.id})
    }

    /// Signs claims under any header, as this key's algorithm signs.
    #[must_use]
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    /// As [`SigningKey::sign`], with texts that need not be JSON.
    #[must_use]
    pub fn sign_text(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", encoded(header), encoded(claims));
        let signature = self.signature(signed.as_bytes());
        format!("{signed}.{}", encoded(signature))
    }

    fn signature(&self, message: &[u8]) -> Vec<u8> {
        let dice = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(*encoding, &dice, message, &mut signature)
                    .expect("the key signs");
                signature
            }
            Pair::Ec(pair, _) => {
                let signature = pair.sign(&dice, message).expect("the key signs");
                signature.as_ref().to_vec()
            }
        }
    }
}

/// Base64url without padding.
pub(super) fn encoded(octets: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(octets)
}

fn rsa(pem: &str) -> RsaKeyPair {
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).expect("the file holds a key");
    RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).expect("the key is in order")
}

fn ec(kind: &'static EcdsaSigningAlgorithm, curve: &'static str) -> Pair {
    let dice = SystemRandom::new();
    let der = EcdsaKeyPair::generate_pkcs8(kind, &dice).expect("the system has randomness");
    let pair = EcdsaKeyPair::from_pkcs8(kind, der.as_ref(), &dice);
    Pair::Ec(Box::new(pair.expect("the key is in order")), curve)
}
