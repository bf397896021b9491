//! One cache of a world: its status, its clients, its engines.

use std::{fs, net::SocketAddr, path::Path, time::Duration};

use ledger::Endpoint;
use redis::{Client, Connection, IntoConnectionInfo as _, RedisConnectionInfo};
use serde_json::{Value, json};
use tls::Trust;

use crate::{World, waiting};

/// The engine's internal user, as the agents know it.
const INTERNAL_USER: &str = "godwit";

/// A cache.
#[derive(Clone, Copy)]
pub struct Cache<'a> {
    world: &'a World,
    name: &'a str,
}

impl<'a> Cache<'a> {
    pub(crate) fn new(world: &'a World, name: &str) -> Self {
        // A test has a handful of names, and they live as long as it does.
        let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
        Self { world, name }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.name
    }

    /// Its resource ID; asked again while the control plane is being started again.
    pub fn id(&self) -> String {
        waiting::until("the cache's resource", || {
            let shown = self.world.run(&["cache", "show", self.name]);
            let shown = (shown.code == 0).then(|| shown.json())?;
            Some(shown["id"].as_str()?.to_owned())
        })
    }

    /// Changes properties of the resource, and waits until that is done.
    pub fn set(&self, properties: &Value) {
        let body = json!({ "properties": properties });
        let answer = self.world.send("PATCH", &self.id(), Some(&body));
        let (code, answer) = answer.unwrap_or_else(|| panic!("{properties}: no answer"));
        assert!(matches!(code, 200..=202), "{properties}: {code} {answer}");
        waiting::until_true("the change is made", || {
            let shown = self.world.get(&self.id());
            shown.is_some_and(|cache| cache["properties"]["provisioningState"] == "Succeeded")
        });
    }

    /// What is seen of it now.
    pub fn status(&self) -> Value {
        waiting::until("the cache's status", || {
            self.world.get(&format!("{}/runtimeStatus", self.id()))
        })
    }

    /// Host and port of the direct endpoint, without TLS.
    pub fn endpoint(&self) -> (String, u16) {
        self.door("direct", "plainPort")
    }

    /// Host and port of the geo endpoint, without TLS.
    pub fn geo_endpoint(&self) -> (String, u16) {
        self.door("geo", "plainPort")
    }

    /// Host and port of a door: `direct` or `geo`, `plainPort` or `tlsPort`.
    pub fn door(&self, door: &str, port: &str) -> (String, u16) {
        waiting::until("the cache has an endpoint", || {
            let status = self.status();
            let door = &status["endpoints"][door];
            let host = door["address"].as_str()?.to_owned();
            let port = u16::try_from(door[port].as_u64()?).ok()?;
            Some((host, port))
        })
    }

    /// An access key; asked again while the control plane is being started again.
    pub fn key(&self) -> String {
        waiting::until("the cache's keys", || {
            let keys = self.world.run(&["cache", "keys", self.name]);
            let keys = (keys.code == 0).then(|| keys.json())?;
            Some(keys["primaryKey"].as_str()?.to_owned())
        })
    }

    /// A client of the cache, as an application is one that goes to the direct endpoint.
    pub fn client(&self) -> Client {
        self.client_at(self.endpoint())
    }

    fn client_at(&self, address: (String, u16)) -> Client {
        let login = RedisConnectionInfo::default().set_password(self.key());
        let info = address
            .into_connection_info()
            .unwrap()
            .set_redis_settings(login);
        Client::open(info).unwrap()
    }

    /// Where a workload's clients find it: at the direct endpoint.
    pub fn login(&self) -> Endpoint {
        let (host, port) = self.endpoint();
        Endpoint::new(host, port, self.key())
    }

    /// Where a workload's clients find the pair: at the geo endpoint of this cache.
    pub fn geo_login(&self) -> Endpoint {
        let (host, port) = self.geo_endpoint();
        Endpoint::new(host, port, self.key())
    }

