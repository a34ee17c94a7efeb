package doccheck

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/doc"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// shown are the packages of which every exported name stands in an Example.
var shown = []string{"", "/hitl", "/outcome", "/health", "/journal", "/audit", "/duvotest", "/duvotooltest"}

// plain are methods that other packages call: fmt, errors, encoding and log/slog; and
// copies.
var plain = strings.Fields("Error Is Unwrap String Format LogValue MarshalJSON UnmarshalJSON MarshalText UnmarshalText Clone")

// unshown are names that stand in no Example, with the reason.
var unshown = map[string]string{
	"duvotool.Registry.Candidates": unknown, "duvotool.Registry.Reconcile": unknown,
	"duvotooltest.TestPolicy": tests, "duvotooltest.TestJournal": tests, "duvotooltest.TestBackend": tests,
	"duvotooltest.Option": tests, "duvotooltest.Counts": tests, "duvotooltest.JournalOption": tests, "duvotooltest.Reopens": tests,
	"duvotooltest.TestBehaviour": tests, "duvotooltest.Kit": tests, "duvotool.OnHost": engine,
	"duvotooltest.TestLeases": tests, "duvotooltest.LeaseOption": tests, "duvotooltest.ShortestLease": tests,
	"hitl.Grants.Decide": shownElsewhere, "hitl.Grants.CheckNames": shownElsewhere, "hitl.NameMatch.CheckNames": shownElsewhere,
	"hitl.PolicyFunc.Validate": shownElsewhere, "hitl.Matcher": "what When takes; nobody names it",
	"hitl.DecisionEntry.Same": engine, "outcome.CloneError": engine,
}

// The reasons.
const (
	unknown        = "an outcome is unknown after 15 minutes at the earliest; docs/restarts.md shows it"
	tests          = "it takes a *testing.T; docs/testing.md and the package's doc show it"
	shownElsewhere = "a method of an interface that an Example shows"
	engine         = "for the engine and for adapters"
)

// A listed is what go list tells of a package.
type listed struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
	ImportMap               map[string]string
}

// TestEveryNameStandsInAnExample: a function, a method, a constant or variable is used in
// the body of an Example of these packages, or beside one in its file; a type too, or
// something in an Example has that type.
func TestEveryNameStandsInAnExample(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles these packages and their tests; it runs without -short")
	}
	root := repository(t)
	all := list(t, root)
	used := map[string]bool{}
	for _, p := range all {
		if strings.HasSuffix(strings.Split(p.ImportPath, " ")[0], "_test") {
			collect(t, p, all, used)
		}
	}
	var missing []string
	for _, path := range shown {
		pkg := load(t, all, module+path)
		scope := pkg.Scope()
		for _, name := range scope.Names() {
			for _, n := range exported(pkg, scope.Lookup(name)) {
				if _, ok := unshown[n]; !used[n] && !ok {
					missing = append(missing, n)
				}
				if used[n] && unshown[n] != "" {
					t.Errorf("%s stands in an Example: it is unshown no more", n)
				}
			}
		}
	}
	require.Empty(t, missing, "these %d names stand in no Example; write one that tells their story", len(missing))
}

// TestEveryExampleIsRun: one without its output is compiled alone.
func TestEveryExampleIsRun(t *testing.T) {
	root, n := repository(t), 0
	for _, path := range shown {
		names, err := filepath.Glob(filepath.Join(root, path, "*_test.go"))
		require.NoError(t, err)
		for _, name := range names {
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
			require.NoError(t, err)
			for _, e := range doc.Examples(f) {
				require.True(t, e.Output != "" || e.EmptyOutput, "%s: Example%s tells no output", name, e.Name)
				n++
			}
		}
	}
	require.Greater(t, n, 70)
}

// list lists the packages, their external tests and all that these import, compiled.
func list(t *testing.T, root string) map[string]listed {
	args := []string{"list", "-test", "-deps", "-export", "-json=ImportPath,Dir,Export,GoFiles,ImportMap"}
	for _, p := range shown {
		args = append(args, "."+p)
	}
	c := exec.Command("go", args...)
	c.Dir = root
	c.Stderr = os.Stderr
	out, err := c.Output()
	require.NoError(t, err)
	all := map[string]listed{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); err == io.EOF {
			return all
		} else {
			require.NoError(t, err)
		}
		all[p.ImportPath] = p
	}
}

