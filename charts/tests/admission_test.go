package tests

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/cel/environment"
)

// oldest is the version of Kubernetes that the chart is for; newer servers know all of its words.
var oldest = version.MustParse("1.33.0")

// compiled does what the API server does with a policy that is created. What fails here is refused there.
func compiled(t *testing.T, object object) validating.Validator {
	t.Helper()
	policy := into[admissionv1.ValidatingAdmissionPolicy](t, object)
	compiler, err := cel.NewCompositedCompiler(environment.MustBaseEnvSet(oldest))
	if err != nil {
		t.Fatal(err)
	}
	all := cel.OptionalVariableDeclarations{HasParams: policy.Spec.ParamKind != nil, HasAuthorizer: true}
	messages := cel.OptionalVariableDeclarations{HasParams: policy.Spec.ParamKind != nil}
	fails := func(name string, result cel.CompilationResult) {
		if result.Error != nil {
			t.Fatalf("%s: %s: %v", object, name, result.Error)
		}
	}
	for _, variable := range policy.Spec.Variables {
		fails(variable.Name, compiler.CompileAndStoreVariable(&validating.Variable{Name: variable.Name, Expression: variable.Expression}, all, environment.NewExpressions))
	}
	condition := func(accessors []cel.ExpressionAccessor, declarations cel.OptionalVariableDeclarations) cel.ConditionEvaluator {
		evaluator := compiler.CompileCondition(accessors, declarations, environment.NewExpressions)
		if errors := evaluator.CompilationErrors(); len(errors) > 0 {
			t.Fatalf("%s: %v", object, errors)
		}
		return evaluator
	}
	var matches, validations, texts []cel.ExpressionAccessor
	for _, match := range policy.Spec.MatchConditions {
		matches = append(matches, &matchconditions.MatchCondition{Name: match.Name, Expression: match.Expression})
	}
	for _, validation := range policy.Spec.Validations {
		validations = append(validations, &validating.ValidationCondition{Expression: validation.Expression, Message: validation.Message, Reason: validation.Reason})
		text := validation.MessageExpression
		if text == "" {
			text = `""`
		}
		texts = append(texts, &validating.MessageExpressionCondition{MessageExpression: text})
	}
	matcher := matchconditions.NewMatcher(condition(matches, all), policy.Spec.FailurePolicy, "policy", "validate", policy.Name)
	return validating.NewValidator(condition(validations, all), matcher, condition(nil, all), condition(texts, messages), policy.Spec.FailurePolicy, nil)
}

// ask returns why a request is refused; nothing when it is not.
func ask(t *testing.T, validator validating.Validator, request request) []string {
	t.Helper()
	unstructuredOf := func(content map[string]any) *unstructured.Unstructured {
		if content == nil {
			return nil
		}
		return &unstructured.Unstructured{Object: content}
	}
	object, old := unstructuredOf(request.object), unstructuredOf(request.old)
	kind := object.GroupVersionKind()
	resource := kind.GroupVersion().WithResource(strings.ToLower(kind.Kind) + "s")
	operation := admission.Create
	if old != nil {
		operation = admission.Update
	}
	var attributes admission.Attributes
	who := &user.DefaultInfo{Name: request.who}
	if old == nil {
		attributes = admission.NewAttributesRecord(object, nil, kind, "codex-tasks", object.GetName(), resource, "", operation, nil, false, who)
	} else {
		attributes = admission.NewAttributesRecord(object, old, kind, "codex-tasks", object.GetName(), resource, "", operation, nil, false, who)
	}
	versioned := &admission.VersionedAttributes{Attributes: attributes, VersionedKind: kind, VersionedObject: admission.NewLazyObject(object)}
	if old != nil {
		versioned.VersionedOldObject = admission.NewLazyObject(old)
	}
	params := &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, Data: request.params}
	result := validator.Validate(context.Background(), resource, versioned, params, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "codex-tasks"}}, celconfig.RuntimeCELCostBudget, grants{request.impersonates})
	var refusals []string
	for _, decision := range result.Decisions {
		if decision.Evaluation == validating.EvalError {
			t.Fatalf("it could not be decided: %s", decision.Message)
		}
		if decision.Action == validating.ActionDeny {
			refusals = append(refusals, decision.Message)
		}
	}
	return refusals
}

type request struct {
	who          string
	impersonates bool
	object, old  map[string]any
	params       map[string]string
}

// grants is an authorizer that knows one question.
type grants struct{ impersonate bool }

func (g grants) Authorize(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	is := a.GetVerb() == "impersonate" && a.GetAPIGroup() == "codexrunner.io" && a.GetResource() == "codextasks" && a.GetNamespace() == "codex-tasks"
	if is && g.impersonate {
		return authorizer.DecisionAllow, "", nil
	}
	return authorizer.DecisionNoOpinion, "", nil
}

