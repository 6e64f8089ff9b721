package tests

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	apiextensionsinternal "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"
)

// definition is what the API server makes of one custom resource definition.
type definition struct {
	structural *schema.Structural
	validator  validation.SchemaValidator
}

var definitions = sync.OnceValues(func() (map[string]definition, error) {
	loaded, err := loadChart()
	if err != nil {
		return nil, err
	}
	found := map[string]definition{}
	for _, file := range loaded.Files {
		if file.Name != "files/crds.yaml" {
			continue
		}
		for document := range strings.SplitSeq("\n"+string(file.Data), "\n---\n") {
			var crd apiextensionsv1.CustomResourceDefinition
			if err := yaml.UnmarshalStrict([]byte(document), &crd); err != nil {
				return nil, err
			}
			if crd.Name == "" {
				continue
			}
			var internal apiextensionsinternal.JSONSchemaProps
			if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(crd.Spec.Versions[0].Schema.OpenAPIV3Schema, &internal, nil); err != nil {
				return nil, err
			}
			structural, err := schema.NewStructural(&internal)
			if err != nil {
				return nil, err
			}
			validator, _, err := validation.NewSchemaValidator(&internal)
			if err != nil {
				return nil, err
			}
			found[crd.Spec.Names.Kind] = definition{structural, validator}
		}
	}
	return found, nil
})

// validateByDefinition does what the API server does with an object of a custom resource: unknown fields, the schema, and its rules.
func validateByDefinition(object object) error {
	all, err := definitions()
	if err != nil {
		return err
	}
	definition, isKnown := all[object.GetKind()]
	if !isKnown {
		return fmt.Errorf("there is no definition of %s", object.GetKind())
	}
	pruned := pruning.PruneWithOptions(object.DeepCopy().Object, definition.structural, true, schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	if len(pruned) > 0 {
		return fmt.Errorf("unknown fields: %v", pruned)
	}
	errors := validation.ValidateCustomResource(field.NewPath(""), object.Object, definition.validator)
	rules := cel.NewValidator(definition.structural, true, celconfig.PerCallLimit)
	violated, _ := rules.Validate(context.Background(), field.NewPath(""), definition.structural, object.Object, nil, celconfig.RuntimeCELCostBudget)
	return append(errors, violated...).ToAggregate()
}

func TestRepositoriesComeFromValues(t *testing.T) {
	objects := render(t, matrix["everything"]...)
	app, web := find(t, objects, "CodexRepository", "app"), find(t, objects, "CodexRepository", "web")
	if app.GetNamespace() != "codex-tasks" || app.GetAnnotations()["codexrunner.io/default"] != "true" {
		t.Errorf("%s is in %s with %v", app, app.GetNamespace(), app.GetAnnotations())
	}
	if _, isDefault := web.GetAnnotations()["codexrunner.io/default"]; isDefault {
		t.Errorf("%s is the default, too", web)
	}
	if !strings.Contains(read(t, "crds/src/meta.rs"), `DEFAULT_REPOSITORY_ANNOTATION: &str = "codexrunner.io/default"`) {
		t.Error("the annotation has another name now")
	}
	// What is wrong with one is found, so the test of the matrix means something.
	for mistake, part := range map[values]string{
		`repositories: [{name: a, spec: {path: /etc, source: {persistentVolumeClaim: {claimName: a}}}}]`:                   "spec.path",
		`repositories: [{name: a, spec: {path: /srv/repos/a, source: {}}}]`:                                                "exactly one of",
		`repositories: [{name: a, spec: {path: /srv/repos/a, source: {persistentVolumeClaim: {claimName: a}}, envs: {}}}]`: "envs",
	} {
		err := validate(find(t, render(t, stores, mistake), "CodexRepository", "a"))
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v", mistake, err)
		}
	}
}

// TestTracesGoWhereTheyAreSent: all three programs name the collector, reach it, and nobody does without it.
func TestTracesGoWhereTheyAreSent(t *testing.T) {
	const telemetry values = `
telemetry: {endpoint: "http://collector.monitoring:4318", headers: true, sampler: parentbased_traceidratio, samplerArgument: "0.1"}
`
	for _, all := range [][]values{{stores}, {stores, telemetry}} {
		objects := render(t, all...)
		network := networkOf(t, objects)
		isOn := len(all) > 1
		for _, name := range []string{"gateway", "operator", "pod-proxy"} {
			if network.reaches(t, component(name), peer{namespace: "monitoring", labels: map[string]string{"app": "collector"}}, 4318) != isOn {
				t.Errorf("telemetry %v: %s reaches the collector: %v", isOn, name, !isOn)
			}
		}
		if network.reaches(t, task, peer{namespace: "monitoring"}, 4318) {
			t.Error("tasks reach the collector")
		}
		for _, pod := range pods(t, objects) {
			variables := map[string]string{}
			for _, variable := range pod.Containers[0].Env {
				variables[variable.Name] = variable.Value
			}
			wanted := map[string]string{}
			if isOn && variables["RUST_LOG"] != "" {
				wanted = map[string]string{
					"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.monitoring:4318", "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
					"OTEL_TRACES_SAMPLER_ARG": "0.1", "OTEL_EXPORTER_OTLP_HEADERS_FILE": "/run/secrets/codex/otlp-headers",
				}
			}
			for name, value := range variables {
				if strings.HasPrefix(name, "OTEL_") && wanted[name] != value {
					t.Errorf("%s: %s=%s", pod.of, name, value)
				}
			}
			for name := range wanted {
				if variables[name] == "" {
					t.Errorf("%s has no %s", pod.of, name)
				}
			}
		}
	}
}
