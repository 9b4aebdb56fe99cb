//! What the clients send until the connection breaks, and what they were answered. A client that had no answer sends
//! the same again after the next start: it may have been taken or not, but once.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpStream,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use serde_json::Value;

use crate::running::{Client, Running};

pub(crate) const STORES: u64 = 3;
pub(crate) const SKUS: u64 = 5;
/// Orders of one batch.
const BATCH: u64 = 6;

/// What was answered, and what was not.
#[derive(Default)]
pub(crate) struct Sent {
    /// Orders answered, with their ids.
    pub orders: BTreeMap<u64, String>,
    /// Orders without an answer.
    pub unsure: Vec<u64>,
    /// Receipts of one unit, answered; each has its number as key.
    pub receipts: Vec<u64>,
    /// Receipts without an answer.
    pub unsure_receipts: Vec<u64>,
    /// Answers of all kinds.
    pub answers: u64,
}

impl Sent {
    pub(crate) fn add(&mut self, other: Sent) {
        self.orders.extend(other.orders);
        self.unsure.extend(other.unsure);
        self.receipts.extend(other.receipts);
        self.unsure_receipts.extend(other.unsure_receipts);
        self.answers += other.answers;
    }
}

/// Orders of the channel `grab` are offered to stores, the others allocated.
pub(crate) fn channel(number: u64) -> &'static str {
    if number % 5 == 4 { "grab" } else { "web" }
}

