package duvotool_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/journal"
	"github.com/stretchr/testify/require"
)

// A record that goes back does not come through with another time, as if it had been
// forgotten and begun anew: it is bound to its time. What earlier releases wrote is
// not, so there the time proves nothing.
func TestARecordGoesBackUnderALaterTime(t *testing.T) {
	for name, older := range map[string]func(j *tampered, r journal.Record) journal.Record{
		"its own": func(j *tampered, r journal.Record) journal.Record { return j.was(r.Key, 1) },
		"of an earlier release": func(j *tampered, r journal.Record) journal.Record {
			id := identityOf(t, j)
			return sealedBefore(t, journalKey1, id, j.was(r.Key, 1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := duvotest.New(duvotest.WithAssignment(slowRefunds), duvotest.WithProfile(duvotest.Profile{Idempotency: duvotest.KeysIgnored}))
				defer d.Close()
				j := newTampered()
				reg := open(t, d.Client(), j, duvotool.WithJournalKey(journalKey1), approveAfter(time.Second, nil))
				defer shut(t, reg)
				run := func() error {
					_, err := reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "done"), "1 EUR")
					return err
				}
				require.NoError(t, run())
				j.tell(func(r journal.Record) (journal.Record, bool) {
					r = older(j, r)
					r.At = time.Now()
					return r, true
				})
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				_, err := reg.All()[0].Run(duvotool.WithOperationKey(ctx, "done"), "1 EUR")
				j.tell(nil)
				require.ErrorIs(t, err, journal.ErrFailed)
				require.Len(t, d.Jobs(), 1)
				require.NoError(t, run())
				require.Len(t, d.Jobs(), 1)
			})
		})
	}
}

// deriveJournalKey derives a key for sealing, as every release does.
func deriveJournalKey(t *testing.T, key []byte) cipher.AEAD {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("duvotool journal seal"))
	block, err := aes.NewCipher(mac.Sum(nil))
	require.NoError(t, err)
	aead, err := cipher.NewGCMWithRandomNonce(block)
	require.NoError(t, err)
	return aead
}

// boundTo is what a record in a form is bound to.
func boundTo(form int, id string, r journal.Record) []byte {
	done := byte(0)
	if r.Done {
		done = 1
	}
	b := fmt.Appendf(nil, "duvotool record %d %d:%s%d:%s", form, len(id), id, len(r.Key), r.Key)
	b = append(binary.BigEndian.AppendUint64(b, r.Revision), done)
	if form == 3 {
		b = binary.BigEndian.AppendUint64(b, uint64(r.At.UnixMicro()))
	}
	return b
}

// identityOf returns the name of an encrypted journal.
func identityOf(t *testing.T, j *tampered) string {
	r, err := j.Journal.Get(t.Context(), "journal")
	require.NoError(t, err)
	text, err := deriveJournalKey(t, journalKey1).Open(nil, nil, r.Data[2:], boundTo(int(r.Data[1]), "", r))
	require.NoError(t, err)
	var name struct{ ID string }
	require.NoError(t, json.Unmarshal(text, &name))
	return name.ID
}

// sealedBefore turns a record into one that the release before wrote.
func sealedBefore(t *testing.T, key []byte, id string, r journal.Record) journal.Record {
	aead := deriveJournalKey(t, key)
	text, err := aead.Open(nil, nil, r.Data[2:], boundTo(3, id, r))
	require.NoError(t, err)
	r.Data = aead.Seal([]byte{1, 2}, nil, text, boundTo(2, id, r))
	return r
}

// A journal whose records the release before encrypted, which bound them to no time,
// is taken up, its name too, and each is bound to its time when it is put next.
func TestSealedRecordsWithoutATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(slowRefunds))
		defer d.Close()
		was := newTampered()
		interrupted(t, d, was, duvotool.WithJournalKey(journalKey1))
		id := identityOf(t, was)
		j := newTampered()
		for key, past := range was.past {
			last, name := past[len(past)-1], id
			if key == "journal" {
				name = ""
			}
			last = sealedBefore(t, journalKey1, name, last)
			for last.Revision = 0; int(last.Revision) < len(past); last.Revision++ {
				_, err := j.Put(t.Context(), last)
				require.NoError(t, err)
			}
		}
		reg := open(t, d.Client(), j, duvotool.WithJournalKey(journalKey1), approveAfter(time.Second, nil))
		require.Len(t, reg.Resumed(), 1)
		require.NoError(t, reg.Wait(t.Context()))
		shut(t, reg)
		require.Equal(t, 1, d.Count("startRun"))
		require.Equal(t, 1, d.Count("respondToHumanRequest"))
		for key, past := range j.past {
			if len(past) > len(was.past[key]) {
				require.Equal(t, []byte{1, 3}, past[len(past)-1].Data[:2], key)
			}
		}
	})
}
