package doccheck

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// A Source is what the repository's Go files declare, as far as pages talk of it.
type Source struct {
	Root     string
	Module   string
	Packages map[string]*Package // by folder below the root; "." is the root's own
}

// A Package is a folder of Go files.
type Package struct {
	Dir   string
	Name  string
	Names map[string]bool // declared at its top level, in files that are no tests
	Flags map[string]bool // of a program: the names given to package flag
	Tests map[string]bool // functions of its tests
}

// ReadSource reads all Go files below the root, those of nested modules too.
func ReadSource(root, module string) (*Source, error) {
	s := &Source{Root: root, Module: module, Packages: map[string]*Package{}}
	err := filepath.WalkDir(root, func(name string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != root && (skipped(d.Name()) || strings.HasPrefix(d.Name(), ".")):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go"):
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(name))
		s.add(filepath.ToSlash(rel), f, strings.HasSuffix(name, "_test.go"))
		return err
	})
	return s, err
}

func (s *Source) add(dir string, f *ast.File, test bool) {
	p := s.Packages[dir]
	if p == nil {
		p = &Package{Dir: dir, Names: map[string]bool{}, Flags: map[string]bool{"h": true, "help": true}, Tests: map[string]bool{}}
		s.Packages[dir] = p
	}
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if test {
				p.Tests[d.Name.Name] = true
			} else if d.Recv == nil {
				p.Names[d.Name.Name] = true
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if !test {
					declare(p.Names, spec)
				}
			}
		}
	}
	if test {
		return
	}
	p.Name = f.Name.Name
	if p.Name == "main" {
		ast.Inspect(f, func(n ast.Node) bool {
			if name := flagOf(n); name != "" {
				p.Flags[name] = true
			}
			return true
		})
	}
}

func declare(names map[string]bool, spec ast.Spec) {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		names[spec.Name.Name] = true
	case *ast.ValueSpec:
		for _, n := range spec.Names {
			names[n.Name] = true
		}
	}
}

// flagMethods are the functions of package flag that define one, with the place of its
// name among their arguments.
var flagMethods = map[string]int{
	"Bool": 0, "String": 0, "Int": 0, "Int64": 0, "Uint": 0, "Float64": 0, "Duration": 0, "Func": 0, "BoolFunc": 0, "Uint64": 0,
	"BoolVar": 1, "StringVar": 1, "IntVar": 1, "Int64Var": 1, "UintVar": 1, "Float64Var": 1, "DurationVar": 1, "Var": 1, "TextVar": 1, "Uint64Var": 1,
}

// flagOf returns the name of the flag that a call defines, or nothing.
func flagOf(n ast.Node) string {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return ""
	}
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	at, ok := flagMethods[f.Sel.Name]
	if !ok || len(call.Args) <= at+1 {
		return ""
	}
	if lit, ok := call.Args[at].(*ast.BasicLit); ok && lit.Kind == token.STRING {
		name, _ := strconv.Unquote(lit.Value)
		return name
	}
	return ""
}

// others are packages of the standard library and of other modules that snippets use
// by name without saying where they are.
var others = map[string]string{
	"agents": "github.com/tmc/langchaingo/agents", "chains": "github.com/tmc/langchaingo/chains", "llms": "github.com/tmc/langchaingo/llms",
	"openai": "github.com/tmc/langchaingo/llms/openai", "tools": "github.com/tmc/langchaingo/tools", "require": "github.com/stretchr/testify/require",
	"http": "net/http", "slog": "log/slog", "json": "encoding/json", "filepath": "path/filepath", "signal": "os/signal", "fs": "io/fs",
	"context": "", "fmt": "", "log": "", "os": "", "time": "", "errors": "", "io": "", "strings": "", "strconv": "", "testing": "", "synctest": "testing/synctest",
	"regexp": "", "sync": "", "bytes": "", "embed": "", "flag": "", "syscall": "", "iter": "", "maps": "", "slices": "",
}

// importPath tells which package a name stands for in a snippet.
func (s *Source) importPath(name string) (string, bool) {
	found, public := "", 0
	for dir, p := range s.Packages {
		if p.Name == name && !strings.Contains(dir, "internal") && !strings.HasPrefix(dir, "examples") {
			found, public = path.Join(s.Module, dir), public+1
		}
	}
	if public == 1 {
		return found, true
	}
	other, ok := others[name]
	if ok && other == "" {
		other = name
	}
	return other, ok
}
