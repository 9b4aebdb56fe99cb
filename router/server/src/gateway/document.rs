//! What is checked of each document that the gateway serves and the repository keeps.

use router_ingest::json::REGENERATE;
use serde_json::Value;

/// The file in the repository has this text; with `UPDATE_SCHEMAS` it gets it.
pub(super) fn is_current(file: &str, wanted: &str, who: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        std::fs::write(&path, wanted).unwrap();
    }
    let present = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(present == wanted, "{file} is not what {who}; make it anew with: {REGENERATE}");
}

/// Each reference leads to a place within the document.
pub(super) fn references_lead_somewhere(document: &Value) {
    fn look(value: &Value, all: &Value) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(to)) = members.get("$ref") {
                    let pointer = to.strip_prefix('#').expect("references stay within the document");
                    assert!(all.pointer(pointer).is_some(), "{to} leads nowhere");
                }
                members.values().for_each(|member| look(member, all));
            }
            Value::Array(items) => items.iter().for_each(|item| look(item, all)),
            _ => {}
        }
    }
    look(document, document);
}
