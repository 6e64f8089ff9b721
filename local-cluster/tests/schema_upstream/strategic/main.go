// Command strategic applies strategic merge patches to Pods as Kubernetes does.
//
// It reads [{"doc", "patch"}, ...] on standard input and writes the same with "result", or
// "refused" where the patch is malformed. Where there is a "target" instead of a patch, the patch
// is the one that kubectl would make. tests/schema_upstream.rs checks that we come to the same.
package main

import (
	"encoding/json"
	"log"
	"os"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

type step struct {
	Doc     json.RawMessage `json:"doc"`
	Target  json.RawMessage `json:"target,omitempty"`
	Patch   json.RawMessage `json:"patch"`
	Result  json.RawMessage `json:"result,omitempty"`
	Refused bool            `json:"refused,omitempty"`
}

func main() {
	log.SetFlags(0)
	var steps []step
	if err := json.NewDecoder(os.Stdin).Decode(&steps); err != nil {
		log.Fatal(err)
	}
	for i := range steps {
		if steps[i].Target != nil {
			patch, err := strategicpatch.CreateTwoWayMergePatch(steps[i].Doc, steps[i].Target, corev1.Pod{})
			if err != nil {
				log.Fatal(err)
			}
			steps[i].Patch = patch
		}
		result, err := strategicpatch.StrategicMergePatch(steps[i].Doc, steps[i].Patch, corev1.Pod{})
		steps[i].Result, steps[i].Refused = result, err != nil
	}
	if err := json.NewEncoder(os.Stdout).Encode(steps); err != nil {
		log.Fatal(err)
	}
}
