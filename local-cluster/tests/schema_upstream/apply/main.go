// Command apply replays stories of server-side apply with the field manager of Kubernetes.
//
// It reads {"schema": ..., "stories": [[{"manager", "force", "apply" | "update"}, ...], ...]} on
// standard input and writes the same stories with what came of each step: "result", the object,
// or "conflicts". tests/schema_upstream.rs checks that we come to the same.
package main

import (
	"encoding/json"
	"log"
	"os"
	"sort"

	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

type step struct {
	Manager   string         `json:"manager"`
	Force     bool           `json:"force,omitempty"`
	Apply     map[string]any `json:"apply,omitempty"`
	Update    map[string]any `json:"update,omitempty"`
	Result    map[string]any `json:"result,omitempty"`
	Conflicts []string       `json:"conflicts,omitempty"`
}

type input struct {
	Schema  map[string]any `json:"schema"`
	Stories [][]*step      `json:"stories"`
}

var kind = schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Widget"}

// identity stands for conversion, defaulting and creation: there is one version and no default.
type identity struct{}

func (identity) Convert(in, out, context any) error { panic("not used") }
func (identity) ConvertToVersion(in runtime.Object, _ runtime.GroupVersioner) (runtime.Object, error) {
	return in, nil
}
func (identity) ConvertFieldLabel(_ schema.GroupVersionKind, label, value string) (string, string, error) {
	return label, value, nil
}
func (identity) Default(runtime.Object) {}
func (identity) New(schema.GroupVersionKind) (runtime.Object, error) {
	return empty(), nil
}

func empty() *unstructured.Unstructured {
	out := &unstructured.Unstructured{Object: map[string]any{}}
	out.SetGroupVersionKind(kind)
	return out
}

func main() {
	log.SetFlags(0)
	var in input
	decoder := json.NewDecoder(os.Stdin)
	if err := decoder.Decode(&in); err != nil {
		log.Fatal(err)
	}
	manager := fieldManager(in.Schema)
	for _, story := range in.Stories {
		replay(manager, story)
	}
	if err := json.NewEncoder(os.Stdout).Encode(in); err != nil {
		log.Fatal(err)
	}
}

func fieldManager(of map[string]any) *managedfields.FieldManager {
	text, err := json.Marshal(of)
	if err != nil {
		log.Fatal(err)
	}
	var parsed spec.Schema
	if err := json.Unmarshal(text, &parsed); err != nil {
		log.Fatal(err)
	}
	converter, err := managedfields.NewTypeConverter(map[string]*spec.Schema{"Widget": &parsed}, false)
	if err != nil {
		log.Fatal(err)
	}
	manager, err := managedfields.NewDefaultCRDFieldManager(
		converter, identity{}, identity{}, identity{}, kind, kind.GroupVersion(), "", nil)
	if err != nil {
		log.Fatal(err)
	}
	return manager
}

func replay(manager *managedfields.FieldManager, story []*step) {
	live := empty()
	for _, step := range story {
		next, err := play(manager, live, step)
		if status, ok := err.(*errors.StatusError); ok && errors.IsConflict(err) {
			for _, cause := range status.ErrStatus.Details.Causes {
				step.Conflicts = append(step.Conflicts, cause.Message+": "+cause.Field)
			}
			sort.Strings(step.Conflicts)
			continue
		}
		if err != nil {
			log.Fatal(err)
		}
		live = next
		// Times are not part of the comparison. A uid tells an update from a creation.
		fields := live.GetManagedFields()
		for i := range fields {
			fields[i].Time = nil
		}
		live.SetManagedFields(fields)
		live.SetUID("u")
		dropNulls(live.Object)
		step.Result = live.DeepCopy().Object
	}
}

// dropNulls does what an API server does to nulls of fields that are not nullable.
func dropNulls(value any) {
	switch value := value.(type) {
	case map[string]any:
		for key, field := range value {
			if field == nil {
				delete(value, key)
			} else {
				dropNulls(field)
			}
		}
	case []any:
		for _, item := range value {
			dropNulls(item)
		}
	}
}

func play(manager *managedfields.FieldManager, live *unstructured.Unstructured, step *step) (*unstructured.Unstructured, error) {
	var (
		out runtime.Object
		err error
	)
	if step.Apply != nil {
		applied := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(step.Apply)}
		out, err = manager.Apply(live.DeepCopy(), applied, step.Manager, step.Force)
	} else {
		updated := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(step.Update)}
		updated.SetUID(live.GetUID())
		out, err = manager.Update(live.DeepCopy(), updated, step.Manager)
	}
	if err != nil {
		return nil, err
	}
	return out.(*unstructured.Unstructured), nil
}
