//! The tokens file: which tokens there are, whose, and what they are for. It holds hashes, so whoever reads it has no
//! token.
//!
//! ```toml
//! [[token]]
//! name = "till-7"       # stands in the log as the actor of what is sent with it; several tokens may share one
//! role = "store"        # admin, operations, connector, store, agent, auditor, viewer
//! sha256 = "9f86…"      # of the token, in hexadecimal digits
//! nodes = ["S1"]        # of the role store only
//! expires = 2027-01-01T00:00:00Z   # may be left out
//! ```

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
    sync::Arc,
};

use router_schemas::limits::NAME_BYTES;
use sha2::{Digest, Sha256};
use toml::de::{DeTable, DeValue};

use super::{ENTRY, Finding, UNKNOWN, file::Source, keys::meant};

/// Entries of the file.
pub(crate) const MOST: usize = 10_000;
/// Bytes of the file.
const MOST_BYTES: u64 = 16 << 20;
/// Nodes or channels of one entry.
const MOST_NAMES: usize = 1_000;
/// Bytes of a name of who calls.
pub(crate) const ACTOR_BYTES: usize = 64;
/// Characters of a token.
pub(crate) const SHORTEST: usize = 16;

/// What someone is to the router.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Role {
    /// May do everything.
    Admin,
    /// People who run the trade: everything, rules and reference tables too.
    Operations,
    /// A program that brings the orders of its channels.
    Connector,
    /// A till or a picker: the offers, work and stock of its nodes.
    Store,
    /// Serves customers: reads orders, amends and cancels them.
    Agent,
    /// Reads everything.
    Auditor,
    /// Reads everything that names nobody.
    Viewer,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 7] = [
        Role::Admin,
        Role::Operations,
        Role::Connector,
        Role::Store,
        Role::Agent,
        Role::Auditor,
        Role::Viewer,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Role::Admin => "admin",
            Role::Operations => "operations",
            Role::Connector => "connector",
            Role::Store => "store",
            Role::Agent => "agent",
            Role::Auditor => "auditor",
            Role::Viewer => "viewer",
        }
    }

    pub fn named(name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

/// Whose a token is.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Holder {
    /// The actor in the log.
    pub name: String,
    pub role: Role,
    /// Of a store, what it may see and touch.
    pub nodes: Arc<BTreeSet<String>>,
    /// Of a connector, what it may see and touch.
    pub channels: Arc<BTreeSet<String>>,
    /// Counts up to this time, ms since 1970.
    pub expires: Option<i64>,
}

impl Holder {
    /// One who may do everything.
    pub fn admin(name: &str) -> Holder {
        let (nodes, channels) = (Arc::default(), Arc::default());
        Holder { name: name.into(), role: Role::Admin, nodes, channels, expires: None }
    }
}

/// The hash of a token.
pub(crate) type Hash = [u8; 32];

/// Hashes a token. Tokens are found by it: how long that takes says something of the hash of what was sent, and nothing
/// of any token.
pub(crate) fn hash(token: &[u8]) -> Hash {
    Sha256::digest(token).into()
}

/// The tokens that there are, by their hashes.
#[derive(Clone, Default)]
pub(crate) struct Tokens(HashMap<Hash, Arc<Holder>>);

impl Tokens {
    /// Whose token this is, if it still counts at `now`, ms since 1970.
    pub fn holder(&self, hash: &Hash, now: i64) -> Option<&Arc<Holder>> {
        self.0.get(hash).filter(|holder| holder.expires.is_none_or(|end| now < end))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds one token of the role admin; false: it is too short.
    pub(super) fn add_admin(&mut self, token: &str) -> bool {
        let long = token.chars().count() >= SHORTEST;
        if long {
            self.0.insert(hash(token.as_bytes()), Arc::new(Holder::admin("admin")));
        }
        long
    }
}

/// Takes the file's entries into `tokens`; what is wrong becomes findings.
pub(super) fn read(path: &Path, tokens: &mut Tokens, findings: &mut Vec<Finding>) {
    if let Some(source) = Source::open(path, MOST_BYTES, findings) {
        take(&source, tokens, findings);
    }
}

/// What is wrong with a text that is to become such a file.
pub(crate) fn check(name: &str, text: String) -> Vec<Finding> {
    let mut findings = Vec::new();
    take(&Source::of(name, text), &mut Tokens::default(), &mut findings);
    findings
}

fn take(source: &Source, tokens: &mut Tokens, findings: &mut Vec<Finding>) {
    let Some(table) = source.table(findings) else { return };
    for (key, value) in table.get_ref().iter() {
        let at = source.place(key.span().start);
        let wrong = |detail: String| Finding::new(ENTRY, at.clone(), key.get_ref(), detail);
        let DeValue::Array(entries) = value.get_ref() else {
            findings.push(wrong("only entries [[token]] stand in this file".into()));
            continue;
        };
        if key.get_ref() != "token" {
            findings.push(wrong("only entries [[token]] stand in this file".into()));
            continue;
        }
        if entries.len() > MOST {
            findings.push(wrong(format!("{} entries, {MOST} are allowed", entries.len())));
            continue;
        }
        for entry in entries.iter() {
            let DeValue::Table(members) = entry.get_ref() else {
                findings.push(wrong("an entry is a section [[token]]".into()));
                continue;
            };
            let before = findings.len();
            let mut reading = Entry { source, start: entry.span().start, findings };
            if let Some((hash, holder)) = reading.holder(members)
                && tokens.0.insert(hash, Arc::new(holder)).is_some()
            {
                reading.wrong("sha256", members, "another entry has the same token");
            }
            // A file with many faults is as wrong as one with some.
            if findings.len() > before + 100 || findings.len() > 1_000 {
                return;
            }
        }
    }
}

/// An entry that is being read.
struct Entry<'a> {
    source: &'a Source,
    start: usize,
    findings: &'a mut Vec<Finding>,
}

