package duvo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"github.com/duvotool/duvotool/internal/errtext"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"path"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/duvotool/duvotool/internal/jsonkeys"
)

// MaxDirectUpload is the size, in bytes, up to which a file is uploaded to the
// API itself: the 10 MB of the published description. A larger one goes to an
// upload URL that the server gives for it.
const MaxDirectUpload = 10_000_000

// SandboxRoot is the directory of a sandbox that a Job works in.
const SandboxRoot = "/workspace"

// A Sandbox holds files for a Job: put them in, then start the Job with
// [StartJob.SandboxID].
type Sandbox struct {
	ID        string    `json:"sandbox_id"`
	ExpiresAt time.Time `json:"expires_at,omitzero"` // zero: not told
}

// A SandboxFile is an entry of a sandbox's directory.
type SandboxFile struct {
	Name string `json:"name"` // the last element of Path
	Path string `json:"path"` // absolute, as in /workspace/orders.csv
	Type string `json:"type"` // "file" or "dir"
	Size int64  `json:"size_bytes"`
}

// A SandboxUpload says what file to put where.
type SandboxUpload struct {
	SandboxID string
	Path      string // absolute and clean, as in /workspace/orders.csv

	// Content is read until the upload returns, and a Read that blocks holds
	// it up. It must hold Size bytes, not fewer and not more. Above
	// [MaxDirectUpload] a failed attempt is repeated only if Content is an
	// [io.ReaderAt] and an [io.Seeker] too, as an *os.File and a *bytes.Reader
	// are; it is then read from where it stands, and left standing there.
	Content io.Reader
	Size    int64

	// IdempotencyKey is as in [StartJob]. It goes with a direct upload only.
	IdempotencyKey string
}

// CreateSandbox makes an empty sandbox. It is tried again as reads are: one that
// is made and never heard of stays empty until it expires.
func (c *Client) CreateSandbox(ctx context.Context) (Sandbox, error) {
	const op = "createSandbox"
	var s Sandbox
	_, err := c.do(ctx, call{op: op, method: http.MethodPost, path: "/v2/sandboxes", repeatable: true,
		decode: func(body []byte) error {
			if err := json.Unmarshal(body, &s); err != nil {
				return err
			}
			return jsonkeys.Check(body, nil)
		}})
	if err != nil {
		return Sandbox{}, err
	}
	if checkID("sandbox", s.ID) != nil {
		return Sandbox{}, badBody(op, errors.New("the sandbox's ID is none"), true)
	}
	return s, nil
}

// SandboxFiles lists a directory of a sandbox, without what lies in its
// directories. An empty dir means [SandboxRoot].
func (c *Client) SandboxFiles(ctx context.Context, sandboxID, dir string) ([]SandboxFile, error) {
	const op = "listSandboxFiles"
	if err := checkID("sandbox", sandboxID); err != nil {
		return nil, err
	}
	q := url.Values{}
	if dir != "" {
		if err := checkSandboxPath(dir); err != nil {
			return nil, err
		}
		q.Set("path", dir)
	}
	body, err := c.do(ctx, call{op: op, method: http.MethodGet, path: "/v2/sandboxes/" + sandboxID + "/files", query: q})
	if err != nil {
		return nil, err
	}
	files, _, err := decodeList[SandboxFile](body, "files")
	if err != nil {
		return nil, badBody(op, err, false)
	}
	return files, nil
}

// UploadSandboxFile puts a file into a sandbox, and returns where it is now. A
// file that is there already is replaced. The upload is tried again as reads
// are, since its effect is the same each time.
//
// The published description does not tell the form of a direct upload. It is
// sent as multipart/form-data with the field "path" and, after it, the file as
// the field "file", which is how the form looks that servers read as a stream.
//
// A file larger than [MaxDirectUpload] is sent with PUT to a URL that the server
// gives. The server is not trusted with the choice: the URL must be https (http
// only from one loopback address to another), the request carries neither key
// nor cookie, no redirect is followed, and the address that the host's name
// leads to must be public, or a loopback one if the base URL's is. Such a
// request goes straight to its host, without a proxy, and of the transport that
// was given with [WithHTTPClient] it takes the settings only if that is an
// *http.Transport; a URL at the origin of the base URL is reached as everything
// else there. Its failures are [*APIError] and [*TransportError] too, with the
// operation "uploadToUrl"; each stretch in which nothing moves is bounded as
// [WithTimeout] says, the whole by ctx alone.
func (c *Client) UploadSandboxFile(ctx context.Context, u SandboxUpload) (SandboxFile, error) {
	if u.Content == nil {
		return SandboxFile{}, noEffect(fmt.Errorf("%w: the upload has no content", ErrInvalid))
	}
	open, again := opener(u.Content, u.Size)
	return c.upload(ctx, u, open, again)
}

// upload is UploadSandboxFile with content that open gives, more than once if
// again is set.
func (c *Client) upload(ctx context.Context, u SandboxUpload, open func() (io.ReadCloser, error), again bool) (SandboxFile, error) {
	if err := checkID("sandbox", u.SandboxID); err != nil {
		return SandboxFile{}, noEffect(err)
	}
	if err := checkSandboxPath(u.Path); err != nil {
		return SandboxFile{}, noEffect(err)
	}
	if u.Path == "/" || u.Size < 0 {
		return SandboxFile{}, noEffect(fmt.Errorf("%w: no file of %d bytes can be at %s", ErrInvalid, u.Size, u.Path))
	}
	if u.Size > MaxDirectUpload {
		return c.uploadByURL(ctx, u, open, again)
	}
	content, err := readExactly(open, u.Size)
	if err != nil {
		return SandboxFile{}, noEffect(errtext.Errorf("duvo: %s: %w", opUpload, err))
	}
	return c.uploadDirectly(ctx, u, content)
}

