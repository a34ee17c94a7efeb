// Systems type-checks packages and their tests as other systems would build them.
//
//	systems windows,darwin PATTERN ...
//
// It reads what they import from source, without the bodies of functions, which
// takes a tenth of the time of compiling all that once more for each system.
package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/tools/go/packages"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: systems SYSTEM,... PATTERN ...")
		os.Exit(2)
	}
	var all error
	for _, system := range strings.Split(os.Args[1], ",") {
		n, err := check(".", system, os.Args[2:])
		fmt.Printf("%s: %d packages\n", system, n)
		all = errors.Join(all, err)
	}
	if all != nil {
		fmt.Fprintln(os.Stderr, all)
		os.Exit(1)
	}
}

// check type-checks what the patterns match in a folder, as this system would build
// it, and returns how many packages that were.
func check(folder, system string, patterns []string) (n int, err error) {
	own, err := filepath.Abs(folder)
	if err != nil {
		return 0, err
	}
	c := &packages.Config{
		Dir: folder, Env: append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0"), Tests: true,
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports | packages.NeedDeps | packages.NeedTypes | packages.NeedSyntax | packages.NeedTypesSizes,
		ParseFile: func(set *token.FileSet, name string, src []byte) (*ast.File, error) {
			file, err := parser.ParseFile(set, name, src, parser.SkipObjectResolution)
			if file != nil && !strings.HasPrefix(name, own+string(filepath.Separator)) {
				withoutBodies(file)
			}
			return file, err
		},
	}
	pkgs, err := packages.Load(c, patterns...)
	if err != nil {
		return 0, fmt.Errorf("for %s: %w", system, err)
	}
	for _, p := range pkgs {
		if strings.HasSuffix(p.ID, ".test") { // made by go test
			continue
		}
		n++
		for _, e := range p.Errors {
			err = errors.Join(err, fmt.Errorf("for %s: %w", system, e))
		}
	}
	if n == 0 {
		err = errors.Join(err, fmt.Errorf("for %s: %v match no package", system, patterns))
	}
	return n, err
}

// withoutBodies takes out what functions do: who imports them need not know.
func withoutBodies(file *ast.File) {
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok {
			f.Body = nil
		}
	}
}
