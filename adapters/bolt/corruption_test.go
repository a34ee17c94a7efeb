package bolt

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/duvotool/duvotool/journal"
	"github.com/stretchr/testify/require"
)

// The corruption trials. Each damages a copy of a journal's two files, opens it,
// and reads all of it, in a child process that may die of it. What comes out must
// be an error or right: every record that was put, as it was put last, nothing
// else, and a journal that can be used on.
//
// DUVOTOOL_CORRUPTION_TRIALS=5000 sets how many. A trial has its number as seed.
// bbolt lays out no two databases alike, so when something is found the specimens
// are kept, and DUVOTOOL_CORRUPTION_SPECIMENS=file DUVOTOOL_CORRUPTION_ONLY=4711
// repeats a trial.

const (
	trialsEnv    = "DUVOTOOL_CORRUPTION_TRIALS"
	onlyEnv      = "DUVOTOOL_CORRUPTION_ONLY"
	specimensEnv = "DUVOTOOL_CORRUPTION_SPECIMENS"
	childEnv     = "DUVOTOOL_CORRUPTION_CHILD" // "from to"
	perChild     = 100
)

// A specimen is a journal to damage, and what it holds.
type specimen struct {
	Name        string
	File, Head  []byte
	Records     map[string]journal.Record
	Last        string                    // the key put last
	Before      map[string]journal.Record // without it, if its Put never returned: then either is right
	Pages       int                       // behind them the file holds nothing
	ListOfPages int                       // which page lists the free ones
}

func makeSpecimens(t *testing.T) []specimen {
	grow := func(name string, records, size int, forget bool) specimen {
		path := newPath(t)
		j := open(t, path)
		s := specimen{Name: name, Records: map[string]journal.Record{}}
		rnd := rand.New(rand.NewPCG(uint64(records), 1))
		set := func(key string, done bool, n int) {
			r := s.Records[key]
			r.Key, r.Done, r.At = key, done, time.Unix(int64(rnd.IntN(1000)), 0).UTC()
			r.Data = []byte(strings.Repeat(fmt.Sprintf("%s-%d.", key, r.Revision), 1+n/8))
			s.Records[key], s.Last = put(t, j, r), key
		}
		for i := range records {
			set(fmt.Sprintf("key-%d", i*i%(records+7)), i%3 == 0, rnd.IntN(size))
		}
		if forget {
			_, err := j.Forget(t.Context(), time.Unix(500, 0))
			require.NoError(t, err)
			maps.DeleteFunc(s.Records, func(_ string, r journal.Record) bool { return r.Done && r.At.Before(time.Unix(500, 0)) })
			for i := range 5 {
				set(fmt.Sprintf("late-%d", i), false, size)
			}
		}
		if name == "crashed" {
			s.Head, s.Before = read(t, path+".head"), maps.Clone(s.Records)
		}
		if records > 0 {
			set("the-last", false, 50)
		}
		require.NoError(t, j.Close())
		s.File = read(t, path)
		if s.Head == nil {
			s.Head = read(t, path+".head")
		}
		newest, _ := newestMeta(t, path)
		m := s.File[newest+pageHeader:]
		s.ListOfPages, s.Pages = int(order.Uint64(m[32:])), int(order.Uint64(m[40:]))
		return s
	}
	return []specimen{
		grow("small", 6, 40, false),
		grow("large", 220, 2500, true),
		grow("huge records", 40, 40000, true),
		grow("crashed", 60, 300, false),
		grow("fresh", 0, 1, false),
	}
}

func read(t *testing.T, path string) []byte {
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return b
}

// readSpecimens reads what writeSpecimens wrote.
func readSpecimens(t *testing.T, path string) (s []specimen) {
	require.NoError(t, json.Unmarshal(read(t, path), &s))
	return s
}

func writeSpecimens(t *testing.T, path string) {
	b, err := json.Marshal(makeSpecimens(t))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, b, 0o600))
}

