package plainjson_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/duvotool/duvotool/internal/plainjson"
	"github.com/stretchr/testify/require"
)

// skips reports whether text is plain as a whole.
func skips(text string) bool {
	var r plainjson.Reader
	r.Read([]byte(text))
	r.Skip()
	return r.End()
}

func TestSkip(t *testing.T) {
	for _, text := range []string{
		`{}`, `[]`, ` [ ] `, `"a\u00e9\\\""`, `0`, `-0`, `-1.5E+10`, `1e5`, `null`, `true`, `false`, `{"a":{"b":[1,"x",{}]},"c":null}`, "\t[\r\n1 , 2 ]\n", `{"a":1,"a":2}`, `"é"`,
	} {
		require.True(t, json.Valid([]byte(text)), text)
		require.True(t, skips(text), text)
	}
	for _, text := range []string{
		``, ` `, `{`, `[`, `"`, `"\"`, `"\`, `01`, `1.`, `.5`, `1e`, `-`, `+1`, `nul`, `nullx`, `True`, `{a:1}`, `{"a"}`, `{"a":}`, `{"a":1,}`, `[1,]`, `[,1]`, `[1 2]`, `{"a":1 "b":2}`, `{,}`, `[}`, `{]`, "\"\n\"", "\"\xff\"", `"\x"`, `"\u12"`, `1 2`, `{} {}`,
		strings.Repeat("[", 100) + strings.Repeat("]", 100),
	} {
		require.False(t, skips(text), text)
	}
}

// What is read is what encoding/json reads.
func TestValues(t *testing.T) {
	read := func(text string) *plainjson.Reader {
		r := &plainjson.Reader{}
		r.Read([]byte(text))
		return r
	}
	for _, text := range []string{`""`, `"a"`, `"completed"`, `"a\n\"\\\/\u00e9\ud83d\ude00 é"`, `null`} {
		r, want := read(text), ""
		require.NoError(t, json.Unmarshal([]byte(text), &want))
		require.Equal(t, want, r.Text(), text)
		require.True(t, r.End(), text)
	}
	for _, text := range []string{`0`, `12`, `-1.5e2`, `null`} {
		r := read(text)
		var want *float64
		require.NoError(t, json.Unmarshal([]byte(text), &want))
		n, ok := r.Number()
		require.Equal(t, want != nil, ok, text)
		if ok {
			require.InDelta(t, *want, n, 0, text)
		}
		require.True(t, r.End(), text)
	}
	r := read(`[true,false,null,{"a": [1]}]`)
	begun := false
	require.True(t, r.List(&begun) && r.Bool() && r.List(&begun) && !r.Bool() && r.List(&begun) && !r.Bool() && r.List(&begun))
	require.Equal(t, `{"a": [1]}`, string(r.Raw()))
	require.False(t, r.List(&begun))
	require.True(t, r.End())
	for text, odd := range map[string]func(*plainjson.Reader){
		`7`: func(r *plainjson.Reader) { r.Text() }, `"7"`: func(r *plainjson.Reader) { r.Number() }, `1`: func(r *plainjson.Reader) { r.Bool() }, `1e999`: func(r *plainjson.Reader) { r.Number() },
	} {
		r := read(text)
		odd(r)
		require.True(t, r.Odd(), text)
	}
}

// names reads an object of which a field "id" is known, and returns its names.
func names(text string) (all []string, plain bool) {
	var r plainjson.Reader
	r.Read([]byte(text))
	o := r.Open([]string{"id", "isAgent"})
	for name := r.Next(&o); name != nil; name = r.Next(&o) {
		all = append(all, string(name))
		r.Skip()
	}
	return all, r.End()
}

func TestNames(t *testing.T) {
	all, plain := names(` { "id" : 1 , "other":{"id":2,"ID":3},"isAgent":true,"More":4,"":5} `)
	require.True(t, plain)
	require.Equal(t, []string{"id", "other", "isAgent", "More", ""}, all)
	_, plain = names(`null`)
	require.True(t, plain)
	many := strings.Repeat(`"x":0,`, 40)
	for i := range 40 {
		many = strings.Replace(many, `"x"`, `"`+strings.Repeat("y", i+1)+`"`, 1)
	}
	for _, text := range []string{
		`{"id":1,"id":2}`, `{"ID":1}`, `{"isagent":1}`, `{"more":1,"MORE":2}`, `{"isagent":1,"isAgent":2}`, `{"\u0069d":1}`, `{"é":1}`, "{\"\u212a\":1}", `[]`, `{"id" 1}`, `{"id":1`, `{` + strings.TrimSuffix(many, ",") + `}`,
	} {
		_, plain = names(text)
		require.False(t, plain, text)
	}
}

func FuzzSkip(f *testing.F) {
	for _, s := range []string{`{"a":[1,-2.5e3,"x\n\u00e9",null,true,{}]}`, `01`, `"\ud800"`, `[[[]]]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if skips(string(body)) {
			require.True(t, json.Valid(body), "%q", body)
		}
		if all, plain := names(string(body)); plain {
			var want map[string]any
			require.NoError(t, json.Unmarshal(body, &want), "%q", body)
			require.Len(t, want, len(all), "%q", body)
		}
	})
}
