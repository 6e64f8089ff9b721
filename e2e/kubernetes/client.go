package main

import (
	"context"
	"fmt"
	"os"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

const (
	// How long the API server may take to be ready: a busy machine needs a minute for what an idle one does in five seconds.
	readyDeadline = 5 * time.Minute
	readyInterval = 50 * time.Millisecond
)

// Writes a kubeconfig for the administrator, with everything in it.
func writeKubeconfig(path, url string, k keys) error {
	var content [3][]byte
	for i, file := range []string{k.ca.certificate, k.admin.certificate, k.admin.key} {
		var err error
		if content[i], err = os.ReadFile(file); err != nil {
			return err
		}
	}
	config := clientcmdapi.NewConfig()
	config.Clusters["kubernetes"] = &clientcmdapi.Cluster{Server: url, CertificateAuthorityData: content[0]}
	config.AuthInfos["admin"] = &clientcmdapi.AuthInfo{ClientCertificateData: content[1], ClientKeyData: content[2]}
	config.Contexts["admin"] = &clientcmdapi.Context{Cluster: "kubernetes", AuthInfo: "admin"}
	config.CurrentContext = "admin"
	return clientcmd.WriteToFile(*config, path)
}

// Waits until /readyz says ok: the roles of RBAC, the system's namespaces and the caches are there then.
func waitUntilReady(ctx context.Context, kubeconfig string) (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	// The client's own limit of five requests in a second is for strangers' servers.
	config.QPS, config.Burst = 500, 1000
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	err = wait.PollUntilContextTimeout(ctx, readyInterval, readyDeadline, true, func(ctx context.Context) (bool, error) {
		_, err := client.RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		// Refused, or not ready: it says which in its own log.
		return err == nil, nil
	})
	return config, unlessEnded(ctx, err, "kube-apiserver is not ready")
}

// Waits until the controllers do their work, which shows at the first service account. No Pod is admitted without one.
func waitForServiceAccount(ctx context.Context, config *rest.Config) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	err = wait.PollUntilContextTimeout(ctx, readyInterval, readyDeadline, true, func(ctx context.Context) (bool, error) {
		_, err := client.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		return err == nil, err
	})
	return unlessEnded(ctx, err, "the default service account is missing")
}

// Who is told to stop while waiting has nothing to report.
func unlessEnded(ctx context.Context, err error, what string) error {
	if err == nil || ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
