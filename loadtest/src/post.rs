//! One order a request, on many keep-alive connections, all served by one thread.

use std::{
    collections::VecDeque,
    io::{ErrorKind, Read, Write},
    net::SocketAddr,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, net::TcpStream};

use router_loadtest::orders::Orders;

use crate::{LoadError, connection::head, report::Sent};

/// An answer that takes longer ends the measurement.
const SILENCE: Duration = Duration::from_secs(60);

struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    /// Bytes of the request that are sent.
    sent: usize,
    answer: Vec<u8>,
    due: Instant,
    busy: bool,
}

/// Sends up to `most` orders, none due after `longest`.
pub(crate) fn send(
    address: SocketAddr,
    orders: &Orders,
    connections: u16,
    (most, longest): (u64, Duration),
    rate: Option<u64>,
) -> Result<Sent, LoadError> {
    let wrong = || LoadError::io("cannot use a connection");
    let mut poll = Poll::new().map_err(wrong())?;
    let mut all = Vec::new();
    for number in 0..connections {
        let stream = std::net::TcpStream::connect(address).map_err(wrong())?;
        stream.set_nodelay(true).and_then(|()| stream.set_nonblocking(true)).map_err(wrong())?;
        let mut stream = TcpStream::from_std(stream);
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut stream, Token(usize::from(number)), interest).map_err(wrong())?;
        let (request, answer) = (Vec::new(), Vec::new());
        all.push(Connection { stream, request, sent: 0, answer, due: Instant::now(), busy: false });
    }
    let began = Instant::now();
    let until = began + longest;
    let due_at = |number: u64| match rate {
        Some(rate) => began + Duration::from_nanos(number.saturating_mul(1_000_000_000) / rate),
        None => Instant::now(),
    };
    let mut idle: VecDeque<usize> = (0..all.len()).collect();
    let (mut sent, mut events, mut number) = (Sent::default(), Events::with_capacity(1024), 0u64);
    let mut heard = Instant::now();
    loop {
        let mut next_due = None;
        // A connection that is free takes the next order that is due; where none is free, orders wait, and that
        // is part of their latency.
        while number < most && !idle.is_empty() {
            let due = due_at(number);
            if due >= until {
                break;
            }
            if due > Instant::now() {
                next_due = Some(due);
                break;
            }
            let Some(free) = idle.pop_front() else { break };
            let connection = &mut all[free];
            start(connection, orders, number, due);
            sent.bytes += orders.bytes(number) as u64;
            number += 1;
            push(connection)?;
        }
        let more = number < most && due_at(number) < until;
        if idle.len() == all.len() && !more {
            break;
        }
        let wait =
            next_due.map_or(Duration::from_millis(100), |due| due.saturating_duration_since(Instant::now()));
        match poll.poll(&mut events, Some(wait)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            polled => polled.map_err(wrong())?,
        }
        for event in &events {
            let at = event.token().0;
            let connection = &mut all[at];
            if connection.busy && event.is_writable() {
                push(connection)?;
            }
            if event.is_readable() && pull(connection, &mut sent)? {
                heard = Instant::now();
                idle.push_back(at);
            }
        }
        if heard.elapsed() > SILENCE {
            return Err(LoadError::Wrong("no answer came for a minute".into()));
        }
    }
    sent.seconds = began.elapsed().as_secs_f64();
    Ok(sent)
}

fn start(connection: &mut Connection, orders: &Orders, number: u64, due: Instant) {
    connection.request.clear();
    let length = orders.bytes(number);
    // Writing to a Vec cannot fail.
    let _ = write!(
        connection.request,
        "POST /v1/orders HTTP/1.1\r\nhost: loadtest\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    orders.write(number, &mut connection.request);
    (connection.sent, connection.due, connection.busy) = (0, due, true);
}

/// Sends what the system takes.
fn push(connection: &mut Connection) -> Result<(), LoadError> {
    while connection.sent < connection.request.len() {
        match connection.stream.write(&connection.request[connection.sent..]) {
            Ok(count) => connection.sent += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(LoadError::Io("cannot send an order".into(), error)),
        }
    }
    Ok(())
}

/// Reads what is there. True: the answer is whole, and the connection is free again.
fn pull(connection: &mut Connection, sent: &mut Sent) -> Result<bool, LoadError> {
    let mut block = [0; 4096];
    loop {
        match connection.stream.read(&mut block) {
            Ok(0) => return Err(LoadError::Wrong("the router closed a connection".into())),
            Ok(count) => {
                connection.answer.extend_from_slice(&block[..count]);
                // A short read means that there was no more: the system need not be asked again.
                if count < block.len() {
                    break;
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(LoadError::Io("cannot read an answer".into(), error)),
        }
    }
    let Some(found) = head(&connection.answer)? else { return Ok(false) };
    let whole = found.bytes + found.length.unwrap_or(0);
    if connection.answer.len() < whole {
        return Ok(false);
    }
    sent.latency.record(connection.due.elapsed());
    match found.status {
        201 => sent.created += 1,
        200 => sent.repeats += 1,
        _ => sent.refuse(&connection.answer[found.bytes..whole]),
    }
    connection.answer.clear();
    connection.busy = false;
    Ok(true)
}
