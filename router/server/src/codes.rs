//! Every error code of the program, in one place: what `router error` says and what `docs/errors.md` lists.

use router_schemas::refusal::{Code, Refusal};

use crate::{cli, config, explain, gateway, past, runner, simulate};

/// Codes of one part of the program.
pub(crate) struct Part {
    /// Where they come from.
    #[cfg_attr(not(test), expect(dead_code, reason = "stands in the document"))]
    pub title: &'static str,
    pub codes: Vec<Code>,
    /// The exit code of the command line and the HTTP status that go with a code.
    #[cfg_attr(not(test), expect(dead_code, reason = "stands in the document"))]
    pub status: fn(&str) -> &'static str,
}

/// Refusals of messages that are right.
fn conflicts() -> impl Iterator<Item = Code> {
    Refusal::ALL.iter().copied().filter(|refusal| gateway::is_conflict(*refusal)).map(Refusal::code)
}

/// Every code, by where it comes from.
pub(crate) fn parts() -> Vec<Part> {
    let part = |title, codes: &[Code], status| Part { title, codes: codes.to_vec(), status };
    let refusals: Vec<_> = Refusal::ALL.iter().map(|refusal| refusal.code()).collect();
    vec![
        part("Messages that cannot be read", router_ingest::decode::CODES, |id| match id {
            "E1005" => "422, exit 1",
            _ => "422 (on a raw topic 202: kept as a dead letter), exit 1",
        }),
        part("Rule sets", router_ingest::rules::CODES, |_| "422, exit 1; a warning: exit 0"),
        part("Requests that are refused", &refusals, |id| match id {
            "E1101" => "409 (on a raw topic 202: kept as a dead letter), exit 1",
            id if conflicts().any(|code| code.id == id) => "409, exit 1",
            _ => "422, exit 1",
        }),
        part("The log", router_log::CODES, |id| match id {
            "E2002" => "exit 74",
            "E2007" => "404, exit 1 or 2",
            "E2008" => "503 (E4003)",
            _ => "exit 69",
        }),
        part("Rows", router_sinks::CODES, |_| "exit 69"),
        part("Keys", router_ingest::seal::CODES, |id| match id {
            "E2114" | "E2115" => "422 (E4056), exit 1",
            _ => "exit 69",
        }),
        part("Stages and snapshots", runner::CODES, |_| "exit 69; 503 on /readyz"),
        part("Audit", router_audit::CODES, |_| "exit 1"),
        part("Command line", cli::CODES, |id| match id {
            "E3002" => "exit 74",
            "E3004" => "exit 2",
            "E3005" => "exit 1",
            _ => "exit 69",
        }),
        part("Conformance", cli::conformance::CODES, |_| "exit 74"),
        part("Explanation", explain::CODES, |_| "404, exit 1"),
        part("Simulation", simulate::CODES, |id| match id {
            "E3030" => "422, exit 1",
            _ => "503, exit 69",
        }),
        part("Looking back", past::CODES, |_| "404, exit 1"),
        part("Configuration", config::CODES, |_| "exit 78"),
        part("Gateway", gateway::CODES, |id| match id {
            "E4001" => "429, exit 1",
            "E4002" => "504, exit 1",
            "E4003" => "503, exit 1",
            "E4004" => "404, exit 1",
            "E4006" => "401",
            "E4016" | "E4017" | "E4023" => "403",
            "E4020" | "E4022" => "429, exit 1",
            "E4021" => "422, exit 1",
            "E4007" => "413, exit 1",
            _ => "400, exit 1",
        }),
        part("Raw messages and dead letters", gateway::letters::CODES, |id| match id {
            "E4050" => "202: kept as a dead letter; of a replay 422, exit 1",
            "E4051" | "E4052" => "413 in the line",
            "E4053" => "404, exit 1",
            "E4055" => "503, exit 1",
            "E4057" => "429",
            _ => "422, exit 1",
        }),
    ]
}

#[cfg(test)]
mod tests {
    use std::{
        collections::{BTreeMap, BTreeSet},
        fs,
        path::{Path, PathBuf},
    };

