package doccheck

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// section returns a part of the root's doc.go, by its heading.
func section(t *testing.T, root, title string) string {
	text, err := os.ReadFile(filepath.Join(root, "doc.go"))
	require.NoError(t, err)
	_, after, ok := strings.Cut(string(text), "\n// # "+title+"\n")
	require.True(t, ok, "doc.go has no section %q", title)
	before, _, _ := strings.Cut(after, "\n// # ")
	return before
}

// TestThePackagePageNamesAllOptions: each option stands once in the list of doc.go, with
// a star where Configure takes it.
func TestThePackagePageNamesAllOptions(t *testing.T) {
	root := repository(t)
	told := map[string]string{}
	for _, m := range regexp.MustCompile(`\[([A-Z]\w*)\](\*?)`).FindAllStringSubmatch(strings.SplitN(section(t, root, "Options"), "\n//   - ", 2)[1], -1) {
		require.NotContains(t, told, m[1], "it stands twice")
		told[m[1]] = m[2]
	}
	options := map[string]string{}
	files, err := filepath.Glob(filepath.Join(root, "*.go"))
	require.NoError(t, err)
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv != nil || !fn.Name.IsExported() || fn.Type.Results == nil || strings.HasSuffix(name, "_test.go") {
				continue
			}
			if to, ok := fn.Type.Results.List[0].Type.(*ast.Ident); ok && to.Name == "Option" {
				options[fn.Name.Name] = ""
			} else if ok && to.Name == "ToolOption" {
				options[fn.Name.Name] = "*"
			}
		}
	}
	require.Greater(t, len(options), 30)
	require.Equal(t, options, told)
}

// TestThePackagePageNamesAllPackages: each public package has a line in doc.go.
func TestThePackagePageNamesAllPackages(t *testing.T) {
	root := repository(t)
	source, err := ReadSource(root, module)
	require.NoError(t, err)
	told := section(t, root, "The other packages")
	for dir, p := range source.Packages {
		top, _, _ := strings.Cut(dir, "/")
		if p.Name == "main" || p.Name == "" || dir == "." || strings.Contains(dir, "internal") || top == "examples" || top == "trials" || top == "bench" {
			continue
		}
		require.Contains(t, told, "["+module+"/"+dir+"]: ", "doc.go has no line for it")
	}
	for _, m := range regexp.MustCompile(`\[`+module+`/(\S+)\]: `).FindAllStringSubmatch(told, -1) {
		require.Contains(t, source.Packages, m[1], "doc.go names a package that is not there")
	}
}

// TestEveryPackageTellsWhatItIs: go doc and the pages made of it begin with that.
func TestEveryPackageTellsWhatItIs(t *testing.T) {
	root := repository(t)
	source, err := ReadSource(root, module)
	require.NoError(t, err)
	for dir, p := range source.Packages {
		if p.Name == "" {
			continue
		}
		files, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
		require.NoError(t, err)
		docs, sources := 0, 0
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.PackageClauseOnly|parser.ParseComments)
			require.NoError(t, err)
			sources++
			if f.Doc != nil && f.Name.Name == p.Name {
				docs++
			}
		}
		require.True(t, sources == 0 || docs == 1, "%s has %d package comments", dir, docs)
	}
}
