package federation

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
	"github.com/concord-hie/concord/mpi"
)

// The records of Maria, the person most tests ask about, and of Otto, who is somebody else.
const (
	mariaClinic   hie.SourcePatientID = 11
	mariaHospital hie.SourcePatientID = 12
	mariaHeart    hie.SourcePatientID = 13
	mariaLive     hie.SourcePatientID = 14
	otto          hie.SourcePatientID = 21
)

var clinicID = hie.Identifier{System: "urn:clinic", Value: "m-1"}

// world is an exchange over fakes: the locator is the real one over a store in memory, consent is real, the index of
// persons and the sites are maps.
type world struct {
	*Exchange
	mu         sync.Mutex
	now        time.Time
	network    *directory.Network
	persons    map[hie.PersonID]mpi.Person
	epochs     map[hie.SourcePatientID]int64
	directives []consent.Directive
	grants     []consent.Grant

	instruments     []consent.Instrument
	representatives []consent.Representative
	teams           map[string]directory.CareTeam
	events          []audit.Event
	recordErr       error
	store           *memory
	kept            map[locator.Ref]told
	searches        map[hie.SiteID]int
	search          func(ctx context.Context, ask Ask) ([]locator.Pointer, error)
	fetch           func(ctx context.Context, p locator.Pointer) (Body, error)
	onFind          func()
}

type told struct {
	p                     locator.Pointer
	first, asked, expires time.Time
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), persons: map[hie.PersonID]mpi.Person{}, epochs: map[hie.SourcePatientID]int64{},
		kept: map[locator.Ref]told{}, searches: map[hie.SiteID]int{}}
	site := func(id, org string, publishes bool) directory.Site {
		return directory.Site{ID: hie.SiteID(id), Org: hie.OrgID(org), Name: id, Authorities: []string{"urn:" + id}, Zone: "UTC", Labelled: true,
			Regimes: []string{}, PrivilegedRoles: []string{"ed"}, Publishes: publishes, Active: true, Membership: directory.Live,
			Endpoints: []directory.Endpoint{{ID: id + "-fhir", Protocol: "fhir-r4", Address: "https://" + id + ".example.org/fhir"}}}
	}
	org := func(id string) directory.Organization {
		return directory.Organization{ID: hie.OrgID(id), Name: id, Identifier: "urn:org:" + id, Jurisdiction: "US-MD", Active: true}
	}
	var err error
	w.network, err = directory.NewNetwork(1,
		[]directory.Organization{org("clinic"), org("hospital"), org("heart"), org("rural"), org("patient-app")},
		[]directory.Site{site("clinic", "clinic", true), site("hospital", "hospital", true), site("heart", "heart", true), site("rural", "rural", false)},
		nil)
	if err != nil {
		t.Fatal(err)
	}
	env := w.env(t)
	w.person(1, member(mariaClinic, "clinic", "m-1"), member(mariaHospital, "hospital", "77"), member(mariaHeart, "heart", "h-9"), member(mariaLive, "rural", "r-5"))
	w.person(2, member(otto, "hospital", "78"))
	w.store = &memory{docs: map[hie.SourcePatientID][]locator.Pointer{}}
	ids := hie.NewIDs(nil)
	index := locator.New(w.store, func() *directory.Network { return w.network }, ids, func() time.Time { return w.now })
	w.Exchange = New(Parts{
		Patients: w, Holdings: holdings{index, w}, Sites: w, Handles: handles{w}, Record: w.record1,
		Directives: func(_ context.Context, records []hie.SourcePatientID) (consent.OnFile, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return consent.OnFile{Directives: slices.Clone(w.directives), Grants: slices.Clone(w.grants), Instruments: slices.Clone(w.instruments), Epochs: w.epochsOf(records)}, nil
		},
		Representatives: func(context.Context, []hie.SourcePatientID) ([]consent.Representative, error) {
			return w.representatives, nil
		},
		CareTeams: func(_ context.Context, teams []string) (map[string]directory.CareTeam, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			out := map[string]directory.CareTeam{}
			for _, id := range teams {
				if t, known := w.teams[id]; known {
					out[id] = t
				}
			}
			return out, nil
		},
		Epochs: func(_ context.Context, records []hie.SourcePatientID) (map[hie.SourcePatientID]int64, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.epochsOf(records), nil
		},
		Network: func() *directory.Network { return w.network }, Env: func() *consent.Env { return env },
		DocumentID: func(r locator.Ref) string { return "doc-" + r.ID.String() },
		Now:        func() time.Time { return w.now },
		Limits:     Limits{Budget: 400 * time.Millisecond, Reserve: 50 * time.Millisecond},
	})
	w.search = func(context.Context, Ask) ([]locator.Pointer, error) { return nil, nil }
	w.fetch = func(context.Context, locator.Pointer) (Body, error) { return Body{}, errors.New("nothing to fetch") }
	return w
}

