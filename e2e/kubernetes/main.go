// A real Kubernetes API for tests, in one process: the upstream kube-apiserver with etcd embedded, and the few controllers without which
// no namespace has a service account and nothing that is deleted goes away.
//
// It listens on loopback only. Everything it has stands in one folder, which it can be started on again, also after SIGKILL: the same port,
// the same certificates, the same objects. When /readyz answers it prints one line of JSON on standard output, with the path of a
// kubeconfig for an administrator.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() {
	options, err := parse()
	if err == nil {
		err = run(options)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "kubernetes:", err)
		os.Exit(1)
	}
}

// What the command line says.
type options struct {
	data         string
	port         int
	noFsync      bool
	untilNoStdin bool
}

func parse() (options, error) {
	var o options
	flag.StringVar(&o.data, "data", "", "folder for etcd, certificates and the kubeconfig; made when it is missing")
	flag.IntVar(&o.port, "port", 0, "port on 127.0.0.1; 0 takes that of the last start on the folder, or else a free one")
	flag.BoolVar(&o.noFsync, "unsafe-no-fsync", false, "let etcd acknowledge what is not on disk: faster, and safe as long as the machine stays up")
	flag.BoolVar(&o.untilNoStdin, "until-stdin-closes", false, "end when standard input ends, so that nothing outlives a starter that was killed")
	flag.Parse()
	if o.data == "" {
		return o, errors.New("--data is missing: name a folder")
	}
	if flag.NArg() > 0 {
		return o, fmt.Errorf("%q is not understood: there are only options", flag.Arg(0))
	}
	var err error
	o.data, err = filepath.Abs(o.data)
	return o, err
}

func run(o options) error {
	// Keys and secrets stand in it.
	if err := os.MkdirAll(o.data, 0o700); err != nil {
		return err
	}
	ports, err := choosePorts(o)
	if err != nil {
		return err
	}
	keys, err := prepareKeys(filepath.Join(o.data, "pki"))
	if err != nil {
		return err
	}
	etcd, err := startEtcd(filepath.Join(o.data, "etcd"), ports, keys, o.noFsync)
	if err != nil {
		return err
	}
	defer etcd.Close()

	url := fmt.Sprintf("https://127.0.0.1:%d", ports.api)
	kubeconfig := filepath.Join(o.data, "kubeconfig")
	if err := writeKubeconfig(kubeconfig, url, keys); err != nil {
		return err
	}
	// The command reads its options from here, and ends at SIGTERM and SIGINT.
	command := app.NewAPIServerCommand()
	command.SetArgs(apiServerArguments(ports, keys))
	if o.untilNoStdin {
		go endWithStdin()
	}
	go func() {
		if err := announce(command.Context(), url, kubeconfig); err != nil {
			fmt.Fprintln(os.Stderr, "kubernetes:", err)
			os.Exit(1)
		}
	}()
	if code := cli.Run(command); code != 0 {
		return fmt.Errorf("kube-apiserver ended with code %d", code)
	}
	return nil
}

// Waits until the API is ready, starts the controllers and says so.
func announce(ctx context.Context, url, kubeconfig string) error {
	client, err := waitUntilReady(ctx, kubeconfig)
	if err != nil || ctx.Err() != nil {
		return err
	}
	if err := startControllers(ctx, client); err != nil {
		return err
	}
	if err := waitForServiceAccount(ctx, client); err != nil || ctx.Err() != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"url":        url,
		"kubeconfig": kubeconfig,
		"pid":        os.Getpid(),
	})
}

func endWithStdin() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	// The polite end, the same as of a signal from outside.
	_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
}
