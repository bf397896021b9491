//! `godwit wan`: a proxy that is as slow and as unreliable as the way between two regions.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    num::NonZeroU64,
    str::FromStr,
    time::Duration,
};

use anyhow::Context as _;
use runtime::{dice::Dice, tasks::Tasks};
use wan::{Wan, Weather, control};

use super::{tell_ready, told_to_stop, trace};

const AFTER_HELP: &str = "\
Examples:
  godwit wan --listen 127.0.0.1:7400 --to 127.0.0.1:7300 --latency 40ms --jitter 5ms --rate 100Mbit
  godwit wan --listen 127.0.0.1:0 --to 127.0.0.1:7300 --control 127.0.0.1:7401

With --control, what it does can be seen and changed while it runs (every answer is the status):
  curl http://127.0.0.1:7401/status
  curl -X POST -H 'Content-Type: application/json' http://127.0.0.1:7401/settings \\
       -d '{\"latencyMs\":150,\"jitterMs\":20,\"rateBytesPerSecond\":2000000}'
  curl -X POST http://127.0.0.1:7401/cut                     # reset every connection
  curl -X POST 'http://127.0.0.1:7401/cut-after?bytes=1000000&direction=to-client&again=true'
  curl -X POST http://127.0.0.1:7401/cut-no-more             # take cut-after back
  curl -X POST 'http://127.0.0.1:7401/stall?for_ms=5000'     # nothing moves, nothing closes
  curl -X POST 'http://127.0.0.1:7401/one-way?direction=to-server'
  curl -X POST http://127.0.0.1:7401/release                 # end stalls
  curl -X POST http://127.0.0.1:7401/refuse                  # let nobody in, until /accept
  curl -X POST 'http://127.0.0.1:7401/to?address=127.0.0.1:7301'";

/// Emulate a WAN: a TCP proxy with latency, jitter, a rate, cuts and stalls, to try links with
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct WanArgs {
    /// Where to be dialled; port 0 picks one
    #[arg(long, value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Where connections go
    #[arg(long, value_name = "ADDRESS")]
    to: SocketAddr,
    /// Added to each direction: a round trip takes twice as long
    #[arg(long, value_name = "TIME", default_value = "0ms", value_parser = time)]
    latency: Duration,
    /// Added to the latency: anything from nothing to this
    #[arg(long, value_name = "TIME", default_value = "0ms", value_parser = time)]
    jitter: Duration,
    /// Shared by all connections, for each direction: such as 100Mbit, 1Gbit (bits a second), or
    /// 2MB, 512kB (bytes a second) [default: as fast as it goes]
    #[arg(long, value_name = "RATE", value_parser = rate)]
    rate: Option<NonZeroU64>,
    /// Where to be controlled over HTTP, on loopback; there is no authentication
    #[arg(long, value_name = "ADDRESS")]
    control: Option<SocketAddr>,
    /// Makes the jitter: the same number, the same jitter
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Stop when this process is no longer the parent
    #[arg(long, hide = true)]
    parent: Option<u32>,
}

/// Runs until told to stop.
pub(crate) async fn run(args: WanArgs) -> anyhow::Result<()> {
    trace()?;
    let weather = Weather {
        latency: args.latency,
        jitter: args.jitter,
        rate: args.rate,
    };
    let tasks = Tasks::new();
    let dice = Dice::from_seed(args.seed);
    let started = Wan::start(&tasks, args.listen, args.to, weather, dice);
    let wan = started.context("start the WAN")?;
    if let Some(address) = args.control {
        let controlled = control::serve(&tasks, address, wan.clone()).await;
        let address = controlled.context("let the WAN be controlled")?;
        writeln!(io::stdout(), "{CONTROL}{address}").context("say where it is controlled")?;
    }
    tracing::info!(address = %wan.address(), to = %args.to, "the WAN carries");
    tell_ready(wan.address())?;
    told_to_stop(args.parent).await?;
    anyhow::ensure!(
        tasks.stop(Duration::from_secs(10)).await,
        "some connections did not end in time"
    );
    Ok(())
}

/// How the line begins that says where the WAN is controlled; it comes before the ready line.
const CONTROL: &str = "control ";

/// A number in front of one of the units.
fn quantity(text: &str, units: &[(&str, u64)], example: &str) -> Result<u64, String> {
    let wrong = || {
        let units: Vec<&str> = units.iter().map(|(unit, _)| *unit).collect();
        format!("write it as {example}, with one of {}", units.join(", "))
    };
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(unit_at);
    let known = units.iter().find(|(name, _)| *name == unit.trim());
    let (_, factor) = known.ok_or_else(wrong)?;
    let number = u64::from_str(number).map_err(|_none_or_too_much| wrong())?;
    number.checked_mul(*factor).ok_or_else(wrong)
}

pub(crate) fn time(text: &str) -> Result<Duration, String> {
    quantity(text, &[("ms", 1), ("s", 1000)], "40ms").map(Duration::from_millis)
}

fn rate(text: &str) -> Result<NonZeroU64, String> {
    let units = [
        ("kbit", 125),
        ("Mbit", 125_000),
        ("Gbit", 125_000_000),
        ("kB", 1000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
    ];
    let bytes = quantity(text, &units, "100Mbit")?;
    NonZeroU64::new(bytes).ok_or_else(|| "use /stall to stop a WAN".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_rates_have_a_unit() {
        assert_eq!(time("40ms"), Ok(Duration::from_millis(40)));
        assert_eq!(time("2 s"), Ok(Duration::from_secs(2)));
        assert_eq!(rate("100Mbit").map(NonZeroU64::get), Ok(12_500_000));
        assert_eq!(rate("2MB").map(NonZeroU64::get), Ok(2_000_000));
        for bad in [
            "",
            "40",
            "ms",
            "40m",
            "-1ms",
            "1.5s",
            "18446744073709551615s",
        ] {
            assert!(time(bad).unwrap_err().contains("40ms"), "{bad}");
        }
        for bad in ["100", "1Tbit", "0MB", "MB"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }
}
