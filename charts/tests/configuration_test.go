package tests

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestVariablesAreThoseOfThePrograms: a variable that a program does not know is a setting that does nothing.
func TestVariablesAreThoseOfThePrograms(t *testing.T) {
	folders := map[string]string{"codex-gateway": "gateway", "codex-operator": "operator", "codex-pod-proxy": "pod-proxy"}
	known := map[string]map[string]bool{}
	for name, folder := range folders {
		known[name] = variables(t, folder)
		if len(known[name]) < 10 {
			t.Fatalf("only %d variables in %s", len(known[name]), folder)
		}
	}
	eachOfMatrix(t, func(t *testing.T, objects []object) {
		for _, pod := range pods(t, objects) {
			names, isProgram := known[pod.of.GetName()]
			if !isProgram {
				continue
			}
			for _, variable := range pod.Containers[0].Env {
				// Programs that take a secret take its file, too.
				isKnown := names[variable.Name] || names[strings.TrimSuffix(variable.Name, "_FILE")]
				if strings.HasPrefix(variable.Name, "CODEX_") && !isKnown {
					t.Errorf("%s does not know %s", pod.of, variable.Name)
				}
			}
		}
	})
}

// variables finds what a program takes from its environment, in its code.
func variables(t *testing.T, folder string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, match := range regexp.MustCompile(`"(CODEX_[A-Z0-9_]+)"`).FindAllStringSubmatch(allSources(t, folder), -1) {
		found[match[1]] = true
	}
	return found
}

// TestTheOperatorKnowsItsLease: the Role names it.
func TestTheOperatorKnowsItsLease(t *testing.T) {
	if !regexp.MustCompile(`env = "CODEX_LEASE_NAME",\s*default_value = "codex-operator"`).MatchString(allSources(t, "operator")) {
		t.Error("the default of CODEX_LEASE_NAME is another than in the Role of the operator")
	}
}

func allSources(t *testing.T, folder string) string {
	t.Helper()
	var text strings.Builder
	err := filepath.WalkDir(filepath.Join(root, folder, "src"), func(path string, _ os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".rs" {
			return err
		}
		content, err := os.ReadFile(path)
		text.Write(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// TestTheProgramsTakeTheirSettings starts the real programs with what their Pods have, in folders of the test. With a wrong setting they end with 2 before they connect
// to anything; here they must get as far as the stores, which are not there.
func TestTheProgramsTakeTheirSettings(t *testing.T) {
	programs := os.Getenv("CODEX_PROGRAMS")
	if programs == "" {
		programs = filepath.Join(root, "target/debug")
	}
	if _, err := os.Stat(filepath.Join(programs, "codex-gateway")); err != nil {
		t.Skip("the programs are not built: make build, or name their folder in CODEX_PROGRAMS")
	}
	for name, all := range matrix {
		for _, pod := range pods(t, render(t, all...)) {
			program := pod.of.GetName()
			path, err := filepath.Abs(filepath.Join(programs, program))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(path); err != nil || pod.Containers[0].Name != strings.TrimPrefix(program, "codex-") {
				continue
			}
			t.Run(name+"/"+program, func(t *testing.T) {
				t.Parallel()
				output, code := startWithSettings(t, pod, path)
				if code == 2 || strings.Contains(output, "is no setting of") || regexp.MustCompile(`(?m)^error: `).MatchString(output) {
					t.Errorf("it ended with %d:\n%s", code, output)
				}
			})
		}
	}
}

// startWithSettings runs a program for three seconds, or until it ends; then the code is -1.
func startWithSettings(t *testing.T, pod pod, path string) (string, int) {
	t.Helper()
	folder := t.TempDir()
	place := func(text string) string {
		text = strings.ReplaceAll(text, "/run/secrets", folder)
		return strings.ReplaceAll(text, "/var/lib/codex-operator", folder)
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	encoded := func(kind string, der []byte, err error) []byte {
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	}
	privateDer, privateErr := x509.MarshalPKCS8PrivateKey(private)
	publicDer, publicErr := x509.MarshalPKIXPublicKey(public)
	key, publicKey := encoded("PRIVATE KEY", privateDer, privateErr), encoded("PUBLIC KEY", publicDer, publicErr)
	contents := map[string][]byte{
		"codex/task-token-key": key, "codex/task-token-public-key": publicKey, "codex-signing-keys/2026-01-01.pem": key,
		"codex/nonce-key":    []byte(strings.Repeat("n", 32)),
		"codex/database-url": []byte("postgres://codex:password@127.0.0.1:1/codex\n"),
		// Certificate authorities of a test.
		"codex/redis-ca":       authority(t),
		"codex/admin-password": []byte("a-long-password\n"), "codex/redis-password": []byte("p\n"), "codex/oidc-client-secret": []byte("s\n"),
		"codex/otlp-headers":  []byte("authorization=Bearer a\n"),
		"codex/model-api-key": []byte("sk-1\n"), "codex/archive-credentials": []byte("[default]\naws_access_key_id = a\naws_secret_access_key = b\n"),
	}
	for name, content := range contents {
		file := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	command := exec.CommandContext(ctx, path)
	// A kubeconfig that leads nowhere stands in for the account of the Pod.
	kubeconfig := "{apiVersion: v1, kind: Config, current-context: a, contexts: [{name: a, context: {cluster: a, user: a}}], users: [{name: a, user: {token: t}}], clusters: [{name: a, cluster: {server: \"https://127.0.0.1:1\"}}]}"
	if err := os.WriteFile(filepath.Join(folder, "kubeconfig"), []byte(kubeconfig), 0o600); err != nil {
		t.Fatal(err)
	}
	resolved := strings.NewReplacer("$(CODEX_POD_PROXY_SERVICE_HOST)", "10.96.0.9", "$(POD_NAME)", "codex-operator-0", "$(POD_UID)", "1")
	command.Env = []string{"KUBECONFIG=" + folder + "/kubeconfig", "CODEX_POD_PROXY_SERVICE_HOST=10.96.0.9", "CODEX_GATEWAY_PORT=tcp://10.96.0.8:80"}
	for _, variable := range pod.Containers[0].Env {
		value := place(resolved.Replace(variable.Value))
		// Ports are free ones of the loopback.
		if strings.HasSuffix(variable.Name, "LISTEN") {
			value = "127.0.0.1:0"
		}
		command.Env = append(command.Env, variable.Name+"="+value)
	}
	output, err := command.CombinedOutput()
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		return string(output), ended.ExitCode()
	}
	return string(output), -1
}

func authority(t *testing.T) []byte {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
