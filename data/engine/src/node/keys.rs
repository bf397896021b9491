//! A cache's access keys, exchanged while the engine runs.

use model::AccessKeys;
use redis::Value;

use super::Node;
use crate::{CommandError, config::key_hashes};

impl Node {
    /// Lets clients in with these keys and no others, from one moment to the next. When a key is
    /// no longer valid, client connections are closed: which key let each in is not known.
    pub async fn set_keys(&self, keys: &AccessKeys) -> Result<(), CommandError> {
        let wanted = key_hashes(keys);
        let valid = self.valid_hashes().await?;
        let removed = valid.iter().any(|hash| !wanted.contains(hash));
        if !removed && wanted.iter().all(|hash| valid.contains(hash)) {
            return Ok(());
        }
        let [first, second] = wanted.map(|hash| format!("#{hash}"));
        self.ask("ACL SETUSER", &["default", "resetpass", &first, &second])
            .await?;
        if removed {
            self.ask("CLIENT KILL", &["USER", "default"]).await?;
        }
        Ok(())
    }

    /// The hashes that the default user may log in with at present.
    async fn valid_hashes(&self) -> Result<Vec<String>, CommandError> {
        let answer = self.ask("ACL GETUSER", &["default"]).await?;
        let fields: Vec<Value> = redis::from_redis_value(answer).unwrap_or_default();
        let mut pairs = fields.chunks_exact(2).filter_map(|pair| {
            let name = redis::from_redis_value_ref::<String>(pair.first()?).ok()?;
            (name == "passwords").then_some(pair.last()?)
        });
        let hashes = pairs.next().map(redis::from_redis_value_ref::<Vec<String>>);
        Ok(hashes.and_then(Result::ok).unwrap_or_default())
    }
}
