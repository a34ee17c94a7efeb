package setup

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
	"github.com/tmc/langchaingo/llms"
)

func never(Turn) ([]Call, string) { return nil, "the stand-in" }

func noEnv(t *testing.T) {
	for _, name := range []string{duvo.EnvAPIKey, duvo.EnvTeamID, duvo.EnvBaseURL, "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL", "OLLAMA_HOST", "OLLAMA_MODEL"} {
		t.Setenv(name, "")
	}
}

// The environment chooses the model, and what each is asked for.
func TestModel(t *testing.T) {
	noEnv(t)
	var path, auth, asked string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Model string }
		_ = json.NewDecoder(r.Body).Decode(&in)
		path, auth, asked = r.URL.Path, r.Header.Get("Authorization"), in.Model
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"choices":[{"message":{"role":"assistant","content":"real"}}]}`)
	}))
	defer server.Close()
	host := server.URL[len("http://"):]
	for _, c := range []struct {
		env               map[string]string
		path, auth, model string
	}{
		{map[string]string{"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": server.URL + "/v9"}, "/v9/chat/completions", "Bearer k", "gpt-4o-mini"},
		{map[string]string{"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": server.URL, "OPENAI_MODEL": "m", "OLLAMA_HOST": "x"}, "/chat/completions", "Bearer k", "m"},
		{map[string]string{"OLLAMA_HOST": host}, "/v1/chat/completions", "Bearer ollama", "llama3.1"},
		{map[string]string{"OLLAMA_HOST": server.URL + "/", "OLLAMA_MODEL": "m"}, "/v1/chat/completions", "Bearer ollama", "m"},
	} {
		noEnv(t)
		for k, v := range c.env {
			t.Setenv(k, v)
		}
		m, _, err := Model(never)
		require.NoError(t, err)
		text, err := llms.GenerateFromSinglePrompt(t.Context(), m, "hello")
		require.NoError(t, err)
		require.Equal(t, "real", text)
		require.Equal(t, []string{c.path, c.auth, c.model}, []string{path, auth, asked})
	}
}

// The environment chooses Duvo.
func TestFromEnv(t *testing.T) {
	noEnv(t)
	here := duvotest.New()
	defer here.Close()
	s, err := fromEnv(Offline(here, never, io.Discard), never)
	require.NoError(t, err)
	require.NotEmpty(t, s.Options)

	t.Setenv(duvo.EnvAPIKey, "dv_secret")
	t.Setenv(duvo.EnvBaseURL, "http://example.com")
	_, err = fromEnv(s, never)
	require.ErrorContains(t, err, "unencrypted")
	require.NotContains(t, err.Error(), "dv_secret")

	t.Setenv(duvo.EnvBaseURL, "https://example.com")
	s, err = fromEnv(s, never)
	require.NoError(t, err)
	require.Empty(t, s.Options, "the real one is read by the Job's age")
	require.Contains(t, s.Client.String(), "example.com")
}

func TestPick(t *testing.T) {
	about := map[string]string{"a": "refunds for broken orders", "b": "the status of orders", "c": "newsletters"}
	require.Equal(t, "a", Pick("My order is broken, refund it", about))
	require.Equal(t, "b", Pick("what is the status of my order", about))
	require.Equal(t, "a", Pick("xylophone", about), "always the same one")
	require.Empty(t, Pick("anything", nil))
}
