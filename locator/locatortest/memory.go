// Package locatortest holds a locator.Store in memory, for tests of what stands above a store, and the suite
// that every store passes, so that the one in memory cannot promise what the real one does not do.
package locatortest

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
)

// A Memory is a locator.Store in memory. The zero Memory is empty. It is safe for use by many goroutines.
type Memory struct {
	mu    sync.Mutex
	state state
	// Events are the audit events recorded, in order.
	Events []audit.Event
}

type state struct {
	pointers map[locator.Ref]locator.Pointer
	claims   map[locator.Claim]claim
	lists    map[locator.Ref]locator.List
	listKeys map[locator.Claim]locator.List
}

type claim struct {
	ref  locator.Ref
	hash []byte
}

// clone copies what a transaction may change.
func (s state) clone() state {
	out := state{map[locator.Ref]locator.Pointer{}, map[locator.Claim]claim{}, map[locator.Ref]locator.List{}, map[locator.Claim]locator.List{}}
	for k, v := range s.pointers {
		out.pointers[k] = v
	}
	for k, v := range s.claims {
		out.claims[k] = v
	}
	for k, v := range s.lists {
		v.Items = slices.Clone(v.Items)
		out.lists[k] = v
	}
	for k, v := range s.listKeys {
		out.listKeys[k] = v
	}
	return out
}

// update runs f on a copy that takes effect when f returns no error.
func (m *Memory) update(f func(s *state) ([]audit.Event, error)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := m.state.clone()
	events, err := f(&next)
	if err != nil {
		return err
	}
	m.state = next
	m.Events = append(m.Events, events...)
	return nil
}

// Deposit implements locator.Store.
func (m *Memory) Deposit(_ context.Context, d locator.Deposit) (done []locator.Published, err error) {
	lists := slices.Clone(d.Lists)
	err = m.update(func(s *state) ([]audit.Event, error) {
		done = make([]locator.Published, len(d.Documents))
		fresh := map[locator.Ref]*locator.Pointer{}
		for i, doc := range d.Documents {
			p := doc.Pointer
			if c, taken := s.claims[doc.Claim]; taken {
				if err := locator.Repeat(p, c.ref.Record, c.hash); err != nil {
					return nil, err
				}
				done[i] = locator.Published{Ref: c.ref, Existing: true}
				continue
			}
			s.claims[doc.Claim] = claim{p.Ref(), p.Hash}
			p.Relations = slices.Clone(p.Relations)
			fresh[p.Ref()] = &p
			done[i] = locator.Published{Ref: p.Ref(), Version: 1}
		}
		refs := make([]locator.Ref, len(done))
		for i := range done {
			refs[i] = done[i].Ref
		}
		for i, doc := range d.Documents {
			if done[i].Existing {
				continue
			}
			if err := s.relate(d, doc, fresh, refs, fresh[done[i].Ref]); err != nil {
				return nil, err
			}
		}
		for i, doc := range d.Documents {
			if done[i].Existing {
				continue
			}
			p := fresh[done[i].Ref]
			if doc.Render != nil {
				p.Received = doc.Render(refs)
			}
			s.pointers[p.Ref()], done[i].Pointer = *p, *p
		}
		if err := s.list(lists, refs); err != nil {
			return nil, err
		}
		return d.Events(done), nil
	})
	if err != nil {
		return nil, err
	}
	copy(d.Lists, lists)
	return done, nil
}

func (s *state) relate(d locator.Deposit, doc locator.Document, fresh map[locator.Ref]*locator.Pointer, refs []locator.Ref, by *locator.Pointer) error {
	for j := range by.Relations {
		rel := &by.Relations[j]
		switch {
		case rel.Entry > 0:
			rel.Target = refs[rel.Entry-1]
		case rel.Target == (locator.Ref{}):
			c, ok := s.claims[doc.Targets[j]]
			if !ok {
				return locator.UnknownTarget()
			}
			rel.Target = c.ref
		}
		target, inside := fresh[rel.Target]
		if !inside {
			stored, ok := s.pointers[rel.Target]
			if !ok {
				return locator.UnknownTarget()
			}
			target = &stored
		}
		rule := d.Relate
		if rel.Code == "replaces" {
			rule = d.Judge
		}
		if err := rule(*target, *by); err != nil {
			return err
		}
		if rel.Code != "replaces" {
			continue
		}
		target.Status = locator.Superseded
		if !inside {
			target.Version, target.Updated = target.Version+1, d.Now
			s.pointers[rel.Target] = *target
			s.inherit(rel.Target, by.Ref())
		}
	}
	return nil
}

// inherit puts by into the folders that hold old.
func (s *state) inherit(old, by locator.Ref) {
	for k, l := range s.lists {
		if l.Code == "folder" && slices.Contains(l.Items, old) && !slices.Contains(l.Items, by) {
			l.Items = append(l.Items, by)
			s.lists[k] = l
		}
	}
}

func (s *state) list(lists []locator.List, refs []locator.Ref) error {
	for i := range lists {
		l := &lists[i]
		l.Items = nil
		for _, e := range l.Entries {
			l.Items = append(l.Items, refs[e-1])
		}
		if !l.Identifier.IsZero() {
			if old, taken := s.listKeys[l.Claim]; taken {
				if old.Record != l.Record || old.Digest != l.Digest {
					return locator.Conflict(&hie.InvalidError{Path: "List.identifier", Rule: "belongs to another list", Code: "duplicate", Detail: locator.ErrorDuplicateUniqueID})
				}
				l.ID, l.Existing = old.ID, true
				continue
			}
			s.listKeys[l.Claim] = *l
		}
		kept := *l
		if l.Render != nil {
			kept.Received = l.Render(refs, l.ID)
		}
		s.lists[locator.Ref{Record: l.Record, ID: hie.PointerID(l.ID)}] = kept
	}
	return nil
}

