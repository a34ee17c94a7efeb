package providers

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/langchaingo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/anthropic"
	"github.com/tmc/langchaingo/llms/googleai"
	"github.com/tmc/langchaingo/llms/ollama"
	"github.com/tmc/langchaingo/llms/openai"
	"google.golang.org/api/option"
)

var update = flag.Bool("update", false, "write the golden files anew")

// A provider is a format that a local server speaks.
type provider struct {
	name    string
	model   func(t *testing.T, url string, h *http.Client) llms.Model
	path    *regexp.Regexp
	answers [2]string // of the two turns
	check   func(t *testing.T, body map[string]any, turn int)
}

// call is one of the three that every model makes in its first turn.
var calls = []struct{ id, name, args string }{
	{"call_a", "refunds", `{"input":"order 4711"}`},
	{"call_b", "shop_order", `{"customer":{"name":"Ann","vip":true},"items":[{"sku":"A-1","quantity":2}],"priority":"high","due":"2026-03-01","labels":"{\"a\":\"b\"}"}`},
	{"call_c", "track_a_parcel", `{"input":"parcel 12"}`},
}

const final = "Order 4711 was refunded; the parcel is in Brno."

func openAIAnswers() [2]string {
	var made []string
	for _, c := range calls {
		args, _ := json.Marshal(c.args)
		made = append(made, fmt.Sprintf(`{"id":%q,"type":"function","function":{"name":%q,"arguments":%s}}`, c.id, c.name, args))
	}
	return [2]string{
		`{"id":"1","object":"chat.completion","model":"m","choices":[{"index":0,"finish_reason":"tool_calls","message":{"role":"assistant","content":"I look into it.","tool_calls":[` + strings.Join(made, ",") + `]}}]}`,
		`{"id":"2","object":"chat.completion","model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"` + final + `"}}]}`,
	}
}

func anthropicAnswers() [2]string {
	made := []string{`{"type":"text","text":"I look into it."}`}
	for _, c := range calls {
		made = append(made, fmt.Sprintf(`{"type":"tool_use","id":%q,"name":%q,"input":%s}`, c.id, c.name, c.args))
	}
	const frame = `{"id":"msg","type":"message","role":"assistant","model":"m","stop_reason":%q,"usage":{"input_tokens":1,"output_tokens":1},"content":[%s]}`
	return [2]string{fmt.Sprintf(frame, "tool_use", strings.Join(made, ",")), fmt.Sprintf(frame, "end_turn", `{"type":"text","text":"`+final+`"}`)}
}

func googleAnswers() [2]string {
	made := []string{`{"text":"I look into it."}`}
	for _, c := range calls {
		made = append(made, fmt.Sprintf(`{"functionCall":{"name":%q,"args":%s}}`, c.name, c.args))
	}
	const frame = `[{"candidates":[{"index":0,"finishReason":"STOP","content":{"role":"model","parts":[%s]}}]}]`
	return [2]string{fmt.Sprintf(frame, strings.Join(made, ",")), fmt.Sprintf(frame, `{"text":"`+final+`"}`)}
}

var providers = []provider{
	{"openai", func(t *testing.T, url string, h *http.Client) llms.Model {
		m, err := openai.New(openai.WithBaseURL(url), openai.WithToken("key"), openai.WithModel("gpt-4o-mini"), openai.WithHTTPClient(h))
		require.NoError(t, err)
		return m
	}, regexp.MustCompile(`^/chat/completions$`), openAIAnswers(), checkOpenAI},

	{"ollama", func(t *testing.T, url string, h *http.Client) llms.Model {
		m, err := openai.New(openai.WithBaseURL(url+"/v1"), openai.WithToken("ollama"), openai.WithModel("llama3.1"), openai.WithHTTPClient(h))
		require.NoError(t, err)
		return m
	}, regexp.MustCompile(`^/v1/chat/completions$`), openAIAnswers(), checkOpenAI},

	{"anthropic", func(t *testing.T, url string, h *http.Client) llms.Model {
		m, err := anthropic.New(anthropic.WithBaseURL(url), anthropic.WithToken("key"), anthropic.WithModel("claude-sonnet-4-0"), anthropic.WithHTTPClient(h))
		require.NoError(t, err)
		return m
	}, regexp.MustCompile(`^/messages$`), anthropicAnswers(), checkAnthropic},

	{"google", func(t *testing.T, url string, _ *http.Client) llms.Model {
		m, err := googleai.New(t.Context(), googleai.WithAPIKey("key"), func(o *googleai.Options) {
			o.ClientOptions = append(o.ClientOptions, option.WithEndpoint(url))
		})
		require.NoError(t, err)
		t.Cleanup(func() { _ = m.Close() })
		return m
	}, regexp.MustCompile(`^/v1beta/models/gemini-2\.0-flash:(streamG|g)enerateContent$`), googleAnswers(), checkGoogle},
}

