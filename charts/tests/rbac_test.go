package tests

import (
	"fmt"
	"slices"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/component-helpers/auth/rbac/validation"
)

// TestEachAccountMayDoWhatItsCodeDoes: the tables come from the calls in the code of gateway and operator.
func TestEachAccountMayDoWhatItsCodeDoes(t *testing.T) {
	may := map[string][]string{
		"codex-gateway": {
			"create codexrunner.io/codextasks", "get codexrunner.io/codextasks", "list codexrunner.io/codextasks", "watch codexrunner.io/codextasks",
			"patch codexrunner.io/codextasks", "list codexrunner.io/codexrepositories", "watch codexrunner.io/codexrepositories",
		},
		"codex-operator": {
			"get codexrunner.io/codextasks", "list codexrunner.io/codextasks", "watch codexrunner.io/codextasks", "patch codexrunner.io/codextasks",
			"delete codexrunner.io/codextasks", "patch codexrunner.io/codextasks/status", "update codexrunner.io/codextasks/finalizers",
			"list codexrunner.io/codexrepositories", "watch codexrunner.io/codexrepositories",
			"get /pods", "list /pods", "watch /pods", "create /pods", "patch /pods", "delete /pods", "get /pods/log",
			"create /secrets", "patch /secrets", "delete /secrets",
			"create events.k8s.io/events", "patch events.k8s.io/events",
			"create coordination.k8s.io/leases", "get coordination.k8s.io/leases codex-operator", "update coordination.k8s.io/leases codex-operator",
		},
	}
	objects := render(t, stores)
	for name, wanted := range may {
		role := into[rbacv1.Role](t, find(t, objects, "Role", name))
		if role.Namespace != "codex-tasks" {
			t.Errorf("the Role of %s is in %s", name, role.Namespace)
		}
		var got []string
		for _, rule := range role.Rules {
			for _, simple := range validation.BreakdownRule(rule) {
				text := fmt.Sprintf("%s %s/%s", simple.Verbs[0], simple.APIGroups[0], simple.Resources[0])
				if len(simple.ResourceNames) > 0 {
					text += " " + simple.ResourceNames[0]
				}
				got = append(got, text)
			}
		}
		slices.Sort(got)
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
				t.Errorf("%s: nothing of this is for the whole cluster", object)
			case "ClusterRole":
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
