package postgres

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/duvotool/duvotool/adapters/postgres/postgrestest"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// server is one for all tests; nil where PostgreSQL is missing.
var server *postgrestest.Server

func TestMain(m *testing.M) {
	var missing error
	code := func() int {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		server, missing = postgrestest.Start(ctx, "fsync=off")
		if missing != nil && postgrestest.Required() {
			fmt.Fprintln(os.Stderr, missing)
			return 1
		}
		if server != nil {
			defer server.Stop()
		}
		return m.Run()
	}()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// database makes a database of the test's own and returns its connection string.
func database(t testing.TB) string {
	t.Helper()
	if server == nil {
		t.Skip(postgrestest.ErrMissing)
	}
	s, err := server.NewDatabase(t.Context())
	require.NoError(t, err)
	return s
}

var tables atomic.Int64

// ownTables has a journal use tables of its own.
func ownTables() Option { return WithPrefix(fmt.Sprintf("t%d_", tables.Add(1))) }

// shared returns the connection string of a database in which tests have tables of their
// own, which are quicker made than databases.
func shared(t testing.TB) string {
	t.Helper()
	if server == nil {
		t.Skip(postgrestest.ErrMissing)
	}
	return server.ConnString()
}

// open opens a journal whose server may lose what it has, which is faster.
func open(t testing.TB, connString string, opts ...Option) *Journal {
	t.Helper()
	j, err := Open(t.Context(), connString, append([]Option{AcceptLoss()}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, j.Close()) })
	return j
}
