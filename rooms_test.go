package duvotool_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/duvotool/duvotool"

// rooms are the packages in the order in which they may import one another: each
// only what stands further down. A folder stands for all that is below it.
var rooms = []string{
	"examples", "trials", "bench", "cmd", "adapters", "duvotooltest", "", "internal/directory", "internal/discovery", "internal/catalog",
	"internal/typed", "internal/errorwords", "internal/toolname",
	"internal/engine", "internal/lifecycle", "internal/watch", "audit", "outcome", "journal", "hitl", "health", "duvotest", "duvo",
}

// roomOf returns the place of a package of this module in the order; -1 for what
// is shared by several rooms and imports none.
func roomOf(pkg string) int {
	best := -1
	for i, r := range rooms {
		if pkg == r || r != "" && strings.HasPrefix(pkg, r+"/") {
			best = i
		}
	}
	return best
}

// TestImportsRunOneWay: a room imports only rooms below it, and what rooms share
// imports none but duvo.
func TestImportsRunOneWay(t *testing.T) {
	seen := map[string]bool{}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && name != "." || d.Name() == "testdata" || name == "internal/tools"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		from := path.Dir(filepath.ToSlash(name))
		if from == "." {
			from = ""
		}
		seen[from] = true
		for _, to := range importsOf(t, name) {
			require.True(t, mayImport(from, to), "%s imports %q: imports run %v, and what is shared imports duvo alone", name, to, rooms)
		}
		return nil
	})
	require.NoError(t, err)
	for _, r := range rooms {
		require.True(t, slices.ContainsFunc(slices.Collect(maps.Keys(seen)), func(p string) bool { return p == r || strings.HasPrefix(p, r+"/") }), "there is no room %q any more", r)
	}
}

func mayImport(from, to string) bool {
	a, b := roomOf(from), roomOf(to)
	switch {
	case b < 0:
		return true // shared
	case a < 0:
		return to == "duvo"
	case a == b && rooms[a] == "adapters": // none knows another
		return strings.Split(from, "/")[1] == strings.Split(to, "/")[1]
	}
	return a <= b
}

func TestMayImport(t *testing.T) {
	for _, way := range [][2]string{{"adapters/mcp", ""}, {"", "internal/discovery"}, {"internal/catalog", "internal/engine"}, {"", "internal/engine"}, {"internal/engine", "hitl"}, {"audit", "outcome"}, {"outcome", "hitl"},
		{"hitl", "internal/guard"}, {"internal/clone", "duvo"}, {"cmd/duvo-mcp", "adapters/mcp"}, {"adapters/mcp/duvotestmcp", "duvotest"}} {
		require.True(t, mayImport(way[0], way[1]), way)
		if roomOf(way[0]) >= 0 && roomOf(way[1]) >= 0 {
			require.False(t, mayImport(way[1], way[0]), way)
		}
	}
	require.False(t, mayImport("adapters/mcp", "adapters/bolt"))
	require.False(t, mayImport("internal/lifecycle", "internal/engine"))
	require.False(t, mayImport("internal/guard", "hitl"))
}

// importsOf lists what a file imports of this module, by folder.
func importsOf(t *testing.T, name string) (out []string) {
	f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
	require.NoError(t, err)
	for _, im := range f.Imports {
		p, err := strconv.Unquote(im.Path.Value)
		require.NoError(t, err)
		if rest, ok := strings.CutPrefix(p, module); ok {
			out = append(out, strings.TrimPrefix(rest, "/"))
		}
	}
	return out
}

// TestTheRootStaysSmall: at most 50 exported names besides options, and 3,000 lines.
func TestTheRootStaysSmall(t *testing.T) {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	var names []string
	lines := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		lines += set.File(f.Pos()).LineCount()
		for _, d := range f.Decls {
			names = append(names, exported(d)...)
		}
	}
	require.Greater(t, len(names), 30)
	require.LessOrEqual(t, len(names), 50, names)
	require.LessOrEqual(t, lines, 3000)
}

// exported lists the top-level names of a declaration that others see, without options.
func exported(d ast.Decl) (names []string) {
	add := func(id *ast.Ident) {
		if id.IsExported() && id.Name != "Option" && id.Name != "ToolOption" {
			names = append(names, id.Name)
		}
	}
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv != nil {
			break
		}
		if r := d.Type.Results; r != nil {
			if to, ok := r.List[0].Type.(*ast.Ident); ok && (to.Name == "Option" || to.Name == "ToolOption") {
				break
			}
		}
		add(d.Name)
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				add(s.Name)
			case *ast.ValueSpec:
				for _, id := range s.Names {
					add(id)
				}
			}
		}
	}
	return names
}

// TestFunctionsFitOnAScreen: none has more than 70 lines, and no file more than 400, but
// for the one that has all options.
func TestFunctionsFitOnAScreen(t *testing.T) {
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && name != "." || d.Name() == "testdata"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		if name != "options.go" {
			require.LessOrEqual(t, set.File(f.Pos()).LineCount(), 400, name)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				require.LessOrEqual(t, set.Position(fn.End()).Line-set.Position(fn.Pos()).Line+1, 70, "%s in %s", fn.Name.Name, name)
			}
		}
		return nil
	})
	require.NoError(t, err)
}
