//! Who comes in with a token, and what each may do, on whichever engine leads.

use redis::{Client, Connection, IntoConnectionInfo as _, RedisConnectionInfo, RedisResult, cmd};
use runtime::{clock::Clock, durable::write_durable};
use rustix::process::Signal;
use serde_json::json;
use system::{Cache, Start, World, processes, waiting, with_both_engines};
use tokens::{
    Algorithm,
    testing::{SigningKey, key_set_of},
};

with_both_engines! {
    a_token_has_the_rights_of_its_policy_on_every_engine => rights;
    a_policy_that_the_engine_refuses_is_named_and_lets_nobody_in => refused;
}

const ISSUER: &str = "https://login.test/tenant/v2.0";
const AUDIENCE: &str = "caches";
const READER: &str = "6f1c4f30-0000-4000-8000-000000000001";
const OWNER: &str = "6f1c4f30-0000-4000-8000-000000000002";

struct House {
    world: World,
    key: SigningKey,
    _files: tempfile::TempDir,
}

impl House {
    fn new(engine: &str) -> Self {
        let key = SigningKey::new("k1", Algorithm::Es256);
        let files = tempfile::tempdir().unwrap();
        let keys = files.path().join("keys.json");
        write_durable(&keys, key_set_of(&[&key]).as_bytes()).unwrap();
        let issuer = format!("{ISSUER},audience={AUDIENCE},jwks={}", keys.display());
        let world = World::start(Start {
            engine: engine.to_owned(),
            more: vec!["--token-issuer".to_owned(), issuer],
            ..Start::default()
        });
        Self {
            world,
            key,
            _files: files,
        }
    }

    fn create(&self) -> Cache<'_> {
        let cache = self.world.create("east", "eastus");
        cache.set(&json!({"redisConfiguration": {"aad-enabled": "true"}}));
        cache
    }

    fn put(&self, path: &str, properties: &serde_json::Value) {
        let body = json!({ "properties": properties });
        let (code, said) = self.world.send("PUT", path, Some(&body)).unwrap();
        assert!(matches!(code, 200..=202), "{path}: {code} {said}");
    }

    fn assign(&self, cache: &Cache<'_>, object_id: &str, policy: &str) {
        let path = format!(
            "{}/accessPolicyAssignments/{}",
            cache.id(),
            &object_id[24..]
        );
        let properties = json!({
            "accessPolicyName": policy, "objectId": object_id, "objectIdAlias": "somebody",
        });
        self.put(&path, &properties);
    }

    fn log_in(&self, cache: &Cache<'_>, object_id: &str) -> RedisResult<Connection> {
        let now = Clock.now().0 / 1_000;
        let claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "oid": object_id, "sub": "somebody",
            "iat": now, "nbf": now, "exp": now + 600,
        });
        let token = self.key.sign(&self.key.header(), &claims);
        let login = RedisConnectionInfo::default()
            .set_username(object_id)
            .set_password(token);
        let info = cache.endpoint().into_connection_info()?;
        Client::open(info.set_redis_settings(login))?.get_connection()
    }

    fn until_in(&self, cache: &Cache<'_>, object_id: &str) -> Connection {
        waiting::until("the user is let in", || self.log_in(cache, object_id).ok())
    }
}

fn set(connection: &mut Connection) -> RedisResult<()> {
    cmd("SET").arg("k").arg(1).exec(connection)
}

fn rights(engine: &str) {
    let house = House::new(engine);
    let cache = house.create();
    assert!(house.log_in(&cache, READER).is_err(), "nobody assigned it");
    house.assign(&cache, READER, "Data Reader");
    house.assign(&cache, OWNER, "Data Owner");
    let before = cache.until_whole();
    // Once as it is, and once when the replica leads.
    for _ in 0..2 {
        let mut owner = house.until_in(&cache, OWNER);
        set(&mut owner).unwrap();
        let blocked = cmd("CONFIG").arg(&["GET", "port"]).exec(&mut owner);
        assert!(blocked.unwrap_err().to_string().contains("unknown command"));
        let mut reader = house.until_in(&cache, READER);
        let value: u64 = cmd("GET").arg("k").query(&mut reader).unwrap();
        assert_eq!(value, 1);
        let refused = set(&mut reader).unwrap_err();
        assert_eq!(refused.code(), Some("NOPERM"), "{refused}");
        processes::signal(before[0], Signal::KILL);
        waiting::until_true("the replica leads", || cache.until_whole()[0] == before[1]);
    }
    let mut reader = house.until_in(&cache, READER);
    let path = format!("{}/accessPolicyAssignments/{}", cache.id(), &READER[24..]);
    let (code, said) = house.world.send("DELETE", &path, None).unwrap();
    assert!(matches!(code, 200..=204), "{code} {said}");
    waiting::until_true("its connections end", || {
        cmd("PING").exec(&mut reader).is_err()
    });
    assert!(house.log_in(&cache, READER).is_err());
}

fn refused(engine: &str) {
    let house = House::new(engine);
    let cache = house.create();
    let path = format!("{}/accessPolicies/odd", cache.id());
    house.put(&path, &json!({"permissions": "+nosuchcommand ~*"}));
    house.assign(&cache, OWNER, "odd");
    let problem = waiting::until("the problem is told", || {
        cache.status()["problem"].as_str().map(str::to_owned)
    });
    assert!(problem.contains(OWNER), "{problem}");
    assert!(problem.contains("nosuchcommand"), "{problem}");
    assert!(house.log_in(&cache, OWNER).is_err());
    // Everybody else is served.
    set(&mut cache.connect()).unwrap();
    house.put(&path, &json!({"permissions": "+@all ~*"}));
    set(&mut house.until_in(&cache, OWNER)).unwrap();
    waiting::until_true("the problem is over", || {
        cache.status()["problem"].is_null()
    });
}
