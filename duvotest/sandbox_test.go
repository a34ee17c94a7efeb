package duvotest_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

// sandbox makes one.
func (w *world) sandbox() string {
	w.t.Helper()
	a := w.post("/v2/sandboxes", "")
	require.Equal(w.t, 201, a.status, a.body)
	return a.text("sandbox_id")
}

// upload sends a form with these parts, names and contents in turn.
func (w *world) upload(sandbox string, parts ...string) answer {
	w.t.Helper()
	body, kind := form(parts...)
	return w.post("/v2/sandboxes/"+sandbox+"/files", body, "Content-Type", kind)
}

func form(parts ...string) (body, contentType string) {
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	for i := 0; i+1 < len(parts); i += 2 {
		if parts[i] == "file" {
			p, _ := m.CreateFormFile("file", "f")
			_, _ = io.WriteString(p, parts[i+1])
			continue
		}
		_ = m.WriteField(parts[i], parts[i+1])
	}
	_ = m.Close()
	return b.String(), m.FormDataContentType()
}

// put sends a file to an upload URL, without the key.
func (w *world) put(to, content string, header ...string) answer {
	w.t.Helper()
	require.True(w.t, strings.HasPrefix(to, w.url+"/"), to)
	return w.call(http.MethodPut, strings.TrimPrefix(to, w.url), content, append([]string{"Authorization", ""}, header...)...)
}

func (w *world) uploadURL(sandbox, path string) string {
	w.t.Helper()
	a := w.post("/v2/sandboxes/"+sandbox+"/upload-urls", `{"path":"`+path+`"}`)
	require.Equal(w.t, 200, a.status, a.body)
	require.Equal(w.t, path, a.text("path"))
	return a.text("upload_url")
}

const binary = "\x00\xff\r\n--\u202e\x1b"

func TestSandboxFiles(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		s, other := w.sandbox(), w.sandbox()
		require.NotEqual(t, s, other)
		require.Equal(t, map[string][]byte{}, w.SandboxFiles(s))
		require.Nil(t, w.SandboxFiles(otherID))
		require.Empty(t, w.get("/v2/sandboxes/"+s+"/files").rows("files", "name"))

		a := w.upload(s, "path", "/workspace/b/c d.txt", "file", binary)
		require.Equal(t, 201, a.status)
		require.JSONEq(t, `{"path":"/workspace/b/c d.txt","size_bytes":10}`, a.body)
		require.Equal(t, 201, w.upload(s, "file", "first", "path", "/workspace/a").status, "in any order")
		require.Equal(t, 201, w.upload(s, "path", "/workspace/a", "file", "").status, "in its place")
		require.Equal(t, 200, w.put(w.uploadURL(s, "/workspace/z"), "large").status)
		require.Equal(t, map[string][]byte{"/workspace/a": {}, "/workspace/b/c d.txt": []byte(binary), "/workspace/z": []byte("large")}, w.SandboxFiles(s))
		require.Empty(t, w.SandboxFiles(other))
		w.SandboxFiles(s)["/workspace/z"][0] = 'L' // a copy
		require.Equal(t, "large", string(w.SandboxFiles(s)["/workspace/z"]))

		raw := "--b\r\nContent-Disposition: form-data; name=path\r\n\r\n/workspace/q\r\n--b\r\nContent-Disposition: form-data; name=file\r\n" +
			"Content-Transfer-Encoding: quoted-printable\r\n\r\na=3Db\r\n--b--\r\n"
		require.Equal(t, 201, w.post("/v2/sandboxes/"+other+"/files", raw, "Content-Type", "multipart/form-data; boundary=b").status)
		require.Equal(t, "a=3Db", string(w.SandboxFiles(other)["/workspace/q"]), "no byte is taken for an encoding")

		files, err := w.client.SandboxFiles(t.Context(), s, "")
		require.NoError(t, err)
		require.Equal(t, []duvo.SandboxFile{{Name: "a", Path: "/workspace/a", Type: "file"}, {Name: "b", Path: "/workspace/b", Type: "dir"},
			{Name: "z", Path: "/workspace/z", Type: "file", Size: 5}}, files)
		files, err = w.client.SandboxFiles(t.Context(), s, "/workspace/b")
		require.NoError(t, err)
		require.Equal(t, []duvo.SandboxFile{{Name: "c d.txt", Path: "/workspace/b/c d.txt", Type: "file", Size: 10}}, files)
		for _, dir := range []string{"/workspace/a", "/workspace/c", "/etc", "workspace", "", "/workspac"} {
			w.get("/v2/sandboxes/"+s+"/files?path="+url.QueryEscape(dir)).refused(404, "not_found")
		}
		require.Equal(t, []any{"workspace"}, w.get("/v2/sandboxes/"+s+"/files?path=/").rows("files", "name"))
	})
}

