//! What a node hears live: everything first, then each thing once and in order, without a gap over a broken connection.

use std::time::{Duration, Instant};

use crate::{
    exchange::Http,
    furnished,
    hear::{Hear, Heard},
    running::Running,
};

/// An order for a node, whatever the rules say.
fn pinned(id: &str, node: &str, more: &str) -> String {
    format!(
        r#"{{"channel":"web","id":"{id}","node":"{node}","pinned":true{more},"lines":[{{"id":"1","sku":"A","qty":1}}]}}"#
    )
}

/// Two stores with stock, neither with work.
fn two_stores() -> (tempfile::TempDir, Running, Http) {
    let (folder, running, mut http) = furnished();
    for (path, body) in [
        ("/v1/nodes", r#"{"id":"s2","zone":"z"}"#),
        ("/v1/stock/counts", r#"{"node":"s2","sku":"A","qty":100000}"#),
        ("/v1/stock/counts", r#"{"node":"s1","sku":"A","qty":100000}"#),
    ] {
        assert_eq!(http.post(path, body).status, 200, "{path} {body}");
    }
    (folder, running, http)
}

fn place(http: &mut Http, body: &str) {
    let headers = "content-type: application/json\r\nprefer: wait=30\r\n";
    let answer = http.send("POST", "/v1/orders", headers, body.as_bytes());
    assert_eq!(answer.status, 201, "{answer:?}");
}

fn cancel(http: &mut Http, id: &str) {
    let answer = http.post("/v1/cancels", &format!(r#"{{"channel":"web","id":"{id}"}}"#));
    assert_eq!(answer.status, 200, "{answer:?}");
}

fn told(heard: &Heard) -> (&str, &str) {
    (&heard.event, heard.order())
}

#[test]
fn a_node_hears_everything_first_then_what_happens_and_nothing_of_others() {
    let (_folder, running, mut http) = two_stores();
    place(&mut http, &pinned("before", "s1", r#","number":"A-7","day_sequence":7,"remark":"ring""#));
    let mut stream = Hear::open(&running.address, "s1", "").unwrap();
    let first = stream.next().unwrap();
    assert_eq!((first.event.as_str(), &first.data["more"]), ("reconcile", &false.into()));
    let work = first.data["work"].as_array().unwrap();
    assert_eq!(
        (work.len(), work[0]["id"].as_str(), work[0]["remark"].as_str()),
        (1, Some("before"), Some("ring"))
    );
    assert!(first.data["offers"].as_array().unwrap().is_empty());

    place(&mut http, &pinned("other", "s2", ""));
    place(&mut http, &pinned("mine", "s1", ""));
    cancel(&mut http, "mine");
    cancel(&mut http, "other");
    place(&mut http, &pinned("last", "s1", ""));
    let heard: Vec<_> = (0..3).map(|_| stream.next().unwrap()).collect();
    let events: Vec<_> = heard.iter().map(told).collect();
    assert_eq!(events, [("assigned", "mine"), ("withdrawn", "mine"), ("assigned", "last")]);
    assert_eq!(heard[0].data["node"], "s1");
    assert_eq!(Hear::open(&running.address, "nowhere", "").err(), Some(404));
}

#[test]
fn a_stream_goes_on_where_it_broke_off() {
    let (_folder, running, mut http) = two_stores();
    let mut stream = Hear::open(&running.address, "s1", "").unwrap();
    let empty = stream.next().unwrap();
    for id in ["1", "2", "3"] {
        place(&mut http, &pinned(id, "s1", ""));
    }
    let second = [stream.next(), stream.next()].map(Option::unwrap)[1].id.clone();
    drop(stream);
    place(&mut http, &pinned("other", "s2", ""));
    place(&mut http, &pinned("4", "s1", ""));

    // Behind the second, and behind an empty beginning: each missed thing once, then what is new.
    for (id, missed) in [(&second, vec!["3", "4"]), (&empty.id, vec!["1", "2", "3", "4"])] {
        let mut stream = Hear::behind(&running.address, "s1", id);
        let heard: Vec<_> = missed.iter().map(|_| stream.next().unwrap()).collect();
        assert_eq!(heard.iter().map(Heard::order).collect::<Vec<_>>(), missed, "{id}");
    }
    let mut stream = Hear::behind(&running.address, "s1", &second);
    stream.next();
    let last = stream.next().unwrap().id;
    place(&mut http, &pinned("5", "s1", ""));
    assert_eq!(told(&stream.next().unwrap()), ("assigned", "5"));
    let mut stream = Hear::behind(&running.address, "s1", &last);
    assert_eq!(stream.next().unwrap().order(), "5");

    // What is not there, is of another log, or means nothing: everything anew.
    let (start, offset) = last.rsplit_once('-').unwrap();
    let beyond = format!("{start}-{}", offset.parse::<u64>().unwrap() + 1000);
    for id in [&beyond, "00000000-0-0", "0-0", "", "nonsense"] {
        let mut stream = Hear::behind(&running.address, "s1", id);
        let first = stream.next().unwrap();
        assert_eq!(
            (first.event.as_str(), first.data["work"].as_array().unwrap().len()),
            ("reconcile", 5),
            "{id:?}"
        );
    }
}

#[test]
fn streams_end_with_the_router_and_go_on_with_the_next() {
    let (folder, running, mut http) = two_stores();
    let mut stream = Hear::open(&running.address, "s1", "").unwrap();
    let first = stream.next().unwrap().id;
    place(&mut http, &pinned("1", "s1", ""));
    assert_eq!(stream.next().unwrap().order(), "1");
    running.end();
    assert_eq!(stream.next(), None);
    let running = Running::start(folder.path());
    assert_eq!(Hear::behind(&running.address, "s1", &first).next().unwrap().order(), "1");
}

#[test]
fn a_node_has_only_so_many_streams() {
    let (_folder, running, _http) = two_stores();
    let mut streams: Vec<_> = (0..16).map(|_| Hear::open(&running.address, "s1", "").unwrap()).collect();
    streams.iter_mut().for_each(|stream| assert_eq!(stream.next().unwrap().event, "reconcile"));
    let answer = Http::connect(&running.address).get("/v1/nodes/s1/stream");
    assert_eq!((answer.status, answer.code().as_str()), (429, "E4020"));
    assert!(answer.header("retry-after").is_some());
    assert!(Hear::open(&running.address, "s2", "").is_ok(), "another node's");
    streams.pop();
    let deadline = Instant::now() + Duration::from_secs(60);
    while Hear::open(&running.address, "s1", "").is_err() {
        assert!(Instant::now() < deadline, "a stream that was closed still counts");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn who_reads_too_slowly_gets_everything_anew() {
    let (_folder, running, mut http) = two_stores();
    let mut stream = Hear::open(&running.address, "s1", "").unwrap();
    assert_eq!(stream.next().unwrap().event, "reconcile");
    // More than the connection and the router keep for one who does not read.
    let remark = format!(r#","remark":"{}""#, "x".repeat(1000));
    let name = "y".repeat(1000);
    let orders: u32 = 3000;
    let body: String = (0..orders)
        .map(|number| {
            let order = pinned(&number.to_string(), "s1", &remark);
            order.replace(r#""qty":1"#, &format!(r#""name":"{name}","options":["{name}"],"qty":1"#)) + "\n"
        })
        .collect();
    let answer = http.send("POST", "/v1/batch", "content-type: application/x-ndjson\r\n", body.as_bytes());
    assert_eq!(answer.text.lines().filter(|line| line.contains(r#""status":201"#)).count() as u32, orders);
    // Waits until the engine has told of all.
    place(&mut http, &pinned("after", "s1", ""));
    let mut heard = 0;
    let anew = loop {
        let next = stream.next().unwrap();
        if next.event == "reconcile" {
            break next;
        }
        heard += 1;
        assert!(heard <= orders, "all was kept for one who did not read");
    };
    assert_eq!((anew.data["work"].as_array().unwrap().len(), &anew.data["more"]), (1000, &true.into()));
    place(&mut http, &pinned("live", "s1", ""));
    while stream.until("assigned").order() != "live" {}
}
