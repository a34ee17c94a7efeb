package duvotooltest

import (
	"testing"

	"github.com/duvotool/duvotool/journal"
)

// TestJournal checks what every journal must keep to; see [journal.Journal].
// open returns an empty journal each time, and arranges with t.Cleanup that it is
// closed. Run it with the race detector.
//
//   - What was put is what is got: key, revision, done, time and data, up to
//     4 MiB of them.
//   - Put is a compare-and-set, also among many writers at once: of several that
//     replace one revision, one wins.
//   - Unfinished lists what is not done, at least all that is there from the
//     beginning to the end, however much changes meanwhile; a loop over it may
//     call the journal.
//   - Forget deletes what is done and was put before the time, and no more.
//   - A call whose context has ended changes nothing and says so.
//   - No slice is shared with the caller.
//   - Keys are checked, and told apart.
//   - With [Reopens]: all of it outlives closing and opening again.
func TestJournal(t *testing.T, open func(t *testing.T) journal.Journal, opts ...JournalOption) {
	t.Helper()
	var c journalConfig
	for _, o := range opts {
		o(&c)
	}
	for _, check := range journalChecks {
		t.Run(check.name, func(t *testing.T) {
			k := journalKit{ctx: t.Context(), open: func() journal.Journal { return open(t) }}
			if c.reopen != nil {
				k.reopen = func(j journal.Journal) journal.Journal { return c.reopen(t, j) }
			} else if check.reopens {
				t.Skip("the journal says nothing of opening again")
			}
			if err := check.run(k); err != nil {
				t.Error(err)
			}
		})
	}
}

// A JournalOption tells [TestJournal] about a journal.
type JournalOption func(*journalConfig)

type journalConfig struct {
	reopen func(t *testing.T, j journal.Journal) journal.Journal
}

// Reopens says that the journal keeps its records when it is closed. reopen
// closes one, opens the same records again, and returns the journal that does.
func Reopens(reopen func(t *testing.T, j journal.Journal) journal.Journal) JournalOption {
	return func(c *journalConfig) { c.reopen = reopen }
}
