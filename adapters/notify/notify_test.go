package notify_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool/adapters/notify"
	"github.com/duvotool/duvotool/duvotooltest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A board has what waits, and a letterbox what was told.
type board struct {
	mu      sync.Mutex
	pending []hitl.Request
	tried   int
	sent    []notify.Notice
	fail    func(try int) error
	takes   time.Duration
}

func (b *board) Pending() []hitl.Request {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]hitl.Request{}, b.pending...)
}

func (b *board) set(titles ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pending = nil
	for _, t := range titles {
		b.pending = append(b.pending, duvotooltest.Approval(t, func(r *hitl.Request) { r.ID, r.FirstSeen = "request-"+t, time.Now() }))
	}
}

func (b *board) send(ctx context.Context, n notify.Notice) error {
	b.mu.Lock()
	takes := b.takes
	b.mu.Unlock()
	sent, cancel := context.WithTimeout(ctx, takes) // not a timer's channel: one that is due at once crashes Go 1.26's race detector in a bubble
	defer cancel()
	if <-sent.Done(); ctx.Err() != nil {
		return ctx.Err()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tried++
	if b.fail != nil {
		if err := b.fail(b.tried); err != nil {
			return err
		}
	}
	b.sent = append(b.sent, n)
	return nil
}

// way changes how sending goes.
func (b *board) way(takes time.Duration, fail func(try int) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.takes, b.fail = takes, fail
}

// told waits, and returns how many were told since.
func (b *board) told(wait time.Duration) int {
	time.Sleep(wait)
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.sent)
}

func link(r hitl.Request) string { return "https://desk.example/requests/" + r.ID }

// notifying runs a test beside a notifier, in a bubble of time.
func notifying(t *testing.T, test func(t *testing.T, b *board, n *notify.Notifier), change ...func(*board, *notify.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &board{}
		cfg := notify.Config{Registries: []notify.Registry{b}, Link: link, Send: b.send}
		for _, c := range change {
			c(b, &cfg)
		}
		stop, n := start(t, cfg)
		test(t, b, n)
		stop()
	})
}

func start(t *testing.T, cfg notify.Config) (stop func(), n *notify.Notifier) {
	n, err := notify.New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	return func() { cancel(); require.ErrorIs(t, <-ended, context.Canceled) }, n
}

func TestToldOnce(t *testing.T) {
	notifying(t, func(t *testing.T, b *board, n *notify.Notifier) {
		b.set("Refund 1 EUR\r\nBcc: all@example.com", "Refund 2 EUR")
		require.Equal(t, 2, b.told(time.Second))
		for _, s := range b.sent {
			require.Equal(t, link(s.Request), s.Link)
			require.NotContains(t, s.Subject(), "\n")
			require.NotContains(t, s.Subject(), "\r")
			require.Contains(t, s.Text(), s.Link)
			require.Contains(t, s.Text(), "decides nothing")
		}
		require.Equal(t, 2, b.told(time.Hour))
		b.set("Refund 3 EUR")
		n.Observe(outcome.Event{})
		synctest.Wait()
		require.Equal(t, 3, b.told(0), "at once")
	})
}

// What cannot be sent is tried again, a few times.
func TestTriedAgain(t *testing.T) {
	away := errors.New("the mail server is away")
	for name, c := range map[string]struct {
		fail        func(int) error
		sent, tried int
	}{
		"for a while": {func(try int) error {
			if try < 4 {
				return away
			}
			return nil
		}, 1, 4},
		"for ever":  {func(int) error { return away }, 0, 6},
		"it panics": {func(int) error { panic("oh") }, 0, 6},
	} {
		t.Run(name, func(t *testing.T) {
			notifying(t, func(t *testing.T, b *board, _ *notify.Notifier) {
				b.way(0, c.fail)
				b.set("Refund")
				require.Equal(t, c.sent, b.told(10*time.Minute))
				require.Equal(t, c.tried, b.tried)
			})
		})
	}
}

