package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/duvotool/duvotool/journal"
	"github.com/jackc/pgx/v5"
)

const (
	quietFor   = 30 * time.Second // after which a connection that tells nothing is asked whether it is there
	answerIn   = 10 * time.Second // to that question, and to be connected
	firstPause = 50 * time.Millisecond
	longPause  = 5 * time.Second
)

// Tell sends a text to all that listen; see [journal.Leases].
func (j *Journal) Tell(ctx context.Context, text string) error {
	if err := journal.CheckTold(text); err != nil {
		return err
	}
	_, err := j.exec(ctx, "telling the other replicas", "SELECT pg_notify($1::text, $2::text)", j.channel, text)
	return err
}

// Listen calls f with what is told; see [journal.Leases]. It does so on a connection of
// its own, which is none of the pool's. When the connection breaks it makes another one,
// again and again, with pauses of up to 5 s, and then calls f with an empty text. A
// failure that cannot pass by itself it returns. f should not take long: what is told
// meanwhile waits in the server.
func (j *Journal) Listen(ctx context.Context, f func(text string)) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case j.closed.Err() != nil:
		return context.Cause(j.closed)
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	defer context.AfterFunc(j.closed, func() { end(context.Cause(j.closed)) })()
	pause, lost := firstPause, false
	for {
		err := j.hear(ctx, func() {
			if lost {
				f("")
			}
			pause = firstPause
		}, f)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !errors.Is(err, journal.ErrUnavailable):
			return err
		}
		lost = true
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause/2 + rand.N(pause/2)):
		}
		pause = min(2*pause, longPause)
	}
}

// hear connects, calls listening once it hears, and listens until the connection breaks.
func (j *Journal) hear(ctx context.Context, listening func(), f func(text string)) error {
	conn, err := j.listening(ctx)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	listening()
	for {
		n, err := within(ctx, quietFor, conn.WaitForNotification)
		switch {
		case err == nil && n.Channel == j.channel:
			f(n.Payload)
		case err == nil:
		case ctx.Err() == nil && !conn.IsClosed(): // quiet
			if _, err = within(ctx, answerIn, func(ctx context.Context) (any, error) { return nil, conn.Ping(ctx) }); err != nil {
				return failed(ctx, "listening", err)
			}
		default:
			return failed(ctx, "listening", err)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

func within[T any](ctx context.Context, limit time.Duration, do func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errTimeout)
	defer cancel()
	return do(ctx)
}

// listening returns a connection that listens.
func (j *Journal) listening(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, answerIn, errTimeout)
	defer cancel()
	c, err := j.listens()
	if err != nil {
		return nil, failed(ctx, "listening", err)
	}
	if before := j.pool.Config().BeforeConnect; before != nil && !j.direct { // passwords that change, say
		if err := before(ctx, c); err != nil {
			return nil, failed(ctx, "listening", err)
		}
	}
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return nil, failed(ctx, "listening", err)
	}
	pooled, err := throughPooler(ctx, conn)
	if err == nil && pooled && !j.direct {
		err = errPooled
	}
	if err == nil {
		_, err = conn.Exec(ctx, "LISTEN "+pgx.Identifier{j.channel}.Sanitize())
	}
	if err != nil {
		_ = conn.Close(ctx)
		if err == errPooled {
			return nil, err
		}
		return nil, failed(ctx, "listening", err)
	}
	return conn, nil
}

// errPooled is a connection on which nothing would ever be heard.
var errPooled = fmt.Errorf("postgres: listening: the connection goes through a pooler such as PgBouncer, on which nothing may be heard: give the server's own with WithListen")
