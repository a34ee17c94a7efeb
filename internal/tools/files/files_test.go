// Package files holds what no compiler reads, the files for releases, containers and the
// forge, against the repository that they speak of.
package files

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const top = "../../.."

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// programs are the folders under cmd/.
func programs(t *testing.T) (out []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(top, "cmd"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// stamp is how the version is put into a program; the variable that it names exists.
func stamp(t *testing.T) string {
	t.Helper()
	if !regexp.MustCompile(`(?m)^var stamped string$`).MatchString(read(t, "internal/version/version.go")) {
		t.Fatal("internal/version has no variable stamped")
	}
	return "-X github.com/duvotool/duvotool/internal/version.stamped="
}

// Each program is built in its own module, without the workspace, and is told its
// version; there is a bill of materials of each.
func TestGoreleaser(t *testing.T) {
	var c struct {
		Version int
		Env     []string
		Builds  []struct {
			ID, Dir, Main, Binary string
			Env, Goos, Goarch     []string
			Flags, Ldflags        []string
		}
		Archives []struct{ Files []string }
		SBOMs    []struct{ Artifacts, Cmd string } `yaml:"sboms"`
		Checksum struct {
			Name string `yaml:"name_template"`
		}
		Release struct{ Draft bool }
	}
	d := yaml.NewDecoder(strings.NewReader(read(t, ".goreleaser.yaml")))
	if err := d.Decode(&c); err != nil {
		t.Fatal(err)
	}
	if c.Version != 2 || !slices.Contains(c.Env, "CGO_ENABLED=0") || c.Checksum.Name == "" || !c.Release.Draft || len(c.SBOMs) != 1 || c.SBOMs[0].Artifacts != "binary" {
		t.Errorf("%+v", c)
	}
	var built []string
	for _, b := range c.Builds {
		built = append(built, b.Binary)
		main := filepath.Join(top, b.Dir, b.Main)
		if text, err := os.ReadFile(filepath.Join(main, "main.go")); err != nil || filepath.Base(main) != b.Binary || !strings.Contains(string(text), "package main") {
			t.Errorf("%s is not built from %s", b.Binary, main)
		}
		if _, err := os.Stat(filepath.Join(top, b.Dir, "go.mod")); err != nil || !slices.Equal(b.Env, []string{"GOWORK=off"}) {
			t.Errorf("%s is not built in its module: %v", b.Binary, b.Env)
		}
		if !slices.Contains(b.Flags, "-trimpath") || !strings.Contains(strings.Join(b.Ldflags, " "), stamp(t)+"v{{ .Version }}") {
			t.Errorf("%s: %v %v", b.Binary, b.Flags, b.Ldflags)
		}
		if len(b.Goos) < 3 || len(b.Goarch) < 2 {
			t.Errorf("%s is built for %v, %v", b.Binary, b.Goos, b.Goarch)
		}
	}
	if !slices.Equal(built, programs(t)) {
		t.Errorf("built are %v, of %v", built, programs(t))
	}
	for _, a := range c.Archives {
		for _, f := range a.Files {
			read(t, f)
		}
	}
}

// Each program has a target, which runs it alone, without rights.
func TestContainerfile(t *testing.T) {
	text := read(t, "Containerfile")
	stages := map[string]string{} // each with the one it begins with
	var targets []string
	for _, m := range regexp.MustCompile(`(?m)^FROM (\S+) AS (\S+)\n`).FindAllStringSubmatch(text, -1) {
		from, name := m[1], m[2]
		_, body, _ := strings.Cut(text, m[0])
		body, _, _ = strings.Cut(body, "\nFROM ")
		if strings.ContainsAny(from, "./") && from != "golang:1.26" {
			t.Errorf("%s is from %s, which names a host", name, from)
		}
		stages[name] = stages[from] + body
		if strings.Contains(body, "\nENTRYPOINT") {
			targets = append(targets, name)
		}
	}
	if !slices.Equal(targets, programs(t)) {
		t.Errorf("targets are %v, of %v", targets, programs(t))
	}
	for _, name := range targets {
		for _, line := range []string{"USER 65532:65532", `ENTRYPOINT ["/` + name + `"]`, "COPY --from=build /out/" + name + " /" + name, "ca-certificates.crt"} {
			if !strings.Contains(stages[name], line) {
				t.Errorf("%s lacks %s", name, line)
			}
		}
	}
	if !strings.Contains(text, stamp(t)+"$VERSION") {
		t.Error("the programs are not told their version")
	}
}

// The command that builds the programs works, and names each. With -n it only tells
// what it would do.
func TestContainerfileBuilds(t *testing.T) {
	_, script, found := strings.Cut(strings.ReplaceAll(read(t, "Containerfile"), "\\\n", " "), "\nRUN ")
	script, _, _ = strings.Cut(script, "\n")
	if !found || strings.Count(script, "go build ") != 1 {
		t.Fatal(script)
	}
	out := filepath.Join(t.TempDir(), "out")
	c := exec.Command("sh", "-c", strings.NewReplacer("/out", out, "go build -C \"$dir\" ", "go build -C \"$dir\" -n ").Replace(script))
	c.Dir, c.Env = top, append(os.Environ(), "GOWORK=", "VERSION=v0.9.9")
	said, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	for _, name := range programs(t) {
		if !strings.Contains(string(said), out+"/"+name) {
			t.Errorf("%s is not built", name)
		}
	}
	if n := strings.Count(string(said), strings.TrimPrefix(stamp(t), "-X ")+"v0.9.9"); n < 3 {
		t.Errorf("%d are told their version", n)
	}
}

// The workflow runs what contributors run, and has no rights that it does not need.
func TestWorkflow(t *testing.T) {
	var w struct {
		Permissions map[string]string
		Jobs        map[string]struct {
			Steps []struct {
				Uses, Run string
				With      map[string]string
			}
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, ".github/workflows/ci.yml")), &w); err != nil {
		t.Fatal(err)
	}
	if len(w.Permissions) != 1 || w.Permissions["contents"] != "read" {
		t.Errorf("permissions: %v", w.Permissions)
	}
	steps := w.Jobs["ci"].Steps
	if len(steps) == 0 || steps[len(steps)-1].Run != ".ci/run" || steps[0].With["fetch-depth"] != "0" {
		t.Errorf("%+v", steps)
	}
	if i, err := os.Stat(filepath.Join(top, ".ci/run")); err != nil || i.Mode()&0o111 == 0 {
		t.Error(".ci/run cannot be run")
	}
}

// Templates begin with what the forge reads.
func TestIssueTemplates(t *testing.T) {
	names, err := filepath.Glob(filepath.Join(top, ".github/ISSUE_TEMPLATE/*.md"))
	if err != nil || len(names) < 2 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.SplitN(string(text), "---\n", 3)
		var head struct{ Name, About string }
		if len(parts) != 3 || parts[0] != "" || yaml.Unmarshal([]byte(parts[1]), &head) != nil || head.Name == "" || head.About == "" {
			t.Errorf("%s: %+v", name, head)
		}
	}
}

// Each test that SECURITY.md names exists.
func TestSecurity(t *testing.T) {
	named := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(read(t, "SECURITY.md"), -1)
	if len(named) < 30 {
		t.Fatalf("%d tests are named", len(named))
	}
	c := exec.Command("git", "grep", "-hoE", `^func Test\w+`, "--", "*_test.go")
	c.Dir = top
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	have := strings.Fields(strings.ReplaceAll(string(out), "func ", ""))
	for _, m := range named {
		if !slices.Contains(have, m[1]) {
			t.Errorf("there is no %s", m[1])
		}
	}
}

// The files name no registry's host: where modules and images come from is for those
// to say who build.
func TestNoHosts(t *testing.T) {
	for _, name := range []string{".goreleaser.yaml", "Containerfile", ".github/workflows/ci.yml", "SECURITY.md", "CODE_OF_CONDUCT.md", ".ci/run"} {
		if host := regexp.MustCompile(`\b(proxy|registry|sum|gcr|ghcr|docker|quay)\.(golang\.org|npmjs\.org|io)\b`).FindString(read(t, name)); host != "" {
			t.Errorf("%s names %s", name, host)
		}
	}
}
