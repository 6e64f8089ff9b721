package tests

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
)

// TestLint is `helm lint --strict`.
func TestLint(t *testing.T) {
	for name, all := range matrix {
		merged := map[string]any{}
		for _, text := range all {
			layer, err := loader.LoadValues(strings.NewReader(string(text)))
			if err != nil {
				t.Fatal(err)
			}
			merged = loader.MergeMaps(merged, layer)
		}
		for _, message := range lint.RunAll(chartFolder, merged, namespace).Messages {
			// An icon is the one thing that is recommended and not there.
			if message.Severity >= support.WarningSev {
				t.Errorf("%s: %s", name, message)
			}
		}
	}
}

// TestWrongValuesAreRefused: each with a message that names the key.
func TestWrongValuesAreRefused(t *testing.T) {
	wrong := map[values]string{
		`gateway: {replica: 3}`:                                                          "replica",
		`gateway: {drainSeconds: 601}`:                                                   "drainSeconds",
		`gateway: {drainSeconds: "20"}`:                                                  "drainSeconds",
		`gateway: {auditDays: 7}`:                                                        "auditDays",
		`gateway: {publicUrl: "https://a.example/path"}`:                                 "publicUrl",
		`gateway: {limits: {writes: many}}`:                                              "writes",
		`gateway: {limits: {failing: maybe}}`:                                            "failing",
		`tasks: {userNamespaces: perhaps}`:                                               "userNamespaces",
		`tasks: {tolerations: ["a=b:Never"]}`:                                            "tolerations",
		`repositories: [{name: app}]`:                                                    "spec",
		`telemetry: {endpoint: "http://user:key@host"}`:                                  "endpoint",
		`telemetry: {sampler: sometimes}`:                                                "sampler",
		`admissionPolicy: {otherPods: warn}`:                                             "otherPods",
		`podProxy: {discovery: magic}`:                                                   "discovery",
		`redis: {url: "redis://:password@host"}`:                                         "url",
		`archive: {location: /srv/logs}`:                                                 "location",
		`model: {url: "https://user:key@host"}`:                                          "url",
		`tasks: {runner: {digest: "sha256:123"}}`:                                        "digest",
		`tasks: {namespace: {name: Upper}}`:                                              "name",
		`ingress: {controller: apache}`:                                                  "controller",
		`secrets: {databaseUrl: {key: "a/b"}}`:                                           "key",
		`fullnameOverride: "a-name-that-is-far-too-long-for-this"`:                       "fullnameOverride",
		`backup: {database: {enabled: true}}`:                                            "backup.database.destination is required",
		`gatewayApi: {enabled: true}`:                                                    "gatewayApi.parentRefs is required",
		`gateway: {publicUrl: "https://b.example", oidc: {issuer: "https://a.example"}}`: "gateway.oidc.clientId is required",
		`gateway: {oidc: {issuer: "https://a.example", clientId: a}}`:                    "gateway.publicUrl is required",
	}
	for text, part := range wrong {
		_, err := renderRelease("codex", stores, text)
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for text, part := range map[values]string{
		`archive: {location: "s3://a"}`:    "redis.url is required",
		`redis: {url: "redis://a:6379/0"}`: "archive.location is required",
	} {
		if _, err := renderRelease("codex", text); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestEveryValueIsUsed: a key that no template reads is a promise that nobody keeps.
func TestEveryValueIsUsed(t *testing.T) {
	loaded, err := loadChart()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, file := range loaded.Templates {
		text.Write(file.Data)
	}
	templates := text.String()
	var walk func(path string, value any)
	walk = func(path string, value any) {
		if inner, isMap := value.(map[string]any); isMap && len(inner) > 0 {
			for key, value := range inner {
				walk(strings.TrimPrefix(path+"."+key, "."), value)
			}
			return
		}
		last := path[strings.LastIndex(path, ".")+1:]
		// Resources and labels are passed on as a whole.
		isPassedOn := strings.Contains(path, ".resources.") || strings.Contains(path, ".labels.")
		if !isPassedOn && !regexp.MustCompile(`\.`+last+`\b`).MatchString(templates) {
			t.Errorf("no template reads %s", path)
		}
	}
	walk("", loaded.Values)
}

// TestEveryValueIsDocumented: a comment stands above each key or the group that it is in.
func TestEveryValueIsDocumented(t *testing.T) {
	lines := strings.Split(read(t, "charts/codex-remote-runner/values.yaml"), "\n")
	count := 0
	for _, line := range lines {
		if strings.HasPrefix(strings.TrimSpace(line), "# -- ") {
			count++
		}
	}
	if count < 100 {
		t.Errorf("only %d keys have a comment", count)
	}
}

// TestTheDefinitionsAreThoseOfTheCode: the chart has a copy, because Helm reads nothing outside of its folder.
func TestTheDefinitionsAreThoseOfTheCode(t *testing.T) {
	if read(t, "charts/codex-remote-runner/files/crds.yaml") != read(t, "crds/generated/crds.yaml") {
		t.Error("run make generate and commit the result")
	}
	objects := render(t, stores)
	for _, name := range []string{"codextasks.codexrunner.io", "codexrepositories.codexrunner.io"} {
		if find(t, objects, "CustomResourceDefinition", name).GetAnnotations()["helm.sh/resource-policy"] != "keep" {
			t.Errorf("%s goes with the release, and all tasks with it", name)
		}
	}
	for _, object := range render(t, stores, "crds: {keep: false}") {
		if object.GetKind() == "CustomResourceDefinition" && object.GetAnnotations()["helm.sh/resource-policy"] != "" {
			t.Errorf("%s stays", object)
		}
	}
}

func TestVersionsAgree(t *testing.T) {
	loaded, err := loadChart()
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^\[workspace\.package\]\nversion = "([^"]+)"`).FindStringSubmatch(read(t, "Cargo.toml"))
	if version == nil || loaded.Metadata.AppVersion != version[1] {
		t.Errorf("the chart is for %s, the programs are %v", loaded.Metadata.AppVersion, version)
	}
}

func TestNotesSayWhatToDoNext(t *testing.T) {
	notes := func(all ...values) string {
		files, err := renderFiles("codex", all...)
		if err != nil {
			t.Fatal(err)
		}
		return files["codex-remote-runner/templates/NOTES.txt"]
	}
	plain := notes(stores)
	for _, part := range []string{"create-cluster-secrets", "rollout status deployment/codex-gateway", "kind: CodexRepository", "port-forward service/codex-gateway", "Nobody can sign in yet"} {
		if !strings.Contains(plain, part) {
			t.Errorf("they do not say %q", part)
		}
	}
	if strings.Contains(plain, "***") {
		t.Error("they warn of something in a plain installation")
	}
	if !strings.Contains(notes(matrix["development"]...), "FOR DEVELOPMENT ONLY") || !strings.Contains(notes(stores, "networkPolicy: {enabled: false}"), "agents reach whatever") {
		t.Error("they do not warn")
	}
}

// TestHelmItself: the program that people run, where it is there, agrees with the library.
func TestHelmItself(t *testing.T) {
	helm, err := filepath.Abs(filepath.Join(root, "target/tools/helm"))
	if err != nil {
		t.Fatal(err)
	}
	for _, arguments := range [][]string{
		{"lint", "--strict", chartFolder, "--set", "redis.url=redis://a:6379/0", "--set", "archive.location=s3://a"},
		{"template", "codex", chartFolder, "--namespace", namespace, "--values", "../codex-remote-runner/values-development.yaml"},
		{"package", chartFolder, "--destination", t.TempDir()},
	} {
		output, err := exec.Command(helm, arguments...).CombinedOutput()
		if err != nil {
			t.Errorf("helm %s: %v\n%s", strings.Join(arguments, " "), err, output)
		}
	}
}

// TestTheSchemaKnowsExactlyTheValues: a key that only one of them has is either refused or not checked.
func TestTheSchemaKnowsExactlyTheValues(t *testing.T) {
	loaded, err := loadChart()
	if err != nil {
		t.Fatal(err)
	}
	type node struct {
		Properties           map[string]*node `json:"properties"`
		AdditionalProperties any              `json:"additionalProperties"`
	}
	var schema node
	if err := json.Unmarshal(loaded.Schema, &schema); err != nil {
		t.Fatal(err)
	}
	var compare func(path string, value any, schema *node)
	compare = func(path string, value any, schema *node) {
		inner, isMap := value.(map[string]any)
		// What people name themselves, such as labels, has no properties in the schema.
		if !isMap || schema.Properties == nil {
			return
		}
		if schema.AdditionalProperties != false {
			t.Errorf("the schema lets any key pass in %q", path)
		}
		for key, value := range inner {
			if schema.Properties[key] == nil {
				t.Errorf("the schema does not know %s.%s", path, key)
			} else {
				compare(path+"."+key, value, schema.Properties[key])
			}
		}
		for key := range schema.Properties {
			// Helm itself passes `global`.
			if _, isThere := inner[key]; !isThere && path+key != "global" {
				t.Errorf("values.yaml does not have %s.%s", path, key)
			}
		}
	}
	compare("", loaded.Values, &schema)
}
