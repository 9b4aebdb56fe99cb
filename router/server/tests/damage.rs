//! What can happen to a data folder between two starts, on the built program: bytes change, files go, two routers
//! want it, hours pass. Damage is refused with the file, the byte and what to do, or is mended; an answer is never
//! wrong.

#[path = "running/mod.rs"]
mod running;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use running::{Client, Running, printed, refused, router};
use serde_json::{Value, json};

/// Segments so small that a few orders fill several.
const SMALL: &str = "segment_bytes=12000";

fn furnish(client: &mut Client) {
    client.must("/v1/zones", r#"{"id":"z"}"#);
    client.must("/v1/channels", r#"{"id":"web","default_zone":"z"}"#);
    client.must("/v1/nodes", r#"{"id":"s","zone":"z","latitude":50,"longitude":8}"#);
    client.must("/v1/stock/counts", r#"{"node":"s","sku":"k","qty":1000}"#);
}

fn order(number: u32) -> String {
    format!(
        r#"{{"channel":"web","id":"number-{number}","recipient":{{"name":"Ada","latitude":50,"longitude":8}},
            "lines":[{{"sku":"k","qty":1}}]}}"#
    )
}

/// A folder with orders in it, of a router that was ended, or killed.
fn folder(count: u32, trial: &str, cleanly: bool) -> (tempfile::TempDir, PathBuf) {
    let outer = tempfile::tempdir().unwrap();
    let data = outer.path().join("data");
    let running = Running::start_on_trial(&data, &[], trial);
    let mut client = running.client();
    furnish(&mut client);
    for number in 0..count {
        let (status, answer) =
            client.ask("POST", "/v1/orders", "prefer: wait=20\r\n", &order(number)).unwrap();
        assert_eq!(status, 201, "{answer}");
    }
    drop(client);
    if cleanly {
        running.end()
    } else {
        running.kill()
    }
    (outer, data)
}

fn segments(data: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(data.join("journal"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "seg"))
        .collect();
    found.sort();
    found
}

/// Where these bytes first lie in the file.
fn place(path: &Path, wanted: &[u8]) -> usize {
    let bytes = fs::read(path).unwrap();
    bytes.windows(wanted.len()).position(|bytes| bytes == wanted).expect("the bytes are there")
}

fn flip(path: &Path, byte: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[byte] ^= 0x40;
    fs::write(path, bytes).unwrap();
}

/// Every one of these orders is there once, its row too, and the audit finds nothing.
fn whole(data: &Path, numbers: std::ops::Range<u32>) {
    let report = printed(&router(&["audit"], data));
    assert_eq!(
        (&report["violations"], report["orders"].as_u64()),
        (&json!(0), Some(numbers.len() as u64)),
        "{report}"
    );
    let running = Running::start(data);
    let mut client = running.client();
    for number in numbers {
        let again = client.must("/v1/orders", &order(number));
        assert_eq!(again["answer"], "repeat", "order {number}: {again}");
        let (status, row) = client.get(&format!("/v1/orders/web:number-{number}"));
        assert_eq!((status, row["order"].as_str()), (200, again["order"].as_str()));
    }
    drop(client);
    running.end();
}

fn refused_with(data: &Path, code: &str, file: &Path) -> String {
    let (status, said) = refused(data);
    let name = file.file_name().unwrap().to_str().unwrap();
    assert_eq!(status, Some(69), "{said}");
    assert!(said.contains(code) && said.contains(name), "{code} of {name}: {said}");
    assert!(said.contains("restore"), "nobody is told what to do: {said}");
    said
}

#[test]
fn a_flipped_byte_in_a_closed_segment_is_refused() {
    let (_outer, data) = folder(40, SMALL, true);
    let segments = segments(&data);
    assert!(segments.len() > 3, "only {} segments", segments.len());
    // Within an order as it came in, which the stages read again at every start: the first place that names it. The
    // one that is named first may have come in a segment earlier.
    let before = fs::read(&segments[1]).unwrap();
    let first = place(&segments[1], b"number-");
    let digits = before[first + 7..].iter().take_while(|b| b.is_ascii_digit());
    let number: u32 = String::from_utf8(digits.copied().collect()).unwrap().parse().unwrap();
    let byte = place(&segments[1], format!("number-{}", number + 1).as_bytes());
    flip(&segments[1], byte);
    let said = refused_with(&data, "E2003", &segments[1]);
    assert!(said.contains("at byte"), "{said}");
    let audit = router(&["audit"], &data);
    assert!(!audit.status.success() && String::from_utf8_lossy(&audit.stderr).contains("E2003"));
    // What only outside readers look at is found by whoever reads it, the audit first.
    for part in [5, 3, 2] {
        fs::write(&segments[1], &before).unwrap();
        flip(&segments[1], before.len() / part);
        let audit = router(&["audit"], &data);
        let said = String::from_utf8_lossy(&audit.stderr).into_owned();
        assert!(!audit.status.success() && said.contains("E2003") && said.contains("at byte"), "{said}");
    }
    fs::write(&segments[1], before).unwrap();
    whole(&data, 0..40);
}

/// What a start need not read is checked behind it: the router serves, and says that it is not whole.
#[test]
fn a_flipped_byte_that_no_start_reads_is_found_behind_it() {
    let (_outer, data) = folder(60, SMALL, true);
    let segments = segments(&data);
    let before = fs::read(&segments[1]).unwrap();
    // Of what the engine wrote only followers read, and they have.
    let byte = place(&segments[1], b"assignment.");
    flip(&segments[1], byte);
    let running = Running::start(&data);
    let mut client = running.client();
    let said = until_unready(&mut client);
    let file = segments[1].file_name().unwrap().to_str().unwrap();
    assert!(said.contains("E2003") && said.contains(file) && said.contains("at byte"), "{said}");
    assert_eq!(client.must("/v1/orders", &order(0))["answer"], "repeat", "what is not concerned goes on");
    drop(client);
    running.end();
    fs::write(&segments[1], before).unwrap();
    whole(&data, 0..60);
}

fn until_unready(client: &mut Client) -> String {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        let (status, ready) = client.get("/readyz");
        if status == 503 {
            return ready["reasons"].to_string();
        }
        assert!(std::time::Instant::now() < deadline, "nothing was found");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn a_flipped_byte_in_the_tail_is_cut_or_refused() {
    let (_outer, data) = folder(20, "", false);
    let last = segments(&data).pop().unwrap();
    let bytes = fs::read(&last).unwrap();
    let frames: Vec<_> =
        bytes.windows(4).enumerate().filter(|(_, w)| *w == b"ORJ1").map(|(n, _)| n).collect();
    // Whole transactions follow it: this is no torn end.
    flip(&last, frames[frames.len() / 2] + 40);
    refused_with(&data, "E2003", &last);
    // In the last transaction it looks like a torn end: it goes as a whole, and so does nothing else.
    fs::write(&last, &bytes).unwrap();
    flip(&last, frames[frames.len() - 1] + 40);
    // What the lost transaction had applied is applied again.
    Running::start(&data).end();
    whole(&data, 0..20);
}

#[test]
fn a_tail_that_is_gone_after_a_clean_end_is_refused() {
    let (_outer, data) = folder(8, SMALL, true);
    let last = segments(&data).pop().unwrap();
    let bytes = fs::read(&last).unwrap();
    fs::write(&last, &bytes[..bytes.len() - 10]).unwrap();
    refused_with(&data, "E2004", &last);
    fs::remove_file(&last).unwrap();
    refused_with(&data, "E2004", &last);
    fs::write(&last, &bytes).unwrap();
    whole(&data, 0..8);
}

#[test]
fn a_segment_that_is_gone_is_missed() {
    let (_outer, data) = folder(40, SMALL, false);
    let segments = segments(&data);
    let bytes = fs::read(&segments[2]).unwrap();
    fs::remove_file(&segments[2]).unwrap();
    let said = refused_with(&data, "E2003", &segments[2]);
    assert!(said.contains("missing"), "{said}");
    fs::write(&segments[2], bytes).unwrap();
    // Its index is only there to save time.
    fs::remove_file(segments[1].with_extension("idx")).unwrap();
    let index = segments[0].with_extension("idx");
    flip(&index, 9);
    // What does not belong there is left alone.
    fs::write(data.join("journal/notes.txt"), "mine").unwrap();
    fs::write(data.join("journal/copy.seg"), "mine as well").unwrap();
    whole(&data, 0..40);
    assert_eq!(fs::read_to_string(data.join("journal/copy.seg")).unwrap(), "mine as well");
}

#[test]
fn rows_that_are_gone_are_made_again() {
    let (_outer, data) = folder(10, "", true);
    fs::remove_dir_all(data.join("rows")).unwrap();
    whole(&data, 0..10);
    let snapshots = data.join("snapshots");
    if snapshots.exists() {
        fs::remove_dir_all(snapshots).unwrap();
        whole(&data, 0..10);
    }
}

/// Rows of events that the log lost, and rows that are damaged, are made again, and the ones before are put aside.
#[test]
fn rows_that_cannot_be_used_are_made_again() {
    let (_outer, data) = folder(10, "", false);
    let last = segments(&data).pop().unwrap();
    let bytes = fs::read(&last).unwrap();
    let half = bytes.len() / 2;
    fs::write(&last, &bytes[..half]).unwrap();
    let said = String::from_utf8_lossy(&router(&["audit"], &data).stderr).into_owned();
    assert!(said.contains("E2105") && said.contains("router run"), "{said}");
    Running::start(&data).end();
    assert!(data.join("rows.unusable").is_dir());
    let report = printed(&router(&["audit"], &data));
    assert_eq!(report["violations"], 0, "{report}");
    // Every file of the tables that holds anything.
    let mut files = vec![data.join("rows")];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.file_name().is_none_or(|name| name != "lock") {
            fs::write(&path, b"something else").unwrap();
        }
    }
    Running::start(&data).end();
    let report = printed(&router(&["audit"], &data));
    assert_eq!(report["violations"], 0, "{report}");
}

/// Who else works on the machine reads nothing of it.
#[test]
fn everything_in_the_folder_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (_outer, data) = folder(3, SMALL, true);
    let running = Running::start(&data);
    let (mut left, mut seen) = (vec![data.clone()], 0);
    while let Some(path) = left.pop() {
        let mode = fs::symlink_metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
        seen += 1;
        if path.is_dir() {
            left.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    assert!(seen > 10 && data.join("router.sock").exists());
    running.end();
}

/// A verb that hangs, or that was stopped in the middle of a word, does not keep the router from its end.
#[test]
fn a_silent_verb_does_not_hold_up_the_end() {
    use std::io::Write;
    let (_outer, data) = folder(1, "", true);
    let running = Running::start(&data);
    let mut verb = std::os::unix::net::UnixStream::connect(data.join("router.sock")).unwrap();
    verb.write_all(b"GET /v1/log HTTP/1.1\r\nhost: rou").unwrap();
    // The socket took it before the signal comes.
    assert!(router(&["log", "ls"], &data).status.success());
    running.end();
    drop(verb);
}

#[test]
fn a_folder_serves_one_router() {
    let (_outer, data) = folder(3, "", true);
    let running = Running::start(&data);
    let (status, said) = refused(&data);
    assert_eq!(status, Some(69), "{said}");
    assert!(said.contains("E2001") && said.contains(&format!("process {}", running.pid())), "{said}");
    // The one that runs was not disturbed, and the command line still reaches it.
    assert_eq!(running.client().must("/v1/orders", &order(0))["answer"], "repeat");
    let listed = router(&["order", "list"], &data);
    assert!(listed.status.success() && !listed.stdout.is_empty());
    running.end();
    whole(&data, 0..3);
}

#[test]
fn without_its_keys_a_router_does_not_start() {
    let (_outer, data) = folder(3, "", true);
    fs::rename(data.join("keys"), data.join("keys-elsewhere")).unwrap();
    let (status, said) = refused(&data);
    assert_eq!(status, Some(69), "{said}");
    assert!(said.contains("E2212") && said.contains("keys"), "{said}");
    // And it made none, which would look like the right ones next time.
    let _ = fs::remove_dir_all(data.join("keys"));
    fs::rename(data.join("keys-elsewhere"), data.join("keys")).unwrap();
    whole(&data, 0..3);
}

#[test]
fn after_a_stop_of_hours_everything_goes_on_in_its_order() {
    let (_outer, data) = folder(1, "", true);
    let hour = 3_600_000i64;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    let stamp = |ms: i64| {
        let said =
            Command::new("date").args(["-u", "+%FT%TZ", "-d", &format!("@{}", ms / 1000)]).output().unwrap();
        String::from_utf8(said.stdout).unwrap().trim().to_owned()
    };
    {
        let running = Running::start(&data);
        let mut client = running.client();
        // Two that wait for their time, and two words on an order that has not come yet.
        for (id, hours) in [("late", 3), ("soon", 1)] {
            let body = json!({ "channel": "web", "id": id, "not_before": stamp(now + hours * hour),
                "lines": [{ "sku": "k", "qty": 1 }] });
            let answer = client.must("/v1/orders", &body.to_string());
            assert_eq!(answer["answer"], "accepted", "{answer}");
        }
        let (status, answer) = client.post("/v1/cancels", r#"{"channel":"web","id":"early"}"#).unwrap();
        assert_eq!(status, 202, "{answer}");
        drop(client);
        running.kill();
    }
    let state = |client: &mut Client, id: &str| -> String {
        let (status, row) = client.get(&format!("/v1/orders/web:{id}"));
        if status == 200 { row["state"].as_str().unwrap_or_default().to_owned() } else { format!("{status}") }
    };
    let until = |client: &mut Client, id: &str, wanted: &str| {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        loop {
            let found = state(client, id);
            if found == wanted {
                return;
            }
            assert!(std::time::Instant::now() < deadline, "{id} is {found}, not {wanted}");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    };
    // Two hours later.
    let running = Running::start_on_trial(&data, &[], &format!("ahead_ms={}", 2 * hour));
    let mut client = running.client();
    until(&mut client, "soon", "in_fulfilment");
    assert_eq!(state(&mut client, "late"), "scheduled");
    // The cancel that came early was not forgotten: it ends the order.
    client.must("/v1/orders", r#"{"channel":"web","id":"early","lines":[{"sku":"k","qty":1}]}"#);
    until(&mut client, "early", "cancelled");
    drop(client);
    running.kill();
    let running = Running::start_on_trial(&data, &[], &format!("ahead_ms={}", 4 * hour));
    let mut client = running.client();
    until(&mut client, "late", "in_fulfilment");
    drop(client);
    running.end();
    let report: Value = printed(&router(&["audit"], &data));
    assert_eq!(report["violations"], 0, "{report}");
}
