package tests

import (
	"maps"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/labels"
)

func TestSelectorsFindTheirPodsAndNoOthers(t *testing.T) {
	eachOfMatrix(t, func(t *testing.T, objects []object) {
		all := pods(t, objects)
		for _, object := range objects {
			var selector labels.Selector
			switch object.GetKind() {
			case "Service":
				selector = labels.SelectorFromSet(into[corev1.Service](t, object).Spec.Selector)
			case "PodDisruptionBudget":
				selector = labels.SelectorFromSet(into[policyv1.PodDisruptionBudget](t, object).Spec.Selector.MatchLabels)
			case "Deployment":
				selector = labels.SelectorFromSet(into[appsv1.Deployment](t, object).Spec.Selector.MatchLabels)
			case "StatefulSet":
				selector = labels.SelectorFromSet(into[appsv1.StatefulSet](t, object).Spec.Selector.MatchLabels)
			default:
				continue
			}
			component := object.GetLabels()["app.kubernetes.io/component"]
			found := 0
			for _, pod := range all {
				if selector.Matches(labels.Set(pod.Labels)) {
					found++
					if pod.Labels["app.kubernetes.io/component"] != component {
						t.Errorf("%s selects %s", object, pod.of)
					}
				}
			}
			if found != 1 {
				t.Errorf("%s selects %d kinds of Pods", object, found)
			}
		}
	})
}

func TestServicePortsLeadToContainers(t *testing.T) {
	eachOfMatrix(t, func(t *testing.T, objects []object) {
		for _, object := range objects {
			if object.GetKind() != "Service" {
				continue
			}
			service := into[corev1.Service](t, object)
			for _, pod := range pods(t, objects) {
				if !labels.SelectorFromSet(service.Spec.Selector).Matches(labels.Set(pod.Labels)) {
					continue
				}
				for _, port := range service.Spec.Ports {
					hasPort := func(container corev1.Container) bool {
						return slices.ContainsFunc(container.Ports, func(p corev1.ContainerPort) bool { return p.Name == port.TargetPort.StrVal })
					}
					if !slices.ContainsFunc(pod.Containers, hasPort) {
						t.Errorf("%s: no container of %s has the port %s", object, pod.of, port.TargetPort.StrVal)
					}
				}
			}
		}
	})
}

// TestReferencesLeadSomewhere: names in one object that must be those of another.
func TestReferencesLeadSomewhere(t *testing.T) {
	objects := render(t, matrix["everything"]...)
	find(t, objects, "Deployment", into[autoscalingv2.HorizontalPodAutoscaler](t, find(t, objects, "HorizontalPodAutoscaler", "codex-gateway")).Spec.ScaleTargetRef.Name)
	backend := into[networkingv1.Ingress](t, find(t, objects, "Ingress", "codex-gateway")).Spec.Rules[0].HTTP.Paths[0].Backend.Service
	service := into[corev1.Service](t, find(t, objects, "Service", backend.Name))
	if service.Spec.Ports[0].Name != backend.Port.Name {
		t.Errorf("the Ingress names the port %q", backend.Port.Name)
	}
	for _, pod := range pods(t, objects) {
		if pod.ServiceAccountName != "" {
			find(t, objects, "ServiceAccount", pod.ServiceAccountName)
		}
		for _, volume := range pod.Volumes {
			if volume.ConfigMap != nil {
				find(t, objects, "ConfigMap", volume.ConfigMap.Name)
			}
		}
	}
	for _, object := range objects {
		if object.GetKind() == "RoleBinding" {
			binding := into[rbacv1.RoleBinding](t, object)
			find(t, objects, "Role", binding.RoleRef.Name)
			find(t, objects, "ServiceAccount", binding.Subjects[0].Name)
			if binding.Subjects[0].Namespace != namespace {
				t.Errorf("%s: the account is in %s", object, binding.Subjects[0].Namespace)
			}
		}
	}
}

