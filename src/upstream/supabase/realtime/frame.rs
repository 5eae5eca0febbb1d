//! [`Frame`]: one message of Phoenix channels, in both serialisations that Supabase's clients speak, and the binary
//! form of broadcasts (realtime-js `serializer.ts`).

use serde_json::{Map, Value, json};
use tokio_tungstenite::tungstenite::Message;

/// What a client pushes a broadcast as.
const USER_BROADCAST_PUSH: u8 = 3;
/// What it gets one as.
const USER_BROADCAST: u8 = 4;
/// The payload of a binary broadcast is JSON.
const JSON: u8 = 1;

/// How messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `vsn=1.0.0`: objects. Python's client.
    V1,
    /// `vsn=2.0.0`: lists of five, and binary broadcasts. JavaScript's client.
    V2,
}

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Which join of its topic it belongs to.
    pub join_ref: Option<String>,
    /// What a reply answers.
    pub reference: Option<String>,
    /// The channel, as `realtime:room`, or `phoenix`.
    pub topic: String,
    /// What happened.
    pub event: String,
    /// The rest.
    pub payload: Value,
}

impl Frame {
    /// A message from the server that answers nothing.
    pub fn push(topic: &str, event: &str, payload: Value) -> Self {
        Self { join_ref: None, reference: None, topic: topic.to_owned(), event: event.to_owned(), payload }
    }

    /// The answer to this message.
    pub fn reply(&self, status: &str, response: Value) -> Self {
        Self {
            join_ref: self.join_ref.clone(),
            reference: self.reference.clone(),
            topic: self.topic.clone(),
            event: "phx_reply".to_owned(),
            payload: json!({"status": status, "response": response}),
        }
    }

    /// Reads a message; `None` for what is none.
    pub fn read(message: &Message, version: Version) -> Option<Self> {
        match message {
            Message::Text(text) => {
                let value: Value = serde_json::from_str(text).ok()?;
                match (version, value) {
                    (Version::V1, Value::Object(mut fields)) => Some(Self {
                        // Phoenix reads what an object does not say as null: heartbeats have no `join_ref`.
                        join_ref: fields.get("join_ref").and_then(word),
                        reference: fields.get("ref").and_then(word),
                        topic: fields.get("topic")?.as_str()?.to_owned(),
                        event: fields.get("event")?.as_str()?.to_owned(),
                        payload: fields.remove("payload").unwrap_or_default(),
                    }),
                    (Version::V2, Value::Array(parts)) => {
                        let [join_ref, reference, topic, event, payload]: [Value; 5] = parts.try_into().ok()?;
                        Some(Self {
                            join_ref: word(&join_ref),
                            reference: word(&reference),
                            topic: topic.as_str()?.to_owned(),
                            event: event.as_str()?.to_owned(),
                            payload,
                        })
                    }
                    _ => None,
                }
            }
            Message::Binary(bytes) if version == Version::V2 => read_binary(bytes),
            _ => None,
        }
    }

    /// Writes the message. Broadcasts that came in binary form, with a payload of their own, leave so.
    pub fn write(&self, version: Version) -> Message {
        let text = match version {
            Version::V1 => {
                let mut fields = Map::new();
                fields.insert("event".to_owned(), self.event.clone().into());
                fields.insert("payload".to_owned(), self.payload.clone());
                fields.insert("ref".to_owned(), self.reference.clone().into());
                fields.insert("topic".to_owned(), self.topic.clone().into());
                if self.join_ref.is_some() {
                    fields.insert("join_ref".to_owned(), self.join_ref.clone().into());
                }
                Value::Object(fields).to_string()
            }
            Version::V2 => json!([self.join_ref, self.reference, self.topic, self.event, self.payload]).to_string(),
        };
        Message::Text(text.into())
    }
}