// damage is one trial's damage to copies of the files, and what was done.
func damage(s specimen, rnd *rand.Rand) (file, head []byte, what string) {
	file, head = bytes.Clone(s.File), bytes.Clone(s.Head)
	var did []string
	pages := s.Pages
	// Where: often in the pages on which all hangs.
	area := func() (b []byte, name string) {
		switch n := rnd.IntN(20); {
		case n < 3:
			return head, "the head file"
		case n < 7:
			return file[:2*pageSize], "the meta pages"
		case n < 8:
			return file[s.ListOfPages*pageSize:][:pageSize], "the list of free pages"
		case n < 9:
			return file, "the whole file"
		case n < 14: // headers and elements stand at a page's beginning
			p := 2 + rnd.IntN(pages-2)
			return file[p*pageSize:][:96], fmt.Sprintf("the head of page %d", p)
		default:
			p := 2 + rnd.IntN(pages-2)
			return file[p*pageSize:][:pageSize], fmt.Sprintf("page %d", p)
		}
	}
	near := func(b []byte, name string) int { // of a meta page or slot little counts
		switch name {
		case "the head file":
			return rnd.IntN(2)*slotSize + rnd.IntN(slotBody+32)
		case "the meta pages":
			return rnd.IntN(2)*pageSize + rnd.IntN(pageHeader+metaChecksum+8)
		case "the list of free pages":
			return rnd.IntN(200)
		}
		return rnd.IntN(len(b))
	}
	for times := 1 + rnd.IntN(3)*rnd.IntN(2); times > 0; times-- {
		b, name := area()
		switch n := rnd.IntN(20); {
		case n < 8:
			at, bit := near(b, name), rnd.IntN(8)
			if at < len(b) {
				b[at] ^= 1 << bit
			}
			did = append(did, fmt.Sprintf("bit %d of byte %d of %s flipped", bit, at, name))
		case n < 10:
			at := near(b, name)
			if at < len(b) {
				b[at] = byte(rnd.Uint32())
			}
			did = append(did, fmt.Sprintf("byte %d of %s changed", at, name))
		case n < 12:
			at := rnd.IntN(len(b) + 1)
			for i := range b[at:min(len(b), at+1+rnd.IntN(2000))] {
				b[at+i] = byte(rnd.Uint32())
			}
			did = append(did, fmt.Sprintf("garbage from byte %d of %s", at, name))
		case n < 13:
			at := rnd.IntN(len(b) + 1)
			clear(b[at:min(len(b), at+1+rnd.IntN(pageSize))])
			did = append(did, fmt.Sprintf("zeros from byte %d of %s", at, name))
		case n < 15:
			from, to := rnd.IntN(pages), rnd.IntN(pages)
			copy(file[to*pageSize:][:pageSize], s.File[from*pageSize:][:pageSize])
			did = append(did, fmt.Sprintf("page %d written to page %d", from, to))
			if rnd.IntN(2) == 0 { // and it says that it belongs there
				order.PutUint64(file[to*pageSize:], uint64(to))
				did = append(did, "with its number")
			}
		case n < 16 && len(head) == 2*slotSize:
			i := rnd.IntN(2)
			copy(head[i*slotSize:][:slotSize], s.Head[(1-i)*slotSize:][:slotSize])
			did = append(did, fmt.Sprintf("slot %d written to slot %d", 1-i, i))
		case n < 19:
			at := rnd.IntN(len(file))
			if rnd.IntN(2) == 0 {
				at = rnd.IntN(pages+1) * pageSize
			}
			return file[:at], head, strings.Join(append(did, fmt.Sprintf("the file cut to %d", at)), ", ")
		default:
			at := rnd.IntN(len(head) + 1)
			if rnd.IntN(4) == 0 {
				at = 0
			}
			head = head[:at]
			return file, head, strings.Join(append(did, fmt.Sprintf("the head file cut to %d", at)), ", ")
		}
	}
	return file, head, strings.Join(did, ", ")
}

// An outcome is what a trial came to.
type outcome struct {
	Trial   int
	Verdict string // "error", "right", "wrong"
	Detail  string
	Damage  string
}

// try is one trial.
func try(dir string, specimens []specimen, trial int) (o outcome) {
	rnd := rand.New(rand.NewPCG(uint64(trial), 99))
	s := specimens[rnd.IntN(len(specimens))]
	file, head, what := damage(s, rnd)
	o = outcome{Trial: trial, Damage: s.Name + ": " + what}
	defer func() {
		if p := recover(); p != nil {
			o.Verdict, o.Detail = "wrong", fmt.Sprint("panic: ", p)
		}
	}()
	path := filepath.Join(dir, "journal.db")
	err := errors.Join(os.WriteFile(path, file, 0o600), os.WriteFile(path+".head", head, 0o600))
	if err != nil {
		o.Verdict, o.Detail = "wrong", err.Error()
		return o
	}
	var after *journal.Record
	for range 2 { // opened, used, and opened again
		j, err := Open(path, WithLockTimeout(0))
		if err != nil {
			o.Verdict, o.Detail = "error", err.Error()
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), path) || after != nil {
				o.Verdict = "wrong"
			}
			return o
		}
		err = s.compare(j, after)
		if err == nil && after == nil {
			r := journal.Record{Key: "after", Data: bytes.Repeat([]byte("after"), 2000)}
			r.Revision, err = j.Put(context.Background(), r)
			after = &r
		}
		if err = errors.Join(err, j.Close()); err != nil {
			o.Verdict, o.Detail = "wrong", err.Error()
			return o
		}
	}
	o.Verdict = "right"
	return o
}

