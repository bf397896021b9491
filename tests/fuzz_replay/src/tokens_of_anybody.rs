//! Tokens: nothing is believed that no key signed, and of what a key signed only what says to be the
//! holder's, for these caches, now.

use std::{
    pin::pin,
    sync::LazyLock,
    task::{Context, Poll, Waker},
};

use model::{IssuerKeys, Timestamp, TokenIssuer};
use runtime::tasks::Tasks;
use serde_json::Value;
use tokens::{
    Algorithm, TokenError, Verified, Verifier,
    testing::{AUDIENCE, SigningKey, key_set_of},
};

use crate::{seeds::with_modes, take_byte};

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const HOLDER: &str = "holder";
const ISSUER: &str = "https://issuer.test/";
const HEADER: &str = r#"{"alg":"RS256","kid":"k1"}"#;
const CLAIMS: &str = r#"{"iss":"https://issuer.test/","aud":["x","https://caches.test"],"oid":"holder","exp":1800003600,"nbf":1800000000}"#;

struct World {
    /// The same one in every run, and it signs the same text in the same way.
    key: SigningKey,
    verifier: Verifier,
    good: String,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let key = SigningKey::new("k1", Algorithm::Rs256);
    let issuer = TokenIssuer {
        issuer: ISSUER.to_owned(),
        audiences: vec![AUDIENCE.to_owned()],
        keys: IssuerKeys::Given(key_set_of(&[&key])),
    };
    World {
        verifier: Verifier::new(&[issuer], Tasks::new()),
        good: key.sign_text(HEADER, CLAIMS),
        key,
    }
});

impl World {
    fn show(&self, token: &str) -> Result<Verified, TokenError> {
        let asked = pin!(self.verifier.verify(HOLDER, token, NOW));
        match asked.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(shown) => shown,
            Poll::Pending => panic!("keys that are given are not waited for"),
        }
    }
}

/// The first byte says what the others are: a token; a header and claims that the key signs; or
/// changes to a good token.
pub fn tokens_of_anybody(mut data: &[u8]) {
    let world = &*WORLD;
    let mode = take_byte(&mut data);
    match mode % 3 {
        0 => {
            let token = String::from_utf8_lossy(data);
            let shown = world.show(&token);
            assert!(shown.is_err() || token == world.good, "{token}");
        }
        1 => {
            let text = String::from_utf8_lossy(data);
            let (header, claims) = text.split_once('\n').unwrap_or((HEADER, &text));
            if let Ok(verified) = world.show(&world.key.sign_text(header, claims)) {
                hold(header, claims, &verified);
            }
        }
        _ => {
            let mut bytes = world.good.clone().into_bytes();
            for change in data.as_chunks::<3>().0 {
                let [high, low, new] = *change;
                let place = usize::from(u16::from_be_bytes([high, low])) % bytes.len();
                if let Some(byte) = bytes.get_mut(place) {
                    *byte = new & 0x7f;
                }
            }
            let token = String::from_utf8_lossy(&bytes);
            let shown = world.show(&token);
            assert_eq!(shown.is_ok(), token == world.good, "{token}");
        }
    }
}

/// What another reader makes of a token that was believed.
fn hold(header: &str, claims: &str, verified: &Verified) {
    let read = |text: &str| serde_json::from_str::<Value>(text).expect("it was believed");
    let (header, claims) = (read(header), read(claims));
    assert_eq!(
        (&header["alg"], &header["kid"]),
        (&"RS256".into(), &"k1".into())
    );
    assert!(header.get("crit").is_none());
    assert_eq!(
        (&claims["iss"], &claims["oid"]),
        (&ISSUER.into(), &HOLDER.into())
    );
    let ours = Value::from(AUDIENCE);
    let audience = &claims["aud"];
    let is_among = |all: &Vec<Value>| all.contains(&ours);
    assert!(*audience == ours || audience.as_array().is_some_and(is_among));
    let expires = claims["exp"].as_f64().expect("it was believed");
    assert!(expires > 1_799_999_939.0, "{expires}");
    for name in ["nbf", "iat"] {
        let from = claims
            .get(name)
            .map_or(0.0, |from| from.as_f64().unwrap_or(f64::MAX));
        assert!(from < 1_800_000_061.0, "{from}");
    }
    assert_eq!(verified.object_id, HOLDER);
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let world = &*WORLD;
    let unsigned = world.good.rsplit_once('.').map_or("", |(signed, _)| signed);
    let mut inputs = with_modes(
        &[0],
        [
            world.good.clone().into_bytes(),
            format!("{unsigned}.").into_bytes(),
            b"eyJhbGciOiJub25lIn0.e30.".to_vec(),
            b"..".to_vec(),
            b"".to_vec(),
        ],
    );
    let (name, claim) = (
        |header: &str| format!("{header}\n{CLAIMS}").into_bytes(),
        |claims: &str| format!("{HEADER}\n{claims}").into_bytes(),
    );
    let signed = [
        name(HEADER),
        name(r#"{"alg":"none","kid":"k1"}"#),
        name(r#"{"alg":"RS512","kid":"k1"}"#),
        name(r#"{"alg":"RS256","kid":"k1","kid":"k2"}"#),
        name(r#"{"alg":"RS256","kid":"k1","crit":["exp"]}"#),
        name(r#"{"alg":"RS256","kid":"k1","jwk":{"kty":"oct","k":"AA"},"jku":"https://x"}"#),
        name(r#"{"alg":"RS256","kid":"k\u0031","a":[[[{}]]]}"#),
        claim(&CLAIMS.replace("1800003600", "1.8e9")),
        claim(&CLAIMS.replace("1800003600", "1799999941")),
        claim(&CLAIMS.replace("1800003600", "-1")),
        claim(&CLAIMS.replace("1800003600", "\"1900000000\"")),
        claim(&CLAIMS.replace("1800000000", "1800000061")),
        claim(&CLAIMS.replace("\"oid\"", "\"oid\":\"x\",\"oid\"")),
        claim(&CLAIMS.replace("holder", "holder\\u0000")),
        claim(&CLAIMS.replace("holder", "h\\u006flder")),
        claim(&CLAIMS.replace("[\"x\",\"https://caches.test\"]", "\"https://caches.test\"")),
        claim(&CLAIMS.replace("[\"x\",", "[1,")),
        claim("[]"),
    ];
    inputs.extend(with_modes(&[1], signed));
    inputs.extend(with_modes(
        &[2],
        [vec![], vec![0, 40, b'A'], vec![0, 1, b'.', 1, 0, b'=']],
    ));
    inputs
}
