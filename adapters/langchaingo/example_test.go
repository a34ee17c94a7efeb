package langchaingo_test

import (
	"context"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/langchaingo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
)

// standIn is a model that asks for two Jobs at once and then tells what came of
// them. Use one of langchaingo's providers in its place.
type standIn struct{ llms.Model }

func (standIn) GenerateContent(_ context.Context, messages []llms.MessageContent, _ ...llms.CallOption) (*llms.ContentResponse, error) {
	var results []string
	for _, m := range messages {
		for _, p := range m.Parts {
			if r, ok := p.(llms.ToolCallResponse); ok {
				lines := strings.Split(r.Content, "\n")
				results = append(results, lines[len(lines)-1])
			}
		}
	}
	if len(results) == 0 {
		return asks(callOf("1", "track_a_parcel", "parcel 12"), callOf("2", "order_status", "order 4711")), nil
	}
	return says(strings.Join(results, "; ")), nil
}

func shop() (*duvotest.Duvo, *duvotool.Registry) {
	d := duvotest.New(duvotest.WithAssignments(
		duvotest.Assignment{Name: "Track a parcel", Script: func(j *duvotest.Job) { j.Complete(j.Input() + " is in Brno") }},
		duvotest.Assignment{Name: "Order status", Script: func(j *duvotest.Job) { j.Complete(j.Input() + " is paid") }},
	))
	reg, err := duvotool.Discover(context.Background(), d.Client(), duvotool.WithPollInterval(10*time.Millisecond))
	if err != nil {
		log.Fatal(err)
	}
	return d, reg
}

func ExampleNewAgent() {
	d, reg := shop()
	defer d.Close()
	ctx := context.Background()
	defer reg.Close(ctx)

	agent, err := langchaingo.NewAgent(standIn{}, reg)
	if err != nil {
		log.Fatal(err)
	}
	ctx = duvotool.WithOperationScope(ctx, "conversation 7")
	answer, err := chains.Run(ctx, agents.NewExecutor(agent), "Where is parcel 12, and is order 4711 paid?")
	fmt.Println(answer, err)
	// Output: parcel 12 is in Brno; order 4711 is paid <nil>
}

// A loop of one's own, with every provider that takes tools.
func ExampleRunCalls() {
	d, reg := shop()
	defer d.Close()
	ctx := context.Background()
	defer reg.Close(ctx)

	model := standIn{}
	offered, err := langchaingo.LLMTools(model, reg.Tools())
	if err != nil {
		log.Fatal(err)
	}
	messages := []llms.MessageContent{llms.TextParts(llms.ChatMessageTypeHuman, "Where is parcel 12, and is order 4711 paid?")}
	for range 5 {
		resp, err := model.GenerateContent(ctx, messages, llms.WithTools(offered))
		if err != nil {
			log.Fatal(err)
		}
		calls, text := langchaingo.Calls(resp)
		if len(calls) == 0 {
			fmt.Println(text)
			return
		}
		responses, err := langchaingo.RunCalls(ctx, reg.Tools(), calls)
		if err != nil {
			log.Fatal(err)
		}
		messages = append(messages, langchaingo.Paired(text, calls, responses)...)
	}
	// Output: parcel 12 is in Brno; order 4711 is paid
}
