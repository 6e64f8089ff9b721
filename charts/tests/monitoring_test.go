package tests

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus/prometheus/promql/parser"
	corev1 "k8s.io/api/core/v1"
)

// expressions returns all PromQL of alerts and dashboard, by where it stands.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	objects := render(t, matrix["everything"]...)
	found := map[string]string{}
	for _, group := range into[monitoring.PrometheusRule](t, find(t, objects, "PrometheusRule", "codex-alerts")).Spec.Groups {
		for _, rule := range group.Rules {
			found["alert "+rule.Alert] = rule.Expr.String()
		}
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	text := into[corev1.ConfigMap](t, find(t, objects, "ConfigMap", "codex-dashboard")).Data["codex-remote-runner.json"]
	if err := json.Unmarshal([]byte(text), &dashboard); err != nil {
		t.Fatal(err)
	}
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			found["panel "+panel.Title+": "+target.Expr] = strings.ReplaceAll(target.Expr, "$namespace", ".*")
		}
	}
	if len(found) < 30 {
		t.Fatalf("only %d expressions", len(found))
	}
	return found
}

func TestAlertsAndDashboardAskForMetricsThatThereAre(t *testing.T) {
	programs := map[string]string{"gateway": allSources(t, "gateway"), "operator": allSources(t, "operator"), "pod_proxy": allSources(t, "pod-proxy")}
	name := regexp.MustCompile(`^codex_(gateway|operator|pod_proxy)_(\w+?)(_bucket|_sum|_count|_total)?$`)
	for where, expression := range expressions(t) {
		parsed, err := parser.NewParser(parser.Options{}).ParseExpr(expression)
		if err != nil {
			t.Errorf("%s: %v", where, err)
			continue
		}
		for _, selectors := range parser.ExtractSelectors(parsed) {
			for _, matcher := range selectors {
				if matcher.Name != "__name__" || matcher.Value == "up" {
					continue
				}
				// Programs write names with or without the beginning that all of theirs have, and without the suffix of their kind.
				parts := name.FindStringSubmatch(matcher.Value)
				if parts == nil || !regexp.MustCompile(`"(codex_[a-z_]*_)?`+parts[2]+`(_total|_sum|_count)?"`).MatchString(programs[parts[1]]) {
					t.Errorf("%s: no program has the metric %s", where, matcher.Value)
				}
			}
		}
	}
}

// TestAlertsNameRunbooksThatThereAre: and the pages speak of them.
func TestAlertsNameRunbooksThatThereAre(t *testing.T) {
	for _, group := range into[monitoring.PrometheusRule](t, find(t, render(t, matrix["everything"]...), "PrometheusRule", "codex-alerts")).Spec.Groups {
		for _, rule := range group.Rules {
			page := regexp.MustCompile(`docs/operations/[\w-]+\.md`).FindString(rule.Annotations["description"])
			if page == "" {
				t.Errorf("%s names no runbook", rule.Alert)
			} else if text := read(t, page); !strings.Contains(text, rule.Alert) {
				t.Errorf("%s does not speak of %s", page, rule.Alert)
			}
		}
	}
}