func (w *world) epochsOf(records []hie.SourcePatientID) map[hie.SourcePatientID]int64 {
	out := map[hie.SourcePatientID]int64{}
	for _, r := range records {
		out[r] = w.epochs[r]
	}
	return out
}

func (w *world) env(t testing.TB, edit ...func(*consent.Setup)) *consent.Env {
	t.Helper()
	setup := consent.Setup{EmergencyHours: 4, Defaults: []consent.Default{{Network: true, PurposeClass: "*", Category: "*", Rule: "permit"}}}
	for _, o := range w.network.Organizations() {
		setup.Organizations = append(setup.Organizations, consent.Organization{ID: o.ID, Parent: o.Parent})
	}
	for _, s := range w.network.Sites() {
		setup.Sites = append(setup.Sites, consent.Site{ID: s.ID, Org: s.Org, Jurisdiction: "US-MD", Regimes: s.Regimes, Zone: s.Zone, PrivilegedRoles: s.PrivilegedRoles})
	}
	for _, e := range edit {
		e(&setup)
	}
	env, err := consent.NewEnv(setup)
	if err != nil {
		t.Fatal(err)
	}
	return env
}

func member(record hie.SourcePatientID, site, local string) mpi.Member {
	return mpi.Member{Record: record, Site: hie.SiteID(site), Local: hie.Identifier{System: "urn:" + site, Value: local}, Link: hie.LinkConfirmed}
}

func (w *world) person(id hie.PersonID, members ...mpi.Member) {
	w.persons[id] = mpi.Person{ID: id, Version: w.persons[id].Version + 1, Members: members}
}

// clinician is a doctor at the clinic.
func clinician() hie.Actor {
	return hie.Actor{Organization: "clinic", Client: "clinic-emr", User: "dr-a", Roles: []string{"physician"}, Purposes: []hie.Purpose{hie.PurposeTreat}, Request: "req-1"}
}

// doc publishes one document; it is described by edit.
func (w *world) doc(record hie.SourcePatientID, site, class string, day int, edit ...func(*locator.Pointer)) locator.Pointer {
	p := pointer(w.network, record, site, class, day)
	for _, f := range edit {
		f(&p)
	}
	s, _ := w.network.Site(p.Site)
	p.Custodian = s.Org
	p.Kind = locator.KindOf(p.Categories, p.Types, p.Labels, s.Labelled)
	w.store.docs[record] = append(w.store.docs[record], p)
	return p
}

var lastPointer atomic.Int64

func pointer(_ *directory.Network, record hie.SourcePatientID, site, class string, day int) locator.Pointer {
	id := hie.PointerID(1000 + lastPointer.Add(1))
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, day)
	p := locator.Pointer{Record: record, ID: id, Site: hie.SiteID(site), Status: locator.Current,
		MasterIdentifier: hie.Identifier{System: "urn:ids", Value: "uid-" + id.String()},
		Types:            []hie.Coding{{System: "http://loinc.org", Code: "34133-9"}},
		Labels:           []hie.Coding{{System: locator.SystemConfidentiality, Code: "N"}},
		Date:             locator.Span{Start: at, End: at.Add(time.Second)}, SortAt: at, ContentType: "text/plain", Size: -1, Received: []byte(`{}`),
		Location: locator.Location{Site: hie.SiteID(site), Endpoint: site + "-fhir", Path: "Binary/" + id.String()}}
	if class != "" {
		p.Categories = []hie.Coding{{System: "http://loinc.org", Code: class}}
	}
	return p
}

