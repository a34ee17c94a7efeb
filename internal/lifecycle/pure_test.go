package lifecycle

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// allowed are the imports of the package, and of each what may be used; nil: all.
var allowed = map[string][]string{
	"encoding/json": {"RawMessage", "Marshal", "Marshaler", "Unmarshal"},
	"fmt":           {"Errorf"},
	"slices":        nil,
	"strconv":       {"Quote"},
	"strings":       nil,
	"time":          {"Duration", "Millisecond", "Second", "Minute", "Unix", "Parse", "RFC3339Nano"},

	"github.com/duvotool/duvotool/duvo": {"Assignment"},
	"github.com/duvotool/duvotool/hitl": {"Caller", "Decision", "Request", "SafeLine", "SourceTimeout"},
}

// TestThePackageIsPure holds its imports and its statements against what a pure
// function may use.
func TestThePackageIsPure(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range files {
		if strings.HasSuffix(f.Name(), "_test.go") || !strings.HasSuffix(f.Name(), ".go") {
			continue
		}
		n++
		src, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range impure(t, f.Name(), string(src)) {
			t.Error(p)
		}
	}
	if n < 10 {
		t.Errorf("only %d files were looked at", n)
	}
}

// TestImpureCodeIsNoticed is the test of the test.
func TestImpureCodeIsNoticed(t *testing.T) {
	for _, src := range []string{
		`import "time"; var x = time.Now()`, `import "math/rand"; var x = rand.Int()`, `import "os"; var x = os.Args`,
		`import clock "time"; var x = clock.Now()`, `import . "time"; var x = Now()`, `import "fmt"; func f() { fmt.Println() }`,
		`func f() { go f() }`, `var c chan int`, `func f(m map[string]int) { for range m {} }`, `func f() { select {} }`,
	} {
		if len(impure(t, "x.go", "package x; "+src)) == 0 {
			t.Errorf("not noticed: %s", src)
		}
	}
}

// impure tells what a pure file may not hold. Maps are not used at all, since
// their order is drawn at random.
func impure(t *testing.T, name, src string) (out []string) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, src, 0)
	if err != nil {
		t.Fatal(err)
	}
	bad := func(n ast.Node, what string) { out = append(out, set.Position(n.Pos()).String()+": "+what) }
	for _, i := range file.Imports {
		path := strings.Trim(i.Path.Value, `"`)
		if _, ok := allowed[path]; !ok {
			bad(i, "imports "+path)
		}
		if i.Name != nil {
			bad(i, "renames an import")
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			bad(n, "starts a goroutine")
		case *ast.ChanType:
			bad(n, "uses a channel")
		case *ast.SelectStmt:
			bad(n, "waits")
		case *ast.MapType:
			bad(n, "uses a map")
		case *ast.GenDecl:
			if n.Tok == token.VAR && len(file.Decls) > 0 && slices.Contains(file.Decls, ast.Decl(n)) {
				bad(n, "keeps a variable of the package")
			}
		case *ast.SelectorExpr:
			pkg, ok := n.X.(*ast.Ident)
			if names := allowed[identName(pkg, ok)]; names != nil && !slices.Contains(names, n.Sel.Name) {
				bad(n, "uses "+pkg.Name+"."+n.Sel.Name)
			}
		}
		return true
	})
	return out
}

func identName(id *ast.Ident, ok bool) string {
	if !ok || id.Obj != nil {
		return ""
	}
	for path := range allowed {
		if path == id.Name || strings.HasSuffix(path, "/"+id.Name) {
			return path
		}
	}
	return ""
}

// TestRecordAndLiveShareNothing holds that no field stands in both parts, and
// that the encoder of worlds is looked at when a field is added.
func TestRecordAndLiveShareNothing(t *testing.T) {
	live := reflect.TypeFor[Live]()
	for i := range reflect.TypeFor[Record]().NumField() {
		f := reflect.TypeFor[Record]().Field(i)
		if _, both := live.FieldByName(f.Name); both {
			t.Errorf("%s stands in both", f.Name)
		}
	}
	for typ, n := range map[reflect.Type]int{
		reflect.TypeFor[Record](): 28, live: 25, reflect.TypeFor[Passing](): 3, reflect.TypeFor[underway](): 30, reflect.TypeFor[Ask](): 14, reflect.TypeFor[Request](): 16,
		reflect.TypeFor[Attempt](): 4, reflect.TypeFor[Message](): 8, reflect.TypeFor[Search](): 4, reflect.TypeFor[Read](): 9,
	} {
		if typ.NumField() != n {
			t.Errorf("%v has %d fields, not %d: see that encode_test.go writes what matters", typ, typ.NumField(), n)
		}
	}
}

// TestStepIsDeterministic steps each of many states twice: effects and state are
// the same, down to the byte, nothing that was given is changed, the record
// outlasts JSON, and what comes back from there is the same again.
func TestStepIsDeterministic(t *testing.T) {
	steps, every := 0, 7
	if testing.Short() {
		every = 50
	}
	check := func(s State, e Event, now Moment) {
		if steps++; steps%every != 0 {
			return
		}
		before := text(s)
		s1, f1 := Step(s, e, now)
		s2, f2 := Step(s, e, now)
		if a, b := text(f1), text(f2); a != b {
			t.Fatalf("two effects of one event:\n%s\n%s", a, b)
		}
		if text(s1) != text(s2) {
			t.Fatal("two states after one event")
		}
		if text(s) != before {
			t.Fatalf("%T changed what it was given:\n%s\n%s", e, before, text(s))
		}
		data, err := json.Marshal(s1.Record)
		if err != nil {
			t.Fatal(err)
		}
		var back Record
		if err := json.Unmarshal(data, &back); err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(back)
		if err != nil || string(again) != string(data) {
			t.Fatalf("%v:\n%s\n%s", err, data, again)
		}
	}
	for _, sc := range scenes() {
		c := *sc
		c.watch = check
		explore(&c, 3000)
	}
	if steps < 50_000 {
		t.Errorf("only %d steps", steps)
	}
}

// text writes everything behind a value, also behind its pointers.
func text(v any) string {
	var b strings.Builder
	write(&b, reflect.ValueOf(v), 0)
	return b.String()
}

func write(b *strings.Builder, v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			b.WriteString("nil")
			return
		}
		if v.Kind() == reflect.Interface {
			b.WriteString(v.Elem().Type().String())
		}
		write(b, v.Elem(), depth+1)
	case reflect.Struct:
		b.WriteByte('{')
		for i := range v.NumField() {
			write(b, v.Field(i), depth+1)
			b.WriteByte(' ')
		}
		b.WriteByte('}')
	case reflect.Slice:
		b.WriteByte('[')
		for i := range v.Len() {
			write(b, v.Index(i), depth+1)
			b.WriteByte(' ')
		}
		b.WriteByte(']')
	case reflect.Map:
		fmt.Fprint(b, v) // in the order of its keys
	case reflect.String:
		b.WriteString(v.String())
	case reflect.Bool:
		if v.Bool() {
			b.WriteByte('t')
		} else {
			b.WriteByte('f')
		}
	case reflect.Int, reflect.Int8, reflect.Int64:
		json.NewEncoder(b).Encode(v.Int())
	case reflect.Uint64, reflect.Uint32, reflect.Uint8:
		json.NewEncoder(b).Encode(v.Uint())
	default:
		panic(v.Kind().String())
	}
}

func typeName(v any) string { return reflect.TypeOf(v).String() }
