package setup

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tmc/langchaingo/llms"
)

// A model that cannot be used says which variable to look at.
func TestModelThatCannotBeUsed(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer refuses.Close()
	for _, c := range []struct {
		env  map[string]string
		says []string
	}{
		{map[string]string{"OLLAMA_HOST": gone.URL}, []string{"check that it runs, OLLAMA_HOST"}},
		{map[string]string{"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": gone.URL}, []string{"check that it runs, OPENAI_BASE_URL"}},
		{map[string]string{"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": refuses.URL}, []string{"OPENAI_API_KEY"}},
	} {
		noEnv(t)
		for k, v := range c.env {
			t.Setenv(k, v)
		}
		m, _, err := Model(never)
		require.NoError(t, err)
		_, err = llms.GenerateFromSinglePrompt(t.Context(), m, "hello")
		for _, says := range c.says {
			require.ErrorContains(t, err, says)
		}
	}
}