// Nobody is told of what is decided already.
func TestDecidedMeanwhile(t *testing.T) {
	notifying(t, func(t *testing.T, b *board, _ *notify.Notifier) {
		b.way(0, func(int) error { return errors.New("later") })
		b.set("Refund")
		require.Zero(t, b.told(2*time.Second))
		b.set()
		before := b.tried
		require.Zero(t, b.told(time.Hour))
		require.Equal(t, before, b.tried)
	})
	notifying(t, func(t *testing.T, b *board, _ *notify.Notifier) {
		b.set("Refund")
		require.Zero(t, b.told(59*time.Minute))
		b.set()
		require.Zero(t, b.told(2*time.Hour))
		b.set("Refund")
		require.Equal(t, 1, b.told(2*time.Hour))
	}, func(_ *board, c *notify.Config) { c.After = time.Hour })
}

// A slow way holds up nobody: not Observe, not Remind, and four are tried at once.
func TestSlow(t *testing.T) {
	notifying(t, func(t *testing.T, b *board, n *notify.Notifier) {
		b.way(20*time.Second, nil)
		var many []string
		for i := range 40 {
			many = append(many, fmt.Sprint(i))
		}
		b.set(many...)
		require.Equal(t, 4, b.told(25*time.Second))
		began := time.Now()
		for range 3000 {
			n.Remind(t.Context(), duvotooltest.Approval("x"))
			n.Observe(outcome.Event{})
		}
		require.Zero(t, time.Since(began))
		b.way(0, nil)
		require.Equal(t, 40+1000, b.told(time.Hour))
		b.way(time.Hour, nil) // it never ends by itself
		b.set("stuck")
		require.Equal(t, 1040, b.told(time.Hour))
	})
}

func TestReminders(t *testing.T) {
	notifying(t, func(t *testing.T, b *board, n *notify.Notifier) {
		kim := duvotooltest.NewOperator("kim").Says("Refund", 3*time.Hour, hitl.Approve("kim", "")).Says("Soon", time.Minute, hitl.Approve("kim", ""))
		p := hitl.Escalate(kim, hitl.Remind(time.Hour, n.Remind), hitl.Remind(2*time.Hour, n.Remind))
		for _, title := range []string{"Refund", "Soon"} {
			d, err := p.Decide(t.Context(), duvotooltest.Approval(title, func(r *hitl.Request) { r.FirstSeen = time.Now() }))
			require.NoError(t, err)
			require.Equal(t, hitl.Approved, d.Verdict)
		}
		require.Equal(t, 2, b.told(time.Hour))
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		n.Remind(ended, duvotooltest.Approval("late"))
		require.Equal(t, 2, b.told(time.Hour))
	})
}

// With a file a restart tells nobody again, but for what could not be told.
func TestRestarts(t *testing.T) {
	path := t.TempDir() + "/told"
	synctest.Test(t, func(t *testing.T) {
		b := &board{}
		cfg := notify.Config{Registries: []notify.Registry{b}, Link: link, Send: b.send, File: path}
		b.set("Refund 1 EUR")
		stop, _ := start(t, cfg)
		require.Equal(t, 1, b.told(time.Second))
		b.way(0, func(int) error { return errors.New("away") })
		b.mu.Lock()
		b.pending = append(b.pending, duvotooltest.Approval("Refund 2 EUR"))
		b.mu.Unlock()
		require.Equal(t, 1, b.told(time.Hour))
		stop()
		b.way(0, nil)
		stop, _ = start(t, cfg)
		require.Equal(t, 2, b.told(time.Hour))
		stop()
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, 2, strings.Count(string(raw), "\n"))
	})
	_, err := notify.New(notify.Config{Link: link, Send: (&board{}).send, File: t.TempDir()})
	require.Error(t, err)
}

func TestNewRefusesNonsense(t *testing.T) {
	good := notify.Config{Link: link, Send: (&board{}).send}
	for name, change := range map[string]func(*notify.Config){
		"link": func(c *notify.Config) { c.Link = nil }, "send": func(c *notify.Config) { c.Send = nil },
		"tries": func(c *notify.Config) { c.Tries = -1 }, "registry": func(c *notify.Config) { c.Registries = []notify.Registry{nil} },
	} {
		c := good
		change(&c)
		_, err := notify.New(c)
		require.Error(t, err, name)
	}
}
