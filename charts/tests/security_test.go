package tests

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"
)

// pod is the Pod that an object makes.
type pod struct {
	metav1.ObjectMeta
	corev1.PodSpec
	of object
}

// pods returns all Pods that the objects make.
func pods(t *testing.T, objects []object) []pod {
	t.Helper()
	var all []pod
	for _, object := range objects {
		switch object.GetKind() {
		case "Deployment":
			deployment := into[appsv1.Deployment](t, object)
			all = append(all, pod{deployment.Spec.Template.ObjectMeta, deployment.Spec.Template.Spec, object})
		case "StatefulSet":
			set := into[appsv1.StatefulSet](t, object)
			all = append(all, pod{set.Spec.Template.ObjectMeta, set.Spec.Template.Spec, object})
		case "CronJob":
			job := into[batchv1.CronJob](t, object)
			template := job.Spec.JobTemplate.Spec.Template
			all = append(all, pod{template.ObjectMeta, template.Spec, object})
		case "Pod":
			single := into[corev1.Pod](t, object)
			all = append(all, pod{single.ObjectMeta, single.Spec, object})
		case "Job", "DaemonSet", "ReplicaSet":
			t.Fatalf("%s: the tests do not look into this kind yet", object)
		}
	}
	return all
}

func into[T any](t *testing.T, object object) *T {
	t.Helper()
	typed := new(T)
	if err := yaml.UnmarshalStrict([]byte(object.text), typed); err != nil {
		t.Fatalf("%s: %v", object, err)
	}
	return typed
}

func (p pod) allContainers() []corev1.Container {
	return slices.Concat(p.InitContainers, p.Containers)
}

// TestEveryPodPassesRestricted asks Kubernetes' own admission.
func TestEveryPodPassesRestricted(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	eachOfMatrix(t, func(t *testing.T, objects []object) {
		for _, pod := range pods(t, objects) {
			for _, result := range evaluator.EvaluatePod(restricted, &pod.ObjectMeta, &pod.PodSpec) {
				if !result.Allowed {
					t.Errorf("%s: %s: %s", pod.of, result.ForbiddenReason, result.ForbiddenDetail)
				}
			}
		}
	})
}

// TestEveryContainerIsHardened asks for what `restricted` does not.
func TestEveryContainerIsHardened(t *testing.T) {
	eachOfMatrix(t, func(t *testing.T, objects []object) {
		for _, pod := range pods(t, objects) {
			if pod.AutomountServiceAccountToken == nil {
				t.Errorf("%s: it does not say whether it mounts a token", pod.of)
			}
			if pod.HostNetwork || pod.HostPID || pod.HostIPC {
				t.Errorf("%s: it uses namespaces of the node", pod.of)
			}
			for _, container := range pod.allContainers() {
				where := pod.of.String() + ": container " + container.Name
				context := container.SecurityContext
				if context == nil || context.ReadOnlyRootFilesystem == nil || !*context.ReadOnlyRootFilesystem {
					t.Errorf("%s: its root is writable", where)
				}
				if context == nil || context.SeccompProfile == nil || context.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
					t.Errorf("%s: it has no seccomp profile", where)
				}
				for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage} {
					if container.Resources.Requests.Name(name, "").IsZero() || container.Resources.Limits.Name(name, "").IsZero() {
						t.Errorf("%s: no request or limit of %s", where, name)
					}
				}
				checkImage(t, where, container.Image)
			}
		}
	})
}

var tagOrDigest = regexp.MustCompile(`^[a-z0-9.-]+(/[a-z0-9._-]+)+(:[A-Za-z0-9][A-Za-z0-9._-]*|@sha256:[0-9a-f]{64})$`)

func checkImage(t *testing.T, where, image string) {
	t.Helper()
	if !tagOrDigest.MatchString(image) || strings.HasSuffix(image, ":latest") {
		t.Errorf("%s: image %q has no registry, or no fixed version", where, image)
	}
}

// TestSecretsAreFiles: nothing of a Secret is in an environment, where every child and every crash report has it.
func TestSecretsAreFiles(t *testing.T) {
	suspicious := regexp.MustCompile(`(?i)(password|secret|token|api_?key|credential|private)`)
	eachOfMatrix(t, func(t *testing.T, objects []object) {
		for _, object := range objects {
			if object.GetKind() == "Secret" {
				t.Errorf("%s: the chart makes no Secrets", object)
			}
		}
		for _, pod := range pods(t, objects) {
			for _, container := range pod.allContainers() {
				if len(container.EnvFrom) > 0 {
					t.Errorf("%s: envFrom", pod.of)
				}
				for _, variable := range container.Env {
					if variable.ValueFrom != nil && variable.ValueFrom.SecretKeyRef != nil {
						t.Errorf("%s: %s comes from a Secret", pod.of, variable.Name)
					}
					is_path := strings.HasPrefix(variable.Value, "/run/secrets/")
					is_number := regexp.MustCompile(`^[0-9]+$`).MatchString(variable.Value)
					if suspicious.MatchString(variable.Name) && !is_path && !is_number {
						t.Errorf("%s: %s=%q is no file of a secret", pod.of, variable.Name, variable.Value)
					}
					if regexp.MustCompile(`://[^/@]*:[^/@]*@`).MatchString(variable.Value) {
						t.Errorf("%s: %s has a password in it", pod.of, variable.Name)
					}
				}
			}
		}
	})
}

