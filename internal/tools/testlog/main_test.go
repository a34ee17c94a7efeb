package main

import (
	"slices"
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	const good = `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:21: set X=1: to run it\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"--- SKIP: TestA (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:2: quiet\n"}
{"Action":"pass","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Output":"PASS\n"}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}
{"Action":"pass","Package":"p"}
`
	const bad = `{"Action":"output","Package":"q","Test":"TestC","Output":"    c_test.go:3: it broke\n"}
{"Action":"fail","Package":"q","Test":"TestC"}
{"Action":"output","Package":"q","Output":"FAIL\tq\n"}
{"Action":"fail","Package":"q"}
`
	const unbuilt = `{"ImportPath":"r","Action":"build-output","Output":"r.go:1: undefined: x\n"}
{"ImportPath":"r","Action":"build-fail"}
`
	for _, c := range []struct {
		in, out string
		skipped []string
		ok      bool
	}{
		{good, "ok  \tp\t0.1s\n", []string{"p TestA: set X=1: to run it"}, true},
		{good + bad, "ok  \tp\t0.1s\n    c_test.go:3: it broke\nFAIL\tq\n", []string{"p TestA: set X=1: to run it"}, false},
		{good + unbuilt, "ok  \tp\t0.1s\nr.go:1: undefined: x\n", []string{"p TestA: set X=1: to run it"}, false},
		{"", "", nil, false},
	} {
		var out strings.Builder
		skipped, ok, err := read(strings.NewReader(c.in), &out)
		if err != nil || ok != c.ok || out.String() != c.out || !slices.Equal(skipped, c.skipped) {
			t.Errorf("of %q: %q %v %v, printed %q", c.in, skipped, ok, err, out.String())
		}
	}
}
