package passkey

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"strings"
	"time"
)

// Schema makes the table of [SQL], where it is not there. It is plain SQL, tried on
// PostgreSQL and SQLite.
const Schema = `CREATE TABLE IF NOT EXISTS duvo_passkeys (
	id VARCHAR(700) PRIMARY KEY,
	person VARCHAR(300) NOT NULL,
	login VARCHAR(300) NOT NULL,
	name VARCHAR(300) NOT NULL,
	public_key TEXT NOT NULL,
	sign_count BIGINT NOT NULL,
	transports VARCHAR(300) NOT NULL,
	added VARCHAR(40) NOT NULL,
	used VARCHAR(40) NOT NULL,
	removed VARCHAR(40) NOT NULL
)`

// SQL keeps passkeys in a table of a database, see [Schema]; several processes may use
// it at once. With dollars its statements have the placeholders $1, $2, ... of
// PostgreSQL, and else question marks.
func SQL(db *sql.DB, dollars bool) Store { return sqlStore{db, dollars} }

type sqlStore struct {
	db      *sql.DB
	dollars bool
}

// The statements.
const (
	sqlList   = `SELECT id, person, login, name, public_key, sign_count, transports, added, used, removed FROM duvo_passkeys WHERE person = ? ORDER BY added, id`
	sqlAdd    = `INSERT INTO duvo_passkeys (id, person, login, name, public_key, sign_count, transports, added, used, removed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	sqlThere  = `SELECT COUNT(*) FROM duvo_passkeys WHERE id = ?`
	sqlUsed   = `UPDATE duvo_passkeys SET sign_count = ?, used = ? WHERE id = ? AND sign_count = ? AND removed = ''`
	sqlRemove = `UPDATE duvo_passkeys SET removed = ? WHERE id = ? AND person = ? AND removed = ''`
)

// text is a statement with the database's placeholders.
func (s sqlStore) text(q string) string {
	if !s.dollars {
		return q
	}
	var b strings.Builder
	n := 0
	for _, r := range q {
		if r != '?' {
			b.WriteRune(r)
			continue
		}
		n++
		b.WriteByte('$')
		if n > 9 {
			b.WriteByte(byte('0' + n/10))
		}
		b.WriteByte(byte('0' + n%10))
	}
	return b.String()
}

var coding = base64.RawURLEncoding

// moment is a time as text that sorts; the zero time is empty.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000000Z")
}

func momentOf(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	return time.Parse(time.RFC3339Nano, s)
}

func (s sqlStore) List(ctx context.Context, person string) (out []Credential, err error) {
	rows, err := s.db.QueryContext(ctx, s.text(sqlList), person)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var c Credential
		var id, key, transports, added, used, removed string
		if err := rows.Scan(&id, &c.Person, &c.Login, &c.Name, &key, &c.SignCount, &transports, &added, &used, &removed); err != nil {
			return nil, err
		}
		var errs [5]error
		c.ID, errs[0] = coding.DecodeString(id)
		c.PublicKey, errs[1] = coding.DecodeString(key)
		c.Added, errs[2] = momentOf(added)
		c.Used, errs[3] = momentOf(used)
		c.Removed, errs[4] = momentOf(removed)
		if err := errors.Join(errs[:]...); err != nil {
			return nil, err
		}
		c.Transports = strings.Fields(transports)
		out = append(out, c)
	}
	return out, rows.Err()
}

func (s sqlStore) Add(ctx context.Context, c Credential) error {
	id := coding.EncodeToString(c.ID)
	_, err := s.db.ExecContext(ctx, s.text(sqlAdd), id, c.Person, c.Login, c.Name, coding.EncodeToString(c.PublicKey), int64(c.SignCount),
		strings.Join(c.Transports, " "), moment(c.Added), moment(c.Used), moment(c.Removed))
	if err == nil {
		return nil
	}
	var n int // databases tell in their own words that a key is taken
	if s.db.QueryRowContext(ctx, s.text(sqlThere), id).Scan(&n) == nil && n > 0 {
		return ErrTaken
	}
	return err
}

func (s sqlStore) Used(ctx context.Context, id []byte, before, after uint32, at time.Time) error {
	return s.one(ctx, ErrCount, sqlUsed, int64(after), moment(at), coding.EncodeToString(id), int64(before))
}

func (s sqlStore) Remove(ctx context.Context, person string, id []byte, at time.Time) error {
	return s.one(ctx, ErrNone, sqlRemove, moment(at), coding.EncodeToString(id), person)
}

// one changes a row; none tells that there was no such one.
func (s sqlStore) one(ctx context.Context, none error, q string, args ...any) error {
	res, err := s.db.ExecContext(ctx, s.text(q), args...)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return errors.Join(none, err)
	}
	return nil
}
