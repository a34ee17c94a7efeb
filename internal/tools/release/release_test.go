package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// shop is a repository like this one, as small as can be.
var shop = map[string]string{
	"go.mod":       "module github.com/example/shop\n\ngo 1.25.0\n",
	"go.work":      "go 1.25.0\n\nuse (\n\t.\n\t./cmd/shopctl\n\t./adapters/disk\n\t./trials/load\n)\n",
	"shop.go":      "// Package shop sells.\npackage shop\n\n// Open is when.\nconst Open = \"9 to 5\"\n",
	"LICENSE":      "Anybody may do anything.\n",
	"CHANGELOG.md": "# Changelog\n\n## 0.2.0 - 2026-01-02\n\n- More.\n\n## 0.1.0 - 2026-01-01\n\n- All.\n",
	"adapters/disk/go.mod": "module github.com/example/shop/adapters/disk\n\ngo 1.25.0\n\nrequire github.com/example/shop v0.0.0\n\n" +
		"replace github.com/example/shop => ../..\n",
	"adapters/disk/disk.go": "// Package disk keeps.\npackage disk\n\nimport \"github.com/example/shop\"\n\n// Open is when.\nconst Open = shop.Open\n",
	"cmd/shopctl/go.mod": "module github.com/example/shop/cmd/shopctl\n\ngo 1.25.0\n\nrequire github.com/example/shop/adapters/disk v0.0.0\n\n" +
		"require github.com/example/shop v0.0.0 // indirect\n\n" +
		"replace (\n\tgithub.com/example/shop => ../..\n\tgithub.com/example/shop/adapters/disk => ../../adapters/disk\n)\n",
	"cmd/shopctl/main.go": `// Shopctl tells.
package main

import (
	"fmt"
	"runtime/debug"

	"github.com/example/shop/adapters/disk"
)

func main() {
	_ = disk.Open
	info, _ := debug.ReadBuildInfo()
	fmt.Println("shopctl", info.Main.Version)
}
`,
	"trials/load/go.mod": "module github.com/example/shop/trials/load\n\ngo 1.25.0\n\nrequire github.com/example/shop v0.0.0\n\n" +
		"replace github.com/example/shop => ../..\n",
	"trials/load/load.go": "// Package load is not released.\npackage load\n\nimport _ \"github.com/example/shop\"\n",
}

// repository is a clean one with these files, and others in place of some.
func repository(t *testing.T, others ...string) string {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{}
	for name, text := range shop {
		files[name] = text
	}
	for i := 0; i < len(others); i += 2 {
		files[others[i]] = others[i+1]
	}
	for name, text := range files {
		put(t, filepath.Join(dir, name), text)
	}
	must(t, dir, "git", "init", "-q", "-b", "main")
	must(t, dir, "git", "config", "user.name", "tests")
	must(t, dir, "git", "config", "user.email", "tests@example.com")
	must(t, dir, "git", "add", "--all")
	must(t, dir, "git", "commit", "-q", "-m", "all")
	return dir
}

func put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	out, err := command(t.Context(), dir, nil, name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestRelease(t *testing.T) {
	dir := repository(t)
	before := must(t, dir, "git", "rev-parse", "HEAD")
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"-C", dir, "v0.1.0"}, &out, &errs); code != 0 {
		t.Fatal(code, errs.String())
	}
	if tags := must(t, dir, "git", "tag"); tags != "" {
		t.Fatalf("a trial made tags: %s", tags)
	}
	out.Reset()
	if code := run(t.Context(), []string{"-C", dir, "-write", "v0.1.0"}, &out, &errs); code != 0 {
		t.Fatal(code, errs.String())
	}
	if tags := must(t, dir, "git", "tag"); tags != "adapters/disk/v0.1.0\ncmd/shopctl/v0.1.0\nv0.1.0" {
		t.Fatalf("tags: %s", tags)
	}
	if now := must(t, dir, "git", "rev-parse", "HEAD") + must(t, dir, "git", "status", "--porcelain"); now != before {
		t.Fatalf("the tree or the branch has changed: %s", now)
	}
	for _, tag := range []string{"v0.1.0", "adapters/disk/v0.1.0", "cmd/shopctl/v0.1.0"} {
		if parent := must(t, dir, "git", "rev-parse", tag+"^{commit}^"); parent != before {
			t.Fatalf("%s is not made of HEAD: %s", tag, parent)
		}
	}
	mod := must(t, dir, "git", "show", "v0.1.0:cmd/shopctl/go.mod")
	if strings.Contains(mod, "replace") || strings.Count(mod, " v0.1.0") != 2 {
		t.Fatalf("go.mod of the release:\n%s", mod)
	}
	if sum := must(t, dir, "git", "show", "v0.1.0:cmd/shopctl/go.sum"); strings.Count(sum, "shop/adapters/disk v0.1.0") != 2 {
		t.Fatalf("go.sum of the release:\n%s", sum)
	}
	if mod := must(t, dir, "git", "show", "v0.1.0:trials/load/go.mod"); mod+"\n" != shop["trials/load/go.mod"] {
		t.Fatalf("what is not released has changed:\n%s", mod)
	}
	if !strings.Contains(out.String(), "git push --atomic origin v0.1.0 adapters/disk/v0.1.0 cmd/shopctl/v0.1.0\n") {
		t.Fatalf("it does not tell what to push: %s", out.String())
	}

	// And the next one, from main, into which the tag was merged.
	must(t, dir, "git", "merge", "-q", "-s", "ours", "-m", "after v0.1.0", "v0.1.0")
	if code := run(t.Context(), []string{"-C", dir, "-write", "v0.2.0"}, &out, &errs); code != 0 {
		t.Fatal(code, errs.String())
	}
	if mod := must(t, dir, "git", "show", "v0.2.0:cmd/shopctl/go.mod"); strings.Count(mod, " v0.2.0") != 2 {
		t.Fatalf("go.mod of the second release:\n%s", mod)
	}
}

