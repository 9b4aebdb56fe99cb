//! Server-sent events, read by hand as they come.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::Value;

/// An open stream.
pub struct Hear {
    stream: BufReader<TcpStream>,
    text: String,
}

/// One event.
#[derive(Debug, PartialEq)]
pub struct Heard {
    pub event: String,
    pub id: String,
    pub data: Value,
}

impl Hear {
    /// Opens the stream of a node; the status where it is none.
    pub fn open(address: &str, node: &str, headers: &str) -> Result<Hear, u16> {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let head = format!("GET /v1/nodes/{node}/stream HTTP/1.1\r\nhost: r\r\n{headers}\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut stream = BufReader::new(stream);
        let (mut line, mut status) = (String::new(), 0);
        while stream.read_line(&mut line).unwrap() > 0 && line.trim_end() != "" {
            if status == 0 {
                status = line.get(9..12).and_then(|status| status.parse().ok()).unwrap();
            }
            line.clear();
        }
        if status == 200 { Ok(Hear { stream, text: String::new() }) } else { Err(status) }
    }

    /// Opens it behind an event.
    pub fn behind(address: &str, node: &str, id: &str) -> Hear {
        Hear::open(address, node, &format!("last-event-id: {id}\r\n")).unwrap()
    }

    /// The next event, signs of life passed over; `None`: the stream has ended.
    pub fn next(&mut self) -> Option<Heard> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let block: String = self.text.drain(..end + 2).collect();
                let field = |name: &str| {
                    block.lines().find_map(|line| line.strip_prefix(name)).map(|text| text.trim().to_owned())
                };
                let Some(data) = field("data:") else { continue };
                let data = serde_json::from_str(&data).unwrap_or_else(|e| panic!("{e}: {block}"));
                return Some(Heard { event: field("event:").unwrap(), id: field("id:").unwrap(), data });
            }
            let mut line = String::new();
            let length = match self.stream.read_line(&mut line) {
                Ok(0) => return None,
                Ok(_) => {
                    usize::from_str_radix(line.trim_end(), 16).unwrap_or_else(|e| panic!("{e}: {line:?}"))
                }
                Err(error) => panic!("nothing came: {error}"),
            };
            let mut chunk = vec![0; length + 2];
            self.stream.read_exact(&mut chunk).unwrap();
            if length == 0 {
                return None;
            }
            self.text.push_str(std::str::from_utf8(&chunk[..length]).unwrap());
        }
    }

    /// The next event of this name.
    pub fn until(&mut self, event: &str) -> Heard {
        loop {
            let heard = self.next().unwrap_or_else(|| panic!("the stream ended before {event}"));
            if heard.event == event {
                return heard;
            }
        }
    }
}

impl Heard {
    /// The platform's id of the order that it is about.
    pub fn order(&self) -> &str {
        self.data["external_id"].as_str().unwrap_or_default()
    }
}
