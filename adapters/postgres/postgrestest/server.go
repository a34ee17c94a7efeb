package postgrestest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrMissing is a machine on which PostgreSQL's server is not installed.
var ErrMissing = errors.New("postgrestest: initdb and postgres are in no folder of PATH and none of /usr/lib/postgresql: install Debian's package postgresql")

// Required tells whether the environment has DUVOTOOL_POSTGRES=1: then tests fail where
// PostgreSQL is missing, instead of being skipped.
func Required() bool { return os.Getenv("DUVOTOOL_POSTGRES") == "1" }

// A Server is a PostgreSQL server. Its methods may be called at once, but for
// [Server.Up], [Server.Down], [Server.Crash] and [Server.Stop] after one another.
type Server struct {
	dir      string // of all files; it holds the socket too
	programs string
	settings []string

	mu      sync.Mutex // guards running
	running *process
}

// Start makes a server's first files, and starts it. Settings are such as
// "fsync=off", as in postgresql.conf. Of the context's end only Start takes note.
func Start(ctx context.Context, settings ...string) (*Server, error) {
	programs, err := find("initdb", "postgres")
	if err != nil {
		return nil, err
	}
	// A socket's path has at most 107 bytes, so the folders of tests are too deep.
	dir, err := os.MkdirTemp("", "pg")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, programs: programs, settings: settings}
	if err = s.make(ctx); err == nil {
		err = s.Up(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

func (s *Server) make(ctx context.Context) error {
	if err := give(s.dir); err != nil {
		return fmt.Errorf("postgrestest: %w", err)
	}
	initdb := exec.CommandContext(ctx, filepath.Join(s.programs, "initdb"), "-D", s.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	initdb.Dir = s.dir
	asUser(initdb)
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("postgrestest: initdb: %w: %s", err, out)
	}
	return nil
}

// find returns the newest folder that holds these programs.
func find(programs ...string) (string, error) {
	folders, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	slices.SortFunc(folders, func(a, b string) int { // 9 before 15
		return max(-1, min(1, 10*(len(a)-len(b))+strings.Compare(a, b)))
	})
	folders = append(filepath.SplitList(os.Getenv("PATH")+":/usr/sbin"), folders...)
	slices.Reverse(folders)
	for _, f := range folders {
		if !slices.ContainsFunc(programs, func(p string) bool {
			info, err := os.Stat(filepath.Join(f, p))
			return err != nil || info.IsDir()
		}) {
			return f, nil
		}
	}
	return "", ErrMissing
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// Dir returns the folder of the server's socket. It belongs to the user that the server
// runs as.
func (s *Server) Dir() string { return s.dir }

// ConnString returns where the server listens: as its superuser, to the database
// postgres.
func (s *Server) ConnString() string { return s.connString("postgres") }

func (s *Server) connString(database string) string {
	return fmt.Sprintf("host=%s port=5432 user=postgres dbname=%s", s.dir, database)
}

// NewDatabase makes an empty database and returns its connection string.
func (s *Server) NewDatabase(ctx context.Context) (string, error) {
	conn, err := pgx.Connect(ctx, s.ConnString())
	if err != nil {
		return "", err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	name := "db_" + strings.ToLower(rand.Text())
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+name+" TEMPLATE template0"); err != nil {
		return "", err
	}
	return s.connString(name), nil
}

// Up starts the server, if it does not run, and waits until it takes connections.
func (s *Server) Up(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		return nil
	}
	args := []string{"-D", s.data(), "-k", s.dir, "-c", "listen_addresses=", "-c", "port=5432", "-c", "shared_buffers=32MB"}
	for _, c := range s.settings {
		args = append(args, "-c", c)
	}
	p, err := start(s.dir, filepath.Join(s.programs, "postgres"), args...)
	if err != nil {
		return err
	}
	if err := s.ready(ctx, p); err != nil {
		return errors.Join(err, p.end("QUIT"))
	}
	s.running = p
	return nil
}

func (s *Server) ready(ctx context.Context, p *process) error {
	for {
		conn, err := pgx.Connect(ctx, s.ConnString())
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-p.ended:
			return fmt.Errorf("postgrestest: the server ended: %s", p.log())
		case <-ctx.Done():
			return fmt.Errorf("postgrestest: the server is not ready: %w: %s", context.Cause(ctx), p.log())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Down ends the server in order: what runs is cut off, what was committed is written.
func (s *Server) Down() error { return s.down("INT") }

// Crash ends the server as if it had died: its next start recovers.
func (s *Server) Crash() error { return s.down("QUIT") }

func (s *Server) down(signal string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil {
		return nil
	}
	err := s.running.end(signal)
	s.running = nil
	return err
}

// Restart crashes the server and starts it again.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.Crash(); err != nil {
		return err
	}
	return s.Up(ctx)
}

// Stop ends the server and removes its files.
func (s *Server) Stop() error { return errors.Join(s.Crash(), os.RemoveAll(s.dir)) }
