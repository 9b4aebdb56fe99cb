//! The HTTP API of the built program: what it takes, what it refuses, and that it says why.

#[path = "../running/mod.rs"]
mod running;

mod behaviour;
mod exchange;
mod hear;
mod hostile;
mod lists;
mod metrics;
mod roles;
mod stream;
mod tokens;
mod work;

use exchange::Http;
use running::Running;

/// A router with a zone, a channel, two nodes and stock.
pub(crate) fn furnished() -> (tempfile::TempDir, Running, Http) {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path());
    let mut http = Http::connect(&running.address);
    for (path, body) in [
        ("/v1/zones", r#"{"id":"z"}"#),
        ("/v1/channels", r#"{"id":"web","default_zone":"z"}"#),
        ("/v1/nodes", r#"{"id":"s1","zone":"z"}"#),
        ("/v1/nodes", r#"{"id":"s2","zone":"z","enabled":false}"#),
        ("/v1/stock/counts", r#"{"node":"s1","sku":"A","qty":100}"#),
        ("/v1/stock/counts", r#"{"node":"s1","sku":"B","qty":7}"#),
    ] {
        assert_eq!(http.post(path, body).status, 200, "{path} {body}");
    }
    (folder, running, http)
}

pub(crate) fn order(id: &str) -> String {
    format!(r#"{{"channel":"web","id":"{id}","lines":[{{"sku":"A","qty":1}}]}}"#)
}
