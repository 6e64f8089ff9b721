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
	programs := allSources(t, "gateway") + allSources(t, "operator") + allSources(t, "pod-proxy")
	suffix := regexp.MustCompile(`_(bucket|sum|count|total)$`)
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
				// Programs write names with or without their beginning and their suffix.
				name := strings.TrimPrefix(matcher.Value, "codex_pod_proxy_")
				if !strings.Contains(programs, name) && !strings.Contains(programs, suffix.ReplaceAllString(name, "")) {
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
