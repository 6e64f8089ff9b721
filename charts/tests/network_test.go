package tests

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// peer is a Pod, or an address outside of the cluster, as policies see it.
type peer struct {
	namespace string
	labels    map[string]string
	// outside is for addresses.
	outside bool
}

func component(name string) peer {
	return peer{namespace: namespace, labels: map[string]string{
		"app.kubernetes.io/name": "codex-remote-runner", "app.kubernetes.io/instance": "codex", "app.kubernetes.io/component": name,
	}}
}

var (
	task       = peer{namespace: "codex-tasks", labels: map[string]string{"app.kubernetes.io/managed-by": "codex-operator"}}
	other      = peer{namespace: "default", labels: map[string]string{"app": "other"}}
	dns        = peer{namespace: "kube-system", labels: map[string]string{"k8s-app": "kube-dns"}}
	prometheus = peer{namespace: "monitoring", labels: map[string]string{"app": "prometheus"}}
	internet   = peer{outside: true}
)

// network decides what policies let pass, by the rules of Kubernetes.
type network []networkingv1.NetworkPolicy

func networkOf(t *testing.T, objects []object) network {
	t.Helper()
	var all network
	for _, object := range objects {
		if object.GetKind() == "NetworkPolicy" {
			all = append(all, *into[networkingv1.NetworkPolicy](t, object))
		}
	}
	return all
}

func (n network) reaches(t *testing.T, from, to peer, port int32) bool {
	t.Helper()
	egress := n.allows(t, from, networkingv1.PolicyTypeEgress, to, port)
	return egress && n.allows(t, to, networkingv1.PolicyTypeIngress, from, port)
}

func (n network) allows(t *testing.T, pod peer, direction networkingv1.PolicyType, remote peer, port int32) bool {
	t.Helper()
	if pod.outside {
		return true
	}
	isolated := false
	for _, policy := range n {
		if policy.Namespace != pod.namespace || !matches(t, &policy.Spec.PodSelector, pod.labels) || !slices.Contains(policy.Spec.PolicyTypes, direction) {
			continue
		}
		isolated = true
		if direction == networkingv1.PolicyTypeEgress {
			for _, rule := range policy.Spec.Egress {
				if hasPort(rule.Ports, port) && hasPeer(t, policy.Namespace, rule.To, remote) {
					return true
				}
			}
		} else {
			for _, rule := range policy.Spec.Ingress {
				if hasPort(rule.Ports, port) && hasPeer(t, policy.Namespace, rule.From, remote) {
					return true
				}
			}
		}
	}
	return !isolated
}

func hasPort(ports []networkingv1.NetworkPolicyPort, port int32) bool {
	return len(ports) == 0 || slices.ContainsFunc(ports, func(p networkingv1.NetworkPolicyPort) bool { return p.Port.IntVal == port })
}

func hasPeer(t *testing.T, own string, peers []networkingv1.NetworkPolicyPeer, remote peer) bool {
	t.Helper()
	return len(peers) == 0 || slices.ContainsFunc(peers, func(p networkingv1.NetworkPolicyPeer) bool {
		if p.IPBlock != nil {
			// Policies for addresses are not meant for Pods of the cluster, though some plugins let them pass.
			return remote.outside
		}
		if remote.outside {
			return false
		}
		inNamespace := own == remote.namespace
		if p.NamespaceSelector != nil {
			inNamespace = matches(t, p.NamespaceSelector, map[string]string{"kubernetes.io/metadata.name": remote.namespace})
		}
		return inNamespace && (p.PodSelector == nil || matches(t, p.PodSelector, remote.labels))
	})
}

func matches(t *testing.T, selector *metav1.LabelSelector, set map[string]string) bool {
	t.Helper()
	parsed, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Matches(labels.Set(set))
}

