//! `godwit link candidates`.

use clap::Args;
use client::candidates::{Candidate, Reason};
use model::{CacheName, Region};

use super::super::cache::sku_text;
use crate::{
    failure::Failure,
    output::{Form, table},
    session::Session,
    talk::Talk,
};

/// List the caches that a cache can be linked with, and what is in the way of all others
///
/// Example: godwit link candidates demo-east --region westus
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Candidates {
    /// The cache that is to be the geo-primary
    primary: CacheName,
    /// Only caches of this region
    #[arg(long, short)]
    region: Option<Region>,
}

impl Candidates {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let name = &self.primary;
        let id = session.find(name).await?.body.id;
        let region = self.region.as_ref();
        let (found, recommended) = session.management.link_candidates(&id, region).await?;
        if let Some(recommended) = recommended {
            Talk.say(&format!(
                "recommended region for the geo-secondary of `{name}` (*): {recommended}"
            ));
        }
        if found.body.is_empty() && session.form == Form::Table {
            let place = region.map_or_else(String::new, |r| format!(" in {}", r.display_name()));
            Talk.say(&format!("there is no other cache{place}"));
            return Ok(());
        }
        session.form.write(&found.json, || {
            let rows = found.body.iter().flat_map(rows);
            table(
                ["CACHE", "REGION", "SIZE", "CAN BE LINKED", "IN THE WAY"],
                rows,
            )
        })
    }
}

/// A line for a cache, and another one for each further thing that is in the way.
fn rows(candidate: &Candidate) -> Vec<[String; 5]> {
    let star = if candidate.in_recommended_region {
        " *"
    } else {
        ""
    };
    let (can, why): (_, &[Reason]) = if !candidate.is_compatible {
        ("no", &candidate.reasons)
    } else if candidate.can_fail_over {
        ("yes", &[])
    } else {
        ("yes, no failover", &candidate.failover_reasons)
    };
    let first = [
        candidate.name.to_string(),
        format!("{}{star}", candidate.location),
        candidate.sku.as_ref().map(sku_text).unwrap_or_default(),
        can.to_owned(),
        why.first().map(sentence).unwrap_or_default(),
    ];
    let more = why.iter().skip(1).map(|reason| {
        let [a, b, c, d] = [const { String::new() }; 4];
        [a, b, c, d, sentence(reason)]
    });
    [first].into_iter().chain(more).collect()
}

/// The sentence; where it does not name the cache that it is about, that one before it.
fn sentence(reason: &Reason) -> String {
    match &reason.cache {
        Some(cache) if !reason.message.contains(&format!("`{cache}`")) => {
            format!("`{cache}`: {}", reason.message)
        }
        Some(_) | None => reason.message.clone(),
    }
}
