//! What stands between the two pairs.

use std::net::SocketAddr;

use anyhow::Context as _;
use runtime::{dice::Dice, tasks::Tasks};
use wan::Wan;

use super::Ground;

/// A WAN that ends with its rig.
pub(super) struct Way {
    wan: Wan,
    tasks: Tasks,
}

impl Way {
    /// A way to `to`, if the ground has weather.
    pub(super) fn start(ground: &Ground, to: SocketAddr) -> anyhow::Result<Option<Self>> {
        let Some(weather) = ground.weather else {
            return Ok(None);
        };
        let _within = ground.runtime.enter();
        let (tasks, anywhere) = (Tasks::new(), SocketAddr::from(([127, 0, 0, 1], 0)));
        let wan = Wan::start(&tasks, anywhere, to, weather, Dice::from_seed(1));
        let wan = wan.context("start the WAN")?;
        Ok(Some(Self { wan, tasks }))
    }

    pub(super) fn wan(&self) -> &Wan {
        &self.wan
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.tasks.cancel();
    }
}

/// The WAN of a rig that may have none.
pub(super) fn of(way: Option<&Way>) -> anyhow::Result<&Wan> {
    way.map(Way::wan).context("there is no WAN in this rig")
}