func TestUploadsThatAreRefused(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		s := w.sandbox()
		require.Equal(t, 201, w.upload(s, "path", "/workspace/d/f", "file", "x").status)
		for _, path := range []string{"a", "/a", "/workspace", "/workspace/", "/workspace/../a", "/workspace//a", "/workspace/a/", "/workspace/a\x00", "/workspace/\xff",
			"/workspace/" + strings.Repeat("x", 4096), "/workspace/d", "/workspace/d/f/g"} {
			w.upload(s, "path", path, "file", "x").refused(400, "invalid_request")
		}
		for _, path := range []string{"a", "/etc/passwd", "/workspace/../a", "/workspace/d", ""} {
			w.post("/v2/sandboxes/"+s+"/upload-urls", `{"path":"`+path+`"}`).refused(403, "forbidden")
		}
		for _, body := range []string{"", "{}", `{"path":7}`, `{"path":null}`} {
			w.post("/v2/sandboxes/"+s+"/upload-urls", body).refused(403, "forbidden")
		}
		for name, parts := range map[string][]string{"no path": {"file", "x"}, "an empty path": {"path", "", "file", "x"}, "no file": {"path", "/workspace/a"}, "nothing": {},
			"two files": {"path", "/workspace/a", "file", "x", "file", "y"}, "two paths": {"path", "/workspace/a", "path", "/workspace/b", "file", "x"},
			"something else": {"path", "/workspace/a", "file", "x", "mode", "0777"}} {
			a := w.upload(s, parts...)
			require.Equal(t, 400, a.status, name)
			a.refused(400, "invalid_request")
		}
		body, kind := form("path", "/workspace/a", "file", "x")
		for _, c := range [][2]string{{"", body}, {"application/json", `{"path":"/workspace/a"}`}, {"multipart/form-data", body}, {strings.Replace(kind, "form-data", "mixed", 1), body},
			{kind, body[:len(body)-10]}, {kind + "x", body}, {"multipart/form-data; boundary=" + strings.Repeat("x", 100), body}} {
			w.post("/v2/sandboxes/"+s+"/files", c[1], "Content-Type", c[0]).refused(400, "invalid_request")
		}
		w.upload(s, "path", "/workspace/big", "file", strings.Repeat("x", duvo.MaxDirectUpload+1)).refused(413, "too_large")
		w.upload(s, "path", "/workspace/big", "file", strings.Repeat("x", duvo.MaxDirectUpload+1<<20)).refused(413, "too_large")
		require.Equal(t, 201, w.upload(s, "path", "/workspace/big", "file", strings.Repeat("x", duvo.MaxDirectUpload)).status)
		for _, none := range []string{otherID, "x", strings.ToUpper(s)} {
			w.get("/v2/sandboxes/"+none+"/files").refused(404, "not_found")
			w.upload(none, "path", "/workspace/a", "file", "x").refused(404, "not_found")
			w.post("/v2/sandboxes/"+none+"/upload-urls", `{"path":"/workspace/a"}`).refused(404, "not_found")
		}
		require.Len(t, w.SandboxFiles(s), 2)
		for _, r := range w.Requests() {
			require.Equal(t, r.Status == 201, r.Effect, "%s %s", r.Method, r.Path)
			require.LessOrEqual(t, len(r.Body), 64<<10, "the record does not keep files")
		}
	})
}

