//! Streams of lines: every connection is one request that goes on until the end, written by one thread while another
//! reads the answers.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use memchr::memmem;

use router_loadtest::orders::Orders;

use crate::{
    LoadError,
    connection::{Chunks, head},
    report::{Latency, Sent},
};

/// Orders written at once: about 80 KB.
const BLOCK: u64 = 128;
/// The same at a rate, so that an order waits for few others.
const PACED: u64 = 8;

/// What all connections share.
struct Plan<'a> {
    orders: &'a Orders,
    /// Number of the next block.
    next: AtomicU64,
    block: u64,
    most: u64,
    rate: Option<u64>,
    began: Instant,
    until: Instant,
}

impl Plan<'_> {
    /// The next block: its first number and count, and when it is due.
    fn take(&self) -> Option<(u64, u64, Instant)> {
        let first = self.next.fetch_add(1, Ordering::Relaxed) * self.block;
        let count = self.block.min(self.most.saturating_sub(first));
        let due = match self.rate {
            Some(rate) => self.began + Duration::from_nanos(first.saturating_mul(1_000_000_000) / rate),
            None => Instant::now(),
        };
        (count > 0 && due < self.until).then_some((first, count, due))
    }
}

/// Sends up to `most` orders, none due after `longest`.
pub(crate) fn send(
    address: SocketAddr,
    orders: &Orders,
    connections: u16,
    (most, longest): (u64, Duration),
    rate: Option<u64>,
) -> Result<Sent, LoadError> {
    let began = Instant::now();
    let block = if rate.is_some() { PACED } else { BLOCK };
    let plan = Plan { orders, next: AtomicU64::new(0), block, most, rate, began, until: began + longest };
    let results: Vec<Result<Sent, LoadError>> = std::thread::scope(|scope| {
        let streams: Vec<_> = (0..connections).map(|_| scope.spawn(|| connection(address, &plan))).collect();
        streams.into_iter().map(|t| t.join().expect("a connection does not panic")).collect()
    });
    let mut sent = Sent::default();
    for result in results {
        sent.add(result?);
    }
    sent.seconds = began.elapsed().as_secs_f64();
    Ok(sent)
}

fn connection(address: SocketAddr, plan: &Plan<'_>) -> Result<Sent, LoadError> {
    let stream =
        TcpStream::connect(address).map_err(LoadError::io(format!("cannot connect to {address}")))?;
    let timed =
        stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(Duration::from_secs(60))));
    timed.map_err(LoadError::io("cannot set up a connection"))?;
    let (blocks, to_answer) = mpsc::channel();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| write(&stream, plan, blocks));
        let read = read(&stream, &to_answer);
        if read.is_err() {
            // The writer must not wait for a router that does not read.
            let _ = stream.shutdown(Shutdown::Both);
        }
        let bytes = writer.join().expect("a writer does not panic");
        read.and_then(|sent| Ok(Sent { bytes: bytes?, ..sent }))
    })
}

/// Writes blocks until there are no more; the bytes of all orders.
fn write(
    mut stream: &TcpStream,
    plan: &Plan<'_>,
    blocks: mpsc::Sender<(u64, Instant)>,
) -> Result<u64, LoadError> {
    let mut written = 0;
    let mut put = |bytes: &[u8]| stream.write_all(bytes).map_err(LoadError::io("cannot send orders"));
    put(b"POST /v1/batch HTTP/1.1\r\nhost: loadtest\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n")?;
    let mut chunk = Vec::new();
    while let Some((first, count, due)) = plan.take() {
        if let Some(wait) = due.checked_duration_since(Instant::now()) {
            std::thread::sleep(wait);
        }
        let size: usize = (first..first + count).map(|number| plan.orders.bytes(number) + 1).sum();
        chunk.clear();
        // Writing to a Vec cannot fail.
        let _ = write!(chunk, "{size:x}\r\n");
        for number in first..first + count {
            plan.orders.write(number, &mut chunk);
            chunk.push(b'\n');
        }
        chunk.extend_from_slice(b"\r\n");
        written += size as u64;
        // The reader ends early only where something is wrong, and says what.
        let _ = blocks.send((count, due));
        put(&chunk)?;
    }
    put(b"0\r\n\r\n")?;
    Ok(written)
}

/// Reads a line for every order, in their order.
fn read(mut stream: &TcpStream, blocks: &mpsc::Receiver<(u64, Instant)>) -> Result<Sent, LoadError> {
    let (mut raw, mut body, mut chunks) = (Vec::new(), Vec::new(), Chunks::default());
    let (mut sent, mut in_body, mut ended) = (Sent::default(), false, false);
    let (created, repeated) =
        (memmem::Finder::new(b"\"status\":201"), memmem::Finder::new(b"\"status\":200"));
    let (mut block, mut number) = ((0, Instant::now()), 0u64);
    let mut space = vec![0; 256 * 1024];
    while !ended {
        match stream.read(&mut space) {
            Ok(0) => return Err(LoadError::Wrong("the router closed a stream before its end".into())),
            Ok(count) => raw.extend_from_slice(&space[..count]),
            Err(error) => return Err(LoadError::Io("cannot read answers".into(), error)),
        }
        if !in_body {
            let Some(found) = head(&raw)? else { continue };
            if found.status != 200 {
                return Err(LoadError::Wrong(format!("the stream was answered {}", found.status)));
            }
            raw.drain(..found.bytes);
            in_body = true;
        }
        ended = chunks.take(&mut raw, &mut body)?;
        let now = Instant::now();
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', &body) {
            let line = &body[start..end];
            start = end + 1;
            number += 1;
            while block.0 == 0 {
                block = blocks.recv().map_err(|_| LoadError::Wrong("more answers than orders".into()))?;
            }
            block.0 -= 1;
            sent.latency.record(now.saturating_duration_since(block.1));
            if created.find(line).is_some() {
                sent.created += 1;
            } else if repeated.find(line).is_some() {
                sent.repeats += 1;
            } else {
                sent.refuse(line);
            }
            if !is_number(line, number) {
                return Err(LoadError::Wrong(format!("answer {number} is for another line")));
            }
        }
        body.drain(..start);
    }
    Ok(sent)
}

/// True where the answer names this line.
fn is_number(line: &[u8], number: u64) -> bool {
    let Some(at) = memmem::find(line, b"\"line\":") else { return false };
    let digits = line[at + 7..].iter().take_while(|b| b.is_ascii_digit());
    digits.fold(0u64, |n, digit| n.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'))) == number
}

impl Default for Latency {
    fn default() -> Self {
        // Three digits, up to ten minutes in µs.
        Latency(Histogram::new_with_bounds(1, 600_000_000, 3).expect("the bounds are fine"))
    }
}
