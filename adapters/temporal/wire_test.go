package temporal

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/internal/engine"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
)

// notWritten are the events that the workflow makes itself, and what only happens where
// several processes write one record.
var notWritten = strings.Fields("Called Named Admitted Left BudgetOver Resumed Closed Renewed Tick Progress Listed Seen PutElsewhere Lapsed Conflict Loaded Owned Own Disown StopAsked")

// TestEveryKindIsKnown: whatever an effect or an answer is, it can be written and read.
func TestEveryKindIsKnown(t *testing.T) {
	var known []string
	for _, k := range kinds() {
		known = append(known, reflect.TypeOf(k).Name())
	}
	files, err := filepath.Glob("../../internal/lifecycle/*.go")
	require.NoError(t, err)
	n := 0
	for _, name := range files {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		f, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv == nil || fn.Name.Name != "event" && fn.Name.Name != "effect" {
				continue
			}
			if kind, ok := fn.Recv.List[0].Type.(*ast.Ident); ok {
				n++
				require.True(t, slices.Contains(known, kind.Name) != slices.Contains(notWritten, kind.Name), kind.Name)
			}
		}
	}
	require.Greater(t, n, 40)
	for _, k := range kinds() {
		text, err := marshalKind(k)
		require.NoError(t, err)
		back, err := unmarshalKind[any](text)
		require.NoError(t, err)
		require.Equal(t, k, back)
	}
	var e event
	require.ErrorContains(t, json.Unmarshal([]byte(`{"kind":"Gone","of":{}}`), &e), "another version")
	require.ErrorContains(t, json.Unmarshal([]byte(`{"kind":"Watch","of":{}}`), &e), "another version", "an effect is no event")
}

// TestWhatCannotBeReadIsAnError: a state that was cut short or is of something else.
func TestWhatCannotBeReadIsAnError(t *testing.T) {
	text, err := pack(step{State: &lifecycle.State{}})
	require.NoError(t, err)
	for _, bad := range []packed{nil, {1, 2, 3}, text[:len(text)/2], text} {
		_, err := bad.state()
		require.Error(t, err)
	}
}

// TestWhatNoAnswerProves: only a send that no worker began did provably nothing.
func TestWhatNoAnswerProves(t *testing.T) {
	o := &operation{notes: notes{}}
	w := lifecycle.Window{}
	for _, send := range []lifecycle.Effect{lifecycle.StartJob{Name: 7, Window: w}, lifecycle.Respond{Name: 7}, lifecycle.Post{Name: 7}, lifecycle.StopJob{Name: 7}} {
		for _, c := range []struct {
			err   error
			reply lifecycle.Proof
		}{
			{temporal.NewTimeoutError(enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START, nil), lifecycle.TooLate},
			{errClosing(), lifecycle.TooLate},
			{temporal.NewTimeoutError(enumspb.TIMEOUT_TYPE_START_TO_CLOSE, nil), lifecycle.Doubt},
			{temporal.NewTimeoutError(enumspb.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE, nil), lifecycle.Doubt},
			{temporal.NewHeartbeatTimeoutError(), lifecycle.Doubt},
			{temporal.NewCanceledError(), lifecycle.Doubt},
			{temporal.NewApplicationError("it broke", "other"), lifecycle.Doubt},
			{nil, lifecycle.Doubt},
		} {
			got, ok := o.unanswered(send, c.err).(lifecycle.Sent)
			require.True(t, ok)
			require.Equal(t, c.reply, got.Reply, "%T, %v", send, c.err)
			require.Equal(t, uint64(7), got.Name)
		}
	}
	require.Equal(t, lifecycle.Checked{Name: 7, Unclear: true}, o.unanswered(lifecycle.CheckRules{Name: 7}, nil))
	require.Equal(t, lifecycle.Located{Name: 7, Failed: true}, o.unanswered(lifecycle.Locate{Name: 7}, nil))
	require.Equal(t, lifecycle.Collected{Name: 7, Failed: lifecycle.Down}, o.unanswered(lifecycle.Collect{Name: 7}, nil))
	require.Equal(t, lifecycle.Staged{Name: 7, Failed: lifecycle.Nothing}, o.unanswered(lifecycle.StageFiles{Name: 7}, nil))
}