const MEMBERS: [&str; 6] = ["name", "role", "sha256", "nodes", "channels", "expires"];

impl Entry<'_> {
    fn wrong(&mut self, name: &str, members: &DeTable<'_>, detail: impl Into<String>) {
        let start = members.get(name).map_or(self.start, |value| value.span().start);
        let at = self.source.place(start);
        self.findings.push(Finding::new(ENTRY, at, &format!("token.{name}"), detail.into()));
    }

    fn holder(&mut self, members: &DeTable<'_>) -> Option<(Hash, Holder)> {
        let before = self.findings.len();
        for (key, _) in members.iter().filter(|(key, _)| !MEMBERS.contains(&&**key.get_ref())) {
            let at = self.source.place(key.span().start);
            let name = format!("token.{}", key.get_ref());
            let mut finding = Finding::new(UNKNOWN, at, &name, "there is no such key".into());
            if let Some(meant) = meant(key.get_ref(), MEMBERS.into_iter()) {
                finding.hint = format!("did you mean {meant}?");
            }
            self.findings.push(finding);
        }
        let name = self.text("name", members).unwrap_or_default();
        if name.is_empty() || name.len() > ACTOR_BYTES || name.chars().any(char::is_control) {
            let detail = format!("expected 1 to {ACTOR_BYTES} bytes without control characters");
            self.wrong("name", members, detail);
        }
        let role = self.text("role", members).and_then(|role| Role::named(&role));
        if role.is_none() {
            let known = Role::ALL.map(Role::as_str).join(", ");
            self.wrong("role", members, format!("expected one of {known}"));
        }
        let hash = self.text("sha256", members).and_then(|text| digits(&text));
        if hash.is_none() {
            self.wrong(
                "sha256",
                members,
                "expected 64 hexadecimal digits: the SHA-256 of the token, not the token",
            );
        }
        let (nodes, channels) = (self.names("nodes", members), self.names("channels", members));
        for (name, names, of) in [("nodes", &nodes, Role::Store), ("channels", &channels, Role::Connector)] {
            match (role == Some(of), names.is_empty()) {
                (true, true) => self.wrong(name, members, format!("the role {} needs {name}", of.as_str())),
                (false, false) if role.is_some() => {
                    self.wrong(name, members, format!("only the role {} has {name}", of.as_str()));
                }
                _ => {}
            }
        }
        let expires = members.get("expires").map(|value| match value.get_ref() {
            DeValue::String(text) => text.parse::<jiff::Timestamp>().ok(),
            DeValue::Datetime(time) => time.to_string().parse().ok(),
            _ => None,
        });
        if expires == Some(None) {
            self.wrong("expires", members, "expected a time with its zone, such as 2027-01-01T00:00:00Z");
        }
        let (role, hash) = (role?, hash?);
        let (nodes, channels) = (Arc::new(nodes), Arc::new(channels));
        let expires = expires.flatten().map(jiff::Timestamp::as_millisecond);
        (self.findings.len() == before).then_some((hash, Holder { name, role, nodes, channels, expires }))
    }

    fn text(&self, name: &str, members: &DeTable<'_>) -> Option<String> {
        match members.get(name)?.get_ref() {
            DeValue::String(text) => Some(text.to_string()),
            _ => None,
        }
    }

    fn names(&mut self, name: &str, members: &DeTable<'_>) -> BTreeSet<String> {
        let Some(value) = members.get(name) else { return BTreeSet::new() };
        let one = |value: &DeValue<'_>| match value {
            DeValue::String(text) if !text.is_empty() && text.len() <= NAME_BYTES => Some(text.to_string()),
            _ => None,
        };
        let read = match value.get_ref() {
            DeValue::Array(values) if values.len() <= MOST_NAMES => {
                values.iter().map(|value| one(value.get_ref())).collect::<Option<BTreeSet<_>>>()
            }
            _ => None,
        };
        if read.is_none() {
            let detail = format!("expected at most {MOST_NAMES} names of 1 to {NAME_BYTES} bytes");
            self.wrong(name, members, detail);
        }
        read.unwrap_or_default()
    }
}

