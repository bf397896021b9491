//! Which caches could be the geo-secondary of a cache, and for each of the others everything that is
//! in the way.

use crate::{CacheRecord, Side, Unmet, unmet_for_failover, unmet_for_link};

/// A cache that could be thought of as a geo-secondary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// The cache.
    pub cache: &'a CacheRecord,
    /// Everything that keeps it from being linked, most fundamental first. Empty: it can be.
    pub unmet: Vec<Unmet>,
    /// Everything that would keep the two from swapping roles once they are linked.
    pub unmet_for_failover: Vec<Unmet>,
    /// It is in the region that is recommended.
    pub recommended: bool,
}

impl Candidate<'_> {
    /// Tells whether it can be linked now.
    #[must_use]
    pub fn is_compatible(&self) -> bool {
        self.unmet.is_empty()
    }
}

/// Judges each of `others` as the geo-secondary of `primary`, which is left out where it is among
/// them; `more` tells what else keeps a cache from being linked. Those that can be linked come
/// first, of these those that it can fail over to, then those in the recommended region; all of
/// them by region and name.
#[must_use]
pub fn candidates<'a>(
    primary: Side<'a>,
    others: impl IntoIterator<Item = Side<'a>>,
    more: impl Fn(&CacheRecord) -> Option<Unmet>,
) -> Vec<Candidate<'a>> {
    let pair = primary.cache.region.pair();
    let mut all: Vec<_> = others
        .into_iter()
        .filter(|other| other.cache.uid != primary.cache.uid)
        .map(|other| Candidate {
            cache: other.cache,
            unmet: [more(primary.cache), more(other.cache)]
                .into_iter()
                .flatten()
                .chain(unmet_for_link(primary, other))
                .collect(),
            unmet_for_failover: unmet_for_failover(primary, other),
            recommended: pair.as_ref() == Some(&other.cache.region),
        })
        .collect();
    let rank = |candidate: &Candidate<'a>| {
        let (cache, compatible) = (candidate.cache, candidate.is_compatible());
        let fails_over = candidate.unmet_for_failover.is_empty();
        let better = compatible && candidate.recommended;
        let order = (!compatible, compatible && !fails_over, !better);
        (order, cache.region.clone(), cache.id.name.clone())
    };
    all.sort_by_cached_key(rank);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EngineKind, EngineVersion, Lifecycle, LinkId, Sku, Tier, samples::cache};

    fn side(cache: &CacheRecord) -> Side<'_> {
        let engine = Some(EngineVersion {
            kind: EngineKind::Valkey,
            major: 8,
            minor: 0,
            patch: 1,
        });
        Side { cache, engine }
    }

    #[test]
    fn the_recommended_region_comes_first_and_what_cannot_be_linked_last() {
        let primary = cache("primary", "eastus");
        let mut larger = cache("larger", "northeurope");
        larger.spec.sku = Sku::new(Tier::Premium, 2).unwrap();
        let mut bad = cache("bad", "eastus");
        bad.spec.sku = Sku::new(Tier::Standard, 0).unwrap();
        bad.lifecycle = Lifecycle::Creating;
        bad.link = Some(LinkId::new("l"));
        let near = cache("near", "centralus");
        let paired = cache("zz-paired", "westus");
        let all = [&bad, &near, &primary, &paired, &larger];
        let found = candidates(side(&primary), all.map(side), |_| None);
        let names: Vec<_> = found.iter().map(|c| c.cache.id.name.as_str()).collect();
        assert_eq!(names, ["zz-paired", "near", "larger", "bad"]);
        let [first, _, third, last] = &found[..] else {
            panic!("{found:?}")
        };
        assert!(first.recommended && first.unmet_for_failover.is_empty());
        assert!(third.is_compatible() && third.unmet_for_failover.len() == 1);
        let codes: Vec<_> = last.unmet.iter().map(Unmet::code).collect();
        assert_eq!(
            codes,
            ["AlreadyLinked", "NotPremium", "NotRunning", "Smaller"]
        );
    }

    #[test]
    fn a_primary_that_cannot_be_one_is_in_the_way_of_every_candidate() {
        let mut primary = cache("primary", "mars1");
        primary.spec.replicas = 2;
        let other = cache("other", "mars2");
        let going = |cache: &CacheRecord| {
            (cache.id == other.id).then(|| Unmet::GroupDeleting(other.id.clone()))
        };
        let found = candidates(side(&primary), [side(&other)], going);
        let codes: Vec<_> = found[0].unmet.iter().map(Unmet::code).collect();
        assert_eq!(codes, ["GroupBeingDeleted", "Replicas"]);
        assert_eq!(
            found[0].unmet[1].concerns().map(|id| id.name.as_str()),
            Some("primary")
        );
        assert!(!found[0].recommended);
    }
}
