package postgres

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
)

// names are those of the journal's tables.
type names struct{ schema, prefix string }

// validPrefix leaves room for the names behind it: Postgres cuts those that are longer
// than 63 bytes.
var validPrefix = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,30}$`)

func (n names) check() error {
	if !validPrefix.MatchString(n.prefix) {
		return fmt.Errorf("postgres: the prefix %q: up to 31 of a-z, 0-9 and _ are allowed, and no digit first", n.prefix)
	}
	if strings.Contains(n.schema, "\x00") || len(n.schema) > 63 {
		return fmt.Errorf("postgres: the schema %.70q is no name", n.schema)
	}
	return nil
}

// quoted returns a table's name as SQL has it.
func (n names) quoted(table string) string {
	if n.schema == "" {
		return pgx.Identifier{n.prefix + table}.Sanitize()
	}
	return pgx.Identifier{n.schema, n.prefix + table}.Sanitize()
}

// fill puts the tables' names into SQL: {records} stands for the quoted name, {'terms'}
// for the same as a text, and {prefix} for what the names of indexes begin with.
func (n names) fill(sql string) string {
	text := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
	return strings.NewReplacer(
		"{records}", n.quoted("records"), "{owners}", n.quoted("owners"), "{version}", n.quoted("version"), "{terms}", n.quoted("terms"),
		"{'terms'}", text(n.quoted("terms")), "{prefix}", n.prefix,
	).Replace(sql)
}

// statements are what a journal runs, with its tables' names in them.
type statements struct {
	create, replace, term, get, unfinished, heads, forget, tidyKeys, tidyOwners string
	renew, own, owner, takeOne, takeOver, release, releaseAll                   string
	ownedBy, owned, ready, probe                                                string
}

func (n names) statements() statements {
	s := sql
	for _, f := range []*string{
		&s.create, &s.replace, &s.term, &s.get, &s.unfinished, &s.heads, &s.forget, &s.tidyKeys, &s.tidyOwners,
		&s.renew, &s.own, &s.owner, &s.takeOne, &s.takeOver, &s.release, &s.releaseAll, &s.ownedBy, &s.owned, &s.ready, &s.probe,
	} {
		*f = n.fill(*f)
	}
	return s
}

// Parts of statements. Leases are measured by clock_timestamp(), which goes on while a
// statement waits for another one's lock; now() stands still.
const (
	fields = `revision, done, at_seconds, at_nanos, stage, since_seconds, since_nanos, put_term, data`
	stored = fields + `, recorded, done_seconds, done_nanos`
	given  = `$3::boolean, $4::bigint, $5::integer, $6, $7, $8, $9, $10, true, CASE WHEN $3::boolean THEN $4::bigint END, CASE WHEN $3::boolean THEN $5::integer END`
	lives  = `EXISTS (SELECT FROM {owners} WHERE name = $1 AND until > clock_timestamp())`
	aDay   = `now() - interval '1 day'`
)

var sql = statements{
	create: `INSERT INTO {records} AS r (key, ` + stored + `) VALUES ($1, $2::bigint + 1, ` + given + `)
		ON CONFLICT (key) DO UPDATE SET (` + stored + `) = ROW (excluded.revision, excluded.done, excluded.at_seconds, excluded.at_nanos, excluded.stage,
			excluded.since_seconds, excluded.since_nanos, excluded.put_term, excluded.data, excluded.recorded, excluded.done_seconds, excluded.done_nanos) WHERE r.revision = $2`,
	replace: `UPDATE {records} SET (` + stored + `) = ROW ($2::bigint + 1, ` + given + `)
		WHERE key = $1 AND revision = $2 AND ($9::bigint = 0 OR term = $9)`,
	term: `SELECT term FROM {records} WHERE key = $1`,
	get:  `SELECT key, ` + fields + ` FROM {records} WHERE key = $1 AND recorded`,
	unfinished: `SELECT key, ` + fields + ` FROM (SELECT key, ` + fields + `, sum(octet_length(data)) OVER (ORDER BY key) - octet_length(data) AS before
		FROM (SELECT key, ` + fields + ` FROM {records} WHERE key > $1 AND NOT done AND recorded ORDER BY key LIMIT $2) AS page) AS sized WHERE before < $3 ORDER BY key`,
	heads: `SELECT key, revision, done, at_seconds, at_nanos, stage, since_seconds, since_nanos, put_term, ''::bytea FROM {records}
		WHERE key > $1 AND NOT done AND recorded ORDER BY key LIMIT $2`,

	// What is owned keeps its row, with the lease alone.
	forget: `WITH old AS MATERIALIZED (SELECT key FROM {records} WHERE done AND (done_seconds, done_nanos) < ($1, $2) ORDER BY done_seconds, done_nanos LIMIT $3 FOR UPDATE SKIP LOCKED),
		emptied AS (UPDATE {records} SET (` + stored + `) = ROW (0, false, 0, 0, '', NULL, NULL, 0, '', false, NULL, NULL) WHERE key = ANY (ARRAY(SELECT key FROM old)) AND owner <> '' RETURNING 1),
		deleted AS (DELETE FROM {records} WHERE key = ANY (ARRAY(SELECT key FROM old)) AND owner = '' RETURNING 1)
		SELECT (SELECT count(*) FROM emptied) + (SELECT count(*) FROM deleted)`,
	// Keys without a record that nobody has owned for a day, and owners that have been
	// gone for a day and own nothing.
	tidyKeys: `DELETE FROM {records} WHERE key = ANY (ARRAY(SELECT key FROM {records} WHERE NOT recorded AND owned_at < ` + aDay + `
		AND (owner = '' OR owner IN (SELECT name FROM {owners} WHERE until < ` + aDay + `)) LIMIT $1 FOR UPDATE SKIP LOCKED))`,
	tidyOwners: `DELETE FROM {owners} AS o WHERE until < ` + aDay + ` AND NOT EXISTS (SELECT FROM {records} WHERE owner = o.name AND owner <> '')`,

	// lapsed is null for an owner that is new, or that had released all.
	renew: `WITH me AS (INSERT INTO {owners} AS o (name, until) VALUES ($1, clock_timestamp() + $2::bigint * interval '1 microsecond')
			ON CONFLICT (name) DO UPDATE SET until = excluded.until, lapsed = CASE WHEN o.until > '-infinity' THEN o.until <= clock_timestamp() END RETURNING lapsed)
		SELECT lapsed, 1 + (SELECT count(*) FROM {owners} WHERE until > clock_timestamp() AND name <> $1) FROM me`,
	// A key that nobody owns.
	own: `INSERT INTO {records} AS r (key, owner, term) SELECT $2, $1, nextval({'terms'}) WHERE ` + lives + `
		ON CONFLICT (key) DO UPDATE SET owner = excluded.owner, term = nextval({'terms'}), owned_at = clock_timestamp() WHERE r.owner = '' RETURNING term`,
	owner: `SELECT ` + lives + `, coalesce(r.owner, ''), coalesce(r.term, 0), EXISTS (SELECT FROM {owners} WHERE name = r.owner AND until > clock_timestamp())
		FROM (SELECT $2::text AS key) AS asked LEFT JOIN {records} AS r ON r.key = asked.key`,
	// A key of an owner whose lease has run out. The lock waits for a renewal that is
	// under way, and looks again; a renewal that comes later waits, and finds the lease run out.
	takeOne: `WITH dead AS MATERIALIZED (SELECT name FROM {owners} WHERE name = $3 AND until <= clock_timestamp() FOR SHARE)
		UPDATE {records} SET owner = $1, term = nextval({'terms'}), owned_at = clock_timestamp()
		WHERE key = $2 AND owner = $3 AND owner IN (SELECT name FROM dead) AND ` + lives + ` RETURNING term`,
	takeOver: `WITH dead AS MATERIALIZED (SELECT name FROM {owners} WHERE until <= clock_timestamp() FOR SHARE SKIP LOCKED),
		released AS MATERIALIZED (SELECT key FROM {records} WHERE ` + adrift + ` AND owner = '' LIMIT $2 FOR UPDATE SKIP LOCKED),
		left_over AS MATERIALIZED (SELECT key FROM {records} WHERE ` + adrift + ` AND owner <> '' AND owner = ANY (ARRAY(SELECT name FROM dead)) LIMIT $2 FOR UPDATE SKIP LOCKED),
		picked AS MATERIALIZED (SELECT key FROM released UNION ALL SELECT key FROM left_over LIMIT $2),
		taken AS (UPDATE {records} SET owner = $1, term = nextval({'terms'}), owned_at = clock_timestamp()
			WHERE key = ANY (ARRAY(SELECT key FROM picked)) AND ` + lives + ` RETURNING key, term)
		SELECT ` + lives + `, coalesce(array_agg(key), '{}'), coalesce(array_agg(term), '{}') FROM taken`,
	release:    `UPDATE {records} SET owner = '', term = 0, owned_at = clock_timestamp() WHERE owner = $1 AND owner <> '' AND key = ANY ($2::text[])`,
	releaseAll: `WITH released AS (UPDATE {records} SET owner = '', term = 0, owned_at = clock_timestamp() WHERE owner = $1 AND owner <> '') UPDATE {owners} SET until = '-infinity' WHERE name = $1`,
	ownedBy:    `SELECT key, owner, term FROM {records} WHERE owner = $1 AND owner <> '' AND key > $2 ORDER BY key LIMIT $3`,
	owned:      `SELECT key, owner, term FROM {records} WHERE owner <> '' AND (owner, key) > ($1, $2) ORDER BY owner, key LIMIT $3`,

	ready: `SELECT current_setting('transaction_read_only') = 'on', version FROM {version}`,
	probe: `UPDATE {version} SET probe = $1`,
}

// adrift is what may be taken over, of the owners that are named besides. It is the
// same as in the index.
const adrift = `NOT done AND recorded AND stage IN ('running', 'waiting')`
