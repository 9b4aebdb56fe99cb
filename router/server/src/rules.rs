//! Rule sets among the rows: by name and version, and which one a zone goes by.

use router_schemas::{
    command::reference::{Reference, Table},
    rules::{Action, Assignment, Late, Routing, Rule, RuleSet, Sort},
};
use router_sinks::{Store, StoreError};

/// The rule set that a router has before one is published.
pub(crate) fn builtin() -> RuleSet {
    let sorts = vec![Sort::Used, Sort::OpenFirst, Sort::Distance { farther: false }];
    let allocate = Action::Allocate { accept_within: None, pick_within: None, late: Late::Reroute };
    let rule = |id: &str, sorts: &[Sort], assignment, actions| Rule {
        id: id.into(),
        sorts: sorts.to_vec(),
        assignment,
        actions,
        ..Rule::default()
    };
    let rules = vec![
        rule("one-node", &sorts, Assignment::Single, vec![allocate.clone()]),
        rule("fewest-splits", &sorts, Assignment::Fewest, vec![allocate, Action::Backorder]),
        rule("fallback", &[], Assignment::Single, vec![Action::Forward(Vec::new())]),
    ];
    let routing = Routing { id: "all".into(), rules, ..Routing::default() };
    RuleSet { name: "default".into(), version: 1, routings: vec![routing], ..RuleSet::default() }
}

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
    let (mut found, mut after) = (Some(builtin()).filter(fits), None);
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