func newTask(name string, spec map[string]any) map[string]any {
	return map[string]any{"apiVersion": "codexrunner.io/v1alpha1", "kind": "CodexTask", "metadata": map[string]any{"name": name, "namespace": "codex-tasks"}, "spec": spec}
}

type admissionCases struct {
	RefusedNames, RefusedPrefixes string
	Sets                          []struct {
		Name       string
		Parameters map[string]string
		Cases      []struct {
			Spec    map[string]any
			Allowed bool
		}
	}
}

func readAdmissionCases(t *testing.T) admissionCases {
	t.Helper()
	var cases admissionCases
	if err := json.Unmarshal([]byte(read(t, "crds/tests/admission.json")), &cases); err != nil {
		t.Fatal(err)
	}
	for _, set := range cases.Sets {
		set.Parameters["refusedNames"], set.Parameters["refusedPrefixes"] = cases.RefusedNames, cases.RefusedPrefixes
	}
	return cases
}

// expanded writes out texts that are too long for a table.
func expanded(value any) any {
	inner, isMap := value.(map[string]any)
	if !isMap {
		return value
	}
	if repeated, isLong := inner["repeat"].(string); isLong {
		prefix, _ := inner["prefix"].(string)
		return prefix + strings.Repeat(repeated, int(inner["times"].(float64)))
	}
	out := map[string]any{}
	for key, value := range inner {
		out[key] = expanded(value)
	}
	return out
}

const gatewayAccount, operatorAccount = "system:serviceaccount:codex-system:codex-gateway", "system:serviceaccount:codex-system:codex-operator"

// TestThePolicyDecidesAsTheAllowListDoes: crds/tests/admission.rs asks the allow-list of gateway and operator about the same cases.
func TestThePolicyDecidesAsTheAllowListDoes(t *testing.T) {
	validator := compiled(t, find(t, render(t, stores), "ValidatingAdmissionPolicy", "codex-system-codex-tasks"))
	for _, set := range readAdmissionCases(t).Sets {
		for _, example := range set.Cases {
			spec := expanded(example.Spec).(map[string]any)
			refusals := ask(t, validator, request{who: "ada", object: newTask("a", spec), params: set.Parameters})
			if allowed := len(refusals) == 0; allowed != example.Allowed {
				text, _ := json.Marshal(example.Spec)
				t.Errorf("%s: %.200s is allowed: %v %v", set.Name, text, allowed, refusals)
			}
		}
	}
}

func TestTasksAreNobodyElses(t *testing.T) {
	validator := compiled(t, find(t, render(t, stores), "ValidatingAdmissionPolicy", "codex-system-codex-tasks"))
	params := readAdmissionCases(t).Sets[3].Parameters
	id := "0190d9f5-0000-7000-8000-0123456789ab"
	for name, example := range map[string]struct {
		request
		refused string
	}{
		"nobody's":            {request{who: "ada", object: newTask("a", map[string]any{"prompt": "p"})}, ""},
		"one's own":           {request{who: "ada", object: newTask("a", map[string]any{"prompt": "p", "user": "ada"})}, ""},
		"somebody else's":     {request{who: "ada", object: newTask("a", map[string]any{"prompt": "p", "user": "bob"})}, "spec.user names somebody else"},
		"for somebody else":   {request{who: "ada", impersonates: true, object: newTask("a", map[string]any{"prompt": "p", "user": "bob"})}, ""},
		"a session":           {request{who: "ada", object: newTask("a", map[string]any{"prompt": "p", "resumeFrom": id})}, "spec.resumeFrom hands out"},
		"an id":               {request{who: "ada", object: newTask(id, map[string]any{"prompt": "p"})}, "names that are UUIDs"},
		"the gateway's":       {request{who: gatewayAccount, object: newTask(id, map[string]any{"prompt": "p", "user": "bob", "resumeFrom": id, "cwd": "/srv/repos/new"})}, ""},
		"of another operator": {request{who: operatorAccount, object: newTask("a", map[string]any{"prompt": "p", "user": "bob"})}, "spec.user names somebody else"},
	} {
		example.params = params
		refusals := strings.Join(ask(t, validator, example.request), "\n")
		if (refusals == "") != (example.refused == "") || !strings.Contains(refusals, example.refused) {
			t.Errorf("%s: %q, wanted %q", name, refusals, example.refused)
		}
	}
	// The message helps.
	refusals := ask(t, validator, request{who: "ada", object: newTask("a", map[string]any{"prompt": "p", "cwd": "/etc", "env": map[string]any{"LD_PRELOAD": "x"}}), params: params})
	if text := strings.Join(refusals, "\n"); !strings.Contains(text, "one of: /srv/repos/app") || !strings.Contains(text, `"LD_PRELOAD" is refused`) {
		t.Errorf("%q", text)
	}
}

