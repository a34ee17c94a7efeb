package duvo

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
)

func upload(content string) SandboxUpload {
	return SandboxUpload{SandboxID: sandboxID, Path: "/workspace/a.txt", Content: strings.NewReader(content), Size: int64(len(content))}
}

// A field is one part of a form, as a server reads it.
type field struct{ name, file, content string }

func readForm(t *testing.T, s sight) (fields []field) {
	t.Helper()
	kind, params, err := mime.ParseMediaType(s.header.Get("Content-Type"))
	require.NoError(t, err)
	require.Equal(t, "multipart/form-data", kind)
	r := multipart.NewReader(strings.NewReader(s.body), params["boundary"])
	for {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return fields
		}
		require.NoError(t, err)
		b, err := io.ReadAll(p)
		require.NoError(t, err)
		fields = append(fields, field{p.FormName(), p.FileName(), string(b)})
	}
}

func TestDirectUpload(t *testing.T) {
	s := answers(t, 201, `{"path":"/workspace/elsewhere.txt"}`)
	c := s.client(t)
	for name, u := range map[string]SandboxUpload{
		"text":   {Path: "/workspace/a.txt", Content: strings.NewReader("hello\n"), Size: 6},
		"empty":  {Path: "/workspace/a/b/c", Content: http.NoBody},
		"binary": {Path: "/workspace/\u00fc \"q\" %2F;.bin", Content: strings.NewReader("\x00\xff\r\n--duvo-\r\n"), Size: 13},
		"slowly": {Path: "/tmp/x", Content: iotest.OneByteReader(strings.NewReader("abc")), Size: 3},
		"large":  {Path: "/workspace/l", Content: strings.NewReader(strings.Repeat("x", MaxDirectUpload)), Size: MaxDirectUpload},
	} {
		before := len(s.saw())
		u.SandboxID = sandboxID
		want := ""
		if r, ok := u.Content.(*strings.Reader); ok {
			b, _ := io.ReadAll(r)
			_, _ = r.Seek(0, io.SeekStart)
			want = string(b)
		} else if u.Size == 3 {
			want = "abc"
		}
		f, err := c.UploadSandboxFile(t.Context(), u)
		require.NoError(t, err, name)
		require.Equal(t, SandboxFile{Name: "elsewhere.txt", Path: "/workspace/elsewhere.txt", Type: "file", Size: u.Size}, f, "as the server tells it")
		seen := s.saw()[before:]
		require.Len(t, seen, 1)
		require.Equal(t, prefix+"/v2/sandboxes/"+sandboxID+"/files", seen[0].uri)
		require.False(t, seen[0].chunked)
		require.Equal(t, int64(len(seen[0].body)), seen[0].length)
		fields := readForm(t, seen[0])
		require.Len(t, fields, 2)
		require.Equal(t, field{"path", "", u.Path}, fields[0])
		require.Equal(t, "file", fields[1].name)
		require.Equal(t, want, fields[1].content, name)
	}
}

// A caller that sends a file again, with its key, sends the same to the byte.
func TestUploadIsTheSameAgain(t *testing.T) {
	s := answers(t, 201, `{}`)
	for range 2 {
		u := upload("hello")
		u.IdempotencyKey = "mine"
		f, err := s.client(t).UploadSandboxFile(t.Context(), u)
		require.NoError(t, err)
		require.Equal(t, SandboxFile{Name: "a.txt", Path: "/workspace/a.txt", Type: "file", Size: 5}, f, "what is not told is as it was asked for")
	}
	a, b := s.saw()[0], s.saw()[1]
	require.Equal(t, a.body, b.body)
	require.Equal(t, a.header.Get("Content-Type"), b.header.Get("Content-Type"))
	require.Equal(t, "mine", b.header.Get("Idempotency-Key"))
}