func TestUploadURL(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		s := w.sandbox()
		to := w.uploadURL(s, "/workspace/a")
		u, err := url.Parse(to)
		require.NoError(t, err)
		require.NotEmpty(t, u.Query().Get("signature"))

		w.call("PUT", u.RequestURI(), "x").refused(400, "invalid_request") // with the key
		w.put(to, "x", "Authorization", "Basic eA==").refused(400, "invalid_request")
		w.put(to+"x", "x").refused(403, "forbidden")
		w.put(strings.Split(to, "?")[0], "x").refused(403, "forbidden")
		w.put(w.url+"/duvotest-uploads/"+otherID+"?"+u.RawQuery, "x").refused(403, "forbidden")
		require.Empty(t, w.SandboxFiles(s))

		a := w.put(to, binary)
		require.Equal(t, 200, a.status)
		require.Empty(t, a.body)
		require.Equal(t, 200, w.put(to, "again").status)
		require.Equal(t, map[string][]byte{"/workspace/a": []byte("again")}, w.SandboxFiles(s))
		require.Equal(t, 7, w.Count(duvotest.UploadToURL))

		later := w.uploadURL(s, "/workspace/a/b/c"[:12])
		require.Equal(t, 200, w.put(later, "x").status)
		below := w.post("/v2/sandboxes/"+s+"/upload-urls", `{"path":"/workspace/n/m"}`).text("upload_url")
		require.Equal(t, 201, w.upload(s, "path", "/workspace/n", "file", "in the way").status)
		w.put(below, "x").refused(400, "invalid_request")
	})
}

// It is told where the API itself was reached, behind a base path too.
func TestUploadURLBehindABasePath(t *testing.T) {
	d := duvotest.New()
	defer d.Close()
	c := d.Client(duvo.WithBaseURL("http://localhost:81/gate%20way/duvo"))
	id, err := c.StageFiles(t.Context(), fstest.MapFS{"big": {Data: make([]byte, duvo.MaxDirectUpload+1)}})
	require.NoError(t, err)
	require.Len(t, d.SandboxFiles(id)["/workspace/big"], duvo.MaxDirectUpload+1)
	all := d.Requests()
	require.Regexp(t, "^/gate way/duvo/duvotest-uploads/", all[len(all)-1].Path)
	require.Empty(t, all[len(all)-1].Header.Get("Authorization"))
}

func TestUploadURLNeedsNoKeyAndCountsForNone(t *testing.T) {
	inMemory(t, func(t *testing.T, w *world) {
		to := w.uploadURL(w.sandbox(), "/workspace/a")
		require.Equal(t, 429, w.get("/v2/teams").status)
		for range 5 {
			a := w.put(to, "x")
			require.Equal(t, 200, a.status)
			require.Empty(t, a.header.Get("X-RateLimit-Limit"))
		}
	}, duvotest.WithRateLimit(2))
}

func TestUploadURLIsNotLogged(t *testing.T) {
	var log bytes.Buffer
	inMemory(t, func(t *testing.T, w *world) {
		to := w.uploadURL(w.sandbox(), "/workspace/a")
		require.Equal(t, 200, w.put(to, "x").status)
		_, secret, _ := strings.Cut(to, "signature=")
		require.Contains(t, log.String(), duvotest.UploadToURL)
		require.NotContains(t, log.String(), secret)
	}, duvotest.WithLog(slog.New(slog.NewTextHandler(&log, nil))))
}

func TestSandboxesExpire(t *testing.T) {
	inMemory(t, func(t *testing.T, w *world) {
		made := time.Now()
		box, err := w.client.CreateSandbox(t.Context())
		require.NoError(t, err)
		require.WithinDuration(t, made.Add(time.Hour), box.ExpiresAt, time.Millisecond)
		kept := w.sandbox()
		for _, s := range []string{box.ID, kept} {
			require.Equal(t, 201, w.upload(s, "path", "/workspace/a", "file", "x").status)
		}
		job := w.start(`{"agent_id":"` + agentID + `","sandbox_id":"` + kept + `"}`).text("run.id")
		to := w.uploadURL(box.ID, "/workspace/b")
		time.Sleep(15*time.Minute - time.Nanosecond)
		require.Equal(t, 200, w.put(to, "x").status)
		time.Sleep(time.Nanosecond)
		w.put(to, "x").refused(403, "forbidden")

		time.Sleep(45*time.Minute - time.Nanosecond)
		require.Len(t, w.SandboxFiles(box.ID), 2)
		to = w.uploadURL(box.ID, "/workspace/b")
		time.Sleep(time.Nanosecond)
		require.Nil(t, w.SandboxFiles(box.ID))
		w.put(to, "x").refused(404, "not_found")
		w.upload(box.ID, "path", "/workspace/a", "file", "x").refused(404, "not_found")
		w.post("/v2/teams/"+w.TeamID()+"/runs", `{"agent_id":"`+agentID+`","sandbox_id":"`+box.ID+`"}`).refused(404, "not_found")
		require.Len(t, w.SandboxFiles(kept), 1, "it is a Job's")
		require.Len(t, w.Jobs(), 1)
		_ = job
	}, duvotest.WithSandboxes(time.Hour, 1<<20), duvotest.WithAssignment(refunds()))
}

