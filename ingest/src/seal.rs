//! Sealing of personal data: XChaCha20-Poly1305 under a data key of each order, which is kept, wrapped by the
//! master key, outside the log. Erasing a data key makes every copy of the data unreadable.

use std::{
    fs, io,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::{Mutex, PoisonError},
};

use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce, aead::Aead};
use router_schemas::{
    command::{Hash16, order::Sealed},
    id::Identity,
    refusal::Code,
};

const NONCE: usize = 24;

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
    database: fjall::Database,
    table: fjall::Keyspace,
    /// True: keys were made since the last flush. Held while a key is looked up and made: of two messages of one
    /// order that come together, the second must find the key of the first, and wait for its flush.
    made: Mutex<bool>,
    /// Held while keys are made durable: who comes meanwhile waits, since its keys may be among them.
    flushing: Mutex<()>,
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
                let mut options = fs::OpenOptions::new();
                let made = options.write(true).create_new(true).mode(0o600).open(&path);
                let written = made.and_then(|mut f| f.write_all(&key).and_then(|()| f.sync_all()));
                written.map_err(file(&path))?;
                fs::File::open(folder).and_then(|d| d.sync_all()).map_err(file(folder))?;
                key
            }
            Err(e) => return Err(file(&path)(e)),
        };
        let database = fjall::Database::builder(folder.join("table")).open()?;
        let table = database.keyspace("data_keys", fjall::KeyspaceCreateOptions::default)?;
        Ok(Keys { master, database, table, made: Mutex::new(false), flushing: Mutex::new(()) })
    }

    /// A keyed hash: equal content is known as equal by us alone. `domain` keeps uses apart.
    pub fn hash(&self, domain: &str, bytes: &[u8]) -> Hash16 {
        let mut hasher = blake3::Hasher::new_keyed(&self.master);
        hasher.update(&(domain.len() as u32).to_le_bytes()).update(domain.as_bytes()).update(bytes);
        let mut hash = Hash16::default();
        hasher.finalize_xof().fill(&mut hash);
        hash
    }

    /// Seals `plain` under the data key of the order, making the key where there is none. The key is on disk
    /// only after [`Keys::flush`].
    pub fn seal(&self, identity: &Identity, plain: &[u8]) -> Result<Sealed, SealError> {
        let name = self.hash("data key", identity.to_string().as_bytes());
        let key = self.data_key(&name)?;
        Ok(Sealed { key: name, bytes: encrypt(&key, plain)? })
    }

    fn data_key(&self, name: &Hash16) -> Result<[u8; 32], SealError> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wrapped) = self.table.get(name)? {
            return self.unwrap(&wrapped);
        }
        let key = random::<32>()?;
        self.table.insert(name, encrypt(&self.master, &key)?)?;
        *made = true;
        Ok(key)
    }

    /// Makes all new data keys durable, before the append of what they seal.
    pub fn flush(&self) -> Result<(), SealError> {
        let _one = self.flushing.lock().unwrap_or_else(PoisonError::into_inner);
        let made = || self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut *made())
            && let Err(error) = self.database.persist(fjall::PersistMode::SyncData)
        {
            *made() = true;
            return Err(error.into());
        }
        Ok(())
    }

    /// What was sealed.
    pub fn open_sealed(&self, sealed: &Sealed) -> Result<Vec<u8>, SealError> {
        let wrapped = self.table.get(sealed.key)?.ok_or(SealError::Erased)?;
        decrypt(&self.unwrap(&wrapped)?, &sealed.bytes)
    }

    /// Erases a data key for ever.
    pub fn erase(&self, key: &Hash16) -> Result<(), SealError> {
        self.table.remove(*key)?;
        Ok(self.database.persist(fjall::PersistMode::SyncData)?)
    }

    fn unwrap(&self, wrapped: &[u8]) -> Result<[u8; 32], SealError> {
        decrypt(&self.master, wrapped)?.try_into().map_err(|_| SealError::Damaged)
    }
}

fn random<const N: usize>() -> Result<[u8; N], SealError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(SealError::Random)?;
    Ok(bytes)
}

fn encrypt(key: &[u8; 32], plain: &[u8]) -> Result<Vec<u8>, SealError> {
    let nonce = random::<NONCE>()?;
    let cipher = XChaCha20Poly1305::new(&(*key).into());
    let sealed = cipher.encrypt(&XNonce::from(nonce), plain).map_err(|_| SealError::Damaged)?;
    Ok([nonce.as_slice(), &sealed].concat())
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
        let sealed = Keys::open(folder.path()).unwrap().seal(&identity, b"Ada, 1 High Street").unwrap();
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
            let sealed =
                std::thread::scope(|scope| [(); 4].map(|()| scope.spawn(seal)).map(|t| t.join().unwrap()));
            sealed.iter().for_each(|sealed| assert_eq!(keys.open_sealed(sealed).unwrap(), b"Ada"));
        }
    }
}
