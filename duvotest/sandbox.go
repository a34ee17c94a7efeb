package duvotest

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/subtle"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/duvotool/duvotool/duvo"
)

// UploadToURL is what requests to an upload URL are told as, for [Duvo.Count]
// and [Fault.Op]. It is no operation of the API's.
const UploadToURL = "uploadToUrl"

const (
	uploadRoot      = "duvotest-uploads" // the first segment of an upload URL's path
	uploadLife      = 15 * time.Minute   // of an upload URL
	maxDirectUpload = duvo.MaxDirectUpload
	maxUploadKept   = 64 << 10 // of an upload's body, in its record
	maxSandboxPath  = 4096
	fileCost        = 256 // bytes that a file costs beside its own and its path's
)

// A sandbox is guarded by Duvo.mu.
type sandbox struct {
	id      string
	expires time.Time
	taken   bool              // by a Job: it lives on
	files   map[string][]byte // by path; what is in there never changes
}

// An upload is an upload URL, guarded by Duvo.mu.
type upload struct {
	box       *sandbox
	path      string
	signature string
	expires   time.Time
}

// SandboxFiles returns the files in a sandbox, by their paths, as in
// /workspace/orders.csv. They are copies; nil where there is no such sandbox or
// it has expired.
func (d *Duvo) SandboxFiles(id string) map[string][]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.sandbox(id).copies()
}

// The functions below are called with Duvo.mu held.

func (s *sandbox) copies() map[string][]byte {
	if s == nil {
		return nil
	}
	out := map[string][]byte{}
	for p, content := range s.files {
		out[p] = append([]byte{}, content...)
	}
	return out
}

// sandbox finds a sandbox; nil for none.
func (d *Duvo) sandbox(id string) *sandbox {
	d.expire(time.Now())
	return d.sandboxes[id]
}

// expire lets go of what has had its time.
func (d *Duvo) expire(now time.Time) {
	for len(d.expiring) > 0 && !now.Before(d.expiring[0].expires) {
		s := d.expiring[0]
		d.expiring = d.expiring[1:]
		if s.taken {
			continue
		}
		for p, content := range s.files {
			d.stored -= cost(p, content)
		}
		delete(d.sandboxes, s.id)
	}
}

func cost(p string, content []byte) int64 { return int64(len(p)+len(content)) + fileCost }

func noSandbox() reply {
	return fail(http.StatusNotFound, "not_found", "There is no such sandbox, or it has expired.")
}

func tooLarge() reply {
	return fail(http.StatusRequestEntityTooLarge, "too_large", "The file is too large.")
}

func (d *Duvo) createSandbox(*incoming) reply {
	now := time.Now()
	d.expire(now)
	s := &sandbox{id: newUUID(), expires: now.Add(d.cfg.sandboxLife)}
	d.sandboxes[s.id] = s
	d.expiring = append(d.expiring, s)
	return reply{status: http.StatusCreated, effect: true, body: map[string]any{"sandbox_id": s.id, "expires_at": stamp(s.expires)}}
}

type wireSandboxFile struct {
	Name string `json:"name"`
	Path string `json:"path"`
	Type string `json:"type"`
	Size int    `json:"size_bytes"`
}

// listSandboxFiles documents no 400: what is no directory is not found.
func (d *Duvo) listSandboxFiles(r *incoming) reply {
	s := d.sandbox(r.args[0])
	if s == nil {
		return noSandbox()
	}
	dir := duvo.SandboxRoot
	if r.Query.Has("path") {
		dir = path.Clean(r.Query.Get("path"))
	}
	rows, found := s.list(dir)
	if !found {
		return fail(http.StatusNotFound, "not_found", "There is no such directory.")
	}
	return ok(map[string]any{"files": rows})
}

// list lists a directory by name. Directories are where files are, and the root
// is always there.
func (s *sandbox) list(dir string) (rows []wireSandboxFile, found bool) {
	rows, found = []wireSandboxFile{}, dir == duvo.SandboxRoot
	dirs := map[string]bool{}
	for p, content := range s.files {
		rest, within := strings.CutPrefix(p, strings.TrimSuffix(dir, "/")+"/")
		if !within {
			continue
		}
		found = true
		name, _, deeper := strings.Cut(rest, "/")
		if !deeper {
			rows = append(rows, wireSandboxFile{name, p, "file", len(content)})
		} else if !dirs[name] {
			dirs[name] = true
			rows = append(rows, wireSandboxFile{name, path.Join(dir, name), "dir", 0})
		}
	}
	slices.SortFunc(rows, func(a, b wireSandboxFile) int { return cmp.Compare(a.Name, b.Name) })
	return rows, found
}

