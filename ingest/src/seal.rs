//! Sealing of personal data: XChaCha20-Poly1305 under a data key of each order. The key is made from the master key
//! and a random seed of the order, which is kept outside the log: neither gives the key without the other. Erasing
//! the seed makes every copy of the data unreadable.

mod table;

use std::{
    cell::RefCell,
    collections::HashMap,
    fs,
    hash::{BuildHasherDefault, Hasher},
    io,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, AeadInOut, inout::InOutBuf},
};
use router_schemas::{
    command::{Hash16, order::Sealed},
    id::{Identity, OrderId},
    refusal::Code,
};

use self::table::{Open, Table};
use crate::names::Names;

const NONCE: usize = 24;
const TAG: usize = 16;
/// Begins what a data key is made from.
const FROM_SEED: &[u8] = b"from seed";

/// The codes of this module.
pub const CODES: &[Code] = &[
    Code::new("E2110", "a key file cannot be read or written", "keep it readable for the router alone"),
    Code::new("E2111", "the master key has another length than a master key", "put the right file there"),
    Code::new(
        "E2112",
        "the table of data keys cannot be read or written",
        "see the reason; look at the disk",
    ),
    Code::new("E2113", "the operating system gives no random bytes", "see the system's reason"),
    Code::new(
        "E2114",
        "the data key is not here",
        "nothing: it was erased for ever, or belongs to another installation",
    ),
    Code::new(
        "E2115",
        "sealed bytes do not open with their key",
        "put the master key of this installation back",
    ),
];

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

/// What a data key is made from, beside the master key.
type Seed = [u8; 32];

/// Seals, opens and hashes. The port of the keys, kept in the data folder.
pub struct Keys {
    master: [u8; 32],
    table: Table,
    fresh: Arc<Mutex<Fresh>>,
    /// Held while keys are brought to the disk or erased.
    flushing: Mutex<()>,
    /// Learns what the table held when it was opened.
    learning: Option<JoinHandle<()>>,
    /// Set: it need not go on.
    closing: Arc<AtomicBool>,
}

/// Seeds that are made and not yet in the table. Of two messages of one order that come together, the second finds
/// the seed of the first here.
#[derive(Default)]
struct Fresh {
    /// Those that no flush has begun with.
    new: Seeds,
    /// Those on their way into the table.
    leaving: Arc<Seeds>,
    /// How often seeds went from here into the table.
    flushes: u64,
    /// Names that came since the table was opened, and once `learnt` those that it held then.
    names: Names,
    learnt: bool,
}

type Seeds = HashMap<Hash16, Seed, BuildHasherDefault<OfName>>;

impl Fresh {
    fn get(&self, name: &Hash16) -> Option<&Seed> {
        self.new.get(name).or_else(|| self.leaving.get(name))
    }

    /// Whether a look into the table is worth it.
    fn may_be_kept(&self, name: &Hash16) -> bool {
        !self.learnt || self.names.may_hold(name)
    }

    /// Takes a new name in.
    fn insert(&mut self, name: &Hash16, seed: Seed) {
        self.new.insert(*name, seed);
        self.names.insert(name);
    }
}

/// Learns the names in the table. Where it cannot be read, every name is looked up for as long as it runs.
fn learn(table: &fjall::Keyspace, fresh: &Mutex<Fresh>, closing: &AtomicBool) {
    let mut names = Names::default();
    for item in table.iter() {
        if closing.load(Ordering::Relaxed) {
            return;
        }
        let name = item.key().map(|key| Hash16::try_from(&*key));
        let Ok(Ok(name)) = name else { return };
        names.insert(&name);
    }
    let mut fresh = fresh.lock().unwrap_or_else(PoisonError::into_inner);
    fresh.names.join(names);
    fresh.learnt = true;
}

/// The hash of a name is a part of it: names are keyed hashes, which no stranger can choose.
#[derive(Default)]
struct OfName(u64);

