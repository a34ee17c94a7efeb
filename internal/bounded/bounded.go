// Package bounded remembers the latest of what comes without end.
package bounded

import "slices"

// A Map remembers a bounded number of entries: for a new one that is too many the one is
// forgotten whose key came first. The zero Map is empty and ready. It may not be used by
// several goroutines at once.
type Map[K comparable, V any] struct {
	of    map[K]V
	order []K // those of its keys, the one that came first at first
}

// Set remembers an entry, and of all at most so many, at least this one. A key that is
// set again stays as old as it is.
func (m *Map[K, V]) Set(key K, v V, most int) {
	if m.of == nil {
		m.of = map[K]V{}
	}
	if _, there := m.of[key]; !there {
		m.order = append(m.order, key)
	}
	m.of[key] = v
	for len(m.order) > max(most, 1) {
		delete(m.of, m.order[0])
		m.order = m.order[1:]
	}
}

// Get returns what is remembered for a key.
func (m *Map[K, V]) Get(key K) (v V, ok bool) {
	v, ok = m.of[key]
	return v, ok
}

// Delete forgets a key.
func (m *Map[K, V]) Delete(key K) {
	if _, there := m.of[key]; there {
		delete(m.of, key)
		m.order = slices.DeleteFunc(m.order, func(other K) bool { return other == key })
	}
}

// Keys returns the keys, the one that came first at first.
func (m *Map[K, V]) Keys() []K { return slices.Clone(m.order) }