/// Some want a thing that only another zone has: that is a part of its own.
pub(crate) fn order(number: u64) -> String {
    let (a, b) = (number % SKUS, (number + 1) % SKUS);
    let rare = if number % 7 == 5 { r#",{"sku":"rare","qty":1}"# } else { "" };
    format!(
        r#"{{"channel":"{}","id":"{number}","recipient":{{"name":"N{number}","latitude":50,"longitude":{}}},"lines":[{{"sku":"k{a}","qty":1}},{{"sku":"k{b}","qty":2}}{rare}]}}"#,
        channel(number),
        number % STORES
    )
}

/// A receipt of one unit; the same number again is the same fact.
pub(crate) fn receive(client: &mut Client, number: u64) -> Option<(u16, Value)> {
    let (store, sku) = (number % STORES, number % SKUS);
    let body = format!(r#"{{"node":"s{store}","sku":"k{sku}","qty":1}}"#);
    client.ask("POST", "/v1/stock/receipts", &format!("idempotency-key: receipt-{number}\r\n"), &body)
}

/// Sends until the connection breaks.
pub(crate) fn load(running: &Running, numbers: &AtomicU64) -> Sent {
    let mut sent = Sent::default();
    let Some(mut client) = running.try_client() else { return sent };
    loop {
        let number = numbers.fetch_add(BATCH, Ordering::Relaxed);
        if (number / BATCH).is_multiple_of(9) {
            if !batch(running, number, &mut sent) {
                return sent;
            }
            continue;
        }
        match client.post("/v1/orders", &order(number)) {
            Some((201, answer)) => {
                sent.orders.insert(number, answer["order"].as_str().unwrap().to_owned());
            }
            Some((status, answer)) => panic!("order {number}: {status} {answer}"),
            None => {
                sent.unsure.push(number);
                return sent;
            }
        }
        sent.answers += 1;
        if others(&mut client, number, &mut sent).is_none() {
            return sent;
        }
    }
}

/// What else there is to say. Whether it is taken or refused is the router's; that it is answered is not, nor that
/// it changes nothing of what is promised about orders.
fn others(client: &mut Client, number: u64, sent: &mut Sent) -> Option<()> {
    let (turn, channel) = (number / BATCH, channel(number));
    let mut said = |answer: Option<(u16, Value)>| {
        let (status, answer) = answer?;
        assert!(status < 500, "{status} {answer}");
        sent.answers += 1;
        Some(())
    };
    if turn % 5 == 1 {
        let paid =
            format!(r#"{{"channel":"{channel}","id":"{number}","state":"captured","key":"paid-{number}"}}"#);
        said(client.post("/v1/payments", &paid))?;
    }
    if turn % 6 == 2 {
        let amended =
            order(number).replace(r#""qty":2"#, r#""qty":1"#).replace(r#""lines""#, r#""version":2,"lines""#);
        said(client.post("/v1/amends", &amended))?;
    }
    if turn % 7 == 3 {
        said(client.post("/v1/cancels", &format!(r#"{{"channel":"{channel}","id":"{number}"}}"#)))?;
    }
    if turn % 4 == 3 {
        let (node, sku) = (number % STORES, number % SKUS);
        let held = format!(
            r#"{{"channel":"web","id":"r{number}","ttl_s":2,"key":"held-{number}","lines":[{{"line":"1","sku":"k{sku}","qty":1}},{{"line":"2","sku":"k0","qty":1,"node":"s{node}"}}]}}"#
        );
        said(client.post("/v1/reservations", &held))?;
        if turn % 8 == 3 {
            let given = format!(r#"{{"channel":"web","id":"r{number}","key":"given-{number}"}}"#);
            said(client.post("/v1/releases", &given))?;
        }
    }
    if turn % 6 == 5 {
        let (act, key) = (if turn % 12 == 5 { "reroute" } else { "retry" }, format!("steered-{number}"));
        let steer = format!(r#"{{"channel":"{channel}","id":"{number}","act":"{act}","key":"{key}"}}"#);
        said(client.post("/v1/steers", &steer))?;
    }
    if let Some(id) = sent.orders.get(&number).filter(|_| channel == "grab") {
        // Two stores are asked: one may have declined before the other claims, or both want it.
        for store in 0..STORES {
            let (path, more) = match (turn + store) % 3 {
                0 => ("/v1/offers/declines", format!(r#""reason":"busy","key":"no-{number}-{store}""#)),
                _ => ("/v1/offers/claims", r#""epoch":1"#.to_owned()),
            };
            let body = format!(r#"{{"order":"{id}","node":"s{store}",{more}}}"#);
            said(client.post(path, &body))?;
        }
    }
    if turn % 3 == 1 {
        said(client.ask("GET", "/v1/orders?limit=20", "", ""))?;
        said(client.ask("GET", "/v1/stock?node=s1", "", ""))?;
    }
    if turn % 4 == 2 {
        match receive(client, number) {
            Some((200, _)) => sent.receipts.push(number),
            Some((status, answer)) => panic!("receipt {number}: {status} {answer}"),
            None => {
                sent.unsure_receipts.push(number);
                return None;
            }
        }
    }
    Some(())
}

/// Several orders in one body; a line of the answer for each, as they are decided. False: it broke off.
fn batch(running: &Running, first: u64, sent: &mut Sent) -> bool {
    let body: String = (first..first + BATCH).map(|number| order(number) + "\n").collect();
    let mut text = Vec::new();
    let mut asked = || -> std::io::Result<()> {
        let mut stream = TcpStream::connect(&running.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let length = body.len();
        write!(
            stream,
            "POST /v1/batch HTTP/1.1\r\nhost: r\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        )?;
        stream.read_to_end(&mut text).map(|_| ())
    };
    // What came before it broke counts: every line that was answered is on disk.
    let _ = asked();
    let text = String::from_utf8_lossy(&text);
    let mut left: Vec<u64> = (first..first + BATCH).collect();
    for line in text.lines().filter(|line| line.starts_with('{')) {
        let Ok(answer) = serde_json::from_str::<Value>(line) else { continue };
        assert_eq!(answer["status"], 201, "{answer}");
        let number = first + answer["line"].as_u64().unwrap() - 1;
        sent.orders.insert(number, answer["answer"]["order"].as_str().unwrap().to_owned());
        sent.answers += 1;
        left.retain(|known| *known != number);
    }
    let whole = left.is_empty();
    sent.unsure.extend(left);
    whole
}
