// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"slices"
	"sync"
)

// A mapTable is a Go map of structs. It keeps current values only.
type mapTable struct {
	mu    sync.RWMutex
	tasks map[string]task
}

func openMap(string) (table, error) { return &mapTable{tasks: map[string]task{}}, nil }

// put decodes the fields that the other methods ask for.
func (m *mapTable) put(_ int, key string, value []byte) error {
	t := task{Key: key, Value: value}
	if err := json.Unmarshal(value, &t); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tasks[key] = t
	return nil
}

func (m *mapTable) get(key string) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return found(m.tasks[key].Value)
}

// late looks at all.
func (m *mapTable) late() (n int, err error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, t := range m.tasks {
		if t.Status == "late" {
			if err := found(t.Value); err != nil {
				return n, err
			}
			n++
		}
	}
	return n, nil
}

// top looks at all.
func (m *mapTable) top() (int, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	const limit = 20
	best := make([]task, 0, limit+1)
	for _, t := range m.tasks {
		if len(best) == limit && t.Amount <= best[limit-1].Amount {
			continue
		}
		at, _ := slices.BinarySearchFunc(best, t, func(a, b task) int {
			if a.Amount > b.Amount {
				return -1
			}
			return 1
		})
		best = slices.Insert(best, at, t)[:min(len(best)+1, limit)]
	}
	return len(best), nil
}

func (m *mapTable) close() error { return nil }
