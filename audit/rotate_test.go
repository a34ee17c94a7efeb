package audit

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// by adds records of these people.
func by(t *testing.T, a *File, people ...string) {
	t.Helper()
	for _, p := range people {
		require.NoError(t, a.Record(t.Context(), Record{Event: Decided, By: p, Verdict: "approved", JobID: "j-" + p, RequestID: "r-" + p}))
	}
}

// whole holds that the files of an audit are one chain, and returns who is in it.
func whole(t *testing.T, paths ...string) (people []string) {
	t.Helper()
	read := func() io.ReadCloser {
		r, err := Open(paths...)
		require.NoError(t, err)
		t.Cleanup(func() { _ = r.Close() })
		return r
	}
	_, _, err := Verify(read(), 0, "")
	require.NoError(t, err)
	for e, err := range Read(read()) {
		require.NoError(t, err)
		if e.Event != Continued {
			people = append(people, e.By)
		}
	}
	return people
}

func names(t *testing.T, dir string) (out []string) {
	t.Helper()
	all, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range all {
		out = append(out, e.Name())
		info, err := e.Info()
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), e.Name())
	}
	return out
}

// A file goes on in another one, and all of them are one chain.
func TestFileGoesOnInAnother(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.jsonl")
	a, err := OpenFile(path)
	require.NoError(t, err)
	name, err := a.Rotate()
	require.NoError(t, err)
	require.Empty(t, name, "there is nothing to finish")
	by(t, a, "kim", "lee")
	count, hash := a.Head()
	name, err = a.Rotate()
	require.NoError(t, err)
	require.Equal(t, path+".0000000002", name)
	again, err := a.Rotate()
	require.NoError(t, err)
	require.Empty(t, again)
	_, err = OpenFile(path)
	require.ErrorIs(t, err, ErrLocked, "the lock holds")
	by(t, a, "max")
	require.NoError(t, a.Close())
	a, err = OpenFile(path)
	require.NoError(t, err)
	by(t, a, "sam")
	_, err = a.Rotate()
	require.NoError(t, err)
	require.Equal(t, []string{"audit.jsonl", "audit.jsonl.0000000002", "audit.jsonl.0000000005"}, names(t, dir))
	require.Equal(t, []string{"kim", "lee", "max", "sam"}, whole(t, path))
	require.Equal(t, []string{"kim", "lee", "max", "sam"}, whole(t, path, path+".0000000005", path+".0000000002", path))
	require.Equal(t, []string{"kim", "lee"}, whole(t, name))
	require.NoError(t, a.Close())

	// Without its beginning it is refused, but to who has kept what was there.
	require.NoError(t, os.Rename(name, filepath.Join(t.TempDir(), "away")))
	verify := func(count int64, hash string) error {
		r, err := Open(path)
		require.NoError(t, err)
		defer r.Close()
		_, _, err = Verify(r, count, hash)
		return err
	}
	require.ErrorContains(t, verify(0, ""), "begins with line 3")
	require.NoError(t, verify(count, hash))
	require.ErrorContains(t, verify(count, strings.Repeat("0", 64)), "cut or exchanged")
	require.ErrorContains(t, verify(1, hash), "begins with line 3")
	middle, err := os.ReadFile(path + ".0000000005")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path+".0000000005", []byte(strings.Replace(string(middle), "sam", "eve", 1)), 0o600))
	require.ErrorContains(t, verify(count, hash), "does not follow")
	require.NoError(t, os.Remove(path+".0000000005"))
	require.ErrorContains(t, verify(count, hash), "begins with line 6")
}

