package tests

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const scripts = chartFolder + "/files/backup/"

// database is a PostgreSQL of a test.
type database struct {
	bin, folder string
	port        int
	// owner runs the server, which refuses root.
	owner *syscall.SysProcAttr
}

func startDatabase(t *testing.T) database {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		t.Fatal("there is no PostgreSQL: run scripts/install-chart-tools")
	}
	folder, err := os.MkdirTemp("", "codex-backup-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	db := database{bin: filepath.Dir(found[len(found)-1]), folder: folder, port: freePort(t), owner: &syscall.SysProcAttr{}}
	if os.Getuid() == 0 {
		nobody, err := user.Lookup("nobody")
		if err != nil {
			t.Fatal(err)
		}
		id := func(text string) uint32 { number, _ := strconv.Atoi(text); return uint32(number) }
		db.owner.Credential = &syscall.Credential{Uid: id(nobody.Uid), Gid: id(nobody.Gid)}
		if err := os.Chown(folder, int(id(nobody.Uid)), int(id(nobody.Gid))); err != nil {
			t.Fatal(err)
		}
	}
	password := filepath.Join(folder, "password")
	if err := os.WriteFile(password, []byte("s3cret"), 0o644); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(folder, "data")
	db.asOwner(t, "initdb", "--pgdata", data, "--username", "codex", "--pwfile", password, "--auth", "scram-sha-256", "--no-sync")
	options := fmt.Sprintf("-p %d -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off", db.port)
	db.asOwner(t, "pg_ctl", "--pgdata", data, "--wait", "--log", filepath.Join(folder, "log"), "--options", options, "start")
	t.Cleanup(func() { db.asOwner(t, "pg_ctl", "--pgdata", data, "--wait", "--mode", "immediate", "stop") })
	return db
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

func (d database) asOwner(t *testing.T, program string, arguments ...string) {
	t.Helper()
	command := exec.Command(filepath.Join(d.bin, program), arguments...)
	command.SysProcAttr = d.owner
	command.Dir = "/"
	// The server that pg_ctl leaves behind keeps its output, so that must not be a pipe that somebody waits for.
	output, err := os.CreateTemp(t.TempDir(), "output")
	if err != nil {
		t.Fatal(err)
	}
	command.Stdout, command.Stderr = output, output
	if err := command.Run(); err != nil {
		text, _ := os.ReadFile(output.Name())
		t.Fatalf("%s: %v\n%s", program, err, text)
	}
}

// urlFile is the file with the address of a database, as the Secret has it.
func (d database) urlFile(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "url")
	address := fmt.Sprintf("postgres://codex:s3cret@127.0.0.1:%d/%s", d.port, name)
	if err := os.WriteFile(path, []byte(address), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// sql runs statements and returns what they answer.
func (d database) sql(t *testing.T, name, statements string) string {
	t.Helper()
	address, _ := os.ReadFile(d.urlFile(t, name))
	output, err := exec.Command(filepath.Join(d.bin, "psql"), "--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-qtA", "--dbname", string(address), "--command", statements).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", statements, err, output)
	}
	return strings.TrimSpace(string(output))
}

// script runs one of the chart's scripts with variables, and returns what it says.
func (d database) script(name string, variables ...string) (string, error) {
	command := exec.Command("sh", scripts+name)
	// rclone takes local folders as remotes, so destinations are folders here.
	command.Env = append([]string{"PATH=" + d.bin + ":" + os.Getenv("PATH"), "HOME=/nonexistent", "RCLONE_CONFIG=/dev/null"}, variables...)
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	err := command.Run()
	return output.String(), err
}

func (d database) mustScript(t *testing.T, name string, variables ...string) string {
	t.Helper()
	output, err := d.script(name, variables...)
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, output)
	}
	return output
}