// writable tells whether a file may be put at a path.
func (s *sandbox) writable(p string) bool {
	if !strings.HasPrefix(p, duvo.SandboxRoot+"/") || path.Clean(p) != p || len(p) > maxSandboxPath ||
		!utf8.ValidString(p) || strings.ContainsFunc(p, unicode.IsControl) {
		return false
	}
	for other := range s.files { // a file is no directory
		if strings.HasPrefix(other, p+"/") || strings.HasPrefix(p, other+"/") {
			return false
		}
	}
	return true
}

// put stores a file. The content is copied: it may lie within a larger body.
func (d *Duvo) put(s *sandbox, p string, content []byte) bool {
	more := cost(p, content)
	if old, there := s.files[p]; there {
		more -= cost(p, old)
	}
	if d.stored+more > d.cfg.sandboxBytes {
		return false
	}
	d.stored += more
	if s.files == nil {
		s.files = map[string][]byte{}
	}
	s.files[p] = slices.Clone(content)
	return true
}

func (d *Duvo) uploadSandboxFile(r *incoming) reply {
	s := d.sandbox(r.args[0])
	if s == nil {
		return noSandbox()
	}
	p, content, good := readForm(r.Header.Get("Content-Type"), r.content)
	switch {
	case !good:
		return fail(http.StatusBadRequest, "invalid_request", "The body must be multipart/form-data with the fields path and file, each once.")
	case len(content) > maxDirectUpload:
		return tooLarge()
	case !s.writable(p):
		return fail(http.StatusBadRequest, "invalid_request", "The path must be one of a file below "+duvo.SandboxRoot+".")
	case !d.put(s, p, content):
		return tooLarge()
	}
	return reply{status: http.StatusCreated, effect: true, body: map[string]any{"path": p, "size_bytes": len(content)}}
}

// readForm reads the path and the file of a form.
func readForm(contentType string, body []byte) (p string, content []byte, good bool) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/form-data" || params["boundary"] == "" {
		return "", nil, false
	}
	form := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	fields := map[string][]byte{}
	for {
		part, err := form.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return "", nil, false
		}
		name := part.FormName()
		_, twice := fields[name]
		if twice || name != "path" && name != "file" {
			return "", nil, false
		}
		if fields[name], err = io.ReadAll(part); err != nil {
			return "", nil, false
		}
	}
	_, hasFile := fields["file"]
	return string(fields["path"]), fields["file"], hasFile && len(fields["path"]) > 0
}

// createSandboxUploadURL documents no 400: a path that is not to be written to
// is forbidden.
func (d *Duvo) createSandboxUploadURL(r *incoming) reply {
	s := d.sandbox(r.args[0])
	if s == nil {
		return noSandbox()
	}
	var p string
	if bad := decodeBody(r, field{"path", &p, nil}); bad != nil || !s.writable(p) {
		return fail(http.StatusForbidden, "forbidden", "The path must be one of a file below "+duvo.SandboxRoot+".")
	}
	now := time.Now()
	for id, u := range d.uploads {
		if !now.Before(u.expires) {
			delete(d.uploads, id)
		}
	}
	id, u := newUUID(), &upload{box: s, path: p, signature: rand.Text(), expires: now.Add(uploadLife)}
	d.uploads[id] = u
	return ok(map[string]any{"upload_url": r.base + "/" + uploadRoot + "/" + id + "?" + url.Values{"signature": {u.signature}}.Encode(),
		"path": p, "expires_in_seconds": int(uploadLife / time.Second)})
}

// origin tells where a request was sent to.
func origin(r *http.Request) string {
	scheme, host := "http", r.Host
	switch {
	case r.URL.Host != "": // in memory, the URL is whole
		scheme, host = cmp.Or(r.URL.Scheme, scheme), r.URL.Host
	case r.TLS != nil:
		scheme = "https"
	}
	return (&url.URL{Scheme: scheme, Host: cmp.Or(host, "127.0.0.1")}).String()
}

// uploadToURL is what a store does that took over from the API: it knows the
// URL, and will not have another credential beside it.
func (d *Duvo) uploadToURL(r *incoming) reply {
	u := d.uploads[r.args[0]]
	switch {
	case r.Header.Get("Authorization") != "":
		return fail(http.StatusBadRequest, "invalid_request", "An upload URL is all the authorization there may be.")
	case u == nil || subtle.ConstantTimeCompare([]byte(u.signature), []byte(r.Query.Get("signature"))) == 0 || !time.Now().Before(u.expires):
		return fail(http.StatusForbidden, "forbidden", "The upload URL is not valid, or has expired.")
	case d.sandbox(u.box.id) == nil:
		return noSandbox()
	case !u.box.writable(u.path):
		return fail(http.StatusBadRequest, "invalid_request", "Something else is at the path by now.")
	case !d.put(u.box, u.path, r.content):
		return tooLarge()
	}
	return reply{status: http.StatusOK, effect: true}
}
