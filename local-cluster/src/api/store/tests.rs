use std::fs;
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Durability, Expect, Key, Store, StoreConfig, StoreError};

fn config(dir: &TempDir) -> StoreConfig {
    StoreConfig {
        durability: Durability::ProcessEnd,
        history: 100,
        ..StoreConfig::new(dir.path())
    }
}

fn object(name: &str, n: usize) -> Value {
    json!({"metadata": {"namespace": "a", "name": name}, "n": n})
}

async fn put(store: &Arc<Store>, name: &str, n: usize) -> u64 {
    let key = Key::new("a", name);
    let expect = store
        .get("things", &key)
        .map_or(Expect::Absent, |o| Expect::Version(o.rv));
    let stored = store.put("things", &key, expect, object(name, n)).await;
    stored.unwrap().rv
}

fn state(store: &Store) -> Vec<Value> {
    let items = store.list("things", None).items;
    items.iter().map(|o| o.value.clone()).collect()
}

#[tokio::test]
async fn writes_expect_what_they_saw() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(config(&dir)).unwrap();
    let rv = put(&store, "x", 1).await;
    let key = Key::new("a", "x");
    for wrong in [Expect::Absent, Expect::Version(rv + 1)] {
        let result = store.put("things", &key, wrong, object("x", 2)).await;
        assert!(matches!(result, Err(StoreError::Conflict)));
    }
    assert_eq!(store.rv(), rv, "a refused write takes no revision");
    let gone = store
        .remove("things", &key, rv, object("x", 1))
        .await
        .unwrap();
    assert!(gone.rv > rv && store.get("things", &key).is_none());
}

#[tokio::test]
async fn the_past_can_be_listed_until_it_is_forgotten() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(config(&dir)).unwrap();
    let first = put(&store, "x", 1).await;
    let second = put(&store, "y", 1).await;
    put(&store, "x", 2).await;
    let key = Key::new("a", "y");
    store
        .remove("things", &key, second, object("y", 1))
        .await
        .unwrap();
    let at = |rv| {
        let items = store.list_at("things", Some("a"), rv).unwrap().items;
        items
            .iter()
            .map(|o| (o.value["metadata"]["name"].clone(), o.value["n"].clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(at(first), [(json!("x"), json!(1))]);
    assert_eq!(at(second), [(json!("x"), json!(1)), (json!("y"), json!(1))]);
    assert_eq!(at(store.rv()), [(json!("x"), json!(2))]);
    for n in 0..200 {
        put(&store, "x", n).await;
    }
    assert!(matches!(
        store.list_at("things", None, first),
        Err(StoreError::Expired { .. })
    ));
    assert!(matches!(
        store.follow("things", first),
        Err(StoreError::Expired { .. })
    ));
    assert!(matches!(
        store.list_at("things", None, 9999),
        Err(StoreError::Future { .. })
    ));
}

#[tokio::test]
async fn a_cursor_sees_each_change_once_and_in_order() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(config(&dir)).unwrap();
    let mut cursor = store.follow("things", store.rv()).unwrap();
    let writer = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            for n in 0..80 {
                put(&store, "x", n).await;
            }
        }
    });
    let mut seen = Vec::new();
    while seen.len() < 80 {
        cursor.changed().await;
        seen.extend(
            cursor
                .take()
                .unwrap()
                .into_iter()
                .map(|e| e.object.value["n"].clone()),
        );
    }
    writer.await.unwrap();
    assert_eq!(seen, (0..80).map(|n| json!(n)).collect::<Vec<_>>());
    assert_eq!(cursor.bookmark(), store.rv());
}

#[tokio::test]
async fn a_compacted_store_comes_back_the_same() {
    let dir = TempDir::new().unwrap();
    let small = StoreConfig {
        compact_bytes: 2_000,
        ..config(&dir)
    };
    let store = Store::open(small.clone()).unwrap();
    for n in 0..200 {
        put(&store, &format!("x{}", n % 7), n).await;
    }
    let (before, rv) = (state(&store), store.rv());
    store.close();
    drop(store);
    let files: Vec<String> = fs::read_dir(dir.path())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(
        files.iter().filter(|f| f.starts_with("snapshot-")).count(),
        1,
        "{files:?}"
    );
    let store = Store::open(small).unwrap();
    assert_eq!((state(&store), store.rv()), (before, rv));
    assert!(put(&store, "x0", 0).await > rv);
}

#[tokio::test]
async fn a_torn_end_is_cut_off_and_damage_elsewhere_is_refused() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(config(&dir)).unwrap();
    for n in 0..5 {
        put(&store, &format!("x{n}"), n).await;
    }
    let before = state(&store);
    store.close();
    drop(store);
    let log = dir.path().join(format!("log-{:020}", 1));
    let sound = fs::read(&log).unwrap();
    // Every possible length of a record that was not written to its end.
    for torn in 1..40 {
        let mut bytes = sound.clone();
        bytes.extend_from_slice(&sound[..torn]);
        fs::write(&log, bytes).unwrap();
        let store = Store::open(config(&dir)).unwrap();
        assert_eq!(state(&store), before, "{torn} bytes too many");
        store.close();
        drop(store);
        for extra in fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().path()) {
            if extra != log && extra.file_name().unwrap() != "lock" {
                fs::remove_file(extra).unwrap();
            }
        }
        assert_eq!(fs::read(&log).unwrap(), sound);
    }
    // A damaged record with a newer log after it was acknowledged once.
    let mut bytes = sound;
    bytes[20] ^= 1;
    fs::write(&log, bytes).unwrap();
    fs::write(dir.path().join(format!("log-{:020}", 6)), b"").unwrap();
    assert!(matches!(Store::open(config(&dir)), Err(StoreError::Disk(m)) if m.contains("damaged")));
}

#[tokio::test]
async fn a_folder_has_one_store() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(config(&dir)).unwrap();
    assert!(matches!(Store::open(config(&dir)), Err(StoreError::Disk(m)) if m.contains("in use")));
    drop(store);
    Store::open(config(&dir)).unwrap();
}
