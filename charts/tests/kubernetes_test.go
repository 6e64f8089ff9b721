package tests

import (
	"context"
	"strings"
	"testing"

	gatewayapi "sigs.k8s.io/gateway-api/apis/v1"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apiextensionsinternal "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsinstall "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/install"
	apiextensionsvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kubernetes/pkg/apis/admissionregistration"
	admissionregistrationinstall "k8s.io/kubernetes/pkg/apis/admissionregistration/install"
	admissionregistrationvalidation "k8s.io/kubernetes/pkg/apis/admissionregistration/validation"
	"k8s.io/kubernetes/pkg/apis/apps"
	appsinstall "k8s.io/kubernetes/pkg/apis/apps/install"
	appsvalidation "k8s.io/kubernetes/pkg/apis/apps/validation"
	"k8s.io/kubernetes/pkg/apis/autoscaling"
	autoscalinginstall "k8s.io/kubernetes/pkg/apis/autoscaling/install"
	autoscalingvalidation "k8s.io/kubernetes/pkg/apis/autoscaling/validation"
	"k8s.io/kubernetes/pkg/apis/batch"
	batchinstall "k8s.io/kubernetes/pkg/apis/batch/install"
	batchvalidation "k8s.io/kubernetes/pkg/apis/batch/validation"
	"k8s.io/kubernetes/pkg/apis/core"
	coreinstall "k8s.io/kubernetes/pkg/apis/core/install"
	corevalidation "k8s.io/kubernetes/pkg/apis/core/validation"
	"k8s.io/kubernetes/pkg/apis/networking"
	networkinginstall "k8s.io/kubernetes/pkg/apis/networking/install"
	networkingvalidation "k8s.io/kubernetes/pkg/apis/networking/validation"
	"k8s.io/kubernetes/pkg/apis/policy"
	policyinstall "k8s.io/kubernetes/pkg/apis/policy/install"
	policyvalidation "k8s.io/kubernetes/pkg/apis/policy/validation"
	"k8s.io/kubernetes/pkg/apis/rbac"
	rbacinstall "k8s.io/kubernetes/pkg/apis/rbac/install"
	rbacvalidation "k8s.io/kubernetes/pkg/apis/rbac/validation"
	"sigs.k8s.io/yaml"
)

// decoder reads objects as the API server does: unknown and repeated fields are errors, defaults are set.
var decoder = func() runtime.Decoder {
	scheme := runtime.NewScheme()
	for _, install := range []func(*runtime.Scheme){
		admissionregistrationinstall.Install, appsinstall.Install, autoscalinginstall.Install, batchinstall.Install, coreinstall.Install, networkinginstall.Install,
		policyinstall.Install, rbacinstall.Install, apiextensionsinstall.Install,
	} {
		install(scheme)
	}
	return serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDecoder()
}()

// TestEveryObjectIsAcceptedByKubernetes runs the API server's own validation over everything.
func TestEveryObjectIsAcceptedByKubernetes(t *testing.T) {
	eachOfMatrix(t, func(t *testing.T, objects []object) {
		for _, object := range objects {
			if err := validate(object); err != nil {
				t.Errorf("%s: %v\n%s", object, err, object.text)
			}
		}
	})
}

func TestAnObjectWithAMistakeIsRefused(t *testing.T) {
	deployment := find(t, render(t, stores), "Deployment", "codex-gateway")
	mistakes := map[string][2]string{
		"unknown field":    {"imagePullPolicy:", "imagePulPolicy:"},
		"unknown key":      {"periodSeconds: 2", "periodSecond: 2"},
		"selector":         {"matchLabels:\n      app.kubernetes.io/name: codex-remote-runner", "matchLabels:\n      app.kubernetes.io/name: other"},
		"missing volume":   {"name: tmp\n", "name: temporary\n"},
		"not a quantity":   {"memory: 256Mi", "memory: 256 MB"},
		"not a number":     {"containerPort: 8080", "containerPort: 80800"},
		"unknown strategy": {"type: RollingUpdate", "type: Rolling"},
	}
	for name, mistake := range mistakes {
		broken := deployment
		broken.text = strings.Replace(deployment.text, mistake[0], mistake[1], 1)
		if broken.text == deployment.text {
			t.Errorf("%s: the template has no %q any more", name, mistake[0])
		} else if err := validate(broken); err == nil {
			t.Errorf("%s: it was accepted", name)
		}
	}
}

