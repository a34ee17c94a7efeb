package duvo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
)

func file(content string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(content)} }

// boxes is a server that takes files into one sandbox.
func boxes(t *testing.T) *server {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		if strings.HasSuffix(r.URL.Path, "/sandboxes") {
			answer(w, 201, `{"sandbox_id":"`+sandboxID+`"}`)
			return
		}
		answer(w, 201, `{}`)
	})
}

func TestStageFiles(t *testing.T) {
	s := boxes(t)
	id, err := s.client(t).StageFiles(t.Context(), fstest.MapFS{"b.txt": file("b"), "a/c \u00fc.bin": file("\x00\xff"), "a/empty": file(""), "none": {Mode: fs.ModeDir}})
	require.NoError(t, err)
	require.Equal(t, sandboxID, id)
	got, keys := map[string]string{}, map[string]bool{}
	for i, r := range s.saw() {
		keys[r.header.Get("Idempotency-Key")] = true
		if i == 0 {
			require.Equal(t, prefix+"/v2/sandboxes", r.uri)
			continue
		}
		f := readForm(t, r)
		got[f[0].content] = f[1].content
	}
	require.Equal(t, map[string]string{"/workspace/b.txt": "b", "/workspace/a/c \u00fc.bin": "\x00\xff", "/workspace/a/empty": ""}, got)
	require.Len(t, keys, 4, "a key for each")

	id, err = s.client(t).StageFiles(t.Context(), fstest.MapFS{})
	require.NoError(t, err)
	require.Equal(t, sandboxID, id)
	require.Len(t, s.saw(), 5, "nothing makes a sandbox with nothing in it")
}

// sized is a file system with a file for each size, of which none can be read.
type sized []int64

func (s sized) Open(name string) (fs.File, error) { return nil, fs.ErrPermission }

func (s sized) Stat(string) (fs.FileInfo, error) { return sizedInfo{"dir", 0, true}, nil }

func (s sized) ReadDir(string) (out []fs.DirEntry, _ error) {
	for i, n := range s {
		out = append(out, fs.FileInfoToDirEntry(sizedInfo{fmt.Sprint(i), n, false}))
	}
	return out, nil
}

// wide is a file system with so many empty directories.
type wide int

func (w wide) Open(name string) (fs.File, error) { return nil, fs.ErrPermission }

func (w wide) Stat(string) (fs.FileInfo, error) { return sizedInfo{"dir", 0, true}, nil }

func (w wide) ReadDir(name string) (out []fs.DirEntry, _ error) {
	for i := range int(w) {
		if name == "." {
			out = append(out, fs.FileInfoToDirEntry(sizedInfo{fmt.Sprint(i), 0, true}))
		}
	}
	return out, nil
}

type sizedInfo struct {
	name string
	size int64
	dir  bool
}

func (i sizedInfo) Name() string       { return i.name }
func (i sizedInfo) Size() int64        { return i.size }
func (i sizedInfo) ModTime() time.Time { return time.Time{} }
func (i sizedInfo) IsDir() bool        { return i.dir }
func (i sizedInfo) Sys() any           { return nil }
func (i sizedInfo) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir
	}
	return 0
}

func TestWhatCannotBeStaged(t *testing.T) {
	s := boxes(t)
	many := fstest.MapFS{}
	for i := range 1001 {
		many[fmt.Sprint("f", i)] = file("")
	}
	odd := func(m fs.FileMode) fs.FS { return fstest.MapFS{"good": file("x"), "odd": {Mode: m}} }
	for name, c := range map[string]struct {
		fsys fs.FS
		kind error
		text string
	}{
		"nothing at all":   {nil, ErrInvalid, "nil"},
		"a link":           {odd(fs.ModeSymlink), ErrInvalid, "odd is not a regular file, but a symbolic link"},
		"a pipe":           {odd(fs.ModeNamedPipe), ErrInvalid, "a pipe"},
		"a socket":         {odd(fs.ModeSocket), ErrInvalid, "a socket"},
		"a device":         {odd(fs.ModeDevice | fs.ModeCharDevice), ErrInvalid, "a device"},
		"something":        {odd(fs.ModeIrregular), ErrInvalid, "something else"},
		"a control":        {fstest.MapFS{"a\x1bb": file("")}, ErrInvalid, "cannot be the path"},
		"a line":           {fstest.MapFS{"a\nb/c": file("")}, ErrInvalid, "cannot be the path"},
		"no text":          {fstest.MapFS{"\xff": file("")}, ErrInvalid, ""},
		"a long name":      {fstest.MapFS{strings.Repeat("x/", 510) + "yyyy": file("")}, ErrInvalid, "cannot be the path"},
		"many":             {many, ErrInvalid, "more than 1000 files"},
		"many directories": {wide(10_001), ErrInvalid, "more than 10000 files and directories"},
		"large":            {sized{1<<30 + 1}, ErrInvalid, "more than 1073741824 bytes"},
		"large together":   {sized{1 << 29, 1 << 29, 1}, ErrInvalid, "with 2 there are more than 1073741824 bytes"},
		"negative":         {sized{-1}, ErrInvalid, "more than"},
		"no directory":     {os.DirFS(filepath.Join(t.TempDir(), "missing")), fs.ErrNotExist, ""},
	} {
		t.Run(name, func(t *testing.T) {
			id, err := s.client(t).StageFiles(t.Context(), c.fsys)
			require.Empty(t, id)
			require.ErrorIs(t, err, c.kind)
			require.ErrorContains(t, err, c.text)
			require.ErrorContains(t, err, "staging files")
			require.False(t, MayHaveTakenEffect(err))
			requirePresentable(t, err)
		})
	}
	require.Empty(t, s.saw(), "all is looked at before anything is sent")
}

