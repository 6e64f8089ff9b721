package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Where the servers listen, all on 127.0.0.1.
type ports struct {
	api        int
	etcdClient int
	etcdPeer   int
}

// Takes free ports, and the API's own from the last start, because the kubeconfigs that are about name it.
func choosePorts(o options) (ports, error) {
	// Somebody else may take a port before its server does; that ends in an error of that server.
	var free [3]int
	for i := range free {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return ports{}, err
		}
		defer listener.Close()
		free[i] = listener.Addr().(*net.TCPAddr).Port
	}
	chosen := ports{api: free[0], etcdClient: free[1], etcdPeer: free[2]}

	path := filepath.Join(o.data, "port")
	text, err := os.ReadFile(path)
	switch {
	case o.port != 0:
		chosen.api = o.port
	case err == nil:
		if chosen.api, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil {
			return ports{}, fmt.Errorf("%s holds no port: remove it: %w", path, err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return ports{}, err
	}
	return chosen, os.WriteFile(path, []byte(strconv.Itoa(chosen.api)), 0o600)
}

// The options of kube-apiserver. What is not said here is upstream's default, the admission plugins (PodSecurity, ServiceAccount,
// ValidatingAdmissionPolicy) above all.
func apiServerArguments(p ports, k keys) []string {
	return []string{
		"--bind-address=127.0.0.1",
		// Nobody reaches this API as the Service `kubernetes`, and an Endpoints object may not name loopback.
		"--advertise-address=127.0.0.1",
		"--endpoint-reconciler-type=none",
		fmt.Sprintf("--secure-port=%d", p.api),
		"--tls-cert-file=" + k.serving.certificate,
		"--tls-private-key-file=" + k.serving.key,
		"--client-ca-file=" + k.ca.certificate,
		fmt.Sprintf("--etcd-servers=https://127.0.0.1:%d", p.etcdClient),
		"--etcd-cafile=" + k.ca.certificate,
		"--etcd-certfile=" + k.etcdClient.certificate,
		"--etcd-keyfile=" + k.etcdClient.key,
		"--authorization-mode=Node,RBAC",
		"--service-cluster-ip-range=10.96.0.0/16",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + k.serviceAccounts,
		"--service-account-signing-key-file=" + k.serviceAccounts,
		// For the logs of containers: a node trusts the certificate that the CA signed, and is trusted itself because it is on this machine.
		"--kubelet-client-certificate=" + k.kubeletClient.certificate,
		"--kubelet-client-key=" + k.kubeletClient.key,
		"--kubelet-preferred-address-types=InternalIP,Hostname",
		// A cluster allows them; what may not be privileged is what PodSecurity is asked for.
		"--allow-privileged=true",
		"--profiling=false",
	}
}
