package tests

import (
	"strings"
	"testing"

	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	"sigs.k8s.io/yaml"
)

// TestTheKindClusterFitsTheScript: kind's own types read the file, and the numbers in it are those of scripts/kind-up.
func TestTheKindClusterFitsTheScript(t *testing.T) {
	var cluster v1alpha4.Cluster
	if err := yaml.UnmarshalStrict([]byte(read(t, "kind-config/cluster.yaml")), &cluster); err != nil {
		t.Fatal(err)
	}
	script := read(t, "scripts/kind-up")
	if cluster.Kind != "Cluster" || cluster.APIVersion != "kind.x-k8s.io/v1alpha4" || !strings.Contains(script, "cluster="+cluster.Name) {
		t.Errorf("%s %s %s", cluster.APIVersion, cluster.Kind, cluster.Name)
	}
	node := cluster.Nodes[0]
	if port := node.ExtraPortMappings[0]; port.ContainerPort != 30080 || port.ListenAddress != "127.0.0.1" || !strings.Contains(script, "gateway.service.nodePort=30080") {
		t.Errorf("%+v", port)
	}
	if mount := node.ExtraMounts[0]; !mount.Readonly || !strings.HasPrefix(mount.ContainerPath, "/srv/repos/") {
		t.Errorf("%+v", mount)
	}
}
