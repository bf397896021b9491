//! One cache of a world: its status, its clients, its engines.

use std::time::Duration;

use redis::{Client, Connection, ConnectionAddr, IntoConnectionInfo as _, RedisConnectionInfo};
use serde_json::Value;

use crate::{World, waiting};

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

    /// What `godwit cache show` tells, as JSON: `{"cache": …, "status": …}`.
    pub fn show(&self) -> Value {
        self.world.ok(&["cache", "show", self.name]).json()
    }

    /// The runtime status.
    pub fn status(&self) -> Value {
        self.show()["status"].clone()
    }

    /// Host and port for clients.
    pub fn endpoint(&self) -> (String, u16) {
        let endpoint = waiting::until("the cache has an endpoint", || {
            let status = self.status();
            let host = status["endpoint"]["host"].as_str()?.to_owned();
            let port = u16::try_from(status["endpoint"]["port"].as_u64()?).ok()?;
            Some((host, port))
        });
        endpoint
    }

    /// An access key.
    pub fn key(&self) -> String {
        let answer = self
            .world
            .ok(&["cache", "keys", self.name, "--show", "primary"]);
        answer.out.trim().trim_matches('"').to_owned()
    }

    /// A client of the cache, as an application is one.
    pub fn client(&self) -> Client {
        let login = RedisConnectionInfo::default().set_password(self.key());
        let info = self
            .endpoint()
            .into_connection_info()
            .unwrap()
            .set_redis_settings(login);
        Client::open(info).unwrap()
    }

    /// A connection of an application.
    pub fn connect(&self) -> Connection {
        let client = self.client();
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

    /// A field of `INFO`, asked of the node that clients reach.
    pub fn info(&self, field: &str) -> String {
        let text: String = redis::cmd("INFO").query(&mut self.connect()).unwrap();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{field}:")));
        line.unwrap_or_default().trim().to_owned()
    }

    /// Every key's digest in every database (what `DEBUG DIGEST` would tell): the dump of each
    /// key, with its expiry.
    pub fn contents(&self) -> Vec<(u16, Vec<u8>, Vec<u8>, i64)> {
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
                let dump: Option<Vec<u8>> =
                    redis::cmd("DUMP").arg(&key).query(&mut connection).unwrap();
                let expires: i64 = redis::cmd("PEXPIRETIME")
                    .arg(&key)
                    .query(&mut connection)
                    .unwrap();
                if let Some(dump) = dump {
                    all.push((database, key, dump, expires));
                }
            }
        }
        all
    }

    /// Its nodes' processes, the leading one first.
    pub fn nodes(&self) -> Vec<u32> {
        let status = self.status();
        let nodes = status["shards"][0]["nodes"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let mut found: Vec<(bool, u32)> = nodes
            .iter()
            .filter_map(|node| {
                let pid = u32::try_from(node["pid"].as_u64()?).ok()?;
                Some((node["leads"] != true, pid))
            })
            .collect();
        found.sort_unstable();
        found.into_iter().map(|(_, pid)| pid).collect()
    }

    /// Waits until both nodes are up and in step.
    pub fn until_whole(&self) -> Vec<u32> {
        waiting::until("both nodes are up and in step", || {
            let status = self.status();
            let nodes = status["shards"][0]["nodes"].as_array()?.clone();
            let whole = nodes.len() == 2 && nodes.iter().all(|node| node["inStep"] == true);
            whole.then(|| self.nodes())
        })
    }

    /// The address type of a unix or TCP connection is of no matter here.
    pub fn is_local(address: &ConnectionAddr) -> bool {
        matches!(address, ConnectionAddr::Tcp(host, _) if host.starts_with("127."))
    }
}
