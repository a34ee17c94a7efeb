package webhooks

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

// A question to the libraries for Node: to sign, or, with headers, to verify.
type question struct {
	Library string            `json:"library"`
	Secret  string            `json:"secret"` // base64 where raw
	Raw     bool              `json:"raw"`
	ID      string            `json:"id,omitempty"`
	At      int64             `json:"at,omitempty"`
	Body    string            `json:"body"`
	Headers map[string]string `json:"headers,omitempty"`
}

type reply struct{ Signature, Error string }

// node installs the libraries, where Node and a registry are there, and returns a
// function that asks them.
func node(t *testing.T) func(question) reply {
	if testing.Short() {
		t.Skip("it installs packages")
	}
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not there", program)
		}
	}
	dir := t.TempDir()
	for _, name := range []string{"package.json", "serve.mjs"} {
		b, err := os.ReadFile(filepath.Join("testdata", "npm", name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
	}
	install := exec.CommandContext(t.Context(), "npm", "install", "--no-fund", "--no-audit")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		t.Skipf("npm reaches no registry: %s", out)
	}
	serve := exec.CommandContext(t.Context(), "node", "serve.mjs")
	serve.Dir, serve.Stderr = dir, os.Stderr
	in, err := serve.StdinPipe()
	require.NoError(t, err)
	out, err := serve.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, serve.Start())
	t.Cleanup(func() {
		_ = in.Close()
		_, _ = io.Copy(io.Discard, out)
		_ = serve.Wait()
	})
	lines := bufio.NewScanner(out)
	return func(q question) (r reply) {
		raw, err := json.Marshal(q)
		require.NoError(t, err)
		_, err = in.Write(append(raw, '\n'))
		require.NoError(t, err)
		require.True(t, lines.Scan(), "the script has ended")
		require.NoError(t, json.Unmarshal(lines.Bytes(), &r))
		return r
	}
}

// The libraries for Node, both ways.
func TestLibrariesForNode(t *testing.T) {
	ask := node(t)
	for name, l := range libraries {
		for form, secret := range forms {
			t.Run(name+" "+form, func(t *testing.T) {
				q := question{Library: name, Secret: secret.theirs, Raw: secret.raw}
				if q.Raw {
					q.Secret = base64Of(secret.theirs)
				}
				d := duvotest.New()
				defer d.Close()
				sign := q
				sign.ID, sign.At, sign.Body = "msg_1", time.Now().Unix(), string(body)
				signed := ask(sign)
				require.Empty(t, signed.Error)
				hook := registry(t, d, secret.ours)
				at := strconv.FormatInt(sign.At, 10)
				require.Equal(t, http.StatusNoContent, deliver(hook, l.prefix, "msg_1", at, signed.Signature, body))
				require.Equal(t, http.StatusUnauthorized, deliver(hook, l.prefix, "msg_2", at, signed.Signature, body))

				s := deliveries(t, secret.ours, l.prefix)
				verify := q
				verify.Body, verify.Headers = string(s.bodies[0]), map[string]string{}
				for _, header := range []string{"id", "timestamp", "signature"} {
					verify.Headers[l.prefix+header] = s.headers[0].Get(l.prefix + header)
				}
				require.Empty(t, ask(verify).Error)
				verify.Body += " "
				require.NotEmpty(t, ask(verify).Error)
			})
		}
	}
}
