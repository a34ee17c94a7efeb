package doccheck

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/duvotool/duvotool"

// repository returns the root of the clone that this package stands in.
func repository(t *testing.T) string {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	if _, err := os.Stat(filepath.Join(root, "go.work")); err != nil {
		t.Skip("this is no clone of the repository: ", err)
	}
	return root
}

func documentation(t *testing.T, root string) (pages []Page) {
	names, err := Pages(root)
	require.NoError(t, err)
	for _, name := range names {
		if name == "README.md" || strings.HasPrefix(name, "docs/") {
			p, err := ReadPage(root, name)
			require.NoError(t, err)
			pages = append(pages, p)
		}
	}
	require.Greater(t, len(pages), 10)
	return pages
}

// coming are pages that are written while this is: they need not be linked yet.
var coming = []string{}

// TestLinks: whatever a page of the repository links is there, and every page of docs is
// found from the README.
func TestLinks(t *testing.T) {
	root := repository(t)
	names, err := Pages(root)
	require.NoError(t, err)
	for _, name := range names {
		p, err := ReadPage(root, name)
		require.NoError(t, err)
		report(t, CheckLinks(root, p))
	}
	lost, err := CheckReached(root, "README.md", "docs/", names)
	require.NoError(t, err)
	report(t, slices.DeleteFunc(lost, func(problem string) bool {
		page, _, _ := strings.Cut(problem, ":")
		return slices.Contains(coming, page)
	}))
}

// TestSnippets: all Go in the documentation compiles, and what says that it is of a file
// is in that file.
func TestSnippets(t *testing.T) {
	root := repository(t)
	source, err := ReadSource(root, module)
	require.NoError(t, err)
	frame, err := os.ReadFile("testdata/frame.go")
	require.NoError(t, err)
	s, err := NewSnippets(source, frame)
	require.NoError(t, err)
	for _, p := range documentation(t, root) {
		report(t, s.Add(p))
	}
	said, err := s.Build(filepath.Join(root, "examples"), t.TempDir())
	require.NoError(t, err)
	require.Empty(t, said)
}

// TestCommands: what readers are told to type is there, with its flags. The names that
// the text tells are, too.
func TestCommands(t *testing.T) {
	root := repository(t)
	source, err := ReadSource(root, module)
	require.NoError(t, err)
	for _, p := range documentation(t, root) {
		for _, c := range p.Commands() {
			if problem := source.CheckCommand(c); problem != "" {
				t.Errorf("%s: %s: %s", c.Where, strings.Join(c.Words, " "), problem)
			}
		}
		report(t, source.CheckNames(p))
		report(t, CheckBlocks(p))
	}
}

// TestLinesOfOnesOwnModule: the README's lines make its smallest program build in a new
// module beside the clone.
func TestLinesOfOnesOwnModule(t *testing.T) {
	root := repository(t)
	p, err := ReadPage(root, "README.md")
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), "agent")
	require.NoError(t, os.Mkdir(dir, 0o755))
	require.NoError(t, os.Symlink(root, filepath.Join(dir, "../duvotool")))
	sh := func(script string) {
		c := exec.Command("sh", "-eu", "-c", script)
		c.Dir = dir
		c.Env = append(os.Environ(), "GOWORK=off", "GOSUMDB=off", "GOFLAGS=")
		out, err := c.CombinedOutput()
		require.NoError(t, err, "%s\n%s", script, out)
	}
	lines, program := "", ""
	for _, b := range p.Blocks {
		switch {
		case len(b.Said("run")) > 0:
			require.Empty(t, program, "the lines come before the program")
			lines += b.Text
		case strings.HasPrefix(b.Text, "package main"):
			program += b.Text
		}
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte(program), 0o600))
	sh(lines)
	sh("go list -deps . >/dev/null") // that it compiles is seen where it comes from
}

func report(t *testing.T, wrong []string) {
	for _, w := range wrong {
		t.Error(w)
	}
}
