//! The disk fills up under load, on the built program: new orders are refused with a clear word, reads go on, nothing
//! that was answered is lost, and with room everything goes on by itself.

#[path = "running/mod.rs"]
mod running;

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use running::{Client, Running, printed, router, until};

const CLIENTS: u64 = 3;

/// A small disk; gone when dropped.
struct Disk(PathBuf);

impl Disk {
    fn new(folder: &Path, mebibytes: u32) -> Disk {
        let size = format!("size={mebibytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "none"]).arg(folder).status();
        assert!(mounted.is_ok_and(|s| s.success()), "this test mounts a small tmpfs: run it as root");
        Disk(folder.to_owned())
    }

    /// Takes all that is left but this much.
    fn fill(&self, leave: u64) {
        let mut file = fs::File::options().create(true).append(true).open(self.0.join("filler")).unwrap();
        let block = vec![7; 1 << 20];
        let mut left = match leave {
            // Whatever the router writes meanwhile: to the last byte.
            0 => u64::MAX,
            leave => self.free().saturating_sub(leave),
        };
        while left > 0 {
            match file.write(&block[..left.min(block.len() as u64) as usize]) {
                Ok(written) => left -= written as u64,
                Err(_) => return,
            }
        }
    }

    fn empty(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }

    fn free(&self) -> u64 {
        let said = Command::new("stat").args(["-f", "-c", "%a %S"]).arg(&self.0).output().unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        said.split_whitespace().map(|n| n.parse::<u64>().unwrap()).product()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn order(number: u64) -> String {
    format!(
        r#"{{"channel":"web","id":"{number}","recipient":{{"name":"N{number}","latitude":50,"longitude":8}},
            "lines":[{{"sku":"k","qty":1}}]}}"#
    )
}

/// Sends orders until told to stop: those that were taken.
fn load(
    running: &Running,
    numbers: &AtomicU64,
    refused: &AtomicU64,
    stop: &AtomicBool,
) -> BTreeMap<u64, String> {
    let (mut client, mut taken) = (running.client(), BTreeMap::new());
    while !stop.load(Ordering::Relaxed) {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let (status, answer) = client.post("/v1/orders", &order(number)).expect("the router answers");
        match status {
            201 => {
                taken.insert(number, answer["order"].as_str().unwrap().to_owned());
            }
            // It may have been taken: sent again in the end.
            503 | 504 => {
                assert!(matches!(answer["code"].as_str(), Some("E4003" | "E4002")), "{answer}");
                refused.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(5));
            }
            _ => panic!("order {number}: {status} {answer}"),
        }
    }
    taken
}

/// Fills the disk but for `leave` bytes while orders come in.
fn filled(leave: u64) {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::new(folder.path(), 320);
    let data = folder.path().join("data");
    let running = Running::start(&data);
    let mut client = running.client();
    client.must("/v1/zones", r#"{"id":"z"}"#);
    client.must("/v1/channels", r#"{"id":"web","default_zone":"z"}"#);
    client.must("/v1/nodes", r#"{"id":"s","zone":"z","latitude":50,"longitude":8}"#);
    client.must("/v1/stock/counts", r#"{"node":"s","sku":"k","qty":1000000}"#);
    let (numbers, refused, stop) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let taken = std::thread::scope(|scope| {
        let clients: Vec<_> =
            (0..CLIENTS).map(|_| scope.spawn(|| load(&running, &numbers, &refused, &stop))).collect();
        until("orders come in", || numbers.load(Ordering::Relaxed) > 60);
        disk.fill(leave);
        until("orders are refused", || refused.load(Ordering::Relaxed) > 20);
        let (status, ready) = client.get("/readyz");
        assert_eq!(status, 503, "{ready}");
        let said = ready["reasons"].to_string();
        assert!(said.contains("free") || said.contains("space"), "{ready}");
        // Reads go on.
        let (status, page) = client.get("/v1/orders?limit=5");
        assert!(status == 200 && page["rows"].as_array().is_some_and(|rows| !rows.is_empty()), "{page}");
        let (status, stock) = client.get("/v1/stock");
        assert!(status == 200 && stock["rows"][0]["sku"] == "k", "{stock}");
        assert_eq!(client.ask("GET", "/livez", "", "").unwrap().0, 200);
        disk.empty();
        let before = numbers.load(Ordering::Relaxed);
        until("it is ready by itself", || client.get("/readyz").0 == 200);
        until("orders come in again", || numbers.load(Ordering::Relaxed) > before + 200);
        stop.store(true, Ordering::Relaxed);
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect::<BTreeMap<_, _>>()
    });
    assert!(taken.len() > 60);
    let sent = numbers.load(Ordering::Relaxed);
    again(&mut client, sent, &taken);
    // Intake has answered; the audit counts what the engine has decided.
    for number in 0..sent {
        until("an order has its row", || client.get(&format!("/v1/orders/web:{number}")).0 == 200);
    }
    drop(client);
    running.end();
    let report = printed(&router(&["audit"], &data));
    assert_eq!((&report["violations"], report["orders"].as_u64()), (&0.into(), Some(sent)), "{report}");
    drop(disk);
}

/// Each order is there once; the ones that were answered under the id that was answered.
fn again(client: &mut Client, sent: u64, taken: &BTreeMap<u64, String>) {
    for number in 0..sent {
        let answer = client.must("/v1/orders", &order(number));
        if let Some(id) = taken.get(&number) {
            assert_eq!(
                answer["order"].as_str(),
                Some(id.as_str()),
                "order {number} was answered, and is another"
            );
            assert_eq!(answer["answer"], "repeat", "order {number} was answered, and lost");
        }
    }
}

#[test]
fn a_disk_that_is_almost_full_takes_no_orders() {
    filled(40 << 20);
}

#[test]
fn a_disk_without_a_byte_left_loses_nothing() {
    filled(0);
}
