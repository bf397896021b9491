//! The names in certificates: which deployment, and which region of it.

use model::{Region, StoreId};

/// The name of an authority: `godwit://<store>`.
pub(crate) fn authority_uri(store: &StoreId) -> String {
    format!("godwit://{store}")
}

/// The name of an agent: `godwit://<store>/regions/<region>`.
pub(crate) fn agent_uri(store: &StoreId, region: &Region) -> String {
    format!("godwit://{store}/regions/{region}")
}

/// Tells whether a store's identity can stand in a name as it is.
pub(crate) fn can_name(store: &StoreId) -> bool {
    let text = store.as_str();
    (1..=40).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The store that an authority's name names.
pub(crate) fn read_authority(uri: &str) -> Option<StoreId> {
    let store = StoreId::new(uri.strip_prefix("godwit://")?);
    can_name(&store).then_some(store)
}

/// The store and the region that an agent's name names. Other spellings of a region are no names.
pub(crate) fn read_agent(uri: &str) -> Option<(StoreId, Region)> {
    let (store, region) = uri.strip_prefix("godwit://")?.split_once("/regions/")?;
    let store = StoreId::new(store);
    let parsed: Region = region.parse().ok()?;
    (can_name(&store) && parsed.as_str() == region).then_some((store, parsed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        let (store, region) = (StoreId::new("5d0c4f30-1"), "eastus".parse().unwrap());
        let uri = agent_uri(&store, &region);
        assert_eq!(uri, "godwit://5d0c4f30-1/regions/eastus");
        assert_eq!(read_agent(&uri), Some((store.clone(), region)));
        assert_eq!(read_authority(&authority_uri(&store)), Some(store));
    }

    #[test]
    fn anything_else_is_no_name() {
        for bad in [
            "",
            "godwit://s",
            "godwit:///regions/eastus",
            "godwit://s/regions/",
            "godwit://s/regions/East US",
            "godwit://s/regions/EASTUS",
            "godwit://s/regions/east\0us",
            "godwit://s/regions/eastus\0",
            "godwit://s/regions/eastus/",
            "godwit://s/regions/eastus?x",
            "godwit://s/regions/a/regions/b",
            "godwit://s\0/regions/eastus",
            "godwit://user@s/regions/eastus",
            "GODWIT://s/regions/eastus",
            " godwit://s/regions/eastus",
            "https://s/regions/eastus",
        ] {
            assert_eq!(read_agent(bad), None, "{bad:?}");
        }
        assert_eq!(read_authority("godwit://s/regions/eastus"), None);
    }
}
