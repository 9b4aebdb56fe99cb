//! Sealing of personal data: XChaCha20-Poly1305 under a data key of each order, which is kept, wrapped by the
//! master key, outside the log. Erasing a data key makes every copy of the data unreadable.

use std::{
    cell::RefCell,
    collections::HashMap,
    fs, io,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError, RwLock},
};

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, AeadInOut, inout::InOutBuf},
};
use router_schemas::{
    command::{Hash16, order::Sealed},
    id::Identity,
    refusal::Code,
};

const NONCE: usize = 24;
const TAG: usize = 16;

/// The codes of this module.
pub const CODES: &[Code] = &[
    code("E2110", "a key file cannot be read or written", "keep it readable for the router alone"),
    code("E2111", "the master key has another length than a master key", "put the right file there"),
    code("E2112", "the table of data keys cannot be read or written", "see the reason; look at the disk"),
    code("E2113", "the operating system gives no random bytes", "see the system's reason"),
    code(
        "E2114",
        "the data key is not here",
        "nothing: it was erased for ever, or belongs to another installation",
    ),
    code("E2115", "sealed bytes do not open with their key", "put the master key of this installation back"),
];

const fn code(id: &'static str, summary: &'static str, hint: &'static str) -> Code {
    Code { id, summary, hint }
}

/// Keys could not be read, made or used.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The key file.
    #[error("E2110: {0}: {1}; keep it readable for the router alone, and never lose it")]
    File(String, io::Error),
    /// The master key has another length.
    #[error("E2111: {0} holds {1} bytes, a master key has 32; put the right file there")]
    Length(String, usize),
    /// The table of data keys.
    #[error("E2112: the table of data keys failed: {0}")]
    Table(#[from] fjall::Error),
    /// No chance from the operating system.
    #[error("E2113: the operating system gives no random bytes: {0}")]
    Random(getrandom::Error),
    /// The data key was erased, or never was here.
    #[error("E2114: the data key is not here: it was erased, or belongs to another installation")]
    Erased,
    /// The bytes were not sealed by this key.
    #[error("E2115: the sealed bytes do not open with their key: another master key, or damage")]
    Damaged,
}

/// Seals, opens and hashes. The port of the keys, kept in the data folder.
pub struct Keys {
    master: [u8; 32],
    table: Table,
    fresh: Mutex<Fresh>,
    /// Held while keys are brought to the disk or erased.
    flushing: Mutex<()>,
}

/// Data keys that are made and not yet in the table. Of two messages of one order that come together, the second
/// finds the key of the first here.
#[derive(Default)]
struct Fresh {
    keys: HashMap<Hash16, [u8; 32]>,
    /// Those that no flush has begun with: name and wrapped key.
    unsaved: Vec<(Hash16, Vec<u8>)>,
    /// How often keys went from here into the table.
    flushes: u64,
}

impl Keys {
    /// Opens the keys in `folder`, making them where there are none.
    pub fn open(folder: &Path) -> Result<Keys, SealError> {
        let file = |path: &Path| {
            let path = path.display().to_string();
            move |e| SealError::File(path, e)
        };
        fs::create_dir_all(folder).map_err(file(folder))?;
        let path = folder.join("master.key");
        let master = match fs::read(&path) {
            Ok(bytes) => {
                let length = bytes.len();
                bytes.try_into().map_err(|_| SealError::Length(path.display().to_string(), length))?
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let key = random::<32>()?;
                make(&path, &key).map_err(file(&path))?;
                key
            }
            Err(e) => return Err(file(&path)(e)),
        };
        let table = Table::open(folder.join("table"))?;
        Ok(Keys { master, table, fresh: Mutex::default(), flushing: Mutex::default() })
    }

    /// A keyed hash: equal content is known as equal by us alone. `domain` keeps uses apart.
    pub fn hash(&self, domain: &str, bytes: &[u8]) -> Hash16 {
        self.hash_of(domain, |out| out.extend_from_slice(bytes))
    }

