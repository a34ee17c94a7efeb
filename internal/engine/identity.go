package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"

	"github.com/duvotool/duvotool/journal"
)

type identity struct {
	ID string `json:"id"`
}

// identify reads who the journal is, or names it. It writes the name anew where
// it was encrypted with a key that is being replaced. It is called before any
// other record is read or put.
func (l *ledger) identify(ctx context.Context) error {
	if len(l.keys) == 0 {
		return nil
	}
	var err error
	for range 5 { // others may name it at once
		var r journal.Record
		var found bool
		var i identity
		if r, found, err = l.get(ctx, identityRecord); err == nil && found {
			err = l.open(r, &i)
		}
		if err != nil {
			return err
		}
		switch {
		case found && i.ID == "":
			return fmt.Errorf("%w: the record %s makes no sense", journal.ErrFailed, r.Key)
		case !found:
			r, i.ID = journal.Record{Key: identityRecord}, rand.Text()
		case l.keys[0].opens(l.bound(r, r.Data[1]), r.Data[2:]):
			l.id = i.ID
			return nil
		}
		if r.Data, err = l.close(i); err == nil {
			_, err = l.put(r)
		}
		switch {
		case err == nil:
			l.id = i.ID
			return nil
		case !errors.Is(err, journal.ErrConflict):
			return err
		}
	}
	return err
}

// A bearer is to whom a handle was given. Together with the tenant of the
// operation it is who alone can use it.
type bearer struct {
	user, scope string
}

// A slot is where an operation is found.
type slot struct{ tenant, key string }

func slotOf(tenant, key string) string { return strconv.Itoa(len(tenant)) + ":" + tenant + key }