    /// As [`Cache::login`], over TLS, from whoever proves to be this cache.
    pub fn login_over_tls(&self) -> Endpoint {
        self.over_tls("direct")
    }

    /// As [`Cache::geo_login`], over TLS, from whoever proves to be the geo endpoint of this cache.
    pub fn geo_login_over_tls(&self) -> Endpoint {
        self.over_tls("geo")
    }

    fn over_tls(&self, door: &str) -> Endpoint {
        let (host, port) = self.door(door, "tlsPort");
        let name = self.status()["endpoints"][door]["name"].clone();
        let authority = fs::read_to_string(self.world.data().join("ca.pem")).unwrap();
        let trust = Trust::from_pem(&authority).unwrap();
        let server = trust.in_server(name.as_str().unwrap()).unwrap();
        Endpoint::new(host, port, self.key()).over_tls(server)
    }

    /// A connection of an application to the geo endpoint.
    pub fn connect_geo(&self) -> Connection {
        connected(&self.client_at(self.geo_endpoint()))
    }

    /// A client of the leading engine itself, as Godwit is one: found in the agent's files, so that no
    /// agent need run.
    pub fn engine(&self) -> Client {
        let (address, password) = self.inside();
        let login = RedisConnectionInfo::default()
            .set_username(INTERNAL_USER)
            .set_password(password);
        let address = (address.ip().to_string(), address.port());
        let info = address.into_connection_info().unwrap();
        Client::open(info.set_redis_settings(login)).unwrap()
    }

    /// Where a workload's clients find the leading engine itself.
    pub fn engine_login(&self) -> Endpoint {
        let (address, password) = self.inside();
        Endpoint {
            user: Some(INTERNAL_USER.to_owned()),
            ..Endpoint::new(address.ip().to_string(), address.port(), password)
        }
    }

    fn inside(&self) -> (SocketAddr, String) {
        waiting::until("the leading engine's address", || {
            let file = self.agents_file()?;
            let address = file["service"].as_str()?.parse().ok()?;
            Some((address, file["internal"].as_str()?.to_owned()))
        })
    }

    /// What its agent keeps of it.
    fn agents_file(&self) -> Option<Value> {
        let json = |path: &Path| serde_json::from_slice::<Value>(&fs::read(path).ok()?).ok();
        let agents = fs::read_dir(self.world.data().join("agents")).ok()?;
        agents.flatten().find_map(|agent| {
            let told = json(&agent.path().join("agent.json"))?;
            let mut caches = told["desired"]["caches"].as_array()?.iter();
            let told = caches.find(|cache| cache["id"]["name"] == self.name)?;
            let uid = told["uid"].as_str()?;
            json(&agent.path().join("caches").join(uid).join("cache.json"))
        })
    }

    /// A connection to the leading engine itself, which needs no agent.
    pub fn connect_to_engine(&self) -> Connection {
        connected(&self.engine())
    }

    /// A connection of an application to the direct endpoint.
    pub fn connect(&self) -> Connection {
        connected(&self.client())
    }

    /// A field of `INFO`, asked of the node that clients reach.
    pub fn info(&self, field: &str) -> String {
        let text: String = redis::cmd("INFO").query(&mut self.connect()).unwrap();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{field}:")));
        line.unwrap_or_default().trim().to_owned()
    }

    /// Every key of every database with its value and its expiry, in an order that does not depend
    /// on the engine's hash seed.
    pub fn contents(&self) -> Vec<Entry> {
        let mut connection = self.connect();
        let mut all = Vec::new();
        for database in 0..16_u16 {
            let _: () = redis::cmd("SELECT")
                .arg(database)
                .query(&mut connection)
                .unwrap();
            let mut keys: Vec<Vec<u8>> =
                redis::cmd("KEYS").arg("*").query(&mut connection).unwrap();
            keys.sort();
            for key in keys {
                all.extend(entry(&mut connection, database, key));
            }
        }
        all
    }