    /// The same of the bytes that `write` appends.
    pub fn hash_of(&self, domain: &str, write: impl FnOnce(&mut Vec<u8>)) -> Hash16 {
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.clear();
            scratch.extend_from_slice(&(domain.len() as u32).to_le_bytes());
            scratch.extend_from_slice(domain.as_bytes());
            write(scratch);
            let whole = blake3::keyed_hash(&self.master, scratch);
            // What was hashed may name people.
            scratch.fill(0);
            let mut hash = Hash16::default();
            hash.copy_from_slice(&whole.as_bytes()[..16]);
            hash
        })
    }

    /// Seals `plain` under the data key of the order, making the key where there is none. The key is on disk
    /// only after [`Keys::flush`].
    pub fn seal(&self, identity: &Identity, plain: &[u8]) -> Result<Sealed, SealError> {
        let Identity { channel, account, external_id } = identity;
        let name = self.hash_of("data key", |out| {
            // As the identity displays.
            let parts = match account.as_str() {
                "" => [channel, "", "", ":", external_id.as_str()],
                account => [channel, "/", account, ":", external_id.as_str()],
            };
            parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
        });
        let key = self.data_key(&name)?;
        Ok(Sealed { key: name, bytes: encrypt(&key, plain)? })
    }

    fn data_key(&self, name: &Hash16) -> Result<[u8; 32], SealError> {
        let mut fresh = self.fresh();
        loop {
            if let Some(key) = fresh.keys.get(name) {
                return Ok(*key);
            }
            // The table is read without the lock; whoever moved keys into it meanwhile makes us look again.
            let flushes = fresh.flushes;
            drop(fresh);
            if let Some(wrapped) = self.table.get(name)? {
                return self.unwrap(&wrapped);
            }
            let key = random::<32>()?;
            let wrapped = encrypt(&self.master, &key)?;
            fresh = self.fresh();
            if fresh.flushes == flushes && !fresh.keys.contains_key(name) {
                fresh.keys.insert(*name, key);
                fresh.unsaved.push((*name, wrapped));
                return Ok(key);
            }
        }
    }

    /// Makes all new data keys durable, before the append of what they seal.
    pub fn flush(&self) -> Result<(), SealError> {
        let _flushing = self.flushing.lock().unwrap_or_else(PoisonError::into_inner);
        let unsaved = std::mem::take(&mut self.fresh().unsaved);
        if unsaved.is_empty() {
            return Ok(());
        }
        let written = self.write(&unsaved);
        let mut fresh = self.fresh();
        match written {
            Ok(()) => {
                fresh.flushes += 1;
                unsaved.iter().for_each(|(name, _)| _ = fresh.keys.remove(name));
            }
            Err(_) => fresh.unsaved.extend(unsaved),
        }
        written
    }

    fn write(&self, keys: &[(Hash16, Vec<u8>)]) -> Result<(), SealError> {
        Ok(self.table.write(|Open { database, keyspace }| {
            let mut batch = database.batch();
            for (name, wrapped) in keys {
                batch.insert(keyspace, *name, wrapped.as_slice());
            }
            batch.commit()
        })?)
    }

    fn fresh(&self) -> MutexGuard<'_, Fresh> {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was sealed.
    pub fn open_sealed(&self, sealed: &Sealed) -> Result<Vec<u8>, SealError> {
        let fresh = self.fresh().keys.get(&sealed.key).copied();
        let key = match fresh {
            Some(key) => key,
            None => self.unwrap(&self.table.get(&sealed.key)?.ok_or(SealError::Erased)?)?,
        };
        decrypt(&key, &sealed.bytes)
    }

    /// Erases a data key for ever.
    pub fn erase(&self, key: &Hash16) -> Result<(), SealError> {
        let _flushing = self.flushing.lock().unwrap_or_else(PoisonError::into_inner);
        {
            let mut fresh = self.fresh();
            fresh.keys.remove(key);
            fresh.unsaved.retain(|(name, _)| name != key);
        }
        Ok(self.table.write(|open| open.keyspace.remove(*key))?)
    }

    fn unwrap(&self, wrapped: &[u8]) -> Result<[u8; 32], SealError> {
        decrypt(&self.master, wrapped)?.try_into().map_err(|_| SealError::Damaged)
    }
}

/// Makes the file with the master key: it is there whole or not at all.
fn make(path: &Path, key: &[u8; 32]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(key)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    path.parent().map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())
}

/// The table of data keys. After a write that failed, on a full disk for one, what is open takes no other one: it is
/// opened again.
struct Table {
    folder: PathBuf,
    /// Empty while it cannot be opened again.
    open: RwLock<Option<Open>>,
}

