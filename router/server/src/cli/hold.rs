//! `router hold`: stock that is kept for an order for a time; `router pool`: what channels may sell.

use clap::Subcommand;
use serde_json::{Value, json};

use super::{
    CliError, Common, Format,
    client::{Because, Client},
    named::{self, Lines, key, put, seconds},
    source::{Ask, Source},
    text::{self, Table, bold, dim, members, plain, time},
};

#[derive(Subcommand)]
pub(super) enum Hold {
    /// Keep stock for an order, line by line, all or nothing; the order may come later.
    #[command(after_help = "Examples:
  router hold reserve web:cart-7 --line 1=LATTE:2 --ttl 15m
  router hold reserve web:room-7 --line 1=DOUBLE --node inn-1 --bucket 2026-05-04 --bucket 2026-05-05 --ttl 1h")]
    Reserve {
        /// CHANNEL:ID or CHANNEL/ACCOUNT:ID.
        order: String,
        /// A line of the hold: its name, SKU and quantity [1]; 0 takes it out.
        #[arg(long = "line", value_name = "NAME=SKU[:QTY]", required = true, value_parser = line)]
        lines: Vec<Value>,
        /// At this node only; absent: anywhere in the channel's pool.
        #[arg(long)]
        node: Option<String>,
        /// A day or seat class, for every line; may be given several times.
        #[arg(long = "bucket", value_name = "NAME")]
        buckets: Vec<String>,
        /// Where the order goes, for its zone.
        #[arg(long)]
        region: Option<String>,
        /// When it lapses: 90s, 15m, 12h, 7d; absent: it does not.
        #[arg(long, value_parser = seconds)]
        ttl: Option<i64>,
        #[command(flatten)]
        because: Because,
    },
    /// Let a hold lapse later.
    #[command(after_help = "Example:\n  router hold extend web:cart-7 --ttl 15m")]
    Extend {
        /// Our id, CHANNEL:ID or CHANNEL/ACCOUNT:ID.
        order: String,
        /// From now on: 90s, 15m, 12h, 7d; absent: it does not lapse.
        #[arg(long, value_parser = seconds)]
        ttl: Option<i64>,
        #[command(flatten)]
        because: Because,
    },
    /// Give back what is held for an order, and what is allocated to it and not picked.
    #[command(after_help = "Examples:
  router hold release web:cart-7
  router hold release web:cart-7 --line 1:1 --reason 'one is enough'")]
    Release {
        /// Our id, CHANNEL:ID or CHANNEL/ACCOUNT:ID.
        order: String,
        #[command(flatten)]
        lines: Lines,
        #[command(flatten)]
        because: Because,
    },
    /// Show what is held for an order.
    #[command(after_help = "Example:\n  router hold show web:cart-7")]
    Show {
        /// Our id, CHANNEL:ID or CHANNEL/ACCOUNT:ID.
        order: String,
    },
}

#[derive(Subcommand)]
pub(super) enum Pool {
    /// List what channels may sell, of what was ever held or kept back.
    #[command(after_help = "Example:\n  router pool ls --channel web")]
    Ls {
        /// Of this channel.
        #[arg(long)]
        channel: Option<String>,
        /// Pools at most.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
        limit: u64,
    },
}

fn line(text: &str) -> Result<Value, String> {
    let wrong = || "a line of a hold is written NAME=SKU or NAME=SKU:QTY".to_owned();
    let (name, rest) = text.split_once('=').ok_or_else(wrong)?;
    let (sku, qty) = named::counted(rest).unwrap_or((rest, "1"));
    if name.is_empty() || sku.is_empty() {
        Err(wrong())
    } else {
        Ok(json!({ "line": name, "sku": sku, "qty": qty }))
    }
}

impl Hold {
    pub(super) fn run(self, common: &Common) -> Result<(), CliError> {
        let (order, because) = match &self {
            Hold::Reserve { order, because, .. }
            | Hold::Extend { order, because, .. }
            | Hold::Release { order, because, .. } => (order, because),
            Hold::Show { order } => return show(common, order),
        };
        let client = Client::connect(common)?.because(because);
        let mut message = named::identity(common, &client, order)?;
        message["key"] = json!(key()?);
        let path = match self {
            Hold::Reserve { mut lines, node, buckets, region, ttl, .. } => {
                if !buckets.is_empty() {
                    lines.iter_mut().for_each(|line| line["buckets"] = json!(buckets));
                }
                message["lines"] = Value::Array(lines);
                put(&mut message, "node", node);
                put(&mut message, "region", region);
                put(&mut message, "ttl_s", ttl);
                "/v1/reservations"
            }
            Hold::Extend { ttl, .. } => {
                put(&mut message, "ttl_s", ttl);
                "/v1/reservations/extensions"
            }
            Hold::Release { lines, .. } => {
                lines.put(&mut message);
                "/v1/releases"
            }
            Hold::Show { .. } => return Ok(()),
        };
        named::send(common, &client, path, &message)
    }
}

fn show(common: &Common, order: &str) -> Result<(), CliError> {
    let row = &Source::rows(common)?.ask(&Ask::Hold(order.to_owned()), None, 1)?.ok(common)?;
    if common.format == Format::Json {
        text::print(common, row);
        return Ok(());
    }
    text::line(&format!("{}  {}:{}", bold(&plain(&row["order"])), plain(&row["channel"]), plain(&row["id"])));
    for (name, value) in
        [("state", plain(&row["state"])), ("zone", plain(&row["zone"])), ("until", time(&row["deadline"]))]
    {
        if !value.is_empty() {
            text::line(&format!("  {} {value}", dim(&format!("{name:<6}"))));
        }
    }
    let heads = ["LINE", "SKU", "BUCKET", "QTY", "NODE"];
    Table::of(&row["lines"], &["line", "sku", "bucket", "qty", "node"], &heads).print(2);
    Ok(())
}

impl Pool {
    pub(super) fn run(self, common: &Common) -> Result<(), CliError> {
        let Pool::Ls { channel, limit } = self;
        let heads = ["CHANNEL", "ZONE", "SKU", "BUCKET", "KEPT BACK", "HELD", "AVAILABLE"];
        Source::list(common, &Ask::Pools(channel), limit, &heads, |row| {
            let mut cells = members(row, &["channel", "zone", "sku", "bucket", "threshold", "held"]);
            cells.push(if row["available"].is_null() {
                "any number".into()
            } else {
                plain(&row["available"])
            });
            cells
        })
    }
}