// TestWhoReachesWhom goes through all pairs: what is not in the table must not pass.
func TestWhoReachesWhom(t *testing.T) {
	const development values = `
development: {postgresql: {enabled: true}, redis: {enabled: true}, s3: {enabled: true}}
backup:
  database: {enabled: true, destination: "b:c"}
  archive: {enabled: true, source: "a:c", destination: "b:c"}
networkPolicy: {gatewayFrom: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress}}}]}
`
	network := networkOf(t, render(t, development))
	controller := peer{namespace: "ingress", labels: map[string]string{"app": "controller"}}
	peers := map[string]peer{
		"task": task, "other": other, "dns": dns, "prometheus": prometheus, "internet": internet, "controller": controller,
		"gateway": component("gateway"), "operator": component("operator"), "pod-proxy": component("pod-proxy"), "test": component("test"),
		"postgresql": component("postgresql"), "redis": component("redis"), "s3": component("s3"),
		"backup-database": component("backup-database"), "backup-archive": component("backup-archive"),
		// A Pod of the release that nobody has thought of, and one in the namespace of the tasks that is not the operator's.
		"unknown": component("unknown"), "stray": {namespace: "codex-tasks"},
	}
	ports := []int32{53, 80, 443, 5432, 6379, 6443, 7070, 8080, 8787, 9090}
	want := map[[2]string][]int32{
		{"task", "pod-proxy"}:             {8787},
		{"controller", "gateway"}:         {8080},
		{"test", "gateway"}:               {8080},
		{"prometheus", "gateway"}:         {8080},
		{"prometheus", "operator"}:        {9090},
		{"prometheus", "pod-proxy"}:       {9090},
		{"gateway", "postgresql"}:         {5432},
		{"backup-database", "postgresql"}: {5432},
		{"gateway", "redis"}:              {6379},
		{"operator", "redis"}:             {6379},
		{"gateway", "s3"}:                 {7070},
		{"operator", "s3"}:                {7070},
		{"pod-proxy", "s3"}:               {7070},
		{"backup-archive", "s3"}:          {7070},
		{"gateway", "internet"}:           {443, 6443},
		{"operator", "internet"}:          {443, 6443},
		{"pod-proxy", "internet"}:         {443},
		{"backup-database", "internet"}:   {443},
		{"backup-archive", "internet"}:    {443},
		{"gateway", "dns"}:                {53},
		{"operator", "dns"}:               {53},
		{"pod-proxy", "dns"}:              {53},
		{"test", "dns"}:                   {53},
		{"backup-database", "dns"}:        {53},
		{"backup-archive", "dns"}:         {53},
	}
	ours := func(name string) bool {
		return peers[name].namespace == namespace || peers[name].namespace == "codex-tasks"
	}
	for from := range peers {
		for to := range peers {
			if !ours(from) && !ours(to) {
				continue
			}
			for _, port := range ports {
				passes := network.reaches(t, peers[from], peers[to], port)
				if wanted := slices.Contains(want[[2]string{from, to}], port); passes != wanted {
					t.Errorf("%s -> %s:%d passes: %v, wanted: %v", from, to, port, passes, wanted)
				}
			}
		}
	}
}

func TestTasksAskNoDnsUnlessTheyMust(t *testing.T) {
	for discovery, wanted := range map[values]bool{"podProxy: {discovery: alias}": false, "podProxy: {discovery: dns}": true} {
		network := networkOf(t, render(t, stores, discovery))
		if network.reaches(t, task, dns, 53) != wanted {
			t.Errorf("%s: DNS is reached: %v", discovery, !wanted)
		}
		if network.reaches(t, task, internet, 53) || network.reaches(t, task, internet, 443) {
			t.Errorf("%s: tasks reach the internet", discovery)
		}
	}
}

func TestExternalStoresAreReached(t *testing.T) {
	network := networkOf(t, render(t, stores, `networkPolicy: {database: {to: [{ipBlock: {cidr: 10.1.0.0/16}}], ports: [6432]}}`))
	if !network.reaches(t, component("gateway"), internet, 6432) {
		t.Error("the gateway does not reach the database")
	}
	if network.reaches(t, component("operator"), internet, 6432) || network.reaches(t, component("pod-proxy"), internet, 6432) {
		t.Error("others reach the database")
	}
}

// TestLinkLocalAddressesAreClosed: clouds hand out the credentials of the machine there.
func TestLinkLocalAddressesAreClosed(t *testing.T) {
	for _, policy := range networkOf(t, render(t, stores)) {
		for _, rule := range policy.Spec.Egress {
			for _, to := range rule.To {
				if to.IPBlock != nil && !slices.Contains(to.IPBlock.Except, "169.254.0.0/16") {
					t.Errorf("%s: %s has no exception", policy.Name, to.IPBlock.CIDR)
				}
			}
		}
	}
}

// TestPoliciesKnowTheOperatorsPods: the label in the policies is the one that the operator gives.
func TestPoliciesKnowTheOperatorsPods(t *testing.T) {
	names := read(t, "crds/src/meta.rs")
	for label, value := range task.labels {
		for constant, text := range map[string]string{"MANAGED_BY_LABEL": label, "OPERATOR_NAME": value} {
			if !strings.Contains(names, fmt.Sprintf("pub const %s: &str = %q;", constant, text)) {
				t.Errorf("%s is not %q any more", constant, text)
			}
		}
	}
}