func TestPodsAreTheOperators(t *testing.T) {
	newPod := func(labels map[string]any) map[string]any {
		metadata := map[string]any{"name": "a", "namespace": "codex-tasks"}
		if labels != nil {
			metadata["labels"] = labels
		}
		return map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
	}
	with := func(more ...string) map[string]any {
		labels := map[string]any{}
		for _, label := range more {
			key, value, _ := strings.Cut(label, "=")
			labels[key] = value
		}
		return labels
	}
	ours, theirs := with("app.kubernetes.io/managed-by=codex-operator", "codexrunner.io/task=t"), with("app=volume-filler")
	kueue := maps.Clone(ours)
	kueue["kueue.x-k8s.io/managed"] = "true"
	for name, example := range map[string]struct {
		request
		deny, allow bool // whether it passes with otherPods deny, and allow
	}{
		"the operator's":       {request{who: operatorAccount, object: newPod(ours)}, true, true},
		"somebody's":           {request{who: "ada", object: newPod(theirs)}, false, true},
		"without labels":       {request{who: "ada", object: newPod(nil)}, false, true},
		"in disguise":          {request{who: "ada", object: newPod(ours)}, false, false},
		"half in disguise":     {request{who: "ada", object: newPod(with("codexrunner.io/task=t"))}, false, false},
		"a disguise later":     {request{who: "ada", object: newPod(ours), old: newPod(theirs)}, false, false},
		"a disguise from none": {request{who: "ada", object: newPod(ours), old: newPod(nil)}, false, false},
		"out of sight":         {request{who: "ada", object: newPod(nil), old: newPod(ours)}, false, false},
		"let go by Kueue":      {request{who: "kueue", object: newPod(kueue), old: newPod(ours)}, true, true},
	} {
		for mode, wanted := range map[string]bool{"deny": example.deny, "allow": example.allow} {
			policy := values(fmt.Sprintf("admissionPolicy: {otherPods: %s}", mode))
			validator := compiled(t, find(t, render(t, stores, policy), "ValidatingAdmissionPolicy", "codex-system-codex-pods"))
			if refusals := ask(t, validator, example.request); (len(refusals) == 0) != wanted {
				t.Errorf("%s with otherPods %s: %v", name, mode, refusals)
			}
		}
	}
}

func TestTheAllowListIsTheOperators(t *testing.T) {
	validator := compiled(t, find(t, render(t, stores), "ValidatingAdmissionPolicy", "codex-system-codex-allow-list"))
	list := func(name string) map[string]any {
		return map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": name, "namespace": "codex-tasks"}}
	}
	for who, wanted := range map[string]bool{operatorAccount: true, gatewayAccount: false, "ada": false} {
		for _, old := range []map[string]any{nil, list("codex-allow-list")} {
			if refusals := ask(t, validator, request{who: who, object: list("codex-allow-list"), old: old}); (len(refusals) == 0) != wanted {
				t.Errorf("%s: %v", who, refusals)
			}
		}
		if refusals := ask(t, validator, request{who: who, object: list("other")}); len(refusals) > 0 {
			t.Errorf("%s and another: %v", who, refusals)
		}
	}
}

// TestPoliciesAreBoundToTheTasksAlone: the rest of the cluster is none of their business.
func TestPoliciesAreBoundToTheTasksAlone(t *testing.T) {
	objects := render(t, stores, "tasks: {namespace: {name: agents}}")
	bindings := 0
	for _, object := range objects {
		if object.GetKind() != "ValidatingAdmissionPolicyBinding" {
			continue
		}
		bindings++
		binding := into[admissionv1.ValidatingAdmissionPolicyBinding](t, object)
		find(t, objects, "ValidatingAdmissionPolicy", binding.Spec.PolicyName)
		if got := binding.Spec.MatchResources.NamespaceSelector.MatchLabels[corev1.LabelMetadataName]; got != "agents" {
			t.Errorf("%s is for %q", object, got)
		}
	}
	if bindings != 3 {
		t.Errorf("%d bindings", bindings)
	}
	for _, one := range render(t, stores, "admissionPolicy: {enabled: false}") {
		if one.GroupVersionKind().Group == admissionv1.GroupName {
			t.Errorf("%s is there", one)
		}
		for _, pod := range pods(t, []object{one}) {
			for _, variable := range pod.Containers[0].Env {
				if variable.Name == "CODEX_ALLOW_LIST" {
					t.Error("the operator writes a list that nobody reads")
				}
			}
		}
	}
}
