package bolt

import (
	"errors"
	"fmt"
	"github.com/duvotool/duvotool/internal/errtext"
)

// What the errors of [Open] may match; those of a [Journal] may match ErrCorrupt and
// ErrMoved.
var (
	// ErrLocked is a journal that another process, or another Journal of this
	// one, has open.
	ErrLocked = errors.New("bolt: the journal is open elsewhere")

	// ErrCorrupt is a file that is damaged, is missing what was put, or is no
	// journal. Nothing in it was changed. Take both files from a backup; or look
	// at [AcceptLoss]; or open another path, and see to the Jobs that were in
	// flight by hand.
	ErrCorrupt = errors.New("bolt: the journal is damaged")

	// ErrMoved is a journal one of whose files was removed or replaced while it
	// was open. Nothing more is taken until the files are back at their paths; or
	// close it, and open what is there now.
	ErrMoved = errors.New("bolt: the journal was removed or replaced")

	// ErrNewer is a journal that a newer release of this package wrote.
	ErrNewer = errors.New("bolt: the journal has a newer format")
)

// damaged says that what was found in a file is ErrCorrupt, unless it is another
// kind already.
func damaged(path string, err error) error {
	if errors.Is(err, ErrNewer) {
		return fmt.Errorf("%w: %s", err, path)
	}
	return errtext.Errorf("%w: %s: %w", ErrCorrupt, path, err)
}

func newer(version uint32) error {
	return fmt.Errorf("%w: %d, and this release reads up to %d", ErrNewer, version, format)
}
