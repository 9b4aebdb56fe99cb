//! Entries of the reference tables. Each replaces the entry of the same id whole.

use std::{collections::BTreeMap, fmt};

use router_schemas::{
    command::{order::DeliveryMode, reference::RouteWhen},
    limits::{EXTERNAL_ID_BYTES, FORWARDS, MONEY_MAX, NAME_BYTES, TEXT_BYTES},
    quantity::Qty,
};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::{LocalDate, LocalTime, Span};

/// What a region's name looks like.
pub const REGION: &str = "^[0-9A-Za-z][0-9A-Za-z ._-]*$";
/// What a language's name looks like.
pub const LANGUAGE: &str = "^[A-Za-z]{2,8}(-[0-9A-Za-z]{1,8})*$";
/// Groups of a node or channel, languages of an item.
pub const GROUPS: usize = 64;
/// Opening intervals of one day.
pub const HOURS_A_DAY: usize = 2;
/// Bands of a fee table.
pub const FEE_BANDS: usize = 64;
/// Days with hours of their own.
pub const EXCEPTIONS: usize = 400;

/// `zone.v1`: a zone owns its nodes for ever.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct Zone {
    /// Its name.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub id: String,
    /// Its partition of `router.commands`, for ever; absent: the one with fewest zones.
    pub partition: Option<u16>,
}

/// `channel.v1`: where orders come from.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct Channel {
    /// Its name.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub id: String,
    /// Home zone of orders that no node and no region places.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub default_zone: Option<String>,
    /// Sold only from nodes of one of these groups; empty: from all.
    #[serde(default)]
    #[schemars(length(max = GROUPS), inner(length(min = 1, max = NAME_BYTES)))]
    pub groups: Vec<String>,
    /// What the payment must be before an order is routed.
    #[serde(default)]
    pub route_when: RouteWhen,
    /// Zones that get what the home zone cannot fill, one after the other: the central warehouse's zone.
    #[serde(default)]
    #[schemars(length(max = FORWARDS), inner(length(min = 1, max = NAME_BYTES)))]
    pub fallback: Vec<String>,
    /// Time in which a node must answer whether it gives picked units back; absent: 15 minutes.
    pub cancel_within: Option<Span>,
    /// What holds where it does not answer. True: the units are cancelled.
    #[serde(default)]
    pub cancel_by_default: bool,
    /// An order that must be served at one node is routed elsewhere when that node declines.
    #[serde(default)]
    pub reroute_pinned: bool,
    /// How its platform is told what it may sell; absent: it is not.
    pub feed: Option<ChannelFeed>,
}

/// How a platform is told what it may sell, on `channels.availability`.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
pub struct ChannelFeed {
    /// Seconds between two records of one SKU in one zone, unless it falls to zero, rises from there, or crosses `low`.
    #[schemars(range(min = 1, max = 86_400))]
    pub every_s: u32,
    /// Below this it is told at once, and alerted once, with a recovery; zero: never.
    #[serde(default)]
    pub low: Qty,
}

/// `region.v1`: a region and the zone that serves it. The entry with the longest id that an order's region starts
/// with wins.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct Region {
    /// A country and the start of a postal code (`DE-80`), or the start of a GB/T 2260 code.
    #[schemars(length(min = 1, max = NAME_BYTES), regex(pattern = REGION))]
    pub id: String,
    /// The zone.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub zone: String,
    /// Degrees; with the longitude, where orders of the region go that have no place of their own.
    #[schemars(range(min = -90, max = 90))]
    pub latitude: Option<f64>,
    /// Degrees.
    #[schemars(range(min = -180, max = 180))]
    pub longitude: Option<f64>,
}

/// `node.v1`: a store or warehouse.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct Node {
    /// Its name.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub id: String,
    /// The zone that owns it, for ever.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub zone: String,
    /// For people.
    #[serde(default)]
    #[schemars(length(max = TEXT_BYTES))]
    pub name: String,
    /// False: it gets no orders and its stock counts nothing.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// True: it wins the last tie.
    #[serde(default)]
    pub default: bool,
    /// Degrees; rounded to 0.001.
    #[schemars(range(min = -90, max = 90))]
    pub latitude: Option<f64>,
    /// Degrees; rounded to 0.001.
    #[schemars(range(min = -180, max = 180))]
    pub longitude: Option<f64>,
    /// Named sets it belongs to.
    #[serde(default)]
    #[schemars(length(max = GROUPS), inner(length(min = 1, max = NAME_BYTES)))]
    pub groups: Vec<String>,
    /// Delivery modes it serves.
    #[serde(default = "both_modes")]
    #[schemars(length(min = 1, max = 2))]
    pub modes: Vec<DeliveryMode>,
    /// Orders with unshipped units at one time; absent: any number.
    pub capacity_at_once: Option<u32>,
    /// Orders assigned since local midnight; absent: any number.
    pub capacity_a_day: Option<u32>,
    /// When it is open; absent: always. Compiled for 400 days when it is published: publish it again in time, behind
    /// them the node counts as always open.
    pub calendar: Option<Calendar>,
    /// Own number for the sort `sequence`, smaller first.
    pub sequence: Option<u32>,
    /// Words that rules ask for: name, and a text or a list of texts.
    #[serde(default)]
    #[schemars(extend("maxProperties" = GROUPS))]
    pub attributes: BTreeMap<String, Words>,
    /// Its delivery area: kilometres around it; absent: everywhere.
    #[schemars(range(min = 0.001, max = 20015))]
    pub area_km: Option<f64>,
}

