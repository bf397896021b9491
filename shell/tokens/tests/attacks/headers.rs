//! What a header says, and how a token is written.

use model::TokenIssuer;
use runtime::tasks::Tasks;
use serde_json::{Value, json};
use tokens::{
    Algorithm, LONGEST, TokenError, Verifier,
    testing::{self, SigningKey},
};

use crate::rig::{Given, HOLDER, NOW, changed, claims, rules};

fn is_algorithm(error: &TokenError) -> bool {
    matches!(error, TokenError::Algorithm { .. })
}

#[tokio::test]
async fn no_signature_and_shared_secrets_are_no_signatures() {
    let given = Given::new(Algorithm::Rs256);
    for name in [
        "none",
        "None",
        "NONE",
        "nOnE",
        "",
        "HS256",
        "HS384",
        "HS512",
        "ES512",
        "ES256K",
        "EdDSA",
        "rs256",
        "RS256 ",
        "RS1",
        "A128KW",
        "dir",
        "\u{0}RS256",
    ] {
        let error = given.head_but(json!({"alg": name})).await.unwrap_err();
        assert!(is_algorithm(&error), "{name}: {error}");
        // And without the signature.
        let token = given
            .key
            .sign(&json!({"alg": name, "kid": "k1"}), &claims());
        let (signed, _) = token.rsplit_once('.').unwrap();
        let error = given.show(&format!("{signed}.")).await.unwrap_err();
        assert!(is_algorithm(&error), "{name}: {error}");
    }
    for odd in [Value::Null, json!(1), json!(["RS256"]), json!({})] {
        let error = given.head_but(json!({"alg": odd})).await.unwrap_err();
        assert_eq!(error, TokenError::Form, "{odd}");
    }
}

#[tokio::test]
async fn a_key_is_for_one_algorithm() {
    for (ours, theirs) in [
        (Algorithm::Rs256, Algorithm::Ps256),
        (Algorithm::Rs256, Algorithm::Rs512),
        (Algorithm::Ps384, Algorithm::Rs384),
        (Algorithm::Es256, Algorithm::Es384),
        (Algorithm::Rs256, Algorithm::Es256),
        (Algorithm::Es256, Algorithm::Rs256),
    ] {
        let given = Given::new(ours);
        // Signed well, by the same RSA key where it is one, in another way than the key is for.
        let token = SigningKey::new("k1", theirs);
        let token = token.sign(&token.header(), &claims());
        let error = given.show(&token).await.unwrap_err();
        let confused = TokenError::OtherAlgorithm {
            presented: theirs,
            expected: ours,
        };
        assert_eq!(error, confused);
        // And under the header of the key's own.
        let given_header = given.key.header();
        let token = SigningKey::new("k1", theirs).sign(&given_header, &claims());
        assert_eq!(given.show(&token).await, Err(TokenError::Signature));
    }
}

#[tokio::test]
async fn keys_that_a_token_brings_are_not_looked_at() {
    let given = Given::new(Algorithm::Es256);
    let thief = SigningKey::other("k1", Algorithm::Es256);
    for brought in [
        json!({"jwk": thief.public()}),
        json!({"jku": "http://127.0.0.1:1/keys"}),
        json!({"x5u": "http://127.0.0.1:1/chain"}),
        json!({"x5c": ["MIIB"]}),
        json!({"x5t": "AAAA", "x5t#S256": "AAAA"}),
    ] {
        let header = changed(thief.header(), brought.clone());
        let stolen = thief.sign(&header, &claims());
        assert_eq!(
            given.show(&stolen).await,
            Err(TokenError::Signature),
            "{brought}"
        );
        assert!(given.head_but(brought).await.is_ok());
    }
}

#[tokio::test]
async fn the_key_is_found_by_its_id_letter_by_letter() {
    let given = Given::new(Algorithm::Es256);
    for other in [
        "",
        "k",
        "k11",
        "K1",
        "k1 ",
        "k1\u{0}",
        "../k1",
        "k1' OR '1'='1",
        "k1/../k1",
    ] {
        let error = given.head_but(json!({"kid": other})).await.unwrap_err();
        assert!(
            matches!(error, TokenError::UnknownKey { .. }),
            "{other}: {error}"
        );
    }
    for odd in [Value::Null, json!(1), json!(["k1"])] {
        let error = given.head_but(json!({"kid": odd})).await.unwrap_err();
        assert_eq!(error, TokenError::NoKeyId, "{odd}");
    }
}

#[tokio::test]
async fn extensions_that_are_critical_are_refused() {
    let given = Given::new(Algorithm::Es256);
    for crit in [
        json!(["b64"]),
        json!(["exp"]),
        json!([]),
        json!("x"),
        json!(false),
    ] {
        let error = given.head_but(json!({"crit": crit, "b64": false})).await;
        assert_eq!(error.unwrap_err(), TokenError::Critical, "{crit}");
    }
    // What is not critical may be passed over.
    for more in [
        json!({"typ": "at+jwt"}),
        json!({"cty": "JWT"}),
        json!({"nonce": "x"}),
    ] {
        assert!(given.head_but(more.clone()).await.is_ok(), "{more}");
    }
}

#[tokio::test]
async fn a_changed_bit_anywhere_is_noticed() {
    for algorithm in [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256] {
        let given = Given::new(algorithm);
        let token = given.key.sign(&given.key.header(), &claims());
        for (at, old) in token.char_indices().step_by(7) {
            let new = if old == 'A' { 'B' } else { 'A' };
            let mut changed = token.clone();
            changed.replace_range(at..=at, &new.to_string());
            assert!(given.show(&changed).await.is_err(), "{at}: {changed}");
        }
        let (signed, signature) = token.rsplit_once('.').unwrap();
        for other in ["", "AAAA", &signature[4..], &format!("{signature}AAAA")] {
            let error = given.show(&format!("{signed}.{other}")).await.unwrap_err();
            assert_eq!(error, TokenError::Signature);
        }
    }
}

