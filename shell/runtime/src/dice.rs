//! Randomness, as a parameter: IDs and generated secrets.

use std::{fmt, sync::Arc};

use base64::Engine as _;
use model::Secret;
use parking_lot::Mutex;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

/// A shared source of randomness, seeded by the operating system or by a test.
#[derive(Clone)]
pub struct Dice(Arc<Mutex<StdRng>>);

impl Dice {
    /// Dice that nobody can predict.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that asks the system"
    )]
    pub fn from_system() -> Self {
        Self(Arc::new(Mutex::new(StdRng::from_rng(&mut rand::rng()))))
    }

    /// Dice that always fall the same way.
    pub fn from_seed(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(StdRng::seed_from_u64(seed))))
    }

    fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.lock().fill_bytes(&mut bytes);
        bytes
    }

    /// A GUID (version 4).
    pub fn guid(&self) -> String {
        uuid::Builder::from_random_bytes(self.bytes())
            .into_uuid()
            .to_string()
    }

    /// An access key as the managed service makes them: 32 random bytes in 44 base64 characters.
    pub fn access_key(&self) -> Secret {
        Secret::new(base64::engine::general_purpose::STANDARD.encode(self.bytes::<32>()))
    }

    /// A generated password or token of 43 characters that need no quoting anywhere.
    pub fn token(&self) -> Secret {
        Secret::new(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(self.bytes::<32>()))
    }

    /// Any number, to tell one thing from the next.
    pub fn number(&self) -> u64 {
        u64::from_le_bytes(self.bytes())
    }

    /// A number in `0..bound`, for jitter.
    pub fn below(&self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.number() % bound }
    }
}

impl fmt::Debug for Dice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dice")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_keys_are_44_characters_and_differ() {
        let dice = Dice::from_seed(1);
        let (a, b) = (dice.access_key(), dice.access_key());
        assert_eq!(a.reveal().len(), 44);
        assert_ne!(a, b);
    }

    #[test]
    fn the_same_seed_falls_the_same_way() {
        assert_eq!(Dice::from_seed(7).guid(), Dice::from_seed(7).guid());
    }
}