func content(b []byte) func(*locator.Pointer) {
	sum := sha1.Sum(b)
	return func(p *locator.Pointer) { p.Size, p.Hash = int64(len(b)), sum[:] }
}

// denyAll is Maria's word that nobody may have anything.
func denyAll(record hie.SourcePatientID) consent.Directive {
	at := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	return consent.Directive{ID: "no", Version: 1, Record: record.String(), Filed: at, Signed: at, Verified: true, NetworkWide: true,
		Status: "active", Scope: "patient-privacy", Policies: nil, PolicyRules: []string{"OPTOUT"}, Provision: &consent.Provision{Type: "deny"}}
}

// say files a directive and moves the epoch with it.
func (w *world) say(ds ...consent.Directive) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.directives = append(w.directives, ds...)
	for _, d := range ds {
		n, _ := strconv.ParseInt(d.Record, 10, 64)
		w.epochs[hie.SourcePatientID(n)]++
	}
}

func (w *world) record1(_ context.Context, events ...audit.Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.recordErr != nil {
		return w.recordErr
	}
	w.events = append(w.events, events...)
	return nil
}

func (w *world) recorded(kind audit.Kind) []audit.Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []audit.Event
	for _, e := range w.events {
		if e.Kind == kind {
			out = append(out, e)
		}
	}
	return out
}

func (w *world) Resolve(_ context.Context, id hie.Identifier) (mpi.Person, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.persons {
		for _, m := range p.Members {
			if m.Local == id {
				return p, nil
			}
		}
	}
	return mpi.Person{}, fmt.Errorf("fake: %w", hie.ErrNotFound)
}

func (w *world) PersonOf(_ context.Context, record hie.SourcePatientID) (mpi.Person, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.persons {
		if _, ok := p.Member(record); ok {
			return p, nil
		}
	}
	return mpi.Person{}, fmt.Errorf("fake: %w", hie.ErrNotFound)
}

func (w *world) Versions(_ context.Context, persons []hie.PersonID) (map[hie.PersonID]int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[hie.PersonID]int64{}
	for _, id := range persons {
		if p, ok := w.persons[id]; ok {
			out[id] = p.Version
		}
	}
	return out, nil
}

func (w *world) Search(ctx context.Context, ask Ask) ([]locator.Pointer, error) {
	w.mu.Lock()
	w.searches[ask.Site]++
	w.mu.Unlock()
	return w.search(ctx, ask)
}

func (w *world) Decode(_ hie.SiteID, record hie.SourcePatientID, received []byte) (locator.Pointer, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.kept {
		if t.p.Record == record && bytes.Equal(t.p.Received, received) {
			return t.p, nil
		}
	}
	return locator.Pointer{}, errors.New("fake: not kept")
}

func (w *world) Fetch(ctx context.Context, p locator.Pointer) (Body, error) { return w.fetch(ctx, p) }

// serve answers every fetch with b, announced truly.
func (w *world) serve(b []byte) {
	w.fetch = func(context.Context, locator.Pointer) (Body, error) {
		return Body{ReadCloser: io.NopCloser(bytes.NewReader(b)), ContentType: "text/plain", Length: int64(len(b)), Framed: true}, nil
	}
}

// holdings is the real locator, with a hook that runs while it is asked.
type holdings struct {
	*locator.Index
	w *world
}

func (h holdings) Find(ctx context.Context, f locator.Filter, plans []locator.Plan, c locator.Cursor, limit int) (locator.Page, error) {
	if h.w.onFind != nil {
		h.w.onFind()
	}
	return h.Index.Find(ctx, f, plans, c, limit)
}

// handles keeps what was told in memory.
type handles struct{ w *world }

