package duvo

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/duvotool/duvotool/internal/syncbuf"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
)

func TestOptionsAreChecked(t *testing.T) {
	key := WithAPIKey(testKey)
	source := WithTokenSource(oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "t"}))
	for name, c := range map[string]struct {
		opts []Option
		ok   bool
	}{
		"nothing":              {nil, false},
		"a key":                {[]Option{key}, true},
		"a token source":       {[]Option{source}, true},
		"both":                 {[]Option{key, source}, false},
		"a nil option":         {[]Option{nil, key, nil}, true},
		"empty key":            {[]Option{WithAPIKey("")}, false},
		"space around the key": {[]Option{WithAPIKey(testKey + "\n")}, false},
		"space in the key":     {[]Option{WithAPIKey("dv a")}, false},
		"a key in two lines":   {[]Option{WithAPIKey("dv\r\nX: y")}, false},
		"a key in Greek":       {[]Option{WithAPIKey("dv_κ")}, false},
		"nil source":           {[]Option{WithTokenSource(nil)}, false},
		"nil client":           {[]Option{key, WithHTTPClient(nil)}, false},
		"nil logger":           {[]Option{key, WithLogger(nil)}, false},
		"no timeout":           {[]Option{key, WithTimeout(0)}, false},
		"no attempt":           {[]Option{key, WithRetries(0, time.Second)}, false},
		"negative wait":        {[]Option{key, WithRetries(1, -1)}, false},
		"tiny bodies":          {[]Option{key, WithMaxBody(10)}, false},
		"no rows":              {[]Option{key, WithMaxRows(0)}, false},
		"no agent":             {[]Option{key, WithUserAgent("")}, false},
		"agent with a line":    {[]Option{key, WithUserAgent("a\nb")}, false},
		"agent with a bell":    {[]Option{key, WithUserAgent("a\ab")}, false},
		"everything": {[]Option{key, WithTeam(teamID), WithTimeout(time.Second), WithRetries(1, 0), WithMaxBody(1024), WithMaxRows(1),
			WithUserAgent("a b/1"), WithLogger(slog.Default()), WithHTTPClient(http.DefaultClient), AllowPlainHTTP()}, true},
	} {
		cl, err := New(c.opts...)
		require.Equal(t, c.ok, err == nil, "%s: %v", name, err)
		require.Equal(t, c.ok, cl != nil, name)
		if err != nil {
			require.NotContains(t, err.Error(), testKey)
			require.True(t, strings.HasPrefix(err.Error(), "duvo: "), err.Error())
		}
	}
	_, err := New()
	requireKind(t, ErrUnauthorized, err)
	require.ErrorContains(t, err, EnvAPIKey)
}

func TestBaseURL(t *testing.T) {
	for in, want := range map[string]string{
		"https://api.duvo.ai":          "https://api.duvo.ai",
		"https://api.duvo.ai/":         "https://api.duvo.ai",
		" https://api.duvo.ai/v2 ":     "https://api.duvo.ai",
		"https://api.duvo.ai/v2/":      "https://api.duvo.ai",
		"HTTPS://API.duvo.ai?":         "https://API.duvo.ai",
		"https://proxy/duvo":           "https://proxy/duvo",
		"https://proxy/duvo/v2//":      "https://proxy/duvo",
		"https://proxy:8443":           "https://proxy:8443",
		"http://localhost:80":          "http://localhost:80",
		"http://LOCALHOST":             "http://LOCALHOST",
		"http://127.0.0.1:1":           "http://127.0.0.1:1",
		"http://127.8.9.1":             "http://127.8.9.1",
		"http://[::1]:8080/x":          "http://[::1]:8080/x",
		"http://api.duvo.ai":           "",
		"http://10.0.0.1":              "",
		"http://0.0.0.0":               "",
		"http://localhost.example.com": "",
		"http://127.0.0.1.nip.io":      "",
		"http://[::ffff:10.0.0.1]":     "",
		"ftp://localhost":              "",
		"unix:///run/duvo.sock":        "",
		"api.duvo.ai":                  "",
		"localhost:8080":               "",
		"https:api.duvo.ai":            "",
		"https://":                     "",
		"https://:443":                 "",
		"":                             "",
		"/v2":                          "",
		"https://u:p@api.duvo.ai":      "",
		"https://u@api.duvo.ai":        "",
		"https://api.duvo.ai/?k=v":     "",
		"https://api.duvo.ai/#f":       "",
		"https://api.duvo.ai:x":        "",
		"https://a\x00b":               "",
		"https://%zz":                  "",
	} {
		c, err := New(WithAPIKey(testKey), WithBaseURL(in))
		if want == "" {
			require.Error(t, err, in)
			require.NotContains(t, err.Error(), "u:p", "a password is not repeated")
			continue
		}
		require.NoError(t, err, in)
		require.Equal(t, want, c.base.String())
	}
	for _, in := range []string{"http://api.duvo.ai", "http://10.0.0.1"} {
		_, err := New(WithAPIKey(testKey), WithBaseURL(in), AllowPlainHTTP())
		require.NoError(t, err)
	}
	_, err := New(WithAPIKey(testKey), WithBaseURL("ftp://10.0.0.1"), AllowPlainHTTP())
	require.Error(t, err)
	for _, in := range []string{"127.0.0.1:8400", "api.duvo.ai", "https://%zz"} {
		_, err := New(WithAPIKey(testKey), WithBaseURL(in))
		require.ErrorContains(t, err, "it looks like "+DefaultBaseURL, in)
	}
}

