//! Orders.

use router_schemas::{
    command::order::{DeliveryMode, PaymentState, Substitution, Totals},
    limits::{EXTERNAL_ID_BYTES, LINES, MONEY_MAX, NAME_BYTES, OPTIONS, TAGS, TEXT_BYTES, TRAVELLERS},
    quantity::{Currency, Qty},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Instant;

/// `order.v1`: a new order; `amend.v1`: an order's full new state.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct Order {
    /// The channel it came by, for example `web`.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub channel: String,
    /// The seller's account at the channel; empty if there is one only.
    #[serde(default)]
    #[schemars(length(max = NAME_BYTES))]
    pub account: String,
    /// The platform's id of the order.
    #[schemars(length(min = 1, max = EXTERNAL_ID_BYTES))]
    pub id: String,
    /// The source's version: a later one replaces an earlier one.
    pub version: Option<u64>,
    /// Stands in for the version where there is none.
    pub updated_at: Option<Instant>,
    /// When the customer ordered.
    pub placed_at: Option<Instant>,
    /// The number that the customer knows.
    #[schemars(length(min = 1, max = EXTERNAL_ID_BYTES))]
    pub number: Option<String>,
    /// The store's running number of the day (流水号).
    pub day_sequence: Option<u32>,
    /// How far it is paid, and how.
    #[serde(default)]
    pub payment: Payment,
    /// Currency of all amounts; absent: none is known.
    #[serde(default)]
    pub currency: Currency,
    /// Amounts of the whole order.
    #[serde(default)]
    pub totals: Totals,
    /// When the customer was promised it.
    pub promise: Option<Window>,
    /// Not to be routed before.
    pub not_before: Option<Instant>,
    /// How the customer gets it.
    #[serde(default)]
    pub delivery_mode: DeliveryMode,
    /// The node that must, or should, serve it.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub node: Option<String>,
    /// Whether another node may serve it.
    #[serde(default)]
    pub pinned: Pinned,
    /// Who gets it.
    pub recipient: Option<Recipient>,
    /// Where it goes, by name: a country and the start of a postal code (`DE-80`), or the start of a GB/T 2260
    /// code. A region's entry says which zone serves it.
    #[schemars(length(min = 1, max = NAME_BYTES), regex(pattern = super::reference::REGION))]
    pub region: Option<String>,
    /// The customer's language, BCP 47, for example `zh-CN`.
    #[schemars(length(min = 1, max = NAME_BYTES), regex(pattern = super::reference::LANGUAGE))]
    pub language: Option<String>,
    /// The customer's remark.
    #[schemars(length(max = TEXT_BYTES))]
    pub remark: Option<String>,
    /// Set for a gift. Sealed.
    pub gift: Option<Gift>,
    /// Set where an invoice is asked for. Sealed.
    pub invoice: Option<Invoice>,
    /// The seller's member number.
    #[schemars(length(min = 1, max = EXTERNAL_ID_BYTES))]
    pub member: Option<String>,
    /// Free words.
    #[serde(default)]
    #[schemars(length(max = TAGS), inner(length(min = 1, max = NAME_BYTES)))]
    pub tags: Vec<String>,
    /// 0 first, 255 last; 100 where absent.
    pub priority: Option<u8>,
    /// What is ordered.
    #[schemars(length(min = 1, max = LINES))]
    pub lines: Vec<Line>,
}

/// How much a named node binds. False: it is asked first. True: no other node may serve it, and no rule is asked.
/// `"only"`: no other node may serve it, and the rules say whether this one may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged, expecting = "expected true, false or \"only\"")]
pub enum Pinned {
    /// True: no other node, whatever the rules say.
    Hard(bool),
    /// No other node, where the rules let it be asked.
    Only(Only),
}

/// The word `only`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Only {
    /// No other node, where the rules let it be asked.
    Only,
}

impl Default for Pinned {
    fn default() -> Self {
        Pinned::Hard(false)
    }
}

/// How far an order is paid, and how.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
pub struct Payment {
    /// How far.
    #[serde(default)]
    pub state: PaymentState,
    /// In the platform's words, for example `alipay`.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub method: Option<String>,
}

/// From, to.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct Window {
    /// Its start.
    pub from: Instant,
    /// Its end, not before its start.
    pub to: Instant,
}

