//! Many objects, many watchers.

use std::time::Instant;

use codex_local_cluster::testing::Cluster;
use futures::future::join_all;
use serde_json::json;

use crate::support::{CONFIG_MAPS, WatchLines, config_map, delete, get, merge, post, rv};

const OBJECTS: usize = 1000;
const WATCHERS: usize = 100;
const CHANGES: usize = 100;

#[tokio::test(flavor = "multi_thread")]
async fn each_of_many_watchers_sees_each_change_once_and_in_order() {
    let cluster = Cluster::start().await;
    let client = &cluster.client().await;
    for chunk in (0..OBJECTS).collect::<Vec<_>>().chunks(50) {
        join_all(chunk.iter().map(|n| async move {
            let (code, _) = post(
                client,
                CONFIG_MAPS,
                &config_map(&format!("m{n}"), json!({})),
            )
            .await;
            assert_eq!(code, 201);
        }))
        .await;
    }
    let (_, list) = get(client, CONFIG_MAPS).await;
    assert_eq!(list["items"].as_array().unwrap().len(), OBJECTS);
    let path = format!("{CONFIG_MAPS}?watch=1&resourceVersion={}", rv(&list));
    let mut watches =
        join_all((0..WATCHERS).map(|_| WatchLines::open(client, &path, "application/json"))).await;
    let started = Instant::now();
    let writes = async {
        let mut revisions = Vec::new();
        for n in 0..CHANGES {
            let (_, object) = merge(
                client,
                &format!("{CONFIG_MAPS}/m{n}"),
                &json!({"data": {"n": "x"}}),
            )
            .await;
            revisions.push(rv(&object));
        }
        revisions
    };
    let reads = join_all(watches.iter_mut().map(|watch| async {
        let mut revisions = Vec::new();
        while revisions.len() < CHANGES {
            revisions.push(rv(&watch.event().await.1));
        }
        revisions
    }));
    let (written, seen) = tokio::join!(writes, reads);
    for revisions in seen {
        assert_eq!(revisions, written);
    }
    eprintln!(
        "{CHANGES} changes to {WATCHERS} watchers over {OBJECTS} objects: {:?}",
        started.elapsed()
    );
    let (code, gone) = delete(client, CONFIG_MAPS, &json!({})).await;
    assert_eq!(
        (code, gone["items"].as_array().unwrap().len()),
        (200, OBJECTS)
    );
    assert_eq!(get(client, CONFIG_MAPS).await.1["items"], json!([]));
}