/// 64 hexadecimal digits.
fn digits(text: &str) -> Option<Hash> {
    let mut hash = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(hash)
}

/// An entry as it stands in the file. `hash`: of its token.
pub(crate) fn entry(holder: &Holder, hash: &Hash) -> String {
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    // A text is written in TOML as in JSON, so that every name reads back as it is.
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let mut entry =
        format!("[[token]]\nname = {}\nrole = \"{}\"\n", text(&holder.name), holder.role.as_str());
    entry.push_str(&format!("sha256 = \"{hash}\"\n"));
    for (name, names) in [("nodes", &holder.nodes), ("channels", &holder.channels)] {
        if !names.is_empty() {
            let names: Vec<_> = names.iter().map(|name| text(name)).collect();
            entry.push_str(&format!("{name} = [{}]\n", names.join(", ")));
        }
    }
    if let Some(time) = holder.expires.and_then(|end| jiff::Timestamp::from_millisecond(end).ok()) {
        entry.push_str(&format!("expires = {time}\n"));
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    fn entry_of(more: &str) -> String {
        format!("[[token]]\nname = \"n\"\nsha256 = \"{HASH}\"\n{more}\n")
    }

    #[test]
    fn an_entry_reads_back_as_it_was_written_and_its_time_ends() {
        let holder = Holder {
            name: "till \"7\" \\ 店".into(),
            role: Role::Store,
            nodes: Arc::new(["s1".to_owned(), "s\n2".to_owned()].into()),
            channels: Arc::default(),
            expires: Some(1_000_000),
        };
        let (mut tokens, mut findings) = (Tokens::default(), Vec::new());
        let hash = hash(b"test");
        take(&Source::of("", entry(&holder, &hash)), &mut tokens, &mut findings);
        assert!(findings.is_empty(), "{findings:?}");
        assert_eq!(tokens.holder(&hash, 999_999).map(|held| &**held), Some(&holder));
        assert_eq!(tokens.holder(&hash, 1_000_000), None);
        assert_eq!(entry(&holder, &hash).matches(HASH).count(), 1, "as sha256sum says");
    }

    #[test]
    fn every_fault_is_found_with_its_place_and_no_value() {
        for (more, code, key, line) in [
            ("role = \"sesame\"", "E3106", "token.role", 4),
            ("role = \"store\"", "E3106", "token.nodes", 1),
            ("role = \"connector\"\nnodes = [\"s\"]\nchannels = [\"w\"]", "E3106", "token.nodes", 5),
            ("role = \"admin\"\nchannels = [\"sesame\"]", "E3106", "token.channels", 5),
            ("role = \"store\"\nnodes = \"sesame\"", "E3106", "token.nodes", 5),
            ("role = \"admin\"\nexpires = \"sesame\"", "E3106", "token.expires", 5),
            ("role = \"admin\"\nexpires = 2027-01-01", "E3106", "token.expires", 5),
            ("role = \"admin\"\ntoken = \"sesame\"", "E3103", "token.token", 5),
        ] {
            let findings = check("f", entry_of(more));
            let found = findings.first().unwrap_or_else(|| panic!("{more}"));
            assert_eq!((found.code, found.key.as_str(), found.line), (code, key, Some(line)), "{more}");
            assert!(!format!("{findings:?}").contains("sesame"), "{findings:?}");
        }
        let admin = entry_of("role = \"admin\"");
        assert!(check("f", admin.clone()).is_empty());
        assert_eq!(check("f", format!("{admin}{admin}"))[0].detail, "another entry has the same token");
        assert_eq!(check("f", admin.replace(HASH, "sesame"))[0].key, "token.sha256");
        assert_eq!(check("f", admin.replace("[[token]]", "[token]"))[0].code, "E3106");
        assert_eq!(check("f", "[[".into())[0].code, "E3102");
        let many: String = (0..=MOST).map(|n| admin.replace(HASH, &format!("{n:064x}"))).collect();
        assert!(check("f", many)[0].detail.contains("10001 entries"));
    }
}
