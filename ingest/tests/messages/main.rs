//! What strangers may send: the shape of each kind of message, and what is said of one that is not taken.

mod hostile;
mod schemas;
mod taken;
mod work;

use router_ingest::{
    decode::{Context, Rejected, message},
    seal::Keys,
};
use router_schemas::command::{Command, order::Arrival};

/// Reads messages under keys of its own.
pub(crate) struct Reader {
    pub keys: Keys,
    _folder: tempfile::TempDir,
}

impl Reader {
    pub fn new() -> Reader {
        let folder = tempfile::tempdir().unwrap();
        Reader { keys: Keys::open(folder.path()).unwrap(), _folder: folder }
    }

    pub fn read(&self, kind: &str, text: impl AsRef<[u8]>) -> Result<Command, Rejected> {
        self.read_with(None, kind, text)
    }

    pub fn read_with(
        &self,
        key: Option<&str>,
        kind: &str,
        text: impl AsRef<[u8]>,
    ) -> Result<Command, Rejected> {
        message(kind, text.as_ref(), &Context { keys: &self.keys, arrival: Arrival::Http, key })
    }
}
