package doccheck

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A Snippets is the Go of many pages, made into packages that are compiled together.
//
// A block of Go is a whole file, declarations, or statements. What statements and
// declarations may use without saying so is in the frame, a Go file of variables; a page
// adds to it by the comment
//
//	<!-- given: mux *http.ServeMux; hour time.Duration -->
//
// before a block, and names a package that is imported by <!-- import: PATH -->. The
// declarations of a page are known to all of its blocks. A block that comes from a file
// of the repository says so by <!-- PATH -->, and is compiled there.
type Snippets struct {
	source *Source
	frame  *ast.File
	text   []byte
	fset   *token.FileSet
	files  map[string][]byte // below the folder that they are compiled in
}

// NewSnippets begins with a frame.
func NewSnippets(s *Source, frame []byte) (*Snippets, error) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "frame.go", frame, 0)
	return &Snippets{source: s, frame: f, text: frame, fset: fset, files: map[string][]byte{}}, err
}

// Add takes the Go blocks of a page, and tells of those that are no Go at all or differ
// from the file that they name.
func (s *Snippets) Add(p Page) (wrong []string) {
	dir := "p" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(p.Path))
	page, own := []snippet{}, map[string]bool{}
	for _, b := range p.Blocks {
		if files := b.Said("file"); len(files) > 0 {
			wrong = append(wrong, s.sameAs(p, b, files[0])...)
			continue
		}
		if b.Lang != "go" {
			continue
		}
		if strings.Contains(b.Text, "fmt.Print") {
			wrong = append(wrong, fmt.Sprintf("%s:%d: what prints is run: it comes from an Example or a test", p.Path, b.Line))
		}
		sn, err := parseSnippet(b)
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("%s:%d: %v", p.Path, b.Line, err))
			continue
		}
		if sn.whole {
			s.files[fmt.Sprintf("%s/l%d/snippet.go", dir, b.Line)] = []byte(s.position(p, b) + b.Text)
			continue
		}
		page = append(page, sn)
		maps.Copy(own, sn.declares)
	}
	for _, sn := range page {
		text, err := s.compose(p, sn, own)
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("%s:%d: %v", p.Path, sn.block.Line, err))
			continue
		}
		s.files[fmt.Sprintf("%s/l%d.go", dir, sn.block.Line)] = []byte(text)
	}
	if len(page) > 0 {
		s.files[dir+"/frame.go"] = s.frameWithout(own)
	}
	return wrong
}

// sameAs holds a block against the file that it names: it stands there, word for word
// but for its indentation. Of a block of text, what the file's comments say counts.
func (s *Snippets) sameAs(p Page, b Block, file string) []string {
	text, err := os.ReadFile(filepath.Join(s.source.Root, filepath.FromSlash(file)))
	if err != nil {
		return []string{fmt.Sprintf("%s:%d: %v", p.Path, b.Line, err)}
	}
	if !strings.Contains(flat(string(text), b.Lang != "go"), flat(b.Text, false)) {
		return []string{fmt.Sprintf("%s:%d: what is shown differs from %s", p.Path, b.Line, file)}
	}
	return nil
}

func flat(text string, comments bool) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		l = strings.TrimSpace(l)
		if comments {
			l = strings.TrimSpace(strings.TrimPrefix(l, "//"))
		}
		lines[i] = l
	}
	return strings.Trim(strings.Join(lines, "\n"), "\n")
}

// position makes the compiler speak of the page.
func (s *Snippets) position(p Page, b Block) string {
	return fmt.Sprintf("//line %s:%d\n", filepath.Join(s.source.Root, filepath.FromSlash(p.Path)), b.Line)
}

type snippet struct {
	block      Block
	whole      bool
	statements bool
	declares   map[string]bool // at the top of the page's package
	locals     []string        // that statements declare
}