// compare tells whether the journal holds what the specimen does, and after.
func (s specimen) compare(j *Journal, after *journal.Record) error {
	want := s.Records
	if _, err := j.Get(context.Background(), s.Last); s.Before != nil && errors.Is(err, journal.ErrNoRecord) {
		want = s.Before
	}
	unfinished := map[string]bool{}
	for r, err := range j.Unfinished(context.Background()) {
		if err != nil {
			return err
		}
		unfinished[r.Key] = true
		w, ok := want[r.Key]
		if after != nil && r.Key == after.Key {
			w, ok = *after, true
		}
		if !ok || w.Done || w.Revision != r.Revision || !bytes.Equal(w.Data, r.Data) {
			return fmt.Errorf("unfinished: %s is wrong", r.Key)
		}
	}
	for key, w := range want {
		r, err := j.Get(context.Background(), key)
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		if w.Done != r.Done || w.Revision != r.Revision || !w.At.Equal(r.At) || !bytes.Equal(w.Data, r.Data) {
			return fmt.Errorf("%s is wrong", key)
		}
		if !w.Done && !unfinished[key] {
			return fmt.Errorf("%s is not listed", key)
		}
	}
	if after != nil && !unfinished[after.Key] {
		return errors.New("what was put after is lost")
	}
	return nil
}

// TestCorruptionChild is what runs in a child process.
func TestCorruptionChild(t *testing.T) {
	var from, to int
	if _, err := fmt.Sscan(os.Getenv(childEnv), &from, &to); err != nil {
		t.Skip("it runs in a child process of TestCorruption")
	}
	specimens := readSpecimens(t, os.Getenv(specimensEnv))
	for trial := from; trial < to; trial++ {
		fmt.Printf("trial %d\n", trial)
		b, err := json.Marshal(try(t.TempDir(), specimens, trial))
		require.NoError(t, err)
		fmt.Printf("outcome %s\n", b)
	}
}

func TestCorruption(t *testing.T) {
	from, to := 0, 200
	if n, err := strconv.Atoi(os.Getenv(trialsEnv)); err == nil {
		to = n
	}
	if n, err := strconv.Atoi(os.Getenv(onlyEnv)); err == nil {
		from, to = n, n+1
	}
	specimens := os.Getenv(specimensEnv)
	if specimens == "" {
		specimens = filepath.Join(t.TempDir(), "specimens")
		writeSpecimens(t, specimens)
	}
	var deaths, wrong []string
	count := map[string]int{}
	began := time.Now()
	for next := from; next < to; {
		outcomes, dying, output := runChild(t, specimens, next, min(next+perChild, to))
		for _, o := range outcomes {
			count[o.Verdict]++
			if o.Verdict == "wrong" {
				wrong = append(wrong, fmt.Sprintf("trial %d: %s: %s", o.Trial, o.Damage, o.Detail))
			}
			if from+1 == to {
				t.Logf("%+v", o)
			}
		}
		next = min(next+perChild, to)
		if dying >= 0 {
			deaths = append(deaths, fmt.Sprintf("trial %d: %s", dying, output))
			next = dying + 1
		}
	}
	t.Logf("%d trials in %v: %d errors, %d right, %d wrong, %d deaths",
		to-from, time.Since(began).Round(time.Second), count["error"], count["right"], len(wrong), len(deaths))
	if len(deaths)+len(wrong) > 0 {
		f, err := os.CreateTemp("", "specimens-*")
		require.NoError(t, err)
		_, err = f.Write(read(t, specimens))
		require.NoError(t, errors.Join(err, f.Close()))
		t.Logf("the specimens are kept in %s", f.Name())
	}
	require.Empty(t, deaths)
	require.Empty(t, wrong)
	require.Equal(t, to-from, count["error"]+count["right"])
	if to-from >= 200 { // otherwise the trials try nothing
		require.Greater(t, count["error"], (to-from)/4)
		require.Greater(t, count["right"], (to-from)/20)
	}
}

// runChild runs some trials in a child process, and tells of which one it died,
// if it did.
func runChild(t *testing.T, specimens string, from, to int) (outcomes []outcome, dying int, output string) {
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), exe, "-test.run=^TestCorruptionChild$", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d", childEnv, from, to), specimensEnv+"="+specimens)
	out, err := cmd.CombinedOutput()
	dying = -1
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		line := lines.Text()
		if n, ok := strings.CutPrefix(line, "trial "); ok {
			dying, _ = strconv.Atoi(n)
		} else if b, ok := strings.CutPrefix(line, "outcome "); ok {
			var o outcome
			require.NoError(t, json.Unmarshal([]byte(b), &o))
			outcomes = append(outcomes, o)
			dying = -1
		}
	}
	if dying < 0 {
		require.NoError(t, err, "%s", out)
		require.Len(t, outcomes, to-from)
	}
	return outcomes, dying, string(out[max(0, len(out)-4000):])
}
