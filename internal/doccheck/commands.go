package doccheck

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A Command is a line that a reader may type.
type Command struct {
	Where string
	Words []string // without what is set before it and what its output goes to
}

var (
	word   = regexp.MustCompile(`(?:'[^']*'|"[^"]*"|[^\s'"|;&<>#])+|[|;&<>]+|#.*`)
	assign = regexp.MustCompile(`^[A-Z_][A-Z0-9_]*=`)
)

// Commands lists what the page tells its readers to type: the lines of its blocks of
// shell, and code in the prose that begins like one of our commands.
func (p Page) Commands() (out []Command) {
	for _, b := range p.Blocks {
		if b.Lang != "sh" && b.Lang != "bash" {
			continue
		}
		text := strings.ReplaceAll(b.Text, "\\\n", " ")
		for i, l := range strings.Split(text, "\n") {
			out = append(out, split(fmt.Sprintf("%s:%d", p.Path, b.Line+i), l)...)
		}
	}
	for _, code := range p.Codes() {
		for _, ours := range []string{"go run ", "go test ", "go install ", "go build ", "duvoctl ", "duvo-mcp ", "duvo-emulator "} {
			if strings.HasPrefix(code, ours) {
				out = append(out, split(p.Path, code)...)
			}
		}
	}
	return out
}

// split cuts a line into its commands.
func split(where, line string) (out []Command) {
	var words []string
	end := func() {
		if len(words) > 0 {
			out = append(out, Command{where, words})
		}
		words = nil
	}
	found := word.FindAllString(line, -1)
	for i := 0; i < len(found); i++ {
		w := found[i]
		switch {
		case strings.HasPrefix(w, "#"):
			end()
			return out
		case strings.ContainsAny(w[:1], "|;&"):
			end()
		case strings.ContainsAny(w[:1], "<>"):
			i++ // the file
		case len(words) == 0 && assign.MatchString(w):
		case len(words) == 0 && slices.Contains([]string{"do", "done", "then", "fi", "while", "if", "export", "sudo", "env", "for", "else"}, w):
		default:
			words = append(words, unquote(w))
		}
	}
	end()
	return out
}

func unquote(w string) string {
	return strings.Map(func(r rune) rune {
		if r == '\'' || r == '"' {
			return -1
		}
		return r
	}, w)
}

// tools are programs of others that pages may name.
var tools = strings.Fields(`cd cp mv rm mkdir chmod chown install cat echo grep sed awk jq curl git docker podman kubectl psql pg_dump pg_restore createdb
	systemctl journalctl kill openssl sqlite3 temporal tar gzip ls tail head watch test printf read sleep sha256sum cosign goreleaser code claude npx node date`)

// CheckCommand tells what is wrong with a command; empty: nothing that can be seen. That
// duvoctl takes its verbs and flags is seen by its own tests.
func (s *Source) CheckCommand(c Command) string {
	w := c.Words
	switch name := path.Base(w[0]); {
	case name == "go" && len(w) > 1:
		return s.checkGo(w[1:])
	case name == "duvoctl":
		return ""
	case s.Packages["cmd/"+name] != nil:
		return s.checkFlags("cmd/"+name, w[1:])
	case strings.HasPrefix(w[0], ".ci/") || strings.HasPrefix(w[0], "./"):
		return s.checkFile(w[0])
	case !slices.Contains(tools, name):
		return "no program of ours, and none that pages may name"
	}
	return ""
}

func (s *Source) checkFile(name string) string {
	if _, err := os.Stat(filepath.Join(s.Root, name)); err != nil {
		return "there is no such file"
	}
	return ""
}

func (s *Source) checkGo(w []string) string {
	switch args := w[1:]; w[0] {
	case "run":
		return s.checkRun(args)
	case "test", "vet", "build", "install", "doc", "list":
		return s.checkPackages(w[0], args)
	case "get", "work", "version", "env":
		return s.checkPackages(w[0], args)
	case "mod":
		return s.checkMod(args)
	}
	return "go " + w[0] + " is not known here"
}

func (s *Source) checkRun(args []string) string {
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		args = args[1:]
	}
	if len(args) == 0 {
		return "go run of nothing"
	}
	if args[0] == "." || capitals.MatchString(path.Base(args[0])) {
		return "" // the reader's own program, or one that they choose
	}
	dir, ok := s.dirOf(args[0])
	if !ok || s.Packages[dir] == nil || s.Packages[dir].Name != "main" {
		return args[0] + " is no program"
	}
	return s.checkFlags(dir, args[1:])
}

// dirOf returns the folder of a package that is named by path or by import path.
func (s *Source) dirOf(name string) (string, bool) {
	name, _, _ = strings.Cut(name, "@")
	if rest, ok := strings.CutPrefix(name, s.Module); ok {
		return path.Clean("./" + rest), true
	}
	if name == "." || strings.HasPrefix(name, "./") {
		return path.Clean(name), true
	}
	return "", false
}

var capitals = regexp.MustCompile(`^[A-Z][A-Z0-9_-]*$`) // a word that the reader replaces

func (s *Source) checkFlags(dir string, args []string) string {
	for _, a := range args {
		name, _, _ := strings.Cut(strings.TrimLeft(a, "-"), "=")
		if strings.HasPrefix(a, "-") && a != "-" && !s.Packages[dir].Flags[name] {
			return fmt.Sprintf("%s has no flag -%s", dir, name)
		}
	}
	return ""
}

// checkPackages holds the packages and the tests that a go command names against what
// there is.
func (s *Source) checkPackages(verb string, args []string) string {
	var named []string
	wanted := ""
	for i, a := range args {
		dir, ours := s.dirOf(a)
		switch {
		case i > 0 && (args[i-1] == "-run" || args[i-1] == "-bench" || args[i-1] == "-fuzz"):
			if args[i-1] == "-run" || args[i-1] == "-fuzz" {
				wanted = a
			}
		case ours && strings.HasSuffix(a, "/..."):
			if s.checkFile(strings.TrimSuffix(dir, "...")) != "" {
				return a + ": there is no such folder"
			}
		case ours && s.Packages[dir] == nil:
			return a + " is no package"
		case ours && verb == "install" && s.Packages[dir].Name != "main":
			return a + " is no program"
		case ours:
			named = append(named, dir)
		}
	}
	if wanted == "" || wanted == "^$" || len(named) == 0 {
		return ""
	}
	re, err := regexp.Compile(wanted)
	if err != nil {
		return err.Error()
	}
	for _, dir := range named {
		for test := range s.Packages[dir].Tests {
			if re.MatchString(test) {
				return ""
			}
		}
	}
	return "no test is called like " + wanted
}

// checkMod knows "go mod tidy", "init" and "edit -replace OURS=PLACE".
func (s *Source) checkMod(args []string) string {
	for _, a := range args {
		from, to, ok := strings.Cut(strings.TrimPrefix(a, "-replace="), "=")
		if !ok {
			continue
		}
		dir, ours := s.dirOf(from)
		if !ours {
			return from + " is not of this repository"
		}
		if problem := s.checkFile(path.Join(dir, "go.mod")); problem != "" {
			return from + " is no module"
		}
		if rest := strings.TrimPrefix(from, s.Module); !strings.HasSuffix(to, rest) {
			return to + " is another folder than " + from
		}
	}
	return ""
}
