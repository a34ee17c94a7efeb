package duvotest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// An Assignment is what the Duvo offers.
type Assignment struct {
	ID          string // a UUID; default: one derived from the name
	Name        string // required, unless there is an ID
	Description string // of the latest Build; empty: none, which the wire tells as null
	NoBuild     bool   // there is no latest Build at all
	Folder      string // a path such as "Support/Refunds"; empty: none

	// Script is what a Job does, in a goroutine of its own. A Job whose Script
	// is nil completes at once.
	Script Script

	// Resume is what a Job does when a message resumes it after it completed
	// or was interrupted. Default: it repeats the message and completes.
	Resume func(j *Job, message string)
}

// A Script is what a Job does, in plain Go. Returning completes the Job with
// what it said last; a panic and runtime.Goexit, which t.FailNow calls, fail it.
type Script func(j *Job)

type assignment struct {
	Assignment
	folderID string
	buildID  string
	revision int
	created  time.Time
	updated  time.Time
	jobs     int       // started so far
	lastJob  time.Time // when the last one was started
}

type folder struct{ id, name, parent, path string }

// AddAssignment adds an Assignment, also while the Duvo serves. A name or ID
// that makes no sense, an ID that is taken and a folder such as "a//b" are
// errors.
func (d *Duvo) AddAssignment(a Assignment) error {
	if a.ID == "" && a.Name != "" {
		a.ID = stableUUID("assignment", a.Name)
	}
	if err := a.check(); err != nil {
		return fmt.Errorf("duvotest: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if other := d.assignment(a.ID); other != nil {
		return fmt.Errorf("duvotest: the Assignments %q and %q have the same ID, %s; give one of them another", other.Name, a.Name, a.ID)
	}
	now := time.Now()
	d.assignments = append(d.assignments, &assignment{Assignment: a, folderID: d.folder(a.Folder),
		buildID: stableUUID("build", a.ID), revision: 1, created: now, updated: now})
	return nil
}

// maxFolderDepth bounds how deep folders lie in each other.
const maxFolderDepth = 16

func (a *Assignment) check() error {
	if a.Name == "" && a.ID == "" {
		return errors.New("an Assignment needs a name or an ID")
	}
	if !isUUID(a.ID) {
		return fmt.Errorf("the Assignment ID %q is no UUID", a.ID)
	}
	path := strings.Trim(a.Folder, "/")
	if path == "" {
		return nil
	}
	names := strings.Split(path, "/")
	if slices.Contains(names, "") || len(names) > maxFolderDepth {
		return fmt.Errorf("the folder %.80q is no path of at most %d names, such as Support/Refunds", a.Folder, maxFolderDepth)
	}
	return nil
}

// UpdateAssignment changes an Assignment; it gets a new Build. Its ID stays.
// Jobs that run already are not changed. The function must not call the Duvo.
func (d *Duvo) UpdateAssignment(id string, change func(*Assignment)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.assignment(id)
	if s == nil {
		return fmt.Errorf("duvotest: there is no Assignment %s", id)
	}
	next := s.Assignment
	change(&next)
	next.ID = s.ID
	if err := next.check(); err != nil {
		return fmt.Errorf("duvotest: %w", err)
	}
	s.Assignment = next
	s.revision++
	s.buildID = stableUUID("build", fmt.Sprint(s.ID, s.revision))
	s.updated = time.Now()
	s.folderID = d.folder(s.Folder)
	return nil
}

// RemoveAssignment removes an Assignment. Its Jobs go on.
func (d *Duvo) RemoveAssignment(id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, s := range d.assignments {
		if strings.EqualFold(s.ID, id) {
			d.assignments = slices.Delete(d.assignments, i, i+1)
			return nil
		}
	}
	return fmt.Errorf("duvotest: there is no Assignment %s", id)
}

// assignment is called with mu held.
func (d *Duvo) assignment(id string) *assignment {
	for _, s := range d.assignments {
		if strings.EqualFold(s.ID, id) {
			return s
		}
	}
	return nil
}

// folder returns the ID of the folder at a path, making it and those above;
// empty for no path. Called with mu held.
func (d *Duvo) folder(path string) string {
	if path = strings.Trim(path, "/"); path == "" {
		return ""
	}
	var parent, sofar string
	for _, name := range strings.Split(path, "/") {
		sofar += "/" + name
		at := slices.IndexFunc(d.folders, func(f *folder) bool { return f.path == sofar })
		if at < 0 {
			at = len(d.folders)
			d.folders = append(d.folders, &folder{id: stableUUID("folder", sofar), name: name, parent: parent, path: sofar})
		}
		parent = d.folders[at].id
	}
	return parent
}
