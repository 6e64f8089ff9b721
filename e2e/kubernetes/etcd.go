package main

import (
	"fmt"
	"net/url"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"
)

// How long etcd may take to replay what it has.
const etcdStart = 2 * time.Minute

// Starts etcd in this process. Only who has a certificate of the CA gets in: the port is open to everybody on this machine.
func startEtcd(folder string, p ports, k keys, noFsync bool) (*embed.Etcd, error) {
	config := embed.NewConfig()
	config.Dir = folder
	config.UnsafeNoFsync = noFsync
	config.LogLevel = "warn"
	config.LogOutputs = []string{embed.StdErrLogOutput}

	client, peer := loopback(p.etcdClient), loopback(p.etcdPeer)
	config.ListenClientUrls, config.AdvertiseClientUrls = client, client
	config.ListenPeerUrls, config.AdvertisePeerUrls = peer, peer
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	tls := transport.TLSInfo{
		CertFile:       k.etcdServer.certificate,
		KeyFile:        k.etcdServer.key,
		TrustedCAFile:  k.ca.certificate,
		ClientCertAuth: true,
	}
	config.ClientTLSInfo, config.PeerTLSInfo = tls, tls

	etcd, err := embed.StartEtcd(config)
	if err != nil {
		return nil, fmt.Errorf("etcd does not start on %s: %w", folder, err)
	}
	select {
	case <-etcd.Server.ReadyNotify():
		return etcd, nil
	case err = <-etcd.Err():
	case <-time.After(etcdStart):
		err = fmt.Errorf("not ready after %s", etcdStart)
	}
	etcd.Close()
	return nil, fmt.Errorf("etcd does not start on %s: %w", folder, err)
}

func loopback(port int) []url.URL {
	return []url.URL{{Scheme: "https", Host: fmt.Sprintf("127.0.0.1:%d", port)}}
}