func validate(object object) error {
	switch object.GetAPIVersion() {
	case "gateway.networking.k8s.io/v1":
		return yaml.UnmarshalStrict([]byte(object.text), &gatewayapi.HTTPRoute{})
	case "codexrunner.io/v1alpha1":
		return validateByDefinition(object)
	case "monitoring.coreos.com/v1":
		if object.GetKind() == "ServiceMonitor" {
			return yaml.UnmarshalStrict([]byte(object.text), &monitoring.ServiceMonitor{})
		}
		return yaml.UnmarshalStrict([]byte(object.text), &monitoring.PrometheusRule{})
	}
	decoded, _, err := decoder.Decode([]byte(object.text), nil, nil)
	if err != nil {
		return err
	}
	return validateInternal(decoded).ToAggregate()
}

func validateInternal(decoded runtime.Object) field.ErrorList {
	pods := corevalidation.PodValidationOptions{}
	switch object := decoded.(type) {
	case *apps.Deployment:
		return appsvalidation.ValidateDeployment(object, pods)
	case *apps.StatefulSet:
		return appsvalidation.ValidateStatefulSet(object, appsvalidation.StatefulSetValidationOptions{}, pods)
	case *batch.CronJob:
		return batchvalidation.ValidateCronJobCreate(object, pods)
	case *autoscaling.HorizontalPodAutoscaler:
		return autoscalingvalidation.ValidateHorizontalPodAutoscaler(object, autoscalingvalidation.HorizontalPodAutoscalerSpecValidationOptions{})
	case *policy.PodDisruptionBudget:
		return policyvalidation.ValidatePodDisruptionBudget(object, policyvalidation.PodDisruptionBudgetValidationOptions{})
	case *networking.NetworkPolicy:
		return networkingvalidation.ValidateNetworkPolicy(object, networkingvalidation.NetworkPolicyValidationOptions{})
	case *networking.Ingress:
		return networkingvalidation.ValidateIngressCreate(object)
	case *rbac.Role:
		return rbacvalidation.ValidateRole(object)
	case *rbac.ClusterRole:
		return rbacvalidation.ValidateClusterRole(object, rbacvalidation.ClusterRoleValidationOptions{})
	case *rbac.ClusterRoleBinding:
		return rbacvalidation.ValidateClusterRoleBinding(object)
	case *admissionregistration.ValidatingAdmissionPolicy:
		return admissionregistrationvalidation.ValidateValidatingAdmissionPolicy(object)
	case *admissionregistration.ValidatingAdmissionPolicyBinding:
		return admissionregistrationvalidation.ValidateValidatingAdmissionPolicyBinding(object)
	case *rbac.RoleBinding:
		return rbacvalidation.ValidateRoleBinding(object)
	case *core.Pod:
		return corevalidation.ValidatePodCreate(object, pods)
	case *core.Service:
		// What the API server does before it validates.
		if object.Spec.ClusterIP != "" {
			object.Spec.ClusterIPs = []string{object.Spec.ClusterIP}
		}
		return corevalidation.ValidateServiceCreate(object)
	case *core.ServiceAccount:
		return corevalidation.ValidateServiceAccount(object)
	case *core.ConfigMap:
		return corevalidation.ValidateConfigMap(object)
	case *core.Namespace:
		return corevalidation.ValidateNamespace(object)
	case *core.ResourceQuota:
		return corevalidation.ValidateResourceQuota(object)
	case *apiextensionsinternal.CustomResourceDefinition:
		return apiextensionsvalidation.ValidateCustomResourceDefinition(context.Background(), object)
	default:
		return field.ErrorList{field.InternalError(nil, &unknownKind{decoded})}
	}
}

type unknownKind struct{ object runtime.Object }

func (e *unknownKind) Error() string {
	return "the tests know no validation for " + e.object.GetObjectKind().GroupVersionKind().String()
}
