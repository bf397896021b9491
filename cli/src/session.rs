//! A connection to a control plane with everything that the command line left open: the token, the
//! subscription, and the group of a cache that is known by its name.

use std::path::Path;

use client::{Answered, Management, resources::Cache};
use model::{CacheId, CacheName, GroupName, Secret, SubscriptionId};
use runtime::{chain, durable::read_if_there};

use crate::{
    arguments::{Common, DEFAULT_DATA},
    failure::Failure,
    output::Form,
};

/// Where a control plane is reached when nobody says otherwise.
const DEFAULT_ENDPOINT: &str = "http://127.0.0.1:8080";
/// The group of caches that nobody chose a group for.
const DEFAULT_GROUP: &str = "default";
/// The file of `godwit up` that holds the management token.
const TOKEN_FILE: &str = "token";
/// The file of `godwit up` that holds the URL of its management API.
const ENDPOINT_FILE: &str = "endpoint";
/// The file of `godwit up` that holds the certificate of its authority.
const AUTHORITY_FILE: &str = "ca.pem";

/// A control plane, and where in it.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) management: Management,
    pub(crate) subscription: SubscriptionId,
    pub(crate) form: Form,
    group: Option<GroupName>,
    /// The options that lead here, for commands that are shown to people.
    repeated: String,
}

impl Session {
    /// Finds the token and the subscription.
    pub(crate) async fn open(common: Common) -> Result<Self, Failure> {
        let repeated = repeated(
            common.endpoint.as_deref(),
            common.ca.as_deref(),
            &common.data,
        );
        let management = management(&common)?;
        let subscription = match common.subscription {
            Some(subscription) => subscription,
            None => only_subscription(&management).await?,
        };
        Ok(Self {
            management,
            subscription,
            form: common.output,
            group: common.group,
            repeated,
        })
    }

    /// A command for people to type, such as `godwit cache list`.
    pub(crate) fn command(&self, rest: &str) -> String {
        format!("godwit {rest}{}", self.repeated)
    }

    /// The group that was asked for, if any.
    pub(crate) fn group(&self) -> Option<&GroupName> {
        self.group.as_ref()
    }

    /// The group of new caches, and whether it is to be made on demand: a group that somebody
    /// named and that is not there is a slip of the pen.
    pub(crate) fn group_of_new(&self) -> Result<(GroupName, bool), Failure> {
        if let Some(group) = &self.group {
            return Ok((group.clone(), false));
        }
        let group = DEFAULT_GROUP
            .parse()
            .map_err(|error| Failure::new(chain(&error).to_string()))?;
        Ok((group, true))
    }

    /// The resource ID of a cache in a group.
    pub(crate) fn id(&self, group: GroupName, name: CacheName) -> CacheId {
        CacheId {
            subscription: self.subscription.clone(),
            group,
            name,
        }
    }

    /// Where a cache of that name is, or was: what is kept of it can be read when it is gone.
    pub(crate) async fn place(&self, name: &CacheName) -> Result<CacheId, Failure> {
        let group = self.group.as_ref();
        let listed = self.management.caches(&self.subscription, group).await?;
        let found = listed.body.into_iter().find(|cache| cache.name == *name);
        if let Some(cache) = found {
            return Ok(cache.id);
        }
        let (group, _) = self.group_of_new()?;
        Ok(self.id(group, name.clone()))
    }

    /// Finds a cache by its name, which is unique in a deployment: in the group that was asked
    /// for, or in any.
    pub(crate) async fn find(&self, name: &CacheName) -> Result<Answered<Cache>, Failure> {
        let group = self.group.as_ref();
        let listed = self.management.caches(&self.subscription, group).await?;
        let all = listed
            .body
            .iter()
            .zip(listed.json.as_array().into_iter().flatten());
        let found = all.clone().find(|(cache, _)| cache.name == *name);
        if let Some((cache, json)) = found {
            let (body, json) = (cache.clone(), json.clone());
            return Ok(Answered { body, json });
        }
        let place = group.map_or_else(String::new, |group| format!(" in group `{group}`"));
        let names: Vec<_> = all
            .take(20)
            .map(|(cache, _)| format!("`{}`", cache.name))
            .collect();
        let hint = if names.is_empty() {
            let create = self.command(&format!("cache create {name} --location REGION"));
            format!("there is none{place}; create it with `{create}`")
        } else {
            format!(
                "there are {}; `{}` shows all",
                names.join(", "),
                self.command("cache list")
            )
        };
        Err(Failure::not_found(format!("there is no cache `{name}`{place}")).hint(hint))
    }
}

