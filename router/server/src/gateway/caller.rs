//! Who calls, and what of the router is theirs. A caller learns of nothing else whether it exists.

use std::{
    collections::BTreeSet,
    sync::{Arc, LazyLock},
};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
};
use percent_encoding::percent_decode;
use router_schemas::{
    command::{
        Command,
        offer::{NodeAct, NodeRequest},
        reference::Reference,
    },
    envelope::Meta,
    id::OrderId,
    refusal::Refusal,
    row::OrderRow,
};
use router_sinks::{Seen, StoreError};

use super::{
    Failure, NOT_FOUND,
    access::{Access, OPERATORS, path_of, roles_of},
    fresh, letters,
    problem::{BAD_HEADER, BEHIND, NOT_YET, ROLE, SCOPE, TOKEN},
};
use crate::{
    config::tokens::{Hash, Holder, Role, hash},
    router::Router,
};

/// Bytes of a reason.
pub(super) const REASON_BYTES: usize = 500;
/// Bytes of a token.
const TOKEN_BYTES: usize = 1024;
/// Offers to a node that are looked through.
const OFFERS: usize = 10_000;

/// Whoever can reach a gateway that asks for no token.
static NEAR: LazyLock<Arc<Holder>> = LazyLock::new(|| Arc::new(Holder::admin("loopback")));

/// Who calls, and why.
#[derive(Clone)]
pub(crate) struct Caller {
    holder: Arc<Holder>,
    reason: Option<Arc<str>>,
    /// What the caller is known by, where it is a token.
    token: Option<(Arc<Access>, Hash)>,
}

/// Every handler of a path that is not for anyone may ask who calls.
impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Caller, Failure> {
        parts.extensions.get().cloned().ok_or_else(no_token)
    }
}

fn no_token() -> Failure {
    Failure::new(StatusCode::UNAUTHORIZED, TOKEN, TOKEN.summary)
}

fn scope(detail: &str) -> Failure {
    Failure::new(StatusCode::FORBIDDEN, SCOPE, detail)
}

impl Caller {
    /// Who sent this head.
    pub(super) fn of(access: &Arc<Access>, method: &Method, headers: &HeaderMap) -> Result<Caller, Failure> {
        let (holder, token) = match &**access {
            Access::Open => (NEAR.clone(), None),
            Access::Local => (Arc::new(Holder::admin(&letters::actor(headers))), None),
            Access::Tokens(_) => {
                let given = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
                let given = given.strip_prefix(b"Bearer ").filter(|given| given.len() <= TOKEN_BYTES);
                let hash = hash(given.ok_or_else(no_token)?);
                (access.holder(&hash).ok_or_else(no_token)?, Some((access.clone(), hash)))
            }
        };
        // Whoever only reads leaves nothing that a reason could stand in.
        let reason = if method == Method::POST { reason(headers)? } else { None };
        Ok(Caller { holder, reason, token })
    }

    /// The actor of what is sent.
    pub(super) fn name(&self) -> &str {
        &self.holder.name
    }

    /// Nodes that the caller is bound to; `None`: to none.
    pub(super) fn nodes(&self) -> Option<&Arc<BTreeSet<String>>> {
        (self.holder.role == Role::Store).then_some(&self.holder.nodes)
    }

    /// Channels that the caller is bound to; `None`: to none.
    pub(super) fn channels(&self) -> Option<&Arc<BTreeSet<String>>> {
        (self.holder.role == Role::Connector).then_some(&self.holder.channels)
    }

    pub(super) fn has_node(&self, node: &str) -> bool {
        self.nodes().is_none_or(|nodes| nodes.contains(node))
    }

    pub(super) fn has_channel(&self, channel: &str) -> bool {
        self.channels().is_none_or(|channels| channels.contains(channel))
    }

    /// Refuses a node that is not the caller's. Asked before anybody looks whether there is such a node.
    pub(super) fn node(&self, node: &str) -> Result<(), Failure> {
        let refused = || scope("the token is for other nodes than the one that is named");
        self.has_node(node).then_some(()).ok_or_else(refused)
    }

    /// Refuses a channel that is not the caller's.
    pub(super) fn channel(&self, channel: &str) -> Result<(), Failure> {
        let refused = || scope("the token is for other channels than the one that is named");
        self.has_channel(channel).then_some(()).ok_or_else(refused)
    }

