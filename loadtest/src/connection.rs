//! Plain HTTP/1.1: one blocking client for what is asked now and then, and the reading of answers.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use crate::LoadError;

/// An answer's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub status: u16,
    /// Bytes of the head.
    pub bytes: usize,
    /// Bytes of the body; `None`: in chunks.
    pub length: Option<usize>,
}

/// Reads the head of an answer; `None`: not all of it is there.
pub(crate) fn head(bytes: &[u8]) -> Result<Option<Head>, LoadError> {
    let mut headers = [httparse::EMPTY_HEADER; 24];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(bytes) {
        Ok(httparse::Status::Complete(end)) => {
            let length = response.headers.iter().find(|h| h.name.eq_ignore_ascii_case("content-length"));
            let length = length.and_then(|h| std::str::from_utf8(h.value).ok()?.trim().parse().ok());
            Ok(Some(Head { status: response.code.unwrap_or(0), bytes: end, length }))
        }
        Ok(httparse::Status::Partial) => Ok(None),
        Err(error) => Err(LoadError::Wrong(format!("the answer is no HTTP: {error}"))),
    }
}

/// Takes the chunks of a chunked body out of a stream of bytes.
#[derive(Default)]
pub(crate) struct Chunks {
    /// Bytes that are left of the chunk being read, its line end included.
    left: usize,
}

impl Chunks {
    /// Moves what is there of the body from `raw` to `body`. True: the body has ended.
    pub fn take(&mut self, raw: &mut Vec<u8>, body: &mut Vec<u8>) -> Result<bool, LoadError> {
        let mut at = 0;
        let ended = loop {
            if self.left > 0 {
                let now = self.left.min(raw.len() - at);
                // The last two bytes of a chunk end its line.
                let content = self.left.saturating_sub(2).min(now);
                body.extend_from_slice(&raw[at..at + content]);
                at += now;
                self.left -= now;
                if self.left > 0 {
                    break false;
                }
            }
            let Some(length) = memchr::memchr(b'\n', &raw[at..]) else { break false };
            let line = std::str::from_utf8(&raw[at..at + length]).unwrap_or_default().trim();
            let size = usize::from_str_radix(line, 16)
                .map_err(|_| LoadError::Wrong("a chunk of the answer has no size".into()))?;
            at += length + 1;
            if size == 0 {
                break true;
            }
            self.left = size + 2;
        };
        raw.drain(..at);
        Ok(ended)
    }
}

/// A keep-alive connection for one request after the other.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    /// Connects.
    pub fn connect(address: SocketAddr) -> Result<Client, LoadError> {
        let stream =
            TcpStream::connect(address).map_err(LoadError::io(format!("cannot connect to {address}")))?;
        let timed = stream.set_read_timeout(Some(Duration::from_secs(60)));
        timed.and_then(|()| stream.set_nodelay(true)).map_err(LoadError::io("cannot set up a connection"))?;
        Ok(Client { stream, buffer: Vec::new() })
    }

    /// Status and body of the answer.
    pub fn ask(&mut self, method: &str, path: &str, body: &[u8]) -> Result<(u16, Vec<u8>), LoadError> {
        let length = body.len();
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nhost: loadtest\r\ncontent-length: {length}\r\n\r\n")
                .into_bytes();
        request.extend_from_slice(body);
        self.stream.write_all(&request).map_err(LoadError::io(format!("cannot send {method} {path}")))?;
        self.buffer.clear();
        let head = loop {
            self.fill()?;
            if let Some(head) = head(&self.buffer)? {
                break head;
            }
        };
        self.buffer.drain(..head.bytes);
        let mut body = Vec::new();
        match head.length {
            Some(length) => {
                while self.buffer.len() < length {
                    self.fill()?;
                }
                body.extend(self.buffer.drain(..length));
            }
            None => {
                let mut chunks = Chunks::default();
                while !chunks.take(&mut self.buffer, &mut body)? {
                    self.fill()?;
                }
            }
        }
        Ok((head.status, body))
    }

    fn fill(&mut self) -> Result<(), LoadError> {
        let mut block = [0; 16 * 1024];
        match self.stream.read(&mut block) {
            Ok(0) => Err(LoadError::Wrong("the router closed the connection".into())),
            Ok(count) => {
                self.buffer.extend_from_slice(&block[..count]);
                Ok(())
            }
            Err(error) => Err(LoadError::Io("cannot read an answer".into(), error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_put_together_however_they_are_cut() {
        let raw = b"5\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\n\r\n";
        for cut in 1..raw.len() {
            let (mut chunks, mut buffer, mut body) = (Chunks::default(), Vec::new(), Vec::new());
            let mut ended = false;
            for part in raw.chunks(cut) {
                buffer.extend_from_slice(part);
                ended |= chunks.take(&mut buffer, &mut body).unwrap();
                if ended {
                    break;
                }
            }
            assert_eq!((ended, body.as_slice()), (true, b"hello world".as_slice()), "cut at {cut}");
        }
    }
}
