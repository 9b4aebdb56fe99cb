//! Who may call what: the tokens as they are now, and the roles of each path.

use std::{
    os::unix::fs::MetadataExt,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use router_schemas::command::{Command, reference::Reference};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    config::{
        Finding, Settings,
        tokens::{Hash, Holder, Role, Tokens},
    },
    telemetry::TELEMETRY,
};

use Role::{Admin, Agent, Auditor, Connector, Operations, Store, Viewer};

/// Those who run the trade.
pub(super) const OPERATORS: &[Role] = &[Admin, Operations];
/// Those who may write something of an order of their channels.
pub(super) const OF_CHANNEL: &[Role] = &[Admin, Operations, Connector];
/// Those who may change orders for a customer.
pub(super) const FOR_CUSTOMER: &[Role] = &[Admin, Operations, Connector, Agent];
/// Those who may write something of their nodes.
pub(super) const OF_NODE: &[Role] = &[Admin, Operations, Store];
/// Those who may write something at all.
pub(super) const WRITERS: &[Role] = &[Admin, Operations, Connector, Store, Agent];
/// Those who read everything.
pub(super) const READERS: &[Role] = &[Admin, Operations, Agent, Auditor, Viewer];
/// And stores, of their nodes.
pub(super) const NODES: &[Role] = &[Admin, Operations, Store, Agent, Auditor, Viewer];
/// And connectors, of their channels.
pub(super) const CHANNELS: &[Role] = &[Admin, Operations, Connector, Agent, Auditor, Viewer];
/// Everyone with a token, each what is theirs.
pub(super) const ALL: &[Role] = &Role::ALL;

/// Who may call a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Who {
    /// No token is asked for.
    Anyone,
    /// A token of one of these roles.
    Roles(&'static [Role]),
}

/// Roles that may send messages to this path.
pub(super) fn roles_of(path: &str) -> &'static [Role] {
    match path {
        "/v1/orders" | "/v1/payments" | "/v1/deliveries" => OF_CHANNEL,
        "/v1/reservations" | "/v1/reservations/extensions" | "/v1/releases" => OF_CHANNEL,
        "/v1/amends" | "/v1/cancels" => FOR_CUSTOMER,
        "/v1/stock/counts" | "/v1/stock/receipts" | "/v1/stock/adjustments" => OF_NODE,
        // Only operations evacuate: `Caller::command` looks.
        "/v1/offers/claims" | "/v1/offers/declines" | "/v1/nodes/requests" => OF_NODE,
        path if path.starts_with("/v1/fulfilments/") => OF_NODE,
        _ => OPERATORS,
    }
}

/// Where a command of this kind is sent alone. Empty: nowhere.
pub(super) fn path_of(command: &Command) -> &'static str {
    match command {
        Command::Place(_) => "/v1/orders",
        Command::Amend(_) => "/v1/amends",
        Command::Cancel(_) => "/v1/cancels",
        Command::Payment(_) => "/v1/payments",
        Command::Delivered(_) => "/v1/deliveries",
        Command::Count(_) => "/v1/stock/counts",
        Command::Receipt(_) => "/v1/stock/receipts",
        Command::Adjustment(_) => "/v1/stock/adjustments",
        Command::CellPolicy(_) => "/v1/stock/policies",
        Command::Picked(_) => "/v1/fulfilments/picked",
        Command::Ready(_) => "/v1/fulfilments/ready",
        Command::Shipped(_) => "/v1/fulfilments/shipped",
        Command::Returned(_) => "/v1/fulfilments/returned",
        Command::Accepted(_) => "/v1/fulfilments/accepted",
        Command::HandedOver(_) => "/v1/fulfilments/handed_over",
        Command::CancelAnswer(_) => "/v1/fulfilments/cancel_answers",
        Command::Claim(_) => "/v1/offers/claims",
        Command::Decline(_) => "/v1/offers/declines",
        Command::Node(_) => "/v1/nodes/requests",
        Command::Steer(_) => "/v1/steers",
        Command::Reserve(_) => "/v1/reservations",
        Command::Extend(_) => "/v1/reservations/extensions",
        Command::Release(_) => "/v1/releases",
        Command::ChannelPolicy(_) => "/v1/stock/channel_policies",
        Command::Reference(published) => match published.change {
            Reference::Zone(_) => "/v1/zones",
            Reference::Node(_) => "/v1/nodes",
            Reference::Item(_) => "/v1/items",
            Reference::Channel(_) => "/v1/channels",
            Reference::Region(_) => "/v1/regions",
            Reference::Rules(_) => "/v1/rules",
            Reference::Fees(_) => "/v1/fees",
            Reference::Quota(_) => "/v1/quotas",
            _ => "",
        },
        _ => "",
    }
}