/// A text, or a list of them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged, expecting = "expected a text or a list of texts")]
pub enum Words {
    /// One.
    One(#[schemars(length(min = 1, max = NAME_BYTES))] String),
    /// Several.
    Several(#[schemars(length(max = GROUPS), inner(length(min = 1, max = NAME_BYTES)))] Vec<String>),
}

/// Opening hours in local time.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct Calendar {
    /// Name in the IANA database, for example `Asia/Shanghai`.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub time_zone: String,
    /// Hours of an ordinary week.
    #[serde(default)]
    pub weekly: Weekly,
    /// Days with other hours: holidays, sales. One entry a day.
    #[serde(default)]
    #[schemars(length(max = EXCEPTIONS))]
    pub exceptions: Vec<Exception>,
}

/// Hours by weekday; a day that is absent is closed.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct Weekly {
    /// Hours that begin on a Monday.
    #[schemars(length(max = HOURS_A_DAY))]
    pub monday: Vec<Hours>,
    /// Hours that begin on a Tuesday.
    #[schemars(length(max = HOURS_A_DAY))]
    pub tuesday: Vec<Hours>,
    /// Hours that begin on a Wednesday.
    #[schemars(length(max = HOURS_A_DAY))]
    pub wednesday: Vec<Hours>,
    /// Hours that begin on a Thursday.
    #[schemars(length(max = HOURS_A_DAY))]
    pub thursday: Vec<Hours>,
    /// Hours that begin on a Friday.
    #[schemars(length(max = HOURS_A_DAY))]
    pub friday: Vec<Hours>,
    /// Hours that begin on a Saturday.
    #[schemars(length(max = HOURS_A_DAY))]
    pub saturday: Vec<Hours>,
    /// Hours that begin on a Sunday.
    #[schemars(length(max = HOURS_A_DAY))]
    pub sunday: Vec<Hours>,
}

/// A day with hours of its own.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct Exception {
    /// The local date.
    pub date: LocalDate,
    /// Its hours; empty: closed.
    #[serde(default)]
    #[schemars(length(max = HOURS_A_DAY))]
    pub open: Vec<Hours>,
}

/// From, to. Where `to` is before `from`, the node closes on the day after. The whole day is 00:00 to 24:00.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
pub struct Hours {
    /// It opens.
    pub from: LocalTime,
    /// It closes.
    pub to: LocalTime,
}

/// `item.v1`: what a SKU is.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct Item {
    /// The SKU.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub sku: String,
    /// The name in no language in particular.
    #[schemars(length(max = TEXT_BYTES))]
    pub name: Option<String>,
    /// Names by language, BCP 47.
    #[serde(default)]
    pub names: Names,
    /// Barcode.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub barcode: Option<String>,
    /// Smallest quantity that can be taken, above zero; absent: one.
    pub unit_step: Option<Qty>,
    /// Grams a unit.
    pub weight_g: Option<u32>,
    /// Cubic centimetres a unit.
    pub volume_cm3: Option<u32>,
    /// Category.
    #[schemars(length(min = 1, max = EXTERNAL_ID_BYTES))]
    pub category: Option<String>,
    /// Brand.
    #[schemars(length(min = 1, max = EXTERNAL_ID_BYTES))]
    pub brand: Option<String>,
    /// Special handling: `cold`, `fragile`.
    #[serde(default)]
    #[schemars(length(max = GROUPS), inner(length(min = 1, max = NAME_BYTES)))]
    pub handling: Vec<String>,
    /// True: everywhere without limit, as services are.
    #[serde(default)]
    pub untracked: bool,
    /// Catch weight: shipping this much less or more, in thousandths of the quantity, still closes the line.
    #[serde(default)]
    #[schemars(range(max = 1000))]
    pub tolerance: u16,
}

/// `fees.v1`: what a carrier takes for a shipment, for the sort `cost`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct Fees {
    /// Its name.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub id: String,
    /// By distance, the nearest first. Farther than the last one there is no fee: the sort abstains.
    #[schemars(length(min = 1, max = FEE_BANDS))]
    pub bands: Vec<FeeBand>,
}

/// A band of a fee table.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct FeeBand {
    /// Up to this distance, kilometres.
    #[schemars(range(min = 0.001, max = 20015))]
    pub km: f64,
    /// Minor units a shipment.
    #[schemars(range(min = 0, max = MONEY_MAX))]
    pub base: i64,
    /// Minor units a kilogram begun.
    #[serde(default)]
    #[schemars(range(min = 0, max = MONEY_MAX))]
    pub per_kg: i64,
}

/// Texts by language. A language that is named twice is refused.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[schemars(extend("maxProperties" = GROUPS, "propertyNames" = { "pattern": LANGUAGE },
    "additionalProperties" = { "type": "string", "maxLength": TEXT_BYTES }))]
pub struct Names(pub BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Names;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts by language")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                let mut names = BTreeMap::new();
                while let Some((language, name)) = map.next_entry::<String, String>()? {
                    if names.insert(language, name).is_some() {
                        return Err(de::Error::custom("expected each language once"));
                    }
                }
                Ok(Names(names))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

fn yes() -> bool {
    true
}

fn both_modes() -> Vec<DeliveryMode> {
    vec![DeliveryMode::Delivery, DeliveryMode::Pickup]
}
