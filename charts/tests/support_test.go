// Package tests renders the chart with Helm's own engine and holds the result against the rules of Kubernetes' own API server.
package tests

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

const (
	chartFolder = "../codex-remote-runner"
	root        = "../.."
	namespace   = "codex-system"
)

// object is one rendered object.
type object struct {
	*unstructured.Unstructured
	// text is its YAML.
	text string
	// file is the template that it came from.
	file string
}

func (o object) String() string {
	return fmt.Sprintf("%s %s (%s)", o.GetKind(), o.GetName(), o.file)
}

// values is what somebody passes to Helm, as YAML.
type values string

// stores names external stores, which every installation has to.
const stores values = `
redis: {url: "rediss://cache.example:6379/0"}
archive: {location: "s3://logs/codex?region=eu-west-1"}
`

// loadChart reads the chart once.
var loadChart = sync.OnceValues(func() (*chart.Chart, error) { return loader.Load(chartFolder) })

// render returns all objects of a release named `codex`.
func render(t *testing.T, all ...values) []object {
	t.Helper()
	objects, err := renderRelease("codex", all...)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// renderRelease merges the values in order, and renders.
func renderRelease(release string, all ...values) ([]object, error) {
	files, err := renderFiles(release, all...)
	if err != nil {
		return nil, err
	}
	var objects []object
	for _, file := range slices.Sorted(maps.Keys(files)) {
		if filepath.Ext(file) != ".yaml" {
			continue
		}
		for document := range strings.SplitSeq("\n"+files[file], "\n---") {
			var content map[string]any
			if err := yaml.UnmarshalStrict([]byte(document), &content); err != nil {
				return nil, fmt.Errorf("%s: %w\n%s", file, err, document)
			}
			if len(content) > 0 {
				objects = append(objects, object{&unstructured.Unstructured{Object: content}, document, file})
			}
		}
	}
	return objects, nil
}

func renderFiles(release string, all ...values) (map[string]string, error) {
	loaded, err := loadChart()
	if err != nil {
		return nil, err
	}
	merged := map[string]any{}
	for _, text := range all {
		var layer map[string]any
		if err := yaml.UnmarshalStrict([]byte(text), &layer); err != nil {
			return nil, fmt.Errorf("the values of a test: %w\n%s", err, text)
		}
		merged = loader.MergeMaps(merged, layer)
	}
	options := common.ReleaseOptions{Name: release, Namespace: namespace, Revision: 1, IsInstall: true}
	input, err := util.ToRenderValues(loaded, merged, options, common.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	return engine.Render(loaded, input)
}

// find returns the object of a kind and name.
func find(t *testing.T, objects []object, kind, name string) object {
	t.Helper()
	for _, object := range objects {
		if object.GetKind() == kind && object.GetName() == name {
			return object
		}
	}
	t.Fatalf("there is no %s %s", kind, name)
	return object{}
}

// matrix is the combinations of values that all general rules are held against.
var matrix = map[string][]values{
	"default": {stores},
	"everything": {stores, `
commonLabels: {team: agents}
commonAnnotations: {owner: platform}
logLevel: debug,codex_gateway=trace
image: {pullSecrets: [registry], tag: 1.2.3}
rbac: {aggregate: true}
redis: {customCa: true}
model: {default: gpt-5}
tasks:
  runner: {digest: "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}
  runtimeClass: gvisor
  userNamespaces: true
  nodeSelector: {pool: codex, kubernetes.io/arch: amd64}
  tolerations: ["dedicated=codex:NoSchedule", spot]
  priorityClass: batch
  kueueQueue: agents
  envAllow: [CI, "APP_*"]
  quota: {pods: "50", limits.memory: 200Gi}
repositories:
  - {name: app, default: true, spec: {path: /srv/repos/app, source: {persistentVolumeClaim: {claimName: repos, subPath: app}}, env: {CI: "1"}, resources: {memory: 8Gi}}}
  - {name: web, spec: {path: /srv/repos/web, source: {persistentVolumeClaim: {claimName: repos, subPath: web}}}}
telemetry:
  endpoint: http://collector.monitoring:4318
  headers: true
  sampler: parentbased_traceidratio
  samplerArgument: "0.1"
  resourceAttributes: {deployment.environment.name: production, team: agents}
  trustTraceparent: true
gateway:
  publicUrl: https://codex.example.com
  admin: {email: admin@example.com}
  oidc: {issuer: "https://login.example.com", clientId: codex, adminGroups: [admins], allowedGroups: [staff], returnTo: ["codex://callback"]}
  corsOrigins: ["https://app.example.com"]
  appLinks:
    ios: [ABCDE12345.com.example.app]
    android: ["com.example.app=AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB"]
  trustedProxies: ["10.244.0.0/16", "2001:db8::1"]
  extraEnv: [{name: CODEX_MAX_BODY, value: "1048576"}]
  extraVolumes: [{name: extra, emptyDir: {}}]
  extraVolumeMounts: [{name: extra, mountPath: /extra}]
  affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Exists}]}]}}}
  tolerations: [{key: dedicated, operator: Exists}]
  nodeSelector: {pool: codex}
  priorityClassName: high
  podLabels: {a: b}
  podAnnotations: {c: d}
  serviceAccount: {annotations: {eks.amazonaws.com/role-arn: "arn:aws:iam::1:role/codex"}}
networkPolicy:
  enforced: true
  gatewayFrom: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress}}}]
  extraEgress: [{to: [{ipBlock: {cidr: 169.254.170.23/32}}], ports: [{port: 80}]}]
ingress: {enabled: true, className: nginx, controller: nginx, annotations: {cert-manager.io/cluster-issuer: letsencrypt}}
gatewayApi: {enabled: true, parentRefs: [{name: public, namespace: gateways}]}
monitoring:
  serviceMonitor: {enabled: true, labels: {release: prometheus}}
  prometheusRule: {enabled: true}
  dashboard: {enabled: true}
backup:
  database: {enabled: true, destination: "backup:codex/postgresql"}
  archive: {enabled: true, source: "logs:logs/codex", destination: "backup:codex/archive"}
`},
	"development": {`
development: {postgresql: {enabled: true}, redis: {enabled: true}, s3: {enabled: true}}
gateway: {replicas: 1, autoscaling: {enabled: false}, admin: {email: admin@localhost.example}, service: {type: NodePort, nodePort: 30080}}
operator: {replicas: 1, spool: {persistent: false, size: 1Gi, taskBytes: 65536, totalBytes: 1000000}}
podProxy: {replicas: 1}
tasks: {allowHostPath: true}
backup:
  database: {enabled: true, destination: "backup:codex/postgresql"}
  archive: {enabled: true, source: "logs:codex", destination: "backup:codex/archive"}
`},
	"bare": {stores, `
redis: {password: false}
archive: {credentials: false}
admissionPolicy: {enabled: false}
crds: {enabled: false}
rbac: {create: false}
tasks: {namespace: {create: false, name: agents}}
gateway: {podDisruptionBudget: {enabled: false}, publicUrl: "https://codex.example.com", oidc: {issuer: "https://login.example.com", clientId: codex, clientSecret: false}}
operator: {podDisruptionBudget: {enabled: false}}
podProxy: {podDisruptionBudget: {enabled: false}, discovery: dns}
networkPolicy: {enabled: false}
`},
	"IPv6, DNS, haproxy": {stores, `
listenAddress: "[::]"
podProxy: {discovery: dns}
ingress: {enabled: true, controller: haproxy, tlsSecret: ""}
networkPolicy: {dnsTo: [{ipBlock: {cidr: "fd00::a/128"}}], monitoringFrom: []}
`},
	"fixed proxy address, ALB": {stores, `
podProxy: {service: {clusterIP: 10.96.7.7}}
ingress: {enabled: true, controller: alb, className: alb}
crds: {keep: false}
tasks: {namespace: {keep: false, labels: {team: agents}}}
operator: {spool: {storageClass: fast}}
`},
}

// eachOfMatrix runs a test for every combination.
func eachOfMatrix(t *testing.T, test func(t *testing.T, objects []object)) {
	t.Helper()
	for name, all := range matrix {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, render(t, all...))
		})
	}
}

// read returns a file of the project.
func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
