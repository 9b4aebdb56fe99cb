//! The built program on a folder, and a plain HTTP client.
// Every test uses a part of it.
#![allow(dead_code)]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

pub struct Running {
    child: Child,
    pub address: String,
}

impl Running {
    /// Starts `router run` on the folder and waits until it is ready.
    pub fn start(folder: &Path) -> Running {
        Running::start_with(folder, &[])
    }

    /// With more arguments.
    pub fn start_with(folder: &Path, arguments: &[&str]) -> Running {
        Running::start_on_trial(folder, arguments, "")
    }

    /// With more arguments, and what only tests set (`router/server/src/trial.rs`).
    pub fn start_on_trial(folder: &Path, arguments: &[&str], trial: &str) -> Running {
        let mut child = Command::new(env!("CARGO_BIN_EXE_router"))
            .args(["run", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder)
            .args(arguments)
            .env("ROUTER_TRIAL", trial)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let ready = lines.by_ref().map_while(Result::ok).find(|line| line.contains("ready on http://"));
        let ready = ready.expect("the router ended before it was ready");
        let address = ready.split("http://").nth(1).unwrap().split(',').next().unwrap().to_owned();
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| eprintln!("{line}")));
        Running { child, address }
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGTERM, and its exit status.
    pub fn end(mut self) {
        Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(self.child.wait().unwrap().success(), "the router did not end cleanly");
    }

    pub fn client(&self) -> Client {
        self.try_client().expect("the router takes connections")
    }

    /// `None`: the router is gone.
    pub fn try_client(&self) -> Option<Client> {
        let stream = TcpStream::connect(&self.address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_nodelay(true).unwrap();
        Some(Client { stream: BufReader::new(stream) })
    }
}

impl Drop for Running {
    /// A test that fails leaves no process behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A keep-alive connection.
pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Status and body; `None`: the connection broke. A router whose engine is behind, as it may be right after a
    /// start on a busy machine, says when to come back: the same is sent again.
    pub fn ask(&mut self, method: &str, path: &str, headers: &str, body: &str) -> Option<(u16, Value)> {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let (status, answer) = self.ask_once(method, path, headers, body)?;
            if status != 429 || answer["code"] != "E4012" || Instant::now() > deadline {
                return Some((status, answer));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn ask_once(&mut self, method: &str, path: &str, headers: &str, body: &str) -> Option<(u16, Value)> {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: r\r\ncontent-type: application/json\r\n{headers}content-length: {length}\r\n\r\n{body}"
        );
        self.stream.get_mut().write_all(request.as_bytes()).ok()?;
        let (mut line, mut length, mut status) = (String::new(), 0, 0);
        loop {
            line.clear();
            if self.stream.read_line(&mut line).ok()? == 0 {
                return None;
            }
            match line.trim_end() {
                "" => break,
                head if status == 0 => status = head.get(9..12)?.parse().ok()?,
                head => {
                    if let Some(value) = head.strip_prefix("content-length: ") {
                        length = value.parse().ok()?;
                    }
                }
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).ok()?;
        Some((status, serde_json::from_slice(&body).unwrap_or_default()))
    }

    pub fn post(&mut self, path: &str, body: &str) -> Option<(u16, Value)> {
        self.ask("POST", path, "", body)
    }

    /// Posts what must be taken.
    pub fn must(&mut self, path: &str, body: &str) -> Value {
        let (status, answer) = self.post(path, body).expect("the connection holds");
        assert!(status < 300, "{path} {body}: {status} {answer}");
        answer
    }

    pub fn get(&mut self, path: &str) -> (u16, Value) {
        self.ask("GET", path, "", "").expect("the connection holds")
    }
}

/// Waits until it holds, a minute at most: rows follow the log a little later.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within a minute");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Exit status and what was said of a `router run` that does not come up.
pub fn refused(folder: &Path) -> (Option<i32>, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_router"))
        .args(["run", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(folder)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok) {
        said.push_str(&line);
        said.push('\n');
        if line.contains("ready on http://") {
            child.kill().unwrap();
        }
    }
    (child.wait().unwrap().code(), said)
}

/// Runs a verb of the built program.
pub fn router(arguments: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_router"));
    command.args(arguments).arg("--data-dir").arg(folder).args(["--format", "json"]).output().unwrap()
}

/// The last line that a verb printed, which must have ended well.
pub fn printed(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?}: {text}{errors}", output.status);
    serde_json::from_str(text.lines().last().unwrap_or_default()).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// Exit status, and what was said on standard error.
pub fn code(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Every line of standard output as the JSON object that it must be.
pub fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    let lines: Vec<Value> = text.lines().map(read).collect();
    assert!(lines.iter().all(Value::is_object), "{text}");
    lines
}

/// What a verb prints for people; it must end well.
pub fn text(arguments: &[&str], folder: &Path) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_router"));
    let output = command.args(arguments).arg("--data-dir").arg(folder).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Writes a file for a verb, and names it.
pub fn write(folder: &Path, name: &str, content: impl AsRef<[u8]>) -> String {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}
