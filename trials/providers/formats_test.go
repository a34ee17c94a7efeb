package providers

import (
	"encoding/json"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// What the providers document of tools, as far as they refuse a request that
// does not keep to it.
var (
	openAIName    = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)
	anthropicName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)
	anthropicID   = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)
	googleName    = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_-]{0,62}$`)
	googleTypes   = map[float64]string{1: "STRING", 2: "NUMBER", 3: "INTEGER", 4: "BOOLEAN", 5: "ARRAY", 6: "OBJECT"}
)

var offered = []string{"refunds", "track_a_parcel", "shop_order", "duvo"}

type object = map[string]any

func objects(v any) []object {
	var out []object
	list, _ := v.([]any)
	for _, x := range list {
		o, _ := x.(object)
		out = append(out, o)
	}
	return out
}

// checkSchema walks a JSON Schema: each part has a type, and what an object
// requires it has.
func checkSchema(t *testing.T, s object, top bool) {
	t.Helper()
	if top {
		require.Equal(t, "object", s["type"])
		require.NotContains(t, s, "$schema")
	}
	properties, _ := s["properties"].(object)
	for _, p := range properties {
		checkSchema(t, p.(object), false)
	}
	if required, ok := s["required"].([]any); ok {
		for _, r := range required {
			require.Contains(t, properties, r)
		}
	}
}

func checkOpenAI(t *testing.T, body object, turn int) {
	var names []string
	for _, tool := range objects(body["tools"]) {
		require.Equal(t, "function", tool["type"])
		f := tool["function"].(object)
		require.Regexp(t, openAIName, f["name"])
		require.NotEmpty(t, f["description"])
		checkSchema(t, f["parameters"].(object), true)
		names = append(names, f["name"].(string))
	}
	require.ElementsMatch(t, offered, names)

	// Every tool call is answered by the messages that follow at once.
	messages := objects(body["messages"])
	made := 0
	for i := 0; i < len(messages); i++ {
		m := messages[i]
		require.Contains(t, []any{"system", "user", "assistant", "tool"}, m["role"])
		require.NotEqual(t, "tool", m["role"], "a result without its call")
		waiting := map[any]bool{}
		for _, c := range objects(m["tool_calls"]) {
			made++
			require.Equal(t, "function", c["type"])
			require.NotEmpty(t, c["id"])
			f := c["function"].(object)
			require.Contains(t, names, f["name"])
			require.True(t, json.Valid([]byte(f["arguments"].(string))), "a text that holds JSON")
			waiting[c["id"]] = true
		}
		for ; len(waiting) > 0; delete(waiting, messages[i]["tool_call_id"]) {
			i++
			require.Equal(t, "tool", messages[i]["role"])
			require.True(t, waiting[messages[i]["tool_call_id"]])
			require.IsType(t, "", messages[i]["content"])
		}
	}
	require.Equal(t, (turn-1)*len(calls), made)
}

func checkAnthropic(t *testing.T, body object, turn int) {
	require.Greater(t, body["max_tokens"], 0.0)
	var names []string
	for _, tool := range objects(body["tools"]) {
		require.Regexp(t, anthropicName, tool["name"])
		require.NotEmpty(t, tool["description"])
		checkSchema(t, tool["input_schema"].(object), true)
		require.NotContains(t, tool, "type")
		names = append(names, tool["name"].(string))
	}
	require.ElementsMatch(t, offered, names)

	messages := objects(body["messages"])
	made := 0
	require.Equal(t, "user", messages[0]["role"])
	for i, m := range messages {
		require.Contains(t, []any{"user", "assistant"}, m["role"])
		for _, block := range objects(m["content"]) {
			if block["type"] != "tool_use" {
				continue
			}
			made++
			require.Equal(t, "assistant", m["role"])
			require.Regexp(t, anthropicID, block["id"])
			require.Contains(t, names, block["name"])
			require.IsType(t, object{}, block["input"])
			require.Less(t, i+1, len(messages))
			next := messages[i+1]
			require.Equal(t, "user", next["role"])
			first := objects(next["content"])[0]
			require.Equal(t, "tool_result", first["type"], "results come first in the message after")
			require.Equal(t, block["id"], first["tool_use_id"])
			require.NotEmpty(t, first["content"])
		}
	}
	require.Equal(t, (turn-1)*len(calls), made)
}

func checkGoogle(t *testing.T, body object, turn int) {
	var names []string
	for _, tool := range objects(body["tools"]) {
		for _, f := range objects(tool["functionDeclarations"]) {
			require.Regexp(t, googleName, f["name"])
			require.NotEmpty(t, f["description"])
			checkGoogleSchema(t, f["parameters"].(object), true)
			names = append(names, f["name"].(string))
		}
	}
	require.ElementsMatch(t, offered, names)

	// A function call follows a user's turn, and its response follows it.
	contents := objects(body["contents"])
	made := 0
	for i, c := range contents {
		require.Contains(t, []any{"user", "model"}, c["role"])
		for _, part := range objects(c["parts"]) {
			call, ok := part["functionCall"].(object)
			if !ok {
				continue
			}
			made++
			require.Equal(t, "model", c["role"])
			require.Equal(t, "user", contents[i-1]["role"])
			require.IsType(t, object{}, call["args"])
			response := objects(contents[i+1]["parts"])[0]["functionResponse"].(object)
			require.Equal(t, call["name"], response["name"])
			require.IsType(t, object{}, response["response"])
		}
	}
	require.Equal(t, (turn-1)*len(calls), made)
}

func checkGoogleSchema(t *testing.T, s object, top bool) {
	t.Helper()
	kind := s["type"]
	if n, ok := kind.(float64); ok {
		kind = googleTypes[n]
	}
	require.Contains(t, []any{"STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT"}, kind, "%v", s)
	if top {
		require.Equal(t, "OBJECT", kind)
	}
	for k := range s {
		require.Contains(t, []string{"type", "description", "properties", "required", "items"}, k)
	}
	switch kind {
	case "OBJECT":
		properties := s["properties"].(object)
		require.NotEmpty(t, properties)
		for _, p := range properties {
			checkGoogleSchema(t, p.(object), false)
		}
	case "ARRAY":
		checkGoogleSchema(t, s["items"].(object), false)
	}
}
