package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"os"
	"runtime/debug"
	"strings"
	"testing"
)

func TestWrite(t *testing.T) {
	info := &debug.BuildInfo{GoVersion: "go1.26.8", Path: "github.com/example/shop/cmd/shopctl",
		Main: debug.Module{Path: "github.com/example/shop/cmd/shopctl", Version: "v0.1.0", Sum: "h1:main="},
		Deps: []*debug.Module{
			{Path: "github.com/example/shop", Version: "v0.1.0", Sum: "h1:shop="},
			{Path: "example.com/a", Version: "v1.0.0", Replace: &debug.Module{Path: "example.com/b", Version: "v1.2.0", Sum: "h1:b="}},
		}}
	var out, again bytes.Buffer
	if err := write(&out, info); err != nil {
		t.Fatal(err)
	}
	if err := write(&again, info); err != nil || again.String() != out.String() {
		t.Fatal("the second text differs", err)
	}
	var b bill
	if err := json.Unmarshal(out.Bytes(), &b); err != nil {
		t.Fatal(err)
	}
	if c := b.Metadata.Component; b.Format != "CycloneDX" || c.Type != "application" || c.Name != "shopctl" || c.PURL != "pkg:golang/github.com/example/shop/cmd/shopctl@v0.1.0" {
		t.Errorf("the program: %+v", c)
	}
	var refs []string
	for _, c := range b.Components {
		refs = append(refs, c.Ref)
	}
	if got := strings.Join(refs, " "); got != "pkg:golang/example.com/b@v1.2.0 pkg:golang/github.com/example/shop@v0.1.0 pkg:golang/stdlib@1.26.8" {
		t.Errorf("components: %s", got)
	}
	if last := b.Dependencies[len(b.Dependencies)-1]; last.Ref != b.Metadata.Component.Ref || len(last.DependsOn) != 3 {
		t.Errorf("dependencies: %+v", b.Dependencies)
	}
}

// The test's own program is one.
func TestOfAProgram(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := write(&out, info); err != nil || !strings.Contains(out.String(), `"name": "stdlib"`) {
		t.Fatal(out.String(), err)
	}
}
