use std::fs;

use super::*;

fn from_file(text: &str) -> Result<Settings, Vec<Finding>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("router.toml");
    fs::write(&path, text).unwrap();
    load(&Given { file: Some(path), flags: Vec::new() }, [])
}

fn findings(text: &str) -> Vec<(&'static str, Option<usize>, Option<usize>, String)> {
    let found = from_file(text).unwrap_err();
    found.into_iter().map(|f| (f.code, f.line, f.column, f.hint)).collect()
}

#[test]
fn later_sources_win() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("router.toml");
    fs::write(
        &path,
        "listen = \"127.0.0.1:1\"\npartitions = 8\n[log]\ncache = \"1MiB\"\nreserve = 1_048_576\n",
    )
    .unwrap();
    let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let environment = [
        set("ROUTER_LISTEN", "127.0.0.1:2"),
        set("ROUTER_LOG__CACHE", "2MiB"),
        set("ROUTER_PORT", "tcp://10.0.0.1:80"),
        set("HOME", "/root"),
    ];
    let flags = vec![("listen".to_owned(), "127.0.0.1:3".to_owned(), "--listen".to_owned())];
    let settings = load(&Given { file: Some(path), flags }, environment).unwrap();
    assert_eq!(settings.listen.port(), 3, "a flag wins over all");
    assert_eq!(settings.log.cache, 2 << 20, "the environment wins over the file");
    assert_eq!(
        (settings.partitions, settings.log.reserve),
        (Some(8), 1 << 20),
        "the file wins over defaults"
    );
    assert_eq!(settings.log.segment_size, 128 << 20, "what nobody sets keeps its default");
}

#[test]
fn every_fault_is_found_with_its_place_and_what_was_meant() {
    let found = findings(
        "lisen = \"x\"\npartitions = \"four\"\n[log]\nsegment_sise = 1\n  cache = \"much\"\n[lgo]\n",
    );
    let hint = |text: &str| text.to_owned();
    assert_eq!(
        found,
        [
            ("E3103", Some(1), Some(1), hint("did you mean listen?")),
            ("E3104", Some(2), Some(14), hint(VALUE.hint)),
            ("E3103", Some(4), Some(1), hint("did you mean log.segment_size?")),
            ("E3104", Some(5), Some(11), hint(VALUE.hint)),
            ("E3103", Some(6), Some(2), hint("did you mean [log]?")),
        ]
    );
    assert_eq!(findings("listen = \n")[0].0, "E3102");
    assert_eq!(findings("cache = \"1MiB\"\n")[0].3, "did you mean log.cache?");
    let environment = [("ROUTER_LOG__CASH".to_owned(), "1MiB".to_owned())];
    let found = load(&Given::default(), environment).unwrap_err();
    assert_eq!((found[0].code, found[0].hint.as_str()), ("E3103", "did you mean log.cache?"));
}

#[test]
fn no_value_is_repeated() {
    let found =
        from_file("token = \"sesame-sesame-sesame\"\nlisten = \"sesame\"\n[log]\ncache = \"sesame\"\n");
    let said = format!("{:?}", found.unwrap_err());
    assert!(!said.contains("sesame") && said.contains("token_file"), "{said}");
}

#[test]
fn the_example_is_right_and_says_the_defaults() {
    assert_eq!(from_file(&keys::example()).unwrap(), Settings::default());
}

#[test]
fn a_listener_for_others_needs_a_token_of_some_length() {
    let folder = tempfile::tempdir().unwrap();
    let open = Settings { listen: "0.0.0.0:80".parse().unwrap(), ..Settings::default() };
    let code = |settings: &Settings| settings.tokens().err().map(|findings| findings[0].code);
    assert_eq!(code(&open), Some("E3105"));
    let path = folder.path().join("token");
    let with = Settings { token_file: Some(path.clone()), ..open };
    assert_eq!(code(&with), Some("E3105"), "a file that is not there");
    fs::write(&path, "short\n").unwrap();
    assert_eq!(code(&with), Some("E3105"));
    fs::write(&path, "long enough to be a token\n").unwrap();
    let tokens = with.tokens().unwrap().unwrap();
    let holder = tokens.holder(&tokens::hash(b"long enough to be a token"), 0).unwrap();
    assert_eq!((holder.name.as_str(), holder.role), ("admin", tokens::Role::Admin));
}

#[test]
fn the_document_lists_every_key() {
    let document = include_str!("../../../../docs/configuration.md");
    let documented = keys::documented();
    assert!(document.contains(&documented), "docs/configuration.md has to hold these rows:\n{documented}");
}
