package duvotool_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/journal"
	"github.com/stretchr/testify/require"
)

// What is printed of a registry, its tools and options tells no secrets, whatever
// the verb or the log handler, and printing reads nothing that changes.
func TestPrintingTellsNoSecrets(t *testing.T) {
	d := duvotest.New(duvotest.WithAssignments(duvotest.Assignment{Name: "one"}))
	defer d.Close()
	hook := []byte("the webhook's own secret")
	key := bytes.Repeat([]byte{201, 202, 203, 204}, 8)
	opts := []duvotool.Option{duvotool.WithJournal(journal.NewMemory()), duvotool.WithJournalKey(key),
		duvotool.WithWebhook("https://h.example.com/h", "whsec_"+base64.StdEncoding.EncodeToString(hook))}
	reg, err := duvotool.Discover(t.Context(), d.Client(), opts...)
	require.NoError(t, err)
	defer reg.Close(context.Background())
	var work sync.WaitGroup
	defer work.Wait()
	work.Go(func() {
		for range 20 {
			_, _ = reg.Refresh(t.Context())
		}
	})
	holds := struct{ Registry *duvotool.Registry }{reg}
	for _, v := range []any{reg, reg.Webhook(), &http.Server{Handler: reg.Webhook()}, holds, &holds, reg.All()[0], reg.All(), opts, opts[1], opts[2]} {
		var logged strings.Builder
		slog.New(slog.NewTextHandler(&logged, nil)).Info("made", "what", v)
		slog.New(slog.NewJSONHandler(&logged, nil)).Info("made", "what", v)
		texts := []string{logged.String()}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			texts = append(texts, fmt.Sprintf(verb, v))
		}
		for _, text := range texts {
			for _, secret := range [][]byte{hook, key, []byte(d.Key())} {
				for _, as := range []string{"%d", "%s", "%x", "%X", "% x", "%q"} {
					require.NotContains(t, text, strings.Trim(fmt.Sprintf(as, secret), "[]"))
				}
				require.NotContains(t, text, base64.StdEncoding.EncodeToString(secret))
			}
		}
	}
	require.Equal(t, "duvotool.Registry", fmt.Sprint(reg))
	require.Equal(t, "duvotool.Tool(one)", fmt.Sprintf("%+v", reg.All()[0]))
}
