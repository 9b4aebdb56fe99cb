//! Cuts what arrives in pieces into lines (NDJSON), holding no more than one line that is allowed.

/// Lines of a stream, without their ends.
pub struct Lines {
    buffer: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// Up to here no end of a line was found: a line that comes byte by byte is looked through once.
    seen: usize,
    number: u64,
    most: usize,
}

/// A line is longer than is allowed. It and all behind it cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooLong {
    /// Its number, from 1.
    pub line: u64,
}

impl Lines {
    /// Lines of at most `most` bytes.
    pub fn new(most: usize) -> Lines {
        Lines { buffer: Vec::new(), start: 0, seen: 0, number: 0, most }
    }

    /// Takes the next piece in. All lines before it should have been taken out: what is taken out is let go here.
    pub fn push(&mut self, piece: &[u8]) {
        self.buffer.drain(..self.start);
        self.seen -= self.start;
        self.start = 0;
        self.buffer.extend_from_slice(piece);
    }

    /// The next whole line and its number, from 1; `None`: push more.
    pub fn next_line(&mut self) -> Result<Option<(u64, &[u8])>, TooLong> {
        let too_long = TooLong { line: self.number + 1 };
        let Some(length) = memchr::memchr(b'\n', &self.buffer[self.seen..]) else {
            self.seen = self.buffer.len();
            return if self.seen - self.start > self.most { Err(too_long) } else { Ok(None) };
        };
        let (start, end) = (self.start, self.seen + length);
        if end - start > self.most {
            return Err(too_long);
        }
        (self.start, self.seen) = (end + 1, end + 1);
        self.number += 1;
        Ok(Some((self.number, &self.buffer[start..end])))
    }
}