// By size it goes on by itself, whoever writes, and under a link too.
func TestFileGoesOnBySize(t *testing.T) {
	dir, links := t.TempDir(), t.TempDir()
	link := filepath.Join(links, "audit.jsonl")
	require.NoError(t, os.Symlink(filepath.Join(dir, "real.jsonl"), link))
	_, err := OpenFile(link, MaxSize(0))
	require.ErrorContains(t, err, "is none")
	a, err := OpenFile(link, MaxSize(1000))
	require.NoError(t, err)
	var want []string
	for i := range 20 {
		want = append(want, fmt.Sprint("person ", i))
	}
	by(t, a, want...)
	require.NoError(t, a.Record(t.Context(), Record{By: "long", Reason: strings.Repeat("x", 3000)}), "one that is larger alone")
	by(t, a, "last")
	require.NoError(t, a.Close())
	require.Equal(t, append(want, "long", "last"), whole(t, link))
	files := names(t, dir)
	require.Greater(t, len(files), 5)
	for _, n := range files {
		info, err := os.Stat(filepath.Join(dir, n))
		require.NoError(t, err)
		require.Less(t, info.Size(), int64(4000))
	}
	info, err := os.Lstat(link)
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&os.ModeSymlink)
}

// Wherever a rotation breaks off, by a failure or the end of the process, nothing is
// lost, no line is written twice or where nobody looks, and it can be done again.
func TestRotationThatBreaksOff(t *testing.T) {
	if at := os.Getenv("DUVOTOOL_TEST_AUDIT_STEP"); at != "" { // the process that ends
		a, err := OpenFile(os.Getenv("DUVOTOOL_TEST_AUDIT_FILE"))
		require.NoError(t, err)
		by(t, a, "kim", "lee")
		a.step = func(step string) error {
			if step == at {
				os.Exit(3)
			}
			return nil
		}
		_, _ = a.Rotate()
		t.Fatal("it did not come there")
	}
	for _, step := range []string{"written", "linked", "renamed"} {
		t.Run("a crash where it is "+step, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "audit.jsonl")
			c := exec.Command(os.Args[0], "-test.run=^TestRotationThatBreaksOff$")
			c.Env = append(os.Environ(), "DUVOTOOL_TEST_AUDIT_FILE="+path, "DUVOTOOL_TEST_AUDIT_STEP="+step)
			out, err := c.CombinedOutput()
			require.Error(t, err)
			require.Equal(t, 3, c.ProcessState.ExitCode(), "%s", out)
			require.Equal(t, []string{"kim", "lee"}, whole(t, path), "it can be read as it is")
			goesOn(t, dir, path)
		})
		t.Run("a failure where it is "+step, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "audit.jsonl")
			a, err := OpenFile(path, MaxSize(1000))
			require.NoError(t, err)
			by(t, a, "kim", "lee")
			broken := true
			a.step = func(s string) error {
				if broken && s == step {
					return errors.New("the disk is broken")
				}
				return nil
			}
			_, err = a.Rotate()
			require.ErrorIs(t, err, ErrUnavailable)
			if step != "renamed" {
				require.Equal(t, []string{"audit.jsonl"}, names(t, dir), "it is undone")
				err = a.Record(t.Context(), Record{By: "nobody", Reason: strings.Repeat("x", 1200)})
				require.ErrorIs(t, err, ErrUnavailable, "what is too large is not put there all the same")
			} else {
				require.ErrorIs(t, a.Record(t.Context(), Record{By: "nobody"}), ErrUnavailable, "what may be gone after a crash takes nothing")
			}
			require.Equal(t, []string{"kim", "lee"}, whole(t, path))
			broken = false
			by(t, a, "max")
			require.NoError(t, a.Close())
			require.Contains(t, whole(t, path), "max")
		})
	}
}

