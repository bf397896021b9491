//! Tokens, as the gateways ask about them.

use gateway::{TokenRefused, Verified, Verify, Verifying};
use runtime::clock::Clock;
use tokens::Verifier;

/// The deployment's issuers.
#[derive(Debug)]
pub(super) struct Issuers(pub(super) Verifier);

impl Verify for Issuers {
    fn verify<'a>(&'a self, object_id: &'a str, token: &'a str) -> Verifying<'a> {
        Box::pin(async move {
            let believed = self.0.verify(object_id, token, Clock.now()).await;
            match believed {
                Ok(believed) => Ok(Verified {
                    object_id: believed.object_id,
                    expires: believed.expires,
                }),
                Err(error) => Err(TokenRefused(Box::new(error))),
            }
        })
    }
}
