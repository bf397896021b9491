//! Tokens put together at random, from members that matter.

use fuzz_replay::tokens_of_anybody;
use proptest::{collection::vec, prelude::*, sample::select};

const HEADER: [&str; 12] = [
    r#""alg":"RS256""#,
    r#""alg":"none""#,
    r#""alg":"PS256""#,
    r#""kid":"k1""#,
    r#""kid":"k2""#,
    r#""kid":1"#,
    r#""crit":[]"#,
    r#""b64":false"#,
    r#""jku":"https://x""#,
    r#""jwk":{"kty":"RSA"}"#,
    r#""typ":"JWT""#,
    r#""\u0061lg":"RS256""#,
];

const CLAIMS: [&str; 22] = [
    r#""iss":"https://issuer.test/""#,
    r#""iss":"https://issuer.test""#,
    r#""iss":null"#,
    r#""aud":"https://caches.test""#,
    r#""aud":["x","https://caches.test"]"#,
    r#""aud":[]"#,
    r#""aud":["https://caches.test",1]"#,
    r#""oid":"holder""#,
    r#""oid":"Holder""#,
    r#""oid":["holder"]"#,
    r#""exp":1800000001"#,
    r#""exp":1799999941"#,
    r#""exp":1799999940"#,
    r#""exp":1799999940.0001"#,
    r#""exp":1e400"#,
    r#""exp":"1800000001""#,
    r#""nbf":1800000060"#,
    r#""nbf":1800000061"#,
    r#""iat":0"#,
    r#""iat":true"#,
    r#""\u0065xp":1900000000"#,
    r#""more":{"exp":1,"iss":"x"}"#,
];

/// A good token's members, and others, in any order.
fn members(good: &[&'static str], all: &'static [&'static str]) -> impl Strategy<Value = String> {
    let good = good.to_vec();
    let some = vec(select(all), 0..4);
    (some, any::<proptest::sample::Index>()).prop_map(move |(some, missing)| {
        let mut members = good.clone();
        members.extend(some);
        // Most are whole; some lack what a good one has.
        if missing.index(3) == 0 {
            members.remove(missing.index(members.len()));
        }
        let turn = missing.index(members.len().max(1));
        members.rotate_left(turn);
        format!("{{{}}}", members.join(","))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_is_signed_is_believed_only_if_it_claims_what_it_has_to(
        header in members(&[HEADER[0], HEADER[3]], &HEADER),
        claims in members(&[CLAIMS[0], CLAIMS[4], CLAIMS[7], CLAIMS[10]], &CLAIMS),
    ) {
        tokens_of_anybody(format!("\u{1}{header}\n{claims}").as_bytes());
    }

    #[test]
    fn a_changed_token_is_not_believed(changes in vec(any::<[u8; 3]>(), 0..4)) {
        tokens_of_anybody(&[&[2][..], &changes.concat()].concat());
    }

    #[test]
    fn a_text_is_not_believed(text in r"[A-Za-z0-9_\-=.]{0,80}\.[A-Za-z0-9_\-]{0,40}\.[A-Za-z0-9_\-]{0,40}") {
        tokens_of_anybody(&[&[0][..], text.as_bytes()].concat());
    }
}