// TestNamesFit renders with names of releases of all kinds. The longest that Helm takes has 53 characters.
func TestNamesFit(t *testing.T) {
	long := strings.Repeat("a-very-long-name-of-a-release-", 2)[:53]
	seen := map[string]string{}
	for _, release := range []string{"codex", "a", "0-begins-with-a-digit", long, strings.TrimRight(long[:52], "-") + "z", "my-codex-production"} {
		objects, err := renderRelease(release, matrix["everything"]...)
		if err != nil {
			t.Fatal(err)
		}
		for _, object := range objects {
			if err := validate(object); err != nil {
				t.Errorf("release %s: %s: %v", release, object, err)
			}
			// StatefulSets and CronJobs add to their names, which become labels.
			limit := 63
			if kind := object.GetKind(); kind == "CronJob" || kind == "StatefulSet" {
				limit = 52
			}
			if len(object.GetName()) > limit && object.GetKind() != "CustomResourceDefinition" {
				t.Errorf("release %s: %s has %d characters", release, object, len(object.GetName()))
			}
		}
		deployment := objects[slices.IndexFunc(objects, func(o object) bool { return o.GetKind() == "Deployment" })].GetName()
		if other, taken := seen[deployment]; taken {
			t.Errorf("releases %s and %s have the same names", release, other)
		}
		seen[deployment] = release
	}
}

func TestObjectsAreUniqueAndLabelled(t *testing.T) {
	eachOfMatrix(t, func(t *testing.T, objects []object) {
		seen := map[string]bool{}
		for _, object := range objects {
			key := object.GetKind() + " " + object.GetNamespace() + "/" + object.GetName()
			if seen[key] {
				t.Errorf("%s is there twice", key)
			}
			seen[key] = true
			for _, label := range []string{"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "helm.sh/chart"} {
				if object.GetLabels()[label] == "" {
					t.Errorf("%s has no label %s", object, label)
				}
			}
		}
	})
}

func TestRenderingTwiceIsTheSame(t *testing.T) {
	for name, all := range matrix {
		first, err := renderFiles("codex", all...)
		if err != nil {
			t.Fatal(err)
		}
		second, err := renderFiles("codex", all...)
		if err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(first, second) {
			t.Errorf("%s: the second time is another", name)
		}
	}
}

// TestPodsEndWithinTheirGrace: the hook, the drain, and something for the end itself.
func TestPodsEndWithinTheirGrace(t *testing.T) {
	slow := values(`{gateway: {drainSeconds: 300, preStopSeconds: 30}, podProxy: {drainSeconds: 900}}`)
	for _, pod := range pods(t, render(t, stores, slow)) {
		for _, container := range pod.Containers {
			needed := int64(0)
			if container.Lifecycle != nil {
				needed += container.Lifecycle.PreStop.Sleep.Seconds
			}
			for _, variable := range container.Env {
				if variable.Name == "CODEX_DRAIN_SECONDS" {
					seconds := map[string]int64{"300": 300, "900": 900}[variable.Value]
					if seconds == 0 {
						t.Fatalf("%s: CODEX_DRAIN_SECONDS=%s", pod.of, variable.Value)
					}
					needed += seconds
				}
			}
			if needed > 0 && *pod.TerminationGracePeriodSeconds < needed+10 {
				t.Errorf("%s needs %d s and has %d", pod.of, needed, *pod.TerminationGracePeriodSeconds)
			}
		}
	}
}

// TestSeveralOperatorsTakeTurns: without the Lease, two would fight.
func TestSeveralOperatorsTakeTurns(t *testing.T) {
	for _, pod := range pods(t, render(t, stores)) {
		if pod.of.GetName() != "codex-operator" {
			continue
		}
		env := map[string]string{}
		for _, variable := range pod.Containers[0].Env {
			env[variable.Name] = variable.Value
		}
		if env["CODEX_LEADER_ELECTION"] != "true" || env["CODEX_IDENTITY"] != "$(POD_NAME)_$(POD_UID)" {
			t.Errorf("%v", env)
		}
		// Kubernetes resolves the name of the Service's variable.
		if env["CODEX_HOST_ALIASES"] != "$(CODEX_POD_PROXY_SERVICE_HOST)=pod-proxy" || pod.EnableServiceLinks == nil || !*pod.EnableServiceLinks {
			t.Errorf("CODEX_HOST_ALIASES=%s", env["CODEX_HOST_ALIASES"])
		}
		return
	}
	t.Fatal("there is no operator")
}
