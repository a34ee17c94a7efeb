// Package refundstest is a shop for programs that use package refunds: it pays on an
// emulated Duvo, and tells what it has paid.
package refundstest

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/examples/refunds"
)

const assignment = "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8a11"

// A Shop pays refunds. It is safe for concurrent use.
type Shop struct {
	duvo *duvotest.Server

	mu   sync.Mutex
	paid map[string][]int64
}

// New opens a shop. Close it.
func New() *Shop {
	s := &Shop{paid: map[string][]int64{}}
	s.duvo = duvotest.NewServer(duvotest.WithAssignment(duvotest.Assignment{ID: assignment, Name: "Refunds", Description: "Refunds an order.", Script: s.refund}))
	return s
}

// Close closes it.
func (s *Shop) Close() { s.duvo.Close() }

// Config is a configuration with which refunds are paid here.
func (s *Shop) Config(folder string) refunds.Config {
	return refunds.Config{Folder: folder, Assignment: assignment, Key: s.duvo.Key(), Team: s.duvo.TeamID(), URL: s.duvo.URL, Poll: 20 * time.Millisecond, Log: slog.New(slog.DiscardHandler)}
}

// Env is the environment by which another process pays here.
func (s *Shop) Env() []string { return s.duvo.Env() }

// Assignment is the ID of what pays here.
func (s *Shop) Assignment() string { return assignment }

// Paid are the payments for an order, in cents.
func (s *Shop) Paid(order string) []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]int64(nil), s.paid[order]...)
}

// Duvo is the emulated Duvo, to see what it was sent.
func (s *Shop) Duvo() *duvotest.Server { return s.duvo }

// refund is what a Job does: it asks before it pays.
func (s *Shop) refund(j *duvotest.Job) {
	var in struct {
		Order string `json:"order"`
		Cents int64  `json:"cents"`
	}
	answer := map[string]any{"refunded": false}
	if err := json.Unmarshal([]byte(j.Input()), &in); err != nil {
		j.Fail("no order")
	}
	answer["order"], answer["cents"] = in.Order, in.Cents
	if j.AskApproval(fmt.Sprintf("Refund %d.%02d EUR for order %s", in.Cents/100, in.Cents%100, in.Order), "") {
		s.mu.Lock()
		s.paid[in.Order] = append(s.paid[in.Order], in.Cents)
		s.mu.Unlock()
		answer["refunded"], answer["number"] = true, "P-"+in.Order
	}
	text, err := json.Marshal(answer)
	if err != nil {
		j.Fail(err.Error())
	}
	j.Complete(string(text))
}