    use super::*;

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    /// Codes that stand in a text: `E` and four digits, with neither letter nor digit around.
    fn named(text: &str) -> BTreeSet<String> {
        let bytes = text.as_bytes();
        let word = |at: Option<&u8>| at.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
        let is = |at: usize| {
            let digits = bytes.get(at + 1..at + 5).is_some_and(|d| d.iter().all(u8::is_ascii_digit));
            bytes[at] == b'E' && digits && !word(bytes.get(at + 5)) && !word(bytes.get(at.wrapping_sub(1)))
        };
        (0..bytes.len()).filter(|at| is(*at)).map(|at| text[at..at + 5].to_owned()).collect()
    }

    fn sources(folder: &Path, found: &mut BTreeMap<String, PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                sources(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.extend(named(&text).into_iter().map(|code| (code, path.clone())));
            }
        }
    }

    fn document() -> String {
        let mut text = String::from(
            "# Error codes\n\nEach error names its code, the place, the reason, and what to do. `router error E1234` \
             says the same as this list.\nThe last column: the HTTP status of an answer with this code, and the exit \
             code of a verb that ends with it.\n\nExit codes: 0 done; 1 a check found something, or a request was \
             refused; 2 wrong usage; 69 the router cannot be reached or\nopened; 74 a file cannot be read or written; \
             78 the configuration is wrong.\n",
        );
        for Part { title, codes, status } in parts() {
            text.push_str(&format!(
                "\n## {title}\n\n| code | what is wrong | what to do | status |\n|---|---|---|---|\n"
            ));
            for code in codes {
                let cell = |text: &str| text.replace('|', "\\|");
                let row = [code.id, &cell(code.summary), &cell(code.hint), status(code.id)].join(" | ");
                text.push_str(&format!("| {row} |\n"));
            }
        }
        text
    }

    #[test]
    fn every_code_has_one_meaning() {
        let codes = parts().into_iter().flat_map(|part| part.codes);
        let mut known: BTreeMap<&str, Code> = BTreeMap::new();
        for code in codes {
            assert_eq!(named(code.id).len(), 1, "{} is no code", code.id);
            let other = known.insert(code.id, code);
            assert!(other.is_none(), "{} has two meanings: {other:?} and {code:?}", code.id);
        }
    }

    /// Errors of two files that begin with one code are two meanings.
    #[test]
    fn no_two_errors_share_a_code() {
        let mut texts = Vec::new();
        for folder in ["schemas", "ingest", "sinks", "router"] {
            errors(&root().join(folder), &mut texts);
        }
        texts.sort();
        texts.dedup();
        let shared: Vec<_> = texts.windows(2).filter(|pair| pair[0].0 == pair[1].0).collect();
        assert!(texts.len() > 20 && shared.is_empty(), "{shared:?}");
    }

    /// Codes that texts of `#[error(…)]` begin with, and their files.
    fn errors(folder: &Path, found: &mut Vec<(String, PathBuf)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                errors(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let texts = text.split("#[error(").skip(1).map(|rest| rest.trim_start());
                let codes = texts.filter_map(|rest| named(rest.strip_prefix('"')?.get(..5)?).pop_first());
                found.extend(codes.map(|code| (code, path.clone())));
            }
        }
    }

    #[test]
    fn every_code_of_the_sources_is_listed_and_the_other_way_about() {
        let mut found = BTreeMap::new();
        for folder in ["schemas", "ingest", "sinks", "router"] {
            sources(&root().join(folder), &mut found);
        }
        // The form of a code, in texts about codes.
        found.remove("E1234");
        let listed: BTreeSet<String> =
            parts().iter().flat_map(|part| &part.codes).map(|code| code.id.to_owned()).collect();
        let missing: Vec<_> = found.iter().filter(|(code, _)| !listed.contains(*code)).collect();
        assert!(missing.is_empty(), "in no table of codes: {missing:?}");
    }

    /// `UPDATE_DOCUMENTS=1 cargo test -p router-server codes` writes it anew.
    #[test]
    fn the_document_is_that_of_the_tables() {
        let path = root().join("docs/errors.md");
        let made = document();
        if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
            fs::write(&path, &made).unwrap();
        }
        let written = fs::read_to_string(&path).unwrap();
        let differ = written.lines().zip(made.lines()).find(|(written, made)| written != made);
        assert!(written == made, "docs/errors.md is not that of the tables: {differ:?}");
    }
}
