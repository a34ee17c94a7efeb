package jsonkeys_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/duvotool/duvotool/internal/jsonkeys"
	"github.com/stretchr/testify/require"
)

var shape = jsonkeys.Shape{"run": {"pending": {"questions": {}}}, "data": {"result": nil}}

func TestTwice(t *testing.T) {
	for _, bad := range []string{
		`{"a":1,"a":1}`, `{"status":1,"Status":1}`, `{"a":1,"b":{"x":[{}]},"c":"}\"","A":2}`, `{"status":1,"\u0053tatus":2}`,
		"{\"status\":1,\"\u017ftatus\":2}", "{\"key\":1,\"\u212aey\":2}", `{"":1,"":2}`, "{\"\xff\":1,\"\xfe\":2}",
		`{"run":{"id":1,"ID":2}}`, `{"RUN":{"pending":{"questions":[{"q":1},{"q":1,"Q":2}]}}}`, `{"run":{"\u0050ending":{"id":1,"id":1}}}`,
		`[{"a":1},{"a":1,"a":2}]`, `{"data":[[{"a":1,"a":2}]]}`, ` { "a" : [ 1 , 2 ] , "a" : 3 } `,
		`{"data":[{"result":{"x":1,"x":2}}]}`, `{"run":[1,null,"{",{"a":{},"a":[]}]}`,
	} {
		require.True(t, json.Valid([]byte(bad)), bad)
		require.Error(t, jsonkeys.Check([]byte(bad), shape), bad)
	}
	for _, good := range []string{
		`{}`, `[]`, `null`, `"{\"a\":1,\"a\":2}"`, `1`, `{"a":{"b":1,"b":2}}`, `{"a":"b","b":"a"}`, `{"run":{"other":{"x":1,"X":2}}}`,
		`{"a":"\\","b":"\"a\":","c":[{"a":1},{"a":2}]}`, `{"run":null,"data":[{"id":1},{"id":1}]}`, "{\"\u0130d\":1,\"id\":2}",
	} {
		require.True(t, json.Valid([]byte(good)), good)
		require.NoError(t, jsonkeys.Check([]byte(good), shape), good)
	}
}

// It takes as long as there are bytes, and no stack.
func TestHostileSizes(t *testing.T) {
	const n = 1 << 20
	var keys strings.Builder
	for i := range n / 8 {
		fmt.Fprintf(&keys, `"%d":1,`, i)
	}
	began := time.Now()
	for name, body := range map[string]string{
		"keys":          `{` + keys.String() + `"x":1}`,
		"deep":          `{"a":` + strings.Repeat(`[`, n) + strings.Repeat(`]`, n) + `}`,
		"deep objects":  `{"a":` + strings.Repeat(`{"a":`, n) + `1` + strings.Repeat(`}`, n) + `}`,
		"deep and read": `{"data":` + strings.Repeat(`[`, n) + strings.Repeat(`]`, n) + `}`,
		"deep run":      strings.Repeat(`{"run":`, n) + `1` + strings.Repeat(`}`, n),
		"escapes":       `{"a":"` + strings.Repeat(`\"`, n) + `"}`,
		"one long key":  `{"` + strings.Repeat(`\u0041`, n) + `":1}`,
	} {
		require.NoError(t, jsonkeys.Check([]byte(body), shape), name)
	}
	require.Error(t, jsonkeys.Check([]byte(`{`+keys.String()+`"7":1}`), nil))
	require.Less(t, time.Since(began), 20*time.Second)
}

// FuzzCheck compares it with a decoder of tokens.
func FuzzCheck(f *testing.F) {
	f.Add([]byte(`{"a":1,"A":[{"b":{}}]}`))
	f.Add([]byte(`[{"run":{"x":"\"","X":1}}]`))
	f.Add([]byte(`{"run":`))
	f.Fuzz(func(t *testing.T, body []byte) {
		err := jsonkeys.Check(body, shape) // ends, whatever it is given
		var fields map[string]json.RawMessage
		if json.Unmarshal(body, &fields) != nil || err != nil {
			return
		}
		for name := range fields {
			for other := range fields {
				require.False(t, name != other && strings.EqualFold(name, other), "%q and %q", name, other)
			}
		}
		dec := json.NewDecoder(strings.NewReader(string(body)))
		_, _ = dec.Token()
		seen := map[string]bool{}
		for dec.More() {
			key, err := dec.Token()
			require.NoError(t, err)
			require.False(t, seen[key.(string)], "%q is there twice", key)
			seen[key.(string)] = true
			var skipped json.RawMessage
			require.NoError(t, dec.Decode(&skipped))
		}
	})
}