    /// As [`Cache::contents`], while the cache may refuse to answer: not in step, or loading.
    pub fn try_contents(&self) -> Option<Vec<Entry>> {
        let mut connection = self.client().get_connection().ok()?;
        redis::cmd("GET")
            .arg("")
            .query::<Option<String>>(&mut connection)
            .ok()?;
        Some(self.contents())
    }

    /// Its nodes' processes, the leading one first; none while a node is down or out of step.
    pub fn nodes(&self) -> Option<[u32; 2]> {
        let status = self.status();
        let [one, two] = status["shards"][0]["nodes"].as_array()?.as_slice() else {
            return None;
        };
        let pid = |node: &Value| u32::try_from(node["pid"].as_u64()?).ok();
        let whole = one["inStep"] == true && two["inStep"] == true;
        let (first, second) = if one["leads"] == true {
            (one, two)
        } else {
            (two, one)
        };
        whole.then_some(())?;
        Some([pid(first)?, pid(second)?])
    }

    /// Waits until both nodes are up and in step.
    pub fn until_whole(&self) -> [u32; 2] {
        waiting::until("both nodes are up and in step", || self.nodes())
    }
}

/// A connection, once the cache lets a client in.
fn connected(client: &Client) -> Connection {
    let connection = waiting::until("the cache lets a client in", || {
        client
            .get_connection_with_timeout(Duration::from_secs(2))
            .ok()
    });
    let limit = Some(Duration::from_secs(20));
    connection.set_read_timeout(limit).unwrap();
    connection.set_write_timeout(limit).unwrap();
    connection
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    database: u16,
    key: Vec<u8>,
    value: Vec<Vec<u8>>,
    expires_at_ms: i64,
}

fn entry(connection: &mut Connection, database: u16, key: Vec<u8>) -> Option<Entry> {
    let kind: String = redis::cmd("TYPE").arg(&key).query(connection).unwrap();
    let mut ask = |command: &str, more: &[&str]| -> Vec<Vec<u8>> {
        redis::cmd(command)
            .arg(&key)
            .arg(more)
            .query(connection)
            .unwrap()
    };

    let value = match kind.as_str() {
        "none" => return None,
        "list" => ask("LRANGE", &["0", "-1"]),
        "set" => {
            let mut members = ask("SMEMBERS", &[]);
            members.sort();
            members
        }
        "hash" => {
            let pairs = ask("HGETALL", &[]);
            let mut pairs: Vec<Vec<Vec<u8>>> = pairs.chunks(2).map(<[_]>::to_vec).collect();
            pairs.sort();
            pairs.concat()
        }
        "stream" => stream(connection, &key),
        // Strings and sorted sets are dumped in an order of their own.
        _ => vec![dump(connection, &key)],
    };
    let expires_at_ms = redis::cmd("PEXPIRETIME")
        .arg(&key)
        .query(connection)
        .unwrap();
    Some(Entry {
        database,
        key,
        value,
        expires_at_ms,
    })
}

/// Entries, and of the groups: name, consumers, pending, last delivered. When a consumer was last
/// seen and how many entries were read is each node's own count, replicas of the engines' own
/// replication included.
fn stream(connection: &mut Connection, key: &[u8]) -> Vec<Vec<u8>> {
    let entries: redis::Value = redis::cmd("XRANGE")
        .arg(key)
        .arg(&["-", "+"])
        .query(connection)
        .unwrap();
    let groups: Vec<Vec<redis::Value>> = redis::cmd("XINFO")
        .arg("GROUPS")
        .arg(key)
        .query(connection)
        .unwrap();
    let shown = groups.iter().map(|group| format!("{:?}", &group[..8]));
    [format!("{entries:?}")]
        .into_iter()
        .chain(shown)
        .map(String::into_bytes)
        .collect()
}

fn dump(connection: &mut Connection, key: &[u8]) -> Vec<u8> {
    redis::cmd("DUMP").arg(key).query(connection).unwrap()
}
