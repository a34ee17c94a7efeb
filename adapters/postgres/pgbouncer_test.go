package postgres

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/duvotool/duvotool/adapters/postgres/postgrestest"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// pgbouncer starts a pooler in transaction mode in front of the tests' server.
func pgbouncer(t *testing.T) *postgrestest.PgBouncer {
	t.Helper()
	if server == nil {
		t.Skip(postgrestest.ErrMissing)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b, err := server.StartPgBouncer(ctx)
	if errors.Is(err, postgrestest.ErrNoPgBouncer) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Stop()) })
	return b
}

// Through PgBouncer in transaction mode nothing but Listen needs a connection of its own,
// and no statement a name.
func TestThroughPgBouncer(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long; it runs without -short")
	}
	b := pgbouncer(t)
	conforms(t, b.Through(shared(t)), WithListen(shared(t)))
	t.Run("listening needs the server itself", func(t *testing.T) {
		j := open(t, b.Through(shared(t)), ownTables())
		require.Equal(t, pgx.QueryExecModeCacheDescribe, j.mode)
		require.ErrorContains(t, j.Listen(t.Context(), func(string) {}), "WithListen")
	})
	t.Run("migrations", func(t *testing.T) {
		require.NoError(t, Migrate(t.Context(), b.Through(shared(t)), ownTables()))
	})
}