/// Who gets it. Everything but the rounded place is sealed before it reaches the log.
#[derive(Clone, Default, Deserialize, Serialize, JsonSchema)]
pub struct Recipient {
    /// Their name.
    #[schemars(length(max = TEXT_BYTES))]
    pub name: Option<String>,
    /// Their phone number.
    #[schemars(length(max = TEXT_BYTES))]
    pub phone: Option<String>,
    /// Street, house, door.
    #[schemars(length(max = TEXT_BYTES))]
    pub address: Option<String>,
    /// Degrees; rounded to 0.001, about 100 m, before it is kept.
    #[schemars(range(min = -90, max = 90))]
    pub latitude: Option<f64>,
    /// Degrees; rounded as the latitude is.
    #[schemars(range(min = -180, max = 180))]
    pub longitude: Option<f64>,
}

/// A gift.
#[derive(Clone, Default, Deserialize, Serialize, JsonSchema)]
pub struct Gift {
    /// Who gives it.
    #[schemars(length(max = TEXT_BYTES))]
    pub from: Option<String>,
    /// What the card says.
    #[schemars(length(max = TEXT_BYTES))]
    pub text: Option<String>,
}

/// An invoice that is asked for.
#[derive(Clone, Default, Deserialize, Serialize, JsonSchema)]
pub struct Invoice {
    /// Whom it is made out to.
    #[schemars(length(max = TEXT_BYTES))]
    pub title: Option<String>,
    /// Their tax number.
    #[schemars(length(max = TEXT_BYTES))]
    pub tax_id: Option<String>,
    /// Where it is sent.
    #[schemars(length(max = TEXT_BYTES))]
    pub email: Option<String>,
}

/// A line of an order.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct Line {
    /// Unique in the order; the line's place, from 1, where absent.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub id: Option<String>,
    /// What is ordered.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub sku: String,
    /// The platform's id of the line's item.
    #[schemars(length(min = 1, max = EXTERNAL_ID_BYTES))]
    pub external_id: Option<String>,
    /// The item as the customer saw it.
    #[schemars(length(max = TEXT_BYTES))]
    pub name: Option<String>,
    /// Chosen options, for example `no ice`.
    #[serde(default)]
    #[schemars(length(max = OPTIONS), inner(length(max = TEXT_BYTES)))]
    pub options: Vec<String>,
    /// How much, above zero.
    pub qty: Qty,
    /// Unit of the quantity, for example `kg`.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub unit: Option<String>,
    /// Minor units a unit.
    #[serde(default)]
    #[schemars(range(min = 0, max = MONEY_MAX))]
    pub unit_price: i64,
    /// Minor units off the line.
    #[serde(default)]
    #[schemars(range(min = 0, max = MONEY_MAX))]
    pub discount: i64,
    /// Lines of one group go together where the rule keeps groups.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub group: Option<String>,
    /// What the store may do when it has none.
    #[serde(default)]
    pub substitution: Substitution,
    /// Day or seat class.
    #[serde(default)]
    #[schemars(length(max = 1), inner(length(min = 1, max = NAME_BYTES)))]
    pub buckets: Vec<String>,
    /// The node that must, or should, serve this line.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub node: Option<String>,
    /// Whether another node may serve it.
    #[serde(default)]
    pub pinned: Pinned,
    /// Who travels or visits, at most one a unit. Sealed.
    #[serde(default)]
    #[schemars(length(max = TRAVELLERS))]
    pub travellers: Vec<Traveller>,
}

/// A traveller or visitor.
#[derive(Clone, Deserialize, Serialize, JsonSchema)]
pub struct Traveller {
    /// Their name.
    #[schemars(length(min = 1, max = TEXT_BYTES))]
    pub name: String,
    /// For example `passport`.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub document_type: Option<String>,
    /// Its number.
    #[schemars(length(min = 1, max = EXTERNAL_ID_BYTES))]
    pub document_number: Option<String>,
}

macro_rules! sealed {
    ($($person:ident),*) => {$(
        impl std::fmt::Debug for $person {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($person), "(sealed)"))
            }
        }
    )*};
}
sealed!(Recipient, Gift, Invoice, Traveller);
