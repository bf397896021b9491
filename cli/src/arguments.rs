//! The command line: what every command takes, and the commands.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use model::{GroupName, Secret, SubscriptionId};

use crate::{
    commands::{
        bench, ca, cache, events, failover, group, link, lost_writes, region, role,
        service_principal, verify,
    },
    output::Form,
    serve::{AgentArgs, ControlArgs, DnsArgs, WanArgs},
    up::UpArgs,
};

/// Where `godwit up` keeps its data when nobody says otherwise.
pub(crate) const DEFAULT_DATA: &str = "./godwit-data";

const AFTER_HELP: &str = "\
Examples:
  godwit up                                   # everything on this machine
  godwit cache create demo-east --location eastus
  godwit cache create demo-west --location westus
  godwit link create demo-east demo-west      # demo-west follows demo-east from now on
  godwit link watch demo-east                 # how far behind it is, live
  godwit failover demo-west                   # demo-west becomes the geo-primary; nothing is lost
  godwit bench demo-east                      # write, and count what a failover costs
  godwit verify demo-east                     # are both sides the same, key by key?
  godwit events --follow                      # who does what, and what happens on links
  godwit cache list --output json

Exit codes:
  0    done
  1    it failed; standard error says why
  2    `verify` could not decide
  3    what was named does not exist
  64   the command line is wrong
  130  interrupted; an operation that had begun goes on";

/// Passive geo-replication for Redis-compatible caches: two caches in two regions, one takes
/// writes, the other follows, and a failover swaps them without losing a write.
#[derive(Debug, Parser)]
#[command(name = "godwit", version, after_help = AFTER_HELP, max_term_width = 100)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every client command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Control plane")]
pub(crate) struct Common {
    /// Where the control plane is reached [default: where the `godwit up` of --data says, else
    /// http://127.0.0.1:8080]
    #[arg(long, global = true, value_name = "URL", env = "GODWIT_ENDPOINT")]
    pub(crate) endpoint: Option<String>,

    /// File with the certificate to trust when that is https (PEM), beside the system's [default:
    /// ca.pem in --data, if it is there]
    #[arg(long, global = true, value_name = "FILE", env = "GODWIT_CA")]
    pub(crate) ca: Option<PathBuf>,

    /// The management token; without it, the file `token` in --data is read. Other users of this
    /// machine can see command lines: prefer the variable
    #[arg(long, global = true, env = "GODWIT_TOKEN", hide_env_values = true)]
    #[arg(value_parser = secret)]
    pub(crate) token: Option<Secret>,

    /// The data directory of `godwit up`, to read its token from
    #[arg(long, global = true, value_name = "DIRECTORY", env = "GODWIT_DATA")]
    #[arg(default_value = DEFAULT_DATA)]
    pub(crate) data: PathBuf,

    /// The subscription; not needed while there is only one
    #[arg(long, global = true, value_name = "GUID")]
    pub(crate) subscription: Option<SubscriptionId>,

    /// The resource group; without it, caches are found by name wherever they are, and new ones
    /// go to `default`
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) group: Option<GroupName>,

    /// Tables for people, or the API's own JSON for programs
    #[arg(long, short, global = true, value_enum, default_value_t)]
    pub(crate) output: Form,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Up(Box<UpArgs>),
    /// Create, look at, change and delete caches
    Cache(Client<cache::Command>),
    /// Link two caches, watch the link, unlink them
    Link(Client<link::Command>),
    Failover(Box<failover::Failover>),
    /// See, download, apply and discard what a forced failover left behind
    LostWrites(Client<lost_writes::Command>),
    Bench(bench::Bench),
    Verify(Box<verify::Verify>),
    Events(Box<events::Events>),
    /// Create, look at and delete resource groups
    Group(Client<group::Command>),
    /// Make service principals: programs that sign in with a secret, such as az and Terraform
    Sp(Client<service_principal::Command>),
    /// Say which service principal may do what, and where
    Role(Client<role::Command>),
    /// See the regions of the deployment
    Region(Client<region::Command>),
    Ca(ca::Ca),
    Control(Box<ControlArgs>),
    Agent(Box<AgentArgs>),
    Dns(Box<DnsArgs>),
    Wan(Box<WanArgs>),
}

/// Commands of a kind, all of which need a control plane.
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Client<C: Subcommand> {
    #[command(subcommand)]
    pub(crate) command: C,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// For commands that start long work.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Waiting {
    /// Return as soon as the work has been accepted
    #[arg(long)]
    pub(crate) no_wait: bool,
}

/// `key=value`, for `--set` and `--tag`.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        Some(_) | None => Err("write it as key=value".to_owned()),
    }
}

fn secret(text: &str) -> Result<Secret, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn options_of_the_control_plane_may_stand_behind_the_command() {
        let arguments = Arguments::try_parse_from([
            "godwit",
            "cache",
            "list",
            "--endpoint",
            "http://localhost:1",
            "-o",
            "json",
            "--group",
            "g",
        ])
        .unwrap();
        let Command::Cache(Client { common, .. }) = arguments.command else {
            panic!("{arguments:?}");
        };
        assert_eq!(common.endpoint.unwrap(), "http://localhost:1");
        assert_eq!(common.output, Form::Json);
    }

    #[test]
    fn a_token_is_not_shown_by_debug() {
        let arguments =
            Arguments::try_parse_from(["godwit", "cache", "--token", "hunter2", "list"]).unwrap();
        assert!(!format!("{arguments:?}").contains("hunter2"));
    }

    #[test]
    fn names_are_checked_before_anything_is_sent() {
        for bad in [
            ["godwit", "cache", "show", "two--hyphens"],
            ["godwit", "failover", "under_score", "-ojson"],
            ["godwit", "group", "show", "ends.in.dot."],
        ] {
            let error = Arguments::try_parse_from(bad).unwrap_err();
            assert_eq!(
                error.kind(),
                clap::error::ErrorKind::ValueValidation,
                "{bad:?}"
            );
        }
    }

    #[test]
    fn pairs_have_a_key() {
        assert_eq!(pair("a=b=c").unwrap(), ("a".to_owned(), "b=c".to_owned()));
        assert_eq!(pair("a=").unwrap(), ("a".to_owned(), String::new()));
        assert!(pair("a").is_err() && pair("=b").is_err());
    }
}
