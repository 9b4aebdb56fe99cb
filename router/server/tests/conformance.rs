//! `router conformance` of the built program: the scenarios that come with the format, and what it says of files that are
//! none.

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

const SCENARIOS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance/scenarios.json");

fn conformance(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_router"))
        .arg("conformance")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Who does not read it may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn scenario(expect: &str) -> String {
    format!(
        r#"[{{"id":"s1","kind":"rank","origin":"o","licence":"l","adopt":true,
        "nodes":[{{"id":"n","stock":{{"A":{{"on_hand":"2"}}}}}}],
        "steps":[{{"op":"receive","node":"n","sku":"A","qty":"1"}}],"expect":{expect}}}]"#
    )
}

#[test]
fn every_scenario_that_comes_with_the_format_passes() {
    let output = conformance(&[SCENARIOS], "");
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(said.lines().last(), Some("79 scenarios: 78 passed, 0 failed, 0 skipped, 1 not adopted"));
    let rows = conformance(&[SCENARIOS, "--format", "json"], "");
    let rows: Vec<serde_json::Value> =
        text(&rows.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 80);
    assert_eq!(rows[79]["summary"]["passed"], 78);
    let id = rows[3]["id"].as_str().unwrap();
    let one = conformance(&[SCENARIOS, "--only", id], "");
    assert!(text(&one.stdout).ends_with("1 scenario: 1 passed, 0 failed, 0 skipped, 0 not adopted\n"));
}

#[test]
fn a_failure_names_what_was_found_and_ends_with_1() {
    let output = conformance(&["-"], &scenario(r#"{"on_hand":[{"node":"n","sku":"A","qty":"4"}]}"#));
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.starts_with("failed       s1\n  at the end: on_hand of A at n: expected 4, found 3\n"),
        "{said}"
    );
    assert!(said.ends_with("1 scenario: 0 passed, 1 failed, 0 skipped, 0 not adopted\n"), "{said}");
}

#[test]
fn what_cannot_be_read_names_the_scenario_and_the_place() {
    let output = conformance(&["-"], &scenario(r#"{"on_hnd":[]}"#));
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(74), "{said}");
    assert!(["E3040", "scenario s1", "$.expect.on_hnd"].iter().all(|word| said.contains(word)), "{said}");
    let none = conformance(&["no-such-file.json"], "");
    assert_eq!(none.status.code(), Some(74));
    assert!(text(&none.stderr).contains("E3002"));
    let unknown = conformance(&[SCENARIOS, "--only", "no-such-scenario"], "");
    assert_eq!(unknown.status.code(), Some(2));
}