// TestADatabaseIsDumpedCopiedAndRestored goes the whole way, with the schema of the gateway.
func TestADatabaseIsDumpedCopiedAndRestored(t *testing.T) {
	t.Parallel()
	db := startDatabase(t)
	db.sql(t, "postgres", "CREATE DATABASE gateway")
	db.sql(t, "postgres", "CREATE DATABASE restored")
	migrations, err := filepath.Glob(filepath.Join(root, "gateway/migrations/*.sql"))
	if err != nil || len(migrations) < 5 {
		t.Fatalf("%d migrations, %v", len(migrations), err)
	}
	for _, migration := range migrations {
		text, err := os.ReadFile(migration)
		if err != nil {
			t.Fatal(err)
		}
		db.sql(t, "gateway", string(text))
	}
	db.sql(t, "gateway", "CREATE TABLE rows_of_a_test AS SELECT n, md5(n::text) AS text FROM generate_series(1, 10000) AS n")

	scratch, destination := t.TempDir(), t.TempDir()
	db.mustScript(t, "dump.sh", "SCRATCH="+scratch, "DATABASE_URL_FILE="+db.urlFile(t, "gateway"))

	// An old dump goes, one within its time stays.
	age := func(name string, days int) {
		path := filepath.Join(destination, name)
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		then := time.Now().Add(-time.Duration(days) * 24 * time.Hour)
		if err := os.Chtimes(path, then, then); err != nil {
			t.Fatal(err)
		}
	}
	age("codex-20200101T000000Z.dump", 15)
	age("codex-20200102T000000Z.dump", 13)
	age("somebody-elses", 100)
	db.mustScript(t, "upload.sh", "SCRATCH="+scratch, "DESTINATION="+destination, "KEEP_DAYS=14")
	kept, _ := filepath.Glob(destination + "/*")
	if len(kept) != 3 {
		t.Fatalf("there is %q", kept)
	}
	for _, path := range kept {
		if strings.Contains(path, "20200101") {
			t.Errorf("%s is too old", path)
		}
	}

	dumps, _ := filepath.Glob(scratch + "/codex-*.dump")
	restore := []string{"FILE=" + filepath.Join(destination, filepath.Base(dumps[0])), "DATABASE_URL_FILE=" + db.urlFile(t, "restored")}
	db.mustScript(t, "restore.sh", restore...)
	for _, question := range []string{
		"SELECT md5(string_agg(text, '' ORDER BY n)) FROM rows_of_a_test",
		"SELECT string_agg(table_name || '.' || column_name || ' ' || data_type, ',' ORDER BY table_name, ordinal_position) FROM information_schema.columns WHERE table_schema = 'public'",
		"SELECT string_agg(indexdef, ',' ORDER BY indexname) FROM pg_indexes WHERE schemaname = 'public'",
		"SELECT string_agg(tgname, ',' ORDER BY tgname) FROM pg_trigger WHERE NOT tgisinternal",
	} {
		if before, after := db.sql(t, "gateway", question), db.sql(t, "restored", question); before != after || before == "" {
			t.Errorf("%s: %q, restored %q", question, before, after)
		}
	}
	// A second time would mix two histories.
	if output, err := db.script("restore.sh", restore...); err == nil || !strings.Contains(output, "make an empty one") {
		t.Errorf("a database in use was restored into: %v\n%s", err, output)
	}
}

func TestABackupThatFailsSaysSoAndRemovesNothing(t *testing.T) {
	t.Parallel()
	db := startDatabase(t)
	db.sql(t, "postgres", "CREATE DATABASE empty")
	scratch := t.TempDir()
	if output, err := db.script("dump.sh", "SCRATCH="+scratch, "DATABASE_URL_FILE="+db.urlFile(t, "nowhere")); err == nil {
		t.Errorf("a database that is not there was dumped: %s", output)
	}
	if output, err := db.script("dump.sh", "SCRATCH="+scratch, "DATABASE_URL_FILE="+db.urlFile(t, "empty")); err == nil || !strings.Contains(output, "no tables") {
		t.Errorf("an empty database was dumped: %v %s", err, output)
	}
	destination := t.TempDir()
	old := filepath.Join(destination, "codex-20200101T000000Z.dump")
	if err := os.WriteFile(old, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	then := time.Now().Add(-100 * 24 * time.Hour)
	if err := os.Chtimes(old, then, then); err != nil {
		t.Fatal(err)
	}
	if output, err := db.script("upload.sh", "SCRATCH="+t.TempDir(), "DESTINATION="+destination, "KEEP_DAYS=1"); err == nil {
		t.Errorf("nothing was uploaded: %s", output)
	}
	if _, err := os.Stat(old); err != nil {
		t.Error("the last dump is gone")
	}
}

func TestTheArchiveIsCopiedAndWhatIsReplacedStaysForItsTime(t *testing.T) {
	t.Parallel()
	source, destination := t.TempDir(), t.TempDir()
	write := func(path, text string) {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	content := func(pattern string) string {
		paths, _ := filepath.Glob(filepath.Join(destination, pattern))
		if len(paths) != 1 {
			return fmt.Sprint(paths)
		}
		text, _ := os.ReadFile(paths[0])
		return string(text)
	}
	variables := []string{"SOURCE=" + source, "DESTINATION=" + destination, "KEEP_DAYS=60"}
	none := database{bin: "/usr/bin"}
	write(source+"/tasks/1/manifest.json", "one")
	write(source+"/tasks/2/manifest.json", "two")
	none.mustScript(t, "archive.sh", variables...)
	if content("current/tasks/1/manifest.json") != "one" || content("current/tasks/2/manifest.json") != "two" {
		t.Fatal("the copy is not the source")
	}

	// Somebody empties the source: the copy of the copy is there.
	write(destination+"/replaced/20200101T000000Z/tasks/0/manifest.json", "long ago")
	write(destination+"/replaced/notes/keep", "not by this script")
	if err := os.RemoveAll(source + "/tasks/1"); err != nil {
		t.Fatal(err)
	}
	write(source+"/tasks/2/manifest.json", "another")
	none.mustScript(t, "archive.sh", variables...)
	if content("current/tasks/1/manifest.json") != "[]" || content("current/tasks/2/manifest.json") != "another" {
		t.Error("the copy is not the source")
	}
	if content("replaced/2*/tasks/1/manifest.json") != "one" || content("replaced/2*/tasks/2/manifest.json") != "two" {
		t.Error("what was removed or replaced is gone")
	}
	if content("replaced/20200101T000000Z/tasks/0/manifest.json") != "[]" || content("replaced/notes/keep") != "not by this script" {
		t.Error("what is too old is there, or something else is gone")
	}
}