/// A broadcast as the newer clients push it: sizes, then names, then the payload.
fn read_binary(bytes: &[u8]) -> Option<Frame> {
    let [kind, join_ref, reference, topic, event, metadata, encoding] = *bytes.first_chunk::<7>()?;
    if kind != USER_BROADCAST_PUSH {
        return None;
    }
    let mut rest = &bytes[7..];
    let mut take = |size: u8| {
        let (taken, left) = rest.split_at_checked(usize::from(size))?;
        rest = left;
        std::str::from_utf8(taken).ok().map(str::to_owned)
    };
    let (join_ref, reference, topic, event) = (take(join_ref)?, take(reference)?, take(topic)?, take(event)?);
    take(metadata)?;
    // A payload of bytes cannot be put into JSON for clients of the older serialisation; nor can it here.
    let payload: Value = (encoding == JSON).then(|| serde_json::from_slice(rest).ok())??;
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    Some(Frame {
        join_ref: some(join_ref),
        reference: some(reference),
        topic,
        event: "broadcast".to_owned(),
        payload: json!({"type": "broadcast", "event": event, "payload": payload}),
    })
}

/// A broadcast as it goes out to the newer clients in binary form; `None` if it does not fit.
pub fn write_binary(topic: &str, payload: &Value) -> Option<Message> {
    let event = payload.get("event")?.as_str()?;
    let body = serde_json::to_vec(payload.get("payload").unwrap_or(&Value::Null)).ok()?;
    let sizes = [u8::try_from(topic.len()).ok()?, u8::try_from(event.len()).ok()?];
    let mut bytes = vec![USER_BROADCAST, sizes[0], sizes[1], 0, JSON];
    bytes.extend_from_slice(topic.as_bytes());
    bytes.extend_from_slice(event.as_bytes());
    bytes.extend(body);
    Some(Message::Binary(bytes.into()))
}

/// A reference, which clients write as a text or a number.
fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_serialisations_are_read_and_written() {
        let frame = Frame {
            join_ref: Some("1".into()),
            reference: Some("2".into()),
            topic: "realtime:room".into(),
            event: "phx_join".into(),
            payload: json!({"config": {}}),
        };
        for version in [Version::V1, Version::V2] {
            assert_eq!(Frame::read(&frame.write(version), version), Some(frame.clone()));
        }
        let v2 = frame.reply("ok", json!({})).write(Version::V2);
        assert_eq!(v2.to_text().unwrap(), r#"["1","2","realtime:room","phx_reply",{"response":{},"status":"ok"}]"#);
    }

    #[test]
    fn what_an_object_does_not_say_is_null() {
        let beat = Message::Text(r#"{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"7"}"#.into());
        let frame = Frame::read(&beat, Version::V1).unwrap();
        assert_eq!((frame.join_ref, frame.reference.as_deref()), (None, Some("7")));
    }

    #[test]
    fn a_binary_broadcast_is_read() {
        let mut bytes = vec![3, 1, 1, 13, 4, 0, 1];
        bytes.extend_from_slice(b"12realtime:roommove{\"x\":1}");
        let frame = Frame::read(&Message::Binary(bytes.into()), Version::V2).unwrap();
        assert_eq!((frame.topic.as_str(), frame.event.as_str()), ("realtime:room", "broadcast"));
        assert_eq!(frame.payload, json!({"type": "broadcast", "event": "move", "payload": {"x": 1}}));
        let Message::Binary(out) = write_binary(&frame.topic, &frame.payload).unwrap() else { panic!("not binary") };
        assert_eq!(&out[..5], [4, 13, 4, 0, 1]);
        assert!(out.ends_with(b"realtime:roommove{\"x\":1}"));
    }

    proptest! {
        #[test]
        fn any_message_is_a_frame_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..60), text in "\\PC{0,60}", push: bool) {
            let bytes = if push { [vec![3], bytes].concat() } else { bytes };
            for version in [Version::V1, Version::V2] {
                let _ = Frame::read(&Message::Binary(bytes.clone().into()), version);
                let _ = Frame::read(&Message::Text(text.clone().into()), version);
            }
        }
    }
}