const opUpload = "uploadSandboxFile"

func (c *Client) uploadDirectly(ctx context.Context, u SandboxUpload, content []byte) (SandboxFile, error) {
	form, contentType := uploadForm(u.Path, content)
	var f SandboxFile
	_, err := c.do(ctx, call{op: opUpload, method: http.MethodPost, path: "/v2/sandboxes/" + u.SandboxID + "/files",
		raw: form, contentType: contentType, key: u.IdempotencyKey, repeatable: true,
		more: time.Duration(len(form)) * time.Second / slowestUpload,
		decode: func(body []byte) (err error) {
			f, err = decodeUploaded(body, u)
			return err
		}})
	return f, err
}

// slowestUpload is how many bytes a second a direct upload may be counted on
// to take: what it needs at this rate is added to the timeout.
const slowestUpload = 128 << 10

// decodeUploaded reads what became of an upload. What is not told is as it was
// asked for; another size than was sent is an error.
func decodeUploaded(body []byte, u SandboxUpload) (SandboxFile, error) {
	if err := requireObject(body); err != nil {
		return SandboxFile{}, err
	}
	var w struct {
		Path loose[string]   `json:"path"`
		Size loose[*float64] `json:"size_bytes"`
	}
	if err := json.Unmarshal(body, &w); err != nil {
		return SandboxFile{}, err
	}
	if err := jsonkeys.Check(body, nil); err != nil {
		return SandboxFile{}, err
	}
	if w.Size.v != nil && *w.Size.v != float64(u.Size) {
		return SandboxFile{}, fmt.Errorf("%d bytes were sent, and %v are there", u.Size, *w.Size.v)
	}
	return uploaded(firstOf(w.Path.v, u.Path), u.Size), nil
}

func uploaded(p string, size int64) SandboxFile {
	return SandboxFile{Name: path.Base(p), Path: p, Type: "file", Size: size}
}

// uploadForm makes the body of a direct upload, the same for the same path and
// content: a repeated request must be the first one to the byte.
func uploadForm(p string, content []byte) (body []byte, contentType string) {
	sum := sha256.New()
	_, _ = io.WriteString(sum, p+"\x00")
	_, _ = sum.Write(content)
	var b bytes.Buffer
	b.Grow(len(content) + 1024)
	w := multipart.NewWriter(&b)
	_ = w.SetBoundary("duvo-" + hex.EncodeToString(sum.Sum(nil))) // valid, and in no content
	_ = w.WriteField("path", p)
	part, _ := w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {multipart.FileContentDisposition("file", path.Base(p))},
		"Content-Type":        {"application/octet-stream"},
	})
	_, _ = part.Write(content)
	_ = w.Close()
	return b.Bytes(), w.FormDataContentType()
}

const maxSandboxPath = 1024 // bytes

// checkSandboxPath refuses what is no absolute path that means what it says.
func checkSandboxPath(p string) error {
	switch {
	case len(p) > maxSandboxPath:
		return fmt.Errorf("%w: a path in a sandbox has at most %d bytes, not %d", ErrInvalid, maxSandboxPath, len(p))
	case !strings.HasPrefix(p, "/"), path.Clean(p) != p:
		return fmt.Errorf("%w: %.60q is no absolute, clean path such as %s/orders.csv", ErrInvalid, p, SandboxRoot)
	case !utf8.ValidString(p), strings.ContainsFunc(p, unicode.IsControl):
		return fmt.Errorf("%w: the path %.60q has a character that no path should have", ErrInvalid, p)
	}
	return nil
}

// UnmarshalJSON reads a Sandbox as a server sends it. Only a missing ID is an
// error.
func (s *Sandbox) UnmarshalJSON(b []byte) error {
	if err := requireObject(b); err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	var w struct {
		ID        string    `json:"sandbox_id"`
		ExpiresAt looseTime `json:"expires_at"`
	}
	if err := json.Unmarshal(b, &w); err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	if w.ID == "" {
		return errors.New("sandbox: no id")
	}
	*s = Sandbox{ID: w.ID, ExpiresAt: w.ExpiresAt.v}
	return nil
}

// UnmarshalJSON reads a SandboxFile as a server sends it. Only a missing path
// is an error.
func (f *SandboxFile) UnmarshalJSON(b []byte) error {
	if err := requireObject(b); err != nil {
		return fmt.Errorf("sandbox file: %w", err)
	}
	var w struct {
		Name loose[string]  `json:"name"`
		Path string         `json:"path"`
		Type loose[string]  `json:"type"`
		Size loose[float64] `json:"size_bytes"`
	}
	if err := json.Unmarshal(b, &w); err != nil {
		return fmt.Errorf("sandbox file: %w", err)
	}
	if w.Path == "" {
		return errors.New("sandbox file: no path")
	}
	*f = SandboxFile{Name: firstOf(w.Name.v, path.Base(w.Path)), Path: w.Path, Type: w.Type.v, Size: clampSize(w.Size.v)}
	return nil
}

// clampSize turns a JSON number into a count of bytes without overflow.
func clampSize(f float64) int64 {
	switch {
	case f >= 1<<53:
		return 1 << 53
	case f > 0:
		return int64(f)
	}
	return 0
}
