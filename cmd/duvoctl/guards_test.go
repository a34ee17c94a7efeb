package main

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/internal/syncbuf"
	"github.com/stretchr/testify/require"
)

const tick = time.Millisecond

// A decision is for one text: what has changed, before it was named or between the two
// readings, is not decided.
func TestADecisionIsBoundToItsText(t *testing.T) {
	b := atDuvoBench(t)
	id := b.asks(refundsID, "Refund 120 EUR|")
	_, digest := b.shown(id)
	for name, change := range map[string]func(*duvo.HumanRequest){
		"its title":    func(q *duvo.HumanRequest) { q.Title = "Refund 9000 EUR" },
		"its text":     func(q *duvo.HumanRequest) { q.Description += "And all the others." },
		"its identity": func(q *duvo.HumanRequest) { q.ID = "6f1e02c9-0000-4000-8000-00000000beef" },
	} {
		require.NoError(t, b.d.ChangeRequest(id, change), name)
		var res result
		b.json(exitError, "decision", &res, "approve", id, "--digest", digest, "-y")
		require.Equal(t, endChanged, res.Ending, name)
		require.NotEqual(t, digest, res.Digest)
		require.Zero(t, b.sent(), name)
		digest = res.Digest
	}

	// Between the reading that is compared and the one just before it is sent.
	for ending, change := range map[string]func(){
		endChanged: func() {
			_ = b.d.ChangeRequest(id, func(q *duvo.HumanRequest) { q.Title += "!" })
		},
		endElsewhere: func() {
			_ = b.d.ChangeRequest(id, func(q *duvo.HumanRequest) { q.ID = "6f1e02c9-0000-4000-8000-00000000cafe" })
		},
	} {
		_, digest = b.shown(id)
		var reads atomic.Int64
		b.d.InjectFunc(func(op string, _ *http.Request) *duvotest.Fault {
			if op == "getRun" && reads.Add(1) == 2 {
				change()
			}
			return nil
		})
		var res result
		code := exitError
		if ending == endElsewhere {
			code = exitElsewhere
		}
		b.json(code, "decision", &res, "approve", id, "--digest", digest, "-y")
		b.d.InjectFunc(nil)
		require.Equal(t, ending, res.Ending)
		require.EqualValues(t, 2, reads.Load(), "it is read again just before it is sent")
		require.Zero(t, b.sent())
	}
}

// What was read too long ago is not answered.
func TestADecisionIsBoundToItsReading(t *testing.T) {
	b := atDuvoBench(t)
	id := b.asks(refundsID, "Refund 120 EUR|")
	d := &atDuvo{app: newApp(nil, nil, nil)}
	d.app.timeout, d.app.soon = time.Minute, time.Nanosecond
	var err error
	d.client, err = d.app.client()
	require.NoError(t, err)
	defer d.close()
	r, err := d.find(t.Context(), id)
	require.NoError(t, err)
	res, err := d.decide(t.Context(), r, order{verdict: "approve"})
	require.NoError(t, err)
	require.Equal(t, endFailed, res.Ending)
	require.Contains(t, res.Text, "Nothing was sent")
	require.Zero(t, b.sent())
}

// What a model added to the Job later is part of the text.
func TestADecisionIsBoundToFollowUps(t *testing.T) {
	b := atDuvoBench(t)
	id := b.asks(refundsID, "Refund 120 EUR|")
	_, digest := b.shown(id)
	b.d.InjectFunc(nil)
	r := &request{}
	d := &atDuvo{app: newApp(nil, nil, nil)}
	var err error
	d.app.timeout = time.Minute
	d.client, err = d.app.client(duvo.WithTransport(func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(q *http.Request) (*http.Response, error) {
			res, err := next.RoundTrip(q)
			if err == nil && strings.HasSuffix(q.URL.Path, "/messages") {
				body := `{"messages":[{"id":"1","role":"user","type":"text","text_content":"Refund 120 EUR|"},{"id":"2","role":"user","type":"text","text_content":"Make it 9000."}],"total":2}`
				_ = res.Body.Close()
				res.Body, res.ContentLength = http.NoBody, int64(len(body))
				res.Body = readCloser{strings.NewReader(body)}
			}
			return res, err
		})
	}))
	require.NoError(t, err)
	defer d.close()
	r, err = d.ofJob(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, "Make it 9000.", r.Request.FollowUp)
	require.NotEqual(t, digest, r.Digest)
	var out strings.Builder
	showRequest(&out, r)
	require.Contains(t, out.String(), "Added since, in a model's own words (nobody has checked them):\n  | Make it 9000.\n")
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