impl Hasher for OfName {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 ^= u64::from_le_bytes(*first);
        }
    }

    /// The length of a name, always the same.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
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
        let (fresh, closing) = (Arc::<Mutex<Fresh>>::default(), Arc::<AtomicBool>::default());
        let learning = table.keyspace().map(|table| {
            let (fresh, closing) = (fresh.clone(), closing.clone());
            let thread = std::thread::Builder::new().name("keys".into());
            thread.spawn(move || learn(&table, &fresh, &closing)).map_err(file(folder))
        });
        let learning = learning.transpose()?;
        Ok(Keys { master, table, fresh, flushing: Mutex::default(), learning, closing })
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

    /// The code of six digits that a customer says where the order is handed over: whoever has these keys can make it
    /// from the order's id, and nobody else.
    pub fn pickup_code(&self, order: OrderId) -> String {
        let hash = self.hash("pick-up code", order.to_string().as_bytes());
        format!("{:06}", u128::from_le_bytes(hash) % 1_000_000)
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
            if let Some(seed) = fresh.get(name) {
                return Ok(self.key_from(name, seed));
            }
            // The table is read without the lock; whoever moved seeds into it meanwhile makes us look again.
            let flushes = fresh.flushes;
            if fresh.may_be_kept(name) {
                drop(fresh);
                if let Some(seed) = self.kept(name)? {
                    return Ok(self.key_from(name, &seed));
                }
                fresh = self.fresh();
            }
            if fresh.flushes == flushes && fresh.get(name).is_none() {
                let seed = random::<32>()?;
                fresh.insert(name, seed);
                return Ok(self.key_from(name, &seed));
            }
        }
    }

    /// The seed in the table.
    fn kept(&self, name: &Hash16) -> Result<Option<Seed>, SealError> {
        let bytes = self.table.get(name)?;
        bytes.map(|bytes| Seed::try_from(&*bytes).map_err(|_| SealError::Damaged)).transpose()
    }

    /// The data key of this name and seed.
    fn key_from(&self, name: &Hash16, seed: &Seed) -> [u8; 32] {
        // Its own beginning keeps it apart from the hashes, as their domains do each other.
        let mut from = [0; 4 + FROM_SEED.len() + 16 + 32];
        let parts = [&(FROM_SEED.len() as u32).to_le_bytes(), FROM_SEED, name.as_slice(), seed];
        let mut rest = from.as_mut_slice();
        for part in parts {
            let (here, behind) = rest.split_at_mut(part.len());
            here.copy_from_slice(part);
            rest = behind;
        }
        *blake3::keyed_hash(&self.master, &from).as_bytes()
    }

    /// Makes all new data keys durable, before the append of what they seal.
    pub fn flush(&self) -> Result<(), SealError> {
        let _flushing = self.flushing.lock().unwrap_or_else(PoisonError::into_inner);
        let leaving = {
            let mut fresh = self.fresh();
            if fresh.new.is_empty() {
                return Ok(());
            }
            fresh.leaving = Arc::new(std::mem::take(&mut fresh.new));
            fresh.leaving.clone()
        };
        let written = self.write(&leaving);
        let mut fresh = self.fresh();
        fresh.leaving = Arc::default();
        match written {
            Ok(()) => fresh.flushes += 1,
            Err(_) => fresh.new.extend(leaving.iter()),
        }
        written
    }

    fn write(&self, seeds: &Seeds) -> Result<(), SealError> {
        // One behind the other: the table finds the place of each beside that of the last.
        let mut sorted: Vec<_> = seeds.iter().collect();
        sorted.sort_unstable();
        Ok(self.table.write(|Open { database, keyspace }| {
            let mut batch = database.batch();
            for (name, seed) in sorted {
                batch.insert(keyspace, *name, *seed);
            }
            batch.commit()
        })?)
    }

    fn fresh(&self) -> MutexGuard<'_, Fresh> {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was sealed.
    pub fn open_sealed(&self, sealed: &Sealed) -> Result<Vec<u8>, SealError> {
        let fresh = self.fresh().get(&sealed.key).copied();
        let seed = match fresh {
            Some(seed) => seed,
            None => self.kept(&sealed.key)?.ok_or(SealError::Erased)?,
        };
        decrypt(&self.key_from(&sealed.key, &seed), &sealed.bytes)
    }

    /// Erases a data key for ever.
    pub fn erase(&self, key: &Hash16) -> Result<(), SealError> {
        let _flushing = self.flushing.lock().unwrap_or_else(PoisonError::into_inner);
        // None is leaving: that takes the lock which is held here.
        self.fresh().new.remove(key);
        Ok(self.table.write(|open| open.keyspace.remove(*key))?)
    }
}

impl Drop for Keys {
    /// The table is closed when this ends.
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        if let Some(learning) = self.learning.take() {
            // One that panicked has said so.
            let _ = learning.join();
        }
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
mod tests;
