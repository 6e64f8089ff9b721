//! What the operator tells the admission policy of the chart.

use codex_crds::CodexRepository;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::DeleteParams;
use serde_json::json;

use crate::support::{NAMESPACE, World, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn repositories_are_written_down_as_they_come_and_go() {
    let mut world = World::new().await;
    world.setup.flag("--allow-list=codex-allow-list");
    world.setup.flag("--env-allow=CI,APP_*");
    let _operator = world.start();
    let lists: Api<ConfigMap> = Api::namespaced(world.client.clone(), NAMESPACE);
    let until = async |wanted: &str| {
        let mut last = None;
        let found = eventually(async || {
            let list = lists.get_opt("codex-allow-list").await.unwrap();
            last = list.and_then(|list| list.data);
            let is_it = last
                .as_ref()
                .is_some_and(|data| data["repositories"] == wanted);
            is_it.then(|| last.clone().unwrap())
        });
        let found = found.await;
        found.unwrap_or_else(|| panic!("it never said {wanted:?}; last {last:?}"))
    };
    let data = until("/srv/repos/demo").await;
    assert_eq!(data["env"], "CI\nAPP_*");
    assert!(data["refusedNames"].lines().any(|name| name == "PATH"));
    assert!(
        data["refusedPrefixes"]
            .lines()
            .any(|prefix| prefix == "LD_")
    );
    world
        .repository("app", json!({"persistentVolumeClaim": {"claimName": "c"}}))
        .await;
    until("/srv/repos/app\n/srv/repos/demo").await;
    let repositories: Api<CodexRepository> = Api::namespaced(world.client.clone(), NAMESPACE);
    for name in ["app", "demo"] {
        repositories
            .delete(name, &DeleteParams::default())
            .await
            .unwrap();
    }
    until("").await;
}