// unwritable are messages that are no JSON.
type unwritable struct{}

func (unwritable) Size() int                    { return 1 }
func (unwritable) Least() int                   { return 1 }
func (unwritable) MarshalJSON() ([]byte, error) { return nil, errors.New("it is no JSON") }

// TestWhatIsTooLargeIsLeftOut: a history has no room for all that a Job says.
func TestWhatIsTooLargeIsLeftOut(t *testing.T) {
	small := lifecycle.Collected{Part: lifecycle.TranscriptIn(json.RawMessage(`[]`)), Output: "done", Data: json.RawMessage(`{}`)}
	require.Equal(t, small, bounded(small))
	long := strings.Repeat("x", maxKept+1)
	many, ok := bounded(lifecycle.Collected{Part: lifecycle.TranscriptIn(json.RawMessage(`"` + long + `"`)), Output: "done"}).(lifecycle.Collected)
	require.True(t, ok)
	require.Zero(t, many.Part)
	require.Equal(t, "done", many.Output)
	odd, ok := bounded(lifecycle.Collected{Part: lifecycle.TranscriptOf(unwritable{}), Output: "done", Note: "one was too large"}).(lifecycle.Collected)
	require.True(t, ok)
	require.Zero(t, odd.Part)
	require.Contains(t, odd.Note, "one was too large; its messages could not be written")
	large, ok := bounded(lifecycle.Collected{Output: long}).(lifecycle.Collected)
	require.True(t, ok)
	require.Empty(t, large.Output)
	require.Contains(t, large.Note, "Duvo has it")
}

// TestNotesMatchWhatTheyWere: an error that was written matches what callers test for,
// and has its words.
func TestNotesMatchWhatTheyWere(t *testing.T) {
	text, err := json.Marshal(engine.NoteOf(errors.Join(errors.New("first"), duvo.ErrUnauthorized)))
	require.NoError(t, err)
	var n engine.Note
	require.NoError(t, json.Unmarshal(text, &n))
	require.ErrorIs(t, n.Err(), duvo.ErrUnauthorized)
	require.NotErrorIs(t, n.Err(), duvo.ErrForbidden)
	require.Contains(t, n.Err().Error(), "first")
	var bad *outcome.InputError
	require.ErrorAs(t, engine.NoteOf(&outcome.InputError{Tool: "refunds", Problem: "no", Gone: true}).Err(), &bad)
	require.True(t, bad.Gone)
}

// TestIDs: what names a workflow is told by it, as far as there is room, and differs by
// queue, tenant and key.
func TestIDs(t *testing.T) {
	h := &host{cfg: config{queue: "q"}}
	other := &host{cfg: config{queue: "q:"}}
	seen := map[string]bool{}
	for _, host := range []*host{h, other} {
		for _, tenant := range []string{"", "a", "a:"} {
			for _, key := range []string{"k", ":k", "a:k", strings.Repeat("k", 1024), strings.Repeat("k", 1023)} {
				id := host.workflowOf(tenant, key)
				require.False(t, seen[id], id)
				require.LessOrEqual(t, len(id), maxID)
				seen[id] = true
			}
		}
	}
	require.Equal(t, "duvotool:q::order+4711", h.workflowOf("", "order 4711"))
	require.Equal(t, h.claimID(jobClaim("ABC")), h.claimID(jobClaim("abc")), "IDs in other case are the same")
	require.NotEqual(t, h.claimID(jobClaim("abc")), h.claimID(turnClaim("abc")))
	require.True(t, reusable(turnClaim("a")) && reusable(barClaim("a")))
	require.False(t, reusable(jobClaim("a")) || reusable(requestClaim("a", "b")))
}

// TestMoments: the monotonic clock counts from the beginning of the operation.
func TestMoments(t *testing.T) {
	m := momentAt(time.Unix(100, 0), lifecycle.Time(40*time.Second))
	require.Equal(t, lifecycle.Moment{Wall: lifecycle.Time(100 * time.Second), Mono: 61 * time.Second}, m)
}
