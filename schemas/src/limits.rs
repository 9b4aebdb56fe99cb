//! Every bound on what a stranger can send, in one place. Together they keep the largest effect of a command
//! below [`EFFECT_BYTES`].

use crate::quantity::Qty;

/// Bytes of one message, raw or canonical.
pub const MESSAGE_BYTES: usize = 256 * 1024;
/// Bytes of a raw line that is kept as a dead letter; a longer one is not read at all.
pub const LETTER_BYTES: usize = 448 * 1024;
/// Raw lines of one request.
pub const RAW_LINES: u64 = 1_000_000;
/// Raw lines of one request that cannot be read; a source that sends more is broken.
pub const RAW_LETTERS: usize = 1000;
/// Topics of a log, from which on no new source gets one of its own for its dead letters.
pub const TOPICS: usize = 1000;
/// Bytes of the largest record that a stage may write.
pub const EFFECT_BYTES: usize = 512 * 1024;
/// Bytes, by a careful estimate, at which an event is closed and what is left goes into a further one.
pub const EVENT_BYTES: usize = 448 * 1024;
/// Bytes of order rows after which a command takes up no further due item.
pub const ROWS_BYTES: usize = 256 * 1024;
/// Depth of nested JSON.
pub const JSON_DEPTH: usize = 64;
/// Bytes of a channel, account, node, zone, region, SKU or line name.
pub const NAME_BYTES: usize = 64;
/// Bytes of a platform's order id.
pub const EXTERNAL_ID_BYTES: usize = 128;
/// Bytes of a text that people read: item name, remark, option.
pub const TEXT_BYTES: usize = 1024;
/// Lines of one order. The largest real invoice of the demo has 541.
pub const LINES: usize = 600;
/// Lines at nodes that a choice may give one order: what does not fit stays open.
pub const FULFILMENTS: usize = 1_000;
/// Lines at nodes of one order, those that facts of nodes added included.
pub const FULFILMENTS_MOST: usize = 1_500;
/// Options of one line.
pub const OPTIONS: usize = 32;
/// Tags of one order.
pub const TAGS: usize = 32;
/// Travellers of one line.
pub const TRAVELLERS: usize = 32;
/// Bytes of all that is shown but not decided on (names, options, remark) of one order.
pub const DISPLAY_BYTES: usize = 128 * 1024;
/// The largest quantity of one line or one movement: a billion units.
pub const QTY_MAX: Qty = Qty::units(1_000_000_000);
/// The largest amount of money, in minor units.
pub const MONEY_MAX: i64 = 1_000_000_000_000_000;
/// Nodes of one zone.
pub const NODES_PER_ZONE: usize = 20_000;
/// Opening intervals of one node: two a day for 400 days.
pub const OPEN_INTERVALS: usize = 800;
/// Items worked off by one command: an expiry, a retry of a waiting order, a unit of re-sourcing.
pub const ITEMS_PER_COMMAND: usize = 256;
/// Movements remembered for each cell, to be applied again on top of a count that saw it before them.
pub const RECENT_MOVEMENTS: usize = 16;
/// Time a movement is remembered for that, in milliseconds: 1 day.
pub const RECENT_MS: i64 = 86_400_000;
/// Counters whose last count is remembered for each cell.
pub const COUNTERS: usize = 4;
/// Early messages kept for one order that has not come yet.
pub const EARLY_PER_ORDER: usize = 16;
/// Early messages kept for one channel in one intake partition.
pub const EARLY_PER_CHANNEL: usize = 10_000;
/// Bytes of early messages kept in one intake partition.
pub const EARLY_BYTES: u64 = 64 << 20;
/// Messages kept behind one order that no zone is known for.
pub const PARKED_PER_ORDER: usize = 64;
/// Bytes kept in one intake partition of orders that no zone is known for.
pub const PARKED_BYTES: u64 = 256 << 20;
/// Partitions of sources, and dead letters sent again, that one intake partition remembers how far it has them.
pub const SOURCES: usize = 100_000;
/// Time an early message waits, in milliseconds: 7 days.
pub const EARLY_MS: i64 = 7 * 86_400_000;
/// Content hashes remembered for each order.
pub const CONTENT_HASHES: usize = 16;
/// Time a stock fact's idempotency key is remembered, in milliseconds: 7 days.
pub const KEY_MS: i64 = 7 * 86_400_000;
/// Time a closed order is remembered, in milliseconds: 90 days.
pub const REMEMBER_MS: i64 = 90 * 86_400_000;
/// A tick is due this often, in milliseconds.
pub const TICK_MS: i64 = 5_000;
/// Time without a tick after which the rest counts as an outage, in milliseconds.
pub const OUTAGE_MS: i64 = 30_000;
/// Furthest that a record's time may run ahead of its owner's clock, in milliseconds.
pub const AHEAD_MS: i64 = 30_000;
/// Bytes of a rule set in the log.
pub const RULES_BYTES: usize = 192 * 1024;
/// Routings of a rule set, rules of a routing, reasons of a rule set.
pub const RULES: usize = 200;
/// Filters, sorts and actions of one rule, each.
pub const RULE_PARTS: usize = 16;
/// Nodes that one round of an offer may go to: a recipient is an item of work.
pub const OFFERED: usize = 200;
/// Rounds of an offer.
pub const ROUNDS: u16 = 50;
/// Offers of one order at one time.
pub const OFFERS: usize = 32;
/// Lines of a hold.
pub const HOLD_LINES: usize = 200;
/// Lines of a hold, each counted once for each of its buckets.
pub const HOLD_CELLS: usize = 1_000;
/// Buckets of one line: nights of a stay.
pub const BUCKETS: usize = 60;
/// Nodes that one subset search of `max_splits` may take up; it ends where this many were tried.
pub const SUBSETS: u32 = 20_000;
/// Nodes that declined an order and are remembered.
pub const DECLINES: usize = 400;
/// Zones that an order may be forwarded to.
pub const FORWARDS: usize = 32;
/// Time that another zone keeps its leg of a hold longer than home does, which tells it in time: 1 day.
pub const LEG_GRACE_MS: i64 = 86_400_000;
/// Longest time that a hold, an offer or a deadline may be given, in milliseconds: 400 days.
pub const TTL_MS: i64 = 400 * 86_400_000;
