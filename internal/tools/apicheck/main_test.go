package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	if _, err := run(dir, "git", append([]string{"-c", "user.name=tests", "-c", "user.email=tests@example.com"}, args...)...); err != nil {
		t.Fatal(err)
	}
}

const public = "// Package shop sells.\npackage shop\n\n// Sell sells.\nfunc Sell(n int) {}\n\n// Price is one.\ntype Price struct{ Cents int }\n"

// repository is one with a module in its root, one below it, and one that is not
// released.
func repository(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module github.com/example/shop\n\ngo 1.25.0\n", "go.work": "go 1.25.0\n\nuse (\n\t.\n\t./adapters/disk\n\t./trials/load\n)\n",
		"shop.go": public, "internal/deep/deep.go": "package deep\n\nfunc Deep() {}\n", "cmd/shopctl/main.go": "package main\n\nfunc Main() {}\n\nfunc main() {}\n",
		"adapters/disk/go.mod": "module github.com/example/shop/adapters/disk\n\ngo 1.25.0\n", "adapters/disk/disk.go": "package disk\n\nfunc Keep() {}\n",
		"trials/load/go.mod": "module github.com/example/shop/trials/load\n\ngo 1.25.0\n", "trials/load/load.go": "package load\n\nfunc Load() {}\n",
	} {
		put(t, filepath.Join(dir, name), text)
	}
	git(t, dir, "init", "-q", "-b", "main")
	git(t, dir, "add", "--all")
	git(t, dir, "commit", "-q", "-m", "all")
	return dir
}

func TestCheck(t *testing.T) {
	const broken = "github.com/example/shop: Sell: changed from func(int) to func(string)"
	change := func(name, text string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { put(t, filepath.Join(dir, name), text) }
	}
	for name, c := range map[string]struct {
		tags   []string
		change func(t *testing.T, dir string)
		fails  string // empty: it does not
		says   string
	}{
		"no release":         {nil, change("shop.go", "package shop\n"), "", "no release yet"},
		"a candidate alone":  {[]string{"v0.1.0-rc.1", "adapters/disk/v0.1.0"}, change("shop.go", "package shop\n"), "", "no release yet"},
		"nothing":            {[]string{"v0.1.0"}, nil, "", "but for 0 accepted"},
		"an addition":        {[]string{"v0.1.0", "v0.1.0-rc.1"}, change("more.go", "package shop\n\nfunc More() {}\n"), "", "what v0.1.0 has"},
		"a changed function": {[]string{"v0.1.0"}, change("shop.go", strings.ReplaceAll(public, "n int", "s string")), broken, ""},
		"a removed field":    {[]string{"v0.1.0"}, change("shop.go", strings.ReplaceAll(public, "Cents int", "Euros int")), "github.com/example/shop: Price.Cents: removed", ""},
		"a change below":     {[]string{"v0.1.0"}, change("adapters/disk/disk.go", "package disk\n"), "github.com/example/shop/adapters/disk: Keep: removed", ""},
		"a removed package": {[]string{"v0.1.0"}, func(t *testing.T, dir string) {
			git(t, dir, "rm", "-q", "adapters/disk/disk.go")
		}, "adapters/disk: package removed", ""},
		"internal and programs": {[]string{"v0.1.0"}, func(t *testing.T, dir string) {
			put(t, dir+"/internal/deep/deep.go", "package deep\n")
			put(t, dir+"/cmd/shopctl/main.go", "package main\n\nfunc main() {}\n")
			put(t, dir+"/trials/load/load.go", "package load\n")
		}, "", "but for 0"},
		"an accepted break": {[]string{"v0.1.0"}, func(t *testing.T, dir string) {
			put(t, dir+"/shop.go", strings.ReplaceAll(public, "n int", "s string"))
			put(t, dir+"/"+accepted, "# meant\n"+broken+"\n")
		}, "", "but for 1 accepted"},
		"an acceptance too many": {[]string{"v0.1.0"}, change(accepted, broken+"\n"), "accepts what is no break: " + broken, ""},
		"one before a release":   {nil, change(accepted, broken+"\n"), "accepts what is no break", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := repository(t)
			for _, tag := range c.tags {
				git(t, dir, "tag", tag)
			}
			if c.change != nil {
				c.change(t, dir)
			}
			var out bytes.Buffer
			err := check(dir, &out)
			switch {
			case c.fails == "" && (err != nil || !strings.Contains(out.String(), c.says)):
				t.Fatal(out.String(), err)
			case c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)):
				t.Fatal(out.String(), err)
			}
		})
	}
}

// TestThisRepository breaks what is committed here, in a clone.
func TestThisRepository(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the whole repository; run without -short")
	}
	dir := filepath.Join(t.TempDir(), "clone")
	git(t, "../../..", "clone", "-q", ".", dir)
	const file = "adapters/bolt/soon.go"
	put(t, filepath.Join(dir, file), "package bolt\n\nfunc Soon(o Option) {}\n")
	git(t, dir, "add", "--all")
	git(t, dir, "commit", "-q", "-m", "soon")
	git(t, dir, "tag", "v0.999.0")
	var out bytes.Buffer
	if err := check(dir, &out); err != nil || !strings.Contains(out.String(), "what v0.999.0 has, but for 0") {
		t.Fatal(out.String(), err)
	}
	put(t, filepath.Join(dir, file), "package bolt\n\nfunc Soon(o Option, n int) {}\n")
	if err := check(dir, &out); err == nil || !strings.HasSuffix(err.Error(), "/adapters/bolt: Soon: changed from func(Option) to func(Option, int)") {
		t.Fatal(err)
	}
}
