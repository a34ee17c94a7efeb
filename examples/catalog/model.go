package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	"github.com/duvotool/duvotool/duvotest"
)

const (
	target  = "translate_contracts"
	goodbye = "The lease is translated."
)

// catalog makes 500 Assignments: what ten departments do with ten kinds of
// things in five ways.
func catalog() []duvotest.Assignment {
	departments := map[string]string{
		"Finance": "invoices budgets receipts ledgers forecasts taxes payments loans audits dividends", "Legal": "contracts patents permits claims policies trademarks deeds statutes appeals licences",
		"Sales": "quotes leads deals pipelines demos territories commissions tenders discounts renewals", "Support": "tickets complaints refunds returns chats warranties ratings escalations surveys callbacks",
		"People": "applications payslips vacations trainings reviews transfers benefits onboardings interviews badges", "Marketing": "newsletters campaigns articles banners events podcasts slogans brochures posts webinars",
		"IT": "passwords laptops servers backups certificates domains networks printers incidents releases", "Warehouse": "shipments pallets stocks deliveries parcels inventories forklifts customs crates labels",
		"Office": "meetings trips rooms visitors desks keys catering cleaning parking mail", "Production": "machines batches recipes defects shifts spares moulds samples drawings orders",
	}
	verbs := map[string]string{"Translate": "into another language", "Review": "against the handbook", "Summarize": "on one page", "Archive": "where the law asks for it", "Correct": "where they are wrong"}
	var all []duvotest.Assignment
	for department, things := range departments {
		for _, thing := range strings.Fields(things) {
			for verb, how := range verbs {
				all = append(all, duvotest.Assignment{
					Name: verb + " " + thing, Folder: department,
					Description: fmt.Sprintf("%ss %s of the %s department %s and files the result with those who asked for it.", verb, thing, department, how),
					Script:      func(j *duvotest.Job) { j.Complete("Done: " + j.Input()) },
				})
			}
		}
	}
	return all
}

// A provider is a model behind HTTP that knows what to do: search where it can,
// then hand over the work, then say goodbye.
type provider struct {
	*httptest.Server
	mu    sync.Mutex
	bytes []int
}

func newProvider() *provider {
	p := &provider{}
	p.Server = httptest.NewServer(p)
	return p
}

// tokens tells what each request cost.
func (p *provider) tokens() []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]int, len(p.bytes))
	for i, n := range p.bytes {
		out[i] = n / 4
	}
	return out
}

// ServeHTTP answers a chat completion.
func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var in struct {
		Tools []struct {
			Function struct {
				Name       string
				Parameters struct{ Properties map[string]any }
			}
		}
		Messages []struct{ Role string }
	}
	if err != nil || json.Unmarshal(body, &in) != nil {
		http.Error(w, "the request cannot be read", http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	p.bytes = append(p.bytes, len(body))
	p.mu.Unlock()

	answered := 0
	for _, m := range in.Messages {
		if m.Role == "tool" {
			answered++
		}
	}
	offered, oneArgument := map[string]bool{}, ""
	for _, t := range in.Tools {
		offered[t.Function.Name] = true
		if _, ok := t.Function.Parameters.Properties["__arg1"]; ok {
			oneArgument = "__arg1"
		}
	}
	work := map[string]string{"assignment": target, "input": task}
	name, args := "", map[string]string{}
	switch searches := offered["duvo_search"]; {
	case searches && answered == 0:
		name, args = "duvo_search", map[string]string{"query": "translate a lease contract"}
	case answered > 0 && !searches, answered > 1:
	case offered[target]:
		name, args = target, map[string]string{"input": task}
	case offered["duvo_run"]:
		name, args = "duvo_run", work
	case offered["duvo"]:
		name, args = "duvo", work
	}
	message := map[string]any{"role": "assistant", "content": goodbye}
	if name != "" {
		text, _ := json.Marshal(args) // strings always marshal
		if oneArgument != "" {
			text, _ = json.Marshal(map[string]string{oneArgument: string(text)})
		}
		message = map[string]any{"role": "assistant", "content": "", "tool_calls": []any{map[string]any{
			"id": fmt.Sprint("call_", answered), "type": "function", "function": map[string]any{"name": name, "arguments": string(text)}}}}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"choices": []any{map[string]any{"index": 0, "finish_reason": "stop", "message": message}}})
}
