//! What is claimed: for whom, by whom, when.

use model::Timestamp;
use serde_json::{Value, json};
use tokens::{Algorithm, TokenError, testing::AUDIENCE};

use crate::rig::{Given, HOLDER, ISSUER, NOW, claims};

const SECONDS: u64 = NOW.0 / 1000;

#[tokio::test]
async fn a_good_token_says_until_when_it_lets_in() {
    for algorithm in Algorithm::ALL {
        let given = Given::new(algorithm);
        let verified = given.claim(&claims()).await.unwrap();
        assert_eq!(verified.object_id, HOLDER);
        assert_eq!(verified.issuer, ISSUER);
        assert_eq!(verified.expires, Timestamp((SECONDS + 3600) * 1000));
    }
}

#[tokio::test]
async fn times_have_a_minute_of_leeway_and_no_more() {
    let given = Given::new(Algorithm::Es256);
    for good in [
        json!({"exp": SECONDS - 59}),
        json!({"exp": SECONDS + 1}),
        json!({"exp": u64::MAX}),
        json!({"exp": 1e300}),
        json!({"exp": 1_800_000_010.5}),
        json!({"nbf": SECONDS + 60}),
        json!({"iat": SECONDS + 60}),
        json!({"nbf": null, "iat": null}),
        json!({"nbf": 0, "iat": 0}),
    ] {
        assert!(given.claim_but(good.clone()).await.is_ok(), "{good}");
    }
    for past in [SECONDS - 60, SECONDS - 3600, 0] {
        let error = given.claim_but(json!({"exp": past})).await.unwrap_err();
        assert!(matches!(error, TokenError::Expired { .. }), "{error}");
    }
    for name in ["nbf", "iat"] {
        for future in [SECONDS + 61, SECONDS + 3600, u64::MAX] {
            let error = given.claim_but(json!({name: future})).await.unwrap_err();
            assert!(matches!(error, TokenError::NotYet { .. }), "{error}");
            assert!(error.is_transient());
        }
    }
    let error = given.claim_but(json!({"exp": SECONDS - 3600})).await;
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("expired 3600 s ago")
    );
}

#[tokio::test]
async fn a_clock_that_jumps_an_hour_refuses_until_it_is_right_again() {
    let given = Given::new(Algorithm::Es256);
    let token = given.key.sign(&given.key.header(), &claims());
    let at = |ms: u64| given.verifier.verify(HOLDER, &token, Timestamp(ms));
    assert!(at(NOW.0).await.is_ok());
    let early = at(NOW.0 - 3_600_000).await.unwrap_err();
    assert!(matches!(early, TokenError::NotYet { .. }), "{early}");
    let late = at(NOW.0 + 3_660_000).await.unwrap_err();
    assert!(matches!(late, TokenError::Expired { .. }), "{late}");
    assert!(at(NOW.0).await.is_ok());
    for extreme in [0, u64::MAX] {
        assert!(at(extreme).await.is_err());
    }
}

