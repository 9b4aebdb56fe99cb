//! HTTP by hand, so that nothing is mended on the way.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::Value;

/// A keep-alive connection.
pub struct Http {
    stream: BufReader<TcpStream>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub text: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The code of a problem body, whose form is checked.
    pub fn code(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let body = self.json();
        for member in ["code", "title", "detail", "hint", "pointer"] {
            assert!(body[member].is_string(), "{member}: {self:?}");
        }
        body["code"].as_str().unwrap().to_owned()
    }
}

impl Http {
    pub fn connect(address: &str) -> Http {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.set_nodelay(true).unwrap();
        Http { stream: BufReader::new(stream) }
    }

    /// Address of the other side.
    pub fn peer(&self) -> String {
        self.stream.get_ref().peer_addr().unwrap().to_string()
    }

    pub fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, "", b"")
    }

    pub fn post(&mut self, path: &str, body: &str) -> Answer {
        self.send("POST", path, "content-type: application/json\r\n", body.as_bytes())
    }

    /// Sends a request with these further header lines.
    pub fn send(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        let length = body.len();
        let head =
            format!("{method} {path} HTTP/1.1\r\nhost: r\r\n{headers}content-length: {length}\r\n\r\n");
        self.write(&[head.as_bytes(), body].concat());
        self.read(method != "HEAD")
    }

    /// The status of an answer that has no end.
    pub fn head(&mut self, path: &str, headers: &str) -> u16 {
        self.write(format!("GET {path} HTTP/1.1\r\nhost: r\r\n{headers}\r\n").as_bytes());
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.get(9..12).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{line:?}"))
    }

    pub fn write(&mut self, bytes: &[u8]) {
        // A router that answers before it has read everything may close: the answer says why.
        let _ = self.stream.get_mut().write_all(bytes);
    }

    /// Reads an answer.
    pub fn read(&mut self, has_body: bool) -> Answer {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        let status = line.get(9..12).and_then(|s| s.parse().ok()).unwrap_or_else(|| panic!("{line:?}"));
        let mut headers = Vec::new();
        loop {
            line.clear();
            self.stream.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.push((name.to_lowercase(), value.to_owned()));
        }
        let mut answer = Answer { status, headers, text: String::new() };
        let length = answer.header("content-length").map(|length| length.parse().unwrap());
        let mut bytes = Vec::new();
        match length {
            _ if !has_body || status == 204 => {}
            Some(length) => {
                bytes.resize(length, 0);
                self.stream.read_exact(&mut bytes).unwrap();
            }
            None => self.chunks(&mut bytes),
        }
        answer.text = String::from_utf8(bytes).unwrap();
        answer
    }

    fn chunks(&mut self, bytes: &mut Vec<u8>) {
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).unwrap();
            let length = usize::from_str_radix(line.trim_end(), 16).unwrap();
            let start = bytes.len();
            bytes.resize(start + length + 2, 0);
            self.stream.read_exact(&mut bytes[start..]).unwrap();
            bytes.truncate(start + length);
            if length == 0 {
                return;
            }
        }
    }

    /// All that comes until the other side has closed, or has said this.
    pub fn rest(&mut self, until: &str) -> String {
        let (mut text, mut line) = (String::new(), String::new());
        while !text.contains(until) && self.stream.read_line(&mut line).is_ok_and(|length| length > 0) {
            text.push_str(&line);
            line.clear();
        }
        text
    }

    /// True once the other side has closed.
    pub fn closed(&mut self) -> bool {
        matches!(self.stream.read(&mut [0; 16]), Ok(0) | Err(_))
    }
}