func TestUploadsThatCannotBeSent(t *testing.T) {
	s := answers(t, 200, success)
	c := s.client(t)
	broken := errors.New("the disk is on fire")
	type test struct {
		u    SandboxUpload
		kind error
		text string
	}
	with := func(f func(*SandboxUpload)) SandboxUpload { u := upload("hello"); f(&u); return u }
	path := func(p string) test { return test{with(func(u *SandboxUpload) { u.Path = p }), ErrInvalid, ""} }
	content := func(r io.Reader, size int64) SandboxUpload {
		return with(func(u *SandboxUpload) { u.Content, u.Size = r, size })
	}
	tests := map[string]test{
		"nothing":           {content(nil, 0), ErrInvalid, "no content"},
		"short":             {content(strings.NewReader("hell"), 5), ErrInvalid, "ended before"},
		"long":              {content(strings.NewReader("hello!"), 5), ErrInvalid, "longer"},
		"not empty":         {content(strings.NewReader("!"), 0), ErrInvalid, "longer"},
		"negative":          {content(strings.NewReader(""), -1), ErrInvalid, "-1 bytes"},
		"broken":            {content(iotest.ErrReader(broken), 5), broken, "on fire"},
		"broken at its end": {content(io.MultiReader(strings.NewReader("hello"), iotest.ErrReader(broken)), 5), broken, "on fire"},
		"panics":            {content(panicking{}, 5), nil, "panicked: oh"},
		"never moves":       {content(io.MultiReader(strings.NewReader("hello"), stuck{}), 5), io.ErrNoProgress, ""},
	}
	for _, p := range []string{"", "a", "workspace/a", "/", "/workspace/", "/workspace/../etc/passwd", "/workspace//a", "/workspace/./a", "/a\x00b", "/a\nb",
		"/a\x1b[2J", "/\xff", "/" + strings.Repeat("x", 1024)} {
		tests["path "+p] = path(p)
	}
	for name, x := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := c.UploadSandboxFile(t.Context(), x.u)
			require.Error(t, err)
			if x.kind != nil {
				require.ErrorIs(t, err, x.kind)
			}
			require.ErrorContains(t, err, x.text)
			require.False(t, MayHaveTakenEffect(err))
			require.False(t, Temporary(err))
			requirePresentable(t, err)
		})
	}
	for _, dir := range []string{"workspace", "/a/../b", "/a/", "/\x00"} {
		_, err := c.SandboxFiles(t.Context(), sandboxID, dir)
		requireKind(t, ErrInvalid, err)
	}
	require.Empty(t, s.saw(), "none of these was sent")
}

type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic("oh") }

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

// The server tells how much is there: if that is not what was sent, the file is
// not what it should be.
func TestUploadOfAnotherSize(t *testing.T) {
	for _, told := range []string{"4", "0", "5.5", "6"} {
		_, err := answers(t, 201, `{"path":"/workspace/a.txt","size_bytes":`+told+`}`).client(t).UploadSandboxFile(t.Context(), upload("hello"))
		require.ErrorContains(t, err, "5 bytes were sent, and "+told+" are there")
		require.True(t, MayHaveTakenEffect(err))
		require.False(t, Temporary(err))
	}
	for _, odd := range []string{`"5"`, "null", "{}", "5", "5.0"} {
		_, err := answers(t, 201, `{"size_bytes":`+odd+`}`).client(t).UploadSandboxFile(t.Context(), upload("hello"))
		require.NoError(t, err, odd)
	}
}