// TestEachProgramGetsItsOwnSecrets: the table is the design, so a change of it has to be meant.
func TestEachProgramGetsItsOwnSecrets(t *testing.T) {
	want := map[string][]string{
		"codex-gateway":   {"admin-password", "archive-credentials", "database-url", "oidc-client-secret", "otlp-headers", "redis-ca.crt", "redis-password", "signing keys"},
		"codex-operator":  {"archive-credentials", "nonce.key", "otlp-headers", "redis-ca.crt", "redis-password", "task-token.key"},
		"codex-pod-proxy": {"archive-credentials", "model-api-key", "otlp-headers", "task-token.pub"},
	}
	for _, pod := range pods(t, render(t, matrix["everything"]...)) {
		keys, isComponent := want[pod.of.GetName()]
		if !isComponent {
			continue
		}
		var got []string
		for _, volume := range pod.Volumes {
			if volume.Secret != nil {
				if volume.Secret.SecretName != "codex-remote-runner-signing-keys" {
					t.Errorf("%s: the whole Secret %s", pod.of, volume.Secret.SecretName)
				}
				got = append(got, "signing keys")
			}
			if volume.Projected != nil {
				for _, source := range volume.Projected.Sources {
					if source.Secret == nil || len(source.Secret.Items) != 1 {
						t.Fatalf("%s: a source that is not one key of a Secret", pod.of)
					}
					got = append(got, source.Secret.Items[0].Key)
				}
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, keys) {
			t.Errorf("%s has %v, not %v", pod.of, got, keys)
		}
	}
}

// TestFilesThatVariablesNameAreMounted finds a variable that names a file which no volume brings.
func TestFilesThatVariablesNameAreMounted(t *testing.T) {
	eachOfMatrix(t, func(t *testing.T, objects []object) {
		for _, pod := range pods(t, objects) {
			files := map[string]bool{}
			for _, container := range pod.allContainers() {
				for _, mount := range container.VolumeMounts {
					for _, volume := range pod.Volumes {
						if volume.Name == mount.Name {
							for _, file := range filesOf(volume) {
								files[mount.MountPath+"/"+file] = true
							}
							files[mount.MountPath] = true
						}
					}
				}
				for _, variable := range container.Env {
					if strings.HasPrefix(variable.Value, "/run/secrets/") && !files[variable.Value] {
						t.Errorf("%s: %s=%s, but there is no such file", pod.of, variable.Name, variable.Value)
					}
				}
				for _, argument := range container.Args {
					for _, path := range regexp.MustCompile(`/run/secrets/[\w./-]+`).FindAllString(argument, -1) {
						if !files[path] {
							t.Errorf("%s: its script reads %s, but there is no such file", pod.of, path)
						}
					}
				}
			}
		}
	})
}

func filesOf(volume corev1.Volume) []string {
	var files []string
	if volume.Secret != nil {
		for _, item := range volume.Secret.Items {
			files = append(files, item.Path)
		}
	}
	if volume.Projected != nil {
		for _, source := range volume.Projected.Sources {
			for _, item := range source.Secret.Items {
				files = append(files, item.Path)
			}
		}
	}
	return files
}

func TestTheNamespaceOfTheTasksEnforcesRestricted(t *testing.T) {
	level := func(objects []object) string {
		return find(t, objects, "Namespace", "codex-tasks").GetLabels()["pod-security.kubernetes.io/enforce"]
	}
	if got := level(render(t, stores)); got != "restricted" {
		t.Errorf("it enforces %q", got)
	}
	// Somebody's own labels do not lower it.
	own := values(`tasks: {namespace: {labels: {pod-security.kubernetes.io/enforce: privileged, team: a}}}`)
	if got := level(render(t, stores, own)); got != "restricted" {
		t.Errorf("with labels of one's own it enforces %q", got)
	}
	if got := level(render(t, stores, "tasks: {allowHostPath: true}")); got != "privileged" {
		t.Errorf("with folders of the node it enforces %q", got)
	}
}

// TestTheScriptMakesAllKeys: what Pods mount is what scripts/create-cluster-secrets makes, or asks for.
func TestTheScriptMakesAllKeys(t *testing.T) {
	script := read(t, "scripts/create-cluster-secrets")
	external := []string{"otlp-headers", "redis-ca.crt", "oidc-client-secret", "rclone.conf"}
	check := func(pod pod, key string) {
		if !slices.Contains(external, key) && !regexp.MustCompile(`\b`+regexp.QuoteMeta(key)+`\b`).MatchString(script) {
			t.Errorf("%s mounts %s, which the script does not know", pod.of, key)
		}
	}
	for _, name := range []string{"everything", "development"} {
		for _, pod := range pods(t, render(t, matrix[name]...)) {
			for _, volume := range pod.Volumes {
				if volume.Secret != nil {
					for _, item := range volume.Secret.Items {
						check(pod, item.Key)
					}
				}
				if volume.Projected != nil {
					for _, source := range volume.Projected.Sources {
						check(pod, source.Secret.Items[0].Key)
					}
				}
			}
		}
	}
}