// order is a schema that has something of everything.
const order = `{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","required":["customer","items"],"additionalProperties":false,"properties":{
	"customer":{"type":"object","required":["name"],"properties":{"name":{"type":"string","minLength":1},"vip":{"type":"boolean"}}},
	"items":{"type":"array","minItems":1,"items":{"type":"object","required":["sku"],"properties":{"sku":{"type":"string"},"quantity":{"type":"integer","minimum":1}}}},
	"priority":{"type":"string","enum":["low","high"],"description":"How urgent it is."},
	"due":{"type":"string","format":"date"},
	"discount":{"type":["number","null"],"description":"In percent"},
	"gift":{"anyOf":[{"type":"string"},{"type":"null"}]},
	"labels":{"type":"object","additionalProperties":{"type":"string"},"description":"Whatever is to be kept."},
	"ship":{"$ref":"#/$defs/address","required":["street"],"description":"Where to."},
	"pay":{"oneOf":[{"type":"object","required":["card"],"properties":{"card":{"type":"string","pattern":"^[0-9]{16}$"}}},{"type":"object","required":["iban"],"properties":{"iban":{"type":"string"}}}]}},
	"$defs":{"address":{"type":"object","properties":{"street":{"type":"string"},"city":{"type":"string"}},"required":["city"]}},
	"not":{"required":["gift","discount"]}}`

// recorded is what a server was sent.
type recorded struct {
	mu     sync.Mutex
	bodies [][]byte
	paths  []string
}

func serve(t *testing.T, p provider) (*recorded, string) {
	r := &recorded{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.bodies, r.paths = append(r.bodies, body), append(r.paths, req.URL.Path)
		if err != nil || len(r.bodies) > 2 {
			http.Error(w, "too many", http.StatusTooManyRequests)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, p.answers[len(r.bodies)-1])
	}))
	t.Cleanup(s.Close)
	return r, s.URL
}

// Two turns with each provider, the first of them with three calls at once. The
// bodies of the requests are as the golden files have them, and keep to what the
// provider documents.
func TestProviders(t *testing.T) {
	for _, p := range providers {
		t.Run(p.name, func(t *testing.T) {
			server, url := serve(t, p)
			d := duvotest.New(duvotest.WithAssignments(
				duvotest.Assignment{Name: "Refunds", Folder: "Support", Description: "Refunds an order.", Script: func(j *duvotest.Job) {
					if j.AskApproval("Refund "+j.Input(), "") {
						j.Complete("refunded " + j.Input())
					}
					j.Complete("not refunded")
				}},
				duvotest.Assignment{Name: "Shop order", Description: "Places an order.", Script: func(j *duvotest.Job) { j.Complete("ordered") }},
				duvotest.Assignment{Name: "Track a parcel", Description: "Tells where a parcel is.", Script: func(j *duvotest.Job) { j.Complete("in Brno") }},
			))
			defer d.Close()
			reg, err := duvotool.Discover(t.Context(), d.Client(), duvotool.WithPollInterval(time.Millisecond),
				duvotool.WithPolicy(hitl.Forward(func(context.Context, hitl.Request) (hitl.Decision, error) {
					return hitl.Approve("kim@example.com", "fine"), nil
				})),
				duvotool.Configure(duvotool.ByName("Shop order"), duvotool.InputSchema(json.RawMessage(order))))
			require.NoError(t, err)
			defer reg.Close(context.Background())

			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
			agent, err := langchaingo.NewAgent(p.model(t, url, &http.Client{Transport: transport}), reg, langchaingo.WithTools(reg.RouterTool()))
			require.NoError(t, err)
			answer, err := chains.Run(t.Context(), agents.NewExecutor(agent), "Refund order 4711 and tell where parcel 12 is.")
			require.NoError(t, err)
			require.Equal(t, final, answer)

			inputs := map[string]string{}
			for _, j := range d.Jobs() {
				inputs[j.AssignmentName] = j.Input
			}
			require.Len(t, inputs, 3)
			require.Equal(t, "order 4711", inputs["Refunds"])
			require.Equal(t, "parcel 12", inputs["Track a parcel"])
			require.JSONEq(t, strings.Replace(calls[1].args, `"{\"a\":\"b\"}"`, `{"a":"b"}`, 1), inputs["Shop order"])
			require.Len(t, server.bodies, 2)
			for i, body := range server.bodies {
				require.Regexp(t, p.path, server.paths[i])
				golden(t, fmt.Sprintf("%s-%d.json", p.name, i+1), body)
				var m map[string]any
				require.NoError(t, json.Unmarshal(body, &m))
				p.check(t, m, i+1)
			}
		})
	}
}

// langchaingo's own provider of Ollama drops tools, so it is refused, also where
// it is wrapped.
func TestOllamasOwnProviderIsRefused(t *testing.T) {
	m, err := ollama.New(ollama.WithModel("llama3.1"))
	require.NoError(t, err)
	for _, m := range []llms.Model{m, langchaingo.Guard(m)} {
		_, err = langchaingo.NewAgent(m, langchaingo.Tools{})
		require.ErrorContains(t, err, "use its openai provider")
	}
}

var ids = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// golden compares a body with the one that is kept, but for the Jobs' IDs.
func golden(t *testing.T, name string, body []byte) {
	t.Helper()
	var pretty bytes.Buffer
	var v any
	require.NoError(t, json.Unmarshal(body, &v))
	enc := json.NewEncoder(&pretty)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	require.NoError(t, enc.Encode(v))
	got := ids.ReplaceAllString(pretty.String(), "<Job>")
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "run with -update to write it")
	require.Equal(t, string(want), got)
}