#[tokio::test]
async fn times_that_are_no_times_are_refused() {
    let given = Given::new(Algorithm::Es256);
    for name in ["exp", "nbf", "iat"] {
        for odd in [
            json!("1900000000"),
            json!(-1),
            json!(true),
            json!([1]),
            json!({}),
        ] {
            let error = given.claim_but(json!({name: odd})).await.unwrap_err();
            assert_eq!(error, TokenError::Claim(name), "{odd}");
        }
    }
    let error = given.claim_but(json!({"exp": null})).await.unwrap_err();
    assert_eq!(error, TokenError::Claim("exp"));
    let text = claims()
        .to_string()
        .replace(r#""nbf":1800000000"#, r#""nbf":null"#);
    let null = given.key.sign_text(&given.key.header().to_string(), &text);
    assert_eq!(
        given.show(&null).await.unwrap_err(),
        TokenError::Claim("nbf")
    );
}

#[tokio::test]
async fn the_audience_is_one_of_ours_letter_by_letter() {
    let given = Given::new(Algorithm::Es256);
    for good in [
        json!(AUDIENCE),
        json!("second"),
        json!(["else", AUDIENCE]),
        json!([AUDIENCE, "else"]),
    ] {
        assert!(
            given.claim_but(json!({"aud": good})).await.is_ok(),
            "{good}"
        );
    }
    for other in [
        json!("https://caches.test/"),
        json!("https://CACHES.test"),
        json!("https://caches.tes"),
        json!(" https://caches.test"),
        json!(""),
        json!([]),
        json!(["else"]),
        json!("https://caches.test,second"),
    ] {
        let error = given.claim_but(json!({"aud": other})).await.unwrap_err();
        assert!(
            matches!(error, TokenError::Audience { .. }),
            "{other}: {error}"
        );
    }
    for odd in [
        Value::Null,
        json!(1),
        json!({"a": AUDIENCE}),
        json!([AUDIENCE, 1]),
    ] {
        let error = given.claim_but(json!({"aud": odd})).await.unwrap_err();
        assert_eq!(error, TokenError::Claim("aud"), "{odd}");
    }
}

#[tokio::test]
async fn the_issuer_is_a_configured_one_letter_by_letter() {
    let given = Given::new(Algorithm::Es256);
    for other in [
        json!("https://issuer.test/tenant"),
        json!("https://issuer.test/other/"),
        json!("https://ISSUER.test/tenant/"),
        json!("https://issuer.test/tenant/\u{0}"),
        json!(""),
    ] {
        let error = given.claim_but(json!({"iss": other})).await.unwrap_err();
        assert!(matches!(error, TokenError::UnknownIssuer { .. }), "{error}");
    }
    for odd in [Value::Null, json!(1), json!([ISSUER])] {
        let error = given.claim_but(json!({"iss": odd})).await.unwrap_err();
        assert_eq!(error, TokenError::Claim("iss"), "{odd}");
    }
}

#[tokio::test]
async fn a_token_is_its_holders_alone() {
    let given = Given::new(Algorithm::Es256);
    for other in [
        json!("5d0c4f30-0000-4000-8000-0000000000ab"),
        json!(HOLDER.to_uppercase()),
        json!(format!("{HOLDER} ")),
        json!(""),
        json!("*"),
    ] {
        let error = given.claim_but(json!({"oid": other})).await.unwrap_err();
        assert!(matches!(error, TokenError::OtherHolder { .. }), "{other}");
    }
    for odd in [Value::Null, json!(1), json!([HOLDER])] {
        let error = given.claim_but(json!({"oid": odd, "sub": HOLDER})).await;
        assert_eq!(error.unwrap_err(), TokenError::Claim("oid"), "{odd}");
    }
    // An empty name is nobody's, whatever a token says.
    let token = given.key.sign(
        &given.key.header(),
        &crate::rig::changed(claims(), json!({"oid": ""})),
    );
    let error = given.verifier.verify("", &token, NOW).await.unwrap_err();
    assert!(matches!(error, TokenError::OtherHolder { .. }), "{error}");
}

#[tokio::test]
async fn members_that_stand_twice_are_refused() {
    let given = Given::new(Algorithm::Es256);
    let (header, text) = (given.key.header().to_string(), claims().to_string());
    let doubled = |name: &str, value: &str| {
        let rest = text.strip_prefix('{').unwrap();
        [
            format!(r#"{{"{name}":{value},{rest}"#),
            format!(r#"{},"{name}":{value}}}"#, text.strip_suffix('}').unwrap()),
        ]
    };
    let mut cases = Vec::new();
    cases.extend(doubled("aud", r#""else""#));
    cases.extend(doubled("oid", &format!(r#""{HOLDER}""#)));
    cases.extend(doubled("exp", "99999999999"));
    cases.extend(doubled(r"\u0065xp", "99999999999"));
    cases.extend(doubled("more", r#"{"a":1,"a":1}"#));
    for case in cases {
        let token = given.key.sign_text(&header, &case);
        assert_eq!(given.show(&token).await, Err(TokenError::Form), "{case}");
    }
    let named = r#"{"alg":"ES256","kid":"k1","alg":"none"}"#;
    let token = given.key.sign_text(named, &text);
    assert_eq!(given.show(&token).await, Err(TokenError::Form));
}
