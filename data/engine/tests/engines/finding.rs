//! Which programs are taken for engines.

use std::fs::File;

use engine::{EngineChoice, FindError, find};
use model::EngineKind;

use crate::support::{House, script, search};

#[tokio::test]
async fn installed_engines_are_found_by_make_by_path_and_by_default() {
    for kind in [EngineKind::Valkey, EngineKind::Redis] {
        let found = find(&EngineChoice::Kind(kind), &search()).await.unwrap();
        assert_eq!(found.version.kind, kind);
        assert!(found.path.is_absolute());
        let again = find(&EngineChoice::Path(found.path.clone()), &[])
            .await
            .unwrap();
        assert_eq!(again, found);
    }
    let chosen = find(&EngineChoice::Auto, &search()).await.unwrap();
    assert_eq!(chosen.version.kind, EngineKind::Valkey);
    assert_eq!("redis".parse(), Ok(EngineChoice::Kind(EngineKind::Redis)));
    assert_eq!("/opt/x".parse(), Ok(EngineChoice::Path("/opt/x".into())));
}

#[tokio::test]
async fn a_missing_engine_is_told_with_what_to_install() {
    let house = House::new();
    let error = find(&EngineChoice::Auto, &[house.root().to_owned()])
        .await
        .unwrap_err();
    assert!(matches!(error, FindError::Missing { searched: 1, .. }));
    let text = error.to_string();
    assert!(
        text.contains("install") && text.contains("`valkey-server`"),
        "{text}"
    );
    assert!(text.contains("`redis-server`"), "{text}");
    let error = find(&EngineChoice::Path(house.path("none")), &[])
        .await
        .unwrap_err();
    assert!(matches!(error, FindError::NotAProgram { .. }), "{error}");
}

#[tokio::test]
async fn an_engine_that_is_too_old_is_named_with_the_minimum() {
    let house = House::new();
    let old = script(
        house.root(),
        "redis-server",
        "echo 'Redis server v=6.0.16 sha=0:0 bits=64'",
    );
    let error = find(
        &EngineChoice::Kind(EngineKind::Redis),
        &[house.root().to_owned()],
    )
    .await;
    let error = error.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, FindError::TooOld { path, .. } if path == old));
    assert!(
        text.contains("redis 6.0.16") && text.contains("redis 7.0"),
        "{text}"
    );
}

#[tokio::test]
async fn an_old_valkey_does_not_hide_a_redis_that_works() {
    let house = House::new();
    script(
        house.root(),
        "valkey-server",
        "echo 'Valkey server v=7.0.0 bits=64'",
    );
    let redis = script(
        house.root(),
        "redis-server",
        "echo 'Redis server v=7.2.1 bits=64'",
    );
    let found = find(&EngineChoice::Auto, &[house.root().to_owned()])
        .await
        .unwrap();
    assert_eq!(found.path, redis);
}

#[tokio::test]
async fn another_program_is_no_engine() {
    let house = House::new();
    let other = script(house.root(), "nginx", "echo 'nginx version: nginx/1.22'");
    let error = find(&EngineChoice::Path(other), &[]).await.unwrap_err();
    assert!(matches!(error, FindError::NotAnEngine { .. }), "{error}");
    let unreadable = house.path("text");
    File::create(&unreadable).unwrap();
    let error = find(&EngineChoice::Path(unreadable), &[])
        .await
        .unwrap_err();
    assert!(matches!(error, FindError::NotAProgram { .. }), "{error}");
}
