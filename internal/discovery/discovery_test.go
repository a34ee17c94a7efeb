package discovery

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/catalog"
	"github.com/duvotool/duvotool/internal/lifetime"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// source is a backend whose answer can be changed.
type source struct{ list atomic.Pointer[listing] }

type listing func(context.Context) ([]duvo.Assignment, error)

func (s *source) does(l listing) { s.list.Store(&l) }

func (s *source) Assignments(ctx context.Context) iter.Seq2[duvo.Assignment, error] {
	return func(yield func(duvo.Assignment, error) bool) {
		all, err := (*s.list.Load())(ctx)
		if err != nil {
			yield(duvo.Assignment{}, err)
			return
		}
		for _, a := range all {
			if !yield(a, nil) {
				return
			}
		}
	}
}

func (s *source) has(names ...string) {
	s.does(func(context.Context) (all []duvo.Assignment, _ error) {
		for _, n := range names {
			all = append(all, duvo.Assignment{ID: "id of " + n, Name: n})
		}
		return all, nil
	})
}

func (s *source) fails(err error) {
	s.does(func(context.Context) ([]duvo.Assignment, error) { return nil, err })
}

// discovery makes one from a source; what is offered and what was told are kept.
func discovery(s *source, change func(*Config)) (d *Discovery, life *lifetime.Lifetime, told *[]outcome.Changes) {
	var latest atomic.Pointer[catalog.Catalog]
	life, told = lifetime.NewLifetime(), &[]outcome.Changes{}
	c := Config{From: s, Rules: catalog.Rules{Max: 100}, Log: slog.New(slog.DiscardHandler), Life: life, Latest: latest.Load, Offer: latest.Store,
		Tell: func(_ context.Context, c outcome.Changes) { *told = append(*told, c) }}
	change(&c)
	latest.Store(catalog.Empty(c.Rules))
	return New(c), life, told
}

func end(t *testing.T, d *Discovery, life *lifetime.Lifetime) {
	life.Close()
	d.Close()
	require.NoError(t, life.Wait(t.Context()))
}

func TestRefresh(t *testing.T) {
	s := &source{}
	s.has("a", "b")
	d, life, told := discovery(s, func(*Config) {})
	require.NoError(t, d.First(t.Context()))
	require.True(t, d.Done())
	require.Empty(t, *told)

	s.has("b", "c")
	c, err := d.Refresh(t.Context())
	require.NoError(t, err)
	require.Equal(t, "c", c.Added[0].Name)
	require.Equal(t, "a", c.Removed[0].Name)
	require.Equal(t, []outcome.Changes{c}, *told)

	offered := d.Latest()
	for _, err := range []error{duvo.ErrUnavailable, errors.New("x")} {
		s.fails(err)
		_, got := d.Refresh(t.Context())
		require.ErrorIs(t, got, err)
	}
	s.does(func(context.Context) ([]duvo.Assignment, error) { panic("oh") })
	_, err = d.Refresh(t.Context())
	require.ErrorContains(t, err, "panic")
	require.Same(t, offered, d.Latest(), "everything stays as it was")
	end(t, d, life)
	_, err = d.Refresh(t.Context())
	require.ErrorIs(t, err, outcome.ErrClosed)
}

// A first discovery that fails is tried again in the background where that may help,
// and policies are asked only after it.
func TestLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		s.fails(duvo.ErrUnavailable)
		d, life, told := discovery(s, func(c *Config) { c.Later = true })
		require.NoError(t, d.First(t.Context()))
		require.False(t, d.Done())
		var asked atomic.Bool
		guarded := d.Guard(hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) {
			asked.Store(true)
			return hitl.Leave(), nil
		}))
		go func() { _, _ = guarded.Decide(t.Context(), hitl.Request{}) }()
		own := d.Guard(hitl.NotOwn(nil, hitl.AlwaysDeny()))
		require.ErrorIs(t, hitl.CheckDecision(t.Context(), own, hitl.Request{}, hitl.Approve("kim", "")), hitl.ErrOwnWork, "its conditions hold before that")
		d.Begin()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		require.False(t, d.Done() || asked.Load())
		s.has("a")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.True(t, d.Done() && asked.Load())
		require.Len(t, *told, 1)
		end(t, d, life)
	})
	for _, err := range []error{errors.New("a defect"), duvo.ErrInvalid} {
		s := &source{}
		s.fails(err)
		d, life, _ := discovery(s, func(c *Config) { c.Later = true })
		require.ErrorIs(t, d.First(t.Context()), err)
		end(t, d, life)
	}
}

// A backend that does not return holds up neither a caller nor Close, and nothing
// comes of what it finds; meanwhile nobody else reads.
func TestABackendThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		s.has("a")
		d, life, _ := discovery(s, func(c *Config) { c.Every = time.Hour })
		require.NoError(t, d.First(t.Context()))
		offered, release := d.Latest(), make(chan struct{})
		s.does(func(context.Context) ([]duvo.Assignment, error) {
			<-release
			return []duvo.Assignment{{ID: "late", Name: "late"}}, nil
		})
		d.Begin() // which comes to hang, too
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := d.Refresh(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(3 * time.Hour)
		life.Close()
		d.Close()
		close(release)
		require.NoError(t, life.Wait(t.Context()))
		require.Same(t, offered, d.Latest())
	})
}

// Whose time is over is told why it took so long, and not only that it did.
func TestTheLastFailureIsToldWithTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		s.does(func(ctx context.Context) ([]duvo.Assignment, error) {
			<-ctx.Done()
			return nil, fmt.Errorf("connection refused; no further attempt: %w", ctx.Err())
		})
		d, _, _ := discovery(s, func(*Config) {})
		defer d.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, err := d.Refresh(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "connection refused")

		ignores := make(chan struct{})
		s.does(func(context.Context) ([]duvo.Assignment, error) { <-ignores; return nil, errors.New("too late") })
		began := time.Now()
		ctx, cancel = context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, err = d.Refresh(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotContains(t, err.Error(), "too late")
		require.Equal(t, 3*time.Second+lastWord, time.Since(began))
		close(ignores)
	})
}
