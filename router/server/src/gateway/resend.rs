//! Sends a dead letter again, as it is or as corrected, and marks it resolved in the same transaction.

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use router_ingest::{
    decode::{self, Context},
    seal::Keys,
};
use router_schemas::{
    command::{Command, Hash16, order::Arrival},
    dead_letter::DeadLetter,
    envelope::{self, Meta, Source},
    position::{Position, Topic},
    refusal::Refusal,
    reply::Answer,
};
use serde_json::{Value, json};

use super::{
    Gateway, WAIT,
    caller::Caller,
    letters::{CHANNEL, Found, Problem, UNREADABLE, append_durably, canonical, find, named, open},
    respond,
};
use crate::{router::SubmitError, show};

pub(super) async fn again(
    State(gateway): State<Gateway>,
    Path((source, partition, offset)): Path<(String, u16, u64)>,
    caller: Caller,
    body: Bytes,
) -> Response {
    let position = match named(&source, partition, offset) {
        Ok(position) => position,
        Err(problem) => return respond(problem.status, problem.body),
    };
    let corrected = Some(body).filter(|body| !body.is_empty());
    // Caller or not: once begun it is brought to its end.
    let replayed = async move { replay(&gateway, position, corrected, caller).await };
    match tokio::time::timeout(WAIT + Duration::from_secs(5), tokio::spawn(replayed)).await {
        Ok(Ok(Ok((status, value)))) => respond(status, value),
        Ok(Ok(Err(problem))) => respond(problem.status, problem.body),
        _ => {
            let (status, body) = super::write::failure(&SubmitError::Late);
            respond(status, body)
        }
    }
}

/// The letter's command, as it is or as corrected.
fn command(keys: &Keys, found: &Found, corrected: Option<&[u8]>) -> Result<Command, Problem> {
    let bytes = match corrected {
        Some(bytes) => bytes.to_vec(),
        None => open(keys, &found.letter)?,
    };
    if corrected.is_none() {
        if let Some(command) = canonical(&found.letter, &bytes) {
            return Ok(command);
        }
        if found.letter.key == Hash16::default() {
            let detail = format!("it came from {} and does not decode", found.letter.position);
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, UNREADABLE, "", &detail));
        }
    }
    let name = found.position.to_string();
    let context = Context { keys, arrival: Arrival::Raw, key: Some(&name) };
    let command = decode::message("order.v1", bytes.trim_ascii(), &context).map_err(|rejected| Problem {
        status: StatusCode::UNPROCESSABLE_ENTITY,
        body: serde_json::to_value(&rejected).unwrap_or_default(),
    })?;
    super::pickup::not_here(&command, bytes.trim_ascii()).map_err(|rejected| Problem {
        status: StatusCode::UNPROCESSABLE_ENTITY,
        body: serde_json::to_value(&rejected).unwrap_or_default(),
    })?;
    if let (Topic::Raw(channel), Some(identity)) = (&found.letter.position.topic, command.identity())
        && **channel != *identity.channel
    {
        let detail = format!("the letter came by orders.{channel}");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, CHANNEL, "/channel", &detail));
    }
    Ok(command)
}

/// Sends a letter again, as it is or as corrected, and marks it resolved in the same transaction. A letter that is
/// resolved already is left alone.
async fn replay(
    gateway: &Gateway,
    position: Position,
    corrected: Option<Bytes>,
    caller: Caller,
) -> Result<(StatusCode, Value), Problem> {
    let failed = |error: SubmitError| {
        let (status, body) = super::write::failure(&error);
        Problem { status, body }
    };
    let (router, actor) = (gateway.router.clone(), caller.name().to_owned());
    let blocking = move || {
        let found = find(&*router.log, &position)?;
        if found.letter.resolved {
            return Ok((found, None));
        }
        let command = command(&router.keys, &found, corrected.as_deref())?;
        let (topic, partition) = router.road(&command).map_err(failed)?;
        let (reply, answering) = router.submitter.expect(false).map_err(failed)?;
        let Position { topic: source, partition: of, offset } = &found.position;
        // The position stands in the name: intake drops what is not above the last offset of a name, and letters
        // are sent again in any order.
        let id = found.position.to_string();
        let source_meta = Source { id, incarnation: 0, partition: *of, offset: *offset, index: 0 };
        let meta = Meta { source: Some(source_meta), reply: Some(reply), ..caller.meta(&command) };
        let records = [
            (topic, partition, envelope::to_vec(None, &meta, &command)),
            (source.clone(), *of, copy(&found, true, &actor, "replayed")),
        ];
        append_durably(&*router.log, &router.keys, &records).map_err(failed)?;
        Ok((found, Some((answering, actor))))
    };
    let done = tokio::task::spawn_blocking(blocking).await;
    let (found, sent) = done.unwrap_or_else(|_| Err(failed(SubmitError::Late)))?;
    let Some((answering, actor)) = sent else {
        let answer = json!({ "answer": "repeat", "letter": found.position,
            "detail": "it was replayed already: nothing was sent" });
        return Ok((StatusCode::OK, answer));
    };
    let reply = answering.wait(WAIT).await.map_err(failed)?;
    let mut value = show::reply(&reply);
    value["letter"] = json!(found.position);
    let Answer::Refused { refusal, .. } = reply.answer else { return Ok((StatusCode::OK, value)) };
    // INTAKE writes a letter of its own about a conflict; after any other refusal this one is open again.
    if refusal != Refusal::Conflict {
        let router = gateway.router.clone();
        let code = refusal.code().id;
        let again = move || {
            let letter = copy(&found, false, &actor, code);
            append_durably(
                &*router.log,
                &router.keys,
                &[(found.position.topic.clone(), found.position.partition, letter)],
            )
        };
        let again = tokio::task::spawn_blocking(again).await;
        again.unwrap_or(Err(SubmitError::Late)).map_err(failed)?;
    }
    Ok((StatusCode::UNPROCESSABLE_ENTITY, value))
}

/// A copy of the letter that says what became of it.
fn copy(found: &Found, resolved: bool, actor: &str, reason: &str) -> Vec<u8> {
    let (actor, reason) = (Some(actor.to_owned()), Some(reason.to_owned()));
    let meta = Meta { actor, reason, ..found.meta.clone() };
    envelope::to_vec(None, &meta, &DeadLetter { resolved, ..found.letter.clone() })
}