// All sandboxes together hold so much; what expires makes room.
func TestSandboxesAreBounded(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		s, other := w.sandbox(), w.sandbox()
		half := strings.Repeat("x", 5000)
		require.Equal(t, 201, w.upload(s, "path", "/workspace/a", "file", half).status)
		w.upload(other, "path", "/workspace/a", "file", half).refused(413, "too_large")
		w.put(w.uploadURL(other, "/workspace/a"), half).refused(413, "too_large")
		w.put(w.uploadURL(other, "/workspace/a"), half+half+half).refused(413, "too_large")
		require.Equal(t, 201, w.upload(s, "path", "/workspace/a", "file", half+half[:2000]).status, "in the place of what was there")
		require.Equal(t, 201, w.upload(s, "path", "/workspace/a", "file", "").status)
		n := 0
		for w.upload(other, "path", fmt.Sprint("/workspace/", n), "file", "").status == 201 {
			n++
			require.Less(t, n, 100, "names cost, too")
		}
		require.Len(t, w.SandboxFiles(other), n)
		if w.memory {
			time.Sleep(time.Hour)
			require.Equal(t, 201, w.upload(w.sandbox(), "path", "/workspace/a", "file", half).status)
		}
	}, duvotest.WithSandboxes(time.Hour, 8000))
	require.Contains(t, panics(t, func() { duvotest.New(duvotest.WithSandboxes(0, 1)) }), "make no sense")
	require.Contains(t, panics(t, func() { duvotest.New(duvotest.WithSandboxes(1, 0)) }), "make no sense")
}

func TestSandboxReplay(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		a := w.post("/v2/sandboxes", "{}", "Idempotency-Key", "k")
		require.Equal(t, a.body, w.post("/v2/sandboxes", "{}", "Idempotency-Key", "k").body)
		s := a.text("sandbox_id")
		body, kind := form("path", "/workspace/a", "file", "x")
		for range 2 {
			require.Equal(t, 201, w.post("/v2/sandboxes/"+s+"/files", body, "Content-Type", kind, "Idempotency-Key", "u").status)
		}
		all := w.Requests()
		require.True(t, all[3].Replay)
		require.False(t, all[3].Effect)
		w.post("/v2/sandboxes/"+s+"/files", body+" ", "Content-Type", kind, "Idempotency-Key", "u").refused(422, "idempotency_key_reused")
	})
}

// A Job reads what was staged for it.
func TestJobFiles(t *testing.T) {
	reads := duvotest.Assignment{ID: agentID, Name: "Reads", Script: func(j *duvotest.Job) {
		files := j.Files()
		files["/workspace/later"] = nil // a copy
		j.AskApproval("Shall I?", "")
		j.Complete(fmt.Sprintf("%q %d", files["/workspace/in/a"], len(j.Files())))
	}}
	both(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		id, err := w.client.StageFiles(ctx, fstest.MapFS{"in/a": {Data: []byte(binary)}, "b": {}})
		require.NoError(t, err)
		j, err := w.client.StartJob(ctx, duvo.StartJob{AssignmentID: agentID, SandboxID: id})
		require.NoError(t, err)
		require.Equal(t, id, j.SandboxID)
		w.untilStatus(j.ID, duvo.StatusWaiting)
		require.Equal(t, 201, w.upload(id, "path", "/workspace/c", "file", "x").status)
		require.Equal(t, 200, w.respond(j.ID, w.Pending(j.ID).ID, `{"approved":true}`).status)
		w.untilStatus(j.ID, duvo.StatusCompleted)
		r := w.job(j.ID)
		require.Equal(t, id, r.SandboxID)
		require.Equal(t, fmt.Sprintf("%q 3", binary), r.Messages[len(r.Messages)-1].Text)

		for _, none := range []string{otherID, "sb_1"} {
			_, err = w.client.StartJob(ctx, duvo.StartJob{AssignmentID: agentID, SandboxID: none})
			require.ErrorIs(t, err, duvo.ErrNotFound)
			require.ErrorContains(t, err, "no such sandbox")
		}
		require.Len(t, w.Jobs(), 1)
	}, duvotest.WithAssignment(reads))
	inMemory(t, func(t *testing.T, w *world) {
		j, err := w.client.StartJob(t.Context(), duvo.StartJob{AssignmentID: agentID})
		require.NoError(t, err)
		w.untilStatus(j.ID, duvo.StatusCompleted)
		require.Equal(t, "true", w.job(j.ID).Messages[0].Text)
	}, duvotest.WithAssignment(duvotest.Assignment{ID: agentID, Name: "None", Script: func(j *duvotest.Job) { j.Complete(fmt.Sprint(j.Files() == nil)) }}))
}

