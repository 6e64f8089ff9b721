package tests

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestVariablesAreThoseOfThePrograms: a variable that a program does not know is a setting that does nothing.
func TestVariablesAreThoseOfThePrograms(t *testing.T) {
	folders := map[string]string{"codex-gateway": "gateway", "codex-operator": "operator", "codex-pod-proxy": "pod-proxy"}
	known := map[string]map[string]bool{}
	for name, folder := range folders {
		known[name] = variables(t, folder)
		if len(known[name]) < 10 {
			t.Fatalf("only %d variables in %s", len(known[name]), folder)
		}
	}
	eachOfMatrix(t, func(t *testing.T, objects []object) {
		for _, pod := range pods(t, objects) {
			names, isProgram := known[pod.of.GetName()]
			if !isProgram {
				continue
			}
			for _, variable := range pod.Containers[0].Env {
				if strings.HasPrefix(variable.Name, "CODEX_") && !names[variable.Name] {
					t.Errorf("%s does not know %s", pod.of, variable.Name)
				}
			}
		}
	})
}

// variables finds what a program takes from its environment, in its code.
func variables(t *testing.T, folder string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, match := range regexp.MustCompile(`"(CODEX_[A-Z0-9_]+)"`).FindAllStringSubmatch(allSources(t, folder), -1) {
		found[match[1]] = true
	}
	return found
}

// TestTheOperatorKnowsItsLease: the Role names it.
func TestTheOperatorKnowsItsLease(t *testing.T) {
	if !regexp.MustCompile(`env = "CODEX_LEASE_NAME",\s*default_value = "codex-operator"`).MatchString(allSources(t, "operator")) {
		t.Error("the default of CODEX_LEASE_NAME is another than in the Role of the operator")
	}
}

func allSources(t *testing.T, folder string) string {
	t.Helper()
	var text strings.Builder
	err := filepath.WalkDir(filepath.Join(root, folder, "src"), func(path string, _ os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".rs" {
			return err
		}
		content, err := os.ReadFile(path)
		text.Write(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return text.String()
}
