//! Rule sets among the rows: by name and version, and which one a zone goes by.

use router_engine::rules::default_set;
use router_schemas::{
    command::reference::{Reference, Table},
    rules::RuleSet,
};
use router_sinks::{Store, StoreError};

/// Name and version of `NAME` or `NAME@VERSION`; no version: the last one.
pub(crate) fn named(text: &str) -> (&str, Option<u32>) {
    match text.rsplit_once('@').map(|(name, version)| (name, version.parse())) {
        Some((name, Ok(version))) => (name, Some(version)),
        _ => (text, None),
    }
}

/// A rule set by `NAME`, its last version, or `NAME@VERSION`; the built-in one where none of its name and version was
/// published.
pub(crate) fn find(store: &dyn Store, text: &str) -> Result<Option<RuleSet>, StoreError> {
    let (name, version) = named(text);
    let fits = |set: &RuleSet| set.name == name && version.is_none_or(|version| version == set.version);
    let (mut found, mut after) = (Some(default_set()).filter(fits), None);
    loop {
        let page = store.references(Table::Rules, after.as_deref(), 100)?;
        for entry in page.rows {
            if let Reference::Rules(set) = entry
                && fits(&set)
                && found.as_ref().is_none_or(|found| found.version <= set.version)
            {
                found = Some(*set);
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(found);
        }
    }
}