// from makes what imports packages from what they were compiled to; where says which.
func from(all map[string]listed, fset *token.FileSet, where map[string]string) types.Importer {
	return importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		if to := where[path]; to != "" {
			path = to
		}
		if all[path].Export == "" {
			return nil, fmt.Errorf("%s was not compiled", path)
		}
		return os.Open(all[path].Export)
	})
}

func load(t *testing.T, all map[string]listed, path string) *types.Package {
	pkg, err := from(all, token.NewFileSet(), nil).Import(path)
	require.NoError(t, err)
	return pkg
}

// collect notes what the Examples of an external test package use.
func collect(t *testing.T, p listed, all map[string]listed, used map[string]bool) {
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.ParseComments)
		require.NoError(t, err)
		files = append(files, f)
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}, Types: map[ast.Expr]types.TypeAndValue{}}
	_, err := (&types.Config{Importer: from(all, fset, p.ImportMap)}).Check(p.ImportPath, fset, files, info)
	require.NoError(t, err)
	for _, f := range files {
		if !slices.ContainsFunc(f.Decls, isExample) {
			continue
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && strings.HasPrefix(fn.Name.Name, "Test") {
				continue
			}
			ast.Inspect(d, func(n ast.Node) bool {
				if id, ok := n.(*ast.Ident); ok {
					note(info.Uses[id], used)
					if v, ok := info.Defs[id].(*types.Var); ok {
						noteType(v.Type(), used, 0)
					}
				}
				if e, ok := n.(ast.Expr); ok {
					noteType(info.Types[e].Type, used, 0)
				}
				return true
			})
		}
	}
}

func isExample(d ast.Decl) bool {
	fn, ok := d.(*ast.FuncDecl)
	return ok && strings.HasPrefix(fn.Name.Name, "Example")
}

// nameOf is how a name is told here: "hitl.Rule.Named".
func nameOf(o types.Object) string {
	if fn, ok := o.(*types.Func); ok {
		if recv := fn.Signature().Recv(); recv != nil {
			t := recv.Type()
			if p, ok := t.(*types.Pointer); ok {
				t = p.Elem()
			}
			if n, ok := t.(*types.Named); ok {
				return o.Pkg().Name() + "." + n.Obj().Name() + "." + o.Name()
			}
		}
	}
	return o.Pkg().Name() + "." + o.Name()
}

func note(o types.Object, used map[string]bool) {
	if o == nil || o.Pkg() == nil || !strings.HasPrefix(o.Pkg().Path(), module) {
		return
	}
	if fn, ok := o.(*types.Func); ok {
		o = fn.Origin()
	}
	used[nameOf(o)] = true
}

// noteType notes the types of which something is: of a pointer, a slice, a function's
// parameters and results what these are.
func noteType(t types.Type, used map[string]bool, depth int) {
	if t == nil || depth > 4 {
		return
	}
	switch t := t.(type) {
	case *types.Alias:
		note(t.Obj(), used)
		noteType(t.Rhs(), used, depth+1)
	case *types.Named:
		note(t.Origin().Obj(), used)
		for i := range t.TypeArgs().Len() {
			noteType(t.TypeArgs().At(i), used, depth+1)
		}
	case interface{ Elem() types.Type }:
		noteType(t.Elem(), used, depth+1)
	case *types.Tuple:
		for i := range t.Len() {
			noteType(t.At(i).Type(), used, depth+1)
		}
	case *types.Signature:
		noteType(t.Params(), used, depth+1)
		noteType(t.Results(), used, depth+1)
	}
}

// exported lists the names that an object of a package gives: its own and its methods'.
func exported(pkg *types.Package, o types.Object) (out []string) {
	if !o.Exported() {
		return nil
	}
	out = []string{nameOf(o)}
	tn, ok := o.(*types.TypeName)
	if !ok || tn.IsAlias() {
		return out
	}
	named := tn.Type().(*types.Named)
	for i := range named.NumMethods() {
		if m := named.Method(i); m.Exported() && !slices.Contains(plain, m.Name()) {
			out = append(out, nameOf(m))
		}
	}
	return out
}
