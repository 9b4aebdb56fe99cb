//! What a rule's sorts go by: one value for each node. A sort without a value for a node abstains: the node ranks
//! behind all that have one.

use std::{cmp::Ordering, fmt};

use router_schemas::rules::{Balance, Rule, Sort};

use super::Ask;
use crate::engine::nodes;

/// What a sort says of a node.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    Number(i64),
    /// So much for each of so many: compared without rounding. The second is above zero.
    Ratio(i64, i64),
    Text(&'a str),
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Number(number) => write!(f, "{number}"),
            Value::Ratio(over, under) => write!(f, "{over}/{under}"),
            Value::Text(text) => f.write_str(text),
        }
    }
}

impl Value<'_> {
    fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Value::Text(a), Value::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
            (Value::Ratio(a, b), Value::Ratio(c, d)) => {
                (i128::from(*a) * i128::from(*d)).cmp(&(i128::from(*c) * i128::from(*b)))
            }
            (Value::Number(a), Value::Number(b)) => a.cmp(b),
            // One sort has values of one kind.
            _ => Ordering::Equal,
        }
    }
}

/// What the sorts of a rule say of a node, in their order.
pub type Key<'a> = smallvec::SmallVec<[Option<Value<'a>>; 4]>;

/// The sort's name, as rules write it.
pub fn name(sort: &Sort) -> &'static str {
    match sort {
        Sort::Sequence => "sequence",
        Sort::Distance { .. } => "distance",
        Sort::Coverage => "coverage",
        Sort::DefaultFirst => "default_first",
        Sort::Preferred => "preferred",
        Sort::OpenFirst => "open_first",
        Sort::InventoryBalance(_) => "inventory_balance",
        Sort::WeeksOfSupply => "weeks_of_supply",
        Sort::CapacityLeft => "capacity_left",
        Sort::DeclineRate => "decline_rate",
        Sort::TimeToClaim => "time_to_claim",
        Sort::TimeToShip => "time_to_ship",
        Sort::Cost(_) => "cost",
        Sort::Attribute { .. } => "attribute",
        Sort::RankTable(_) => "rank_table",
        Sort::Used => "used",
    }
}

/// Brings the nodes into the rule's order; then the default node, then the id by its bytes.
pub fn rank(ask: &Ask<'_>, rule: &Rule, nodes: Vec<u32>) -> Vec<u32> {
    if let Some(farther) = ends_with_distance(&rule.sorts) {
        return rank_by_distance(ask, &rule.sorts, farther, nodes);
    }
    let mut keyed: Vec<(Key<'_>, u32)> = nodes.into_iter().map(|n| (key(ask, rule, n), n)).collect();
    keyed.sort_by(|(a, node), (b, other)| {
        let place = |node: &u32| &ask.state.nodes[*node as usize].node;
        let (node, other) = (place(node), place(other));
        let last = other.default.cmp(&node.default).then_with(|| node.id.as_bytes().cmp(other.id.as_bytes()));
        compare(rule, a, b).then(last)
    });
    keyed.into_iter().map(|(_, node)| node).collect()
}

/// Whether all but the last of the sorts say yes or no, and the last is the distance; then, whether farther ones come
/// first.
fn ends_with_distance(sorts: &[Sort]) -> Option<bool> {
    let (Sort::Distance { farther }, marks) = sorts.split_last()? else { return None };
    let is_mark =
        |sort: &Sort| matches!(sort, Sort::DefaultFirst | Sort::Preferred | Sort::Used | Sort::OpenFirst);
    (marks.len() <= 16 && marks.iter().all(is_mark)).then_some(*farther)
}

/// The same order as [`compare`] gives, by two numbers a node.
fn rank_by_distance(ask: &Ask<'_>, sorts: &[Sort], farther: bool, mut nodes: Vec<u32>) -> Vec<u32> {
    let place = |node: u32| &ask.state.nodes[node as usize].node;
    let key = |node: u32| {
        let marks = sorts[..sorts.len() - 1].iter().fold(0u32, |marks, sort| {
            let no = matches!(value(ask, sort, node), Some(Value::Number(1)));
            marks << 1 | u32::from(no)
        });
        // Who has none ranks behind all that have one.
        let distance = ask.chord2(node).map_or(i64::MAX, |chord2| if farther { -chord2 } else { chord2 });
        (marks, distance, node)
    };
    let mut keyed: Vec<(u32, i64, u32)> = nodes.iter().map(|node| key(*node)).collect();
    keyed.sort_unstable_by(|(marks, distance, node), (others, further, other)| {
        let last = || {
            let (node, other) = (place(*node), place(*other));
            other.default.cmp(&node.default).then_with(|| node.id.as_bytes().cmp(other.id.as_bytes()))
        };
        (marks, distance).cmp(&(others, further)).then_with(last)
    });
    nodes.clear();
    nodes.extend(keyed.into_iter().map(|(.., node)| node));
    nodes
}

/// What the rule's sorts say of a node.
pub fn key<'a>(ask: &Ask<'a>, rule: &'a Rule, node: u32) -> Key<'a> {
    rule.sorts.iter().map(|sort| value(ask, sort, node)).collect()
}

/// The first sort that does not tie decides.
pub fn compare(rule: &Rule, a: &Key<'_>, b: &Key<'_>) -> Ordering {
    let each = rule.sorts.iter().zip(a.iter().zip(b));
    let found = each.map(|(sort, pair)| match pair {
        (Some(a), Some(b)) if is_larger_first(sort) => b.order(a),
        (Some(a), Some(b)) => a.order(b),
        (a, b) => a.is_none().cmp(&b.is_none()),
    });
    found.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

fn is_larger_first(sort: &Sort) -> bool {
    match sort {
        Sort::Coverage | Sort::InventoryBalance(_) | Sort::WeeksOfSupply | Sort::CapacityLeft => true,
        Sort::Distance { farther } => *farther,
        Sort::Attribute { descending, .. } => *descending,
        _ => false,
    }
}

fn value<'a>(ask: &Ask<'a>, sort: &'a Sort, node: u32) -> Option<Value<'a>> {
    let place = &ask.state.nodes[node as usize];
    let first = |is: bool| Some(Value::Number(i64::from(!is)));
    match sort {
        Sort::Sequence => place.node.sequence.map(|n| Value::Number(i64::from(n))),
        Sort::Distance { .. } => ask.chord2(node).map(Value::Number),
        Sort::Coverage => coverage(ask, node),
        Sort::DefaultFirst => first(place.node.default),
        Sort::Preferred => first(ask.preferred == Some(node)),
        Sort::Used => first(ask.used.contains(&node)),
        Sort::OpenFirst => first(nodes::is_open(ask.state, node)),
        Sort::InventoryBalance(of) => balance(ask, *of, node),
        Sort::WeeksOfSupply => weeks_of_supply(ask, node),
        Sort::CapacityLeft => capacity_left(ask, node),
        Sort::DeclineRate => decline_rate(ask, node),
        Sort::TimeToClaim => place.score.mean_claim().map(Value::Number),
        Sort::TimeToShip => place.score.mean_ship().map(Value::Number),
        Sort::Cost(table) => cost(ask, table, node),
        Sort::Attribute { name, .. } => {
            let found = place.node.attributes.iter().find(|(known, _)| known == name);
            found.and_then(|(_, values)| values.first()).map(|text| Value::Text(text))
        }
        Sort::RankTable(ranks) => {
            let found = ranks.binary_search_by(|(name, _)| name.as_str().cmp(&place.node.id));
            found.ok().map(|at| Value::Number(ranks[at].1))
        }
    }
}

/// SKUs that the node covers whole, from stock.
fn coverage<'a>(ask: &Ask<'_>, node: u32) -> Option<Value<'a>> {
    let covers = ask.demands.iter().filter(|d| ask.state.has(d.sku, node) >= d.qty);
    Some(Value::Number(covers.count() as i64))
}