#[tokio::test]
async fn an_empty_ecdsa_signature_signs_nothing() {
    // r = s = 0, the "psychic" signature.
    for (algorithm, length) in [(Algorithm::Es256, 64), (Algorithm::Es384, 96)] {
        let given = Given::new(algorithm);
        let token = given.key.sign(&given.key.header(), &claims());
        let (signed, _) = token.rsplit_once('.').unwrap();
        let zeros = "A".repeat(length * 4 / 3 + usize::from(length % 3 != 0));
        let error = given.show(&format!("{signed}.{zeros}")).await.unwrap_err();
        assert!(matches!(error, TokenError::Signature), "{error}");
    }
}

#[tokio::test]
async fn a_token_is_written_in_one_way() {
    let given = Given::new(Algorithm::Es256);
    let token = given.key.sign(&given.key.header(), &claims());
    let parts: Vec<_> = token.split('.').collect();
    let [header, payload, signature] = parts[..] else {
        panic!("{token}");
    };
    for other in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        format!("{header}.{payload}"),
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.{signature}"),
        format!("{token}.a.b"),
        format!("{token}="),
        format!("{header}=.{payload}.{signature}"),
        format!("{header}.{payload}==.{signature}"),
        format!("{token}\n"),
        format!(" {token}"),
        format!("{header}. {payload}.{signature}"),
        format!("{header}.{payload}.{signature}%00"),
        format!("Bearer {token}"),
        format!("{header}..{signature}"),
        format!(".{payload}.{signature}"),
        token.replacen('.', "。", 1),
        json!({"protected": header, "payload": payload, "signature": signature}).to_string(),
        "hunter2".to_owned(),
        "\u{0}".to_owned(),
    ] {
        assert_eq!(given.show(&other).await, Err(TokenError::Form), "{other}");
    }
}

#[tokio::test]
async fn bits_behind_the_last_octet_are_another_token() {
    let given = Given::new(Algorithm::Es256);
    let token = given.key.sign(&given.key.header(), &claims());
    // 64 octets end with two bits and four that have to be zero.
    let last = token.chars().next_back().unwrap();
    let spelled = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let value = spelled.find(last).unwrap();
    for more in 1..16 {
        let other = spelled.chars().nth(value + more).unwrap();
        let other = format!("{}{other}", &token[..token.len() - 1]);
        assert_eq!(given.show(&other).await, Err(TokenError::Form), "{other}");
    }
}

#[tokio::test]
async fn long_tokens_are_not_looked_at() {
    let given = Given::new(Algorithm::Es256);
    let pad = |length: usize| json!({"pad": "x".repeat(length)});
    let large = changed(claims(), pad(LONGEST * 3 / 4 - 600));
    assert!(given.claim(&large).await.is_ok());
    for length in [LONGEST, 1 << 20] {
        let error = given.claim_but(pad(length)).await.unwrap_err();
        assert!(matches!(error, TokenError::TooLong { .. }), "{error}");
    }
    let error = given.show(&".".repeat(LONGEST + 1)).await.unwrap_err();
    assert!(matches!(error, TokenError::TooLong { .. }), "{error}");
    let deep = format!("{{\"a\":{}", "[".repeat(8_000));
    let deep = given.key.sign_text(&given.key.header().to_string(), &deep);
    assert_eq!(given.show(&deep).await, Err(TokenError::Form));
}

#[tokio::test]
async fn a_token_of_one_issuer_is_not_anothers() {
    let (ours, theirs) = (
        SigningKey::new("k1", Algorithm::Es256),
        SigningKey::other("k1", Algorithm::Es256),
    );
    let other = TokenIssuer {
        issuer: "https://other.test".to_owned(),
        ..rules(testing::key_set_of(&[&theirs]))
    };
    let both = [rules(testing::key_set_of(&[&ours])), other];
    let verifier = Verifier::new(&both, Tasks::new());
    // The other issuer signs in the name of the first, under the same key ID.
    let forged = theirs.sign(&theirs.header(), &claims());
    let error = verifier.verify(HOLDER, &forged, NOW).await.unwrap_err();
    assert_eq!(error, TokenError::Signature);
    let own = changed(claims(), json!({"iss": "https://other.test"}));
    let own = theirs.sign(&theirs.header(), &own);
    assert!(verifier.verify(HOLDER, &own, NOW).await.is_ok());
    verifier.replace(&both[..1]);
    let error = verifier.verify(HOLDER, &own, NOW).await.unwrap_err();
    assert!(matches!(error, TokenError::UnknownIssuer { .. }), "{error}");
    verifier.replace(&[]);
    assert!(!verifier.has_issuers());
}

#[tokio::test]
async fn no_error_shows_a_token() {
    let given = Given::new(Algorithm::Es256);
    let secret = "hunter2".repeat(50);
    for but in [
        json!({"oid": secret}),
        json!({"iss": secret}),
        json!({"aud": secret}),
    ] {
        let token = given.key.sign(&given.key.header(), &changed(claims(), but));
        let error = given.show(&token).await.unwrap_err().to_string();
        let (_, signature) = token.rsplit_once('.').unwrap();
        assert!(!error.contains(signature), "{error}");
        assert!(error.len() < 300, "{error}");
    }
    let error = given.claim_but(json!({"oid": "a\nb\u{1b}[31m"})).await;
    let error = error.unwrap_err().to_string();
    assert!(
        !error.contains('\n') && !error.contains('\u{1b}'),
        "{error}"
    );
}