// goesOn holds that an audit of kim and lee goes on.
func goesOn(t *testing.T, dir, path string) {
	t.Helper()
	a, err := OpenFile(path)
	require.NoError(t, err)
	by(t, a, "max")
	_, err = a.Rotate()
	require.NoError(t, err)
	by(t, a, "sam")
	require.NoError(t, a.Close())
	require.Equal(t, []string{"kim", "lee", "max", "sam"}, whole(t, path))
	require.NotContains(t, names(t, dir), "audit.jsonl.next")
	for _, n := range names(t, dir) { // what is finished has the lines that its name says
		if _, number, ok := strings.Cut(n, "jsonl."); ok {
			b, err := os.ReadFile(filepath.Join(dir, n))
			require.NoError(t, err)
			lines := strings.Split(strings.TrimSpace(string(b)), "\n")
			require.Contains(t, lines[len(lines)-1], fmt.Sprintf(`"seq":%s,`, strings.TrimLeft(number, "0")), n)
		}
	}
}

// A power failure may take the renaming back when records stand behind it: they are
// found. A second name that a crash has left is taken off before more is written.
func TestRotationThatIsTakenBack(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.jsonl")
	a, err := OpenFile(path)
	require.NoError(t, err)
	by(t, a, "kim", "lee")
	finished, err := a.Rotate()
	require.NoError(t, err)
	by(t, a, "max")
	require.NoError(t, a.Close())
	require.NoError(t, os.Rename(path, path+".next"))
	require.NoError(t, os.Link(finished, path))
	a, err = OpenFile(path)
	require.NoError(t, err)
	by(t, a, "sam")
	require.NoError(t, a.Close())
	require.Equal(t, []string{"kim", "lee", "max", "sam"}, whole(t, path))
	require.Equal(t, []string{"audit.jsonl", "audit.jsonl.0000000002"}, names(t, dir))

	require.NoError(t, os.Link(path, path+".0000000005"))
	a, err = OpenFile(path)
	require.NoError(t, err)
	require.Equal(t, []string{"audit.jsonl", "audit.jsonl.0000000002"}, names(t, dir))
	require.NoError(t, a.Close())

	text, err := os.ReadFile(path)
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(text), "\n")
	require.NoError(t, os.WriteFile(path, []byte(rest), 0o600))
	_, err = OpenFile(path)
	require.ErrorContains(t, err, "does not follow", "only a line that says so continues another file")
}

