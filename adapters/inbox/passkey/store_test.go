package passkey_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/duvotool/duvotool/adapters/inbox/passkey"
	"github.com/stretchr/testify/require"
)

// stores are the stores, each with what opens the next process's.
func stores(t *testing.T) map[string]func() passkey.Store {
	path := t.TempDir() + "/passkeys.json"
	var last *passkey.File
	t.Cleanup(func() { require.NoError(t, last.Close()) })
	out := map[string]func() passkey.Store{"file": func() passkey.Store {
		if last != nil {
			require.NoError(t, last.Close())
		}
		f, err := passkey.OpenFile(path)
		require.NoError(t, err)
		last = f
		return f
	}}
	for name, dollars := range map[string]bool{"question marks": false, "dollars": true} {
		db := sql.OpenDB(&table{dollars: dollars})
		t.Cleanup(func() { require.NoError(t, db.Close()) })
		out[name] = func() passkey.Store {
			_, err := db.ExecContext(t.Context(), passkey.Schema)
			require.NoError(t, err)
			return passkey.SQL(db, dollars)
		}
	}
	return out
}

// TestStores: what is added is there for the next process; an ID is taken once, a count
// moves once, and what is removed stays for audits.
func TestStores(t *testing.T) {
	for name, open := range stores(t) {
		s, ctx := open(), t.Context()
		now := time.Now().UTC().Truncate(time.Second)
		one := passkey.Credential{ID: []byte{1, 255}, Person: "kim", Login: "Kim", Name: "laptop", PublicKey: []byte{9, 8}, SignCount: 3, Transports: []string{"usb", "nfc"}, Added: now}
		two := passkey.Credential{ID: []byte{2}, Person: "kim", Login: "Kim", Name: "phone", PublicKey: []byte{7}, Added: now.Add(time.Minute)}
		require.NoError(t, s.Add(ctx, one), name)
		require.NoError(t, s.Add(ctx, two), name)
		taken := one
		taken.Person = "lee"
		require.ErrorIs(t, s.Add(ctx, taken), passkey.ErrTaken, name)
		require.NoError(t, s.Used(ctx, one.ID, 3, 4, now.Add(time.Hour)), name)
		require.ErrorIs(t, s.Used(ctx, one.ID, 3, 5, now), passkey.ErrCount, name)
		require.Error(t, s.Used(ctx, []byte{9}, 0, 5, now), name)
		require.ErrorIs(t, s.Remove(ctx, "lee", two.ID, now), passkey.ErrNone, name)
		require.NoError(t, s.Remove(ctx, "kim", two.ID, now.Add(time.Hour)), name)
		require.ErrorIs(t, s.Remove(ctx, "kim", two.ID, now), passkey.ErrNone, name)
		require.Error(t, s.Used(ctx, two.ID, 0, 1, now), name)
		one.SignCount, one.Used, two.Removed = 4, now.Add(time.Hour), now.Add(time.Hour)
		for _, s := range []passkey.Store{s, open()} {
			got, err := s.List(ctx, "kim")
			require.NoError(t, err, name)
			require.Len(t, got, 2, name)
			for k, want := range []passkey.Credential{one, two} {
				if len(got[k].Transports) == 0 {
					got[k].Transports = nil
				}
				require.Equal(t, want, got[k], name)
			}
			got, err = s.List(ctx, "lee")
			require.NoError(t, err, name)
			require.Empty(t, got, name)
		}
	}
}

// The file is its owner's alone, has one opener, and is not taken for empty where it
// cannot be read.
func TestFile(t *testing.T) {
	path := t.TempDir() + "/passkeys.json"
	f, err := passkey.OpenFile(path)
	require.NoError(t, err)
	require.NoError(t, f.Add(t.Context(), passkey.Credential{ID: []byte{1}, Person: "kim"}))
	_, err = passkey.OpenFile(path)
	require.ErrorIs(t, err, passkey.ErrLocked)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Zero(t, info.Mode().Perm()&0o077)
	require.NoError(t, f.Close())
	require.NoError(t, os.Chmod(path, 0o622))
	_, err = passkey.OpenFile(path)
	require.ErrorContains(t, err, "may be written to by others")
	require.NoError(t, os.Chmod(path, 0o600))
	require.NoError(t, os.WriteFile(path, []byte("[{"), 0o600))
	_, err = passkey.OpenFile(path)
	require.Error(t, err)
}

func TestNew(t *testing.T) {
	for name, cfg := range map[string]passkey.Config{
		"no store": {RPID: "example.com", Origins: []string{"https://example.com"}}, "no party": {Store: passkey.SQL(nil, false), Origins: []string{"https://example.com"}},
		"no origin": {Store: passkey.SQL(nil, false), RPID: "example.com"}, "another": {Store: passkey.SQL(nil, false), RPID: "example.com", Origins: []string{"https://notexample.com"}},
		"plain": {Store: passkey.SQL(nil, false), RPID: "example.com", Origins: []string{"http://desk.example.com"}}, "a path": {Store: passkey.SQL(nil, false), RPID: "example.com", Origins: []string{"https://desk.example.com/"}},
	} {
		_, err := passkey.New(cfg)
		require.Error(t, err, name)
	}
	_, err := passkey.New(passkey.Config{Store: passkey.SQL(nil, false), RPID: "example.com", Origins: []string{"https://desk.example.com"}})
	require.NoError(t, err)
}

