//! What a router has to know before orders make sense: zones, nodes, a channel, regions, and stock that never ends.

use std::net::SocketAddr;

use router_loadtest::orders::{Chance, place};

use crate::{Asked, LoadError, connection::Client};

/// Units of every cell: more than all orders of a run take.
const UNITS: u32 = 500_000_000;
/// Lines of one upload.
const LINES: usize = 20_000;
/// Partitions that zones are spread over.
const PARTITIONS: u16 = 4;

/// Sends the reference tables and the stock; all of it must be taken.
pub(crate) fn furnish(address: SocketAddr, asked: &Asked) -> Result<(), LoadError> {
    let mut client = Client::connect(address)?;
    let mut chance = Chance(asked.seed);
    let mut lines = vec![event("channel.v1", r#"{"id":"load","default_zone":"zone-0000"}"#)];
    for zone in 0..asked.zones {
        let partition = zone % PARTITIONS;
        lines.insert(0, event("zone.v1", &format!(r#"{{"id":"zone-{zone:04}","partition":{partition}}}"#)));
        lines.push(event("region.v1", &format!(r#"{{"id":"R{zone:04}","zone":"zone-{zone:04}"}}"#)));
    }
    for node in 0..asked.nodes {
        let zone = (node % u32::from(asked.zones)) as u16;
        let (latitude, longitude) = place(&mut chance, zone);
        lines.push(event("node.v1", &format!(
            r#"{{"id":"node-{node:05}","zone":"zone-{zone:04}","latitude":{latitude},"longitude":{longitude}}}"#
        )));
    }
    upload(&mut client, &mut lines)?;
    for sku in 0..asked.skus {
        for node in 0..asked.nodes {
            let count = format!(
                r#"{{"node":"node-{node:05}","sku":"sku-{sku:06}","qty":{UNITS},"source":"loadtest","sequence":1}}"#
            );
            lines.push(event("count.v1", &count));
        }
        if lines.len() >= LINES {
            upload(&mut client, &mut lines)?;
        }
    }
    upload(&mut client, &mut lines)
}

fn event(kind: &str, message: &str) -> String {
    format!(r#"{{"specversion":"1.0","type":"{kind}","data":{message}}}"#)
}

fn upload(client: &mut Client, lines: &mut Vec<String>) -> Result<(), LoadError> {
    if lines.is_empty() {
        return Ok(());
    }
    let (_, answer) = client.ask("POST", "/v1/batch", lines.join("\n").as_bytes())?;
    let text = String::from_utf8_lossy(&answer);
    let taken = text.lines().filter(|line| line.contains("\"status\":200")).count();
    if taken != lines.len() {
        let refused = text.lines().find(|line| !line.contains("\"status\":200")).unwrap_or_default();
        return Err(LoadError::Wrong(format!("the router took {taken} of {} lines: {refused}", lines.len())));
    }
    lines.clear();
    Ok(())
}
