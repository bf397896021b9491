//! Writes that an application was told to be done and that crossed to nobody, and the receipts that
//! must hold exactly these.

use std::{collections::BTreeSet, fs};

use crate::{Cache, World, waiting};

const COUNT: usize = 200;

/// Writes them, to both of the cache's engines, whether its agent runs or not; their keys.
pub(super) fn write(cache: &Cache<'_>) -> BTreeSet<String> {
    let mut connection = cache.connect_to_engine();
    let mut keys = BTreeSet::new();
    for n in 0..COUNT {
        let key = format!("missing:{n}");
        redis::cmd("SET")
            .arg(&key)
            .arg(n)
            .exec(&mut connection)
            .unwrap();
        keys.insert(key);
    }
    super::run::until_on_both(&mut connection);
    keys
}

/// The one receipt of the cache holds these and nothing else.
pub(super) fn check(world: &World, cache: &Cache<'_>, keys: &BTreeSet<String>) {
    let path = format!("{}/lostWrites", cache.id());
    let answer = waiting::until("the receipts", || world.get(&path));
    let [receipt] = answer["value"].as_array().unwrap().as_slice() else {
        panic!("not one receipt: {answer}")
    };
    assert_eq!(receipt["commands"], keys.len() as u64, "{receipt}");
    assert_eq!(receipt["keys"], keys.len() as u64, "{receipt}");
    assert_eq!(receipt["missing"], serde_json::Value::Null, "{receipt}");
    let name = receipt["name"].as_str().unwrap();
    assert_eq!(keys_of(world, name), *keys);
}

/// The keys of a receipt: RESP arrays of a database and a name.
fn keys_of(world: &World, receipt: &str) -> BTreeSet<String> {
    let caches = world.data().join("agents/eastus/caches");
    let mut found = fs::read_dir(caches).unwrap().flatten();
    let text = found.find_map(|cache| {
        let path = cache.path().join("lost").join(format!("{receipt}.keys"));
        fs::read_to_string(path).ok()
    });
    let text = text.unwrap_or_else(|| panic!("no list of keys beside {receipt}"));
    let words: Vec<&str> = text.split("\r\n").collect();
    let arrays = words.chunks_exact(5);
    arrays.map(|array| array[4].to_owned()).collect()
}
