package duvotool_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
)

const refundsID = "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8a11"

// refunds asks for an approval and tells what was decided.
var refunds = duvotest.Assignment{ID: refundsID, Name: "Refunds", Description: "Refunds an order.",
	Script: func(j *duvotest.Job) {
		j.Say("looking at " + j.Input())
		if j.AskApproval("Refund 120 EUR", "It arrived damaged.") {
			j.Complete("refunded")
		}
		j.Complete("not refunded")
	}}

var sizes = duvotest.Assignment{ID: refundsID, Name: "Sizes", Description: "Asks for sizes.",
	Script: func(j *duvotest.Job) {
		a := j.Ask("Sizes", "", duvo.QuestionItem{Question: "Which size?", Options: []duvo.Choice{{Label: "S"}, {Label: "M, tall"}}},
			duvo.QuestionItem{Question: "Which colours?", MultiSelect: true, Options: []duvo.Choice{{Label: "red"}, {Label: "blue, dark"}, {Label: "blue"}}},
			duvo.QuestionItem{Question: "Anything else?"})
		j.Complete(a["Which size?"] + " / " + a["Which colours?"] + " / " + a["Anything else?"])
	}}

// nowhere is where webhooks are delivered that no test takes: a look-up of their host
// would be a wait in real time.
type nowhere struct{}

func (nowhere) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("there is no network")
}

// emulated runs f in a bubble of time, with a Duvo in memory.
func emulated(t *testing.T, f func(t *testing.T, d *duvotest.Duvo), opts ...duvotest.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(append([]duvotest.Option{duvotest.WithWebhookClient(&http.Client{Transport: nowhere{}})}, opts...)...)
		t.Cleanup(d.Close)
		f(t, d)
	})
}

type ask = func(ctx context.Context, r hitl.Request) (hitl.Decision, error)

func policy(f ask) duvotool.ToolOption { return duvotool.WithPolicy(hitl.PolicyFunc(f)) }

func responses(d *duvotest.Duvo) (sent int, approved bool) {
	for _, j := range d.Jobs() {
		for _, r := range j.Requests {
			if r.Response != nil && r.Response.Approved != nil && *r.Response.Approved {
				approved = true
			}
		}
	}
	return d.Count("respondToHumanRequest"), approved
}

func containsID(path, id string) bool { return strings.Contains(path, "/"+id+"/") }

// wireFunc is a function as a transport.
type wireFunc func(*http.Request) (*http.Response, error)

func (f wireFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