    /// Refuses a caller whose role is none of these.
    pub(super) fn role(&self, roles: &[Role]) -> Result<(), Failure> {
        if roles.contains(&self.holder.role) {
            return Ok(());
        }
        let may = roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ");
        let detail = format!("the role {} may not do this; these may: {may}", self.holder.role.as_str());
        Err(Failure::new(StatusCode::FORBIDDEN, ROLE, detail))
    }

    /// Whether the token still counts: connections may outlive it.
    pub(super) fn counts(&self) -> bool {
        self.token.as_ref().is_none_or(|(access, hash)| access.holder(hash).is_some())
    }

    /// Refuses a command that the caller may not send: by its kind, its node, its channel.
    pub(super) fn command(&self, command: &Command) -> Result<(), Failure> {
        if !self.counts() {
            return Err(no_token());
        }
        self.role(roles_of(path_of(command)))?;
        if matches!(command, Command::Node(NodeRequest { act: NodeAct::Evacuate, .. })) {
            // A store pauses; that its work goes to others is not its own to say.
            self.role(OPERATORS)?;
        }
        match self.holder.role {
            Role::Store => match command.node() {
                Some(node) => self.node(node),
                None => Err(scope("the token is for some nodes only, and the message is about none")),
            },
            Role::Connector => match command.identity() {
                Some(identity) => self.channel(&identity.channel),
                None => Err(scope("the token is for some channels only, and the message is about none")),
            },
            _ => Ok(()),
        }
    }

    /// The orders that the caller may see.
    pub(super) fn seen(&self, router: &Router) -> Result<Seen, Failure> {
        if let Some(channels) = self.channels() {
            return Ok(Seen::OfChannels(channels.clone()));
        }
        let Some(nodes) = self.nodes() else { return Ok(Seen::All) };
        let mut offered = BTreeSet::new();
        for node in nodes.iter() {
            let page = router.store.offers(Some(node), None, OFFERS).map_err(|e| fresh::no_rows(&e))?;
            offered.extend(page.rows.iter().map(|offer| offer.order));
        }
        Ok(Seen::AtNodes { nodes: nodes.clone(), offered })
    }

