//! Asks the router of a data folder: over its socket where one runs, else one that runs for this question only.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    sync::Arc,
};

use serde_json::Value;
use tokio::sync::watch;

use super::{CliError, Common, run};
use crate::router::{Folder, Router};

/// Where questions go.
pub(super) struct Client {
    socket: std::path::PathBuf,
    own: Option<Own>,
}

struct Own {
    router: Arc<Router>,
    runtime: tokio::runtime::Runtime,
    stop: watch::Sender<bool>,
}

/// An answer.
pub(super) struct Response {
    pub status: u16,
    pub body: Value,
}

impl Client {
    /// The router of this folder.
    pub fn connect(common: &Common) -> Result<Client, CliError> {
        let socket = Folder(common.folder()).socket();
        if UnixStream::connect(&socket).is_ok() {
            return Ok(Client { socket, own: None });
        }
        let router = Arc::new(Router::start(&common.folder())?);
        let runtime = run::runtime()?;
        let (stop, stopped) = watch::channel(false);
        {
            let _inside = runtime.enter();
            run::local(router.clone(), common, stopped)?;
        }
        Ok(Client { socket, own: Some(Own { router, runtime, stop }) })
    }

    /// Waits until the rows hold all that the log holds, where the router runs for this question only.
    pub fn settle(&self) {
        if let Some(own) = &self.own {
            own.router.settle();
        }
    }

    /// `GET`.
    pub fn get(&self, path: &str) -> Result<Response, CliError> {
        self.request("GET", path, b"")
    }

    /// `POST`.
    pub fn post(&self, path: &str, body: &[u8]) -> Result<Response, CliError> {
        self.request("POST", path, body)
    }

    /// The lines of an answer, as they come.
    pub fn post_lines(&self, path: &str, body: &[u8], mut each: impl FnMut(Value)) -> Result<(), CliError> {
        let (_, text) = self.exchange("POST", path, body)?;
        let lines = text.split(|b| *b == b'\n').filter(|line| !line.is_empty());
        lines.filter_map(|line| serde_json::from_slice(line).ok()).for_each(&mut each);
        Ok(())
    }

    fn request(&self, method: &str, path: &str, body: &[u8]) -> Result<Response, CliError> {
        let (status, text) = self.exchange(method, path, body)?;
        let body = serde_json::from_slice(&text).map_err(|e| CliError::Unreachable(e.to_string()))?;
        Ok(Response { status, body })
    }

    /// HTTP/1.0: one exchange a connection, the body ends where the connection does.
    fn exchange(&self, method: &str, path: &str, body: &[u8]) -> Result<(u16, Vec<u8>), CliError> {
        let failed = |e: std::io::Error| CliError::Unreachable(format!("{}: {e}", self.socket.display()));
        let mut stream = UnixStream::connect(&self.socket).map_err(failed)?;
        let head = format!(
            "{method} {path} HTTP/1.0\r\nhost: router\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let mut writer = stream.try_clone().map_err(failed)?;
        let body = body.to_vec();
        // Answers come while the body is still on its way.
        let sent = std::thread::spawn(move || {
            writer.write_all(head.as_bytes()).and_then(|()| writer.write_all(&body))
        });
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).map_err(failed)?;
        drop(sent.join());
        let end = answer.windows(4).position(|w| w == b"\r\n\r\n");
        let end = end.ok_or_else(|| CliError::Unreachable("the answer is cut short".into()))?;
        let status = answer.get(9..12).and_then(|s| std::str::from_utf8(s).ok()?.parse().ok()).unwrap_or(0);
        Ok((status, answer.split_off(end + 4)))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(Own { router, runtime, stop }) = self.own.take() {
            stop.send_replace(true);
            // Before the router lets go of the folder: afterwards the socket may be another's.
            let _ = std::fs::remove_file(&self.socket);
            run::end(runtime, router);
        }
    }
}