// A table is a database with one table, which knows as much SQL as the store has: a
// column's name is found where the statement has it, so that a wrong order shows.
type table struct {
	dollars bool
	mu      sync.Mutex
	rows    []map[string]driver.Value
	made    bool
}

func (t *table) Connect(context.Context) (driver.Conn, error) { return t, nil }
func (t *table) Driver() driver.Driver                        { return nil }
func (t *table) Begin() (driver.Tx, error)                    { return nil, errors.ErrUnsupported }
func (t *table) Close() error                                 { return nil }
func (t *table) Prepare(q string) (driver.Stmt, error)        { return &statement{t, q}, nil }

type statement struct {
	t *table
	q string
}

var placeholder = regexp.MustCompile(`\?|\$\d+`)

func (s *statement) Close() error  { return nil }
func (s *statement) NumInput() int { return len(placeholder.FindAllString(s.q, -1)) }

// pairs reads "column = ?" in order.
func (s *statement) pairs(part string, args []driver.Value) (map[string]driver.Value, []driver.Value) {
	out := map[string]driver.Value{}
	for _, m := range regexp.MustCompile(`(\w+) = (\?|\$\d+|'')`).FindAllStringSubmatch(part, -1) {
		if m[2] == "''" {
			out[m[1]] = ""
			continue
		}
		out[m[1]], args = args[0], args[1:]
	}
	return out, args
}

func (s *statement) matching(where map[string]driver.Value) (out []map[string]driver.Value) {
	for _, r := range s.t.rows {
		all := true
		for k, v := range where {
			all = all && r[k] == v
		}
		if all {
			out = append(out, r)
		}
	}
	return out
}

func (s *statement) Exec(args []driver.Value) (driver.Result, error) {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	for k, p := range placeholder.FindAllString(s.q, -1) {
		if s.t.dollars != (p != "?") || s.t.dollars && p != "$"+strings.TrimLeft(string([]byte{byte('0' + (k+1)/10), byte('0' + (k+1)%10)}), "0") {
			return nil, errors.New("a placeholder of another database: " + p)
		}
	}
	switch {
	case strings.HasPrefix(s.q, "CREATE TABLE IF NOT EXISTS duvo_passkeys ("):
		s.t.made = true
		return driver.RowsAffected(0), nil
	case !s.t.made:
		return nil, errors.New("there is no table")
	case strings.HasPrefix(s.q, "INSERT INTO duvo_passkeys ("):
		columns := strings.Split(s.q[strings.Index(s.q, "(")+1:strings.Index(s.q, ")")], ", ")
		row := map[string]driver.Value{}
		for k, c := range columns {
			row[c] = args[k]
		}
		if len(s.matching(map[string]driver.Value{"id": row["id"]})) > 0 {
			return nil, errors.New("UNIQUE constraint failed")
		}
		s.t.rows = append(s.t.rows, row)
		return driver.RowsAffected(1), nil
	}
	set, where, ok := strings.Cut(strings.TrimPrefix(s.q, "UPDATE duvo_passkeys SET "), " WHERE ")
	if !ok {
		return nil, errors.New("unknown: " + s.q)
	}
	to, args := s.pairs(set, args)
	at, _ := s.pairs(where, args)
	found := s.matching(at)
	for _, r := range found {
		for k, v := range to {
			r[k] = v
		}
	}
	return driver.RowsAffected(len(found)), nil
}

func (s *statement) Query(args []driver.Value) (driver.Rows, error) {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	what, rest, ok := strings.Cut(strings.TrimPrefix(s.q, "SELECT "), " FROM duvo_passkeys WHERE ")
	if !ok {
		return nil, errors.New("unknown: " + s.q)
	}
	at, _ := s.pairs(rest, args)
	found := s.matching(at)
	if what == "COUNT(*)" {
		return &rows{columns: []string{"n"}, all: [][]driver.Value{{int64(len(found))}}}, nil
	}
	out := &rows{columns: strings.Split(what, ", ")}
	slices.SortFunc(found, func(a, b map[string]driver.Value) int {
		return strings.Compare(a["added"].(string), b["added"].(string))
	})
	for _, r := range found {
		var row []driver.Value
		for _, c := range out.columns {
			row = append(row, r[c])
		}
		out.all = append(out.all, row)
	}
	return out, nil
}

type rows struct {
	columns []string
	all     [][]driver.Value
}

func (r *rows) Columns() []string { return r.columns }
func (r *rows) Close() error      { return nil }
func (r *rows) Next(to []driver.Value) error {
	if len(r.all) == 0 {
		return io.EOF
	}
	copy(to, r.all[0])
	r.all = r.all[1:]
	return nil
}
