package providers

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/langchaingo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/callbacks"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
)

// What a turn streams: two calls whose arguments come in pieces, then the end.
const (
	toldFirst = `{"input":"order 4711"}`
	toldNext  = `{"input":"parcel 12"}`
)

func pieces(s string) []string { return []string{"", s[:3], s[3:9], s[9:], ""} } // some servers end with nothing

func openAIStream(turn int) []string {
	const frame = `data: {"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":%s,"finish_reason":%s}]}`
	if turn == 2 {
		return []string{fmt.Sprintf(frame, `{"role":"assistant","content":"All "}`, "null"), fmt.Sprintf(frame, `{"content":"done."}`, "null"), fmt.Sprintf(frame, `{}`, `"stop"`), "data: [DONE]"}
	}
	out := []string{fmt.Sprintf(frame, `{"role":"assistant","content":"I look."}`, "null")}
	for i, args := range []string{toldFirst, toldNext} {
		for k, piece := range pieces(args) {
			text, _ := json.Marshal(piece)
			call := fmt.Sprintf(`{"index":%d,"function":{"arguments":%s}}`, i, text)
			if k == 0 {
				call = fmt.Sprintf(`{"index":%d,"id":"call_%d","type":"function","function":{"name":%q,"arguments":""}}`, i, i, []string{"refunds", "track_a_parcel"}[i])
			}
			out = append(out, fmt.Sprintf(frame, `{"tool_calls":[`+call+`]}`, "null"))
		}
	}
	return append(out, fmt.Sprintf(frame, `{}`, `"tool_calls"`), "data: [DONE]")
}

func anthropicStream(turn int) []string {
	event := func(kind, rest string) string {
		return "event: " + kind + "\ndata: {\"type\":\"" + kind + "\"" + rest + "}"
	}
	out := []string{event("message_start", `,"message":{"id":"m","type":"message","role":"assistant","model":"m","content":[],"usage":{"input_tokens":1,"output_tokens":1}}`),
		event("content_block_start", `,"index":0,"content_block":{"type":"text","text":""}`), event("ping", "")}
	texts := map[int][]string{1: {"I ", "look."}, 2: {"All ", "done."}}[turn]
	for _, text := range texts {
		out = append(out, event("content_block_delta", fmt.Sprintf(`,"index":0,"delta":{"type":"text_delta","text":%q}`, text)))
	}
	out = append(out, event("content_block_stop", `,"index":0`))
	stop := "end_turn"
	if turn == 1 {
		stop = "tool_use"
		for i, args := range []string{toldFirst, toldNext} {
			at := fmt.Sprintf(`,"index":%d`, i+1)
			out = append(out, event("content_block_start", at+fmt.Sprintf(`,"content_block":{"type":"tool_use","id":"call_%d","name":%q,"input":{}}`, i, []string{"refunds", "track_a_parcel"}[i])))
			for _, piece := range pieces(args) {
				text, _ := json.Marshal(piece)
				out = append(out, event("content_block_delta", at+fmt.Sprintf(`,"delta":{"type":"input_json_delta","partial_json":%s}`, text)))
			}
			out = append(out, event("content_block_stop", at))
		}
	}
	return append(out, event("message_delta", fmt.Sprintf(`,"delta":{"stop_reason":%q},"usage":{"output_tokens":5}`, stop)), event("message_stop", ""))
}

// A function for streaming that the agent is given reaches the model, and so does
// one of the executor's callbacks, which wins; the calls of a streamed turn are
// whole.
func TestStreaming(t *testing.T) {
	streams := map[string]func(int) []string{"openai": openAIStream, "ollama": openAIStream, "anthropic": anthropicStream}
	for _, p := range providers {
		if streams[p.name] == nil {
			continue
		}
		for _, by := range []string{"the agent", "the executor's callbacks", "both"} {
			t.Run(p.name+" by "+by, func(t *testing.T) {
				var turns atomic.Int32
				s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
					body, err := io.ReadAll(req.Body)
					if err != nil || !strings.Contains(string(body), `"stream":true`) {
						http.Error(w, "it is not asked to stream", http.StatusBadRequest)
						return
					}
					w.Header().Set("Content-Type", "text/event-stream")
					for _, line := range streams[p.name](int(turns.Add(1))) {
						fmt.Fprint(w, line+"\n\n")
						_ = http.NewResponseController(w).Flush()
					}
				}))
				defer s.Close()
				own := &http.Transport{}
				defer own.CloseIdleConnections()
				done := func(j *duvotest.Job) { j.Complete("done: " + j.Input()) }
				d := duvotest.New(duvotest.WithAssignments(duvotest.Assignment{Name: "Refunds", Script: done}, duvotest.Assignment{Name: "Track a parcel", Script: done}))
				defer d.Close()
				reg, err := duvotool.Discover(t.Context(), d.Client(), duvotool.WithPollInterval(5*time.Millisecond))
				require.NoError(t, err)
				defer reg.Close(context.Background())
				var streamed, told strings.Builder
				var opts []langchaingo.Option
				if by != "the executor's callbacks" {
					opts = append(opts, langchaingo.WithCallOptions(llms.WithStreamingFunc(func(_ context.Context, chunk []byte) error {
						streamed.Write(chunk)
						return nil
					})))
				}
				agent, err := langchaingo.NewAgent(p.model(t, s.URL, &http.Client{Transport: own}), reg, opts...)
				require.NoError(t, err)
				var options []chains.ChainCallOption
				if by != "the agent" {
					options = append(options, chains.WithStreamingFunc(func(_ context.Context, chunk []byte) error {
						told.Write(chunk)
						return nil
					}))
				}
				var inputs []string
				executor := agents.NewExecutor(agent, agents.WithCallbacksHandler(callbacks.SimpleHandler{}))
				out, err := chains.Run(t.Context(), executor, "look into order 4711", options...)
				require.NoError(t, err)
				require.Equal(t, "All done.", out)
				for _, j := range d.Jobs() {
					inputs = append(inputs, j.Input)
				}
				require.ElementsMatch(t, []string{"order 4711", "parcel 12"}, inputs, "each call once, with its arguments whole")
				if by == "the agent" {
					require.Contains(t, streamed.String(), "All done.")
				} else {
					require.Empty(t, streamed.String())
					require.Contains(t, told.String(), "All done.")
				}
			})
		}
	}
}
