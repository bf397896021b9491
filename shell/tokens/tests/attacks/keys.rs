//! The keys of an issuer, as they are given.

use model::IssuerKeys;
use runtime::tasks::Tasks;
use serde_json::{Value, json};
use tokens::{
    Algorithm, IssuerError, KeySetError, Verifier, check,
    testing::{self, SigningKey},
};

use crate::rig::{HOLDER, NOW, changed, claims, rules};

/// A set of the key's public half with these members changed.
fn set(key: &SigningKey, but: Value) -> String {
    json!({"keys": [changed(key.public().clone(), but)]}).to_string()
}

async fn believes(keys: String, key: &SigningKey) -> bool {
    let verifier = Verifier::new(&[rules(keys)], Tasks::new());
    let token = key.sign(&key.header(), &claims());
    verifier.verify(HOLDER, &token, NOW).await.is_ok()
}

#[tokio::test]
async fn a_key_without_a_word_of_its_own_is_for_what_is_usual() {
    for (algorithm, is_usual) in [
        (Algorithm::Rs256, true),
        (Algorithm::Rs512, false),
        (Algorithm::Ps256, false),
        (Algorithm::Es256, true),
        (Algorithm::Es384, true),
    ] {
        let key = SigningKey::new("k1", algorithm);
        let keys = set(&key, json!({"alg": null, "use": null}));
        assert_eq!(believes(keys, &key).await, is_usual, "{algorithm}");
    }
}

#[tokio::test]
async fn keys_for_something_else_are_passed_over() {
    let key = SigningKey::new("k1", Algorithm::Es256);
    let rsa = SigningKey::new("k1", Algorithm::Rs256);
    let x = key.public()["x"].as_str().unwrap();
    for (key, but) in [
        (&key, json!({"use": "enc"})),
        (&key, json!({"use": 1})),
        (&key, json!({"key_ops": ["sign"]})),
        (&key, json!({"key_ops": "verify"})),
        (&key, json!({"kid": null})),
        (&key, json!({"kid": 1})),
        (&key, json!({"alg": "ES384"})),
        (&key, json!({"alg": "RS256"})),
        (&key, json!({"alg": "HS256"})),
        (&key, json!({"alg": "none"})),
        (&key, json!({"alg": 1})),
        (&key, json!({"crv": "P-384"})),
        (&key, json!({"crv": "P-521"})),
        (&key, json!({"crv": "secp256k1"})),
        (&key, json!({"kty": "oct", "k": "AAAA"})),
        (&key, json!({"kty": "OKP"})),
        (&key, json!({"kty": "RSA"})),
        (&key, json!({"x": null})),
        (&key, json!({"x": format!("{x}=")})),
        (&key, json!({"x": format!("AA{x}")})),
        (&key, json!({"x": "AAAA"})),
        (&rsa, json!({"alg": "ES256"})),
        (&rsa, json!({"kty": "EC"})),
        (&rsa, json!({"n": null})),
        // 1024 bits.
        (&rsa, json!({"n": format!("8{}", "A".repeat(170))})),
    ] {
        let keys = set(key, but.clone());
        let refused = check(&rules(keys.clone()));
        assert_eq!(refused, Err(IssuerError::Keys(KeySetError::Empty)), "{but}");
        assert!(!believes(keys, key).await, "{but}");
    }
    // Among others, a good one is found.
    let keys = json!({"keys": [1, {}, {"kty": "oct", "kid": "k1", "k": "AAAA"}, key.public()]});
    assert!(believes(keys.to_string(), &key).await);
    let operations = set(&key, json!({"key_ops": ["verify", "sign"]}));
    assert!(believes(operations, &key).await);
}

#[tokio::test]
async fn points_that_are_not_on_the_curve_verify_nothing() {
    let key = SigningKey::new("k1", Algorithm::Es256);
    let zero = "A".repeat(43);
    for but in [json!({"y": zero}), json!({"x": zero, "y": zero})] {
        assert!(!believes(set(&key, but), &key).await);
    }
}

#[tokio::test]
async fn an_exponent_of_one_verifies_nothing() {
    let key = SigningKey::new("k1", Algorithm::Rs256);
    for e in ["AQ", "AA", "", "Ag"] {
        assert!(!believes(set(&key, json!({"e": e})), &key).await, "{e}");
    }
    // A sign octet before the number is no other number.
    assert!(believes(set(&key, json!({"e": "AAEAAQ"})), &key).await);
}

#[tokio::test]
async fn the_first_of_two_keys_of_one_id_counts() {
    let (first, second) = (
        SigningKey::new("k1", Algorithm::Es256),
        SigningKey::other("k1", Algorithm::Es256),
    );
    let both = testing::key_set_of(&[&first, &second]);
    assert!(believes(both.clone(), &first).await);
    assert!(!believes(both, &second).await);
}

#[test]
fn texts_that_are_no_key_sets_are_refused_by_reason() {
    for bad in [
        "",
        "{}",
        "[]",
        r#"{"keys":{}}"#,
        r#"{"keys":[],"keys":[]}"#,
        "-----BEGIN",
    ] {
        let refused = check(&rules(bad.to_owned()));
        assert_eq!(refused, Err(IssuerError::Keys(KeySetError::Form)), "{bad}");
    }
    let empty = check(&rules(r#"{"keys":[]}"#.to_owned()));
    assert_eq!(empty, Err(IssuerError::Keys(KeySetError::Empty)));
    let many = json!({"keys": vec![1; 65]}).to_string();
    assert_eq!(
        check(&rules(many)),
        Err(IssuerError::Keys(KeySetError::TooMany))
    );
    let good = testing::key_set_of(&[&SigningKey::new("k1", Algorithm::Es256)]);
    assert_eq!(check(&rules(good.clone())), Ok(()));
    let mut nobodys = rules(good.clone());
    nobodys.audiences = vec![String::new()];
    assert_eq!(check(&nobodys), Err(IssuerError::Audience));
    let mut nameless = rules(good);
    nameless.issuer.clear();
    assert_eq!(check(&nameless), Err(IssuerError::Unnamed));
    nameless.issuer = "http://issuer.test".to_owned();
    nameless.keys = IssuerKeys::Discovered;
    assert!(matches!(check(&nameless), Err(IssuerError::Place(_))));
}
