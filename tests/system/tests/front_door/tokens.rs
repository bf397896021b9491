//! Who comes in with a token, and what each may do, on whichever engine leads.

use runtime::{clock::Clock, durable::write_durable};
use rustix::process::Signal;
use serde_json::json;
use system::{Cache, Start, World, processes, waiting, with_both_engines};
use tls::ClientStream;
use tokens::{
    Algorithm,
    testing::{SigningKey, key_set_of},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    runtime::{Builder, Runtime},
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

    /// Logs in, which takes TLS: a token is worth as much as a password.
    fn log_in(&self, cache: &Cache<'_>, object_id: &str) -> Option<Talk> {
        let now = Clock.now().0 / 1_000;
        let claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "oid": object_id, "sub": "somebody",
            "iat": now, "nbf": now, "exp": now + 600,
        });
        let token = self.key.sign(&self.key.header(), &claims);
        let mut talk = Talk::with(cache);
        (talk.ask(&["AUTH", object_id, &token]) == "+OK").then_some(talk)
    }

    fn until_in(&self, cache: &Cache<'_>, object_id: &str) -> Talk {
        waiting::until("the user is let in", || self.log_in(cache, object_id))
    }
}

/// A client over TLS that asks for what is answered with a line or two.
struct Talk {
    runtime: Runtime,
    stream: ClientStream,
}

impl Talk {
    fn with(cache: &Cache<'_>) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let endpoint = cache.login_over_tls();
        let server = endpoint.tls.unwrap();
        let stream = runtime.block_on(async {
            let tcp = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await;
            server.connect(tcp.unwrap()).await.unwrap()
        });
        Self { runtime, stream }
    }

    /// The answer's last line; empty when the connection is over.
    fn ask(&mut self, words: &[&str]) -> String {
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        let stream = &mut self.stream;
        self.runtime.block_on(async {
            let mut answer = [0; 4096];
            let sent = stream.write_all(request.as_bytes()).await;
            let read = match sent {
                Ok(()) => stream.read(&mut answer).await.unwrap_or_default(),
                Err(_over) => 0,
            };
            let text = String::from_utf8_lossy(&answer[..read]).into_owned();
            text.lines().last().unwrap_or_default().to_owned()
        })
    }
}

fn rights(engine: &str) {
    let house = House::new(engine);
    let cache = house.create();
    assert!(house.log_in(&cache, READER).is_none(), "nobody assigned it");
    house.assign(&cache, READER, "Data Reader");
    house.assign(&cache, OWNER, "Data Owner");
    let before = cache.until_whole();
    // Once as it is, and once when the replica leads.
    for leader in before {
        waiting::until_true("it leads", || cache.until_whole()[0] == leader);
        let mut owner = house.until_in(&cache, OWNER);
        assert_eq!(owner.ask(&["SET", "k", "1"]), "+OK");
        let blocked = owner.ask(&["CONFIG", "GET", "port"]);
        assert!(blocked.contains("unknown command"), "{blocked}");
        let mut reader = house.until_in(&cache, READER);
        assert_eq!(reader.ask(&["GET", "k"]), "1");
        let refused = reader.ask(&["SET", "k", "2"]);
        assert!(refused.starts_with("-NOPERM"), "{refused}");
        processes::signal(leader, Signal::KILL);
    }
    let mut reader = house.until_in(&cache, READER);
    let path = format!("{}/accessPolicyAssignments/{}", cache.id(), &READER[24..]);
    let (code, said) = house.world.send("DELETE", &path, None).unwrap();
    assert!(matches!(code, 200..=204), "{code} {said}");
    waiting::until_true("its connections end", || {
        !reader.ask(&["PING"]).starts_with('+')
    });
    assert!(house.log_in(&cache, READER).is_none());
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
    assert!(house.log_in(&cache, OWNER).is_none());
    // Everybody else is served.
    let answer: String = redis::cmd("PING").query(&mut cache.connect()).unwrap();
    assert_eq!(answer, "PONG");
    house.put(&path, &json!({"permissions": "+@all ~*"}));
    let mut owner = house.until_in(&cache, OWNER);
    assert_eq!(owner.ask(&["SET", "k", "1"]), "+OK");
    waiting::until_true("the problem is over", || {
        cache.status()["problem"].is_null()
    });
}
