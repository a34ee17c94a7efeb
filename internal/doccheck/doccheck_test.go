package doccheck

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// world is a repository with little in it.
func world(t *testing.T) string {
	root := t.TempDir()
	for name, text := range map[string]string{
		"docs/a.md":          "# A page\n\n## What's *this*, `then`?\n\n## Twice\n\n## Twice\n",
		"docs/lonely.md":     "# Nobody leads here\n",
		"README.md":          "[a](docs/a.md)\n",
		"desk.png":           "",
		"go.mod":             "module example.com/m\n",
		"m.go":               "package m\n\ntype Known struct{}\n\nfunc WithThis() {}\n",
		"m_test.go":          "package m\n\nfunc TestOne() {}\n\n// said: yes\n",
		"cmd/tool/main.go":   "package main\n\nimport \"flag\"\n\nfunc main() { flag.Bool(\"v\", false, \"\"); flag.Parse() }\n",
		"nested/go.mod":      "module example.com/m/nested\n",
		"nested/nested.go":   "package nested\n",
		"internal/in/in.go":  "package in\n",
		".hidden/a.md":       "[x](y)\n",
		"testdata/broken.md": "[x](y)\n",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(root, name), []byte(text), 0o600))
	}
	return root
}

func TestALinkThatLeadsNowhereIsFound(t *testing.T) {
	root := world(t)
	for text, wrong := range map[string]string{
		"[a](a.md) [b](../README.md) ![i](../desk.png)":     "",
		"[a](a.md#whats-this-then) [b](a.md#twice-1)":       "",
		"[here](#here)\n\n# Here\n":                         "",
		"[![i](../desk.png)](a.md)":                         "",
		"[x](https://example.com/what)":                     "",
		"```text\n[x](nowhere.md)\n```\n":                   "",
		"[x](gone.md)":                                      "no such file",
		"a\n\n[x y\nz](gone.md)":                            "docs/p.md:3: the link to gone.md",
		"![i](gone.png)":                                    "no such file",
		"<img src=\"gone.svg\">":                            "no such file",
		"[![i](gone.png)](a.md)":                            "no such file",
		"[x](a.md#other)":                                   "no such heading",
		"[x](#other)":                                       "no such heading",
		"[x](../desk.png#place)":                            "no page",
		"[x](../../secret.md)":                              "out of the repository",
		"[x](/README.md)":                                   "neither https nor relative",
		"[x](http://example.com)":                           "neither https nor relative",
		"[x](a.md#twice-2)":                                 "no such heading",
		"text with [brackets] and (parens), and [a](a.md).": "",
	} {
		found := strings.Join(CheckLinks(root, parsePage("docs/p.md", text)), "\n")
		require.Equal(t, wrong == "", found == "", "%s: %s", text, found)
		require.Contains(t, found, wrong, text)
	}
}

func TestAPageThatNothingLinksIsFound(t *testing.T) {
	root := world(t)
	names, err := Pages(root)
	require.NoError(t, err)
	require.Equal(t, []string{"README.md", "docs/a.md", "docs/lonely.md"}, names)
	lost, err := CheckReached(root, "README.md", "docs/", names)
	require.NoError(t, err)
	require.Equal(t, []string{"docs/lonely.md: nothing that starts at README.md leads there"}, lost)
	require.NoError(t, os.WriteFile(filepath.Join(root, "docs/a.md"), []byte("[b](lonely.md#x) [l](lonely.md)"), 0o600))
	lost, err = CheckReached(root, "README.md", "docs/", names)
	require.NoError(t, err)
	require.Empty(t, lost)
}