func TestFromEnv(t *testing.T) {
	set := func(t *testing.T, key, team, base string) {
		t.Setenv(EnvAPIKey, key)
		t.Setenv(EnvTeamID, team)
		t.Setenv(EnvBaseURL, base)
	}
	t.Run("empty", func(t *testing.T) {
		set(t, "", " ", "")
		_, err := FromEnv()
		requireKind(t, ErrUnauthorized, err)
		require.ErrorContains(t, err, EnvAPIKey)
	})
	t.Run("key alone", func(t *testing.T) {
		set(t, " "+testKey+"\n", "", "")
		c, err := FromEnv()
		require.NoError(t, err)
		require.Equal(t, DefaultBaseURL, c.base.String())
		require.Empty(t, c.team.id)
		token, err := c.token()
		require.NoError(t, err)
		require.Equal(t, testKey, token)
	})
	t.Run("all, and used", func(t *testing.T) {
		s := answers(t, 200, success)
		set(t, testKey, " "+teamID+" ", s.URL+prefix+"/v2/\n")
		c, err := FromEnv(WithHTTPClient(s.Server.Client()))
		require.NoError(t, err)
		_, err = c.Folders(t.Context())
		require.NoError(t, err)
		require.Equal(t, prefix+"/v2/teams/"+teamID+"/agent-folders", s.saw()[0].uri)
		require.Equal(t, "Bearer "+testKey, s.saw()[0].header.Get("Authorization"))
	})
	t.Run("options win", func(t *testing.T) {
		set(t, testKey, teamID, "https://env.example")
		c, err := FromEnv(WithAPIKey("dv_other"), WithTeam("t2"), WithBaseURL("https://opt.example"))
		require.NoError(t, err)
		require.Equal(t, "https://opt.example", c.base.String())
		require.Equal(t, "t2", c.team.id)
		token, _ := c.token()
		require.Equal(t, "dv_other", token)
	})
	t.Run("wrong values", func(t *testing.T) {
		set(t, testKey, "a/b", "")
		_, err := FromEnv()
		requireKind(t, ErrInvalid, err)
		set(t, testKey, "", "http://api.duvo.ai")
		_, err = FromEnv()
		require.ErrorContains(t, err, "unencrypted")
	})
}

func TestInjectedClientIsCopied(t *testing.T) {
	called := false
	h := &http.Client{Timeout: time.Nanosecond, CheckRedirect: func(*http.Request, []*http.Request) error { called = true; return nil }}
	s := answers(t, 200, success)
	h.Transport = s.Server.Client().Transport
	c := s.client(t, WithHTTPClient(h))
	_, err := c.Folders(t.Context())
	require.NoError(t, err, "its timeout is not used")
	require.Equal(t, time.Nanosecond, h.Timeout)
	require.NoError(t, h.CheckRedirect(nil, nil))
	require.True(t, called, "and it is left as it was")
}

func TestClientShowsNoKey(t *testing.T) {
	c, err := New(WithAPIKey(testKey), WithTeam(teamID))
	require.NoError(t, err)
	require.Equal(t, "duvo.Client(api.duvo.ai)", c.String())
	require.Equal(t, 30*time.Second, c.Timeout())
	type holder struct {
		C *Client
		c *Client
		E any
	}
	var logged syncbuf.Buffer
	for _, l := range []*slog.Logger{slog.New(slog.NewTextHandler(&logged, nil)), slog.New(slog.NewJSONHandler(&logged, nil))} {
		l.Info("x", "client", c, "any", any(c), "holder", holder{c, c, c})
	}
	j, err := json.Marshal(map[string]any{"client": c})
	require.NoError(t, err)
	texts := []string{c.String(), c.GoString(), logged.String(), string(j)}
	for _, v := range []any{c, holder{c, c, c}, &holder{c, c, c}, []*Client{c}, map[string]any{"c": c}, c.cfg, &c.cfg} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%p"} {
			texts = append(texts, fmt.Sprintf(verb, v))
		}
	}
	for _, s := range texts {
		require.NotContains(t, s, testKey)
		require.NotContains(t, s, fmt.Sprintf("%x", testKey))
	}
	require.Equal(t, "duvo.Client(none)", (*Client)(nil).String())
	require.Equal(t, "duvo.Client(none)", fmt.Sprint(&Client{}))
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	peers := make(chan string, 3)
	s := serve(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		peers <- r.RemoteAddr
		answer(w, 200, success)
	})
	c := s.client(t)
	for range 2 {
		_, err := c.Folders(t.Context())
		require.NoError(t, err)
	}
	c.CloseIdleConnections()
	_, err := c.Folders(t.Context())
	require.NoError(t, err)
	first, second, third := <-peers, <-peers, <-peers
	require.Equal(t, first, second, "a connection is kept")
	require.NotEqual(t, second, third, "until it is closed")
}
