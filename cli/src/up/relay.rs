//! Where agents reach each other, when it is not left to chance: with something between the
//! regions, such as `godwit wan`.

use std::{net::SocketAddr, str::FromStr};

use model::{NameError, Region};

/// Where the agents listen for each other, and what they say about it.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Between the regions")]
pub(crate) struct Relays {
    /// Where a region's agent listens for the other agents, as REGION=ADDRESS; repeat it for each
    /// [default: a port that is free]
    #[arg(long, value_name = "REGION=ADDRESS")]
    relay: Vec<Place>,
    /// Where the other agents are told to reach it instead, as REGION=ADDRESS: what stands there
    /// (`godwit wan`, say) carries to the address of --relay
    #[arg(long, value_name = "REGION=ADDRESS")]
    relay_advertise: Vec<Place>,
}

/// An address of one region.
#[derive(Debug, Clone)]
struct Place {
    region: Region,
    address: SocketAddr,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (region, address) = text
            .split_once('=')
            .ok_or("write it as REGION=ADDRESS, such as eastus=127.0.0.1:7300")?;
        let region = region
            .parse()
            .map_err(|error: NameError| error.to_string())?;
        let address = address
            .parse()
            .map_err(|_not_one| format!("`{address}` is not an address with a port"))?;
        Ok(Self { region, address })
    }
}

impl Relays {
    /// The regions that are named, for which there must be an agent.
    pub(super) fn regions(&self) -> impl Iterator<Item = &Region> {
        let all = self.relay.iter().chain(&self.relay_advertise);
        all.map(|place| &place.region)
    }

    /// What the agent of a region is told.
    pub(super) fn arguments(&self, region: &Region) -> Vec<String> {
        let of = |option: &str, places: &[Place]| {
            let place = places.iter().rfind(|place| place.region == *region);
            place.map(|place| format!("--{option}={}", place.address))
        };
        let listen = of("relay", &self.relay);
        listen
            .into_iter()
            .chain(of("relay-advertise", &self.relay_advertise))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_agent_is_told_its_own() {
        let place = |text: &str| text.parse::<Place>().unwrap();
        let relays = Relays {
            relay: vec![place("eastus=127.0.0.1:1"), place("westus=127.0.0.1:2")],
            relay_advertise: vec![place("eastus=[::1]:3")],
        };
        let region = |name: &str| name.parse::<Region>().unwrap();
        assert_eq!(
            relays.arguments(&region("eastus")),
            ["--relay=127.0.0.1:1", "--relay-advertise=[::1]:3"]
        );
        assert_eq!(relays.arguments(&region("westus")), ["--relay=127.0.0.1:2"]);
        assert!(relays.arguments(&region("uksouth")).is_empty());
        assert_eq!(relays.regions().count(), 3);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (bad, named) in [
            ("127.0.0.1:1", "REGION=ADDRESS"),
            ("eastus=localhost", "`localhost`"),
            ("=127.0.0.1:1", "region"),
        ] {
            let error = bad.parse::<Place>().unwrap_err();
            assert!(error.contains(named), "{bad}: {error}");
        }
    }
}