func TestACommandThatIsNoneIsFound(t *testing.T) {
	s, err := ReadSource(world(t), "example.com/m")
	require.NoError(t, err)
	for line, wrong := range map[string]string{
		"go run ./cmd/tool -v -h":                       "",
		"DUVO_API_KEY=x go run ./cmd/tool -v=true":      "",
		"go run ./cmd/TOOL -x":                          "",
		"tool -v # -x is a comment":                     "",
		"tool -v 2>/tmp/log | jq -r '.a | select(.b)'":  "",
		"curl -d '{\"a\": 1}' localhost && echo done":   "",
		"go test -run TestOne .":                        "",
		"go test ./...":                                 "",
		"go install example.com/m/cmd/tool@latest":      "",
		"go mod edit -replace example.com/m=../m":       "",
		"go run ./cmd/other":                            "is no program",
		"go run ./nested":                               "is no program",
		"go run ./cmd/tool -x":                          "has no flag -x",
		"tool --verbose":                                "has no flag -verbose",
		"echo a && tool -x":                             "has no flag -x",
		"tool \\\n  -x":                                 "has no flag -x",
		"go test -run TestTwo .":                        "no test is called",
		"go test ./gone":                                "is no package",
		"go test ./gone/...":                            "no such folder",
		"go install example.com/m/nested@latest":        "is no program",
		"go mod edit -replace example.com/m/gone=../m":  "is no module",
		"go mod edit -replace example.com/m/nested=../": "another folder",
		"go frobnicate":                                 "not known",
		"toool -v":                                      "no program of ours",
	} {
		var found []string
		for _, c := range parsePage("docs/p.md", "```sh\n"+line+"\n```\n").Commands() {
			if problem := s.CheckCommand(c); problem != "" {
				found = append(found, problem)
			}
		}
		require.Equal(t, wrong == "", len(found) == 0, "%s: %v", line, found)
		require.Contains(t, strings.Join(found, "\n"), wrong, line)
	}
	require.Equal(t, []Command{{"docs/p.md", []string{"go", "run", "./x", "-v"}}}, parsePage("docs/p.md", "Type `go run\n./x -v` now.").Commands())
}

func TestANameThatIsNotDeclaredIsFound(t *testing.T) {
	s, err := ReadSource(world(t), "example.com/m")
	require.NoError(t, err)
	check := func(text string) []string { return s.CheckNames(parsePage("docs/p.md", text)) }
	require.Empty(t, check("`m.Known`, `WithThis(x)`, `http.Other` and `x.WithThat` of others"))
	require.Equal(t, []string{"docs/p.md: `m.Other`: m has no Other"}, check("`m.Other`"))
	require.Empty(t, check("`-v FILE` and `-race`"))
	require.Equal(t, []string{"docs/p.md: `-x`: no program of ours has this flag"}, check("`-x`"))
	require.Equal(t, []string{"docs/p.md: `WithThat(x)`: no package has WithThat"}, check("`WithThat(x)`"))
}

func TestABlockThatNobodyChecksIsFound(t *testing.T) {
	require.Empty(t, CheckBlocks(parsePage("docs/p.md", "```json\n{}\n```\n")))
	require.Len(t, CheckBlocks(parsePage("docs/p.md", "```json\n{,}\n```\n\n```\nwhat?\n```\n")), 2)
}

const small = "package p\n\nimport \"time\"\n\nvar (\n\thour time.Duration\n)\n\nfunc Both() {}\n"

// What is wrong in a snippet is told with its place in the page.
func TestASnippetThatDoesNotCompileIsFound(t *testing.T) {
	root := world(t)
	source, err := ReadSource(root, "example.com/m")
	require.NoError(t, err)
	build := func(text string) string {
		s, err := NewSnippets(source, []byte(small))
		require.NoError(t, err)
		wrong := s.Add(parsePage("docs/p.md", text))
		said, err := s.Build(root, t.TempDir())
		require.NoError(t, err)
		return strings.Join(append(wrong, said), "\n")
	}
	good := "```go\nk, n := m.Known{}, fmt.Sprint(hour)\n```\n\n```go\nfunc Both() time.Duration { return hour + 1 }\n```\n\n" +
		"<!-- given: day time.Duration -->\n```go\nday += Both()\n```\n\n<!-- m_test.go -->\n```go\n  func TestOne() {}\n```\n\n<!-- m_test.go -->\n```text\nsaid: yes\n```\n\n" +
		"```go\npackage main\n\nfunc main() {}\n```\n"
	require.Empty(t, build(good))
	for text, wrong := range map[string]string{
		"one\n\n```go\nk := m.Knwon{}\n```\n":                      "docs/p.md:4: undefined: m.Knwon",
		"```go\nfmt.Println(1)\n```\n":                             "what prints is run",
		"```go\nx := unheard\n```\n":                               "undefined: unheard",
		"```go\nfunc f() string { return 1 }\n```\n":               "cannot use 1",
		"```go\npackage main\n\nfunc main() { x }\n```\n":          "undefined: x",
		"```go\nif {\n```\n":                                       "docs/p.md:2:",
		"<!-- m_test.go -->\n```go\nfunc TestTwo() {}\n```":        "differs from m_test.go",
		"<!-- m_test.go -->\n```text\nsaid: no\n```\n":             "differs from m_test.go",
		"<!-- gone.go -->\n```go\nfunc TestTwo() {}\n```\n":        "no such file",
		"```go\nday := 1\n```\n\n```go\nx := day\n```\n":           "undefined: day",
		"<!-- import: example.com/m/gone -->\n```go\n_ = 1\n```\n": "example.com/m/gone",
	} {
		require.Contains(t, build(text), wrong, text)
	}
}