func parseSnippet(b Block) (snippet, error) {
	sn := snippet{block: b, declares: map[string]bool{}}
	fset := token.NewFileSet()
	if strings.HasPrefix(strings.TrimSpace(b.Text), "package ") {
		_, err := parser.ParseFile(fset, "", b.Text, 0)
		sn.whole = true
		return sn, err
	}
	if f, err := parser.ParseFile(fset, "", "package p\n"+b.Text, 0); err == nil {
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil {
					sn.declares[d.Name.Name] = true
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					declare(sn.declares, spec)
				}
			}
		}
		return sn, nil
	}
	f, err := parser.ParseFile(fset, "", "package p\nfunc _() {\n"+b.Text+"\n}", 0)
	if err != nil {
		return sn, err
	}
	sn.statements = true
	for _, stmt := range f.Decls[0].(*ast.FuncDecl).Body.List {
		if a, ok := stmt.(*ast.AssignStmt); ok && a.Tok == token.DEFINE {
			for _, x := range a.Lhs {
				if id, ok := x.(*ast.Ident); ok && id.Name != "_" {
					sn.locals = append(sn.locals, id.Name)
				}
			}
		}
	}
	return sn, nil
}

// compose writes the file of a block.
func (s *Snippets) compose(p Page, sn snippet, own map[string]bool) (string, error) {
	var given strings.Builder
	for _, g := range sn.block.Said("given") {
		for _, v := range strings.Split(g, ";") {
			name := strings.Fields(v)[0]
			fmt.Fprintf(&given, "\tvar %s; _ = %s\n", v, name)
		}
	}
	body := s.position(p, sn.block) + sn.block.Text
	if sn.statements {
		body = "func _() {\n" + given.String() + body + "//line l.go:1\n"
		for _, l := range sn.locals {
			body += "\t_ = " + l + "\n"
		}
		body += "}\n"
	}
	f, err := parser.ParseFile(token.NewFileSet(), "", "package p\n"+body, 0)
	if err != nil {
		return "", err
	}
	imports := map[string]string{}
	for _, path := range sn.block.Said("import") {
		imports[path] = strconv.Quote(path)
	}
	for _, id := range f.Unresolved {
		if where, ok := s.source.importPath(id.Name); ok && !own[id.Name] && s.frame.Scope.Lookup(id.Name) == nil {
			imports[where] = strconv.Quote(where)
		}
	}
	return "package p\nimport (\n" + strings.Join(slices.Sorted(maps.Values(imports)), "\n") + "\n)\n" + body, nil
}

// frameWithout writes the frame without what a page declares itself.
func (s *Snippets) frameWithout(own map[string]bool) []byte {
	var out strings.Builder
	out.WriteString("package p\n")
	for _, d := range s.frame.Decls {
		if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.IMPORT {
			out.Write(s.cut(g))
			continue
		}
		names := map[string]bool{}
		switch d := d.(type) {
		case *ast.FuncDecl:
			names[d.Name.Name] = d.Recv == nil
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				declare(names, spec)
			}
		}
		for n := range names {
			if own[n] {
				names = nil
			}
		}
		if names != nil {
			out.Write(s.cut(d))
		}
	}
	return []byte(out.String())
}

func (s *Snippets) cut(n ast.Node) []byte {
	from, to := s.fset.Position(n.Pos()).Offset, s.fset.Position(n.End()).Offset
	return append(slices.Clone(s.text[from:to]), '\n')
}

// Build compiles all snippets by one command, in packages that the module in the folder
// seems to have, and returns what the compiler says; empty: nothing.
func (s *Snippets) Build(folder, temp string) (string, error) {
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	packages := map[string]bool{}
	for name, text := range s.files {
		real := filepath.Join(temp, strings.ReplaceAll(name, "/", "_"))
		if err := os.WriteFile(real, text, 0o600); err != nil {
			return "", err
		}
		in := filepath.Join("internal", "snippets", filepath.FromSlash(name))
		overlay.Replace[filepath.Join(folder, in)] = real
		packages["./"+filepath.ToSlash(filepath.Dir(in))] = true
	}
	raw, err := json.Marshal(overlay)
	if err != nil {
		return "", err
	}
	list := filepath.Join(temp, "overlay.json")
	if err := os.WriteFile(list, raw, 0o600); err != nil {
		return "", err
	}
	c := exec.Command("go", append([]string{"build", "-overlay=" + list}, slices.Sorted(maps.Keys(packages))...)...)
	c.Dir = folder
	out, err := c.CombinedOutput()
	if err != nil && len(out) == 0 {
		return "", err
	}
	if err == nil {
		return "", nil
	}
	return string(out), nil
}