// What lies beside the file from a rotation that went no further than to begin goes;
// what is anything else stays, and is in nobody's way before it must be.
func TestWhatLiesInTheWay(t *testing.T) {
	begun := `{"seq":9,"prev":"00","event":"continued"}` + "\n"
	for name, c := range map[string]struct {
		text  string
		stays bool
	}{
		"nothing":            {"", false},
		"a beginning":        {`{"seq":3,"pr`, false},
		"zeros":              {"\x00\x00\x00\x00", false},
		"one for other text": {begun, false},
		"records":            {begun + `{"seq":10,"prev":"` + hashOf([]byte(strings.TrimSpace(begun))) + `","by":"kim"}` + "\n", true},
		"a letter":           {"Dear Kim,\n", true},
		"a word":             {"Dear", true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "audit.jsonl")
			a, err := OpenFile(path)
			require.NoError(t, err)
			by(t, a, "kim", "lee")
			require.NoError(t, os.WriteFile(path+".next", []byte(c.text), 0o600))
			if !c.stays {
				_, err = a.Rotate()
				require.NoError(t, err)
				require.NoError(t, a.Close())
				goesOn(t, dir, path)
				return
			}
			_, err = a.Rotate()
			require.ErrorContains(t, err, "audit.jsonl.next holds what is not from here")
			by(t, a, "max")
			require.NoError(t, a.Close())
			_, err = OpenFile(path)
			require.ErrorContains(t, err, "audit.jsonl.next holds what is not from here")
			left, err := os.ReadFile(path + ".next")
			require.NoError(t, err)
			require.Equal(t, c.text, string(left))
			require.Equal(t, []string{"kim", "lee", "max"}, whole(t, path))
		})
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.jsonl")
	a, err := OpenFile(path)
	require.NoError(t, err)
	defer a.Close()
	by(t, a, "kim")
	require.NoError(t, os.WriteFile(path+".0000000001", []byte("mine"), 0o600))
	_, err = a.Rotate()
	require.ErrorContains(t, err, "audit.jsonl.0000000001; look into what is there")
	require.NotErrorIs(t, err, ErrUnavailable)
	require.Equal(t, []string{"audit.jsonl", "audit.jsonl.0000000001"}, names(t, dir))
	r, err := Open(path, path+".0000000001")
	require.NoError(t, err)
	defer r.Close()
	_, _, err = Verify(r, 0, "")
	require.ErrorIs(t, err, errBreaksOff)
	_, err = Open(dir)
	require.ErrorContains(t, err, "not a regular file")
	_, err = Open(filepath.Join(dir, "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

// Who reads an audit as it grows reads on in the file that continues it, and anew where
// the one before was moved away.
func TestReadingOnInAnotherFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	a, err := OpenFile(path)
	require.NoError(t, err)
	defer a.Close()
	var at Position
	news := func() (people []string, err error) {
		r, err := Open(path)
		require.NoError(t, err)
		defer r.Close()
		for e, err := range at.ReadOn(r.(io.ReadSeeker)) {
			if err != nil {
				return people, err
			}
			if e.Event != Continued {
				people = append(people, e.By)
			}
		}
		return people, nil
	}
	sees := func(want ...string) {
		t.Helper()
		people, err := news()
		require.NoError(t, err)
		require.Equal(t, want, people)
	}
	by(t, a, "kim", "lee")
	sees("kim", "lee")
	by(t, a, "max")
	finished, err := a.Rotate()
	require.NoError(t, err)
	by(t, a, "sam")
	sees("max", "sam")
	sees()
	_, err = a.Rotate()
	require.NoError(t, err)
	by(t, a, "ada")
	sees("ada")
	require.NoError(t, os.Rename(finished, filepath.Join(t.TempDir(), "away")))
	by(t, a, "eve")
	_, err = news()
	require.ErrorIs(t, err, ErrMoved)
	at = Position{}
	sees("sam", "ada", "eve")
	r, err := Open(path)
	require.NoError(t, err)
	defer r.Close()
	_, err = r.(io.Seeker).Seek(0, io.SeekEnd)
	require.Error(t, err)
}

// Decisions tell who approved what and what came of it, over all the files.
func TestDecisions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	a, err := OpenFile(path)
	require.NoError(t, err)
	defer a.Close()
	for i, r := range []Record{
		{Event: Requested, JobID: "j-1", RequestID: "r-1"},
		{Event: Decided, JobID: "j-1", RequestID: "r-1", Verdict: "suspended"},
		{Event: Decided, JobID: "j-1", RequestID: "r-1", Verdict: "approved", By: "kim", Kind: "approval", Delivery: "sent"},
		{Event: Elsewhere, JobID: "j-2", RequestID: "r-2", Kind: "question", Source: "elsewhere"},
		{Event: Delivered, JobID: "j-1", RequestID: "r-1", Verdict: "approved", Delivery: "accepted"},
		{Event: Outcome, JobID: "j-1", Outcome: outcome.OutcomeCompleted},
	} {
		require.NoError(t, a.Record(t.Context(), r))
		if i == 2 {
			_, err := a.Rotate()
			require.NoError(t, err)
		}
	}
	find := func(f Filter) (out []string) {
		r, err := Open(path)
		require.NoError(t, err)
		defer r.Close()
		ds, err := Decisions(r, f)
		require.NoError(t, err)
		for _, d := range ds {
			out = append(out, fmt.Sprint(d.Line, d.RequestID, d.Verdict, d.By, d.Delivery, d.Job))
		}
		return out
	}
	require.Equal(t, []string{"3r-1approvedkimacceptedcompleted", "5r-2"}, find(Filter{}))
	require.Equal(t, []string{"5r-2"}, find(Filter{Kinds: []duvo.RequestType{duvo.Question}}))
	require.Equal(t, []string{"3r-1approvedkimacceptedcompleted"}, find(Filter{By: "Kim"}))
}
