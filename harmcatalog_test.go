package duvotool_test

import (
	"context"
	"iter"
	"testing"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/invopop/jsonschema"
	"github.com/stretchr/testify/require"
)

// A harmfulCatalog does harm when Assignments are listed.
type harmfulCatalog struct {
	*fake
	harm func()
}

func (h harmfulCatalog) Assignments(context.Context) iter.Seq2[duvo.Assignment, error] {
	return func(func(duvo.Assignment, error) bool) { h.harm() }
}

// survives reports whether f returns, rather than panics or ends its goroutine.
func survives(f func()) (fine bool) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = recover() }()
		f()
		fine = true
	}()
	<-done
	return fine
}

// The words of an error that a render function returns are a user's code too: a
// nil pointer as an error, say, panics when it is read.
func TestHarmInTheWordsOfARenderersError(t *testing.T) {
	for what, harm := range harms {
		t.Run(what, func(t *testing.T) {
			reg := discover(t, &fake{}, duvotool.RenderInput(func(plainOrder) (string, error) { return "", badError{harm} }))
			defer reg.Close(context.Background())
			require.True(t, survives(func() { _, _ = reg.All()[0].Call(context.Background(), `{"id":"1"}`) }), "the caller's goroutine ended")
		})
	}
}

func TestHarmInACatalog(t *testing.T) {
	for what, harm := range harms {
		t.Run("Discover/"+what, func(t *testing.T) {
			require.True(t, survives(func() { _, _ = duvotool.Discover(context.Background(), harmfulCatalog{&fake{}, harm}) }), "the caller's goroutine ended")
		})
		t.Run("Refresh/"+what, func(t *testing.T) {
			c := &laterHarmful{fake: &fake{}}
			reg := discover(t, c)
			defer reg.Close(context.Background())
			c.harm = harm
			require.True(t, survives(func() { _, _ = reg.Refresh(context.Background()) }), "the caller's goroutine ended")
		})
	}
}

type laterHarmful struct {
	*fake
	harm func()
}

func (l *laterHarmful) Assignments(ctx context.Context) iter.Seq2[duvo.Assignment, error] {
	if l.harm != nil {
		l.harm()
	}
	return l.fake.Assignments(ctx)
}

// An unwritable input does harm when it is written as JSON.
type unwritable struct {
	ID   string `json:"id"`
	Harm func() `json:"-"`
}

func (u unwritable) JSONSchema() *jsonschema.Schema { return &jsonschema.Schema{Type: "object"} }

func (u unwritable) MarshalJSON() ([]byte, error) { u.Harm(); return nil, nil }

func TestHarmInTheWritingOfATypedInput(t *testing.T) {
	for what, harm := range harms {
		t.Run(what, func(t *testing.T) {
			reg := discover(t, &fake{})
			defer reg.Close(context.Background())
			typed, err := duvotool.As[unwritable, string](reg.All()[0])
			require.NoError(t, err)
			require.True(t, survives(func() { _, _, _ = typed.Run(context.Background(), unwritable{"1", harm}) }), "the caller's goroutine ended")
		})
	}
}
