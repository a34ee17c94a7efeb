package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module example.com/m\n\ngo 1.25\n")
	write("own_unix.go", "//go:build unix\n\npackage m\n\nimport \"syscall\"\n\nfunc stop() error { return syscall.Kill(0, syscall.SIGTERM) }\n")
	write("own_windows.go", "package m\n\nfunc stop() error { return nil }\n")
	write("shared.go", "package m\n\nvar _ = stop()\n")
	write("shared_test.go", "package m\n\nimport \"testing\"\n\nfunc TestStop(t *testing.T) { _ = stop() }\n")
	write("more/file.go", "// Package more is empty.\npackage more\n")
	write("b/only_linux.go", "package b\n\nvar X = 1\n")

	passes := func(system string, packages int, patterns ...string) {
		t.Helper()
		if n, err := check(folder, system, patterns); err != nil || n != packages {
			t.Errorf("for %s: %d packages, %v; want %d", system, n, err, packages)
		}
	}
	fails := func(system, want string, patterns ...string) {
		t.Helper()
		if _, err := check(folder, system, patterns); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "for "+system) {
			t.Errorf("for %s: %v; want %q", system, err, want)
		}
	}
	for _, system := range []string{"windows", "darwin", "linux"} {
		passes(system, 3, ".", "./more") // one is checked again with its tests
	}
	fails("darwin", "build constraints exclude all Go files", "./b")
	fails("windows", "", "./nothing")

	write("shared_test.go", "package m\n\nimport \"syscall\"\n\nvar _ = syscall.Kill\n")
	passes("darwin", 2, ".")
	fails("windows", "syscall.Kill", ".")
}
