//! The signature of a message: HMAC-SHA256 of its ID, the time of the attempt and its body.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::Secret;
use ring::hmac;

/// The beginning of a secret that is written in base64.
const PREFIX: &str = "whsec_";
/// No secret has fewer bytes.
const LEAST: usize = 24;

/// A secret that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// It is short enough to be guessed.
    #[error(
        "the webhook's secret has {found} bytes; use {LEAST} or more, such as `whsec_` and the output of `openssl rand -base64 32`"
    )]
    Short {
        /// Its bytes.
        found: usize,
    },
    /// What stands behind `whsec_` is not base64.
    #[error(
        "the webhook's secret begins with `whsec_`, and the rest is not base64; make a new one"
    )]
    NotBase64,
}

/// The key that messages are signed with.
pub struct SigningKey(hmac::Key);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

impl SigningKey {
    /// Reads a secret: `whsec_` and base64, or any other text as the bytes that it is.
    pub fn new(secret: &Secret) -> Result<Self, SecretError> {
        let text = secret.reveal().trim();
        let bytes = match text.strip_prefix(PREFIX) {
            Some(encoded) => STANDARD
                .decode(encoded)
                .map_err(|_not_base64| SecretError::NotBase64)?,
            None => text.as_bytes().to_vec(),
        };
        if bytes.len() < LEAST {
            return Err(SecretError::Short { found: bytes.len() });
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The value of the header `webhook-signature`. `seconds`: of the attempt, since the Unix epoch.
    pub(crate) fn sign(&self, id: &str, seconds: u64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{id}.{seconds}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_standard_is_signed_as_it_says() {
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let key = SigningKey::new(&secret).unwrap();
        let signature = key.sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn secrets_that_can_be_guessed_are_refused() {
        let refused = |text: &str| SigningKey::new(&Secret::new(text)).unwrap_err();
        assert_eq!(refused("hunter2"), SecretError::Short { found: 7 });
        assert_eq!(refused("whsec_aGk="), SecretError::Short { found: 2 });
        assert_eq!(refused("whsec_%"), SecretError::NotBase64);
        assert!(!refused("hunter2").to_string().contains("hunter2"));
        assert!(SigningKey::new(&Secret::new("x".repeat(24))).is_ok());
    }
}