fn balance<'a>(ask: &Ask<'_>, of: Balance, node: u32) -> Option<Value<'a>> {
    let cells = ask.demands.iter().filter_map(|d| ask.state.skus[d.sku as usize].cell(node));
    let each = cells.map(|cell| match of {
        Balance::OnHand => cell.on_hand.0,
        Balance::Unallocated => (cell.on_hand - cell.allocated).0,
        Balance::Atp => cell.atp().0,
    });
    Some(Value::Number(each.sum()))
}

/// The smallest of the SKUs' weeks; without a rate of sales for one of them it abstains.
fn weeks_of_supply<'a>(ask: &Ask<'_>, node: u32) -> Option<Value<'a>> {
    let mut fewest = None;
    for demand in ask.demands {
        let cell = ask.state.skus[demand.sku as usize].cell(node)?;
        let sales = cell.weekly_sales.filter(|sales| sales.is_positive())?;
        let weeks = Value::Ratio(cell.on_hand.0, sales.0);
        fewest = match fewest {
            Some(known) if weeks.order(&known).is_ge() => Some(known),
            _ => Some(weeks),
        };
    }
    fewest
}

/// Orders that the node could still take, now and today; without limit: more than any.
fn capacity_left<'a>(ask: &Ask<'_>, node: u32) -> Option<Value<'a>> {
    let place = &ask.state.nodes[node as usize];
    let at_once = place.node.capacity_at_once.map(|c| i64::from(c) - place.orders.len() as i64);
    let today = place.node.capacity_a_day.map(|c| i64::from(c) - i64::from(nodes::assigned(ask.state, node)));
    Some(Value::Number(at_once.into_iter().chain(today).min().unwrap_or(i64::MAX)))
}

/// Declines for each offer; without offers none.
fn decline_rate<'a>(ask: &Ask<'_>, node: u32) -> Option<Value<'a>> {
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    Some(match ask.state.nodes[node as usize].score.decline_rate() {
        (_, 0) => Value::Ratio(0, 1),
        (declines, offers) => Value::Ratio(number(declines), number(offers)),
    })
}

/// The fee for what is open, minor units; beyond the last band or without a place it abstains.
fn cost<'a>(ask: &Ask<'_>, table: &str, node: u32) -> Option<Value<'a>> {
    let chord2 = ask.chord2(node)?;
    let band = ask.state.fees.get(table)?.bands.iter().find(|band| chord2 <= band.upto)?;
    let grams = |d: &crate::engine::choose::Demand| {
        let item = ask.state.skus[d.sku as usize].item.as_ref();
        i128::from(item.and_then(|i| i.weight_g).unwrap_or(0)) * i128::from(d.qty.0)
    };
    let thousandths: i128 = ask.demands.iter().map(grams).sum();
    // Kilograms begun, of thousandths of a gram.
    let kilograms = (thousandths + 999_999).div_euclid(1_000_000);
    let fee = i128::from(band.base) + i128::from(band.per_kg) * kilograms;
    Some(Value::Number(fee.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64))
}
