//! The files in `schemas/json/` are those of the types.

use std::{fs, path::Path};

use router_ingest::json::{KINDS, REGENERATE};

use super::Reader;

#[test]
fn files_are_current() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/json");
    let update = std::env::var_os("UPDATE_SCHEMAS").is_some();
    let mut wanted: Vec<_> = KINDS.iter().map(|kind| format!("{}.schema.json", kind.name)).collect();
    for (kind, name) in KINDS.iter().zip(&wanted) {
        let text = format!("{:#}\n", kind.document());
        let path = folder.join(name);
        if update {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, &text).unwrap();
        }
        let present = fs::read_to_string(&path).unwrap_or_default();
        assert!(present == text, "{name} is not what the types say; make it anew with: {REGENERATE}");
    }
    let mut present: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    wanted.sort();
    present.sort();
    assert_eq!(present, wanted, "files of no kind");
}

#[test]
fn examples_are_taken() {
    let reader = Reader::new();
    for kind in &KINDS {
        if let Err(rejected) = reader.read(kind.name, kind.example) {
            panic!("{}: {rejected}", kind.name);
        }
    }
    let refused = reader.read("order.v9", "{}").unwrap_err();
    for kind in &KINDS {
        assert!(refused.hint.contains(kind.name), "E1004 does not name {}", kind.name);
    }
}

#[test]
fn every_member_is_described_and_every_text_bounded() {
    fn look(place: &str, schema: &serde_json::Value) {
        let no_bound =
            ["maxLength", "pattern", "format", "enum", "const"].iter().all(|name| schema.get(name).is_none());
        let texts = schema["type"] == "string" || schema["type"] == serde_json::json!(["string", "null"]);
        assert!(!(texts && no_bound), "{place}: a text without a bound");
        assert!(
            schema["type"] != "array" || schema.get("maxItems").is_some(),
            "{place}: a list without a bound"
        );
        for (name, member) in schema["properties"].as_object().into_iter().flatten() {
            let described = member.get("description").is_some() || member.get("$ref").is_some();
            assert!(described, "{place}/{name} is not described");
            look(&format!("{place}/{name}"), member);
        }
        schema.get("additionalProperties").into_iter().for_each(|all| look(&format!("{place}/*"), all));
        schema.get("items").into_iter().for_each(|items| look(&format!("{place}/items"), items));
    }
    for kind in &KINDS {
        let document = kind.document();
        look(kind.name, &document);
        for (name, schema) in document["$defs"].as_object().into_iter().flatten() {
            look(&format!("{}:{name}", kind.name), schema);
        }
    }
}