// Files small and large arrive, however the wire behaves.
func TestStagingUnderFaults(t *testing.T) {
	large := bytes.Repeat([]byte(binary), duvo.MaxDirectUpload/len(binary)+1)
	tree := fstest.MapFS{"a.txt": {Data: []byte("a")}, "d/e/f.bin": {Data: []byte(binary)}, "large.bin": {Data: large}, "empty": {}}
	want := map[string][]byte{"/workspace/a.txt": []byte("a"), "/workspace/d/e/f.bin": []byte(binary), "/workspace/large.bin": large, "/workspace/empty": {}}
	ops := []string{"createSandbox", "uploadSandboxFile", "createSandboxUploadUrl", duvotest.UploadToURL}
	for _, kind := range []duvotest.FaultKind{duvotest.ResetBefore, duvotest.ResetAfter, duvotest.StatusBefore, duvotest.StatusAfter, duvotest.Truncate, duvotest.NotJSON, duvotest.Hang} {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := duvotest.New()
				defer d.Close()
				for _, op := range ops {
					d.Inject(duvotest.Fault{Op: op, Kind: kind})
				}
				id, err := d.Client().StageFiles(t.Context(), tree)
				require.NoError(t, err)
				require.Equal(t, want, d.SandboxFiles(id))
				require.Equal(t, 2, d.Count("createSandbox"))
				require.Equal(t, 4, d.Count("uploadSandboxFile"), "three, and one again")
				for _, r := range d.Requests() {
					if r.Op == duvotest.UploadToURL {
						require.Empty(t, r.Header.Get("Authorization"))
						require.Empty(t, r.Header.Get("Idempotency-Key"))
					}
				}
			})
		})
	}
	t.Run("over a socket", func(t *testing.T) {
		s := duvotest.NewServer()
		defer s.Close()
		for _, op := range ops {
			s.Inject(duvotest.Fault{Op: op, Kind: duvotest.ResetAfter}, duvotest.Fault{Op: op, Kind: duvotest.StatusBefore})
		}
		id, err := s.Client(duvo.WithRetries(5, time.Millisecond)).StageFiles(t.Context(), tree)
		require.NoError(t, err)
		require.Equal(t, want, s.SandboxFiles(id))
		require.Equal(t, 3, s.Count(duvotest.UploadToURL))
	})
}

func FuzzUploadForm(f *testing.F) {
	body, kind := form("path", "/workspace/a", "file", binary)
	f.Add(kind, []byte(body))
	f.Add("multipart/form-data; boundary=x", []byte("--x\r\nContent-Disposition: form-data; name=path\r\n\r\n/workspace/\xff\r\n--x--"))
	f.Add("multipart/form-data; boundary=x", []byte("--x\r\nContent-Disposition: form-data; name=file\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=3D\r\n--x\r\n\r\n"))
	d := duvotest.New()
	f.Cleanup(d.Close)
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		box, err := d.Client().CreateSandbox(t.Context())
		require.NoError(t, err)
		r, err := http.NewRequest("POST", duvotest.MemoryURL+"/v2/sandboxes/"+box.ID+"/files", bytes.NewReader(body))
		require.NoError(t, err)
		r.Header["Content-Type"] = []string{kind}
		r.Header.Set("Authorization", "Bearer "+d.Key())
		resp, err := d.HTTPClient().Transport.RoundTrip(r)
		require.NoError(t, err)
		require.Contains(t, []int{201, 400, 413}, resp.StatusCode)
		files := d.SandboxFiles(box.ID)
		require.Equal(t, resp.StatusCode == 201, len(files) == 1)
		for p, content := range files {
			require.True(t, strings.HasPrefix(p, "/workspace/"))
			require.True(t, bytes.Contains(body, content), "as it was sent, to the byte")
		}
	})
}
