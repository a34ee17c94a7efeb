// Package catalog is what a registry offers: the Assignments that were found, under
// the names and with the settings that the options give them. A catalog is never
// changed; the next discovery makes another, which knows what the last one showed.
//
// rules.go has what the options say, selector.go and folders.go whom they say it of,
// entry.go one Assignment, read.go how a catalog is made, accept.go, names.go and
// changes.go what is compared with the one before, and find.go how an entry is found
// again, by name or by words.
package catalog
