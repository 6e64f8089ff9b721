//! What a client of the API sees of replies.

use super::*;

fn turn() -> Turn {
    Turn::parse(br#"{"model":"gpt-5.5","stream":true}"#).unwrap()
}

fn events(chunks: &[Chunk]) -> Vec<Value> {
    let bytes: Vec<u8> = chunks
        .iter()
        .filter_map(|chunk| match chunk {
            Chunk::Events(bytes) => Some(bytes.to_vec()),
            Chunk::Wait(_) | Chunk::Pause { .. } | Chunk::Abort => None,
        })
        .flatten()
        .collect();
    let text = String::from_utf8(bytes).unwrap();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

#[test]
fn the_deltas_make_up_the_text() {
    let text = "äöü: a text that is longer than one piece, with 字 in it.".to_owned();
    let items = [Item::Message(text.clone())];
    let events = events(&encode(
        &turn(),
        &items,
        Ending::Completed,
        Duration::ZERO,
        Duration::from_millis(1),
    ));
    let deltas: String = events
        .iter()
        .filter_map(|event| event["delta"].as_str())
        .collect();
    assert_eq!(deltas, text);
    let numbers: Vec<_> = events
        .iter()
        .map(|event| event["sequence_number"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (0..events.len() as u64).collect::<Vec<_>>());
    let last = events.last().unwrap();
    assert_eq!(last["type"], "response.completed");
    assert_eq!(last["response"]["output"][0]["content"][0]["text"], text);
    assert!(last["response"]["usage"]["total_tokens"].as_u64().unwrap() > 0);
}

#[test]
fn a_dropped_stream_has_no_end() {
    let chunks = encode(
        &turn(),
        &[Item::Message("x".to_owned())],
        Ending::Dropped,
        Duration::ZERO,
        Duration::ZERO,
    );
    assert_eq!(chunks.last(), Some(&Chunk::Abort));
    assert!(
        events(&chunks)
            .iter()
            .all(|event| event["type"] != "response.completed")
    );
}

#[test]
fn the_same_request_gets_the_same_bytes() {
    let items = [Item::Function {
        name: "exec_command",
        arguments: json!({"cmd": "ls"}),
    }];
    let encode = || {
        encode(
            &turn(),
            &items,
            Ending::Completed,
            Duration::ZERO,
            Duration::ZERO,
        )
    };
    assert_eq!(encode(), encode());
}
