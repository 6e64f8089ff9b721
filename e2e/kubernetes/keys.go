package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// How long certificates are valid: longer than a folder is used.
const validity = 10 * 365 * 24 * time.Hour

// Paths of a certificate and its key, in PEM.
type pair struct {
	certificate string
	key         string
}

// Paths of everything that proves who somebody is. The key of the CA stays beside it, so that a test can sign more.
type keys struct {
	ca            pair
	serving       pair
	admin         pair
	kubeletClient pair
	etcdServer    pair
	etcdClient    pair
	// The private key that service account tokens are signed with.
	serviceAccounts string
}

// Finds the keys in the folder, and makes them when it was never filled.
func prepareKeys(folder string) (keys, error) {
	in := func(name string) pair {
		return pair{filepath.Join(folder, name+".crt"), filepath.Join(folder, name+".key")}
	}
	k := keys{
		ca:              in("ca"),
		serving:         in("serving"),
		admin:           in("admin"),
		kubeletClient:   in("kubelet-client"),
		etcdServer:      in("etcd-server"),
		etcdClient:      in("etcd-client"),
		serviceAccounts: filepath.Join(folder, "service-accounts.key"),
	}
	_, err := os.Stat(folder)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	// All of them or none: a folder with some would be taken for complete.
	unfinished, err := os.MkdirTemp(filepath.Dir(folder), "pki-")
	if err != nil {
		return k, err
	}
	if err := makeKeys(unfinished); err != nil {
		return k, err
	}
	return k, os.Rename(unfinished, folder)
}

func makeKeys(folder string) error {
	ca, err := newAuthority(folder)
	if err != nil {
		return err
	}
	loopback := []net.IP{net.IPv4(127, 0, 0, 1)}
	server := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	client := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	for name, template := range map[string]*x509.Certificate{
		"serving": {
			Subject:     pkix.Name{CommonName: "kube-apiserver"},
			IPAddresses: loopback,
			DNSNames:    []string{"localhost", "kubernetes.default.svc"},
			ExtKeyUsage: server,
		},
		"admin": {
			Subject:     pkix.Name{CommonName: "kubernetes-admin", Organization: []string{"system:masters"}},
			ExtKeyUsage: client,
		},
		"kubelet-client": {
			Subject:     pkix.Name{CommonName: "kube-apiserver-kubelet-client", Organization: []string{"system:masters"}},
			ExtKeyUsage: client,
		},
		// etcd is its own client, too.
		"etcd-server": {
			Subject:     pkix.Name{CommonName: "etcd"},
			IPAddresses: loopback,
			ExtKeyUsage: append(server, client...),
		},
		"etcd-client": {
			Subject:     pkix.Name{CommonName: "kube-apiserver-etcd-client"},
			ExtKeyUsage: client,
		},
	} {
		if err := ca.issue(filepath.Join(folder, name), template); err != nil {
			return fmt.Errorf("certificate %s: %w", name, err)
		}
	}
	_, err = newKey(filepath.Join(folder, "service-accounts.key"))
	return err
}

type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(folder string) (authority, error) {
	key, err := newKey(filepath.Join(folder, "ca.key"))
	if err != nil {
		return authority{}, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "kubernetes-test-ca"},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	ca := authority{template, key}
	if err := ca.sign(filepath.Join(folder, "ca.crt"), template, key); err != nil {
		return authority{}, err
	}
	return ca, nil
}

// Makes a key and a certificate for it at path.key and path.crt.
func (ca authority) issue(path string, template *x509.Certificate) error {
	key, err := newKey(path + ".key")
	if err != nil {
		return err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	return ca.sign(path+".crt", template, key)
}

func (ca authority) sign(path string, template *x509.Certificate, key *ecdsa.PrivateKey) error {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	template.SerialNumber = serial
	// A clock that is a little behind must not refuse it.
	template.NotBefore = time.Now().Add(-time.Hour)
	template.NotAfter = time.Now().Add(validity)
	der, err := x509.CreateCertificate(rand.Reader, template, ca.certificate, &key.PublicKey, ca.key)
	if err != nil {
		return err
	}
	return writePEM(path, "CERTIFICATE", der)
}

func newKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writePEM(path, "EC PRIVATE KEY", der)
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
