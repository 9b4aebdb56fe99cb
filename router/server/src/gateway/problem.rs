//! Errors as callers see them: RFC 9457 problem bodies, each with a documented code.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use router_schemas::refusal::Code;
use serde_json::Value;

use super::pickup;
use crate::{
    show,
    telemetry::{Kind, TELEMETRY},
};

/// The codes of the gateway.
pub(crate) const CODES: &[Code] = &[
    BUSY,
    LATE,
    NO_ROOM,
    NOT_FOUND,
    BAD_QUERY,
    TOKEN,
    TOO_LARGE,
    METHOD,
    MEDIA,
    BAD_HEADER,
    SLOW,
    BEHIND,
    NO_ROWS,
    NOT_YET,
    CUT,
    ROLE,
    SCOPE,
    super::stream::TOO_MANY,
    super::pickup::WRONG,
    super::pickup::TRIES,
    super::contact::NO_WORK,
];
pub(super) const BUSY: Code = Code {
    id: "E4001",
    summary: "too many requests wait for an answer",
    hint: "send it again after a second",
};
pub(super) const LATE: Code = Code {
    id: "E4002",
    summary: "no answer came in time; the command may have been taken",
    hint: "send the same again: a repeat is safe",
};
pub(super) const NO_ROOM: Code =
    Code { id: "E4003", summary: "the log takes nothing now", hint: "make room on the disk; see /readyz" };
pub(crate) const NOT_FOUND: Code =
    Code { id: "E4004", summary: "there is no such thing", hint: "check the id or the path" };
pub(crate) const BAD_QUERY: Code = Code {
    id: "E4005",
    summary: "a part of the path or a parameter of the query is not right",
    hint: "/v1/openapi.json has every path and its parameters",
};
pub(super) const TOKEN: Code =
    Code { id: "E4006", summary: "the token is missing or wrong", hint: "send Authorization: Bearer TOKEN" };
pub(super) const TOO_LARGE: Code = Code {
    id: "E4007",
    summary: "the body is too large",
    hint: "send less, or many messages by the line to /v1/batch; see schemas/src/limits.rs",
};
pub(super) const METHOD: Code = Code {
    id: "E4008",
    summary: "the path does not take this method",
    hint: "the header Allow names those that it takes",
};
pub(super) const MEDIA: Code = Code {
    id: "E4009",
    summary: "the form of the body is not read here",
    hint: "send plain JSON in UTF-8: Content-Type application/json or application/cloudevents+json (by the line: application/x-ndjson), no Content-Encoding",
};
pub(super) const BAD_HEADER: Code =
    Code { id: "E4010", summary: "a header is not readable", hint: "mend the named header" };
pub(super) const SLOW: Code =
    Code { id: "E4011", summary: "the body did not come in time", hint: "send the same again, faster" };
pub(super) const BEHIND: Code = Code {
    id: "E4012",
    summary: "the engine is behind where this would go",
    hint: "send it again after the seconds that Retry-After names",
};
pub(super) const NO_ROWS: Code =
    Code { id: "E4013", summary: "the rows cannot be read", hint: "see the router's log and /readyz" };
pub(super) const NOT_YET: Code = Code {
    id: "E4014",
    summary: "the order was named to the router, and its row is not written yet",
    hint: "ask again after a second; /readyz says whether a stage has stopped",
};
pub(super) const CUT: Code =
    Code { id: "E4015", summary: "the body ended before its end", hint: "send the same again, whole" };
pub(super) const ROLE: Code = Code {
    id: "E4016",
    summary: "the token's role may not do this",
    hint: "send a token of one of the named roles; docs/configuration.md says what each may",
};
pub(super) const SCOPE: Code = Code {
    id: "E4017",
    summary: "the token is for other nodes or channels",
    hint: "send a token whose entry in the tokens file has the node or the channel",
};

/// Why a request is not answered as it hoped.
pub(crate) struct Failure {
    pub status: StatusCode,
    pub code: Code,
    pub pointer: String,
    pub detail: String,
}

impl Failure {
    pub fn new(status: StatusCode, code: Code, detail: impl Into<String>) -> Failure {
        Failure { status, code, pointer: String::new(), detail: detail.into() }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = problem(self.status, self.code, &self.pointer, &self.detail);
        if self.code == pickup::TRIES {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(pickup::AFTER));
        }
        response
    }
}

/// An error as callers see it: code, JSON pointer, detail, hint.
pub(super) fn problem(status: StatusCode, code: Code, pointer: &str, detail: &str) -> Response {
    respond(status, problem_body(code, pointer, detail))
}

pub(super) fn problem_body(code: Code, pointer: &str, detail: &str) -> Value {
    TELEMETRY.turned_away.get_or_create(&Kind { kind: code.id }).inc();
    show::json(&show::Problem::new(code, pointer, detail))
}

/// An answer; one that turns the caller away says when to come back.
pub(super) fn respond(status: StatusCode, body: Value) -> Response {
    let mut response = (status, Json(body)).into_response();
    let headers = response.headers_mut();
    if status.is_client_error() || status.is_server_error() {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    }
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}