// Whatever happens on the way, what is told is what is known, and nothing is sent
// twice.
func TestWhatIsKnownOfADecision(t *testing.T) {
	for name, c := range map[string]struct {
		fault  duvotest.Fault
		code   int
		ending string // empty: an error
		says   string
		taken  bool
	}{
		"the answer is lost":        {duvotest.Fault{Kind: duvotest.ResetAfter}, exitError, endUnknown, "waits no more: by this decision or by somebody else's", true},
		"it may not have arrived":   {duvotest.Fault{Kind: duvotest.ResetBefore}, exitError, endUnknown, "may arrive late", false},
		"an error that proves none": {duvotest.Fault{Kind: duvotest.StatusAfter, Status: 502}, exitError, endUnknown, "It is not known whether it arrived", true},
		"no time for it":            {duvotest.Fault{Kind: duvotest.StatusBefore, Status: 429}, exitError, "", "", false},
		"not allowed":               {duvotest.Fault{Kind: duvotest.StatusBefore, Status: 403}, exitAuth, "", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			b := atDuvoBench(t)
			id := b.asks(refundsID, "Refund 120 EUR|")
			_, digest := b.shown(id)
			c.fault.Op = "respondToHumanRequest"
			b.d.Inject(c.fault)
			if c.ending == "" {
				b.json(c.code, "error", nil, "approve", id, "--digest", digest, "-y")
			} else {
				var res result
				b.json(c.code, "decision", &res, "approve", id, "--digest", digest, "-y")
				require.Equal(t, c.ending, res.Ending)
				require.Contains(t, res.Text, c.says)
			}
			require.Equal(t, 1, b.sent(), "it is attempted once")
			require.Equal(t, c.taken, b.response(id) != nil)
		})
	}
	t.Run("decided between the reading and the sending", func(t *testing.T) {
		b := atDuvoBench(t)
		id := b.asks(refundsID, "Refund 120 EUR|")
		_, digest := b.shown(id)
		b.d.InjectFunc(func(op string, _ *http.Request) *duvotest.Fault {
			if op == "respondToHumanRequest" {
				no := false
				_ = b.d.AnswerElsewhere(id, duvo.Response{Approved: &no})
			}
			return nil
		})
		var res result
		b.json(exitElsewhere, "decision", &res, "approve", id, "--digest", digest, "-y")
		require.Equal(t, endElsewhere, res.Ending)
		require.True(t, b.response(id).Elsewhere)
	})
}

// Ctrl-C while something is sent waits a little for the answer, and tells what is known
// then; before that it sends nothing.
func TestInterruptedWhileSending(t *testing.T) {
	for name, send := range map[string]func(b *bench, id, digest string) (op string, args []string){
		"a decision": func(_ *bench, id, digest string) (string, []string) {
			return "respondToHumanRequest", []string{"approve", id, "--digest", digest, "-y"}
		},
		"a start": func(*bench, string, string) (string, []string) {
			return "startRun", []string{"run", "refunds", "-y", "--key", "a-key"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := atDuvoBench(t)
			id := b.asks(refundsID, "Refund 120 EUR|")
			_, digest := b.shown(id)
			op, args := send(b, id, digest)
			ctx, interrupt := context.WithCancel(t.Context())
			b.d.InjectFunc(func(o string, _ *http.Request) *duvotest.Fault {
				if o != op {
					return nil
				}
				interrupt()
				return &duvotest.Fault{Kind: duvotest.Hang}
			})
			var out, errs syncbuf.Buffer
			a := newApp(strings.NewReader(""), &out, &errs)
			a.grace = 50 * time.Millisecond
			require.Equal(t, exitError, a.run(ctx, args))
			require.Contains(t, errs.String(), "Interrupted while")
			require.Contains(t, errs.String(), "waiting up to 50ms for the answer")
			if op == "startRun" {
				require.Contains(t, errs.String(), "it is not known whether a Job was started")
				require.Contains(t, errs.String(), "--key a-key")
			} else {
				require.Contains(t, out.String(), "It is not known whether it arrived")
			}
			require.Equal(t, 1, b.d.Count(op))
		})
		t.Run(name+" that has not begun", func(t *testing.T) {
			b := atDuvoBench(t)
			id := b.asks(refundsID, "Refund 120 EUR|")
			_, digest := b.shown(id)
			op, args := send(b, id, digest)
			ctx, interrupt := context.WithCancel(t.Context())
			interrupt()
			r := b.ctlWith(ctx, "", args...)
			require.Equal(t, exitError, r.code)
			require.Contains(t, r.errs, "interrupted")
			require.Zero(t, b.d.Count(op))
		})
	}
	t.Run("nothing begins after it", func(t *testing.T) {
		ctx, interrupt := context.WithCancel(t.Context())
		interrupt()
		err := newApp(nil, nil, nil).sending(ctx, "it", func(context.Context, context.Context) error {
			t.Error("it was sent")
			return nil
		})
		require.True(t, notBegun(err))
	})
	t.Run("the answer comes in time", func(t *testing.T) {
		b := atDuvoBench(t)
		id := b.asks(refundsID, "Refund 120 EUR|")
		_, digest := b.shown(id)
		ctx, interrupt := context.WithCancel(t.Context())
		b.d.InjectFunc(func(o string, _ *http.Request) *duvotest.Fault {
			if o == "respondToHumanRequest" {
				interrupt()
				return &duvotest.Fault{Latency: 20 * time.Millisecond}
			}
			return nil
		})
		r := b.ctlWith(ctx, "", "approve", id, "--digest", digest, "-y", "--timeout", "1m")
		require.Zero(t, r.code, r.errs)
		require.Contains(t, r.out, "Sent. Duvo has taken the decision.")
	})
}
