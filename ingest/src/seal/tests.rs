use super::*;

#[test]
fn sealed_data_survives_a_restart_and_not_an_erasure() {
    let folder = tempfile::tempdir().unwrap();
    let identity = Identity { external_id: "7".into(), ..Identity::default() };
    let keys = Keys::open(folder.path()).unwrap();
    let sealed = keys.seal(&identity, b"Ada, 1 High Street").unwrap();
    assert_eq!(keys.open_sealed(&sealed).unwrap(), b"Ada, 1 High Street", "before the key is flushed");
    keys.flush().unwrap();
    drop(keys);
    assert!(!sealed.bytes.windows(3).any(|w| w == b"Ada"));
    let keys = Keys::open(folder.path()).unwrap();
    assert_eq!(keys.open_sealed(&sealed).unwrap(), b"Ada, 1 High Street");
    let mut damaged = sealed.clone();
    *damaged.bytes.last_mut().unwrap() ^= 1;
    assert!(matches!(keys.open_sealed(&damaged), Err(SealError::Damaged)));
    keys.erase(&sealed.key).unwrap();
    assert!(matches!(keys.open_sealed(&sealed), Err(SealError::Erased)));
}

#[test]
fn messages_of_one_order_that_come_together_share_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let keys = Keys::open(folder.path()).unwrap();
    for number in 0..200 {
        let identity = Identity { external_id: number.to_string(), ..Identity::default() };
        let seal = || keys.seal(&identity, b"Ada").unwrap();
        let sealed = std::thread::scope(|scope| {
            let flush = scope.spawn(|| keys.flush().unwrap());
            let sealed = [(); 4].map(|()| scope.spawn(seal)).map(|t| t.join().unwrap());
            flush.join().unwrap();
            sealed
        });
        sealed.iter().for_each(|sealed| assert_eq!(keys.open_sealed(sealed).unwrap(), b"Ada"));
        keys.flush().unwrap();
        sealed.iter().for_each(|sealed| assert_eq!(keys.open_sealed(sealed).unwrap(), b"Ada"));
    }
}

#[test]
fn an_order_of_before_a_restart_keeps_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let identity = |number: u32| Identity { external_id: number.to_string(), ..Identity::default() };
    let keys = Keys::open(folder.path()).unwrap();
    let before: Vec<_> = (0..300).map(|n| keys.seal(&identity(n), b"Ada").unwrap()).collect();
    keys.flush().unwrap();
    drop(keys);
    let mut keys = Keys::open(folder.path()).unwrap();
    for all_is_learnt in [false, true] {
        for (sealed, number) in before.iter().zip(0..) {
            // Another key would leave the first message without any.
            keys.seal(&identity(number), b"Ada").unwrap();
            keys.seal(&identity(number + 1000), b"Bob").unwrap();
            keys.flush().unwrap();
            assert_eq!(keys.open_sealed(sealed).unwrap(), b"Ada");
        }
        keys.learning.take().into_iter().for_each(|learning| learning.join().unwrap());
        assert!(keys.fresh().learnt || !all_is_learnt);
    }
}

#[test]
fn a_key_that_is_not_flushed_can_be_erased() {
    let folder = tempfile::tempdir().unwrap();
    let keys = Keys::open(folder.path()).unwrap();
    let sealed = keys.seal(&Identity::default(), b"Ada").unwrap();
    keys.erase(&sealed.key).unwrap();
    keys.flush().unwrap();
    assert!(matches!(keys.open_sealed(&sealed), Err(SealError::Erased)));
}

#[test]
fn an_order_keeps_the_name_of_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let keys = Keys::open(folder.path()).unwrap();
    for account in ["", "north"] {
        let identity = Identity { channel: "web".into(), account: account.into(), external_id: "7".into() };
        let name = keys.hash("data key", identity.to_string().as_bytes());
        assert_eq!(keys.seal(&identity, b"Ada").unwrap().key, name);
    }
}

#[test]
fn a_master_key_that_was_being_made_at_a_crash_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("master.new"), b"half").unwrap();
    drop(Keys::open(folder.path()).unwrap());
    assert_eq!(fs::read(folder.path().join("master.key")).unwrap().len(), 32);
    assert!(!folder.path().join("master.new").exists(), "no second copy of a key lies about");
}

#[test]
fn a_pickup_code_is_the_orders_own_and_needs_the_master_key() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let order = |number: u128| OrderId::from_bits(number << 20);
    let keys = Keys::open(folder.path()).unwrap();
    let codes: Vec<_> = (0..200).map(|number| keys.pickup_code(order(number))).collect();
    assert!(codes.iter().all(|code| code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit())));
    let different: std::collections::BTreeSet<_> = codes.iter().collect();
    assert!(different.len() > 190, "{}", different.len());
    drop(keys);
    let keys = Keys::open(folder.path()).unwrap();
    assert_eq!(keys.pickup_code(order(7)), codes[7], "after a restart too");
    let foreign = Keys::open(other.path()).unwrap();
    let same =
        (0..200).filter(|number| foreign.pickup_code(order(*number)) == codes[*number as usize]).count();
    assert!(same < 5, "{same}");
}
