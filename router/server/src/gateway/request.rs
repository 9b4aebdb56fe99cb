//! A message as it comes over HTTP: its headers, checked, and its body, whole and in time.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http_body_util::LengthLimitError;
use router_schemas::{limits, refusal::Code};

use super::{
    Failure, TOO_LARGE,
    problem::{BAD_HEADER, CUT, MEDIA, SLOW},
};

/// Time for the whole body of one message.
const BODY: Duration = Duration::from_secs(15);
/// Bytes of a message and of an event around it.
const BODY_BYTES: usize = limits::MESSAGE_BYTES;
/// Bytes of an `Idempotency-Key`.
pub(super) const KEY_BYTES: usize = 255;
/// Seconds that a caller may wait for an outcome.
pub(super) const WAIT_SECONDS: u64 = 60;

/// What the headers say.
pub(super) struct Headers {
    /// Kind of a CloudEvent in binary form.
    pub kind: Option<String>,
    /// Names a fact: an `Idempotency-Key`, or source and id of a CloudEvent in binary form.
    pub key: Option<String>,
    pub prefer: Prefer,
}

impl Headers {
    pub fn read(headers: &HeaderMap) -> Result<Headers, Failure> {
        media(headers, &["application/json", "application/cloudevents+json"])?;
        let mut key = header_text(headers, "idempotency-key", KEY_BYTES)?;
        let mut kind = None;
        if let Some(version) = header_text(headers, "ce-specversion", 16)? {
            if version != "1.0" {
                return Err(bad("ce-specversion: only version 1.0 is read"));
            }
            kind = header_text(headers, "ce-type", KEY_BYTES)?;
            if kind.is_none() {
                return Err(bad("ce-type: is missing"));
            }
            let (source, id) =
                (header_text(headers, "ce-source", 1024)?, header_text(headers, "ce-id", KEY_BYTES)?);
            key = key.or_else(|| source.zip(id).map(|(source, id)| format!("{source}\n{id}")));
        }
        Ok(Headers { kind, key, prefer: Prefer::read(headers) })
    }
}

fn bad(detail: &str) -> Failure {
    Failure::new(StatusCode::BAD_REQUEST, BAD_HEADER, detail)
}

fn header_text(headers: &HeaderMap, name: &str, most: usize) -> Result<Option<String>, Failure> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(bad(&format!("{name}: is there twice")));
    }
    match value.to_str() {
        Ok(text) if !text.is_empty() && text.len() <= most => Ok(Some(text.to_owned())),
        _ => Err(bad(&format!("{name}: must have 1 to {most} plain ASCII characters"))),
    }
}

/// What the caller would like (RFC 7240): `wait=N` for the engine's outcome, `respond-async` for none.
#[derive(Default, PartialEq, Debug)]
pub(super) struct Prefer {
    pub wait: Option<Duration>,
    pub respond_async: bool,
}

impl Prefer {
    fn read(headers: &HeaderMap) -> Prefer {
        let mut prefer = Prefer::default();
        let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
        for preference in values.flat_map(|value| value.split(',')) {
            let preference = preference.split(';').next().unwrap_or_default();
            let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "respond-async" => prefer.respond_async = true,
                // The first one counts.
                "wait" if prefer.wait.is_none() => {
                    let seconds = value.parse::<u64>().ok();
                    prefer.wait = seconds.map(|s| Duration::from_secs(s.clamp(1, WAIT_SECONDS)));
                }
                _ => {}
            }
        }
        // Who waits for the outcome is not answered before it.
        prefer.respond_async &= prefer.wait.is_none();
        prefer
    }

    /// What of it is done.
    pub fn applied(&self) -> Option<String> {
        let wait = self.wait.map(|wait| format!("wait={}", wait.as_secs()));
        wait.or_else(|| self.respond_async.then(|| "respond-async".to_owned()))
    }
}

/// Refuses bodies in a form that is not read: compressed, in another character set, or no JSON.
fn media(headers: &HeaderMap, taken: &[&str]) -> Result<(), Failure> {
    let wrong = |detail: &str| Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, MEDIA, detail));
    if let Some(encoding) = headers.get(header::CONTENT_ENCODING)
        && !encoding.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        return wrong("Content-Encoding: compressed bodies are not read");
    }
    let Some(content) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let mut parts = content.to_str().unwrap_or_default().split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    if !taken.iter().any(|taken| taken.eq_ignore_ascii_case(name)) {
        return wrong(&format!("Content-Type: only {} is read here", taken.join(" or ")));
    }
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        let value = value.trim_matches('"');
        if name.eq_ignore_ascii_case("charset") && !value.eq_ignore_ascii_case("utf-8") {
            return wrong("Content-Type: only the character set UTF-8 is read");
        }
    }
    Ok(())
}

/// Before a batch, which reads its body itself.
pub(super) async fn lines(request: Request, next: Next) -> Response {
    let taken = ["application/x-ndjson", "application/ndjson", "application/jsonl", "application/json"];
    match media(request.headers(), &taken) {
        Ok(()) => next.run(request).await,
        Err(failure) => failure.into_response(),
    }
}

/// The body of one message.
pub(super) async fn body(headers: &HeaderMap, body: Body) -> Result<Bytes, Failure> {
    let failure = |status, code: Code| Failure::new(status, code, code.summary);
    let too_large = || failure(StatusCode::PAYLOAD_TOO_LARGE, TOO_LARGE);
    let length = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > BODY_BYTES) {
        return Err(too_large());
    }
    match tokio::time::timeout(BODY, axum::body::to_bytes(body, BODY_BYTES)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if caused_by::<LengthLimitError>(&error) => Err(too_large()),
        Ok(Err(error)) if caused_by::<tower_http::timeout::TimeoutError>(&error) => {
            Err(failure(StatusCode::REQUEST_TIMEOUT, SLOW))
        }
        Ok(Err(_)) => Err(failure(StatusCode::BAD_REQUEST, CUT)),
        Err(_) => Err(failure(StatusCode::REQUEST_TIMEOUT, SLOW)),
    }
}

fn caused_by<E: std::error::Error + 'static>(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|error| error.is::<E>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_are_read_as_they_are_written() {
        let read = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("prefer", value.parse().unwrap());
            }
            Prefer::read(&headers)
        };
        let wait = |seconds| Prefer { wait: Some(Duration::from_secs(seconds)), respond_async: false };
        let at_once = Prefer { wait: None, respond_async: true };
        for (values, wanted) in [
            (vec![], Prefer::default()),
            (vec!["wait=5"], wait(5)),
            (vec!["return=minimal, WAIT = \"7\"; x=y"], wait(7)),
            (vec!["wait=0"], wait(1)),
            (vec!["wait=100000000000"], wait(60)),
            (vec!["wait=99999999999999999999999", "wait=soon"], Prefer::default()),
            (vec!["wait=2", "wait=3"], wait(2)),
            (vec!["Respond-Async"], at_once),
            (vec!["respond-async, wait=4"], wait(4)),
        ] {
            assert_eq!(read(&values), wanted, "{values:?}");
        }
    }
}
