//! The policies: rules as in RBAC, fixed for each user.

use super::User;

/// What a request does.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Attributes<'a> {
    pub(crate) verb: &'a str,
    pub(crate) group: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) subresource: Option<&'a str>,
    pub(crate) namespace: Option<&'a str>,
    pub(crate) name: Option<&'a str>,
    /// For requests that are about no resource.
    pub(crate) path: &'a str,
}

/// Allows verbs on resources, somewhere.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) groups: &'static [&'static str],
    /// `pods`, `pods/log`, or `*`.
    pub(crate) resources: &'static [&'static str],
    pub(crate) verbs: &'static [&'static str],
    /// Nothing: everywhere.
    pub(crate) namespaces: Option<Vec<String>>,
}

impl Rule {
    fn allows(&self, a: &Attributes<'_>) -> bool {
        let resource = match a.subresource {
            Some(sub) => format!("{}/{sub}", a.resource),
            None => a.resource.to_owned(),
        };
        contains(self.verbs, a.verb)
            && contains(self.groups, a.group)
            && contains(self.resources, &resource)
            && self.namespaces.as_ref().is_none_or(|allowed| {
                a.namespace
                    .is_some_and(|ns| allowed.iter().any(|n| n == ns))
            })
    }
}

fn contains(list: &[&str], item: &str) -> bool {
    list.iter().any(|x| *x == "*" || *x == item)
}

/// All rules of a user.
#[derive(Clone, Debug, Default)]
pub(crate) struct Policy {
    pub(crate) rules: Vec<Rule>,
    pub(crate) paths: &'static [&'static str],
}

impl Policy {
    pub(crate) fn allows(&self, a: &Attributes<'_>) -> bool {
        if a.resource.is_empty() {
            return self.paths.iter().any(|p| match p.strip_suffix('*') {
                Some(prefix) => a.path.starts_with(prefix),
                None => *p == a.path,
            });
        }
        self.rules.iter().any(|r| r.allows(a))
    }
}

const PUBLIC_PATHS: &[&str] = &[
    "/healthz",
    "/livez",
    "/livez/*",
    "/readyz",
    "/readyz/*",
    "/version",
];
const DISCOVERY_PATHS: &[&str] = &[
    "/healthz",
    "/livez",
    "/livez/*",
    "/readyz",
    "/readyz/*",
    "/version",
    "/version/",
    "/api",
    "/api/*",
    "/apis",
    "/apis/*",
    "/openapi",
    "/openapi/*",
];

const READ: &[&str] = &["get", "list", "watch"];
const WRITE: &[&str] = &[
    "get", "list", "watch", "create", "update", "patch", "delete",
];
const RUNNER: &[&str] = &["codexrunner.io"];
const CORE: &[&str] = &[""];

fn cluster(
    groups: &'static [&'static str],
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
) -> Rule {
    Rule {
        groups,
        resources,
        verbs,
        namespaces: None,
    }
}

fn within(namespaces: &[String], mut rule: Rule) -> Rule {
    rule.namespaces = Some(namespaces.to_vec());
    rule
}

/// Who sends no token.
pub(super) fn anonymous() -> User {
    User {
        name: "system:anonymous",
        groups: &["system:unauthenticated"],
        policy: Policy {
            rules: Vec::new(),
            paths: PUBLIC_PATHS,
        },
    }
}

/// What every user may do: ask who they are and what they may.
fn reviews() -> Vec<Rule> {
    vec![
        cluster(
            &["authentication.k8s.io"],
            &["selfsubjectreviews"],
            &["create"],
        ),
        cluster(
            &["authorization.k8s.io"],
            &["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
            &["create"],
        ),
    ]
}

/// The users of the local cluster. The operator's and the gateway's rules are those of their
/// ClusterRoles in the chart, so that what works here works there.
pub(super) fn users(task_namespaces: &[String]) -> Vec<User> {
    let authenticated = |name, groups, rules: Vec<Rule>| User {
        name,
        groups,
        policy: Policy {
            rules: reviews().into_iter().chain(rules).collect(),
            paths: DISCOVERY_PATHS,
        },
    };
    vec![
        User {
            name: "admin",
            groups: &["system:masters", "system:authenticated"],
            policy: Policy {
                rules: vec![cluster(&["*"], &["*"], &["*"])],
                paths: &["*"],
            },
        },
        authenticated(
            "codex-operator",
            &["system:authenticated"],
            operator_rules(task_namespaces),
        ),
        authenticated(
            "codex-gateway",
            &["system:authenticated"],
            gateway_rules(task_namespaces),
        ),
        authenticated(
            "codex-node",
            &["system:nodes", "system:authenticated"],
            node_rules(),
        ),
    ]
}

fn operator_rules(namespaces: &[String]) -> Vec<Rule> {
    let tasks = |rule| within(namespaces, rule);
    vec![
        cluster(RUNNER, &["codextasks", "codexrepositories"], READ),
        cluster(
            &["apiextensions.k8s.io"],
            &["customresourcedefinitions"],
            READ,
        ),
        cluster(CORE, &["nodes", "namespaces"], READ),
        tasks(cluster(
            RUNNER,
            &["codextasks"],
            &["update", "patch", "delete"],
        )),
        tasks(cluster(
            RUNNER,
            &[
                "codextasks/status",
                "codextasks/finalizers",
                "codexrepositories/status",
            ],
            &["get", "update", "patch"],
        )),
        tasks(cluster(
            CORE,
            &["pods"],
            &[
                "get",
                "list",
                "watch",
                "create",
                "update",
                "patch",
                "delete",
                "deletecollection",
            ],
        )),
        tasks(cluster(CORE, &["pods/log"], &["get"])),
        tasks(cluster(CORE, &["secrets", "configmaps"], WRITE)),
        tasks(cluster(
            CORE,
            &["persistentvolumeclaims", "serviceaccounts"],
            READ,
        )),
        tasks(cluster(&["networking.k8s.io"], &["networkpolicies"], WRITE)),
        tasks(cluster(&["coordination.k8s.io"], &["leases"], WRITE)),
        tasks(cluster(
            &["", "events.k8s.io"],
            &["events"],
            &["create", "patch", "update", "get", "list", "watch"],
        )),
    ]
}

/// The gateway cannot touch Pods or Secrets at all.
fn gateway_rules(namespaces: &[String]) -> Vec<Rule> {
    let tasks = |rule| within(namespaces, rule);
    vec![
        tasks(cluster(RUNNER, &["codextasks"], WRITE)),
        tasks(cluster(
            RUNNER,
            &["codextasks/finalizers"],
            &["update", "patch"],
        )),
        tasks(cluster(RUNNER, &["codexrepositories"], READ)),
    ]
}

fn node_rules() -> Vec<Rule> {
    vec![
        cluster(
            CORE,
            &["nodes"],
            &["get", "list", "watch", "create", "update", "patch"],
        ),
        cluster(
            CORE,
            &["nodes/status", "pods/status"],
            &["get", "update", "patch"],
        ),
        cluster(CORE, &["pods"], &["get", "list", "watch", "delete"]),
        cluster(
            CORE,
            &[
                "secrets",
                "configmaps",
                "persistentvolumes",
                "persistentvolumeclaims",
            ],
            READ,
        ),
        cluster(CORE, &["namespaces", "serviceaccounts"], READ),
        cluster(
            &["", "events.k8s.io"],
            &["events"],
            &["create", "patch", "update"],
        ),
        within(
            &["kube-node-lease".to_owned()],
            cluster(&["coordination.k8s.io"], &["leases"], WRITE),
        ),
    ]
}