/// Finds the control plane and the token, for what is of no subscription.
pub(crate) fn management(common: &Common) -> Result<Management, Failure> {
    let endpoint = match &common.endpoint {
        Some(endpoint) => endpoint.clone(),
        None => {
            read(&common.data.join(ENDPOINT_FILE))?.unwrap_or_else(|| DEFAULT_ENDPOINT.to_owned())
        }
    };
    let token = match &common.token {
        Some(token) => token.clone(),
        None => token_of(&common.data)?,
    };
    let authority = if endpoint.starts_with("https:") {
        authority(common)?
    } else {
        None
    };
    Ok(Management::trusting(
        &endpoint,
        token,
        authority.as_deref(),
    )?)
}

/// What is trusted beside the system's authorities.
fn authority(common: &Common) -> Result<Option<String>, Failure> {
    let Some(path) = &common.ca else {
        return read(&common.data.join(AUTHORITY_FILE));
    };
    let missing = || Failure::usage(format!("there is no file {}", path.display()));
    read(path)?.map(Some).ok_or_else(missing)
}

async fn only_subscription(management: &Management) -> Result<SubscriptionId, Failure> {
    let mut all = management.subscriptions().await?.body;
    match (all.pop(), all.is_empty()) {
        (Some(only), true) => Ok(only.subscription_id),
        (Some(last), false) => {
            let names: Vec<_> = all
                .iter()
                .chain([&last])
                .map(|one| format!("{} ({})", one.subscription_id, one.display_name))
                .collect();
            Err(
                Failure::usage("there are several subscriptions").hint(format!(
                    "choose one with --subscription: {}",
                    names.join(", ")
                )),
            )
        }
        (None, _) => Err(Failure::new(format!(
            "the control plane at {} has no subscription",
            management.url()
        ))),
    }
}

fn token_of(data: &Path) -> Result<Secret, Failure> {
    let path = data.join(TOKEN_FILE);
    let hint = "start `godwit up` here, or name the directory of one that runs with --data, or set GODWIT_TOKEN";
    match read(&path) {
        Ok(Some(token)) => Ok(Secret::new(token)),
        Ok(None) => {
            let message = format!("no token: {} is not there", path.display());
            Err(Failure::new(message).hint(hint))
        }
        Err(failure) => Err(failure.hint(hint)),
    }
}

/// The text of a file that `godwit up` keeps, when the file is there.
fn read(path: &Path) -> Result<Option<String>, Failure> {
    let bytes = read_if_there(path).map_err(|error| Failure::new(chain(&error).to_string()))?;
    let text = bytes.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
    if text.as_ref().is_some_and(String::is_empty) {
        return Err(Failure::new(format!("{} is empty", path.display())));
    }
    Ok(text)
}

/// The options that a person has to repeat to get to the same control plane. Never a token.
fn repeated(endpoint: Option<&str>, ca: Option<&Path>, data: &Path) -> String {
    let mut options = String::new();
    if let Some(endpoint) = endpoint {
        options.push_str(&format!(" --endpoint {}", quoted(endpoint)));
    }
    if let Some(ca) = ca {
        options.push_str(&format!(" --ca {}", quoted(&ca.to_string_lossy())));
    }
    if data != Path::new(DEFAULT_DATA) {
        options.push_str(&format!(" --data {}", quoted(&data.to_string_lossy())));
    }
    options
}

/// `text` as one word of a shell's command line.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_file_is_read_without_its_newline() {
        let data = tempfile::tempdir().unwrap();
        let missing = token_of(data.path()).unwrap_err().to_string();
        assert!(
            missing.contains("no token: ") && missing.contains("hint: start `godwit up`"),
            "{missing}"
        );
        let path = data.path().join("token");
        runtime::durable::write_durable(&path, b"abc\n").unwrap();
        assert_eq!(token_of(data.path()).unwrap().reveal(), "abc");
        runtime::durable::write_durable(&path, b"\n").unwrap();
        assert!(
            token_of(data.path())
                .unwrap_err()
                .to_string()
                .contains("is empty")
        );
    }

    #[test]
    fn shell_words_survive_a_shell() {
        assert_eq!(quoted("/srv/godwit-data"), "/srv/godwit-data");
        assert_eq!(quoted("my data"), "'my data'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
