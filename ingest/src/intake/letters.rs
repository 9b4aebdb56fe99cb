//! What INTAKE puts aside for someone to look at.

use router_schemas::{
    command::{Hash16, order::OrderMessage},
    dead_letter::DeadLetter,
    envelope::{CodecError, Meta, Source, write_postcard},
    position::{Position, Topic},
    refusal::{Code, Refusal},
};

/// A version that is known with other content: the canonical record, recipients sealed as they are in the log.
pub(super) fn conflict(position: &Position, meta: &Meta, message: &OrderMessage) -> (Topic, DeadLetter) {
    let mut bytes = Vec::new();
    write_postcard(message, &mut bytes);
    let code = Refusal::Conflict.code();
    let topic = topic(meta.source.as_ref(), &message.head.identity.channel);
    (topic, letter(position, code, "/version", code.summary, bytes))
}

/// A record that does not decode, as it is.
pub(super) fn undecodable(position: &Position, error: &CodecError, payload: &[u8]) -> (Topic, DeadLetter) {
    let code = Refusal::Undecodable.code();
    (Topic::DeadLetter("intake".into()), letter(position, code, "", &error.to_string(), payload.to_vec()))
}

fn letter(position: &Position, code: Code, pointer: &str, detail: &str, bytes: Vec<u8>) -> DeadLetter {
    DeadLetter {
        position: position.clone(),
        code: code.id.into(),
        pointer: pointer.into(),
        detail: detail.into(),
        key: Hash16::default(),
        bytes,
        resolved: false,
    }
}

/// Where letters about messages of this source go; without one, of the channel's raw topic. A letter that was sent
/// again names itself as its source, `dlq.orders.web/0@7`, and goes to where it came from.
fn topic(source: Option<&Source>, channel: &str) -> Topic {
    let topic: Option<Topic> = match source {
        Some(source) => {
            let of_letter = source.id.parse::<Position>().map(|p| p.topic);
            of_letter.or_else(|_| format!("dlq.{}", source.id).parse()).ok()
        }
        None => format!("dlq.orders.{channel}").parse().ok(),
    };
    topic.filter(|t| matches!(t, Topic::DeadLetter(_))).unwrap_or_else(|| Topic::DeadLetter("intake".into()))
}

#[cfg(test)]
mod tests {
    use router_schemas::{
        position::LogId,
        stage::{Input, Outputs, Stage, Topology},
    };

    use super::*;
    use crate::intake::Intake;

    #[test]
    fn letters_go_to_where_their_messages_came_from() {
        let source = |id: &str| Source { id: id.into(), incarnation: 0, partition: 0, offset: 7, index: 0 };
        for (source, channel, wanted) in [
            (None, "web", "dlq.orders.web"),
            (None, "a shop", "dlq.intake"),
            (Some(source("orders.web")), "web", "dlq.orders.web"),
            (Some(source("dlq.orders.web/0@7")), "web", "dlq.orders.web"),
            (Some(source("not a topic")), "web", "dlq.intake"),
        ] {
            assert_eq!(topic(source.as_ref(), channel).name(), wanted);
        }
    }

    #[test]
    fn what_does_not_decode_is_kept() {
        let topology = Topology { log: LogId([7; 16]), intake: 1, commands: 1, events: 1 };
        let mut out = Outputs::default();
        let payload = b"\x01\x01\x00 no record of ours";
        Intake::new(topology, 0).apply(Input { offset: 3, at: 0, skipped: false, payload }, &mut out);
        let kept = out.iter().find(|o| o.target.topic == Topic::DeadLetter("intake".into())).unwrap();
        let (_, rest) = postcard::take_from_bytes::<Meta>(out.bytes(kept)).unwrap();
        let letter: DeadLetter = postcard::from_bytes(rest).unwrap();
        assert_eq!((letter.position.to_string().as_str(), letter.bytes), ("intake/0@3", payload.to_vec()));
    }
}
