package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// put writes a report about one package of a module.
func put(t *testing.T, dir string, n int, module, pkg string) {
	t.Helper()
	id := fmt.Sprintf("GO-0000-%04d", n)
	text := fmt.Sprintf(`{"schema_version": "1.3.1", "id": %q, "modified": "2026-01-0%dT00:00:00Z", "published": "2026-01-01T00:00:00Z", "summary": "s",
  "affected": [{"package": {"name": %q, "ecosystem": "Go"}, "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "99.0.0"}]}],
    "ecosystem_specific": {"imports": [{"path": %q}]}}]}`, id, n, module, pkg)
	if err := os.WriteFile(filepath.Join(dir, id+".json"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// The programs of this folder's module are looked at: they use licensecheck.
func TestCheck(t *testing.T) {
	reports := t.TempDir()
	program := filepath.Join(t.TempDir(), "govulncheck")
	if err := build(program); err != nil {
		t.Fatal(err)
	}
	look := func() (string, error) {
		db := filepath.Join(t.TempDir(), "db")
		if _, err := write(reports, db); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		err := check(program, "file://"+filepath.ToSlash(db), "..", &out)
		return out.String(), err
	}
	put(t, reports, 1, "golang.org/x/mod", "golang.org/x/mod/gosumcheck") // which is not imported
	put(t, reports, 2, "stdlib", "os")
	put(t, reports, 3, "example.com/elsewhere", "example.com/elsewhere")
	out, err := look()
	if err != nil || !strings.Contains(out, "of the Go that builds: GO-0000-0002: stdlib") || strings.Contains(out, "0001") {
		t.Fatal(out, err)
	}
	put(t, reports, 4, "github.com/google/licensecheck", "github.com/google/licensecheck")
	if out, err = look(); err == nil || !strings.Contains(err.Error(), "GO-0000-0004: github.com/google/licensecheck") || strings.Contains(err.Error(), "0002") {
		t.Fatal(out, err)
	}
}

func TestReportsThatAreNone(t *testing.T) {
	empty := t.TempDir()
	if _, err := write(empty, t.TempDir()); err == nil {
		t.Error("a folder without reports made a database that finds nothing")
	}
	put(t, empty, 1, "m", "m")
	if err := os.Rename(filepath.Join(empty, "GO-0000-0001.json"), filepath.Join(empty, "GO-0000-0002.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := write(empty, t.TempDir()); err == nil {
		t.Error("a report under the name of another was taken")
	}
}

// Without reports nothing is looked for, and that is noted.
func TestWithoutReports(t *testing.T) {
	t.Setenv("GOVULNDB", "")
	t.Setenv("GOPROXY", "off")
	t.Setenv("GOMODCACHE", t.TempDir())
	noted := filepath.Join(t.TempDir(), "skipped")
	if err := look("..", pinned, noted); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(noted); err != nil || !strings.HasPrefix(string(text), "govulncheck: the reports could not be fetched: ") {
		t.Fatal(string(text), err)
	}
}
