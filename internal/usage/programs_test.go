package usage

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// without are programs that take nothing at all: the README shows this one whole.
var without = map[string]bool{"examples/smallest": true}

// wrong is the exit code after a wrong flag where it is not 2: duvoctl's 2 has meant
// that somebody is not signed in since its first release.
var wrong = map[string]int{"cmd/duvoctl": 1}

// common are variables that every terminal has.
var common = map[string]bool{"TERM": true, "LANG": true, "LC_ALL": true, "LC_CTYPE": true, "USER": true, "PATH": true}

// A program is one of this repository's, built.
type program struct {
	folder, path string
	source       string // of all its files but tests
}

// programs builds every program of the repository.
func programs(t *testing.T) (out []program) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	bin := t.TempDir()
	build := []string{"build", "-ldflags=-s -w", "-o", bin}
	for _, under := range []string{"cmd", "examples", "trials", "bench"} {
		sources := map[string]string{}
		require.NoError(t, filepath.WalkDir(filepath.Join(root, under), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			sources[filepath.Dir(path)] += string(text)
			return err
		}))
		for dir, source := range sources {
			folder, err := filepath.Rel(root, dir)
			require.NoError(t, err)
			if folder = filepath.ToSlash(folder); strings.Contains(source, "\nfunc main() {") && !without[folder] {
				out = append(out, program{folder, filepath.Join(bin, filepath.Base(dir)), source})
				build = append(build, "./"+folder)
			}
		}
	}
	require.Greater(t, len(out), 10)
	c := exec.Command("go", build...)
	c.Dir = root
	said, err := c.CombinedOutput()
	require.NoError(t, err, "%s", said)
	return out
}

// run runs a program with nothing in its environment that reaches anything.
func (p program) run(t *testing.T, arg string) (code int, out, errs string) {
	var stdout, stderr bytes.Buffer
	c := exec.CommandContext(t.Context(), p.path, arg)
	c.Env, c.Dir = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}, t.TempDir()
	c.Stdout, c.Stderr = &stdout, &stderr
	var failed *exec.ExitError
	if err := c.Run(); err != nil && !errors.As(err, &failed) {
		require.NoError(t, err)
	}
	return c.ProcessState.ExitCode(), stdout.String(), stderr.String()
}

var (
	definesFlag = regexp.MustCompile(`\b(?:fs|f|c\.Flags\(\))\.(?:(?:String|Bool|Int|Duration|Float64|Uint64|StringArray)(?:VarP?)?|Func|Var)\((?:&?[\w.]+(?:\(\))?, )?"([a-z][\w-]*)"`)
	readsEnv    = regexp.MustCompile(`(?:Getenv|LookupEnv)\("([A-Z_]+)"\)`)
	shownFlag   = regexp.MustCompile(`(?m)^  -([\w-]+)(?: (\S.*))?\n((?:      .*\n)+)`)
	usedFlag    = regexp.MustCompile(` (--?[a-z][\w-]*)`)
)

// Every program's -h says what it does, in one form, and a wrong flag ends it.
func TestHelpOfEveryProgram(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds every program; it runs without -short")
	}
	if where, err := exec.Command("go", "env", "GOWORK").Output(); err != nil || strings.TrimSpace(string(where)) == "" {
		t.Skip("the programs are in several modules, and there is no workspace")
	}
	for _, p := range programs(t) {
		t.Run(p.folder, func(t *testing.T) {
			code, help, errs := p.run(t, "-h")
			require.Zero(t, code, errs)
			require.Empty(t, errs, "help that was asked for goes to stdout")
			p.checkHelp(t, help)

			code, out, errs := p.run(t, "-no-such-flag")
			want, other := wrong[p.folder]
			if !other {
				want = Wrong
			}
			require.Equal(t, want, code)
			require.Empty(t, out)
			require.Contains(t, errs, "no-such-flag")
			require.Contains(t, errs, " -h", "where more is told")
			require.LessOrEqual(t, strings.Count(errs, "\n"), 3, errs)
		})
	}
}

func (p program) checkHelp(t *testing.T, help string) {
	name := filepath.Base(p.path)
	for line := range strings.Lines(help) {
		assert.LessOrEqual(t, utf8.RuneCountInString(strings.TrimRight(line, "\n")), Columns, line)
	}
	assert.Regexp(t, `\A[A-Z][^\n]{20,}\.\n\n`, help, "the first line says what it does")
	for _, section := range []string{"\nUsage:\n  " + name, "\nExit codes:\n", "\nExamples:\n", "\nFlags:\n"} {
		assert.Contains(t, help, section)
	}
	for _, f := range definesFlag.FindAllStringSubmatch(p.source, -1) {
		if name != "duvoctl" { // whose verbs have their own
			assert.Contains(t, help, "\n  -"+f[1], "the flag is not told")
		}
	}
	for _, f := range shownFlag.FindAllStringSubmatch(help, -1) {
		says := strings.ToLower(strings.Join(strings.Fields(f[3]), " "))
		assert.Regexp(t, `\w{2,}`, says)
		if f[2] != "" { // it takes a value
			assert.Regexp(t, `default|empty|\b0(:| is)|needed|several times`, says, "-%s: what holds without it", f[1])
		}
	}
	for _, v := range readsEnv.FindAllStringSubmatch(p.source, -1) {
		if !common[v[1]] && !strings.HasPrefix(v[1], "DUVOTOOL_") && !strings.HasPrefix(v[1], "MCP_CONFORMANCE_") { // between the program and its own children
			assert.Contains(t, help, v[1])
		}
	}
	if strings.Contains(p.source, "FromEnv(") {
		assert.Contains(t, help, "DUVO_API_KEY")
	}
	_, examples, _ := strings.Cut(help, "\nExamples:\n")
	examples, _, _ = strings.Cut(examples, "\n\n")
	assert.Contains(t, examples, name)
	for line := range strings.Lines(examples) {
		_, args, own := strings.Cut(line, name+" ")
		for _, f := range usedFlag.FindAllStringSubmatch(" "+args, -1) {
			if own && name != "duvoctl" { // whose examples have a test of their own
				assert.Contains(t, help, "\n  "+f[1], "the example has a flag that is not there: %s", line)
			}
		}
	}
}