struct Open {
    database: fjall::Database,
    keyspace: fjall::Keyspace,
}

impl Open {
    fn at(folder: &Path) -> Result<Open, fjall::Error> {
        let database = fjall::Database::builder(folder).open()?;
        let keyspace = database.keyspace("data_keys", fjall::KeyspaceCreateOptions::default)?;
        Ok(Open { database, keyspace })
    }
}

impl Table {
    fn open(folder: PathBuf) -> Result<Table, fjall::Error> {
        let open = RwLock::new(Some(Open::at(&folder)?));
        Ok(Table { folder, open })
    }

    fn get(&self, name: &Hash16) -> Result<Option<fjall::Slice>, fjall::Error> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.as_ref().ok_or(fjall::Error::Poisoned)?.keyspace.get(name)
    }

    /// Does the write, and brings it to the disk.
    fn write(&self, write: impl FnOnce(&Open) -> Result<(), fjall::Error>) -> Result<(), fjall::Error> {
        let mut kept = self.open.read().unwrap_or_else(PoisonError::into_inner);
        if kept.is_none() {
            drop(kept);
            let mut again = self.open.write().unwrap_or_else(PoisonError::into_inner);
            *again = Some(Open::at(&self.folder)?);
            drop(again);
            kept = self.open.read().unwrap_or_else(PoisonError::into_inner);
        }
        let open = kept.as_ref().ok_or(fjall::Error::Poisoned)?;
        let written = write(open).and_then(|()| open.database.persist(fjall::PersistMode::SyncData));
        drop(kept);
        if written.is_err() {
            let mut again = self.open.write().unwrap_or_else(PoisonError::into_inner);
            // The old one holds the folder's lock.
            *again = None;
            *again = Open::at(&self.folder).ok();
        }
        written
    }
}

thread_local! {
    /// What is being hashed.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    /// Random bytes of the operating system that are not used yet, and where they begin.
    static RANDOM: RefCell<([u8; CHANCE], usize)> = const { RefCell::new(([0; CHANCE], CHANCE)) };
}

/// Random bytes asked for at once: a call to the system costs as much as many bytes.
const CHANCE: usize = 2048;

/// Random bytes, each used once.
fn random<const N: usize>() -> Result<[u8; N], SealError> {
    RANDOM.with_borrow_mut(|(left, used)| {
        if *used + N > CHANCE {
            getrandom::fill(left).map_err(SealError::Random)?;
            *used = 0;
        }
        let mut bytes = [0; N];
        let taken = &mut left[*used..*used + N];
        bytes.copy_from_slice(taken);
        taken.fill(0);
        *used += N;
        Ok(bytes)
    })
}

fn encrypt(key: &[u8; 32], plain: &[u8]) -> Result<Vec<u8>, SealError> {
    let nonce = random::<NONCE>()?;
    let cipher = XChaCha20Poly1305::new(&(*key).into());
    let mut sealed = Vec::with_capacity(NONCE + plain.len() + TAG);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(plain);
    let text = InOutBuf::from(&mut sealed[NONCE..]);
    let tag =
        cipher.encrypt_inout_detached(&XNonce::from(nonce), b"", text).map_err(|_| SealError::Damaged)?;
    sealed.extend_from_slice(&tag);
    Ok(sealed)
}

fn decrypt(key: &[u8; 32], bytes: &[u8]) -> Result<Vec<u8>, SealError> {
    let (nonce, sealed) = bytes.split_first_chunk::<NONCE>().ok_or(SealError::Damaged)?;
    let cipher = XChaCha20Poly1305::new(&(*key).into());
    cipher.decrypt(&XNonce::from(*nonce), sealed).map_err(|_| SealError::Damaged)
}

#[cfg(test)]
mod tests {
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
    fn a_master_key_that_was_being_made_at_a_crash_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("master.new"), b"half").unwrap();
        drop(Keys::open(folder.path()).unwrap());
        assert_eq!(fs::read(folder.path().join("master.key")).unwrap().len(), 32);
        assert!(!folder.path().join("master.new").exists(), "no second copy of a key lies about");
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
            let identity =
                Identity { channel: "web".into(), account: account.into(), external_id: "7".into() };
            let name = keys.hash("data key", identity.to_string().as_bytes());
            assert_eq!(keys.seal(&identity, b"Ada").unwrap().key, name);
        }
    }
}