func (h handles) Keep(_ context.Context, docs []locator.Pointer, asked, expires time.Time) error {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	for _, d := range docs {
		t, known := h.w.kept[d.Ref()]
		if !known || !t.expires.After(asked) {
			t.first = asked
		}
		t.p, t.asked, t.expires = d, asked, expires
		h.w.kept[d.Ref()] = t
	}
	return nil
}

func (h handles) Kept(_ context.Context, records []hie.SourcePatientID, asked, now time.Time) ([]Told, error) {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	var out []Told
	for ref, t := range h.w.kept {
		if slices.Contains(records, ref.Record) && (asked.IsZero() || !t.first.After(asked) && !t.asked.Before(asked)) && t.expires.After(now) {
			out = append(out, Told{Ref: ref, Site: t.p.Site, Received: t.p.Received})
		}
	}
	return out, nil
}

func (h handles) Read(_ context.Context, ref locator.Ref, now time.Time) (Told, error) {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	t, ok := h.w.kept[ref]
	if !ok || !t.expires.After(now) {
		return Told{}, fmt.Errorf("fake: %w", hie.ErrNotFound)
	}
	return Told{Ref: ref, Site: t.p.Site, Received: t.p.Received}, nil
}

// memory is a locator store that can only be read.
type memory struct {
	locator.Store
	mu   sync.Mutex
	docs map[hie.SourcePatientID][]locator.Pointer
}

// of returns a record's documents as they are now; nobody writes to the slice.
func (s *memory) of(record hie.SourcePatientID) []locator.Pointer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.docs[record]
}

func (s *memory) Read(_ context.Context, ref locator.Ref) (locator.Pointer, error) {
	for _, p := range s.of(ref.Record) {
		if p.ID == ref.ID {
			return p, nil
		}
	}
	return locator.Pointer{}, hie.ErrNotFound
}

func (s *memory) Presence(_ context.Context, records []hie.SourcePatientID) ([]locator.Presence, error) {
	var out []locator.Presence
	for _, r := range records {
		for _, p := range s.of(r) {
			i := slices.IndexFunc(out, func(h locator.Presence) bool { return h.Record == r && h.Kind.ID == p.Kind.ID })
			if i < 0 {
				i = len(out)
				out = append(out, locator.Presence{Record: r, Site: p.Site, Kind: p.Kind})
			}
			out[i].Count++
			if p.Status == locator.Current {
				out[i].Current++
			}
			if p.SortAt.After(out[i].Newest) {
				out[i].Newest = p.SortAt
			}
		}
	}
	return out, nil
}

func (s *memory) Rows(_ context.Context, record hie.SourcePatientID, q locator.Query) ([]locator.Pointer, error) {
	var out []locator.Pointer
	for _, p := range s.of(record) {
		if slices.Contains(q.Kinds, p.Kind.ID) && q.Filter.Matches(p) && after(p, q.After) && (q.After.Highest == 0 || p.ID <= q.After.Highest) {
			if !q.Received {
				p.Received = nil
			}
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b locator.Pointer) int {
		return cmp.Or(b.SortAt.Compare(a.SortAt), cmp.Compare(b.ID, a.ID))
	})
	return out[:min(len(out), q.Limit)], nil
}

func (s *memory) Marks(ctx context.Context, record hie.SourcePatientID, q locator.Query, hashes [][]byte) ([]locator.Pointer, error) {
	q.After, q.Limit = locator.Cursor{Highest: q.After.Highest}, 1<<30
	rows, err := s.Rows(ctx, record, q)
	var out []locator.Pointer
	for _, p := range rows {
		if hashes == nil || slices.ContainsFunc(hashes, func(h []byte) bool { return bytes.Equal(h, p.Hash) }) {
			out = append(out, locator.Pointer{Record: p.Record, ID: p.ID, SortAt: p.SortAt, Kind: locator.Kind{ID: p.Kind.ID}, Size: p.Size, Hash: p.Hash})
		}
	}
	return out, err
}

func (s *memory) Count(ctx context.Context, record hie.SourcePatientID, q locator.Query) (int64, error) {
	q.After, q.Limit = locator.Cursor{Highest: q.After.Highest}, 1<<30
	rows, err := s.Rows(ctx, record, q)
	return int64(len(rows)), err
}