func TestWhatIsNoRelease(t *testing.T) {
	const foreign = "module github.com/example/shop/adapters/disk\n\ngo 1.25.0\n\nreplace example.com/else => ../else\n"
	const onTrials = "module github.com/example/shop/adapters/disk\n\ngo 1.25.0\n\nrequire github.com/example/shop/trials/load v0.0.0\n"
	const circle = "module github.com/example/shop/adapters/disk\n\ngo 1.25.0\n\nrequire github.com/example/shop/cmd/shopctl v0.0.0\n"
	for name, c := range map[string]struct {
		version string
		files   []string
		change  func(t *testing.T, dir string)
		says    string
	}{
		"a changed file":      {"v0.1.0", nil, func(t *testing.T, dir string) { put(t, filepath.Join(dir, "LICENSE"), "x") }, "not clean"},
		"a new file":          {"v0.1.0", nil, func(t *testing.T, dir string) { put(t, filepath.Join(dir, "new.go"), "package shop\n") }, "not clean"},
		"the tag of a module": {"v0.1.0", nil, func(t *testing.T, dir string) { must(t, dir, "git", "tag", "adapters/disk/v0.1.0") }, "adapters/disk/v0.1.0 exists"},
		"a newer release":     {"v0.1.0", nil, func(t *testing.T, dir string) { must(t, dir, "git", "tag", "v0.1.1") }, "not newer than v0.1.1"},
		"no word of it":       {"v0.3.0", nil, nil, "CHANGELOG.md"},
		"half a version":      {"v0.1", nil, nil, "no version"},
		"no v":                {"0.1.0", nil, nil, "no version"},
		"a second major":      {"v2.0.0", nil, nil, "no version"},
		"a foreign replace":   {"v0.1.0", []string{"adapters/disk/go.mod", foreign}, nil, "cannot be installed"},
		"a need of a trial":   {"v0.1.0", []string{"adapters/disk/go.mod", onTrials}, nil, "not released"},
		"a circle":            {"v0.1.0", []string{"adapters/disk/go.mod", circle}, nil, "need one another"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := repository(t, c.files...)
			if c.change != nil {
				c.change(t, dir)
			}
			before := must(t, dir, "git", "tag")
			var out, errs bytes.Buffer
			if code := run(t.Context(), []string{"-C", dir, "-write", c.version}, &out, &errs); code != 1 || !strings.Contains(errs.String(), c.says) {
				t.Fatalf("code %d, %q", code, errs.String())
			}
			if after := must(t, dir, "git", "tag"); after != before {
				t.Fatalf("tags were made: %s", after)
			}
		})
	}
}

// A program that does not tell the version is not released, and no tag is left.
func TestAProgramThatTellsAnotherVersion(t *testing.T) {
	dir := repository(t, "cmd/shopctl/main.go", "// Shopctl tells.\npackage main\n\nimport (\n\t\"fmt\"\n\n\t_ \"github.com/example/shop/adapters/disk\"\n)\n\nfunc main() { fmt.Println(\"shopctl v0\") }\n")
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"-C", dir, "-write", "v0.1.0"}, &out, &errs); code != 1 || !strings.Contains(errs.String(), `printed "shopctl v0"`) {
		t.Fatalf("code %d, %q", code, errs.String())
	}
	if tags := must(t, dir, "git", "tag"); tags != "" {
		t.Fatalf("tags were made: %s", tags)
	}
}

// TestThisRepository releases what is committed here, in a clone, and so installs this
// repository's programs from a module proxy.
func TestThisRepository(t *testing.T) {
	if testing.Short() {
		t.Skip("builds three programs; run without -short")
	}
	dir := filepath.Join(t.TempDir(), "clone")
	must(t, "", "git", "clone", "-q", "../../..", dir)
	must(t, dir, "git", "config", "user.name", "tests")
	must(t, dir, "git", "config", "user.email", "tests@example.com")
	log, err := os.ReadFile(filepath.Join(dir, "CHANGELOG.md"))
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "CHANGELOG.md"), string(log)+"\n## 0.999.0 - 2026-01-01\n")
	must(t, dir, "git", "commit", "-q", "-a", "-m", "changelog")
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"-C", dir, "-write", "v0.999.0"}, &out, &errs); code != 0 {
		t.Fatal(code, errs.String())
	}
	for _, program := range []string{"duvo-emulator", "duvo-mcp", "duvoctl"} {
		if !strings.Contains(out.String(), `installs what prints "`+program+` v0.999.0"`) {
			t.Errorf("%s was not installed: %s", program, out.String())
		}
	}
	if tags := strings.Fields(must(t, dir, "git", "tag", "--list", "*v0.999.0")); len(tags) < 9 {
		t.Errorf("tags: %v", tags)
	}
}
