package postgrestest

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// started starts a server, or skips the test where there is none.
func started(t *testing.T) *Server {
	t.Helper()
	s, err := Start(t.Context(), "fsync=off")
	if err != nil && !Required() {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	return s
}

func TestServer(t *testing.T) {
	s := started(t)
	a, err := s.NewDatabase(t.Context())
	require.NoError(t, err)
	b, err := s.NewDatabase(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, a, b)
	conn, err := pgx.Connect(t.Context(), a)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "CREATE TABLE kept (n int)")
	require.NoError(t, err)
	for _, down := range []func() error{s.Down, s.Crash} {
		require.NoError(t, down())
		require.NoError(t, down())
		require.Error(t, conn.Ping(t.Context()))
		_, err = pgx.Connect(t.Context(), a)
		require.Error(t, err)
		require.NoError(t, s.Up(t.Context()))
		require.NoError(t, s.Up(t.Context()))
		conn, err = pgx.Connect(t.Context(), a)
		require.NoError(t, err)
		_, err = conn.Exec(t.Context(), "INSERT INTO kept VALUES (1)")
		require.NoError(t, err)
	}
	require.NoError(t, s.Restart(t.Context()))
	conn, err = pgx.Connect(t.Context(), a)
	require.NoError(t, err)
	var n int
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM kept").Scan(&n))
	require.Equal(t, 2, n)
	require.NoError(t, conn.Close(t.Context()))
	// A server that its process leaves behind ends: its standard input is closed then.
	require.NoError(t, s.running.stdin.Close())
	<-s.running.ended
	_, err = pgx.Connect(t.Context(), a)
	require.Error(t, err)
	require.NoError(t, s.Stop())
	require.NoDirExists(t, s.Dir())
}

func TestSettingThatIsWrong(t *testing.T) {
	_, err := Start(t.Context(), "fsync=perhaps")
	if err == ErrMissing && !Required() {
		t.Skip(err)
	}
	require.ErrorContains(t, err, "Boolean")
}

func TestMissing(t *testing.T) {
	_, err := find("initdb", "no-such-program")
	require.Equal(t, ErrMissing, err)
	for value, want := range map[string]bool{"": false, "0": false, "1": true} {
		t.Setenv("DUVOTOOL_POSTGRES", value)
		require.Equal(t, want, Required())
	}
}
