package tests

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/component-helpers/auth/rbac/validation"
)

// right is a row of operator/rights.json, which the operator itself holds its rights against when it starts.
type right struct {
	Group, Resource, Name, Scope string
	Verbs                        []string
}

func operatorRights(t *testing.T) []right {
	t.Helper()
	var rows []right
	if err := json.Unmarshal([]byte(read(t, "operator/rights.json")), &rows); err != nil {
		t.Fatal(err)
	}
	return rows
}

func (r right) texts() []string {
	names := map[string]string{"": "", "lease": " codex-operator", "namespace": " codex-tasks", "allow list": " codex-allow-list"}
	name, isKnown := names[r.Name]
	if !isKnown {
		panic("the tests do not know the name " + r.Name)
	}
	var all []string
	for _, verb := range r.Verbs {
		all = append(all, fmt.Sprintf("%s %s/%s%s", verb, r.Group, r.Resource, name))
	}
	return all
}

func texts(rules []rbacv1.PolicyRule) []string {
	var got []string
	for _, rule := range rules {
		for _, simple := range validation.BreakdownRule(rule) {
			text := fmt.Sprintf("%s %s/%s", simple.Verbs[0], simple.APIGroups[0], simple.Resources[0])
			if len(simple.ResourceNames) > 0 {
				text += " " + simple.ResourceNames[0]
			}
			got = append(got, text)
		}
	}
	slices.Sort(got)
	return got
}

// TestEachAccountMayDoWhatItsCodeDoes: the tables come from the calls in the code of gateway and operator.
func TestEachAccountMayDoWhatItsCodeDoes(t *testing.T) {
	may := map[string][]string{
		"codex-gateway": {
			"create codexrunner.io/codextasks", "get codexrunner.io/codextasks", "list codexrunner.io/codextasks", "watch codexrunner.io/codextasks",
			"patch codexrunner.io/codextasks", "list codexrunner.io/codexrepositories", "watch codexrunner.io/codexrepositories",
		},
		"codex-operator": nil,
	}
	var cluster []string
	for _, right := range operatorRights(t) {
		if right.Scope == "cluster" {
			cluster = append(cluster, right.texts()...)
		} else {
			may["codex-operator"] = append(may["codex-operator"], right.texts()...)
		}
	}
	objects := render(t, stores)
	nodes := into[rbacv1.ClusterRole](t, find(t, objects, "ClusterRole", "codex-system-codex-operator"))
	if got := texts(nodes.Rules); !slices.Equal(got, cluster) {
		t.Errorf("for the whole cluster it may %q, wanted %q", got, cluster)
	}
	for name, wanted := range may {
		role := into[rbacv1.Role](t, find(t, objects, "Role", name))
		if role.Namespace != "codex-tasks" {
			t.Errorf("the Role of %s is in %s", name, role.Namespace)
		}
		got := texts(role.Rules)
		slices.Sort(wanted)
		if !slices.Equal(got, wanted) {
			t.Errorf("%s may\n%q, wanted\n%q", name, got, wanted)
		}
	}
}

func TestWhatNobodyMay(t *testing.T) {
	forbidden := []rbacv1.PolicyRule{
		{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"secrets"}},
		{Verbs: []string{"list"}, APIGroups: []string{""}, Resources: []string{"secrets"}},
		{Verbs: []string{"watch"}, APIGroups: []string{""}, Resources: []string{"secrets"}},
		{Verbs: []string{"create"}, APIGroups: []string{""}, Resources: []string{"pods/exec"}},
		{Verbs: []string{"create"}, APIGroups: []string{""}, Resources: []string{"serviceaccounts/token"}},
		{Verbs: []string{"create"}, APIGroups: []string{"rbac.authorization.k8s.io"}, Resources: []string{"rolebindings"}},
		{Verbs: []string{"create"}, APIGroups: []string{"codexrunner.io"}, Resources: []string{"codexrepositories"}},
		{Verbs: []string{"patch"}, APIGroups: []string{"networking.k8s.io"}, Resources: []string{"networkpolicies"}},
	}
	eachOfMatrix(t, func(t *testing.T, objects []object) {
		for _, object := range objects {
			switch object.GetKind() {
			case "ClusterRoleBinding":
				if into[rbacv1.ClusterRoleBinding](t, object).RoleRef.Name != "codex-system-codex-operator" {
					t.Errorf("%s: nothing else is for the whole cluster", object)
				}
			case "ClusterRole":
				if object.GetName() == "codex-system-codex-operator" {
					if got := texts(into[rbacv1.ClusterRole](t, object).Rules); !slices.Equal(got, []string{"list /nodes"}) {
						t.Errorf("%s may %q", object, got)
					}
					continue
				}
				// Only to add to the cluster's own roles.
				aggregated := object.GetLabels()["rbac.authorization.k8s.io/aggregate-to-view"] + object.GetLabels()["rbac.authorization.k8s.io/aggregate-to-edit"]
				if aggregated != "true" {
					t.Errorf("%s is not aggregated", object)
				}
			case "Role":
				role := into[rbacv1.Role](t, object)
				for _, rule := range forbidden {
					if covered, _ := validation.Covers(role.Rules, []rbacv1.PolicyRule{rule}); covered {
						t.Errorf("%s may %v %v", object, rule.Verbs, rule.Resources)
					}
				}
			}
		}
	})
	gateway := into[rbacv1.Role](t, find(t, render(t, stores), "Role", "codex-gateway"))
	for _, rule := range gateway.Rules {
		if slices.Contains(rule.APIGroups, "") {
			t.Errorf("the gateway touches %v", rule.Resources)
		}
	}
}

// TestNodesAreListedOnlyWhereTheyAreAsked: who decides about user namespaces needs no right for the whole cluster.
func TestNodesAreListedOnlyWhereTheyAreAsked(t *testing.T) {
	for _, decided := range []values{"tasks: {userNamespaces: true}", "tasks: {userNamespaces: false}", "tasks: {runtimeClass: gvisor}", "rbac: {create: false}"} {
		for _, object := range render(t, stores, decided) {
			if object.GetKind() == "ClusterRole" || object.GetKind() == "ClusterRoleBinding" {
				t.Errorf("%s: there is %s", decided, object)
			}
		}
	}
}
