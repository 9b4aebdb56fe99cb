//! Keys whose disk is full seal nothing that would not be opened again, and go on by themselves when there is room.

use std::{fs, io::Write, path::Path, process::Command};

use router_ingest::seal::Keys;
use router_schemas::id::Identity;

/// A small disk; gone when dropped.
struct Disk<'a>(&'a Path);

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

fn identity(number: u32) -> Identity {
    Identity { channel: "web".into(), external_id: number.to_string(), ..Identity::default() }
}

#[test]
fn keys_without_room_go_on_when_there_is_some() {
    let outer = tempfile::tempdir().unwrap();
    let disk = outer.path();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=160m", "none"]).arg(disk).status();
    assert!(mounted.is_ok_and(|s| s.success()), "this test mounts a small tmpfs: run it as root");
    let _disk = Disk(disk);
    let keys = Keys::open(&disk.join("keys")).unwrap();
    let first = keys.seal(&identity(0), b"Ada").unwrap();
    keys.flush().unwrap();
    let mut filler = fs::File::create(disk.join("filler")).unwrap();
    while filler.write(&vec![7; 1 << 20]).is_ok_and(|written| written > 0) {}
    // Until one does not fit.
    let mut sealed = Vec::new();
    let failed = (1..2_000_000).find(|number| {
        sealed.push(keys.seal(&identity(*number), b"Ada").unwrap());
        number % 1000 == 0 && keys.flush().is_err()
    });
    assert!(failed.is_some(), "the disk was never full");
    drop(filler);
    fs::remove_file(disk.join("filler")).unwrap();
    keys.flush().unwrap();
    drop(keys);
    let keys = Keys::open(&disk.join("keys")).unwrap();
    for sealed in sealed.iter().chain([&first]) {
        assert_eq!(keys.open_sealed(sealed).unwrap(), b"Ada");
    }
}
