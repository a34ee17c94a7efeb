package duvo

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// requirePatientAgrees asserts that what is read in one pass is what the patient
// decoders read; it returns how many of the three were plain.
func requirePatientAgrees(t require.TestingT, body []byte) (plain int) {
	if got, ok := plainRun(body); ok {
		plain++
		want, err := patientRun(body)
		require.NoError(t, err, "%s", body)
		require.Equal(t, want, got, "%s", body)
	}
	if got, total, ok := plainList[Job](body, "data"); ok {
		plain++
		want, all, err := patientList[Job](body, "data")
		require.NoError(t, err, "%s", body)
		require.Equal(t, want, got, "%s", body)
		require.Equal(t, all, total, "%s", body)
	}
	if got, total, ok := plainList[Message](body, "messages"); ok {
		plain++
		want, all, err := patientList[Message](body, "messages")
		require.NoError(t, err, "%s", body)
		require.Equal(t, want, got, "%s", body)
		require.Equal(t, all, total, "%s", body)
	}
	return plain
}

func FuzzPlain(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Add([]byte(aPage))
	f.Add([]byte(aRun))
	f.Fuzz(func(t *testing.T, body []byte) { requirePatientAgrees(t, body) })
}

const (
	aPage = `{"messages":[{"id":"1","type":"message","role":"assistant","timestamp":"2026-01-02T03:04:05.678+01:00","text_content":"é \"x\"\n\u00e9 \ud83d\ude00",` +
		`"tool_call":{"id":"c","name":"n","arguments":{"a":[1,-2.5e+3,{"a":1,"a":null}]}},"tool_result":{"tool_call_id":"c","result":[true,false],"error":null},` +
		`"error":null,"is_agent_instruction":false,"metadata":{"isAgentInstruction":true,"More":{}},"seq":0}, {}, null],"total":3,"limit":50,"offset":0}`
	aRun = `{"run":{"id":"j","agent_id":"a","build_id":"b","status":"running","source":"api","sandbox_id":null,"created_at":"2026-01-02T03:04:05Z","updated_at":"x",` +
		`"human_in_the_loop_enabled":true,"title":"","run_number":7,"agent_name":"n"},"pending_human_request":{"id":"r","type":"approval","title":"t","questions":[]}}`
)

// What servers send as a rule is plain, and what is odd in one way is not.
func TestPlain(t *testing.T) {
	for _, body := range []string{aPage, aRun, " " + strings.ReplaceAll(aRun, ":", " : ") + "\n", `{"data":[{"id":"j","run_number":1e300}],"total":-1}`} {
		require.Equal(t, 1, requirePatientAgrees(t, []byte(body)), body)
		for i := range body { // cut off, or with one byte that is another
			requirePatientAgrees(t, []byte(body[:i]))
			for _, c := range []byte("\x00 \"\\{}[],:0aA\xff") {
				b := []byte(body)
				b[i] = c
				requirePatientAgrees(t, b)
			}
		}
	}
	for name, body := range map[string]string{
		"a key twice": `{"run":{"id":"j","id":"k"}}`, "in another case": `{"run":{"id":"j","ID":"k"}}`, "in another case alone": `{"run":{"id":"j","Status":"failed"}}`,
		"an unknown key in two": `{"run":{"id":"j","x":1,"X":2}}`, "an envelope in another case": `{"Run":{"id":"j"}}`, "a fold of Unicode": "{\"run\":{\"id\":\"j\",\"\u017ftatus\":\"failed\"}}",
		"an escaped key": `{"run":{"id":"j","\u0069d":"k"}}`, "two": `{"run":{"id":"j"}} {}`, "a status that is none": `{"run":{"id":"j","status":7}}`,
		"not UTF-8": "{\"run\":{\"id\":\"j\",\"title\":\"\xff\"}}", "no ID": `{"run":{"status":"running"}}`, "no run": `{"pending_human_request":null}`,
		"a number that is none": `{"run":{"id":"j","run_number":01}}`, "half a number": `{"run":{"id":"j","run_number":1.}}`, "too large a number": `{"run":{"id":"j","run_number":1e999}}`,
		"a comma too many": `{"run":{"id":"j",}}`, "in a list": `{"run":{"id":"j","x":[1,]}}`, "an escape that is none": `{"run":{"id":"j","x":"\x"}}`,
		"a request of another": `{"run":{"id":"j"},"pending_human_request":{"id":"r","run_id":"k"}}`, "a request that says two things": `{"run":{"id":"j"},"pending_human_request":{"id":"r","title":"a","title":"b"}}`,
		"two requests": `{"run":{"id":"j","pending_human_request":{"id":"r"}},"pending_human_request":{"id":"s"}}`, "deep": `{"run":{"id":"j","x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}}`,
	} {
		_, ok := plainRun([]byte(body))
		require.False(t, ok, name)
	}
}

// TestPlainIsWhatIsRead draws answers with fields of all kinds in any order.
func TestPlainIsWhatIsRead(t *testing.T) {
	text := rapid.SampledFrom([]string{`""`, `"j"`, `"k"`, `"text"`, `"completed"`, `"a\nb"`, `"2026-01-02T03:04:05Z"`, `"é"`, `"\ud800"`})
	value := rapid.OneOf(text, rapid.SampledFrom([]string{`null`, `true`, `false`, `0`, `-1.5e2`, `{}`, `[]`, `[null,{"a":1}]`, `{"x":"y"}`, `1e5`}))
	plain := 0
	fields := func(t *rapid.T, first string, names []string, of func(name string) string) string {
		var b strings.Builder
		b.WriteString(first)
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(append([]string{"more", "other_field"}, names...)), 0, 8, rapid.ID).Draw(t, "names") {
			if rapid.IntRange(0, 40).Draw(t, "case") == 0 {
				name = rapid.SampledFrom([]string{strings.ToUpper(name), strings.ToLower(name)}).Draw(t, "other case")
			}
			if b.Len() > 0 {
				b.WriteByte(',')
			}
			key, _ := json.Marshal(name)
			b.Write(key)
			b.WriteByte(':')
			b.WriteString(of(name))
		}
		return "{" + b.String() + "}"
	}
	rapid.Check(t, func(t *rapid.T) {
		any := func(string) string { return value.Draw(t, "value") }
		usual := func(name string) string {
			switch {
			case rapid.IntRange(0, 20).Draw(t, "unusual") == 0:
				return value.Draw(t, "value")
			case name == "run_number":
				return "12"
			case strings.HasPrefix(name, "is"), strings.HasPrefix(name, "human"):
				return "true"
			case name == "tool_call":
				return fields(t, "", callFields, any)
			case name == "tool_result":
				return fields(t, "", resultFields, any)
			case name == "metadata":
				return fields(t, "", metaFields, any)
			case name == "pending_human_request":
				return rapid.SampledFrom([]string{`null`, `{"id":"r","type":"approval","title":"t"}`, `{"id":"r","run_id":"j"}`}).Draw(t, "pending")
			}
			return text.Draw(t, "text")
		}
		for _, body := range []string{
			`{"run":` + fields(t, `"id":"j"`, jobFields[1:], usual) + `,"pending_human_request":` + usual("pending_human_request") + `}`,
			`{"data":[` + fields(t, `"id":"j"`, jobFields[1:], usual) + `],"total":` + value.Draw(t, "total") + `}`,
			`{"messages":[` + fields(t, "", messageFields, usual) + `,` + fields(t, "", messageFields, usual) + `]}`,
		} {
			plain += requirePatientAgrees(t, []byte(body))
		}
	})
	require.NotZero(t, plain, "some are plain")
}