    /// Whether the caller may see this order.
    pub(super) fn sees(&self, router: &Router, row: &OrderRow) -> Result<bool, StoreError> {
        let Some(nodes) = self.nodes() else { return Ok(self.has_channel(&row.identity.channel)) };
        if row.fulfilments.iter().any(|f| nodes.contains(&f.node)) {
            return Ok(true);
        }
        for node in nodes.iter() {
            let page = router.store.offers(Some(node), None, OFFERS)?;
            if page.rows.iter().any(|offer| offer.order == row.order) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the caller may see an entry of a reference table.
    pub(super) fn sees_entry(&self, entry: &Reference) -> bool {
        match entry {
            Reference::Node(node) => self.has_node(&node.id),
            Reference::Channel(channel) => self.has_channel(&channel.id),
            _ => true,
        }
    }

    /// Refuses a store that reports on an order of which it has nothing, as if there were no such order.
    pub(super) async fn touches(&self, router: &Router, command: &Command) -> Result<(), Failure> {
        let order = match command {
            Command::Picked(fact)
            | Command::Ready(fact)
            | Command::Shipped(fact)
            | Command::Returned(fact)
            | Command::Accepted(fact)
            | Command::HandedOver(fact) => fact.order,
            Command::CancelAnswer(answer) => answer.order,
            _ => return Ok(()),
        };
        match self.nodes() {
            Some(_) => self.order(router, order).await.map(drop),
            None => Ok(()),
        }
    }

    /// The order that a message is about, if the caller may see it.
    pub(super) async fn order(&self, router: &Router, order: OrderId) -> Result<OrderRow, Failure> {
        let refusal = Refusal::UnknownOrder.code();
        match fresh::by_id(router, order, self).await {
            Ok(row) => Ok(row),
            Err(failure) if failure.code == NOT_FOUND => {
                let (pointer, detail) = ("/order".into(), refusal.summary.into());
                Err(Failure { status: StatusCode::UNPROCESSABLE_ENTITY, code: refusal, pointer, detail })
            }
            Err(failure) if failure.code == NOT_YET => {
                Err(Failure::new(StatusCode::TOO_MANY_REQUESTS, BEHIND, BEHIND.summary))
            }
            Err(failure) => Err(failure),
        }
    }

    /// What stands beside a command of the caller: who, and why.
    pub(super) fn meta(&self, command: &Command) -> Meta {
        let said = match command {
            Command::Decline(decline) => Some(decline.reason.as_str()).filter(|reason| !reason.is_empty()),
            _ => None,
        };
        let reason = self.reason.as_deref().or(said).map(str::to_owned);
        Meta { actor: Some(self.holder.name.clone()), reason, ..Meta::default() }
    }
}

/// `X-Reason`: UTF-8, as it is or percent-encoded.
fn reason(headers: &HeaderMap) -> Result<Option<Arc<str>>, Failure> {
    let Some(value) = headers.get("x-reason") else { return Ok(None) };
    let wrong = || {
        let detail = format!(
            "X-Reason: must be UTF-8 or percent-encoded, and have at most {REASON_BYTES} bytes without control characters"
        );
        Failure::new(StatusCode::BAD_REQUEST, BAD_HEADER, detail)
    };
    let text = percent_decode(value.as_bytes()).decode_utf8().map_err(|_| wrong())?;
    let text = text.trim();
    if text.len() > REASON_BYTES || text.chars().any(char::is_control) {
        return Err(wrong());
    }
    Ok(Some(text).filter(|text| !text.is_empty()).map(Arc::from))
}

#[cfg(test)]
mod tests {
    use router_schemas::{
        command::order::{DeliveryMode, PaymentState, Totals},
        event::{OfferClosed, OrderState},
        id::Identity,
        quantity::Currency,
        row::{OfferEntry, OfferRow, Row},
    };

    use super::*;
    use crate::runner;

    fn store(node: &str) -> Caller {
        let nodes = Arc::new([node.to_owned()].into());
        let holder = Holder { role: Role::Store, nodes, ..Holder::admin("till") };
        Caller { holder: Arc::new(holder), reason: None, token: None }
    }

    /// Of nobody, anywhere.
    fn order(order: OrderId) -> OrderRow {
        OrderRow {
            order,
            identity: Identity::default(),
            zone: String::new(),
            state: OrderState::Routing,
            payment: PaymentState::default(),
            refunded: 0,
            version: None,
            created_at: 0,
            changed_at: 0,
            placed_at: None,
            promise: None,
            not_before: None,
            mode: DeliveryMode::default(),
            to: None,
            priority: 0,
            currency: Currency::default(),
            totals: Totals::default(),
            revision: 1,
            lines: Vec::new(),
            fulfilments: Vec::new(),
            display: Vec::new(),
            part_of: None,
            parts: Vec::new(),
            declined: Vec::new(),
        }
    }

    #[test]
    fn a_store_sees_an_order_that_is_offered_to_it_and_no_longer() {
        let folder = tempfile::tempdir().unwrap();
        let router = Router::start_with(folder.path(), &runner::Settings::default()).unwrap();
        let offer = |time: u64, entry: OfferEntry| {
            let nodes = vec![("s1".to_owned(), entry), ("s3".to_owned(), OfferEntry::Open)];
            let row = Row::Offer(Box::new(OfferRow { nodes, ..OfferRow::default() }));
            router.store.apply(0, 0, vec![(time, row)]).unwrap();
        };
        let order: OrderRow = order(OfferRow::default().order);
        let sees = |node: &str| {
            let (caller, row) = (store(node), &order);
            let seen = caller.seen(&router).unwrap_or_else(|failure| panic!("{}", failure.detail));
            let sees = caller.sees(&router, row).unwrap();
            assert_eq!(sees, seen.takes(row), "one order and a list of them");
            sees
        };
        assert!(!sees("s1"));
        offer(1, OfferEntry::Open);
        assert_eq!((sees("s1"), sees("s2"), sees("s3")), (true, false, true));
        offer(2, OfferEntry::Closed(OfferClosed::Taken));
        assert_eq!((sees("s1"), sees("s3")), (false, true));
        router.stop();
    }
}