/// How a gateway knows who calls.
pub(crate) enum Access {
    /// By the socket, which only the folder's owner can open.
    Local,
    /// Not at all: whoever can reach it may do everything.
    Open,
    /// By tokens.
    Tokens(Box<Live>),
}

impl Access {
    /// As the settings say.
    pub fn of(settings: &Settings) -> Result<Access, Vec<Finding>> {
        let files: Vec<_> =
            [&settings.tokens_file, &settings.token_file].into_iter().flatten().cloned().collect();
        // Looked at before it is read: what changes meanwhile is seen the next time.
        let seen = stamps(&files);
        Ok(match settings.tokens()? {
            None => Access::Open,
            Some(tokens) => {
                note(Some(tokens.len()));
                let settings = settings.clone();
                Access::Tokens(Box::new(Live {
                    settings,
                    files,
                    seen: RwLock::new(seen),
                    tokens: RwLock::new(tokens),
                }))
            }
        })
    }

    /// Whose token this is now; `None`: nobody's.
    pub(super) fn holder(&self, hash: &Hash) -> Option<Arc<Holder>> {
        let Access::Tokens(live) = self else { return None };
        let now = jiff::Timestamp::now().as_millisecond();
        live.tokens.read().unwrap_or_else(PoisonError::into_inner).holder(hash, now).cloned()
    }
}

/// Tokens that follow their files.
pub(crate) struct Live {
    settings: Settings,
    files: Vec<PathBuf>,
    seen: RwLock<Vec<Stamp>>,
    tokens: RwLock<Tokens>,
}

/// What shows that a file is another: when it was written, its size, which one it is. `None`: it is not there.
type Stamp = Option<(SystemTime, u64, u64)>;

fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
    let stamp = |file: &PathBuf| {
        let about = std::fs::metadata(file).ok()?;
        Some((about.modified().ok()?, about.len(), about.ino()))
    };
    files.iter().map(stamp).collect()
}

/// Between two looks at the files.
const LOOK: Duration = Duration::from_secs(1);

impl Live {
    /// Reads the files again where they changed, or where `asked`. Broken ones leave the tokens as they were, and are
    /// complained of once for each change.
    fn look(&self, asked: bool) {
        let now = stamps(&self.files);
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        if !asked && *seen == now {
            return;
        }
        *seen = now;
        match self.settings.tokens() {
            Ok(tokens) => {
                let tokens = tokens.unwrap_or_default();
                tracing::warn!(tokens = tokens.len(), "the tokens were read again");
                note(Some(tokens.len()));
                *self.tokens.write().unwrap_or_else(PoisonError::into_inner) = tokens;
            }
            Err(findings) => {
                note(None);
                for finding in findings {
                    tracing::error!(%finding, "the tokens cannot be read again; those of before still count");
                }
            }
        }
    }
}

/// Follows the files of the tokens, at a signal at once, until the runtime ends. The signal is heard from now on.
pub(crate) fn follow(access: Arc<Access>) -> std::io::Result<impl Future<Output = ()> + Send> {
    let asked = match *access {
        Access::Tokens(_) => Some(signal(SignalKind::hangup())?),
        // Whoever hangs up ends a router that has nothing to read again.
        Access::Local | Access::Open => None,
    };
    Ok(async move {
        if let Some(asked) = asked {
            look_on(access, asked).await;
        }
    })
}

async fn look_on(access: Arc<Access>, mut asked: Signal) {
    loop {
        let asked = tokio::select! {
            _ = asked.recv() => true,
            () = tokio::time::sleep(LOOK) => false,
        };
        let access = access.clone();
        let looked = tokio::task::spawn_blocking(move || {
            if let Access::Tokens(live) = &*access {
                live.look(asked);
            }
        });
        // A look that broke off is followed by another.
        let _ = looked.await;
    }
}

/// What was read; `None`: it is broken.
fn note(read: Option<usize>) {
    TELEMETRY.tokens_broken.set(i64::from(read.is_none()));
    if let Some(count) = read {
        TELEMETRY.tokens.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use router_ingest::{
        decode::{self, Context},
        json::KINDS,
        seal::Keys,
    };
    use router_schemas::command::order::Arrival;

    use super::*;

    /// A kind that lacks its path could be sent by the line by operators only.
    #[test]
    fn each_kind_of_message_leads_to_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::open(folder.path()).unwrap();
        let context = Context { keys: &keys, arrival: Arrival::Http, key: Some("k") };
        for kind in &KINDS {
            let command = decode::message(kind.name, kind.example.as_bytes(), &context).unwrap();
            assert_eq!(path_of(&command), kind.path);
        }
    }
}