// Change implements locator.Store.
func (m *Memory) Change(_ context.Context, ref locator.Ref, _ time.Time, change func(locator.Pointer) (locator.Pointer, []audit.Event, error)) (p locator.Pointer, err error) {
	err = m.update(func(s *state) (events []audit.Event, err error) {
		old, ok := s.pointers[ref]
		if !ok {
			return nil, hie.ErrNotFound
		}
		if p, events, err = change(old); err == nil {
			s.pointers[ref] = p
		}
		return events, err
	})
	return p, err
}

// Remove implements locator.Store.
func (m *Memory) Remove(_ context.Context, ref locator.Ref, _ time.Time, allow func(old locator.Pointer, named bool) ([]audit.Event, error)) error {
	return m.update(func(s *state) ([]audit.Event, error) {
		old, ok := s.pointers[ref]
		if !ok {
			return nil, hie.ErrNotFound
		}
		named := false
		for _, p := range s.pointers {
			named = named || slices.ContainsFunc(p.Relations, func(r locator.Relation) bool { return r.Target == ref })
		}
		events, err := allow(old, named)
		if err != nil {
			return nil, err
		}
		delete(s.pointers, ref)
		delete(s.claims, locator.ClaimOf(old))
		for k, l := range s.lists {
			l.Items = slices.DeleteFunc(l.Items, func(r locator.Ref) bool { return r == ref })
			s.lists[k] = l
		}
		return events, nil
	})
}

// Read implements locator.Store.
func (m *Memory) Read(_ context.Context, ref locator.Ref) (locator.Pointer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, ok := m.state.pointers[ref]
	if !ok {
		return locator.Pointer{}, hie.ErrNotFound
	}
	return p, nil
}

// ReadList implements locator.Store.
func (m *Memory) ReadList(_ context.Context, record hie.SourcePatientID, id int64) (locator.List, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l, ok := m.state.lists[locator.Ref{Record: record, ID: hie.PointerID(id)}]
	if !ok {
		return locator.List{}, hie.ErrNotFound
	}
	return locator.List{Record: l.Record, ID: l.ID, Custodian: l.Custodian, Code: l.Code, Items: slices.Clone(l.Items), Received: bytes.Clone(l.Received), Recorded: l.Recorded}, nil
}

// Presence implements locator.Store.
func (m *Memory) Presence(_ context.Context, records []hie.SourcePatientID) ([]locator.Presence, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []locator.Presence
	for _, p := range m.state.pointers {
		if !slices.Contains(records, p.Record) {
			continue
		}
		i := slices.IndexFunc(out, func(e locator.Presence) bool { return e.Record == p.Record && e.Kind.ID == p.Kind.ID })
		if i < 0 {
			i = len(out)
			out = append(out, locator.Presence{Record: p.Record, Site: p.Site, Kind: p.Kind})
		}
		out[i].Count++
		if p.Status == locator.Current {
			out[i].Current++
		}
		if p.SortAt.After(out[i].Newest) {
			out[i].Newest = p.SortAt
		}
	}
	slices.SortFunc(out, func(a, b locator.Presence) int {
		return cmp.Or(cmp.Compare(a.Record, b.Record), cmp.Compare(a.Kind.ID, b.Kind.ID))
	})
	return out, nil
}

// Rows implements locator.Store.
func (m *Memory) Rows(_ context.Context, record hie.SourcePatientID, q locator.Query) ([]locator.Pointer, error) {
	out := m.wanted(record, q)
	if q.After.ID != 0 {
		out = slices.DeleteFunc(out, func(p locator.Pointer) bool {
			c := p.SortAt.Compare(q.After.SortAt)
			return c > 0 || c == 0 && p.ID >= q.After.ID
		})
	}
	out = out[:min(len(out), q.Limit)]
	if !q.Received {
		for i := range out {
			out[i].Received = nil
		}
	}
	return out, nil
}

// Marks implements locator.Store.
func (m *Memory) Marks(_ context.Context, record hie.SourcePatientID, q locator.Query, hashes [][]byte) ([]locator.Pointer, error) {
	var out []locator.Pointer
	for _, p := range m.wanted(record, q) {
		if hashes == nil || slices.ContainsFunc(hashes, func(h []byte) bool { return bytes.Equal(h, p.Hash) }) {
			out = append(out, locator.Pointer{Record: p.Record, ID: p.ID, SortAt: p.SortAt, Kind: locator.Kind{ID: p.Kind.ID}, Size: p.Size, Hash: p.Hash})
		}
	}
	return out, nil
}

// Count implements locator.Store.
func (m *Memory) Count(_ context.Context, record hie.SourcePatientID, q locator.Query) (int64, error) {
	return int64(len(m.wanted(record, q))), nil
}

// wanted returns what q asks for of record, newest first, place and limit aside.
func (m *Memory) wanted(record hie.SourcePatientID, q locator.Query) []locator.Pointer {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []locator.Pointer
	for _, p := range m.state.pointers {
		if p.Record == record && slices.Contains(q.Kinds, p.Kind.ID) && (q.After.Highest == 0 || p.ID <= q.After.Highest) && q.Filter.Matches(p) {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b locator.Pointer) int { return cmp.Or(b.SortAt.Compare(a.SortAt), cmp.Compare(b.ID, a.ID)) })
	return out
}