// Links of a real directory lead nowhere.
func TestStagingFollowsNoLink(t *testing.T) {
	s := boxes(t)
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("secret"), 0o600))
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a"), []byte("a"), 0o600))
	require.NoError(t, os.Symlink(secret, filepath.Join(dir, "b")))
	_, err := s.client(t).StageFiles(t.Context(), os.DirFS(dir))
	require.ErrorContains(t, err, "b is not a regular file, but a symbolic link")
	require.Empty(t, s.saw())

	// One that takes a file's place later is refused by an os.Root.
	require.NoError(t, os.Remove(filepath.Join(dir, "b")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "b"), []byte("harmle"), 0o600))
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer root.Close()
	_, err = s.client(t).StageFiles(t.Context(), swapping{root.FS(), func() {
		_ = os.Remove(filepath.Join(dir, "b"))
		_ = os.Symlink(secret, filepath.Join(dir, "b"))
	}})
	require.ErrorContains(t, err, "staging b: ")
	require.False(t, MayHaveTakenEffect(err))
	for _, r := range s.saw() {
		require.NotContains(t, r.body, "secret\r")
	}
	require.Len(t, s.saw(), 2, "the sandbox, and a")
}

// swapping does something before the file b is opened.
type swapping struct {
	fs.FS
	swap func()
}

func (s swapping) Open(name string) (fs.File, error) {
	if name == "b" {
		s.swap()
	}
	return s.FS.Open(name)
}

// A file that is another when it is read is not staged as if it were not.
func TestStagingAFileThatChanges(t *testing.T) {
	for name, later := range map[string]*fstest.MapFile{"shorter": file("b"), "longer": file("bbb"), "a directory": {Mode: fs.ModeDir}, "a link": {Mode: fs.ModeSymlink}} {
		t.Run(name, func(t *testing.T) {
			s := boxes(t)
			m := fstest.MapFS{"a": file("aa"), "b": file("bb")}
			_, err := s.client(t).StageFiles(t.Context(), swapping{m, func() { m["b"] = later }})
			require.ErrorContains(t, err, "staging b: ")
			require.False(t, MayHaveTakenEffect(err))
			require.Len(t, s.saw(), 2)
		})
	}
	s := boxes(t)
	m := fstest.MapFS{"b": file("bb")}
	_, err := s.client(t).StageFiles(t.Context(), swapping{m, func() { delete(m, "b") }})
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestStagingThatFails(t *testing.T) {
	fsys := fstest.MapFS{"a": file("a"), "b": file("b"), "c": file("c")}
	refusing := func(n, status int) *server {
		return serve(t, func(w http.ResponseWriter, _ *http.Request, i int) {
			if i >= n {
				answer(w, status, `{"error":"no"}`)
				return
			}
			answer(w, 201, `{"sandbox_id":"`+sandboxID+`"}`)
		})
	}
	s := refusing(1, 401)
	id, err := s.client(t).StageFiles(t.Context(), fsys)
	require.Empty(t, id)
	requireKind(t, ErrUnauthorized, err)
	require.ErrorContains(t, err, "createSandbox")

	s = refusing(3, 413)
	id, err = s.client(t).StageFiles(t.Context(), fsys)
	require.Empty(t, id, "half of the files are none")
	requireKind(t, ErrInvalid, err)
	require.ErrorContains(t, err, "staging b: uploadSandboxFile: 413")
	require.Len(t, s.saw(), 3)

	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the caller left")
	s = serve(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		if n == 2 {
			cancel(why)
		}
		answer(w, 201, `{"sandbox_id":"`+sandboxID+`"}`)
	})
	_, err = s.client(t).StageFiles(ctx, fsys)
	require.ErrorIs(t, err, context.Canceled)
	require.LessOrEqual(t, len(s.saw()), 2, "nothing begins after it")
	_, err = s.client(t).StageFiles(ctx, fsys)
	require.ErrorIs(t, err, why)
	require.LessOrEqual(t, len(s.saw()), 2)
}

// counting counts what is open.
type counting struct {
	fs.FS
	open *int
}

func (c counting) Open(name string) (fs.File, error) {
	f, err := c.FS.Open(name)
	if err == nil {
		*c.open++
		f = countedFile{f, c.open}
	}
	return f, err
}

type countedFile struct {
	fs.File
	open *int
}

func (f countedFile) Close() error { *f.open--; return f.File.Close() }

func (f countedFile) ReadDir(n int) ([]fs.DirEntry, error) { return f.File.(fs.ReadDirFile).ReadDir(n) }

// A large file is opened for each attempt, and closed after each.
func TestStagingALargeFile(t *testing.T) {
	st := store(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		if n < 3 {
			answer(w, 503, "")
		}
	})
	a := serve(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		if strings.HasSuffix(r.URL.Path, "/sandboxes") {
			answer(w, 201, `{"sandbox_id":"`+sandboxID+`"}`)
			return
		}
		answer(w, 200, `{"upload_url":"`+st.URL+`/x"}`)
	})
	var open int
	id, err := a.client(t).StageFiles(t.Context(), counting{fstest.MapFS{"big": {Data: big}}, &open})
	require.NoError(t, err)
	require.Equal(t, sandboxID, id)
	require.Zero(t, open)
	require.Len(t, st.saw(), 3)
	for _, r := range st.saw() {
		require.True(t, string(big) == r.body)
	}
}
