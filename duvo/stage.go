package duvo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/safetext"
)

// What StageFiles takes at most.
const (
	maxStagedFiles   = 1000
	maxStagedBytes   = 1 << 30
	maxStagedEntries = 10_000 // with directories
)

// StageFiles makes a sandbox, puts every file of a file system into it, below
// [SandboxRoot] and under the same name, and returns the sandbox's ID for
// [StartJob.SandboxID]. A file system without files makes an empty sandbox;
// directories without files are left out.
//
// It takes at most 1,000 files and 1 GiB of them, and regular files only: a
// symbolic link, a device or whatever else is refused, as is a name that cannot
// be a path in a sandbox. All names and sizes are looked at before anything is
// sent; a file that is another when it is read is an error. Files are read one
// after the other, larger ones than [MaxDirectUpload] once for each attempt.
//
// What can be read is what fsys gives. [os.DirFS] follows a link that takes a
// file's place in that moment, wherever it leads: for a directory that others
// write to, use the FS of an [os.Root].
//
// With an error there is no sandbox to use: one that was made is left to
// expire. No error of StageFiles has started a Job.
func (c *Client) StageFiles(ctx context.Context, fsys fs.FS) (sandboxID string, err error) {
	files, err := listFiles(ctx, fsys)
	if err != nil {
		return "", noEffect(errtext.Errorf("duvo: staging files: %w", err))
	}
	box, err := c.CreateSandbox(ctx)
	if err != nil {
		return "", errtext.Errorf("duvo: staging files: %w", err)
	}
	for _, f := range files {
		_, err := c.upload(ctx, SandboxUpload{SandboxID: box.ID, Path: SandboxRoot + "/" + f.name, Size: f.size},
			func() (io.ReadCloser, error) { return f.open(fsys) }, true)
		if err != nil {
			return "", errtext.Errorf("duvo: staging %s: %w", shown(f.name), err)
		}
	}
	return box.ID, nil
}

// A stagedFile is a file that is to be staged.
type stagedFile struct {
	name string // in the file system
	size int64
}

// listFiles lists all regular files, and refuses a file system with anything
// that cannot be staged.
func listFiles(ctx context.Context, fsys fs.FS) ([]stagedFile, error) {
	if fsys == nil {
		return nil, fmt.Errorf("%w: the file system is nil", ErrInvalid)
	}
	var files []stagedFile
	var entries int
	var bytes int64
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if entries++; entries > maxStagedEntries {
			return fmt.Errorf("%w: there are more than %d files and directories", ErrInvalid, maxStagedEntries)
		}
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", shown(name), err)
		case ctx.Err() != nil:
			return ended(ctx)
		case !stageable(name):
			return fmt.Errorf("%w: %s cannot be the path of a file in a sandbox", ErrInvalid, shown(name))
		case d.IsDir():
			return nil
		case !d.Type().IsRegular():
			return fmt.Errorf("%w: %s is not a regular file, but %s", ErrInvalid, shown(name), kindOfFile(d.Type()))
		}
		info, err := d.Info()
		if err != nil {
			return fmt.Errorf("%s: %w", shown(name), err)
		}
		size := info.Size()
		if len(files) == maxStagedFiles {
			return fmt.Errorf("%w: there are more than %d files", ErrInvalid, maxStagedFiles)
		}
		if size < 0 || size > maxStagedBytes-bytes {
			return fmt.Errorf("%w: with %s there are more than %d bytes", ErrInvalid, shown(name), maxStagedBytes)
		}
		files, bytes = append(files, stagedFile{name, size}), bytes+size
		return nil
	})
	return files, err
}

// stageable reports whether a name of a file system is one of a sandbox too.
func stageable(name string) bool {
	return fs.ValidPath(name) && utf8.ValidString(name) && !strings.ContainsFunc(name, unicode.IsControl) &&
		len(SandboxRoot)+1+len(name) <= maxSandboxPath
}

func kindOfFile(m fs.FileMode) string {
	switch {
	case m&fs.ModeSymlink != 0:
		return "a symbolic link"
	case m&fs.ModeNamedPipe != 0:
		return "a pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeDevice != 0:
		return "a device"
	}
	return "something else"
}

func shown(name string) string { return safetext.OneLine(name, 200) }

var errChanged = errors.New("it changed while files were staged")

// open opens the file, if it is still the one that was listed.
func (f stagedFile) open(fsys fs.FS) (io.ReadCloser, error) {
	file, err := fsys.Open(f.name)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && (!info.Mode().IsRegular() || info.Size() != f.size) {
		err = errChanged
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}