func TestSandboxesAsTheyAreTold(t *testing.T) {
	s := answers(t, 201, `{"sandbox_id":"sb_1","expires_at":"2026-01-02T03:04:05+01:00","more":1}`)
	box, err := s.client(t).CreateSandbox(t.Context())
	require.NoError(t, err)
	require.Equal(t, Sandbox{ID: "sb_1", ExpiresAt: time.Date(2026, 1, 2, 2, 4, 5, 0, time.UTC)}, box)
	for _, odd := range []string{"null", "7e99", "[]", `"soon"`} {
		box, err = answers(t, 201, `{"sandbox_id":"sb_1","expires_at":`+odd+`}`).client(t).CreateSandbox(t.Context())
		require.NoError(t, err)
		require.Equal(t, Sandbox{ID: "sb_1"}, box)
	}
	for _, none := range []string{`{}`, `{"sandbox_id":""}`, `{"sandbox_id":7}`, `{"sandbox_id":"../x"}`, `[]`, `null`} {
		_, err = answers(t, 201, none).client(t).CreateSandbox(t.Context())
		require.ErrorContains(t, err, "unexpected answer")
		require.True(t, MayHaveTakenEffect(err))
	}

	files, err := answers(t, 200, `{"files":[{"name":"a","path":"/workspace/a","type":"file","size_bytes":12345678901,"more":1},
		{"path":"/workspace/b","type":"dir","size_bytes":0},{"path":"c","name":7,"type":null,"size_bytes":-1}]}`).
		client(t).SandboxFiles(t.Context(), sandboxID, "/workspace")
	require.NoError(t, err)
	require.Equal(t, []SandboxFile{{"a", "/workspace/a", "file", 12345678901}, {"b", "/workspace/b", "dir", 0}, {"c", "c", "", 0}}, files)
	for _, none := range []string{`{}`, `{"files":{}}`, `{"files":[null]}`, `{"files":[{"name":"a"}]}`} {
		_, err = answers(t, 200, none).client(t).SandboxFiles(t.Context(), sandboxID, "")
		require.ErrorContains(t, err, "unexpected answer", none)
	}
}

// A direct upload may take longer than other requests, by its size.
func TestDirectUploadHasTime(t *testing.T) {
	begin := time.Now()
	c, _ := stub(func(_ int, r *http.Request) (*http.Response, error) {
		deadline, ok := r.Context().Deadline()
		require.True(t, ok)
		require.Greater(t, deadline.Sub(begin), 70*time.Second)
		return response(201, "{}")
	}).client(t, WithTimeout(time.Second))
	_, err := c.UploadSandboxFile(t.Context(), SandboxUpload{SandboxID: sandboxID, Path: "/workspace/a", Content: bytes.NewReader(make([]byte, 10<<20-600<<10)), Size: 10<<20 - 600<<10})
	require.NoError(t, err)
}

func TestFingerprint(t *testing.T) {
	key := func(k, base string) string { return newClient(t, WithAPIKey(k), WithBaseURL(base)).Fingerprint() }
	a := key("dv_a", "https://api.duvo.ai")
	require.Regexp(t, "^[0-9a-f]{16}$", a)
	require.Equal(t, "dd104f2444de2c2d", a, "stored ones must stay what they are")
	for _, same := range []string{key("dv_a", "https://API.duvo.ai/"), key("dv_a", "https://api.duvo.ai/v2"),
		newClient(t, WithAPIKey("dv_a"), WithTeam(agentID), WithTimeout(time.Second)).Fingerprint()} {
		require.Equal(t, a, same)
	}
	source := func(base string) string {
		c, err := New(WithTokenSource(staticTokens("t1")), WithBaseURL(base))
		require.NoError(t, err)
		return c.Fingerprint()
	}
	all := map[string]bool{a: true}
	for _, other := range []string{key("dv_b", "https://api.duvo.ai"), key("dv_a", "https://api.duvo.ai/x"), key("dv_a", "https://api.duvo.ai:444"),
		key("token-source", "https://api.duvo.ai"), source("https://api.duvo.ai"), source("https://api.duvo.ai/x")} {
		require.False(t, all[other])
		all[other] = true
	}
	c, err := New(WithTokenSource(staticTokens("t2")))
	require.NoError(t, err)
	require.Equal(t, source("https://api.duvo.ai"), c.Fingerprint(), "tokens change")
}
